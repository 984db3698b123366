"""The larger trends must agree, as of their last closed bars."""

from typing import Any

import pytest

from live_trading.domain.bar_size import BarSize
from live_trading.domain.errors import InvalidInput
from live_trading.domain.market import Bar
from live_trading.domain.values import SignalType
from live_trading.runtime import SystemClock
from live_trading.strategies import LiveStrategyAdapter, SignalAt, parse_parameters, run_strategy
from live_trading.strategies.multi_timeframe_trend import MultiTimeframeTrendParameters, MultiTimeframeTrendStrategy
from tests.strategies.markets import FRIDAY_MIDNIGHT, M1, larger, path_bars

M5, M15 = BarSize.MINS_5, BarSize.MINS_15
VALUES: dict[str, Any] = {
    "trend_bar_sizes": ["5 mins", "15 mins"], "trend_fast_period": 3, "trend_slow_period": 6,
    "entry_fast_period": 3, "entry_slow_period": 8, "min_adx": 0,
}  # fmt: skip


def run(closes: list[float], **values: Any) -> list[SignalAt]:
    minutes = path_bars(FRIDAY_MIDNIGHT, closes)
    parameters = parse_parameters(MultiTimeframeTrendStrategy(), {**VALUES, **values})
    return run_strategy(
        MultiTimeframeTrendStrategy(), parameters, minutes + larger(minutes, M5) + larger(minutes, M15), M1
    )


def rising(sign: int = 1) -> list[float]:
    """Three hours up with a dip of ten minutes, then down for good."""
    up = [1000 + sign * minute for minute in range(180)]
    dip = [up[-1] - sign * 1.5 * minute for minute in range(1, 11)]
    on = [dip[-1] + sign * 2 * minute for minute in range(1, 61)]
    return up + dip + on + [on[-1] - sign * 3 * minute for minute in range(1, 61)]


@pytest.mark.parametrize(("sign", "kind"), [(1, SignalType.ENTER_LONG), (-1, SignalType.ENTER_SHORT)])
def test_a_dip_in_an_agreed_trend_is_bought_when_it_ends_and_left_when_it_turns(sign: int, kind: SignalType) -> None:
    signals = run(rising(sign))
    assert [each.signal.type for each in signals] == [kind, SignalType.EXIT]
    entry, leave = (each.bar.start_ns // M1.nanoseconds % 1440 for each in signals)
    begin = FRIDAY_MIDNIGHT.hour * 60
    assert 190 < entry - begin < 200
    assert 250 < leave - begin < 262
    stop = signals[0].signal.stop_loss
    assert stop is not None
    assert (signals[0].bar.close - stop) * sign > 0


def test_a_trend_that_is_not_agreed_on_is_left_alone() -> None:
    assert run(rising(), trend_bar_sizes=["5 mins", "15 mins"], min_adx=100) == []
    assert run(rising(-1), allow_short=False) == []
    against = run(rising(), trend_bar_sizes=["5 mins"])
    assert SignalType.ENTER_LONG in {each.signal.type for each in against}
    slower = run(rising(), trend_bar_sizes=["5 mins", "15 mins"], trend_fast_period=5, trend_slow_period=14)
    assert slower == [], "three hours have 12 bars of 15 minutes: its trend is not known, so it does not agree"


def test_the_stop_may_be_left_to_the_operation() -> None:
    assert [each.signal.stop_loss for each in run(rising(), stop_atr=None)] == [None, None]


def test_the_larger_sizes_must_be_the_operations() -> None:
    with pytest.raises(InvalidInput, match="looks at 1 hour, 1 day, which is not among them"):
        LiveStrategyAdapter(
            MultiTimeframeTrendStrategy(), MultiTimeframeTrendParameters(), "NQ", [M1], M1, SystemClock()
        )
    with pytest.raises(InvalidInput, match="below its slow one"):
        parse_parameters(MultiTimeframeTrendStrategy(), {"trend_fast_period": 60})


def test_a_larger_bar_counts_from_its_end() -> None:
    """The same minutes with the last larger bars missing or there: only what had ended is seen."""
    minutes = path_bars(FRIDAY_MIDNIGHT, rising())
    large = larger(minutes, M5) + larger(minutes, M15)
    parameters = parse_parameters(MultiTimeframeTrendStrategy(), VALUES)
    cut = minutes[193].end_ns

    def signals(bars: list[Bar]) -> list[SignalAt]:
        return run_strategy(MultiTimeframeTrendStrategy(), parameters, bars, M1)

    known = [bar for bar in minutes + large if bar.end_ns <= cut]
    early = [bar for bar in large if bar.start_ns < cut < bar.end_ns]
    assert len(early) == 2
    assert signals(known + early) == signals(known)
