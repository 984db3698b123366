"""Ticks to bars: alignment, closing, lateness, silences, and the same bars whoever asks how."""

import random
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from live_trading.data import BarAggregator, Gap, TradingCalendar
from live_trading.domain.bar_size import BarSize
from live_trading.domain.errors import InvalidInput
from live_trading.domain.instrument import CME_HOURS, FX_HOURS, Instrument, TradingHours
from live_trading.domain.market import Bar, Ohlc, QuoteTick, Tick, TradeTick, ns_from_utc
from live_trading.domain.values import AssetClass

SECOND = 1_000_000_000
TEN = ns_from_utc(datetime(2014, 5, 8, 10, tzinfo=UTC))
M1, S5 = BarSize.MIN_1, BarSize.SECS_5


def instrument(hours: TradingHours = FX_HOURS, kind: str = "QUOTE") -> Instrument:
    return Instrument.model_validate(
        {
            "symbol": "X", "asset_class": AssetClass.FX, "currency": "USD", "tick_size": "0.00001",
            "quantity_step": "1", "quote_kind": kind, "hours": hours,
        }
    )  # fmt: skip


def quote(seconds: float, bid: str = "1.0000", ask: str = "1.0002") -> QuoteTick:
    return QuoteTick("X", TEN + int(seconds * SECOND), Decimal(bid), Decimal(ask))


def run(aggregator: BarAggregator, ticks: Iterable[Tick], until_ns: int | None = None) -> list[Bar]:
    bars = [bar for tick in ticks for bar in aggregator.add(tick)]
    return bars + list(aggregator.advance(until_ns)) if until_ns is not None else bars


def starts(bars: Iterable[Bar]) -> list[float]:
    """Seconds after ten o'clock."""
    return [(bar.start_ns - TEN) / SECOND for bar in bars]


def plainly(ticks: Sequence[QuoteTick], sizes: Iterable[BarSize], hours: TradingHours) -> set[tuple[object, ...]]:
    """The bars as the definition says, by sorting ticks into them: slow and obvious."""
    groups: dict[tuple[BarSize, int], list[QuoteTick]] = {}
    for tick in ticks:
        day_ns = ns_from_utc(hours.trading_day_start(tick.at))
        for size in sizes:
            length = size.nanoseconds
            start = day_ns if size is BarSize.DAY_1 else day_ns + (tick.time_ns - day_ns) // length * length
            groups.setdefault((size, start), []).append(tick)

    def ohlc(values: list[Decimal]) -> Ohlc:
        return Ohlc(values[0], max(values), min(values), values[-1])

    return {
        (size, start, *(ohlc([getattr(t, side) for t in group]) for side in ("price", "bid", "ask")), len(group))
        for (size, start), group in groups.items()
    }  # fmt: skip


def shape(bars: Iterable[Bar]) -> set[tuple[object, ...]]:
    return {
        (b.bar_size, b.start_ns, Ohlc(b.open, b.high, b.low, b.close), b.bid, b.ask, b.tick_count)
        for b in bars
        if not b.filled
    }


quotes = st.lists(
    st.tuples(st.integers(0, 600_000), st.integers(-50, 50), st.integers(0, 9)), min_size=1, max_size=120
).map(
    lambda rows: [
        QuoteTick("X", moment, Decimal(10_000 + mid) / 10_000, Decimal(10_000 + mid + spread) / 10_000)
        for moment, (_, mid, spread) in zip(
            _running([step for step, _, _ in rows]), rows, strict=True
        )
    ]
)  # fmt: skip


