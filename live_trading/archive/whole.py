"""A whole journal in one file: written from a running engine's journal, taken in by an empty database.

Taking in writes to ``journal_incoming``, which nobody reads, and renames it to ``journal`` when it is whole: killed at
any point before, there is no journal in the database, and no engine starts on it until the same import was run again.
"""

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bson.raw_bson import RawBSONDocument
from pymongo.errors import PyMongoError
from pymongo.write_concern import WriteConcern

from live_trading.archive.errors import FileDamaged, NotEmpty, NotProved
from live_trading.archive.files import Header, JournalFile, JournalFileWriter
from live_trading.archive.folder import Database
from live_trading.archive.reader import ArchivedJournalReader
from live_trading.archive.sealing import program_version
from live_trading.domain.entries import GENESIS_HASH, EngineStarted, Entry
from live_trading.domain.errors import InvalidInput
from live_trading.journal.base import Head
from live_trading.journal.codec import EntryCodec, document_hash, split
from live_trading.journal.errors import JournalUnavailable
from live_trading.journal.mongo_store import INCOMING, JOURNAL, create_journal
from live_trading.journal.reader import Reader
from live_trading.journal.store import Arrivals, Source
from live_trading.journal.verify import Report, verify
from live_trading.projections.fold import FOLD_VERSION, apply
from live_trading.projections.ledger import Ledger
from live_trading.runtime import Clock, failpoint

KIND: Final = "journal"
_DURABLE: Final = WriteConcern(w="majority", j=True)

OnProgress = Callable[[int], None]
OnEntries = Callable[[list[Entry], Ledger], None]


@dataclass(frozen=True, slots=True)
class Whole:
    """A whole journal, and what it folds to."""

    path: Path
    engine_id: str
    deployment_id: str
    program: str
    entries: int
    head_hash: str
    state_hash: str
    fold_version: str
    sha256: str


async def export_journal(
    reader: ArchivedJournalReader,
    path: Path,
    clock: Clock,
    *,
    to: int | None = None,
    on_entries: OnEntries | None = None,
) -> Whole:
    """Write the journal from entry 1, up to ``to`` or its head as it is now, into a file that was not there.

    An engine may be writing. Every entry is checked and folded on the way; ``on_entries`` is told of each run and of
    the ledger as of its last.

    Raises :class:`InvalidInput`, a :class:`~live_trading.journal.errors.Damaged`, ``OSError``.
    """
    if path.exists():  # noqa: ASYNC240 - one look
        raise InvalidInput("FILE", f"{path} is there already", "Name a file that is not: nothing is overwritten")
    origin = await reader.entry(1)
    last = (await reader.head()).sequence_number if to is None else to
    if origin is None or not last:
        raise InvalidInput("journal", "there is no entry in it", "Start an engine first")
    started: EngineStarted = origin.data
    header = Header(KIND, 1, GENESIS_HASH, started.engine_id, started.deployment_id, program_version(), clock.now())
    decode, ledger = EntryCodec().decode_batch, Ledger()
    after, before = 0, GENESIS_HASH
    with JournalFileWriter(path, header, "export") as writer:
        async with aclosing(reader.source.batches(0, last)) as batches:
            async for documents in batches:
                entries = decode(documents, after, before)
                after, before = after + len(entries), document_hash(documents)
                for entry in entries:
                    apply(ledger, entry)
                if on_entries is not None:
                    on_entries(entries, ledger)
                ledger.forget_changes()
                await asyncio.to_thread(writer.add, documents, len(entries))
        if after != last:
            raise InvalidInput("to", f"the journal ends at entry {after}", "Give a number up to that")
        sha256 = await asyncio.to_thread(writer.finish)
    return Whole(
        path,
        started.engine_id,
        started.deployment_id,
        header.program,
        after,
        before.hex(),
        ledger.state_hash(),
        FOLD_VERSION,
        sha256,
    )


# ---- reading a file --------------------------------------------------------------------------------------------------


class FileSource(Source):
    """A journal's file as a place to read documents from. It never grows."""

    def __init__(self, file: JournalFile) -> None:
        self._file = file

    async def newest(self) -> bytes | None:
        documents = await self.documents(self._file.last, self._file.last)
        return documents[0] if documents else None

    async def documents(self, first: int, last: int) -> list[bytes]:
        found: list[bytes] = []
        async with aclosing(self.batches(first - 1, last)) as batches:
            async for documents in batches:
                found += split(documents)
        return found

    async def batches(self, after: int, to: int | None) -> AsyncGenerator[bytes, None]:
        file = self._file
        to = file.last if to is None else min(to, file.last)
        for member in file.members[max(file.member_of(after + 1), 0) :]:
            if member.first > to:
                return
            documents = await asyncio.to_thread(file.documents, member)
            if member.first <= after or member.first + member.entries - 1 > to:
                cut = list(split(documents))[max(after + 1 - member.first, 0) : to - member.first + 1]
                documents = b"".join(cut)
            if documents:
                yield documents

    def arrivals(self) -> Arrivals:
        return _Never()


