"""How fast a feed's ticks reach the exchange, and what the market's clock says in between."""

import asyncio
from collections.abc import Callable

from live_trading.domain.market import Tick
from live_trading.paper_exchange.exchange import SimulatedExchange
from live_trading.paper_exchange.feeds.base import Feed
from live_trading.paper_exchange.feeds.quiet import QuietFeed
from live_trading.paper_exchange.feeds.synthetic import SyntheticFeed
from live_trading.runtime.clock import Clock

_SECOND = 1_000_000_000
_MINUTE = 60 * _SECOND
OPEN_STEP = 5 * _SECOND
"""How often a recorded market's time is told between ticks, in nanoseconds of its own time: while it is open,"""
CLOSED_STEP = 60 * _SECOND
"""and while it is closed;"""
RUN_ON = 300 * _SECOND
"""and how long it is told after the last tick, so that the last bars close."""
_YIELD_EVERY = 200
_BEHIND = 2 * _SECOND
_SHORTEST = 1e-6
"""The shortest sleep, in seconds: a loop's clock does not move for less."""

Ready = Callable[[], bool]


def _always() -> bool:
    return True


class Pacer:
    """Brings a feed's ticks to an exchange.

    ``speed`` is market seconds for each second of the clock, infinite for as fast as possible (recorded feeds). A tick
    is brought no earlier than its time. ``started`` is asked before the first tick, ``ready`` before each: while it
    says no (a listener that must see every tick is behind) nothing is brought. After a recorded feed's last tick the
    market's time runs on by five minutes, so that the last bars close, and the market is closed.
    """

    def __init__(
        self,
        exchange: SimulatedExchange,
        feed: Feed,
        clock: Clock,
        *,
        speed: float = 1.0,
        started: Ready = _always,
        ready: Ready = _always,
    ) -> None:
        self._exchange = exchange
        self._feed = feed
        self._clock = clock
        self._speed = speed
        self._started = started
        self._ready = ready
        self._told_ns = 0

    async def run(self) -> None:
        """For ever: when a feed has ended, its last time is still told."""
        if self._feed.recorded:
            await self._replay()
        elif isinstance(self._feed, QuietFeed):
            while True:
                self._tell(self._clock.now_ns())
                await self._clock.sleep(1)
        else:
            await self._wait(self._started, 0.02)
            await self._improvise()

    async def _wait(self, condition: Ready, interval: float = 0.002) -> None:
        """Hold the market; its time, which stands still, is told each second all the same."""
        told = self._clock.monotonic()
        pause = 0.0
        while not condition():
            await self._clock.sleep(pause)  # a client in step answers within a fraction of a millisecond
            pause = min(interval, pause + interval / 32)
            if self._clock.monotonic() - told >= 1:
                told = self._clock.monotonic()
                self._tell(self._told_ns)

    async def _improvise(self) -> None:
        """A synthetic market in the clock's own time."""
        assert isinstance(self._feed, SyntheticFeed)
        count = 0
        while True:
            tick: Tick = self._feed.next()
            now = self._clock.now_ns()
            if now - tick.time_ns > _BEHIND:  # the machine slept; the market did too
                self._feed.go_on_at(now)
                continue
            await self._idle(tick.time_ns)
            self._exchange.on_tick(tick)
            count += 1
            if count % _YIELD_EVERY == 0:
                await asyncio.sleep(0)

    async def _idle(self, until_ns: int) -> None:
        """Wait for the clock, telling the time each second."""
        while True:
            now = self._clock.now_ns()
            if min(now, until_ns) - self._told_ns >= _SECOND:
                self._tell(min(now, until_ns))
            if now >= until_ns:
                return
            wait_ns = min(until_ns - now, self._told_ns + _SECOND - now)
            await self._clock.sleep(max(wait_ns / _SECOND, _SHORTEST))

    async def _replay(self) -> None:
        tick = self._feed.next()
        if tick is not None:
            # A recording counts as listened to from the beginning of its first minute, so that its first bar is whole.
            self._tell(tick.time_ns - tick.time_ns % _MINUTE)
        await self._wait(self._started, 0.02)
        if tick is not None:
            self._tell(self._told_ns)  # again, for those who have come meanwhile
            # The tick itself is next: two times in a row may reach a reader as the later. From here on it is told at
            # whole steps, so that bars close at their ends.
            self._told_ns = tick.time_ns // OPEN_STEP * OPEN_STEP
        anchor_ns, since = self._told_ns, self._clock.monotonic()
        count = last_ns = 0
        while tick is not None:
            await self._pass(tick.time_ns, anchor_ns, since)
            self._exchange.on_tick(tick)
            count += 1
            if self._speed == float("inf") and count % _YIELD_EVERY == 0:
                await asyncio.sleep(0)
            await self._wait(self._ready)
            last_ns = tick.time_ns
            tick = self._feed.next()
        if count:
            await self._pass(last_ns + RUN_ON, anchor_ns, since)
            self._tell(last_ns + RUN_ON)
        self._exchange.end_feed()
        while True:
            await self._clock.sleep(1)
            self._tell(self._told_ns)

    async def _pass(self, until_ns: int, anchor_ns: int, since: float) -> None:
        """Let the market's time come to ``until_ns``, telling it on the way."""
        open_now = any(self._exchange.is_open(symbol) for symbol in self._feed.symbols)
        stride = OPEN_STEP if open_now else CLOSED_STEP
        if self._speed != float("inf"):
            stride = min(stride, max(int(_SECOND * self._speed), 1))
        while self._told_ns + stride <= until_ns:
            await self._until(self._told_ns + stride, anchor_ns, since)
            self._tell(self._told_ns + stride)
            await self._wait(self._ready)
        await self._until(until_ns, anchor_ns, since)

    async def _until(self, time_ns: int, anchor_ns: int, since: float) -> None:
        if self._speed == float("inf"):
            return
        due = since + (time_ns - anchor_ns) / _SECOND / self._speed
        wait = due - self._clock.monotonic()
        if wait > 0:
            await self._clock.sleep(wait)

    def _tell(self, time_ns: int) -> None:
        self._told_ns = max(self._told_ns, time_ns)
        self._exchange.on_time(self._told_ns)
