"""The archive's folder: which segments and states are in it, and what is read of them.

``{directory}/{deployment id}/journal-{first}-{last}.bson.gz`` holds the entries from ``first`` to ``last``,
``state-{last}.bson.gz`` beside it the ledger as of the last of them. The deployment's id keeps journals apart that
share a directory. In the database, ``journal_origin`` keeps entry 1 from the moment it is archived: it says whose the
journal is.
"""

import asyncio
import hashlib
import os
import re
import zlib
from collections import OrderedDict
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any, Final, NamedTuple

import bson
from bson.errors import BSONError
from pymongo.asynchronous.database import AsyncDatabase

from live_trading.archive.errors import ArchiveDamaged, FileDamaged
from live_trading.archive.files import ASIDE, JournalFile, Member, sync_folder
from live_trading.domain.entries import EngineStarted
from live_trading.domain.errors import InvalidInput
from live_trading.journal.codec import EntryCodec, split
from live_trading.journal.mongo_store import read_origin
from live_trading.journal.snapshots import Snapshot
from live_trading.runtime import failpoint

Database = AsyncDatabase[dict[str, Any]]

_SEGMENT: Final = re.compile(r"^journal-(\d{12})-(\d{12})\.bson\.gz$")
_STATE: Final = re.compile(r"^state-(\d{12})\.bson\.gz$")
_KEPT_OPEN: Final = 4


class Segment(NamedTuple):
    """A file of the archive, by its name."""

    first: int
    last: int
    path: Path


class JournalArchive:
    """The archived part of one database's journal, under a directory that several may share."""

    def __init__(self, database: Database, directory: Path) -> None:
        self._database = database
        self._directory = directory
        self._folder: Path | None = None
        self._files: OrderedDict[Path, JournalFile] = OrderedDict()
        self._unpacked: tuple[Path, Member, bytes] | None = None

    async def folder(self) -> Path | None:
        """Where this journal's archive is; None while the journal is empty."""
        if self._folder is None:
            document = await read_origin(self._database)
            if document is not None:
                started = EntryCodec().decode(document).data
                assert isinstance(started, EngineStarted), "entry 1 begins every journal"
                self._folder = self._directory / started.deployment_id
        return self._folder

    async def expected_folder(self) -> Path:
        """As :meth:`folder`, for messages."""
        return await self.folder() or self._directory

    async def segments(self) -> list[Segment]:
        """The segments there are, in order."""
        folder = await self.folder()
        return [] if folder is None else await asyncio.to_thread(_segments, folder)

    async def states(self) -> list[int]:
        """The entries as of which a state is kept, newest first."""
        folder = await self.folder()
        return [] if folder is None else await asyncio.to_thread(_states, folder)

    async def open(self, segment: Segment) -> JournalFile:
        """A segment's file. Raises :class:`ArchiveDamaged`."""
        file = self._files.pop(segment.path, None)
        if file is None:
            try:
                file = await asyncio.to_thread(JournalFile, segment.path)
            except (FileDamaged, InvalidInput) as error:
                raise _damaged(segment.first, segment.path, error) from error
            if (file.first, file.last) != (segment.first, segment.last):
                problem = FileDamaged(segment.path, f"it holds the entries {file.first} to {file.last}")
                raise ArchiveDamaged(segment.first, problem)
        self._files[segment.path] = file
        while len(self._files) > _KEPT_OPEN:
            self._files.popitem(last=False)
        return file

    async def covering(self, number: int) -> JournalFile | None:
        """The file that has an entry; None when none has."""
        for segment in await self.segments():
            if segment.first <= number <= segment.last:
                return await self.open(segment)
        return None

    async def batches(self, after: int, to: int) -> AsyncGenerator[bytes, None]:
        """The documents after ``after`` up to ``to`` that the archive has without a gap, in order, many at a time."""
        while after < to and (file := await self.covering(after + 1)) is not None:
            for member in file.members[file.member_of(after + 1) :]:
                documents = await self._documents(file, member)
                last = member.first + member.entries - 1
                if member.first <= after or last > to:
                    wanted = list(split(documents))[after + 1 - member.first : to - member.first + 1]
                    documents, last = b"".join(wanted), min(last, to)
                if documents:
                    yield documents
                after = last
                if after >= to:
                    return

    async def document(self, number: int) -> bytes | None:
        """One entry's document, None when the archive does not have it."""
        file = await self.covering(number)
        if file is None:
            return None
        member = file.members[file.member_of(number)]
        for offset, document in enumerate(split(await self._documents(file, member))):
            if member.first + offset == number:
                return document
        return None

    async def _documents(self, file: JournalFile, member: Member) -> bytes:
        """Unpacked; the last one is kept, for whoever asks entry by entry."""
        kept = self._unpacked
        if kept is not None and kept[:2] == (file.path, member):
            return kept[2]
        try:
            documents = await asyncio.to_thread(file.documents, member)
        except FileDamaged as error:
            raise ArchiveDamaged(member.first, error) from error
        self._unpacked = (file.path, member, documents)
        return documents

    def forget(self) -> None:
        """Read every file anew from here on."""
        self._files.clear()
        self._unpacked = None

    async def state(self, number: int) -> Snapshot | None:
        """The state as of an entry, None when it is not kept or cannot be used."""
        folder = await self.folder()
        return None if folder is None else await asyncio.to_thread(_read_state, state_path(folder, number))

    async def save_state(self, snapshot: Snapshot) -> None:
        """Keep a state, durably."""
        folder = await self.folder()
        assert folder is not None, "a state is kept of entries, and so of a journal that has some"
        await asyncio.to_thread(_write_state, state_path(folder, snapshot.sequence_number), snapshot)