class _Never(Arrivals):
    async def wait(self, after: int) -> None:
        await asyncio.Event().wait()

    async def close(self) -> None:
        return None


async def check_journal_file(path: Path) -> tuple[JournalFile, Whole]:
    """Read a file of a whole journal through: bytes, chain, epochs, times, and that every entry can be read and folded.

    Raises :class:`InvalidInput` when it is no such file, :class:`FileDamaged`, and a
    :class:`~live_trading.journal.errors.Damaged` that names the first entry that is wrong.
    """
    file = await asyncio.to_thread(JournalFile, path)
    header = file.header
    if header.kind != KIND or header.first != 1:
        raise InvalidInput(
            "FILE",
            f"{path} is a segment of an archive: it begins at entry {header.first}",
            "Give a file that journal export wrote",
        )
    sha256 = await asyncio.to_thread(file.check)
    reader = Reader(FileSource(file))
    report: Report = await verify(reader)
    if report.broken is not None:
        raise report.broken
    if report.last != file.last or report.head_hash != file.trailer.last_hash.hex():
        raise FileDamaged(path, f"it ends at entry {report.last}, and not where its end says")
    ledger = Ledger()
    async for entries in reader.read_batches():
        for entry in entries:
            apply(ledger, entry)
        ledger.forget_changes()
    state_hash = ledger.state_hash()
    whole = Whole(
        path,
        header.engine_id,
        header.deployment_id,
        header.program,
        report.entries,
        report.head_hash,
        state_hash,
        FOLD_VERSION,
        sha256,
    )
    return file, whole


# ---- taking one in ---------------------------------------------------------------------------------------------------


async def check_empty(database: Database, head: Head, may_hold: tuple[str, ...] = ()) -> None:
    """Raise :class:`NotEmpty` unless nothing is kept in the database but what an import or restore that was cut short
    left. ``head`` is that of the journal to be taken in."""
    names = await database.list_collection_names()
    if JOURNAL in names and (there := await database[JOURNAL].find_one(sort=[("_id", -1)])) is not None:
        if bytes(there["hash"]) == head.hash:
            raise NotEmpty(
                f"the database {database.name}: this very journal is in it already. If its import was cut short, "
                "live-trading rebuild makes the read models"
            )
        raise NotEmpty(
            f"the database {database.name}: it holds a journal of {there['_id']:,} entries, which nothing overwrites. "
            "Name an empty one: --data-dir, or database.mongodb.db_name"
        )
    cut_short = INCOMING in names
    for name in sorted(names):
        if name == INCOMING or name.startswith("system.") or (cut_short and name in may_hold):
            continue
        if await database[name].find_one() is not None:
            raise NotEmpty(
                f"the database {database.name}: it is not empty: something is in {name}. "
                "Name an empty one: --data-dir, or database.mongodb.db_name"
            )


async def begin_taking_in(database: Database) -> bool:
    """Mark the database as one whose journal is on its way; whether an earlier attempt was cut short."""
    earlier = INCOMING in await database.list_collection_names()
    await database.drop_collection(INCOMING)
    await create_journal(database, INCOMING)
    failpoint("import.begun")
    return earlier


async def take_in(database: Database, file: JournalFile, on_progress: OnProgress | None = None) -> None:
    """Copy a checked file's entries into the database that was begun, and make them its journal.

    Raises :class:`NotProved` when what was stored is not the file, :class:`JournalUnavailable`.
    """
    incoming = database.get_collection(INCOMING, write_concern=_DURABLE)
    source = FileSource(file)
    try:
        stored = 0
        async with aclosing(source.batches(0, None)) as batches:
            async for documents in batches:
                raw = [RawBSONDocument(document) for document in split(documents)]
                await incoming.insert_many(raw, ordered=True)
                stored += len(raw)
                failpoint("import.insert.some")
                if on_progress is not None:
                    on_progress(stored)
        last = await incoming.find_one(sort=[("_id", -1)])
        count = await incoming.count_documents({})
        if last is None or count != file.trailer.entries or bytes(last["hash"]) != file.trailer.last_hash:
            raise NotProved(f"{file.path}: what was stored is not what is in it. Run the same command again")
        if await database[JOURNAL].find_one() is None:
            await database.drop_collection(JOURNAL)
        failpoint("import.rename.before")
        await incoming.rename(JOURNAL)
        failpoint("import.rename.after")
    except PyMongoError as error:
        raise JournalUnavailable(f"MongoDB: storing the journal failed: {error}") from error
