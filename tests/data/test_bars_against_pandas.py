"""Bars equal those that pandas makes of the same ticks: a recorded day, a half day, a change of daylight saving."""

import random
from collections.abc import Iterable
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from zoneinfo import ZoneInfo

import pandas as pd
import pytest

from live_trading.data import BarAggregator, read_ticks
from live_trading.domain.bar_size import BarSize
from live_trading.domain.instrument import CME_HOURS, Instrument, TradingHours
from live_trading.domain.market import Bar, TradeTick, ns_from_utc

NEW_YORK = ZoneInfo("America/New_York")
SIZES = [
    BarSize.SECS_30, BarSize.MIN_1, BarSize.MINS_3, BarSize.MINS_5, BarSize.MINS_15, BarSize.HOUR_1, BarSize.HOURS_4,
]  # fmt: skip

Rows = dict[int, tuple[Decimal, ...]]


def ours(instrument: Instrument, sizes: list[BarSize], ticks: Iterable[TradeTick]) -> dict[BarSize, Rows]:
    aggregator = BarAggregator(instrument, sizes)
    bars: list[Bar] = []
    last_ns = 0
    for tick in ticks:
        bars += aggregator.add(tick)
        last_ns = tick.time_ns
    bars += aggregator.advance(last_ns + BarSize.DAY_1.nanoseconds)
    rows: dict[BarSize, Rows] = {size: {} for size in sizes}
    for bar in bars:
        if not bar.filled:
            rows[bar.bar_size][bar.start_ns] = (bar.open, bar.high, bar.low, bar.close, bar.volume)
    return rows


def frame(ticks: Iterable[TradeTick], opens: datetime, closes: datetime) -> pd.DataFrame:
    """The session's ticks, prices and sizes as integers so that sums are exact."""
    rows = [(tick.time_ns, int(tick.price * 10_000), int(tick.size)) for tick in ticks]
    table = pd.DataFrame(rows, columns=["time", "price", "size"])
    table.index = pd.to_datetime(table["time"], utc=True)
    return table[(table.index >= opens) & (table.index < closes)]


def resampled(table: pd.DataFrame, size: BarSize, opens: datetime) -> Rows:
    """What pandas makes of them, counted from the opening."""
    bins = table.resample(pd.Timedelta(seconds=size.seconds), origin=pd.Timestamp(opens))
    bars = bins["price"].ohlc().assign(volume=bins["size"].sum()).dropna()
    scale = Decimal(10_000)
    return {
        start.value: (*(Decimal(int(price)) / scale for price in prices), Decimal(int(volume)))
        for start, *prices, volume in bars.itertuples()
    }


def random_ticks(opens: datetime, closes: datetime, seed: int) -> list[TradeTick]:
    """About four ticks a minute, now and then none for a while."""
    chance = random.Random(seed)
    at, end, price = ns_from_utc(opens), ns_from_utc(closes), 1_000_000
    ticks = []
    while at < end:
        price += chance.randint(-50, 50)
        ticks.append(TradeTick("SPY", at, Decimal(price) / 10_000, Decimal(chance.randint(1, 500))))
        at += chance.choice([1, 10**9, 15 * 10**9, 40 * 10**9, 200 * 10**9])
    return ticks


def test_spy_trades_of_a_day(recorded: Path, spy: Instrument) -> None:
    ticks = [
        tick for tick in read_ticks(recorded / "equity_usa_tick_spy_20131008_trade.zip") if isinstance(tick, TradeTick)
    ]
    opens = datetime(2013, 10, 8, 9, 30, tzinfo=NEW_YORK)
    closes = opens.replace(hour=16, minute=0)
    bars, table = ours(spy, SIZES, ticks), frame(ticks, opens, closes)
    assert len(table) > 400_000
    for size in SIZES:
        assert bars[size] == resampled(table, size, opens), size
    minutes = bars[BarSize.MIN_1]
    assert len(minutes) == 390
    for size in (BarSize.MINS_15, BarSize.HOUR_1):
        assert bars[size] == merged(minutes, size, ns_from_utc(opens)), size


