"""Snapshots of folded state: a start then needs only the entries after the newest one.

A snapshot is never the truth, only a short cut to it: one that does not fit (another fold version, a hash that does not
match, a chunk missing) is left aside with the reason, and the state is folded from an older one or from the beginning.
Chunks are written first and the header last, so a snapshot cut short by a crash is one that does not exist.
"""

import hashlib
import zlib
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, Final, NamedTuple

from bson import Int64
from pymongo import ASCENDING, DESCENDING
from pymongo.asynchronous.database import AsyncDatabase
from pymongo.errors import PyMongoError

from live_trading.journal.base import JournalReader
from live_trading.journal.errors import JournalUnavailable

SNAPSHOTS: Final = "snapshots"
CHUNKS: Final = "snapshot_chunks"
KEPT: Final = 3
CHUNK_BYTES: Final = 8 * 1024 * 1024

_COMPRESSION_LEVEL: Final = 3  # a fifth of level 6's time for a tenth more bytes


class Snapshot(NamedTuple):
    """Folded state as of an entry. ``fold_version`` names the code that folded it, ``chain_hash`` is that entry's."""

    sequence_number: int
    chain_hash: bytes
    fold_version: str
    state: bytes


class Found(NamedTuple):
    """The newest snapshot that fits, None when none does; and why newer ones were left aside."""

    snapshot: Snapshot | None
    ignored: tuple[str, ...]


class Header(NamedTuple):
    """What is stored beside a snapshot's chunks."""

    sequence_number: int
    chain_hash: bytes
    fold_version: str
    state_hash: bytes
    chunks: int


class Snapshots(ABC):
    """Keeps the last few snapshots."""

    def __init__(self, kept: int = KEPT, chunk_bytes: int = CHUNK_BYTES) -> None:
        self._kept = kept
        self._chunk_bytes = chunk_bytes

    async def save(self, snapshot: Snapshot) -> None:
        """Keep it, and let go of all but the last few. Saving the same number again replaces it."""
        packed = zlib.compress(snapshot.state, _COMPRESSION_LEVEL)
        size = self._chunk_bytes
        chunks = [packed[start : start + size] for start in range(0, len(packed), size)]
        number = snapshot.sequence_number
        await self._remove([number])
        digest = hashlib.sha256(snapshot.state).digest()
        await self._put(Header(number, snapshot.chain_hash, snapshot.fold_version, digest, len(chunks)), chunks)
        stored = [header.sequence_number for header in await self._headers()]
        await self._remove(stored[self._kept :])

    async def load(
        self, fold_version: str, *, at_most: int | None = None, reader: JournalReader | None = None
    ) -> Found:
        """The newest snapshot of ``fold_version``, up to entry ``at_most``.

        With a ``reader``, its chain hash must be that of the journal's entry of that number (an entry that was archived
        cannot be compared; the first entry read after it links back to it).
        """
        ignored: list[str] = []
        for header in await self._headers():
            if at_most is not None and header.sequence_number > at_most:
                continue
            state = None
            reason = await self._misfit(header, fold_version, reader)
            if reason is None:
                state, reason = await self._state(header)
            if state is not None:
                return Found(Snapshot(header.sequence_number, header.chain_hash, fold_version, state), tuple(ignored))
            ignored.append(f"snapshot {header.sequence_number}: {reason}")
        return Found(None, tuple(ignored))

    @staticmethod
    async def _misfit(header: Header, fold_version: str, reader: JournalReader | None) -> str | None:
        if header.fold_version != fold_version:
            return f"made by fold version {header.fold_version}, ours is {fold_version}"
        if reader is None:
            return None
        entry = await reader.entry(header.sequence_number)
        if entry is None:
            head = await reader.head()
            if head.sequence_number < header.sequence_number:
                return f"the journal ends before it, at entry {head.sequence_number}"
        elif entry.hash != header.chain_hash:
            return "its chain hash is not that of the journal's entry: it was made of another journal"
        return None

    async def _state(self, header: Header) -> tuple[bytes | None, str | None]:
        chunks = await self._get(header.sequence_number)
        if len(chunks) != header.chunks:
            return None, f"{header.chunks} chunks should be there, {len(chunks)} are"
        try:
            state = zlib.decompress(b"".join(chunks))
        except zlib.error as error:
            return None, f"it cannot be unpacked: {error}"
        if hashlib.sha256(state).digest() != header.state_hash:
            return None, "its state hash does not match: it was altered"
        return state, None

    @abstractmethod
    async def _headers(self) -> list[Header]:
        """All there are, newest first."""

    @abstractmethod
    async def _put(self, header: Header, chunks: Sequence[bytes]) -> None:
        """Store chunks, then the header."""

    @abstractmethod
    async def _get(self, sequence_number: int) -> list[bytes]:
        """The chunks there are, in order."""

    @abstractmethod
    async def _remove(self, sequence_numbers: Sequence[int]) -> None:
        """Remove headers, then chunks."""