def _running(milliseconds: list[int]) -> list[int]:
    """Times after ten o'clock by adding steps up; most steps short, a few long."""
    now, times = TEN, []
    for step in milliseconds:
        now += (step if step % 7 == 0 else step // 100) * 1_000_000
        times.append(now)
    return times


SIZES = st.sets(st.sampled_from(list(BarSize)), min_size=1, max_size=6)


@settings(max_examples=150, deadline=None)
@given(quotes, SIZES)
def test_bars_of_all_sizes_are_what_the_definition_says(ticks: list[QuoteTick], sizes: set[BarSize]) -> None:
    bars = run(BarAggregator(instrument(), sizes), ticks, ticks[-1].time_ns + 2 * 86_400 * SECOND)
    assert shape(bars) == plainly(ticks, sizes, FX_HOURS)
    for size in sizes:
        of_size = [bar.start_ns for bar in bars if bar.bar_size is size]
        assert of_size == sorted(set(of_size))
    assert [bar.end_ns for bar in bars if not bar.filled] == sorted(bar.end_ns for bar in bars if not bar.filled)


@settings(max_examples=60, deadline=None)
@given(quotes, SIZES, st.randoms(use_true_random=False))
def test_telling_the_time_between_ticks_changes_when_bars_close_but_not_the_bars(
    ticks: list[QuoteTick], sizes: set[BarSize], chance: random.Random
) -> None:
    end = ticks[-1].time_ns + 2 * 86_400 * SECOND
    gaps: list[Gap] = []
    told_gaps: list[Gap] = []
    expected = run(BarAggregator(instrument(), sizes, on_gap=gaps.append), ticks, end)
    told = BarAggregator(instrument(), sizes, on_gap=told_gaps.append)
    bars: list[Bar] = []
    for tick, following in zip(ticks, [*ticks[1:], None], strict=True):
        bars += told.add(tick)
        if following is not None and chance.random() < 0.5:
            bars += told.advance(chance.randint(tick.time_ns, following.time_ns))
    bars += told.advance(end)
    assert bars == expected
    assert told_gaps == gaps


@settings(max_examples=60, deadline=None)
@given(quotes, st.integers(1, 20), st.randoms(use_true_random=False))
def test_ticks_out_of_order_within_the_grace_give_the_same_bars(
    ticks: list[QuoteTick], grace_seconds: int, chance: random.Random
) -> None:
    grace = grace_seconds * SECOND
    distinct = [tick._replace(time_ns=tick.time_ns + index) for index, tick in enumerate(ticks)]
    shuffled = sorted(distinct, key=lambda tick: tick.time_ns + chance.randint(0, grace - 1))
    sizes, end = {S5, M1, BarSize.MINS_3}, distinct[-1].time_ns + 86_400 * SECOND
    aggregator = BarAggregator(instrument(), sizes, grace_ns=grace)
    assert run(aggregator, shuffled, end) == run(BarAggregator(instrument(), sizes), distinct, end)
    assert aggregator.late_ticks == 0


def test_a_quiet_market_still_closes_its_bars() -> None:
    aggregator = BarAggregator(instrument(), [S5, M1])
    assert run(aggregator, [quote(1)]) == []
    assert aggregator.advance(TEN + 5 * SECOND - 1) == ()
    assert [bar.bar_size for bar in aggregator.advance(TEN + 5 * SECOND)] == [S5]
    assert [bar.bar_size for bar in aggregator.advance(TEN + 60 * SECOND)] == [M1]
    assert aggregator.advance(TEN + 300 * SECOND) == ()


def test_bars_that_close_together_come_smaller_sizes_first() -> None:
    aggregator = BarAggregator(instrument(), [BarSize.HOUR_1, M1, S5, BarSize.MINS_15])
    bars = run(aggregator, [quote(3598)], TEN + 3600 * SECOND)
    assert [bar.bar_size for bar in bars] == [S5, M1, BarSize.MINS_15, BarSize.HOUR_1]


def test_a_late_tick_counts_in_an_open_bar_by_its_own_time() -> None:
    aggregator = BarAggregator(instrument(), [M1])
    ticks = [quote(20, "1.20", "1.22"), quote(40, "1.40", "1.42"), quote(30, "1.90", "1.92"), quote(10, "1.10", "1.12")]
    [bar] = run(aggregator, ticks, TEN + 60 * SECOND)
    assert bar.bid == Ohlc(Decimal("1.10"), Decimal("1.90"), Decimal("1.10"), Decimal("1.40"))
    assert bar.tick_count == 4


def test_a_tick_after_its_bar_closed_is_dropped_from_all_sizes_and_counted() -> None:
    aggregator = BarAggregator(instrument(), [S5, M1])
    bars = run(aggregator, [quote(1), quote(6), quote(2, "9", "9"), quote(7)], TEN + 60 * SECOND)
    assert aggregator.late_ticks == 1
    assert max(bar.high for bar in bars) < 2
    assert bars[-1].tick_count == 3


def test_a_bar_waits_for_late_ticks_as_long_as_the_grace() -> None:
    aggregator = BarAggregator(instrument(), [M1], grace_ns=2 * SECOND)
    assert run(aggregator, [quote(1), quote(61), quote(59, "1.5", "1.6")], TEN + 62 * SECOND - 1) == []
    [bar] = aggregator.advance(TEN + 62 * SECOND)
    assert bar.bid is not None
    assert bar.bid.close == Decimal("1.5")
    assert run(aggregator, [quote(58)]) == []
    assert aggregator.late_ticks == 1


def test_a_tick_of_the_bar_after_ends_the_wait_for_late_ones() -> None:
    aggregator = BarAggregator(instrument(), [S5, M1], grace_ns=2 * SECOND)
    assert run(aggregator, [quote(50), quote(60.5), quote(61.9)])[1:] == []
    assert [bar.bar_size for bar in aggregator.add(quote(62.1))] == [M1]


def test_a_late_tick_may_begin_a_bar_that_had_none() -> None:
    aggregator = BarAggregator(instrument(), [S5, M1], grace_ns=10 * SECOND)
    bars = run(aggregator, [quote(51), quote(66), quote(57)], TEN + 130 * SECOND)
    assert starts(bar for bar in bars if bar.bar_size is S5 and not bar.filled) == [50, 55, 65]
    assert [bar.tick_count for bar in bars if bar.bar_size is M1] == [2, 1]


def test_bars_waiting_together_are_parts_of_the_larger_bars_they_lie_in() -> None:
    aggregator = BarAggregator(instrument(), [S5, M1], grace_ns=20 * SECOND)
    bars = run(aggregator, [quote(58), quote(61), quote(66), quote(200)], TEN + 300 * SECOND)
    assert [(bar.tick_count, bar.start_ns - TEN) for bar in bars if bar.bar_size is M1 and not bar.filled] == [
        (1, 0), (2, 60 * SECOND), (1, 180 * SECOND),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("size", "next_tick", "filled"),
    [
        (M1, 60, 0), (M1, 120, 1), (M1, 180, 2), (M1, 240, None),
        (S5, 125, 24), (S5, 130, None),
        (BarSize.MINS_2, 240, 1), (BarSize.MINS_2, 360, None),
        (BarSize.MINS_3, 360, None), (BarSize.MINS_15, 1800, None),
    ],
)  # fmt: skip
def test_two_missing_minutes_are_filled_and_a_longer_silence_is_a_gap(
    size: BarSize, next_tick: int, filled: int | None
) -> None:
    gaps: list[Gap] = []
    aggregator = BarAggregator(instrument(), [size], on_gap=gaps.append)
    ticks = [quote(0, "1.1", "1.3"), quote(next_tick, "2.1", "2.3")]
    bars = run(aggregator, ticks, TEN + (next_tick + size.seconds) * SECOND)
    between = bars[1:-1]
    assert len(between) == (filled or 0)
    for number, bar in enumerate(between, start=1):
        assert bar.filled
        assert bar.start_ns == TEN + number * size.nanoseconds
        assert set(bar[3:7]) == {Decimal("1.2")}
        assert set(bar.bid or ()) == {Decimal("1.1")}
        assert set(bar.ask or ()) == {Decimal("1.3")}
        assert bar.tick_count == 0
    missing = next_tick // size.seconds - 1
    expected = Gap("X", size, TEN + size.nanoseconds, TEN + next_tick * SECOND, missing)
    assert gaps == ([expected] if filled is None else [])


def test_filled_bars_are_no_part_of_larger_ones() -> None:
    aggregator = BarAggregator(instrument(), [S5, M1])
    bars = run(aggregator, [quote(1, "1.0", "1.0"), quote(90, "2.0", "2.0")], TEN + 120 * SECOND)
    minutes = [bar for bar in bars if bar.bar_size is M1]
    assert [bar.open for bar in minutes] == [1, 2]


def test_a_weekend_is_no_gap_but_a_holiday_is_one() -> None:
    friday = ns_from_utc(datetime(2014, 5, 9, 20, 59, 30, tzinfo=UTC))
    sunday = ns_from_utc(datetime(2014, 5, 11, 21, 0, 30, tzinfo=UTC))
    gaps: list[Gap] = []
    aggregator = BarAggregator(instrument(), [M1], on_gap=gaps.append)
    run(aggregator, [quote(0)._replace(time_ns=friday), quote(0)._replace(time_ns=sunday)], sunday + 60 * SECOND)
    assert gaps == []
    later = sunday + 86_400 * SECOND
    bars = run(aggregator, [quote(0)._replace(time_ns=later)], later + 60 * SECOND)
    assert [(gap.start_ns, gap.end_ns, gap.missing) for gap in gaps] == [
        (sunday + 30 * SECOND, later - 30 * SECOND, 1439)
    ]
    assert not any(bar.filled for bar in bars)


def test_a_bar_that_began_before_the_feed_is_withheld() -> None:
    aggregator = BarAggregator(instrument(), [S5, M1, BarSize.MINS_2], complete_from_ns=TEN + 3 * SECOND)
    bars = run(aggregator, [quote(3), quote(7), quote(61), quote(121)], TEN + 240 * SECOND)
    assert starts(bar for bar in bars if bar.bar_size is S5 and not bar.filled) == [5, 60, 120]
    assert starts(bar for bar in bars if bar.bar_size is M1) == [60, 120]
    assert starts(bar for bar in bars if bar.bar_size is BarSize.MINS_2) == [120]


def test_after_an_interruption_the_missing_time_is_a_gap_and_never_filled() -> None:
    gaps: list[Gap] = []
    aggregator = BarAggregator(instrument(), [M1], on_gap=gaps.append)
    bars = run(aggregator, [quote(0), quote(61)])
    aggregator.resume_from(TEN + 100 * SECOND)
    bars += run(aggregator, [quote(100), quote(121)], TEN + 180 * SECOND)
    assert starts(bars) == [0, 120]
    assert [(gap.start_ns - TEN, gap.end_ns - TEN) for gap in gaps] == [(60 * SECOND, 120 * SECOND)]


def test_a_stock_trades_in_its_session_only_and_its_day_ends_with_it(spy: Instrument) -> None:
    opening = ns_from_utc(datetime(2013, 10, 8, 13, 30, tzinfo=UTC))  # 9:30 in New York
    moments = [-3600, 0, 3599, 3600, 23_399, 23_400, 30_000]
    ticks = [
        TradeTick("SPY", opening + second * SECOND, Decimal(100 + i), Decimal(10)) for i, second in enumerate(moments)
    ]
    aggregator = BarAggregator(spy, [BarSize.HOUR_1, BarSize.DAY_1])
    bars = run(aggregator, ticks)
    assert aggregator.outside_ticks == 3
    hours = [(bar.start_ns - opening) // SECOND for bar in bars if bar.bar_size is BarSize.HOUR_1]
    assert hours == [0, 3600, 21_600]
    assert (bars[-1].end_ns - opening) // SECOND == 23_400
    [day] = [bar for bar in bars if bar.bar_size is BarSize.DAY_1]
    assert (day.start_ns, day.end_ns) == (opening, opening + 23_400 * SECOND)
    assert [int(value) for value in day[3:8]] == [101, 104, 101, 104, 40]


@pytest.mark.parametrize(("month", "day", "hours"), [(3, 8, 23), (11, 1, 25), (5, 3, 24)])
def test_a_day_of_daylight_saving_is_as_long_as_it_is(month: int, day: int, hours: int) -> None:
    always = TradingHours(timezone="America/New_York", day_start="17:00")
    noon = datetime(2014, month, day + 1, 16, tzinfo=UTC)
    ticks = [quote(0)._replace(time_ns=ns_from_utc(noon))]
    bars = run(
        BarAggregator(instrument(always), [BarSize.DAY_1, BarSize.HOURS_4]), ticks, ns_from_utc(noon) + 86_400 * SECOND
    )
    [whole] = [bar for bar in bars if bar.bar_size is BarSize.DAY_1]
    assert (whole.end_ns - whole.start_ns) // SECOND == hours * 3600
    assert (whole.ended_ns is None) == (hours == 24)


def test_bars_of_a_future_end_with_the_session_and_start_with_the_next() -> None:
    close = ns_from_utc(datetime(2014, 5, 8, 21, tzinfo=UTC))  # 17:00 in New York; it opens again at 18:00
    gaps: list[Gap] = []
    aggregator = BarAggregator(instrument(CME_HOURS), [BarSize.HOURS_4, BarSize.DAY_1], on_gap=gaps.append)
    at = [close - SECOND, close + 1800 * SECOND, close + 3600 * SECOND]
    bars = run(aggregator, [quote(0)._replace(time_ns=moment) for moment in at], close + 86_400 * SECOND)
    assert [(bar.bar_size, bar.end_ns) for bar in bars[:2]] == [(BarSize.HOURS_4, close), (BarSize.DAY_1, close)]
    assert (bars[0].end_ns - bars[0].start_ns) == 3 * 3600 * SECOND
    assert bars[2].start_ns == close + 3600 * SECOND
    assert (aggregator.outside_ticks, gaps) == (1, [])


def test_a_bar_across_a_lunch_break_is_missing_once() -> None:
    tokyo = TradingHours(
        timezone="Asia/Tokyo",
        sessions=tuple(
            (f"{day} {opening}", f"{day} {closing}")
            for day in ("WED", "THU", "FRI")
            for opening, closing in (("09:00", "11:30"), ("12:30", "15:00"))
        ),
        day_start="09:00",
    )
    wednesday = ns_from_utc(datetime(2014, 5, 7, 5, 30, tzinfo=UTC))  # 14:30 in Tokyo
    friday = ns_from_utc(datetime(2014, 5, 9, 0, 30, tzinfo=UTC))
    gaps: list[Gap] = []
    aggregator = BarAggregator(instrument(tokyo), [BarSize.HOURS_2, BarSize.HOUR_1], on_gap=gaps.append)
    run(aggregator, [quote(0)._replace(time_ns=at) for at in (wednesday, friday)], friday + 86_400 * SECOND)
    assert {gap.bar_size: gap.missing for gap in gaps} == {BarSize.HOURS_2: 3, BarSize.HOUR_1: 6}


def test_ticks_of_the_other_kind_are_counted_and_make_no_bar() -> None:
    aggregator = BarAggregator(instrument(), [M1])
    assert run(aggregator, [TradeTick("X", TEN, Decimal(5)), quote(1), TradeTick("X", TEN + SECOND, Decimal(5))]) == []
    [bar] = aggregator.advance(TEN + 60 * SECOND)
    assert (bar.tick_count, aggregator.other_ticks) == (1, 2)


def test_asking_for_nothing_is_refused() -> None:
    with pytest.raises(InvalidInput, match="bar_sizes"):
        BarAggregator(instrument(), [])


@settings(max_examples=300, deadline=None)
@given(st.integers(1_300_000_000, 1_700_000_000), st.sampled_from(["FX", "CME", "STOCK", "NIGHT"]))
def test_the_calendar_agrees_with_the_trading_hours(second: int, which: str) -> None:
    hours = {
        "FX": FX_HOURS,
        "CME": CME_HOURS,
        "STOCK": TradingHours(timezone="America/New_York", sessions=(("MON 09:30", "MON 16:00"),), day_start="09:30"),
        "NIGHT": TradingHours(timezone="Asia/Tokyo", sessions=(("FRI 22:00", "SAT 02:30"), ("TUE 08:00", "TUE 09:00"))),
    }[which]
    at = datetime.fromtimestamp(second, UTC)
    day = TradingCalendar(hours).day_of(second * SECOND)
    assert day.is_open(second * SECOND) == hours.is_open(at)
    assert day.start_ns == ns_from_utc(hours.trading_day_start(at))
    assert day.start_ns <= second * SECOND < day.end_ns
    assert ns_from_utc(hours.trading_day_start(datetime.fromtimestamp(day.end_ns // SECOND, UTC))) == day.end_ns
