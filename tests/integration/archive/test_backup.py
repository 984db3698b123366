"""Backups: made while an engine writes, restored elsewhere, and proved to be what was backed up."""

import asyncio
import gzip
import json
import shutil
from importlib import import_module
from pathlib import Path
from typing import Any

import bson
import pytest
from bson import Decimal128

from live_trading.archive import ArchivedSnapshots, Backup, FileDamaged, NotEmpty, NotProved
from live_trading.domain import entries as e
from live_trading.domain.entries import Draft
from live_trading.domain.errors import InvalidInput
from live_trading.journal import Snapshot, verify
from live_trading.journal.mongo_store import INCOMING
from live_trading.models import commands
from live_trading.projections import FOLD_VERSION, rebuild, verify_read_models
from tests.integration.archive.processes import run_child
from tests.integration.archive.worlds import Database, World
from tests.projections.histories import stored

BROKERS = "broker_configurations"


async def live_in(world: World) -> None:
    """What an engine and people leave in a database beside the journal."""
    await world.fill()
    await rebuild(world.database, world.reader, world.runtime, grace=0)
    ledger = await world.ledger(200)
    entry = await world.reader.entry(200)
    assert entry is not None
    snapshots = ArchivedSnapshots(world.database, world.reader.archive)
    await snapshots.save(Snapshot(200, entry.hash, FOLD_VERSION, ledger.to_bytes()))
    brokers = world.database[BROKERS]
    await brokers.insert_many([{"_id": n, "name": f"b{n}", "limit": Decimal128("1.10")} for n in range(3)])
    await brokers.create_index("name", unique=True, name="by_name")
    await world.database["market_data_1hour"].insert_one({"asset": "EUR-USD", "close": "1.1"})
    await commands.prepare(world.database)
    fields: dict[str, Any] = {"kind": "add_note", "arguments": {}, "actor": "user:a", "created_at": entry.timestamp}
    await commands.submit(world.database, commands.CommandRecord(id="waiting", **fields))
    done = {"status": commands.CommandStatus.DONE, "sequence_number": 7}
    await commands.submit(world.database, commands.CommandRecord(id="answered", **done, **fields))


async def everything(database: Database, *names: str) -> dict[str, list[dict[str, Any]]]:
    return {name: [each async for each in database[name].find(sort=[("_id", 1)])] for name in names}


@pytest.fixture
async def backup(world: World, tmp_path: Path) -> Backup:
    await live_in(world)
    return await world.backup(tmp_path / "backup")


async def test_backup_restored_elsewhere_is_equal_in_everything(world: World, other: World, backup: Backup) -> None:
    restored = await other.restore(backup.directory)
    assert restored.not_compared == ()
    assert await other.entries() == await world.entries()
    assert (await other.ledger()).state_hash() == backup.manifest["state_hash"] == (await world.ledger()).state_hash()
    assert await stored(other.database) == await stored(world.database)
    kept = ("snapshots", "snapshot_chunks", BROKERS)
    assert await everything(other.database, *kept) == await everything(world.database, *kept)
    assert (await other.database[BROKERS].index_information())["by_name"]["unique"] is True
    snapshots = ArchivedSnapshots(other.database, other.reader.archive)
    found = await snapshots.load(FOLD_VERSION, reader=other.reader)
    assert found.snapshot is not None
    assert found.snapshot.sequence_number == 200
    assert (await verify(other.reader)).is_sound


async def test_command_that_was_not_answered_is_not_carried_out_after_a_restore(other: World, backup: Backup) -> None:
    await other.restore(backup.directory)
    assert [each["_id"] for each in (await everything(other.database, "commands"))["commands"]] == ["answered"]


async def test_backup_of_a_partly_archived_journal_has_all_of_it(world: World, other: World, tmp_path: Path) -> None:
    await world.fill()
    await world.archive(200)
    made = await world.backup(tmp_path / "backup")
    await other.restore(made.directory)
    assert await other.entries() == await world.entries()


async def test_backup_made_while_an_engine_writes_is_of_one_moment(world: World, other: World, tmp_path: Path) -> None:
    await live_in(world)
    writer = await world.open_writer()
    operation = (await world.entries())[1].operation_id
    stop = asyncio.Event()

    async def keep_writing() -> None:
        number = 100
        while not stop.is_set():
            # Each configuration is written after the entry of its number, so that no moment has it without the entry.
            number += 1
            (entry,) = await writer.append(Draft(e.NoteAdded(text=str(number)), operation))
            await world.database[BROKERS].insert_one({"_id": number, "name": str(number), "entry": entry[0]})

    writing = world.runtime.tasks.start(keep_writing(), "writing")
    while (await world.database[BROKERS].count_documents({})) < 20:  # noqa: ASYNC110 - it is in MongoDB
        await asyncio.sleep(0.01)
    made = await world.backup(tmp_path / "backup")
    stop.set()
    await writing
    await writer.close()
    assert made.manifest["head"]["sequence_number"] < (await world.reader.head()).sequence_number
    restored = await other.restore(made.directory)
    brokers = (await everything(other.database, BROKERS))[BROKERS]
    written = [each["entry"] for each in brokers if "entry" in each]
    assert len(written) >= 17
    # All of them up to the head, and none after: at most the one whose entry the head is may not be there yet.
    head = restored.taken_in.whole.entries
    assert head - 1 <= max(written) <= head
    assert restored.taken_in.read_models.is_equal


