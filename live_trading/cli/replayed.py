"""``replay``: an operation's strategy once more over the bars it saw, against what the journal says it asked for."""

from collections.abc import Iterable
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from live_trading.backtest.replay import Difference, ReplayReport, history_of, replay
from live_trading.backtest.replay_bars import stored_bars
from live_trading.cli.access import opened
from live_trading.cli.exits import Exit, NotFound
from live_trading.cli.operations import json_or_text
from live_trading.cli.shell import Answer, Shell
from live_trading.data import MongoBarStore
from live_trading.domain.errors import InvalidInput
from live_trading.models.queries import object_id, operation, plain

_MOST_SHOWN = 10


async def replay_operation(
    shell: Shell,
    operation_id: Annotated[str, typer.Option("--operation", metavar="OPERATION", help="The operation's id")],
    from_seq: Annotated[int, typer.Option("--from-seq", min=0, help="Leave out signals before this entry")] = 0,
    param: Annotated[
        list[str] | None, typer.Option("--param", "-p", metavar="NAME=VALUE", help="Try another value of a parameter")
    ] = None,
) -> Answer:
    """Run an operation's strategy again over its stored bars and compare its signals with the journal's, one by one.

    Exits with 1 where they part. --param shows what another parameter would have changed.
    """
    given = dict(_parameter(text) for text in param or ())
    key = object_id(operation_id, "--operation")
    async with opened(shell) as access:
        if await operation(access.database, operation_id) is None:
            raise NotFound(
                f"--operation: there is no operation {operation_id}. live-trading operations list shows them"
            )
        entries = [entry async for batch in access.reader.read_batches() for entry in batch]
        history = history_of(entries, key)
        store = MongoBarStore(access.database, access.settings.engine.data_dir / "archive")
        bars = await stored_bars(store, history)
    report = replay(history, bars, parameters=given, from_sequence=from_seq)
    code = Exit.OK if report.is_equal else Exit.FAILED
    return Answer(report_fields(report), lambda console: show_report(report, console), code)


def _parameter(text: str) -> tuple[str, Any]:
    name, separator, value = text.partition("=")
    if not separator or not name:
        raise InvalidInput("--param", f'"{text}" is not of the form name=value', "Such as -p fast_period=8")
    return name, json_or_text(value)


def report_fields(report: ReplayReport) -> dict[str, Any]:
    """The report as plain values."""
    return {
        "operation_id": str(report.operation_id),
        "strategy_name": report.settings.strategy_name,
        "is_equal": report.is_equal,
        "bars": report.bars,
        "first": plain(report.first),
        "last": plain(report.last),
        "signals_in_journal": report.signals_then,
        "signals_now": report.signals_now,
        "matched": report.matched,
        "differences": [_difference_fields(each) for each in report.differences],
        "failures": report.failures,
    }


def _difference_fields(difference: Difference) -> dict[str, Any]:
    bar = difference.bar
    fields: dict[str, Any] = plain(
        {
            "kind": difference.kind,
            "sequence_number": difference.sequence_number,
            "bar": None if bar is None else {"start": bar.start, "end": bar.end, "close": bar.close},
            "position": difference.position.quantity,
            "fields": difference.fields,
            "journal": difference.then,
            "now": difference.now,
            "indicators": difference.values,
        }
    )
    return fields


def show_report(report: ReplayReport, console: Console) -> None:
    """Say whether they agree; where not, the first difference side by side, and the others in a line each."""
    settings = report.settings
    console.print(
        Text(f"{settings.strategy_name} on {settings.asset}, {settings.primary_bar_size.value}", style="bold")
    )
    if report.first is not None and report.last is not None:
        span = f", {report.first:%Y-%m-%d %H:%M} to {report.last:%Y-%m-%d %H:%M} UTC"
    else:
        span = ""
    console.print(f"{report.bars:,} bars{span}")
    console.print(
        f"{report.signals_then:,} signals in the journal, {report.signals_now:,} now, {report.matched:,} the same"
    )
    for failure in report.failures[:1]:
        console.print(f"[red]The strategy fails now on {len(report.failures)} bars: {failure}[/]")
    if report.is_equal:
        console.print("[green]No difference.[/]")
        return
    first, *others = report.differences
    console.print(f"[red]{len(report.differences):,} differences.[/] The first:")
    console.print(_side_by_side(first))
    for difference in others[: _MOST_SHOWN - 1]:
        console.print(_line(difference))
    if len(others) >= _MOST_SHOWN:
        console.print(f"… and {len(others) - _MOST_SHOWN + 1:,} more; --json has them all")


_WORDS = {
    "NOT_GIVEN_NOW": "the journal has a signal that the strategy does not give now",
    "NOT_GIVEN_THEN": "the strategy gives a signal now that the journal does not have",
    "DIFFERENT": "the two signals are not the same",
    "NO_BAR": "the bar of the journal's signal is not kept any more",
}


def _line(difference: Difference) -> str:
    at = difference.bar.start if difference.bar is not None else (difference.then or {})["bar_start"]
    number = "" if difference.sequence_number is None else f" (entry {difference.sequence_number})"
    names = f": {', '.join(difference.fields)}" if difference.kind == "DIFFERENT" else ""
    return f"{at:%Y-%m-%d %H:%M:%S}  {_WORDS[difference.kind]}{number}{names}"


def _side_by_side(difference: Difference) -> Table:
    table = Table(title=_line(difference), title_justify="left", header_style="bold", box=None, pad_edge=False)
    for name in ("", "journal", "now"):
        table.add_column(name, overflow="fold")
    for name, then, now in _rows(difference):
        table.add_row(Text(name, style="cyan"), then, Text(now, style="red" if name in difference.fields else ""))
    bar = difference.bar
    if bar is not None:
        prices = f"open {bar.open}, high {bar.high}, low {bar.low}, close {bar.close}"
        table.add_row(Text("bar", style="cyan"), prices, prices)
    held = f"{difference.position.quantity:f}"
    table.add_row(Text("position", style="cyan"), held, held)
    return table


def _rows(difference: Difference) -> Iterable[tuple[str, str, str]]:
    then, now = difference.then or {}, difference.now or {}
    for name in ("signal", "reason", "limit_price", "stop_price", "stop_loss", "take_profit"):
        if then.get(name) is not None or now.get(name) is not None:
            yield name, _text(then.get(name)), _text(now.get(name))
    theirs, mine = then.get("inputs", {}), now.get("inputs", difference.values)
    for name in {**theirs, **mine}:
        yield f"inputs.{name}", _text(theirs.get(name)), _text(mine.get(name))


def _text(value: Any) -> str:
    return "–" if value is None else str(value)
