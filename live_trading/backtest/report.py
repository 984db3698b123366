"""A result as plain values for machines, and in words for people."""

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, NamedTuple

from rich.console import Console
from rich.table import Table
from rich.text import Text

from live_trading.backtest.result import BacktestResult
from live_trading.backtest.statistics import Statistics, statistics
from live_trading.domain.values import PositionType
from live_trading.projections.state import Transaction
from live_trading.runtime import utc_from_ns

_POINTS = 2_000
_LAST_TRADES = 10


class Figure(NamedTuple):
    """One figure of the report: its name, its value in words, and +1 or -1 where it is good or bad news."""

    name: str
    text: str
    tone: int = 0


def money(value: float | Decimal, currency: str = "") -> str:
    """An amount to the cent, with separators."""
    return f"{value:,.2f} {currency}".rstrip()


def percent(value: float | None) -> str:
    return "–" if value is None else f"{value:.2%}"


def ratio(value: float | None) -> str:
    return "–" if value is None else f"{value:.2f}"


def length(seconds: float | None) -> str:
    """How long something took, in its two largest units."""
    if seconds is None:
        return "–"
    left = timedelta(seconds=round(seconds))
    parts = [
        (left.days, "d"),
        (left.seconds // 3600, "h"),
        (left.seconds % 3600 // 60, "min"),
        (left.seconds % 60, "s"),
    ]
    first = next((index for index, (count, _) in enumerate(parts) if count), len(parts) - 1)
    return " ".join(f"{count} {unit}" for count, unit in parts[first : first + 2] if count) or "0 s"


def at(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M:%S}"


def figures(result: BacktestResult, stats: Statistics) -> list[Figure]:
    """The figures in the order in which they are shown."""
    currency = result.currency

    def amount(value: float | None) -> str:
        return "–" if value is None else money(value, currency)

    def tone(value: float | None) -> int:
        return 0 if not value else 1 if value > 0 else -1

    factor = stats.profit_factor
    return [
        Figure("Net profit", amount(stats.net_profit), tone(stats.net_profit)),
        Figure("Return", percent(stats.return_share), tone(stats.return_share)),
        Figure("Return a year", percent(stats.annual_return_share), tone(stats.annual_return_share)),
        Figure("Profit factor", ratio(factor), 0 if factor is None else tone(factor - 1)),
        Figure("Trades", f"{stats.trades:,}"),
        Figure("Win rate", percent(stats.win_rate)),
        Figure("Average trade", amount(stats.average_trade), tone(stats.average_trade)),
        Figure("Average win / loss", f"{amount(stats.average_win)} / {amount(stats.average_loss)}"),
        Figure("Largest win / loss", f"{amount(stats.largest_win)} / {amount(stats.largest_loss)}"),
        Figure("Longest losing run", f"{stats.longest_losing_run} trades"),
        Figure("Average time in trade", length(stats.average_seconds_in_trade)),
        Figure("Largest drawdown", f"{amount(stats.max_drawdown)} ({percent(stats.max_drawdown_share)})"),
        Figure("Longest drawdown", length(stats.longest_drawdown_seconds)),
        Figure("Sharpe ratio", ratio(stats.sharpe), tone(stats.sharpe)),
        Figure("Sortino ratio", ratio(stats.sortino), tone(stats.sortino)),
        Figure("Time in the market", percent(stats.exposure)),
        Figure("Commissions", amount(stats.commissions)),
        Figure("Signals", _signals(stats)),
        Figure("Orders / fills", f"{stats.orders:,} / {stats.fills:,}"),
    ]


def _signals(stats: Statistics) -> str:
    if not stats.refused:
        return f"{stats.signals:,}"
    refused = ", ".join(f"{count} {rule}" for rule, count in sorted(stats.refused.items()))
    return f"{stats.signals:,} (refused: {refused})"


def trade_fields(trade: Transaction) -> dict[str, Any]:
    """One trade. Money as decimal strings."""
    assert trade.entry_time is not None
    return {
        "side": trade.position_type.value,
        "quantity": format(trade.quantity, "f"),
        "entry_time": trade.entry_time.isoformat(),
        "entry_price": format(trade.entry_price or Decimal(0), "f"),
        "exit_time": trade.executed_at.isoformat(),
        "exit_price": format(trade.price, "f"),
        "profit": format(trade.profit, "f"),
        "commission": format(trade.trade_commission, "f"),
        "net_profit": format(trade.net_profit, "f"),
        "exit": trade.purpose.value,
        "reason": trade.reason,
    }


def result_fields(result: BacktestResult, stats: Statistics | None = None) -> dict[str, Any]:
    """The whole result as JSON values, the equity curve thinned to some two thousand points."""
    stats = stats or statistics(result)
    position = result.open_position
    return {
        "source": result.source,
        "first": result.first.isoformat(),
        "last": result.last.isoformat(),
        "ticks": result.ticks,
        "bars": result.source_bars,
        "settings": result.settings.model_dump(mode="json"),
        "currency": result.currency,
        "statistics": stats.as_dict(),
        "open_position": None
        if position is None
        else {
            "quantity": format(position.quantity, "f"),
            "entry_price": format(position.entry_price, "f"),
            "last_price": format(position.last_price, "f"),
            "unrealized_pnl": format(position.unrealized_pnl, "f"),
            "opened_at": position.opened_at.isoformat(),
        },
        "trades": [trade_fields(trade) for trade in result.trades],
        "equity": [[utc_from_ns(time_ns).isoformat(), round(value, 2)] for time_ns, value in equity_points(result)],
        "journal": {"entries": len(result.entries), "hash": result.journal_hash.hex()},
        "status": result.operation.status.value,
        "status_reason": result.operation.status_reason,
        "seconds": round(result.seconds, 3),
    }


def equity_points(result: BacktestResult, most: int = _POINTS) -> list[tuple[int, float]]:
    """The equity curve with no more than about ``most`` points: of each stretch its lowest and its highest one."""
    pairs = list(zip(result.times, result.equity, strict=True))
    if len(pairs) <= most:
        return pairs
    width = -(-2 * len(pairs) // most)
    points: dict[int, float] = {}
    for begin in range(0, len(pairs), width):
        stretch = pairs[begin : begin + width]
        low, high = min(stretch, key=lambda pair: pair[1]), max(stretch, key=lambda pair: pair[1])
        points.update(sorted((low, high)))
    points.update((pairs[0], pairs[-1]))
    return sorted(points.items())


def title(result: BacktestResult) -> str:
    """What was run, in one line."""
    settings = result.settings
    return f"{settings.strategy_name} on {settings.asset}, {settings.primary_bar_size.value}"


def show_result(result: BacktestResult, console: Console) -> None:
    """The figures and the last trades, on a terminal."""
    stats = statistics(result)
    what = f"{result.ticks:,} ticks" if result.ticks else f"{result.source_bars:,} bars"
    console.print(Text(title(result), style="bold"))
    console.print(
        f"{result.source}: {what}, {at(result.first)} to {at(result.last)} UTC, "
        f"played in {result.seconds:.2f} s ({result.count / max(result.seconds, 1e-9):,.0f} a second)"
    )
    parameters = ", ".join(f"{name}={value}" for name, value in result.settings.strategy_config.items())
    if parameters:
        console.print(f"[dim]{parameters}[/]")
    console.print(_figures_table(figures(result, stats)))
    if result.trades:
        console.print(_trades_table(result))
    if result.open_position is not None:
        held = result.open_position
        console.print(
            f"Still open: {held.quantity:f} at {held.entry_price:f}, last price {held.last_price:f}, "
            f"unrealised {money(held.unrealized_pnl, result.currency)}"
        )
    if result.operation.status_reason:
        console.print(f"[yellow]The operation is {result.operation.status.value}: {result.operation.status_reason}[/]")


def _figures_table(shown: list[Figure]) -> Table:
    table = Table(box=None, pad_edge=False, show_header=False)
    half = -(-len(shown) // 2)
    for _ in range(2):
        table.add_column(style="cyan", no_wrap=True)
        table.add_column(justify="right", no_wrap=True)
        table.add_column(width=2)
    for row in range(half):
        cells: list[Text] = []
        for figure in shown[row::half][:2]:
            style = {1: "green", -1: "red", 0: ""}[figure.tone]
            cells += [Text(figure.name), Text(figure.text, style=style), Text("")]
        table.add_row(*cells)
    return table


def _trades_table(result: BacktestResult) -> Table:
    shown = result.trades[-_LAST_TRADES:]
    heading = f"last {len(shown)} of {len(result.trades):,} trades"
    table = Table(title=heading, title_justify="left", header_style="bold", box=None, pad_edge=False)
    for name in ("side", "quantity", "entered", "at", "left", "at ", "net", "by"):
        right = name in ("quantity", "at", "at ", "net")
        table.add_column(name, justify="right" if right else "left", no_wrap=True)
    for trade in shown:
        assert trade.entry_time is not None
        assert trade.entry_price is not None
        net = trade.net_profit
        table.add_row(
            "long" if trade.position_type is PositionType.LONG else "short",
            f"{trade.quantity:f}",
            at(trade.entry_time),
            f"{trade.entry_price:f}",
            at(trade.executed_at),
            f"{trade.price:f}",
            Text(money(net), style="green" if net > 0 else "red"),
            trade.purpose.value.lower().replace("_", " "),
        )
    return table
