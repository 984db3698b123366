"""The buffer between a broker's stream and everything that takes time."""

import asyncio
from collections import deque

from live_trading.domain.market import Tick
from live_trading.runtime import Bell, Clock

DEFAULT_CAPACITY = 10_000
DEFAULT_MAX_AGE = 60.0

Buffered = Tick | int
"""A tick, or a market time in nanoseconds. They share the buffer so that they keep their order."""


class TickBuffer:
    """Holds ticks until they are taken, by one consumer. Bounded in number and age.

    In its usual mode :meth:`put` never waits: a full buffer drops its oldest tick, and ticks received more than
    ``max_age`` seconds ago (on the steady clock) are evicted when ticks are taken, because acting on them now would be
    wrong. Both are counted. A ``lossless`` buffer, for recorded feeds, drops and evicts nothing: its producer uses
    :meth:`put_when_free` and waits.
    """

    def __init__(
        self,
        clock: Clock,
        *,
        capacity: int = DEFAULT_CAPACITY,
        max_age: float = DEFAULT_MAX_AGE,
        lossless: bool = False,
    ) -> None:
        if capacity < 1 or max_age <= 0:
            raise ValueError("capacity must be 1 or more and max_age above 0 seconds")
        self.capacity = capacity
        self.max_age = max_age
        self.lossless = lossless
        self.dropped = 0
        """Ticks dropped because the buffer was full."""
        self.evicted = 0
        """Ticks evicted because they were too old when their turn came."""
        self._monotonic = clock.monotonic
        self._items: deque[tuple[float, Buffered]] = deque()
        self._highest_depth = 0
        self._filled = Bell()
        self._freed = asyncio.Event()

    @property
    def depth(self) -> int:
        """How many ticks are waiting."""
        return len(self._items)

    @property
    def highest_depth(self) -> int:
        """How many ticks ever waited at once."""
        return max(self._highest_depth, len(self._items))

    @property
    def age(self) -> float:
        """Seconds since the oldest waiting tick was received; 0 when none waits."""
        return self._monotonic() - self._items[0][0] if self._items else 0.0

    def put(self, item: Buffered) -> None:
        """Add a tick or a market time, never waiting. A full lossless buffer raises ``asyncio.QueueFull``."""
        items = self._items
        if len(items) >= self.capacity:
            if self.lossless:
                raise asyncio.QueueFull
            items.popleft()
            self.dropped += 1
        items.append((self._monotonic(), item))
        if not self._filled.rung:
            self._filled.ring()

    async def put_when_free(self, item: Buffered) -> None:
        """Add a tick or a market time, waiting for a free place. For lossless feeds."""
        while len(self._items) >= self.capacity:
            self._freed.clear()
            await self._freed.wait()
        self.put(item)

    async def take(self, most: int = 1_000) -> list[Buffered]:
        """Up to ``most`` waiting items, oldest first; waits until there is at least one."""
        return [item for _, item in await self.take_received(most)]

    async def take_received(self, most: int = 1_000) -> list[tuple[float, Buffered]]:
        """The same, each with when it was put in, on the steady clock."""
        while True:
            # It is deepest right before something is taken, so only here the depth is looked at.
            items = self._items
            self._highest_depth = max(self._highest_depth, len(items))
            self._evict()
            if items:
                if len(items) <= most:
                    taken = list(items)
                    items.clear()
                else:
                    taken = [items.popleft() for _ in range(most)]
                self._freed.set()
                return taken
            await self._filled.taken()

    def clear(self) -> int:
        """Throw away what waits, as after a lost connection; how many it was."""
        count = len(self._items)
        self._highest_depth = max(self._highest_depth, count)
        self._items.clear()
        self._freed.set()
        return count

    def _evict(self) -> None:
        if self.lossless:
            return
        oldest_allowed = self._monotonic() - self.max_age
        while self._items and self._items[0][0] < oldest_allowed:
            self._items.popleft()
            self.evicted += 1
