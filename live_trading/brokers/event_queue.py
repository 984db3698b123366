"""The one ordered, bounded stream of a broker connection's events."""

from collections import deque
from collections.abc import AsyncIterator, Callable

from live_trading.brokers.types import BrokerEvent, Disconnected, MarketTime, TickEvent
from live_trading.runtime import Bell


class EventQueue:
    """Events of one connection, from its ``Connected`` to its ``Disconnected``.

    Holds at most ``limit`` events. When it is full the oldest tick makes room and is counted in ``dropped_ticks``; when
    there is none, the consumer is too slow for order events and the stream ends with ``Disconnected``: nothing about an
    order is ever lost silently. ``taken`` is called when the consumer comes back for the next event, that is when it is
    through with the one before.
    """

    def __init__(self, limit: int = 10_000, *, taken: Callable[[], None] | None = None) -> None:
        self._limit = limit
        self._taken = taken
        self._events: deque[BrokerEvent] = deque()
        self._ticks = 0
        self._ready = Bell()
        self._closed = False
        self.busy = False
        """Whether the consumer is at work on an event it has taken."""
        self.dropped_ticks = 0

    def __len__(self) -> int:
        return len(self._events)

    @property
    def closed(self) -> bool:
        """Whether ``Disconnected`` has been put in: nothing else will come."""
        return self._closed

    def put(self, event: BrokerEvent) -> None:
        """Add an event; after ``close`` it is left out."""
        if self._closed:
            return
        if isinstance(event, MarketTime) and self._events and isinstance(self._events[-1], MarketTime):
            self._events[-1] = event
            return
        if len(self._events) >= self._limit - 1 and not self._make_room():
            self.close(f"events were not taken fast enough: {self._limit} are waiting")
            return
        self._events.append(event)
        self._ticks += isinstance(event, TickEvent)
        self._ready.ring()

    def close(self, reason: str) -> None:
        """End the stream: what waits is still given out, then ``Disconnected``."""
        if not self._closed:
            self._closed = True
            self._events.append(Disconnected(reason))
            self._ready.ring()

    def _make_room(self) -> bool:
        if not self._ticks:
            return False
        index = next(i for i, event in enumerate(self._events) if isinstance(event, TickEvent))
        del self._events[index]
        self._ticks -= 1
        self.dropped_ticks += 1
        return True

    async def stream(self) -> AsyncIterator[BrokerEvent]:
        """The events in order, ending after ``Disconnected``. For one consumer."""
        while True:
            while not self._events:
                await self._ready.taken()
            event = self._events.popleft()
            self._ticks -= isinstance(event, TickEvent)
            self.busy = True
            yield event
            self.busy = False
            if self._taken is not None:
                self._taken()
            if isinstance(event, Disconnected):
                return
