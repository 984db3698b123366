"""Retention: old entries are sealed into a segment, proved, noted in the journal, and only then deleted.

For each segment, in this order, each step durable before the next begins:

1. The entries are written to a file aside, which is made durable and renamed into the archive.
2. The file is read back from the disk, whole. The ledger as of the entry before it is folded on twice, once over the
   file's entries and once over the database's; both must give the same state and end in the same hash.
3. That state is kept beside the segment.
4. ``JOURNAL_ARCHIVED`` is appended, with the file's SHA-256: from here on the chain itself vouches for the file.
5. Entry 1 is kept in ``journal_origin``.
6. The entries are deleted, oldest first, a few thousand at a time.

Killed at any point, it leaves the entries, or a proved archive, or both; the next run finishes what it finds. The
entry comes before the deletion, so there is no moment at which entries are gone and the journal does not say where to.
"""

import asyncio
import fcntl
import os
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import aclosing, asynccontextmanager
from datetime import datetime
from importlib.metadata import version
from pathlib import Path
from typing import Final, NamedTuple

import structlog
from bson import Int64
from pymongo.errors import PyMongoError
from pymongo.write_concern import WriteConcern

from live_trading.archive.errors import ArchiveBusy, ArchiveDamaged, FileDamaged, NotProved
from live_trading.archive.files import Header, JournalFile, JournalFileWriter
from live_trading.archive.folder import Database, Segment, segment_path
from live_trading.archive.reader import ArchivedJournalReader, ArchivedSnapshots
from live_trading.domain.entries import GENESIS_HASH, Entry, JournalArchived
from live_trading.domain.errors import InvalidInput
from live_trading.journal.codec import EntryCodec, check_chain, document_hash
from live_trading.journal.errors import JournalUnavailable
from live_trading.journal.mongo_store import JOURNAL, ORIGIN, MongoSource
from live_trading.journal.reader import Reader
from live_trading.journal.snapshots import Snapshot
from live_trading.projections.fold import FOLD_VERSION, apply
from live_trading.projections.ledger import Ledger
from live_trading.projections.time_travel import ledger_at, sequence_number_at
from live_trading.runtime import Clock, failpoint

SEGMENT_ENTRIES: Final = 100_000
KEPT_ENTRIES: Final = 1_000
"""So many of the newest entries stay in the collection however old they are."""

_BATCH: Final = 250
_DELETED_AT_ONCE: Final = 5_000
_LOCK: Final = ".lock"
_DURABLE: Final = WriteConcern(w="majority", j=True)

_log = structlog.get_logger(__name__)

Record = Callable[[JournalArchived], Awaitable[object]]
"""Appends the entry to the journal: the one thing that only the journal's writer can do."""


class Archived(NamedTuple):
    """What came of one segment. ``proved`` is the state's hash; empty where an earlier run had proved it."""

    facts: JournalArchived
    path: Path
    proved: str
    deleted: int


