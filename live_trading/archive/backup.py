"""Backups: the journal up to one head and everything else that cannot be computed from it, in one directory.

::

    DIR/manifest.json               what is in it, as of which entry, and what it must give; a backup has one
    DIR/journal.bson.gz             the whole journal, as journal export writes it
    DIR/collections/NAME.bson.gz    a collection's documents, byte for byte: gunzip -c FILE | bsondump
    DIR/files/…                     the archive of bars, with market data

It may be made while an engine trades. The head of the journal and the other collections are read at one moment of the
database (a snapshot read); the entries up to that head never change, so they are read afterwards, however long that
takes. The directory is built aside and renamed when it is whole.

What follows from the journal is not copied but noted: the hash of the state and of each read model, which a restore
must come to. Leases stay out (nobody holds a restored journal), and so do commands that were not answered yet (they
would be carried out a second time, on another day).
"""

import asyncio
import json
import os
import shutil
import zlib
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, cast

from bson import Int64
from bson.codec_options import CodecOptions
from bson.raw_bson import RawBSONDocument
from pymongo.asynchronous.client_session import AsyncClientSession
from pymongo.asynchronous.collection import AsyncCollection
from pymongo.errors import PyMongoError

from live_trading.archive.errors import FileDamaged
from live_trading.archive.files import ASIDE, file_sha256, sync_folder
from live_trading.archive.folder import Database
from live_trading.archive.reader import ArchivedJournalReader
from live_trading.archive.whole import OnProgress, Whole, export_journal
from live_trading.domain.bar_size import BarSize
from live_trading.domain.entries import Entry
from live_trading.domain.errors import InvalidInput
from live_trading.journal.errors import JournalUnavailable
from live_trading.journal.mongo_store import INCOMING, JOURNAL, LEASES, ORIGIN
from live_trading.journal.snapshots import CHUNKS, SNAPSHOTS
from live_trading.models.commands import COMMANDS
from live_trading.models.marks import POSITION_MARKS
from live_trading.models.standbys import STANDBYS
from live_trading.projections.checkpoint import PROJECTIONS
from live_trading.projections.documents import DOCUMENTS_VERSION, take_changes
from live_trading.projections.ledger import Ledger
from live_trading.projections.read_models import COLLECTIONS
from live_trading.projections.read_models_verify import Digests
from live_trading.runtime import Clock, failpoint

FORMAT: Final = "live-trading backup"
FORMAT_VERSION: Final = 1
MANIFEST: Final = "manifest.json"
JOURNAL_FILE: Final = "journal.bson.gz"

_NOT_COPIED: Final = frozenset((JOURNAL, INCOMING, ORIGIN, LEASES, PROJECTIONS, POSITION_MARKS, STANDBYS, *COLLECTIONS))
_BARS: Final = frozenset(size.collection for size in BarSize) | {"market_data_gaps"}
_RAW: Final[CodecOptions[RawBSONDocument]] = CodecOptions(document_class=RawBSONDocument)


@dataclass(frozen=True, slots=True)
class Backup:
    """A backup that is whole. ``manifest`` is what stands in its file."""

    directory: Path
    manifest: dict[str, Any]


async def make_backup(
    database: Database,
    reader: ArchivedJournalReader,
    directory: Path,
    clock: Clock,
    *,
    market_data: Path | None = None,
    on_progress: OnProgress | None = None,
) -> Backup:
    """Write a backup into a directory that was not there, or is empty.

    ``market_data``: the archive of bars, to be copied with the bars of the database; None leaves both out. Raises
    :class:`InvalidInput`, a :class:`~live_trading.journal.errors.Damaged` when the journal is not sound, ``OSError``.
    """
    aside = await asyncio.to_thread(_begin, directory)
    made_at = clock.now()
    try:
        copied: dict[str, dict[str, Any]] = {}
        async with database.client.start_session(snapshot=True) as session:
            newest = await database[JOURNAL].find_one({}, {"_id": 1}, sort=[("_id", -1)], session=session)
            if newest is None:
                raise InvalidInput("journal", "there is no entry in it", "Start an engine first")
            head = int(newest["_id"])
            for name in await _names(database):
                if name not in _BARS:
                    copied[name] = await _copy(database, name, aside, head, session)
        failpoint("backup.collections.after")
        if market_data is not None:
            for name in sorted(_BARS & set(await database.list_collection_names())):
                copied[name] = await _copy(database, name, aside, head, None)
    except PyMongoError as error:
        raise JournalUnavailable(f"MongoDB: reading for the backup failed: {error}") from error
    digests = Digests()

    def follow(entries: list[Entry], ledger: Ledger) -> None:
        digests.take(take_changes(ledger))
        if on_progress is not None:
            on_progress(entries[-1].sequence_number)

    whole = await export_journal(reader, aside / JOURNAL_FILE, clock, to=head, on_entries=follow)
    failpoint("backup.journal.after")
    files = [] if market_data is None else await asyncio.to_thread(_copy_files, market_data, aside / "files")
    manifest = {
        "format": FORMAT,
        "format_version": FORMAT_VERSION,
        "program": whole.program,
        "made_at": made_at.isoformat(),
        "database": database.name,
        **_facts(whole),
        "documents_version": DOCUMENTS_VERSION,
        "read_models": {
            name: {"documents": len(digests.stamps[name]), "hash": digests.hash(name)} for name in COLLECTIONS
        },
        "collections": copied,
        "files": files,
        "market_data": market_data is not None,
    }
    await asyncio.to_thread(_finish, aside, directory, manifest)
    return Backup(directory, manifest)


