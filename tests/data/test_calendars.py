"""Holidays, half days and lunch breaks of exchanges, and what they do to bars."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest

from live_trading.data import BarAggregator, Gap, TradingCalendar
from live_trading.domain.bar_size import BarSize
from live_trading.domain.errors import InvalidInput
from live_trading.domain.instrument import CME_HOURS, FX_HOURS, US_STOCK_HOURS, Instrument, TradingHours
from live_trading.domain.market import Bar, TradeTick, ns_from_utc

NEW_YORK = ZoneInfo("America/New_York")
HOUR = timedelta(hours=1)


def new_york(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=NEW_YORK)


@pytest.mark.parametrize(
    ("hours", "at", "is_open"),
    [
        (US_STOCK_HOURS, "2013-11-27 15:59", True),
        (US_STOCK_HOURS, "2013-11-28 11:00", False),  # Thanksgiving
        (US_STOCK_HOURS, "2013-11-29 12:59", True),
        (US_STOCK_HOURS, "2013-11-29 13:00", False),  # the half day after it
        (US_STOCK_HOURS, "2012-10-29 11:00", False),  # a hurricane
        (US_STOCK_HOURS, "2013-03-29 11:00", False),  # Good Friday
        (CME_HOURS, "2013-11-28 12:59", True),
        (CME_HOURS, "2013-11-28 13:01", False),  # stops at noon in Chicago
        (CME_HOURS, "2013-11-28 18:00", True),  # and opens for Friday
        (CME_HOURS, "2013-11-27 17:30", False),  # the daily break, which the calendar alone does not have
        (CME_HOURS, "2013-12-24 18:00", False),  # Christmas Eve: nothing until the 25th's evening
        (CME_HOURS, "2013-12-25 18:00", True),
        (FX_HOURS, "2013-12-25 11:00", True),  # foreign exchange has its week and no holidays
        (FX_HOURS, "2013-12-28 11:00", False),
    ],
)
def test_the_market_is_open_when_the_exchange_was(hours: TradingHours, at: str, is_open: bool) -> None:
    assert hours.is_open(new_york(at)) is is_open
    assert TradingCalendar(hours).is_open(ns_from_utc(new_york(at))) is is_open


@pytest.mark.parametrize(
    ("hours", "at", "opens"),
    [
        (US_STOCK_HOURS, "2013-11-27 16:00", "2013-11-29 09:30"),
        (US_STOCK_HOURS, "2013-11-29 13:00", "2013-12-02 09:30"),
        (US_STOCK_HOURS, "2013-12-31 16:00", "2014-01-02 09:30"),
        (US_STOCK_HOURS, "2012-10-26 16:00", "2012-10-31 09:30"),
        (CME_HOURS, "2013-12-24 13:00", "2013-12-25 18:00"),
        (CME_HOURS, "2013-11-28 14:00", "2013-11-28 18:00"),
        (US_STOCK_HOURS, "2013-11-29 12:00", "2013-11-29 12:00"),
    ],
)
def test_the_next_opening_skips_holidays(hours: TradingHours, at: str, opens: str) -> None:
    assert hours.next_open(new_york(at)) == new_york(opens)


def test_a_calendar_without_sessions_of_our_own_is_the_calendar_itself_with_its_lunch_break() -> None:
    hong_kong = TradingHours(timezone="Asia/Hong_Kong", calendar="XHKG")
    at = datetime(2013, 11, 27, tzinfo=ZoneInfo("Asia/Hong_Kong"))
    spans = TradingCalendar(hong_kong).day_of(ns_from_utc(at + 10 * HOUR)).open_spans
    assert [tuple((ns - ns_from_utc(at)) / 3.6e12 for ns in span) for span in spans] == [(9.5, 12), (13, 16)]
    assert not hong_kong.is_open(at + 12.5 * HOUR)
    assert hong_kong.next_open(at + 12.5 * HOUR) == at + 13 * HOUR


def test_an_unknown_calendar_and_a_year_beyond_its_knowledge_are_errors_not_guesses() -> None:
    with pytest.raises(InvalidInput, match=r"hours\.calendar: XNIX has no year 2013.*Known are .*XNYS"):
        TradingHours(calendar="XNIX").is_open(new_york("2013-11-27 12:00"))
    with pytest.raises(InvalidInput, match=r"XHKG has no year 2060"):
        TradingHours(calendar="XHKG").is_open(datetime(2060, 1, 5, tzinfo=UTC))


def test_a_half_days_bars_end_with_it(spy: Instrument) -> None:
    aggregator = BarAggregator(spy, [BarSize.HOUR_1, BarSize.DAY_1])
    opening = ns_from_utc(new_york("2013-11-29 09:30"))
    bars: list[Bar] = []
    for minute in range(-30, 390):  # ticks all day, though the exchange closes at 13:00
        bars += aggregator.add(TradeTick("SPY", opening + minute * 60_000_000_000, Decimal(100 + minute), Decimal(1)))
    bars += aggregator.advance(ns_from_utc(new_york("2013-11-29 16:30")))
    hours = [bar for bar in bars if bar.bar_size is BarSize.HOUR_1]
    [day] = [bar for bar in bars if bar.bar_size is BarSize.DAY_1]
    assert [bar.end for bar in hours] == [new_york(f"2013-11-29 {at}") for at in ("10:30", "11:30", "12:30", "13:00")]
    assert (day.start, day.end) == (new_york("2013-11-29 09:30"), new_york("2013-11-29 13:00"))
    assert (day.open, day.high, day.close, day.volume) == tuple(map(Decimal, (100, 309, 309, 210)))
    assert aggregator.outside_ticks == 30 + 180


def test_a_holiday_is_no_gap(spy: Instrument) -> None:
    gaps: list[Gap] = []
    aggregator = BarAggregator(spy, [BarSize.MINS_30, BarSize.DAY_1], on_gap=gaps.append)
    for at in ("2013-11-27 15:59", "2013-11-29 09:45", "2013-11-29 12:45", "2013-12-02 10:05"):
        aggregator.add(TradeTick("SPY", ns_from_utc(new_york(at)), Decimal(100)))
    aggregator.advance(ns_from_utc(new_york("2013-12-02 16:00")))
    missing = [(gap.bar_size, gap.start_ns, gap.missing) for gap in gaps]
    assert missing == [
        (BarSize.MINS_30, ns_from_utc(new_york("2013-11-29 10:00")), 5),
        (BarSize.MINS_30, ns_from_utc(new_york("2013-12-02 09:30")), 1),
    ]
