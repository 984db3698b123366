"""How things look on a terminal."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from decimal import Decimal, InvalidOperation
from typing import Any, NamedTuple

from rich.console import Console
from rich.table import Table
from rich.text import Text

Row = Mapping[str, Any]

_STATUS_STYLES = {
    "active": "green", "open": "green", "FILLED": "green", "ok": "green",
    "paused": "yellow", "closing": "yellow", "PENDING": "yellow", "PARTIALLY_FILLED": "yellow", "warn": "yellow",
    "error": "bold red", "IN_DOUBT": "bold red", "NEEDS_OPERATOR": "bold red", "REJECTED": "red", "fail": "bold red",
}  # fmt: skip


class Column(NamedTuple):
    """A column: its heading, and the field or the function that fills it. ``number``: right-aligned."""

    heading: str
    value: str | Callable[[Row], Any]
    number: bool = False
    signed: bool = False


def cell(row: Row, column: Column) -> Text:
    """What stands in one place."""
    value = column.value(row) if callable(column.value) else row.get(column.value)
    if value is None or value == "":
        return Text("-", style="dim")
    text = str(value)
    if column.signed:
        return signed(text)
    return Text(text, style=_STATUS_STYLES.get(text, ""))


def signed(value: Any) -> Text:
    """An amount, green over zero and red under it."""
    text = money(value)
    if text.startswith("-"):
        return Text(text, style="red")
    return Text(text, style="green" if text.strip("0.") else "dim")


def money(value: Any) -> str:
    """An amount without needless decimals, at least two."""
    try:
        number = Decimal(str(value))
    except InvalidOperation:
        return str(value)
    text = format(number, "f")
    whole, _, decimals = text.partition(".")
    return f"{whole}.{decimals.rstrip('0').ljust(2, '0')}"


def at(value: Any) -> str:
    """A time to the second, in UTC."""
    return str(value)[:19].replace("T", " ") if value else "-"


def table(rows: Iterable[Row], columns: Sequence[Column], title: str | None = None) -> Table:
    """Rows as a table."""
    result = Table(title=title, title_justify="left", header_style="bold", box=None, pad_edge=False)
    for column in columns:
        right = column.number or column.signed
        result.add_column(column.heading, justify="right" if right else "left", no_wrap=True)
    for row in rows:
        result.add_row(*(cell(row, column) for column in columns))
    return result


def show_table(
    rows: Sequence[Row], columns: Sequence[Column], empty: str, title: str | None = None
) -> Callable[[Console], None]:
    """How to show rows; ``empty`` is said when there are none."""

    def show(console: Console) -> None:
        if rows:
            console.print(table(rows, columns, title))
        else:
            console.print(empty)

    return show


def show_fields(fields: Row, title: str | None = None) -> Callable[[Console], None]:
    """How to show one thing: a name and a value a line; nested ones indented."""

    def show(console: Console) -> None:
        if title is not None:
            console.print(Text(title, style="bold"))
        for line in _lines(fields, 0):
            console.print(line)

    return show


def _lines(fields: Row, depth: int) -> Iterable[Text]:
    width = max((len(str(name)) for name in fields), default=0)
    for name, value in fields.items():
        label = Text("  " * depth + str(name).ljust(width) + "  ", style="cyan")
        if isinstance(value, Mapping) and value:
            yield label
            yield from _lines(value, depth + 1)
        elif isinstance(value, list) and value and isinstance(value[0], Mapping):
            yield label
            for index, inner in enumerate(value):
                if index:
                    yield Text("")
                yield from _lines(inner, depth + 1)
        else:
            yield label + Text(_scalar(value), style=_STATUS_STYLES.get(str(value), ""))


def _scalar(value: Any) -> str:
    if value is None or value in ({}, [], ""):
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


OPERATION_COLUMNS = (
    Column("id", "id"),
    Column("asset", "asset"),
    Column("strategy", "strategy_name"),
    Column("bars", "primary_bar_size"),
    Column("status", "status"),
    Column("position", "open_quantity", number=True),
    Column("unrealised", "unrealized_pnl", signed=True),
    Column("realised", "total_pnl", signed=True),
    Column("cur", "currency"),
    Column("trades", "trade_count", number=True),
    Column("signals", "signal_count", number=True),
    Column("created", lambda row: at(row.get("created_at"))),
)
POSITION_COLUMNS = (
    Column("operation", "operation_id"),
    Column("symbol", "contract_symbol"),
    Column("side", "position_type"),
    Column("quantity", "quantity", number=True),
    Column("entry", "entry_price", number=True),
    Column("current", "current_price", number=True),
    Column("unrealised", "unrealized_pnl", signed=True),
    Column("realised", "realized_pnl", signed=True),
    Column("cur", "currency"),
    Column("stop", "stop_loss", number=True),
    Column("target", "take_profit", number=True),
    Column("opened", lambda row: at(row.get("opened_at"))),
)
ORDER_COLUMNS = (
    Column("client order id", "client_order_id"),
    Column("symbol", "symbol"),
    Column("action", "action"),
    Column("type", "order_type"),
    Column("purpose", "purpose"),
    Column("quantity", "quantity", number=True),
    Column("filled", "filled_quantity", number=True),
    Column("price", "price", number=True),
    Column("average", "avg_fill_price", number=True),
    Column("status", "status"),
    Column("doubt", "doubt"),
    Column("requested", lambda row: at(row.get("requested_at"))),
)
DISCREPANCY_COLUMNS = (
    Column("broker", "broker"),
    Column("symbol", "symbol"),
    Column("journal", "ledger_quantity", number=True),
    Column("broker's", "broker_quantity", number=True),
    Column("entry", "sequence_number", number=True),
)