async def test_market_data_is_left_out_unless_it_is_asked_for(
    world: World, other: World, backup: Backup, tmp_path: Path
) -> None:
    assert not any(name.startswith("market_data") for name in backup.manifest["collections"])
    bars = tmp_path / "archive-of-bars"
    (bars / "EUR-USD" / "1hour").mkdir(parents=True)
    (bars / "EUR-USD" / "1hour" / "2026-03-02.parquet").write_bytes(b"bars")
    made = await world.backup(tmp_path / "with", market_data=bars)
    await other.restore(made.directory)
    names = ("market_data_1hour",)
    assert await everything(other.database, *names) == await everything(world.database, *names)
    assert (other.directory.parent / "bars/EUR-USD/1hour/2026-03-02.parquet").read_bytes() == b"bars"


async def test_any_altered_file_is_found_before_anything_is_written(
    other: World, backup: Backup, tmp_path: Path
) -> None:
    files = sorted(path for path in backup.directory.rglob("*.gz"))
    assert len(files) == 5
    for path in files:
        copy = tmp_path / f"copy of {path.name}"
        shutil.copytree(backup.directory, copy)
        altered = copy / path.relative_to(backup.directory)
        data = bytearray(altered.read_bytes())
        data[len(data) // 2] ^= 1
        altered.write_bytes(data)
        with pytest.raises(FileDamaged, match="SHA-256") as error:
            await other.restore(copy)
        assert error.value.path == altered
        altered.unlink()
        with pytest.raises(FileDamaged, match="missing"):
            await other.restore(copy)
    assert await other.database.list_collection_names() == []


async def altered_manifest(backup: Backup, **changes: Any) -> Path:
    path = backup.directory / "manifest.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))
    return backup.directory


async def test_manifest_that_tells_another_state_or_head_is_refused(other: World, backup: Backup) -> None:
    with pytest.raises(FileDamaged, match="does not fold to the state"):
        await other.restore(await altered_manifest(backup, state_hash="0" * 64))
    head = {"sequence_number": backup.manifest["head"]["sequence_number"], "hash": "0" * 64}
    with pytest.raises(FileDamaged, match="its head is not the one"):
        await other.restore(await altered_manifest(backup, head=head))
    assert await other.database.list_collection_names() == []


async def test_read_models_that_are_not_those_backed_up_are_told(other: World, backup: Backup) -> None:
    models = {**backup.manifest["read_models"]}
    models["orders"] = {**models["orders"], "hash": "0" * 64}
    with pytest.raises(NotProved, match="orders"):
        await other.restore(await altered_manifest(backup, read_models=models))


async def test_what_another_version_made_is_not_compared_and_said_so(other: World, backup: Backup) -> None:
    directory = await altered_manifest(backup, state_hash="0" * 64, fold_version="other", documents_version="other")
    restored = await other.restore(directory)
    assert len(restored.not_compared) == 2


async def test_only_an_empty_database_takes_a_backup_in(world: World, other: World, backup: Backup) -> None:
    with pytest.raises(NotEmpty):
        await world.restore(backup.directory)
    await other.database[BROKERS].insert_one({"name": "mine"})
    with pytest.raises(NotEmpty, match="something is in broker_configurations"):
        await other.restore(backup.directory)
    assert len((await everything(other.database, BROKERS))[BROKERS]) == 1


async def test_backup_is_never_made_over_something(world: World, backup: Backup, tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="is there already"):
        await world.backup(backup.directory)
    empty = tmp_path / "empty"
    empty.mkdir()
    assert (await world.backup(empty)).directory == empty
    with pytest.raises(InvalidInput, match="is not a backup"):
        await world.restore(tmp_path)


async def test_collections_of_a_backup_are_shown_by_ordinary_tools(world: World, backup: Backup) -> None:
    path = backup.directory / "collections" / f"{BROKERS}.bson.gz"
    documents = bson.decode_all(gzip.decompress(path.read_bytes()))
    assert documents == (await everything(world.database, BROKERS))[BROKERS]


@pytest.mark.crash
@pytest.mark.parametrize("point", ["backup.collections.after", "backup.journal.after", "backup.rename.before"])
async def test_killed_backup_leaves_none(world: World, mongo_url: str, tmp_path: Path, point: str) -> None:
    await live_in(world)
    directory = tmp_path / "backup"
    await run_child("backup", mongo_url, world.database, directory, failpoint=f"{point}=kill@1")
    assert not directory.exists()
    made = await world.backup(directory)
    assert made.manifest["journal"]["entries"]
    assert not tmp_path.joinpath("backup.new").exists()


@pytest.mark.crash
@pytest.mark.parametrize(
    "point",
    [
        "import.begun=kill@1",
        "restore.collection.after=kill@2",
        "restore.files.after=kill@1",
        "import.insert.some=kill@1",
        "import.rename.before=kill@1",
        "import.rename.after=kill@1",
    ],
)
async def test_killed_restore_leaves_no_journal_or_a_whole_one(
    world: World, other: World, backup: Backup, mongo_url: str, point: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(import_module("live_trading.projections.rebuild"), "ABANDONED_SECONDS", 0.2)
    await run_child("restore", mongo_url, other.database, backup.directory, failpoint=point)
    if point.startswith("import.rename.after"):
        with pytest.raises(NotEmpty, match="live-trading rebuild"):
            await other.restore(backup.directory)
        await rebuild(other.database, other.reader, other.runtime, grace=0)
    else:
        assert await other.in_database() == []
        with pytest.raises(InvalidInput, match="Run the same"):
            await other.open_writer()
        assert (await other.restore(backup.directory)).taken_in.began_anew
    assert INCOMING not in await other.database.list_collection_names()
    assert await other.entries() == await world.entries()
    assert await everything(other.database, BROKERS) == await everything(world.database, BROKERS)
    assert (await verify_read_models(other.database, other.reader)).is_equal
