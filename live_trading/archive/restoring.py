"""Taking a journal or a backup into an empty database, and proving that it is what it was.

Nothing is written before everything was checked. The other collections come first and the journal last, by one rename:
before it there is no journal, after it there is a whole one, from which the read models follow.
"""

import asyncio
import shutil
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from bson.raw_bson import RawBSONDocument
from pymongo.errors import PyMongoError
from pymongo.write_concern import WriteConcern

from live_trading.archive.backup import JOURNAL_FILE, check_files, read_manifest
from live_trading.archive.errors import FileDamaged, NotProved
from live_trading.archive.folder import Database
from live_trading.archive.reader import ArchivedJournalReader, ArchivedSnapshots
from live_trading.archive.whole import OnProgress, Whole, begin_taking_in, check_empty, check_journal_file, take_in
from live_trading.journal.base import Head
from live_trading.journal.codec import split
from live_trading.journal.errors import JournalUnavailable
from live_trading.projections.documents import DOCUMENTS_VERSION
from live_trading.projections.fold import FOLD_VERSION
from live_trading.projections.read_models_verify import ReadModelsReport, verify_read_models
from live_trading.projections.rebuild import rebuild
from live_trading.projections.time_travel import ledger_at
from live_trading.runtime import Runtime, failpoint

_DURABLE: Final = WriteConcern(w="majority", j=True)
_RUN: Final = 500


@dataclass(frozen=True, slots=True)
class TakenIn:
    """A journal that was taken in and proved. ``began_anew``: an earlier attempt had been cut short."""

    whole: Whole
    read_models: ReadModelsReport
    began_anew: bool


@dataclass(frozen=True, slots=True)
class Restored:
    """A backup that was restored and proved. ``not_compared`` says what another version made, and so differs."""

    taken_in: TakenIn
    manifest: dict[str, Any]
    not_compared: tuple[str, ...]


async def import_journal(
    database: Database,
    reader: ArchivedJournalReader,
    path: Path,
    runtime: Runtime,
    on_progress: OnProgress | None = None,
) -> TakenIn:
    """Take in a file that ``journal export`` wrote, and make its read models.

    Raises :class:`InvalidInput`, :class:`FileDamaged`, :class:`NotEmpty`, :class:`NotProved` and a
    :class:`~live_trading.journal.errors.Damaged`; nothing is in the database then that was not there before.
    """
    file, whole = await check_journal_file(path)
    await check_empty(database, Head(whole.entries, bytes.fromhex(whole.head_hash), None))
    began_anew = await begin_taking_in(database)
    await take_in(database, file, on_progress)
    return TakenIn(whole, await _prove(database, reader, whole, runtime), began_anew)


async def restore_backup(
    database: Database,
    reader: ArchivedJournalReader,
    directory: Path,
    runtime: Runtime,
    *,
    market_data: Path,
    on_progress: OnProgress | None = None,
) -> Restored:
    """Take in a backup: its journal and collections, and its archive of bars (to ``market_data``), where it has one.

    Raises as :func:`import_journal`.
    """
    manifest = await asyncio.to_thread(read_manifest, directory)
    await asyncio.to_thread(check_files, directory, manifest)
    file, whole = await check_journal_file(directory / JOURNAL_FILE)
    not_compared = _compare(directory, whole, manifest)
    head = Head(whole.entries, bytes.fromhex(whole.head_hash), None)
    await check_empty(database, head, may_hold=tuple(manifest["collections"]))
    began_anew = await begin_taking_in(database)
    try:
        for name, told in manifest["collections"].items():
            await _restore_collection(database, name, told, directory / "collections" / f"{name}.bson.gz")
            failpoint("restore.collection.after")
    except PyMongoError as error:
        raise JournalUnavailable(f"MongoDB: restoring collections failed: {error}") from error
    await asyncio.to_thread(_restore_files, directory / "files", market_data, manifest["files"])
    failpoint("restore.files.after")
    await take_in(database, file, on_progress)
    models = await _prove(database, reader, whole, runtime)
    if not not_compared:
        _compare_models(models, manifest)
    return Restored(TakenIn(whole, models, began_anew), manifest, not_compared)


def _compare(directory: Path, whole: Whole, manifest: dict[str, Any]) -> tuple[str, ...]:
    """Raise :class:`FileDamaged` unless the journal is the manifest's; what cannot be compared."""
    path = directory / JOURNAL_FILE
    if (whole.entries, whole.head_hash) != (manifest["head"]["sequence_number"], manifest["head"]["hash"]):
        raise FileDamaged(path, "its head is not the one in the manifest")
    other_version = []
    if whole.state_hash != manifest["state_hash"]:
        if manifest["fold_version"] == FOLD_VERSION:
            raise FileDamaged(path, "it does not fold to the state whose hash is in the manifest")
        other_version.append("the state's hash: another version of the program folded it")
    if manifest["documents_version"] != DOCUMENTS_VERSION:
        other_version.append("the read models' hashes: another version of the program made them")
    return tuple(other_version)


def _compare_models(models: ReadModelsReport, manifest: dict[str, Any]) -> None:
    for found in models.collections:
        told = manifest["read_models"][found.collection]
        if (found.documents, found.fold_hash) != (told["documents"], told["hash"]):
            raise NotProved(f"{found.collection}: the read model is not the one that was backed up. Do not trade on it")


async def _prove(database: Database, reader: ArchivedJournalReader, whole: Whole, runtime: Runtime) -> ReadModelsReport:
    """Make the read models, then read everything back: head, state, and the read models byte for byte."""
    reader.archive.forget()
    await rebuild(database, reader, runtime, grace=0)
    failpoint("import.rebuild.after")
    head = await reader.head()
    state = await ledger_at(reader, ArchivedSnapshots(database, reader.archive))
    models = await verify_read_models(database, reader)
    if (head.sequence_number, head.hash.hex()) != (whole.entries, whole.head_hash):
        raise NotProved(f"the journal: its head is entry {head.sequence_number}, not the file's {whole.entries}")
    if state.state_hash() != whole.state_hash:
        raise NotProved("the state: what the database's journal folds to is not what the file's does")
    if models.first_difference is not None:
        raise NotProved(f"the read models: {models.first_difference}")
    return models


async def _restore_collection(database: Database, name: str, told: dict[str, Any], path: Path) -> None:
    await database.drop_collection(name)
    await database.create_collection(name)
    collection = database.get_collection(name, write_concern=_DURABLE)
    if told["indexes"]:
        await database.command({"createIndexes": name, "indexes": told["indexes"]})
    run: list[RawBSONDocument] = []
    stored = 0
    for document in _documents(path):
        run.append(RawBSONDocument(document))
        stored += 1
        if len(run) == _RUN:
            await collection.insert_many(run)
            run.clear()
    if run:
        await collection.insert_many(run)
    if stored != told["documents"]:
        raise FileDamaged(path, f"it holds {stored} documents, and the manifest says {told['documents']}")


def _documents(path: Path) -> Iterator[bytes]:
    """A file's documents, unpacked a piece at a time."""
    unpacker, left = zlib.decompressobj(wbits=zlib.MAX_WBITS + 16), b""
    with path.open("rb") as file:
        while data := file.read(1024 * 1024):
            left += unpacker.decompress(data)
            whole = 0
            for document in split(left):
                whole += len(document)
                yield document
            left = left[whole:]


def _restore_files(source: Path, target: Path, files: list[dict[str, Any]]) -> None:
    for told in files:
        place = target / told["path"]
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source / told["path"], place)