class Retention:
    """Moves old entries of a database's journal into its archive. Needs no lease: only ``record`` does."""

    def __init__(
        self,
        database: Database,
        directory: Path,
        clock: Clock,
        record: Record,
        *,
        segment_entries: int = SEGMENT_ENTRIES,
        kept_entries: int = KEPT_ENTRIES,
        deleted_at_once: int = _DELETED_AT_ONCE,
    ) -> None:
        self._database = database
        self._clock = clock
        self._record = record
        self._segment_entries = segment_entries
        self._kept_entries = max(kept_entries, 1)
        self._deleted_at_once = deleted_at_once
        self._stored = MongoSource(database, clock, _BATCH)
        self._reader = ArchivedJournalReader(database, directory, clock, _BATCH)
        self._archive = self._reader.archive
        self._snapshots = ArchivedSnapshots(database, self._archive)

    async def run(self, before: datetime | int) -> list[Archived]:
        """Archive the entries made before a time, or up to a number; first finish what an earlier run left.

        Of the newest entries some stay however old they are: ``kept_entries`` for a time, the last one for a number.
        Raises :class:`ArchiveBusy`, :class:`NotProved`, a :class:`~live_trading.journal.errors.Damaged`, the
        journal's other errors and ``OSError``; whatever was not proved is still in the database then.
        """
        if await self._archive.folder() is None:
            return []
        async with self._alone() as folder:
            done = await self._finish_earlier()
            boundary = await self._boundary(before)
            first = await self._stored.first_number() or 1
            while first <= boundary:
                segment = await self._seal(folder, first, min(first + self._segment_entries - 1, boundary))
                done.append(await self._complete(segment, recorded=None))
                first = segment.last + 1
            return done

    @asynccontextmanager
    async def _alone(self) -> AsyncIterator[Path]:
        """One at a time, in whichever process; the system frees it when the process dies."""
        folder = await self._archive.expected_folder()
        descriptor = await asyncio.to_thread(_lock, folder)
        try:
            yield folder
        finally:
            os.close(descriptor)

    async def _boundary(self, before: datetime | int) -> int:
        head = (await self._reader.head()).sequence_number
        if isinstance(before, int):
            if not 0 <= before < head:
                remedy = f"Give a number from 1 to {head - 1}: the last entry always stays in the database"
                raise InvalidInput("--before", f"entry {before} cannot be archived", remedy)
            return before
        return min(await sequence_number_at(self._reader, before), head - self._kept_entries)

    # ---- what an earlier run left ------------------------------------------------------------------------------------

    async def _finish_earlier(self) -> list[Archived]:
        """Segments whose entries are still in the database: their run was cut short."""
        done = []
        for segment in await self._archive.segments():
            first = await self._stored.first_number()
            if first is None or not first <= segment.last:
                continue
            recorded = await self._recorded(segment)
            if recorded is None and first > segment.first:
                continue  # not of our making: its entries are not all here, and nothing says that it was proved
            if recorded is None and not await self._is_whole(segment):
                _log.warning("a segment that was never proved is damaged; it is sealed anew", path=str(segment.path))
                segment = await self._seal(segment.path.parent, segment.first, segment.last)
            _log.info("an archiving that was cut short goes on", first=segment.first, last=segment.last)
            done.append(await self._complete(segment, recorded))
        return done

    async def _recorded(self, segment: Segment) -> JournalArchived | None:
        """The entry that vouches for a segment. It comes after the segment's entries, and is still in the database."""
        criteria = {"_id": {"$gt": Int64(segment.last)}, "action_type": JournalArchived.ACTION_TYPE}
        try:
            numbers = [each["_id"] async for each in self._database[JOURNAL].find(criteria, {"_id": 1})]
        except PyMongoError as error:
            raise JournalUnavailable(f"MongoDB: looking for {JournalArchived.ACTION_TYPE} failed: {error}") from error
        for number in numbers:
            entry = await self._reader.entry(number)
            if entry is not None and entry.data.segment == segment.path.name:
                facts: JournalArchived = entry.data
                return facts
        return None

    @staticmethod
    async def _is_whole(segment: Segment) -> bool:
        try:
            await asyncio.to_thread(lambda: JournalFile(segment.path).check())
        except (FileDamaged, InvalidInput):
            return False
        return True

    # ---- one segment -------------------------------------------------------------------------------------------------

    async def _seal(self, folder: Path, first: int, last: int) -> Segment:
        """Write the segment's file from the database's entries."""
        origin = await self._reader.entry(1)
        assert origin is not None, "a journal with entries has a first one"
        path = segment_path(folder, first, last)
        before = GENESIS_HASH if first == 1 else await self._hash_before(first)
        started = origin.data
        header = Header(
            "segment", first, before, started.engine_id, started.deployment_id, program_version(), self._clock.now()
        )
        failpoint("archive.seal.before")
        with JournalFileWriter(path, header, "archive.segment") as writer:
            after = first - 1
            async with aclosing(self._stored.batches(after, last)) as batches:
                async for documents in batches:
                    count = check_chain(documents, after, before)
                    after, before = after + count, document_hash(documents)
                    await asyncio.to_thread(writer.add, documents, count)
            if after != last:
                raise NotProved(f"the journal: entries {after + 1} to {last} could not be read; nothing was deleted")
            await asyncio.to_thread(writer.finish)
        self._archive.forget()
        return Segment(first, last, path)

    async def _hash_before(self, first: int) -> bytes:
        entry = await self._reader.entry(first)
        assert entry is not None, "asked of entries that are there"
        return bytes(entry.previous_hash)

    async def _complete(self, segment: Segment, recorded: JournalArchived | None) -> Archived:
        """From a sealed file to deleted entries; steps that were done are not done again."""
        state_hash = ""
        if recorded is None:
            facts, state = await self._prove(segment)
            state_hash = state.state_hash()
            chain_hash = bytes.fromhex(facts.last_hash)
            await self._archive.save_state(Snapshot(segment.last, chain_hash, FOLD_VERSION, state.to_bytes()))
            failpoint("archive.record.before")
            await self._record(facts)
            failpoint("archive.record.after")
        else:
            facts = recorded
            if await asyncio.to_thread(_checked, segment) != facts.segment_sha256:
                damage = FileDamaged(segment.path, "its SHA-256 is not the one in the journal: it was replaced")
                raise ArchiveDamaged(segment.first, damage)
        deleted = await self._delete(segment)
        _log.info("journal entries archived", first=segment.first, last=segment.last, segment=segment.path.name)
        return Archived(facts, segment.path, state_hash, deleted)

    async def _prove(self, segment: Segment) -> tuple[JournalArchived, Ledger]:
        """The segment's facts and the state as of its last entry. Raises :class:`NotProved`."""
        sha256 = await asyncio.to_thread(_checked, segment)
        file = await self._archive.open(segment)
        before = (await ledger_at(self._reader, self._snapshots, segment.first - 1)).to_bytes()
        stored, last = await _folded(Reader(self._stored), segment, Ledger.from_bytes(before))
        sealed, sealed_last = await _folded(_Sealed(self._reader), segment, Ledger.from_bytes(before))
        if last != sealed_last or last != file.trailer.last_hash or stored.to_bytes() != sealed.to_bytes():
            raise NotProved(
                f"{segment.path}: it does not give the state that the database's entries {segment.first} to "
                f"{segment.last} give. Nothing was deleted: move it away, and run live-trading journal verify"
            )
        facts = JournalArchived(
            segment=segment.path.name,
            first_sequence_number=segment.first,
            last_sequence_number=segment.last,
            count=file.trailer.entries,
            first_hash=file.trailer.first_hash.hex(),
            last_hash=file.trailer.last_hash.hex(),
            segment_sha256=sha256,
        )
        return facts, sealed

    async def _delete(self, segment: Segment) -> int:
        journal = self._database.get_collection(JOURNAL, write_concern=_DURABLE)
        deleted = 0
        try:
            if segment.first == 1:
                await self._keep_origin()
            failpoint("archive.delete.before")
            first = await self._stored.first_number() or segment.last + 1
            while first <= segment.last:
                to = min(first + self._deleted_at_once - 1, segment.last)
                deleted += (await journal.delete_many({"_id": {"$lte": Int64(to)}})).deleted_count
                failpoint("archive.delete.some")
                first = to + 1
        except PyMongoError as error:
            raise JournalUnavailable(f"MongoDB: deleting archived entries failed: {error}") from error
        failpoint("archive.delete.after")
        return deleted

    async def _keep_origin(self) -> None:
        document = await self._stored.documents(1, 1)
        if document:
            kept = self._database.get_collection(ORIGIN, write_concern=_DURABLE)
            await kept.replace_one({"_id": 1}, {"_id": 1, "document": document[0]}, upsert=True)
        failpoint("archive.origin.after")


