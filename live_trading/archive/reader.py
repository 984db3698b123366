"""Reading a journal whose beginning was archived: the collection where it has the entries, the archive where not.

Entries may be archived while somebody reads: what is then missing from the middle of an answer is taken from the
archive, so a reader never meets a gap that is none. Every reader that may need old entries uses this one.
"""

import struct
from collections.abc import AsyncGenerator
from contextlib import aclosing
from pathlib import Path
from typing import Any

from live_trading.archive.errors import ArchiveMissing
from live_trading.archive.folder import Database, JournalArchive
from live_trading.journal.base import JournalReader
from live_trading.journal.codec import claimed_sequence_number
from live_trading.journal.errors import GapDetected
from live_trading.journal.mongo_store import BATCH_SIZE, MongoSource
from live_trading.journal.reader import Reader
from live_trading.journal.snapshots import Found, MongoSnapshots
from live_trading.runtime import Clock

_HEAD = struct.Struct("<i5sq").unpack_from  # length, type and name of _id, _id
_HEAD_BYTES = 17


class ArchivedSource(MongoSource):
    """The documents of the collection ``journal`` and of its archive, as one."""

    def __init__(
        self, database: Database, archive: JournalArchive, clock: Clock | None = None, batch_size: int = BATCH_SIZE
    ) -> None:
        super().__init__(database, clock, batch_size)
        self._archive = archive

    async def batches(self, after: int, to: int | None) -> AsyncGenerator[bytes, None]:
        while to is None or after < to:
            found: int | None = None
            async with aclosing(super().batches(after, to)) as stored:
                async for documents in stored:
                    run, after, found = _without_gap(documents, after)
                    if run:
                        yield run
                    if found is not None:
                        break
            if found is None:
                found = await self.first_number() if to is not None and after < to else None
                if found is None or found <= after + 1:
                    return
            reached = after
            async with aclosing(self._archive.batches(after, found - 1 if to is None else min(found - 1, to))) as old:
                async for documents in old:
                    yield documents
                    after = _last_number(documents)
            if after == reached:
                await self._explain(after + 1, found)

    async def _explain(self, expected: int, found: int) -> None:
        """Entries are missing, in the collection and in the archive."""
        first = await self.first_number()
        if first is not None and first >= found and await self.was_archived():
            raise ArchiveMissing(expected, found - 1, await self._archive.expected_folder())
        raise GapDetected(expected, found)

    async def documents(self, first: int, last: int) -> list[bytes]:
        stored = await super().documents(first, last)
        found = claimed_sequence_number(stored[0]) if stored else None
        if found == first:
            return stored
        if found is None:
            # Beyond the journal's end nothing is archived; asking for what is not there yet costs no look at the disk.
            lowest = await self.first_number()
            if lowest is None or first >= lowest:
                return stored
            found = lowest
        archived: list[bytes] = []
        for number in range(first, min(found - 1, last) + 1):
            document = await self._archive.document(number)
            if document is None:
                break
            archived.append(document)
        return archived + stored


def _without_gap(documents: bytes, after: int) -> tuple[bytes, int, int | None]:
    """The documents up to the first number that is not the next one, the last number of them, and what came instead."""
    position, end = 0, len(documents)
    while position + _HEAD_BYTES <= end:
        length, _, number = _HEAD(documents, position)
        if number > after + 1:
            return documents[:position], after, number
        if number != after + 1 or length < _HEAD_BYTES:
            break  # damaged: whoever decodes it says how
        after = number
        position += length
    return documents, after, None


def _last_number(documents: bytes) -> int:
    position = number = 0
    while position < len(documents):
        length, _, number = _HEAD(documents, position)
        position += length
    return number


class ArchivedJournalReader(Reader):
    """Reads a database's journal from its very first entry on, also where that is in the archive."""

    def __init__(
        self,
        database: Database,
        directory: Path,
        clock: Clock | None = None,
        batch_size: int = BATCH_SIZE,
    ) -> None:
        """``directory`` is the archive's (see :mod:`live_trading.archive.folder`); it need not exist."""
        self.archive = JournalArchive(database, directory)
        self.source = ArchivedSource(database, self.archive, clock, batch_size)
        super().__init__(self.source, clock=clock)


class ArchivedSnapshots(MongoSnapshots):
    """The database's snapshots, and behind them the states that the archive keeps for good."""

    def __init__(self, database: Database, archive: JournalArchive) -> None:
        super().__init__(database)
        self._archive = archive

    async def load(
        self, fold_version: str, *, at_most: int | None = None, reader: JournalReader | None = None
    ) -> Found:
        found = await super().load(fold_version, at_most=at_most, reader=reader)
        if found.snapshot is not None:
            return found
        ignored = list(found.ignored)
        for number in await self._archive.states():
            if at_most is not None and number > at_most:
                continue
            state = await self._archive.state(number)
            if state is None:
                ignored.append(f"the archive's state {number}: it was altered or cut short")
            elif state.fold_version != fold_version:
                ignored.append(f"the archive's state {number}: made by fold version {state.fold_version}")
            elif reader is not None and not await _fits(reader, number, state.chain_hash):
                ignored.append(f"the archive's state {number}: it was made of another journal")
            else:
                return Found(state, tuple(ignored))
        return Found(None, tuple(ignored))


async def _fits(reader: JournalReader, number: int, chain_hash: bytes) -> bool:
    """Whether the entry after it follows from it: the entry itself may be on a disk that is not here."""
    entry: Any = await reader.entry(number + 1)
    return entry is not None and entry.previous_hash == chain_hash
