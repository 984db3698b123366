"""Trading days in nanoseconds: where bars are aligned, and when the market is open.

``TradingHours`` thinks in local time, which is right but slow. A feed asks for the day of every bar, nearly always the
same day, so a day is worked out once and kept.
"""

from collections.abc import Iterator
from datetime import date, datetime, time, timedelta
from typing import NamedTuple
from zoneinfo import ZoneInfo

from live_trading.domain.holidays import open_spans
from live_trading.domain.instrument import TradingHours
from live_trading.domain.market import ns_from_utc
from live_trading.runtime import utc_from_ns

_DAYS = ("MON", "TUE", "WED", "THU", "FRI", "SAT", "SUN")
_LONGEST_DAY = timedelta(hours=26)  # a day of 25 hours at the end of daylight saving, and some
_KEPT_DAYS = 16
_DAY_NS = 86_400_000_000_000


class TradingDay(NamedTuple):
    """One trading day of a market, in nanoseconds since 1970, UTC.

    It runs from ``start_ns`` to ``end_ns``, when the next one starts; the market is open in ``open_spans`` and
    ``close_ns`` is the end of the last of them (``start_ns`` when it does not open at all, as on a Saturday).
    """

    start_ns: int
    end_ns: int
    close_ns: int
    open_spans: tuple[tuple[int, int], ...]

    def is_open(self, time_ns: int) -> bool:
        """Whether the market trades at ``time_ns``, a time of this day."""
        return any(opening <= time_ns < closing for opening, closing in self.open_spans)

    def bar_bounds(self, time_ns: int, length_ns: int) -> tuple[int, int]:
        """Start and end of the bar of that length that contains ``time_ns``: counted from the day's start, cut short by
        its close. A day's bar is the whole session."""
        if length_ns >= _DAY_NS:
            return self.start_ns, self.close_ns
        start_ns = time_ns - (time_ns - self.start_ns) % length_ns
        return start_ns, min(start_ns + length_ns, self.close_ns)


class TradingCalendar:
    """The trading days of one instrument's hours."""

    def __init__(self, hours: TradingHours) -> None:
        self._hours = hours
        self._zone = ZoneInfo(hours.timezone)
        self._last: TradingDay | None = None
        self._days: dict[int, TradingDay] = {}

    def day_of(self, time_ns: int) -> TradingDay:
        """The trading day that contains ``time_ns``."""
        day = self._last
        if day is not None and day.start_ns <= time_ns < day.end_ns:
            return day
        start = self._hours.trading_day_start(utc_from_ns(time_ns))
        start_ns = ns_from_utc(start)
        day = self._days.get(start_ns)
        if day is None:
            if len(self._days) >= _KEPT_DAYS:
                self._days.clear()
            day = self._days[start_ns] = self._day_from(start)
        self._last = day
        return day

    def is_open(self, time_ns: int) -> bool:
        """Whether the market trades at ``time_ns``."""
        return self.day_of(time_ns).is_open(time_ns)

    def bar_runs(self, length_ns: int, from_ns: int, until_ns: int) -> Iterator[tuple[int, int, int]]:
        """Runs of bars of open time in [from, until): where each run starts and ends, and how many bars it has."""
        day = self.day_of(from_ns)
        while day.start_ns < until_ns:
            for opening, closing in day.open_spans:
                low, high = max(opening, from_ns), min(closing, until_ns)
                if low < high:
                    start_ns, _ = day.bar_bounds(low, length_ns)
                    _, end_ns = day.bar_bounds(high - 1, length_ns)
                    yield start_ns, end_ns, 1 if length_ns >= _DAY_NS else -((start_ns - end_ns) // length_ns)
                    from_ns = end_ns  # a bar across a break within the day is one bar
            day = self.day_of(day.end_ns)

    def _day_from(self, start: datetime) -> TradingDay:
        start_ns = ns_from_utc(start)
        end_ns = ns_from_utc(self._hours.trading_day_start(start + _LONGEST_DAY))
        spans = self._scheduled(start, start_ns, end_ns)
        if self._hours.calendar is not None:
            really = open_spans(self._hours.calendar, start.year)
            spans = {
                (max(opens, opening), min(closes, closing))
                for opens, closes in spans
                for opening, closing in really
                if max(opens, opening) < min(closes, closing)
            }
        ordered = tuple(sorted(spans))
        return TradingDay(start_ns, end_ns, ordered[-1][1] if ordered else start_ns, ordered)

    def _scheduled(self, start: datetime, start_ns: int, end_ns: int) -> set[tuple[int, int]]:
        """The day's sessions by the week alone."""
        if not self._hours.sessions:
            return {(start_ns, end_ns)}
        local = start.astimezone(self._zone).date()
        monday = local - timedelta(days=local.weekday())
        spans = set()
        for weeks in (-1, 0, 1):
            for opening, closing in self._hours.sessions:
                week = monday + timedelta(weeks=weeks)
                opens, closes = self._moment(week, opening), self._moment(week, closing)
                if closes <= opens:
                    closes = self._moment(week + timedelta(weeks=1), closing)
                if opens < end_ns and closes > start_ns:
                    spans.add((max(opens, start_ns), min(closes, end_ns)))
        return spans

    def _moment(self, monday: date, text: str) -> int:
        """``"SUN 17:00"`` local time in the week of ``monday``, in nanoseconds."""
        name, clock = text.split()
        hour, minute = map(int, clock.split(":"))
        day = monday + timedelta(days=_DAYS.index(name))
        return ns_from_utc(datetime.combine(day, time(hour, minute), self._zone))
