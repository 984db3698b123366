"""The one writer: numbers entries in memory, appends them in groups, and knows the fate of each.

**Group commit.** One batch is in flight at a time; it holds whatever was queued meanwhile, at most 512 entries or
512 KB. There is no timer: an append that meets no other goes out at once, from its own task.

**Doubt.** When the store's answer is lost (an error of the network, a time-out, a duplicate key), the entries at those
numbers are read back and compared: ours, then it succeeded; absent, then the same documents are sent again; another's,
then we are fenced. So any prefix of a batch may be durable at any time, and no number is ever used twice.

**Fencing.** The store refuses a document whose epoch is lower than the newest engine's. Opening a writer means: take
the lease, raise the fence, and only then read the tail, because a dead engine's insert may still be running; from the
fence on it can no longer land. Then ``ENGINE_STARTED`` is the first entry of the new epoch.
"""

import asyncio
from collections import deque
from collections.abc import Sequence
from typing import Final

from live_trading.domain.entries import Cause, Draft, Entry
from live_trading.domain.entries.envelope import Previous
from live_trading.journal.base import Head, JournalWriter, OnDurable
from live_trading.journal.codec import EntryCodec
from live_trading.journal.errors import Fenced, JournalClosed, JournalUnavailable
from live_trading.journal.lease import Lease
from live_trading.journal.store import Refused, Store, Uncertain
from live_trading.runtime import Runtime, Tasks, failpoint

MAX_BATCH_ENTRIES: Final = 512
MAX_BATCH_BYTES: Final = 512 * 1024
MAX_QUEUED_ENTRIES: Final = 8192
"""Beyond this, ``append`` waits its turn before it numbers anything."""

_WORTH_SENDING: Final = MAX_BATCH_ENTRIES // 4
_MIN_BACKOFF: Final = 0.01
_MAX_BACKOFF: Final = 0.5


class _Batch:
    """Entries that have their numbers and their bytes, written together, not yet known to be durable."""

    __slots__ = ("documents", "entries", "size", "waiting")

    def __init__(self) -> None:
        self.entries: list[Entry] = []
        self.documents: list[bytes] = []
        self.size = 0
        self.waiting: list[asyncio.Future[None]] = []
        """Who waits for the last of its own entries, which is in this batch."""

    def take(self, entries: Sequence[Entry], documents: Sequence[bytes]) -> int:
        """Take as many as there is room for, in order; the number of those taken."""
        taken, room = 0, MAX_BATCH_ENTRIES - len(self.documents)
        for document in documents:
            if taken == room or (self.size and self.size + len(document) > MAX_BATCH_BYTES):
                break
            self.size += len(document)
            taken += 1
        self.entries += entries[:taken]
        self.documents += documents[:taken]
        return taken