def segment_path(folder: Path, first: int, last: int) -> Path:
    """Where a segment belongs."""
    return folder / f"journal-{first:012d}-{last:012d}.bson.gz"


def state_path(folder: Path, number: int) -> Path:
    """Where a state belongs."""
    return folder / f"state-{number:012d}.bson.gz"


def _damaged(number: int, path: Path, error: FileDamaged | InvalidInput) -> ArchiveDamaged:
    if isinstance(error, FileDamaged):
        return ArchiveDamaged(number, error)
    return ArchiveDamaged(number, FileDamaged(path, error.problem))


def _segments(folder: Path) -> list[Segment]:
    if not folder.is_dir():
        return []
    named = ((path, _SEGMENT.match(path.name)) for path in folder.iterdir())
    return sorted(Segment(int(match[1]), int(match[2]), path) for path, match in named if match is not None)


def _states(folder: Path) -> list[int]:
    if not folder.is_dir():
        return []
    named = (_STATE.match(path.name) for path in folder.iterdir())
    return sorted((int(match[1]) for match in named if match is not None), reverse=True)


def _write_state(path: Path, snapshot: Snapshot) -> None:
    fields = {**snapshot._asdict(), "state_hash": hashlib.sha256(snapshot.state).digest()}
    aside = path.with_name(path.name + ASIDE)
    with aside.open("wb") as file:
        packer = zlib.compressobj(wbits=zlib.MAX_WBITS + 16)  # gzip
        file.write(packer.compress(bson.encode(fields)) + packer.flush())
        file.flush()
        os.fsync(file.fileno())
    failpoint("archive.state.rename.before")
    aside.replace(path)
    sync_folder(path.parent)
    failpoint("archive.state.rename.after")


def _read_state(path: Path) -> Snapshot | None:
    """None for whatever is wrong with it: a state is a short cut, and the entries are there."""
    try:
        fields = bson.decode(zlib.decompress(path.read_bytes(), wbits=zlib.MAX_WBITS + 16))
    except (OSError, zlib.error, BSONError):
        return None
    if hashlib.sha256(fields["state"]).digest() != fields["state_hash"]:
        return None
    return Snapshot(fields["sequence_number"], fields["chain_hash"], fields["fold_version"], fields["state"])