class _Sealed(Reader):
    """Reads the archive's files and nothing else."""

    def __init__(self, reader: ArchivedJournalReader) -> None:
        super().__init__(reader.source)
        self._archive = reader.archive
        self._decode_batch = EntryCodec().decode_batch

    async def read_batches(self, after: int = 0, to: int | None = None) -> AsyncGenerator[list[Entry], None]:
        assert to is not None, "a segment has an end"
        before: bytes | None = GENESIS_HASH if after == 0 else None
        async with aclosing(self._archive.batches(after, to)) as batches:
            async for documents in batches:
                entries: list[Entry] = self._decode_batch(documents, after, before)
                after, before = entries[-1].sequence_number, entries[-1].hash
                yield entries


async def _folded(reader: Reader, segment: Segment, ledger: Ledger) -> tuple[Ledger, bytes]:
    """The ledger folded on over a segment's entries, and the last one's hash."""
    last = b""
    async for entries in reader.read_batches(segment.first - 1, segment.last):
        for entry in entries:
            apply(ledger, entry)
        ledger.forget_changes()
        last = entries[-1].hash
    return ledger, last


def _checked(segment: Segment) -> str:
    """The SHA-256 of a segment's file, read whole from the disk."""
    try:
        return JournalFile(segment.path).check()
    except FileDamaged as error:
        raise ArchiveDamaged(segment.first, error) from error


def _lock(folder: Path) -> int:
    folder.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(folder / _LOCK, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(descriptor)
        raise ArchiveBusy(f"{folder}: another process archives there. Try again when it is done") from error
    return descriptor


def program_version() -> str:
    """This program's version, for the headers of files."""
    return version("live-trading")
