"""The report as one HTML file that needs nothing else: style, script and data are inside, no host is asked."""

import json
from calendar import month_abbr
from collections import defaultdict
from collections.abc import Sequence
from decimal import Decimal
from html import escape
from importlib.resources import files
from itertools import groupby
from typing import Any

from live_trading.backtest.report import at, equity_points, figures, length, title
from live_trading.backtest.result import BacktestResult
from live_trading.backtest.statistics import statistics
from live_trading.domain.market import Bar
from live_trading.domain.values import PositionType
from live_trading.runtime import utc_from_ns

_MOST_CANDLES = 120_000
_EQUITY_POINTS = 6_000
_HEADLINE = 6
"""How many of the figures are shown large."""


def page(result: BacktestResult) -> str:
    """The whole page."""
    stats = statistics(result)
    shown = figures(result, stats)
    return filled(
        "report",
        title=escape(title(result)),
        subtitle=escape(_subtitle(result)),
        headline="".join(_tile(*figure) for figure in shown[:_HEADLINE]),
        figures="".join(figure_row(*figure) for figure in shown[_HEADLINE:]),
        settings="".join(figure_row(name, value) for name, value in _settings(result)),
        months=_months(result),
        data=embedded(_data(result)),
    )


def filled(name: str, **parts: str) -> str:
    """A template of this package with its style, its script and these parts put in."""
    folder = files("live_trading.backtest") / "pages"
    text = (folder / f"{name}.html").read_text("utf-8")
    parts["style"] = (folder / "style.css").read_text("utf-8")
    parts["script"] = (folder / f"{name}.js").read_text("utf-8")
    pieces = text.split("{{")
    made = [pieces[0]]
    for piece in pieces[1:]:
        key, _, rest = piece.partition("}}")
        made += [parts[key], rest]
    return "".join(made)


def embedded(data: Any) -> str:
    """JSON that can stand inside a script element."""
    return json.dumps(data, separators=(",", ":"), ensure_ascii=False, allow_nan=False).replace("</", "<\\/")


def _subtitle(result: BacktestResult) -> str:
    what = f"{result.ticks:,} ticks" if result.ticks else f"{result.source_bars:,} bars"
    return f"{result.source} · {what} · {at(result.first)} to {at(result.last)} UTC"


_TONES = {1: "good", -1: "bad", 0: ""}


def _tile(name: str, text: str, tone: int) -> str:
    return f'<div class="tile"><span>{escape(name)}</span><strong class="{_TONES[tone]}">{escape(text)}</strong></div>'


def figure_row(name: str, text: str, tone: int = 0) -> str:
    """A line of a table of figures."""
    return f'<tr><th>{escape(name)}</th><td class="{_TONES[tone]}">{escape(text)}</td></tr>'


def _settings(result: BacktestResult) -> list[tuple[str, str]]:
    settings = result.settings
    rows = [(name, str(value)) for name, value in settings.strategy_config.items()]
    rows.append(("bar sizes", ", ".join(size.value for size in settings.bar_sizes)))
    rows.append(("quantity", f"{settings.quantity:f}"))
    rows.append(("initial capital", f"{settings.initial_capital:f} {result.currency}"))
    for kind in ("stop_loss", "take_profit"):
        type_, value = getattr(settings, f"{kind}_type"), getattr(settings, f"{kind}_value")
        rows.append((kind.replace("_", " "), "none" if type_ is None else f"{type_.value} {value:f}"))
    rows.append(("journal", f"{len(result.entries):,} entries, chained to {result.journal_hash.hex()[:16]}…"))
    return rows


def _data(result: BacktestResult) -> dict[str, Any]:
    step = result.instrument.tick_size / 2
    bars, merged = _candles(result.bars, step)
    return {
        "capital": float(result.operation.initial_capital),
        "currency": result.currency,
        "digits": max(0, -int(result.instrument.tick_size.normalize().as_tuple().exponent)),
        "step": float(step),
        "candles": bars,
        "merged": merged,
        "equity": [[t // 1_000_000_000, round(value, 2)] for t, value in equity_points(result, _EQUITY_POINTS)],
        "trades": [
            [
                1 if trade.position_type is PositionType.LONG else -1,
                int(trade.entry_time.timestamp()) if trade.entry_time is not None else 0,
                float(trade.entry_price or 0),
                int(trade.executed_at.timestamp()),
                float(trade.price),
                float(trade.quantity),
                float(trade.net_profit),
                trade.purpose.value.lower().replace("_", " "),
                length((trade.executed_at - trade.entry_time).total_seconds()) if trade.entry_time is not None else "",
            ]
            for trade in result.trades
        ],
    }


def _candles(bars: Sequence[Bar], step: Decimal) -> tuple[list[int], int]:
    """Bars as one list of small integers: seconds since the last one; then in steps of price: open less the last
    close, high less the open, low less the open, close less the open. So many that a page would be slow are merged."""
    merged = max(1, -(-len(bars) // _MOST_CANDLES))
    numbers: list[int] = []
    last_seconds = last_close = 0
    for begin in range(0, len(bars), merged):
        several = bars[begin : begin + merged]
        seconds = several[0].start_ns // 1_000_000_000
        opened, closed = round(several[0].open / step), round(several[-1].close / step)
        high, low = round(max(bar.high for bar in several) / step), round(min(bar.low for bar in several) / step)
        numbers += (seconds - last_seconds, opened - last_close, high - opened, low - opened, closed - opened)
        last_seconds, last_close = seconds, closed
    return numbers, merged


def _months(result: BacktestResult) -> str:
    """A table of each month's return, of runs over more than one."""
    returns: dict[int, dict[int, float]] = defaultdict(dict)
    before = float(result.operation.initial_capital)
    pairs = zip(result.times, result.equity, strict=True)

    def month_of(pair: tuple[int, float]) -> tuple[int, int]:
        moment = utc_from_ns(pair[0] - 1)
        return moment.year, moment.month

    for (year, month), several in groupby(pairs, key=month_of):
        *_, (_, last) = several
        if before > 0:
            returns[year][month] = last / before - 1
        before = last
    if sum(map(len, returns.values())) < 2:
        return ""
    rows = []
    for year, months in sorted(returns.items()):
        cells = "".join(_month_cell(months.get(month)) for month in range(1, 13))
        whole = 1.0
        for each in months.values():
            whole *= 1 + each
        rows.append(f"<tr><th>{year}</th>{cells}{_month_cell(whole - 1)}</tr>")
    names = "".join(f"<th>{name}</th>" for name in (*month_abbr[1:], "Year"))
    return (
        '<section><h2>Returns by month</h2><div class="scroll"><table class="months">'
        f"<thead><tr><th></th>{names}</tr></thead><tbody>{''.join(rows)}</tbody></table></div></section>"
    )


def _month_cell(value: float | None) -> str:
    if value is None:
        return "<td></td>"
    strength = min(abs(value) / 0.05, 1.0)
    kind = "good" if value > 0 else "bad" if value < 0 else ""
    return f'<td class="{kind}" style="--strength:{strength:.2f}">{value:.1%}</td>'
