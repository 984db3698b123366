"""A sweep as plain values for machines, and as a table for people: the best combination first."""

from collections import Counter
from collections.abc import Sequence
from enum import StrEnum
from typing import Any, NamedTuple

from rich.console import Console
from rich.table import Table
from rich.text import Text

from live_trading.backtest.report import at, length, money, percent, ratio
from live_trading.backtest.statistics import Statistics
from live_trading.backtest.sweep import SweepResult, SweepRow

_MOST_SHOWN = 25


class Kind(StrEnum):
    """How a figure is written: an amount of money, a share of one, a plain ratio, a count, a length of time."""

    MONEY = "money"
    SHARE = "share"
    RATIO = "ratio"
    COUNT = "count"
    TIME = "time"


class Measure(NamedTuple):
    """One of the statistics that combinations are compared by. ``neutral``: what is better than it is good."""

    title: str
    kind: Kind
    less_is_better: bool = False
    neutral: float | None = None


MEASURES: dict[str, Measure] = {
    "net_profit": Measure("Net profit", Kind.MONEY, neutral=0.0),
    "return_share": Measure("Return", Kind.SHARE, neutral=0.0),
    "profit_factor": Measure("Profit factor", Kind.RATIO, neutral=1.0),
    "sharpe": Measure("Sharpe", Kind.RATIO, neutral=0.0),
    "sortino": Measure("Sortino", Kind.RATIO, neutral=0.0),
    "max_drawdown": Measure("Max drawdown", Kind.MONEY, less_is_better=True),
    "max_drawdown_share": Measure("Max drawdown share", Kind.SHARE, less_is_better=True),
    "longest_drawdown_seconds": Measure("Longest drawdown", Kind.TIME, less_is_better=True),
    "trades": Measure("Trades", Kind.COUNT),
    "win_rate": Measure("Win rate", Kind.SHARE),
    "average_trade": Measure("Average trade", Kind.MONEY, neutral=0.0),
    "commissions": Measure("Commissions", Kind.MONEY, less_is_better=True),
    "exposure": Measure("In the market", Kind.SHARE),
}
IN_TABLE = ("net_profit", "return_share", "profit_factor", "sharpe", "max_drawdown", "trades", "win_rate")


def ranked(rows: Sequence[SweepRow], name: str) -> list[SweepRow]:
    """The best first by this statistic; those that have none of it after, those that failed last."""
    measure = MEASURES[name]

    def rank(row: SweepRow) -> tuple[int, float, int]:
        value = None if row.statistics is None else getattr(row.statistics, name)
        if value is None:
            return (2 if row.statistics is None else 1), 0.0, row.number
        return 0, float(value) if measure.less_is_better else -float(value), row.number

    return sorted(rows, key=rank)


def sweep_fields(result: SweepResult, sort: str) -> dict[str, Any]:
    """The whole sweep as JSON values, the rows ranked. What it took is in ``run`` alone."""
    about = result.about
    return {
        "title": about.title,
        "source": about.source,
        "currency": about.currency,
        "first": about.first.isoformat(),
        "last": about.last.isoformat(),
        "axes": {name: list(values) for name, values in result.grid.axes.items()},
        "combinations": len(result.grid),
        "settings": about.settings,
        "sort": sort,
        "rows": [row_fields(row) for row in ranked(result.rows, sort)],
        "run": {"runs": len(result.rows), "jobs": result.jobs, "seconds": round(result.seconds, 3)},
    }


def row_fields(row: SweepRow) -> dict[str, Any]:
    """One combination; either ``statistics`` or ``error`` is None."""
    figures = None if row.statistics is None else row.statistics.as_dict()
    return {"number": row.number, "parameters": row.parameters, "statistics": figures, "error": row.error}


def words(statistics: Statistics, name: str) -> str:
    """A statistic as people read it."""
    value = getattr(statistics, name)
    match MEASURES[name].kind:
        case Kind.MONEY:
            return "–" if value is None else money(value)
        case Kind.SHARE:
            return percent(value)
        case Kind.RATIO:
            return ratio(value)
        case Kind.TIME:
            return length(value)
    return f"{value:,}"


def tone(statistics: Statistics, name: str) -> int:
    """+1 for good, -1 for bad, 0 where that cannot be said."""
    value, neutral = getattr(statistics, name), MEASURES[name].neutral
    if value is None or neutral is None or value == neutral:
        return 0
    return 1 if value > neutral else -1


def value_text(value: Any) -> str:
    """A parameter's value."""
    return f"{value:g}" if isinstance(value, float) else str(value)


def subtitle(result: SweepResult) -> str:
    """What was run over what, in one line."""
    about, count = result.about, len(result.rows)
    of = f" of {len(result.grid):,}" if count < len(result.grid) else ""
    return (
        f"{about.source}: {count:,}{of} combinations over {about.played:,} {about.unit} each, "
        f"{at(about.first)} to {at(about.last)} UTC"
    )


def show_sweep(result: SweepResult, sort: str, console: Console) -> None:
    """The best combinations and what failed, on a terminal."""
    console.print(Text(f"{result.about.title}: sweep", style="bold"))
    at_once = "" if result.jobs is None else f", {result.jobs} at once"
    console.print(Text(f"{subtitle(result)}, in {result.seconds:.1f} s{at_once}"))
    rows = ranked(result.rows, sort)
    good = [row for row in rows if row.statistics is not None]
    console.print(_table(result, good[:_MOST_SHOWN], sort))
    if len(good) > _MOST_SHOWN:
        console.print(f"… and {len(good) - _MOST_SHOWN:,} more; --json and --html have them all")
    _tell_refusals(good, console)
    failed = [row for row in rows if row.statistics is None]
    if failed:
        console.print(f"[red]{len(failed):,} failed.[/] The first: {_named(failed[0])}: {failed[0].error}")


def _tell_refusals(rows: Sequence[SweepRow], console: Console) -> None:
    """Where nothing was traded at all, say what stood in the way."""
    figures = [row.statistics for row in rows if row.statistics is not None]
    if any(found.trades for found in figures):
        return
    refused: Counter[str] = sum((Counter(found.refused) for found in figures), Counter())
    signals = sum(found.signals for found in figures)
    why = ", ".join(f"{count:,} {rule}" for rule, count in refused.most_common())
    console.print(f"[yellow]No combination traded:[/] {signals:,} signals" + (f", refused: {why}" if why else ""))


def _named(row: SweepRow) -> str:
    return ", ".join(f"{name}={value_text(value)}" for name, value in row.parameters.items())


def _table(result: SweepResult, rows: Sequence[SweepRow], sort: str) -> Table:
    shown = IN_TABLE if sort in IN_TABLE else (sort, *IN_TABLE)
    heading = f"by {MEASURES[sort].title}, the best first; amounts in {result.about.currency}"
    table = Table(title=heading, title_justify="left", header_style="bold", box=None, pad_edge=False)
    for name in result.grid.axes:
        table.add_column(name, style="cyan", justify="right", no_wrap=True)
    for name in shown:
        table.add_column(MEASURES[name].title, justify="right", no_wrap=True)
    styles = {1: "green", -1: "red", 0: ""}
    for row in rows:
        found = row.statistics
        assert found is not None
        values = [value_text(row.parameters[name]) for name in result.grid.axes]
        figures = [Text(words(found, name), style=styles[tone(found, name)]) for name in shown]
        table.add_row(*values, *figures)
    return table