class MemorySnapshots(Snapshots):
    """In memory, for simulations and tests."""

    def __init__(self, kept: int = KEPT, chunk_bytes: int = CHUNK_BYTES) -> None:
        super().__init__(kept, chunk_bytes)
        self._stored: dict[int, tuple[Header, list[bytes]]] = {}

    async def _headers(self) -> list[Header]:
        return [self._stored[number][0] for number in sorted(self._stored, reverse=True)]

    async def _put(self, header: Header, chunks: Sequence[bytes]) -> None:
        self._stored[header.sequence_number] = (header, list(chunks))

    async def _get(self, sequence_number: int) -> list[bytes]:
        return self._stored[sequence_number][1]

    async def _remove(self, sequence_numbers: Sequence[int]) -> None:
        for number in sequence_numbers:
            self._stored.pop(number, None)


class MongoSnapshots(Snapshots):
    """In the journal's database: ``snapshots`` for the headers, ``snapshot_chunks`` for the state."""

    def __init__(
        self, database: AsyncDatabase[dict[str, Any]], kept: int = KEPT, chunk_bytes: int = CHUNK_BYTES
    ) -> None:
        super().__init__(kept, chunk_bytes)
        self._snapshots = database[SNAPSHOTS]
        self._chunks = database[CHUNKS]

    async def save(self, snapshot: Snapshot) -> None:
        try:
            await super().save(snapshot)
        except PyMongoError as error:
            raise JournalUnavailable(f"MongoDB: saving snapshot {snapshot.sequence_number} failed: {error}") from error

    async def load(
        self, fold_version: str, *, at_most: int | None = None, reader: JournalReader | None = None
    ) -> Found:
        try:
            return await super().load(fold_version, at_most=at_most, reader=reader)
        except PyMongoError as error:
            raise JournalUnavailable(f"MongoDB: loading a snapshot failed: {error}") from error

    async def _headers(self) -> list[Header]:
        return [
            Header(
                int(document["_id"]),
                document["chain_hash"],
                document["fold_version"],
                document["state_hash"],
                document["chunks"],
            )
            async for document in self._snapshots.find(sort=[("_id", DESCENDING)])
        ]

    async def _put(self, header: Header, chunks: Sequence[bytes]) -> None:
        number = Int64(header.sequence_number)
        for index, chunk in enumerate(chunks):
            await self._chunks.insert_one({"_id": {"snapshot": number, "index": index}, "data": chunk})
        await self._snapshots.insert_one({"_id": number} | header._asdict())

    async def _get(self, sequence_number: int) -> list[bytes]:
        found = self._chunks.find(_chunks_of(sequence_number), sort=[("_id", ASCENDING)])
        return [document["data"] async for document in found]

    async def _remove(self, sequence_numbers: Sequence[int]) -> None:
        for number in sequence_numbers:
            await self._snapshots.delete_one({"_id": Int64(number)})
            await self._chunks.delete_many(_chunks_of(number))


def _chunks_of(sequence_number: int) -> dict[str, Any]:
    number = Int64(sequence_number)
    return {"_id": {"$gte": {"snapshot": number, "index": 0}, "$lt": {"snapshot": Int64(number + 1), "index": 0}}}