class Writer(JournalWriter):
    """Writes to any store. :func:`~live_trading.journal.opening.open_writer` makes it."""

    def __init__(
        self, store: Store, lease: Lease, codec: EntryCodec, runtime: Runtime, head: Head, deployment_id: str
    ) -> None:
        self._store = store
        self._lease = lease
        self._codec = codec
        self._clock = runtime.clock
        self._ids = runtime.ids
        self._deployment_id = deployment_id
        self._head = head
        self._number_given, self._hash_given, self._time_given = head  # of the last number given away, durable or not
        self._subscribers: list[OnDurable] = []
        self._queue: deque[_Batch] = deque()
        """What goes out next; the last one is still being filled."""
        self._queued_entries = 0
        self._for_room: deque[asyncio.Future[None]] = deque()
        self._in_flight: _Batch | None = None
        self._unsettled: _Batch | None = None
        """Whose appender gave up while it was in flight."""
        self._busy = False
        self._closing = False
        self._failure: Exception | None = None
        self._failed = asyncio.Event()
        self._wake = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()
        self._attempt: asyncio.Timeout | None = None
        self._tasks = Tasks()

    def start(self) -> None:
        """Begin to renew the lease and to write what is queued."""
        self._tasks.start(self._keep_lease(), "journal.lease")
        self._tasks.start(self._drain(), "journal.writer")

    @property
    def deployment_id(self) -> str:
        return self._deployment_id

    @property
    def epoch(self) -> int:
        return self._lease.epoch

    @property
    def head(self) -> Head:
        return self._head

    @property
    def queued(self) -> int:
        """How many entries are numbered and not yet durable."""
        return self._number_given - self._head.sequence_number

    def subscribe(self, on_durable: OnDurable) -> None:
        self._subscribers.append(on_durable)

    def check_may_act(self) -> None:
        if self._failure is not None:
            raise self._failure
        self._lease.check()

    async def failed(self) -> Exception:
        await self._failed.wait()
        assert self._failure is not None
        return self._failure

    # ------------------------------------------------------------------ append

    async def append(self, *drafts: Draft) -> tuple[Entry, ...]:
        if self._failure is not None or self._closing:
            self._refuse()
        while self._for_room or self._queued_entries >= MAX_QUEUED_ENTRIES:
            await self._until_room()
            self._refuse()
            if self._queued_entries < MAX_QUEUED_ENTRIES:
                break
        entries, documents = self._number(drafts)
        if not entries:
            return ()
        if self._busy or (batch := _Batch()).take(entries, documents) < len(entries):
            await self._enqueue(entries, documents)
        else:
            await self._write_at_once(batch)
        return tuple(entries)

    def _refuse(self) -> None:
        """Raise when nothing can be appended any more."""
        if self._failure is not None:
            raise JournalClosed(f"the journal's writer has failed: {self._failure}") from self._failure
        if self._closing:
            raise JournalClosed("the journal's writer is closed")

    async def _until_room(self) -> None:
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._for_room.append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            if turn in self._for_room:
                self._for_room.remove(turn)
            else:
                self._make_room()
            raise

    def _make_room(self) -> None:
        room = MAX_QUEUED_ENTRIES - self._queued_entries
        while self._for_room and room > 0:
            turn = self._for_room.popleft()
            if not turn.done():
                turn.set_result(None)
                room -= 1

    def _number(self, drafts: Sequence[Draft]) -> tuple[list[Entry], list[bytes]]:
        """Give the drafts their numbers and bytes. All of them or, when one cannot be encoded, none."""
        number, previous_hash, last_timestamp = self._number_given, self._hash_given, self._time_given
        timestamp = self._clock.now()
        if last_timestamp is not None and timestamp < last_timestamp:
            timestamp = last_timestamp
        entries: list[Entry] = []
        documents: list[bytes] = []
        epoch, encode = self._lease.epoch, self._codec.encode
        for draft in drafts:
            number += 1
            correlation_id, causation_id = number, None
            if draft.caused_by is not None:
                correlation_id, causation_id = self._chain(draft.caused_by, entries)
            operation_id, data = draft.operation_id, draft.data
            entry, document = encode(
                sequence_number=number,
                operation_id=operation_id(number) if callable(operation_id) else operation_id,
                data=data(number) if callable(data) else data,
                timestamp=timestamp,
                epoch=epoch,
                actor=draft.actor,
                correlation_id=correlation_id,
                causation_id=causation_id,
                previous_hash=previous_hash,
            )
            entries.append(entry)
            documents.append(document)
            previous_hash = entry.hash
        if entries:
            self._number_given, self._hash_given, self._time_given = number, previous_hash, timestamp
        return entries, documents

    @staticmethod
    def _chain(cause: Entry | Cause | Previous, before: Sequence[Entry]) -> tuple[int, int]:
        if isinstance(cause, Previous):
            if not before:
                raise ValueError("the first draft of an append has no draft before it to be caused by")
            cause = before[-1]
        assert isinstance(cause, (Entry, Cause))
        return cause.correlation_id, cause.sequence_number

    # ------------------------------------------------------------------- write

    def _take(self) -> None:
        self._busy = True
        self._idle.clear()

    def _leave(self) -> None:
        """Nothing is in flight; hand on to the drainer when something came meanwhile."""
        if (self._queue or self._unsettled is not None) and self._failure is None:
            self._wake.set()
        else:
            self._busy = False
            self._idle.set()

    def _enqueue(self, entries: Sequence[Entry], documents: Sequence[bytes]) -> asyncio.Future[None]:
        """Hand on to the drainer; what is returned is done when the last of them is durable."""
        queue = self._queue
        self._queued_entries += len(entries)
        if not queue:
            queue.append(_Batch())
        while (taken := queue[-1].take(entries, documents)) < len(entries):
            entries, documents = entries[taken:], documents[taken:]
            queue.append(_Batch())
        if not self._busy:
            self._take()
            self._wake.set()
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        queue[-1].waiting.append(future)
        return future

    async def _write_at_once(self, batch: _Batch) -> None:
        """The way without contention: from the appender's own task, with no other task in between."""
        self._take()
        try:
            await self._write(batch)
            self._acknowledge(batch)
        except asyncio.CancelledError:
            # The appender gave up; the entries are numbered and others follow from them, so they are still written.
            self._unsettled = batch
            raise
        except Exception as error:
            self._fail(error)
        finally:
            self._leave()
        if self._failure is not None:
            raise self._failure

    async def _drain(self) -> None:
        """Write what is queued while others append."""
        while self._failure is None:
            await self._wake.wait()
            self._wake.clear()
            try:
                await self._drain_once()
            except Exception as error:  # whatever it is, the writer must not go on
                self._fail(error)
            finally:
                self._leave()

    async def _drain_once(self) -> None:
        while True:
            if self._unsettled is not None:
                batch = self._unsettled
                await self._settle(batch, Uncertain("the appender was cancelled"))
                self._unsettled = None
            elif self._queue:
                batch = self._in_flight = self._queue.popleft()
                self._queued_entries -= len(batch.entries)
                self._make_room()
                await self._write(batch)
            else:
                return
            self._acknowledge(batch)
            self._in_flight = None
            if self._queued_entries < _WORTH_SENDING:
                # Whoever was just told gets to append before the next batch is cut: that makes batches full. When there
                # are enough already they go out first, and the others are numbered while these are on their way.
                await asyncio.sleep(0)

    async def _write(self, batch: _Batch) -> None:
        failpoint("journal.insert.before")
        try:
            await self._insert(batch.documents)
        except Uncertain as doubt:
            await self._settle(batch, doubt)
        failpoint("journal.insert.after")

    async def _insert(self, documents: Sequence[bytes]) -> None:
        """One attempt, bounded in time. Raises :class:`Uncertain` or :class:`Fenced`, or why the writer has failed."""
        if self._failure is not None:
            raise self._failure
        try:
            async with asyncio.timeout(max(0.5, self._lease.ttl / 3)) as self._attempt:
                await self._store.insert(documents)
        except Refused as refused:
            raise Fenced(self._lease.epoch, str(refused)) from refused
        except TimeoutError as error:
            if self._failure is not None:
                raise self._failure from error
            raise Uncertain("no answer in time") from error
        finally:
            self._attempt = None

    async def _settle(self, batch: _Batch, doubt: Uncertain) -> None:
        """Find out what became of a batch, and write what is absent, until all of it is durable."""
        began = self._clock.monotonic()
        pause = _MIN_BACKOFF
        first, documents = batch.entries[0].sequence_number, batch.documents
        while documents:
            self.check_may_act()
            if self._clock.monotonic() - began > 2 * self._lease.ttl:
                raise JournalUnavailable(f"the journal could not be written for {2 * self._lease.ttl:g} s: {doubt}")
            try:
                durable = await self._durable_prefix(first, documents)
                first, documents = first + durable, documents[durable:]
                if documents:
                    await self._insert(documents)
                return
            except (Uncertain, JournalUnavailable) as error:
                doubt = error if isinstance(error, Uncertain) else Uncertain(str(error))
            await self._pause(self._ids.uniform(pause / 2, pause))
            pause = min(pause * 2, _MAX_BACKOFF)

    async def _pause(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(None) as self._attempt:
                await self._clock.sleep(seconds)
        except TimeoutError:
            self.check_may_act()
        finally:
            self._attempt = None

    async def _durable_prefix(self, first: int, documents: Sequence[bytes]) -> int:
        """How many of the documents numbered from ``first`` on are durable. Raises :class:`Fenced` when another's entry
        stands in their place."""
        try:
            async with asyncio.timeout(max(0.5, self._lease.ttl / 3)) as self._attempt:
                found = await self._store.documents(first, first + len(documents) - 1)
        except TimeoutError as error:
            if self._failure is not None:
                raise self._failure from error
            raise Uncertain("no answer in time to reading back") from error
        finally:
            self._attempt = None
        for number, (ours, stored) in enumerate(zip(documents, found, strict=False), first):
            if ours != stored:
                raise Fenced(self._lease.epoch, f"another's entry stands at number {number}")
        return len(found)

    def _acknowledge(self, batch: _Batch) -> None:
        """Tell the folds, in order, then the appenders."""
        entries = batch.entries
        newest = entries[-1]
        self._head = Head(newest.sequence_number, newest.hash, newest.timestamp)
        for on_durable in self._subscribers:
            on_durable(entries)
        for future in batch.waiting:
            if not future.done():
                future.set_result(None)
        failpoint("journal.acknowledge.after")

    # --------------------------------------------------------------- the ending

    async def _keep_lease(self) -> None:
        try:
            failure = await self._lease.keep()
            if failure is not None:
                self._fail(failure)
        except Exception as error:  # whatever it is, the lease is not renewed any more
            self._fail(error)

    def _fail(self, error: Exception) -> None:
        """The end: nothing more is written, everybody who waits is told. The first reason is kept."""
        if self._failure is not None:
            return
        self._failure = error
        self._failed.set()
        if self._attempt is not None and not self._attempt.expired():
            self._attempt.reschedule(asyncio.get_running_loop().time())
        for batch in (self._in_flight, *self._queue):
            for future in () if batch is None else batch.waiting:
                if not future.done():
                    future.set_exception(error)
        self._queue.clear()
        self._queued_entries = 0
        self._in_flight = self._unsettled = None
        for turn in self._for_room:
            if not turn.done():
                turn.set_result(None)
        self._for_room.clear()

    async def close(self) -> None:
        if not self._closing:
            self._closing = True
            idle = self._tasks.start(self._idle.wait(), "journal.idle")
            failed = self._tasks.start(self._failed.wait(), "journal.failed")
            try:
                await asyncio.wait((idle, failed), return_when=asyncio.FIRST_COMPLETED)
            finally:
                idle.cancel()
                failed.cancel()
        self._lease.stop()
        await self._tasks.close()
        if self._failure is None:
            self._failure = JournalClosed("the journal's writer is closed")
            try:
                await self._lease.release()
            except (JournalUnavailable, TimeoutError):
                return  # it runs out by itself; the next engine waits for that
