"""One follower of the journal for all sockets of a process, and each entry made into text once.

A socket has no queue. It knows the last entry it was told, and takes what comes after from the last few thousand that
all sockets share, or, when it was away for longer, from the journal itself. So the same code serves one that is up to
date and one that resumes after a day, and a slow one costs nobody memory. Ticks and the like are kept once for each
socket and symbol, the newest in the place of the one before: a socket that is slow misses prices, never entries.
"""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Iterator
from contextlib import aclosing
from typing import Any, Final

import structlog
from bson import ObjectId
from pymongo.asynchronous.database import AsyncDatabase
from pymongo.errors import PyMongoError

from live_trading.api.answers import encode
from live_trading.api.websocket.pulse import Pulse
from live_trading.domain.entries import Entry
from live_trading.journal import JournalReader, JournalUnavailable
from live_trading.models.queries import entry_fields
from live_trading.runtime import Bell, Runtime

SHARED: Final = 5_000
"""Entries that all sockets take from memory."""
_RETRY_SECONDS: Final = 0.5
_CATCH_UP_BATCH: Final = 250

_log = structlog.get_logger(__name__)

Database = AsyncDatabase[dict[str, Any]]


class Frame:
    """An entry, and its message once somebody wanted it."""

    __slots__ = ("entry", "text")

    def __init__(self, entry: Entry) -> None:
        self.entry = entry
        self.text: str | None = None

    @property
    def message(self) -> str:
        if self.text is None:
            self.text = entry_message(self.entry)
        return self.text


def entry_message(entry: Entry) -> str:
    """The entry's message."""
    return encode({"type": "entry", "seq": entry.sequence_number, "entry": entry_fields(entry)}).decode()


class Listener:
    """What the hub knows of one socket. ``position`` is the last entry it was told, or need not be told."""

    __slots__ = ("bell", "feed", "live", "operation_id", "position")

    def __init__(self, position: int, operation_id: ObjectId | None, feed: str | None) -> None:
        self.position = position
        self.operation_id = operation_id
        self.feed = feed
        """``broker|symbol`` of the operation; None: of everything."""
        self.bell = Bell()
        self.live: dict[str, str] = {}
        """Messages of the moment by what they are about; ``%d`` in their place is the position."""

    def wants(self, entry: Entry) -> bool:
        return self.operation_id is None or entry.operation_id == self.operation_id

    def tell(self, about: str, message: str) -> None:
        """Put a message of the moment in, in the place of the one before it."""
        self.live[about] = message
        self.bell.ring()


class Hub:
    """Follows the journal and the live values while anybody listens."""

    def __init__(self, database: Database, reader: JournalReader, runtime: Runtime) -> None:
        self._reader = reader
        self._runtime = runtime
        self._frames: deque[Frame] = deque(maxlen=SHARED)
        self._following: asyncio.Task[Any] | None = None
        self._began = asyncio.Event()
        self.listeners: set[Listener] = set()
        self.head = 0
        self.pulse = Pulse(database, runtime.clock, self.listeners)

    async def join(self, operation_id: ObjectId | None, feed: str | None, after: int | None) -> Listener:
        """Listen from the entry ``after`` on, from now on where it is None. Call :meth:`leave` at the end."""
        if self._following is None:
            self._following = self._runtime.tasks.start(self._follow(), "journal for sockets")
            self._runtime.tasks.start(self.pulse.run(), "live values for sockets")
        await self._began.wait()
        listener = Listener(self.head if after is None else after, operation_id, feed)
        self.listeners.add(listener)
        self.pulse.greet(listener)
        return listener

    def leave(self, listener: Listener) -> None:
        self.listeners.discard(listener)

    async def _follow(self) -> None:
        """Until the process ends. An outage is waited out; nothing is told twice or left out by it."""
        while not self._began.is_set():
            try:
                self.head = (await self._reader.head()).sequence_number
                self._began.set()
            except (PyMongoError, JournalUnavailable) as error:
                _log.warning("the journal cannot be followed just now", reason=str(error)[:200])
                await self._runtime.clock.sleep(_RETRY_SECONDS)
        while True:
            try:
                async for entries in self._reader.follow(self.head):
                    self._frames.extend(map(Frame, entries))
                    self.head = entries[-1].sequence_number
                    for listener in self.listeners:
                        listener.bell.ring()
            except PyMongoError as error:
                _log.warning("the journal cannot be followed just now", reason=str(error)[:200])
                await self._runtime.clock.sleep(_RETRY_SECONDS)

    # ---- what a socket has not been told ----------------------------------------------------------------------------

    def ready(self, listener: Listener) -> Iterator[tuple[int, str | None]]:
        """From memory: numbers and messages (None: nothing to be told of it) after the listener's position.

        Nothing where the listener is further behind than memory goes.
        """
        if not self._frames or listener.position < self._frames[0].entry.sequence_number - 1:
            return
        first = self._frames[0].entry.sequence_number
        # Indexing a deque is quick at its ends only; who is behind takes a copy of the rest, once.
        behind = self.head - listener.position
        frames = [self._frames[-1]] if behind == 1 else list(self._frames)[listener.position - first + 1 :]
        for frame in frames:
            yield frame.entry.sequence_number, frame.message if listener.wants(frame.entry) else None

    async def missed(self, listener: Listener) -> AsyncGenerator[tuple[int, str | None], None]:
        """From the journal: the same, up to where memory begins or some way to it."""
        batches: Any = self._reader.read_batches(listener.position, self.head)
        async with aclosing(batches):
            async for entries in batches:
                for entry in entries:
                    yield entry.sequence_number, entry_message(entry) if listener.wants(entry) else None
