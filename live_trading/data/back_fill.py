"""Bars that the feed missed, asked of the broker's history. What stays missing is recorded, never invented."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Iterator, Sequence
from datetime import datetime

import structlog
from bson import ObjectId

from live_trading.data.bar_aggregator import Gap
from live_trading.data.bar_store import BarStore, MissingBars, StoredBar
from live_trading.data.trading_days import TradingCalendar
from live_trading.domain.bar_size import BarSize
from live_trading.domain.errors import LiveTradingError
from live_trading.domain.instrument import Instrument
from live_trading.domain.market import Bar
from live_trading.runtime import Clock, utc_from_ns

_log = structlog.get_logger(__name__)

PATIENCE = 10.0
"""Seconds the broker gets to answer."""

MOST_REQUESTS = 6
"""Questions asked within :data:`WINDOW` seconds: brokers allow few, and a market may be silent all night."""

WINDOW = 60.0

History = Callable[[Instrument, BarSize, datetime, datetime], Awaitable[list[Bar]]]
"""A broker's closed bars that start in [start, end), oldest first."""


class BackFill:
    """Fills gaps of one broker account's operations."""

    def __init__(self, history: History | None, store: BarStore, clock: Clock, *, patience: float = PATIENCE) -> None:
        self.asked = 0
        """How often the broker was asked."""
        self._history = history
        self._store = store
        self._clock = clock
        self._patience = patience
        self._requests: deque[float] = deque(maxlen=MOST_REQUESTS)

    async def fill(self, operation_id: ObjectId, instrument: Instrument, gap: Gap) -> list[Bar]:
        """Ask for the gap's bars, store what came and record what did not. Returns what came, oldest first.

        Only bars that were to be expected are taken: of the right size, at their places in the instrument's trading
        hours, within the gap and not made up. Raises what the store raises.
        """
        bars, reason = await self._ask(instrument, gap)
        calendar = TradingCalendar(instrument.hours)
        expected = list(_expected(calendar, gap))
        places = dict(expected)
        found = {
            bar.start_ns: bar
            for bar in bars
            if bar.bar_size is gap.bar_size
            and bar.symbol == instrument.symbol
            and not bar.filled
            and places.get(bar.start_ns, -1) >= bar.end_ns
        }
        ordered = [found[start] for start in sorted(found)]
        if ordered:
            await self._store.write(operation_id, [StoredBar(bar, from_history=True) for bar in ordered])
        for run in _runs([each for each in expected if each[0] not in found]):
            start_ns, end_ns, count = run
            missing = MissingBars(instrument.symbol, gap.bar_size, start_ns, end_ns, count, reason)
            await self._store.record_missing(operation_id, missing)
        _log.info(
            "a gap was asked about",
            symbol=instrument.symbol,
            bar_size=gap.bar_size.value,
            start=utc_from_ns(gap.start_ns).isoformat(),
            filled=len(ordered),
            missing=len(expected) - len(ordered),
        )
        return ordered

    async def _ask(self, instrument: Instrument, gap: Gap) -> tuple[Sequence[Bar], str]:
        """The broker's bars, and why what is not among them is missing."""
        if self._history is None:
            return (), "the broker gives no history"
        now = self._clock.monotonic()
        if len(self._requests) == MOST_REQUESTS and now - self._requests[0] < WINDOW:
            return (), "not asked: too many gaps at once"
        self._requests.append(now)
        self.asked += 1
        start, end = utc_from_ns(gap.start_ns), utc_from_ns(gap.end_ns)
        try:
            async with asyncio.timeout(self._patience):
                return await self._history(instrument, gap.bar_size, start, end), "the broker has no bars for it"
        except (LiveTradingError, OSError, TimeoutError) as error:
            return (), f"the broker's history failed: {type(error).__name__}: {error}"[:200]


def gap_between(instrument: Instrument, last: Bar, bar: Bar) -> Gap | None:
    """What is missing between two bars of one size; None where the later one follows the other."""
    calendar = TradingCalendar(instrument.hours)
    runs = list(calendar.bar_runs(bar.bar_size.nanoseconds, last.end_ns, bar.start_ns))
    if not runs:
        return None
    return Gap(instrument.symbol, bar.bar_size, runs[0][0], runs[-1][1], sum(count for _, _, count in runs))


def _expected(calendar: TradingCalendar, gap: Gap) -> Iterator[tuple[int, int]]:
    """Start and end of each bar that is missing in a gap."""
    length_ns = gap.bar_size.nanoseconds
    for start_ns, end_ns, count in calendar.bar_runs(length_ns, gap.start_ns, gap.end_ns):
        for number in range(count):
            begin = start_ns + number * length_ns
            yield begin, end_ns if number == count - 1 else begin + length_ns


def _runs(places: Sequence[tuple[int, int]]) -> Iterator[tuple[int, int, int]]:
    """Neighbouring places together: start, end and how many."""
    first = 0
    for index in range(1, len(places) + 1):
        if index == len(places) or places[index][0] != places[index - 1][1]:
            yield places[first][0], places[index - 1][1], index - first
            first = index
