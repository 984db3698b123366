"""The 9:30 breakout: by the exchange's clock, once a day, and never into a day whose opening was not seen."""

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from live_trading.domain.bar_size import BarSize
from live_trading.domain.errors import InvalidInput
from live_trading.domain.market import Bar, ns_from_utc
from live_trading.domain.values import SignalType
from live_trading.runtime import SystemClock
from live_trading.strategies import (
    FLAT,
    LiveStrategyAdapter,
    SignalAt,
    StrategyPosition,
    parse_parameters,
    run_strategy,
)
from live_trading.strategies.opening_range_breakout import OpeningRangeBreakoutParameters, OpeningRangeBreakoutStrategy
from tests.strategies.markets import M1, NEW_YORK, path_bars

FRIDAY, MONDAY = datetime(2024, 3, 8, 9, 0, tzinfo=NEW_YORK), datetime(2024, 3, 11, 9, 0, tzinfo=NEW_YORK)


def day(start: datetime, after: list[float], *, until: int = 420) -> list[Bar]:
    """From 9:00: half an hour at 95, fifteen minutes between 98 and 102, then ``after`` minute by minute, and on."""
    opening = [100 + (2 if minute % 2 else -2) for minute in range(15)]
    closes = [95.0] * 30 + [float(each) for each in opening] + after
    return path_bars(start, closes + [closes[-1]] * (until - len(closes)), wick=0)


def run(bars: list[Bar], **values: Any) -> list[SignalAt]:
    strategy = OpeningRangeBreakoutStrategy()
    return run_strategy(strategy, parse_parameters(strategy, values), bars, M1)


def at(signal: SignalAt) -> str:
    return signal.bar.end.astimezone(NEW_YORK).strftime("%d %H:%M")


@pytest.mark.parametrize(
    ("after", "kind", "stop", "target"),
    [
        ([101.0, 103.0], SignalType.ENTER_LONG, "95", "119"),
        ([99.0, 94.0], SignalType.ENTER_SHORT, "102", "78"),
    ],
)
def test_the_first_close_beyond_the_range_is_entered(
    after: list[float], kind: SignalType, stop: str, target: str
) -> None:
    first, last = run(day(FRIDAY, after))
    assert (at(first), first.signal.type) == ("08 09:47", kind)
    # The range's low is the open of its first bar, 95.
    assert (first.signal.stop_loss, first.signal.take_profit) == (Decimal(stop), Decimal(target))
    assert (at(last), last.signal.type) == ("08 15:55", SignalType.EXIT)


def test_it_goes_by_new_yorks_clock_on_both_sides_of_the_change_to_daylight_saving() -> None:
    bars = day(FRIDAY, [103.0]) + day(MONDAY, [103.0])
    assert [at(signal) for signal in run(bars)] == ["08 09:46", "08 15:55", "11 09:46", "11 15:55"]
    utc = [signal.bar.end.hour for signal in run(bars)]
    assert utc == [14, 20, 13, 19], "an hour earlier in UTC"


def test_a_half_day_is_left_before_its_early_close_and_a_holiday_is_not_traded() -> None:
    thanksgiving, half_day = (datetime(2013, 11, at, 9, 0, tzinfo=NEW_YORK) for at in (28, 29))
    bars = day(thanksgiving, [103.0]) + day(half_day, [103.0])
    assert [at(signal) for signal in run(bars)] == ["29 09:46", "29 12:55"]
    without = [at(signal) for signal in run(bars, calendar=None)]
    assert without == ["28 09:46", "28 15:55", "29 09:46", "29 15:55"]


def test_the_breakout_is_entered_once_a_day_even_after_a_stop() -> None:
    bars = day(FRIDAY, [103.0, 101.0, 104.0, 90.0, 105.0])
    parameters = OpeningRangeBreakoutParameters()
    running = LiveStrategyAdapter(OpeningRangeBreakoutStrategy(), parameters, "NQ", [M1], M1, SystemClock())
    signals = [signal for bar in bars if (signal := running.on_bar(bar, FLAT)) is not None]
    assert [signal.type for signal in signals] == [SignalType.ENTER_LONG]
    both = parameters.model_copy(update={"both_ways": True})
    running = LiveStrategyAdapter(OpeningRangeBreakoutStrategy(), both, "NQ", [M1], M1, SystemClock())
    signals = [signal for bar in bars if (signal := running.on_bar(bar, FLAT)) is not None]
    assert [signal.type for signal in signals] == [SignalType.ENTER_LONG, SignalType.ENTER_SHORT]


def test_a_restart_in_the_middle_of_the_day_enters_nothing_again() -> None:
    bars = day(FRIDAY, [103.0, 104.0, 105.0])
    parameters = OpeningRangeBreakoutParameters()
    running = LiveStrategyAdapter(OpeningRangeBreakoutStrategy(), parameters, "NQ", [M1], M1, SystemClock())
    running.warm_up({M1: bars[:47]})
    assert [running.on_bar(bar, FLAT) for bar in bars[47:150]] == [None] * 103


def test_without_all_bars_of_the_opening_the_day_is_not_traded() -> None:
    bars = day(FRIDAY, [103.0])
    assert run(bars[:35] + bars[36:]) == []
    assert run(day(FRIDAY, [103.0])[32:]) == []


def test_a_filled_bar_in_the_opening_counts_and_a_late_breakout_does_not() -> None:
    bars = day(FRIDAY, [103.0])
    bars[35] = bars[35]._replace(filled=True)
    assert [at(signal) for signal in run(bars)][:1] == ["08 09:46"]
    assert run(day(FRIDAY, [100.0] * 110 + [103.0])) == []
    assert [at(s) for s in run(day(FRIDAY, [100.0] * 110 + [103.0]), entry_until="12:00")] == ["08 11:36", "08 15:55"]


def test_a_position_from_yesterday_is_left_before_todays_opening() -> None:
    bars = day(MONDAY, [100.0])
    running = LiveStrategyAdapter(
        OpeningRangeBreakoutStrategy(), OpeningRangeBreakoutParameters(), "NQ", [M1], M1, SystemClock()
    )
    earlier = [bar._replace(start_ns=bar.start_ns - 200 * M1.nanoseconds) for bar in bars[:130]]
    running.warm_up({M1: earlier})
    signal = running.on_bar(bars[0], StrategyPosition(Decimal(1), Decimal(99)))
    assert signal is not None
    assert signal.type is SignalType.EXIT


def test_parameters_and_a_bar_size_that_do_not_fit_are_refused() -> None:
    with pytest.raises(InvalidInput, match="must follow each other"):
        parse_parameters(OpeningRangeBreakoutStrategy(), {"entry_until": "09:40"})
    with pytest.raises(InvalidInput, match="not a time zone"):
        parse_parameters(OpeningRangeBreakoutStrategy(), {"timezone": "New York"})
    with pytest.raises(InvalidInput, match="15 minutes are not a whole number of bars of 1 hour"):
        OpeningRangeBreakoutStrategy().warmup(OpeningRangeBreakoutParameters(), BarSize.HOUR_1)


def test_another_exchange_has_another_clock() -> None:
    start = datetime(2024, 3, 8, 7, 30, tzinfo=ZoneInfo("Europe/London"))
    bars = day(start, [103.0])
    values = {"opening": "08:00", "timezone": "Europe/London", "calendar": "XLON"}
    first, *_ = run(bars, **values)
    assert first.bar.end - start == timedelta(minutes=46)
    assert ns_from_utc(start) == bars[0].start_ns
