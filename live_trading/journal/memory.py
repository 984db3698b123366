"""A journal in memory, for simulations, backtests and tests: the same writer, reader, lease and codec over a list.

It keeps documents' bytes and checks what MongoDB checks (the unique number, the fence, the swap of the lease), so what
is folded is what would have been stored. Several writers and readers share one :class:`MemoryStore`, as several
processes share a database. Subclass it to make it fail.
"""

import asyncio
from bisect import bisect_right
from collections.abc import AsyncGenerator, Sequence

from live_trading.journal.codec import EntryCodec, claimed_sequence_number
from live_trading.journal.lease import DEFAULT_TTL, OnWaiting
from live_trading.journal.opening import Opener, open_writer
from live_trading.journal.reader import Reader
from live_trading.journal.store import Arrivals, LeaseRecord, Refused, Store, Uncertain
from live_trading.journal.writer import Writer
from live_trading.runtime import Runtime

_BATCH = 1000


class MemoryStore(Store):
    """What outlives the writer: documents, leases, the fence."""

    def __init__(self, write_seconds: float = 0.0, codec: EntryCodec | None = None) -> None:
        """``write_seconds``: how long, on the event loop's clock, a durable write takes."""
        self._write_seconds = write_seconds
        self._codec = codec or EntryCodec()
        self._numbers: list[int] = []
        self._documents: list[bytes] = []
        self._leases: dict[str, LeaseRecord] = {}
        self._fenced_epoch = 0
        self._followers: set[_Bell] = set()

    async def prepare(self) -> None:
        return None

    async def insert(self, documents: Sequence[bytes]) -> None:
        await asyncio.sleep(self._write_seconds)
        self.insert_now(documents)

    def insert_now(self, documents: Sequence[bytes]) -> None:
        """The durable write itself, at this very moment."""
        try:
            for document in documents:
                self._insert_one(document)
        finally:
            for bell in self._followers:
                bell.ring()

    def _insert_one(self, document: bytes) -> None:
        entry = self._codec.decode(document)
        if entry.epoch < self._fenced_epoch:
            raise Refused(f"epoch {entry.epoch} is under {self._fenced_epoch}")
        number = entry.sequence_number
        at = bisect_right(self._numbers, number)
        if at and self._numbers[at - 1] == number:
            raise Uncertain(f"duplicate number {number}")
        self._numbers.insert(at, number)
        self._documents.insert(at, document)

    def replace(self, sequence_number: int, document: bytes | None) -> None:
        """Damage the record: put something else in an entry's place, or (None) take it out. For tests of detection."""
        at = bisect_right(self._numbers, sequence_number) - 1
        if document is None:
            del self._numbers[at], self._documents[at]
        else:
            self._documents[at] = document
            self._numbers[at] = claimed_sequence_number(document)

    async def newest(self) -> bytes | None:
        return self._documents[-1] if self._documents else None

    async def tail(self) -> bytes | None:
        return await self.newest()

    async def documents(self, first: int, last: int) -> list[bytes]:
        return self._documents[bisect_right(self._numbers, first - 1) : bisect_right(self._numbers, last)]

    async def last_of_type(self, action_type: str) -> bytes | None:
        for document in reversed(self._documents):
            if self._codec.decode(document).action_type == action_type:
                return document
        return None

    async def batches(self, after: int, to: int | None) -> AsyncGenerator[bytes, None]:
        while True:
            start = bisect_right(self._numbers, after)
            past = len(self._numbers) if to is None else bisect_right(self._numbers, to)
            past = min(past, start + _BATCH)
            if start >= past:
                return
            after = self._numbers[past - 1]
            yield b"".join(self._documents[start:past])

    def arrivals(self) -> Arrivals:
        return _Bell(self)

    def last_number(self) -> int:
        """The number of the last document, 0 when there is none."""
        return self._numbers[-1] if self._numbers else 0

    def add_follower(self, bell: "_Bell") -> None:
        self._followers.add(bell)

    def remove_follower(self, bell: "_Bell") -> None:
        self._followers.discard(bell)

    async def fenced_epoch(self) -> int:
        return self._fenced_epoch

    async def fence(self, epoch: int) -> None:
        self._fenced_epoch = epoch

    async def lease(self, engine_id: str) -> LeaseRecord | None:
        return self._leases.get(engine_id)

    async def swap_lease(self, engine_id: str, seen: LeaseRecord | None, new: LeaseRecord) -> bool:
        if self._leases.get(engine_id) != seen:
            return False
        self._leases[engine_id] = new
        return True

    async def renew_lease(self, engine_id: str, epoch: int, holder: str) -> bool:
        now = self._leases.get(engine_id)
        if now is None or now.epoch != epoch or now.holder != holder:
            return False
        self._leases[engine_id] = now._replace(renewals=now.renewals + 1)
        return True


class _Bell(Arrivals):
    def __init__(self, store: MemoryStore) -> None:
        self._store = store
        self._rung = asyncio.Event()
        store.add_follower(self)

    def ring(self) -> None:
        self._rung.set()

    async def wait(self, after: int) -> None:
        while self._store.last_number() <= after:
            self._rung.clear()
            await self._rung.wait()

    async def close(self) -> None:
        self._store.remove_follower(self)


class MemoryJournal:
    """Opens writers and readers on a :class:`MemoryStore`."""

    @staticmethod
    async def open_writer(
        store: MemoryStore,
        opener: Opener,
        runtime: Runtime,
        *,
        lease_ttl: float = DEFAULT_TTL,
        on_waiting: OnWaiting | None = None,
    ) -> Writer:
        """As :meth:`~live_trading.journal.mongo.MongoJournal.open_writer`."""
        return await open_writer(store, opener, runtime, lease_ttl=lease_ttl, on_waiting=on_waiting)


class MemoryJournalReader(Reader):
    """Reads a :class:`MemoryStore`."""

    def __init__(self, store: MemoryStore) -> None:
        super().__init__(store)
