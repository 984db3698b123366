"""The figures of a backtest.

Money is the operation's currency. A trade's result is net of its commissions. The rest is measured on the equity at the
close of each primary bar:

- *drawdown*: how far equity is under its highest so far; the longest is from a high until it is reached again;
- *daily returns*: from the last bar of one UTC day that has bars to that of the next, the first from the capital;
- *Sharpe ratio*: mean over standard deviation (of a sample) of the daily returns, times √252; the riskless rate is 0;
- *Sortino ratio*: the same over the root of the mean square of the negative ones (over all days);
- *exposure*: the share of primary bars at whose close a position was open.

Figures that would mean nothing (a ratio over one day, a factor without a loss) are None.
"""

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from decimal import Decimal
from itertools import groupby
from typing import Any

from live_trading.backtest.result import BacktestResult
from live_trading.domain.entries import SignalRefused
from live_trading.projections.state import Transaction

TRADING_DAYS = 252
_DAY_NS = 86_400_000_000_000
_YEAR_SECONDS = 365.25 * 86_400
_ZERO = Decimal(0)


@dataclass(frozen=True, slots=True)
class Drawdown:
    """The deepest fall under an earlier high, in money and as a share of that high, and the longest, in seconds."""

    money: float
    share: float
    longest_seconds: float


@dataclass(frozen=True, slots=True)
class Statistics:
    """See the module."""

    initial_capital: float
    final_equity: float
    net_profit: float
    """What equity gained, an open position at its last price included."""
    return_share: float
    annual_return_share: float | None
    trades: int
    winning: int
    losing: int
    win_rate: float | None
    gross_profit: float
    gross_loss: float
    profit_factor: float | None
    average_trade: float | None
    average_win: float | None
    average_loss: float | None
    largest_win: float | None
    largest_loss: float | None
    longest_losing_run: int
    average_seconds_in_trade: float | None
    commissions: float
    max_drawdown: float
    max_drawdown_share: float
    longest_drawdown_seconds: float
    sharpe: float | None
    sortino: float | None
    exposure: float
    signals: int
    refused: dict[str, int]
    orders: int
    fills: int

    def as_dict(self) -> dict[str, Any]:
        """As plain values."""
        return asdict(self)


def statistics(result: BacktestResult) -> Statistics:
    """The figures of a run."""
    capital = float(result.operation.initial_capital)
    final = result.equity[-1] if len(result.equity) else capital
    if result.open_position is None:
        final = float(result.operation.current_capital)
    nets = [float(trade.net_profit) for trade in result.trades]
    wins, losses = [net for net in nets if net > 0], [net for net in nets if net < 0]
    fallen = drawdown(result.times, result.equity, capital)
    returns = daily_returns(result.times, result.equity, capital)
    counts = Counter(entry.action_type for entry in result.entries)
    seconds = (result.last - result.first).total_seconds()
    return Statistics(
        initial_capital=capital,
        final_equity=final,
        net_profit=final - capital,
        return_share=final / capital - 1,
        annual_return_share=_annual(final / capital, seconds),
        trades=len(nets),
        winning=len(wins),
        losing=len(losses),
        win_rate=len(wins) / len(nets) if nets else None,
        gross_profit=sum(wins),
        gross_loss=sum(losses),
        profit_factor=sum(wins) / -sum(losses) if losses else None,
        average_trade=_mean(nets),
        average_win=_mean(wins),
        average_loss=_mean(losses),
        largest_win=max(wins, default=None),
        largest_loss=min(losses, default=None),
        longest_losing_run=max((len(list(run)) for lost, run in groupby(net < 0 for net in nets) if lost), default=0),
        average_seconds_in_trade=_mean([_held(trade) for trade in result.trades]),
        commissions=float(result.operation.totals.commission),
        max_drawdown=fallen.money,
        max_drawdown_share=fallen.share,
        longest_drawdown_seconds=fallen.longest_seconds,
        sharpe=sharpe(returns),
        sortino=sortino(returns),
        exposure=result.bars_in_position / len(result.times) if len(result.times) else 0.0,
        signals=counts["SIGNAL_GENERATED"],
        refused=dict(Counter(e.data.rule for e in result.entries if isinstance(e.data, SignalRefused))),
        orders=counts["ORDER_REQUESTED"],
        fills=counts["ORDER_FILLED"],
    )


def _mean(values: Sequence[float]) -> float | None:
    return sum(values) / len(values) if values else None


def _held(trade: Transaction) -> float:
    assert trade.entry_time is not None
    return (trade.executed_at - trade.entry_time).total_seconds()


def _annual(growth: float, seconds: float) -> float | None:
    """Growth a year; of less than a month it would say nothing."""
    if growth <= 0 or seconds < _YEAR_SECONDS / 12:
        return None
    return float(growth ** (_YEAR_SECONDS / seconds) - 1)


def drawdown(times: Sequence[int], equity: Sequence[float], capital: float) -> Drawdown:
    """The deepest and the longest fall of equity under its highest so far, which begins as the capital."""
    high, high_ns = capital, times[0] if len(times) else 0
    deepest = share = longest = 0.0
    for time_ns, value in zip(times, equity, strict=True):
        if value >= high:
            high, high_ns = value, time_ns
            continue
        deepest = max(deepest, high - value)
        share = max(share, (high - value) / high)
        longest = max(longest, (time_ns - high_ns) / 1e9)
    return Drawdown(deepest, share, longest)


def daily_returns(times: Sequence[int], equity: Sequence[float], capital: float) -> list[float]:
    """One return for each UTC day that has bars. A bar that ends at midnight is of the day before."""
    returns = []
    before = capital
    for _, several in groupby(zip(times, equity, strict=True), key=lambda pair: (pair[0] - 1) // _DAY_NS):
        *_, (_, last) = several
        if before > 0:
            returns.append(last / before - 1)
        before = last
    return returns


def sharpe(returns: Sequence[float]) -> float | None:
    """Annual Sharpe ratio of daily returns, riskless rate 0. Source: W. F. Sharpe, "The Sharpe Ratio", 1994."""
    if len(returns) < 2:
        return None
    mean = sum(returns) / len(returns)
    deviation = math.sqrt(sum((each - mean) ** 2 for each in returns) / (len(returns) - 1))
    return mean / deviation * math.sqrt(TRADING_DAYS) if deviation else None


def sortino(returns: Sequence[float]) -> float | None:
    """Annual Sortino ratio of daily returns, target 0. Source: F. A. Sortino and L. N. Price, 1994."""
    if len(returns) < 2:
        return None
    mean = sum(returns) / len(returns)
    downside = math.sqrt(sum(min(each, 0.0) ** 2 for each in returns) / len(returns))
    return mean / downside * math.sqrt(TRADING_DAYS) if downside else None