def merged(minutes: Rows, size: BarSize, opens_ns: int) -> Rows:
    """Larger bars from minutes."""
    groups: dict[int, list[tuple[Decimal, ...]]] = {}
    for start, row in minutes.items():
        groups.setdefault(start - (start - opens_ns) % size.nanoseconds, []).append(row)
    return {
        start: (
            rows[0][0],
            max(r[1] for r in rows),
            min(r[2] for r in rows),
            rows[-1][3],
            sum((r[4] for r in rows), Decimal(0)),
        )
        for start, rows in groups.items()
    }


def test_a_half_day(spy: Instrument) -> None:
    opens = datetime(2013, 11, 29, 9, 30, tzinfo=NEW_YORK)
    closes = opens.replace(hour=13, minute=0)
    ticks = random_ticks(opens - timedelta(minutes=20), opens + timedelta(hours=6), seed=1)
    bars, table = ours(spy, SIZES, ticks), frame(ticks, opens, closes)
    for size in SIZES:
        assert bars[size] == resampled(table, size, opens), size


@pytest.mark.parametrize("sunday", [datetime(2014, 3, 9), datetime(2014, 11, 2)], ids=["spring", "autumn"])
def test_the_sessions_before_and_after_the_clocks_change(spy: Instrument, sunday: datetime) -> None:
    sessions = [(sunday + timedelta(days=days, hours=9.5)).replace(tzinfo=NEW_YORK) for days in (-2, 1)]
    ticks = [
        tick
        for seed, opens in enumerate(sessions)
        for tick in random_ticks(opens - timedelta(hours=1), opens + timedelta(hours=8), seed)
    ]
    bars = ours(spy, SIZES, ticks)
    for size in SIZES:
        expected: Rows = {}
        for opens in sessions:
            expected |= resampled(frame(ticks, opens, opens.replace(hour=16, minute=0)), size, opens)
        assert bars[size] == expected, size
    first, second = (min(s for s in bars[BarSize.MIN_1] if s >= ns_from_utc(opens)) for opens in sessions)
    shift = 3 * 86_400 - (second - first) // 1_000_000_000
    assert abs(shift - (3600 if sunday.month == 3 else -3600)) < 300, "the same time of day in New York, not in UTC"


@pytest.mark.parametrize(("sunday", "hours"), [(datetime(2014, 3, 9), 23), (datetime(2014, 11, 2), 25)])
def test_a_day_in_whose_middle_the_clocks_change(spy: Instrument, sunday: datetime, hours: int) -> None:
    market = spy.model_copy(update={"hours": TradingHours(timezone="America/New_York")})
    opens = sunday.replace(tzinfo=NEW_YORK)
    closes = (sunday + timedelta(days=1)).replace(tzinfo=NEW_YORK)
    ticks = random_ticks(opens, closes, seed=3)
    bars, table = ours(market, [*SIZES, BarSize.DAY_1], ticks), frame(ticks, opens, closes)
    for size in SIZES:
        assert bars[size] == resampled(table, size, opens), size
    assert len(bars[BarSize.HOUR_1]) == hours
    [day] = bars[BarSize.DAY_1].values()
    assert day[4] == Decimal(int(table["size"].sum()))


def test_a_futures_session_across_a_holiday(spy: Instrument) -> None:
    market = spy.model_copy(update={"hours": CME_HOURS})
    opens = datetime(2013, 11, 27, 18, 0, tzinfo=NEW_YORK)  # Thanksgiving's session, cut short at 13:00
    ticks = random_ticks(opens, opens + timedelta(hours=23), seed=4)
    bars = ours(market, SIZES, ticks)
    table = frame(ticks, opens, opens + timedelta(hours=19))
    for size in SIZES:
        assert bars[size] == resampled(table, size, opens), size