def _facts(whole: Whole) -> dict[str, Any]:
    return {
        "engine_id": whole.engine_id,
        "deployment_id": whole.deployment_id,
        "head": {"sequence_number": whole.entries, "hash": whole.head_hash},
        "state_hash": whole.state_hash,
        "fold_version": whole.fold_version,
        "journal": {"file": JOURNAL_FILE, "entries": whole.entries, "sha256": whole.sha256},
    }


def _begin(directory: Path) -> Path:
    if directory.exists() and (not directory.is_dir() or any(directory.iterdir())):
        raise InvalidInput("DIR", f"{directory} is there already", "Name a directory that is not: one for each backup")
    aside = directory.with_name(directory.name + ASIDE)
    if aside.exists():
        shutil.rmtree(aside)  # what an earlier attempt left
    (aside / "collections").mkdir(parents=True)
    return aside


def _finish(aside: Path, directory: Path, manifest: dict[str, Any]) -> None:
    with (aside / MANIFEST).open("w", encoding="utf-8") as file:
        json.dump(manifest, file, indent=2)
        file.flush()
        os.fsync(file.fileno())
    for folder in {path.parent for path in aside.rglob("*")}:
        sync_folder(folder)
    if directory.exists():
        directory.rmdir()  # it was empty
    failpoint("backup.rename.before")
    aside.rename(directory)
    sync_folder(directory.parent)
    failpoint("backup.rename.after")


async def _names(database: Database) -> list[str]:
    """The collections that hold what does not follow from the journal, bars among them."""
    built_aside = tuple(f"{name}_v" for name in COLLECTIONS)
    return [
        name
        for name in sorted(await database.list_collection_names())
        if name not in _NOT_COPIED and not name.startswith(("system.", "requirements_check", *built_aside))
    ]


async def _copy(
    database: Database, name: str, aside: Path, head: int, session: AsyncClientSession | None
) -> dict[str, Any]:
    """One collection's documents, into a file; what the manifest says of it."""
    collection = cast(AsyncCollection[RawBSONDocument], database.get_collection(name, codec_options=_RAW))
    path = aside / "collections" / f"{name}.bson.gz"
    criteria = _criteria(name, head)
    count = 0

    async def documents() -> AsyncIterator[bytes]:
        nonlocal count
        async for document in collection.find(criteria, sort=[("_id", 1)], session=session):
            count += 1
            yield bytes(document.raw)

    await _write(path, documents())
    indexes = [dict(each) async for each in await database[name].list_indexes()]
    return {
        "documents": count,
        "sha256": await asyncio.to_thread(file_sha256, path),
        "indexes": [
            {key: dict(value) if key == "key" else value for key, value in each.items() if key != "v"}
            for each in indexes
            if each["name"] != "_id_"
        ],
    }


def _criteria(name: str, head: int) -> dict[str, Any]:
    """What of a collection belongs to a backup as of an entry."""
    if name == SNAPSHOTS:
        return {"_id": {"$lte": Int64(head)}}
    if name == CHUNKS:
        return {"_id.snapshot": {"$lte": Int64(head)}}
    if name == COMMANDS:
        return {"status": {"$in": ["done", "refused"]}, "sequence_number": {"$lte": Int64(head)}}
    return {}


async def _write(path: Path, documents: AsyncIterator[bytes]) -> None:
    packer = zlib.compressobj(wbits=zlib.MAX_WBITS + 16)  # gzip
    with path.open("wb") as file:
        async for document in documents:
            file.write(packer.compress(document))
        file.write(packer.flush())
        file.flush()
        os.fsync(file.fileno())


def _copy_files(source: Path, target: Path) -> list[dict[str, Any]]:
    """The archive of bars; what the manifest says of each file."""
    copied = []
    for path in sorted(source.rglob("*.parquet")) if source.is_dir() else []:
        place = target / path.relative_to(source)
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, place)
        with place.open("rb") as file:
            os.fsync(file.fileno())
        copied.append({"path": str(path.relative_to(source)), "sha256": file_sha256(place)})
    return copied


# ---- reading one -----------------------------------------------------------------------------------------------------


def read_manifest(directory: Path) -> dict[str, Any]:
    """What is in a backup. Raises :class:`InvalidInput` when it is none, :class:`FileDamaged`."""
    path = directory / MANIFEST
    if not path.is_file():
        raise InvalidInput(
            "DIR", f"{directory} is not a backup: it has no {MANIFEST}", "Give a directory that backup made"
        )
    try:
        manifest = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise FileDamaged(path, f"it cannot be read: {error}") from error
    if not isinstance(manifest, dict) or manifest.get("format") != FORMAT:
        raise InvalidInput("DIR", f"{directory} is not a backup", "Give a directory that backup made")
    if manifest["format_version"] > FORMAT_VERSION:
        raise InvalidInput(
            "DIR",
            f"{directory} is of format {manifest['format_version']}, this program knows up to {FORMAT_VERSION}",
            "Use the version of the program that made it, or a newer one",
        )
    return manifest


def check_files(directory: Path, manifest: dict[str, Any]) -> None:
    """Raise :class:`FileDamaged` unless every file is what was written."""
    for path, sha256 in _files(directory, manifest):
        if not path.is_file():
            raise FileDamaged(path, "it is missing")
        if file_sha256(path) != sha256:
            raise FileDamaged(path, "its SHA-256 is not the one in the manifest: it was altered or cut short")


def _files(directory: Path, manifest: dict[str, Any]) -> Iterable[tuple[Path, str]]:
    yield directory / manifest["journal"]["file"], manifest["journal"]["sha256"]
    for name, told in manifest["collections"].items():
        yield directory / "collections" / f"{name}.bson.gz", told["sha256"]
    for told in manifest["files"]:
        yield directory / "files" / told["path"], told["sha256"]
