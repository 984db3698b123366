"""Snapshots: a short cut that is taken only when it fits."""

from typing import Any

import pytest
from pymongo.asynchronous.database import AsyncDatabase

from live_trading.domain.entries import Draft, NoteAdded
from live_trading.journal import (
    MemorySnapshots,
    MongoJournal,
    MongoJournalReader,
    MongoSnapshots,
    Opener,
    Snapshot,
    Snapshots,
)
from live_trading.runtime import Runtime

Database = AsyncDatabase[dict[str, Any]]
STATE = bytes(range(256)) * 500


@pytest.fixture(params=["memory", "mongo"])
def snapshots(request: pytest.FixtureRequest) -> Snapshots:
    if request.param == "memory":
        return MemorySnapshots(chunk_bytes=100)
    return MongoSnapshots(request.getfixturevalue("database"), chunk_bytes=100)


def snapshot(number: int, version: str = "7", state: bytes = STATE) -> Snapshot:
    return Snapshot(number, bytes([number]) * 32, version, state)


async def test_the_newest_one_that_fits_is_found(snapshots: Snapshots) -> None:
    assert await snapshots.load("7") == (None, ())
    for number in (10, 20, 30):
        await snapshots.save(snapshot(number))
    found = await snapshots.load("7")
    assert found.snapshot == snapshot(30)
    assert (await snapshots.load("7", at_most=29)).snapshot == snapshot(20)
    assert (await snapshots.load("7", at_most=9)).snapshot is None


async def test_another_fold_version_is_ignored_and_says_so(snapshots: Snapshots) -> None:
    await snapshots.save(snapshot(10))
    await snapshots.save(snapshot(20, version="8"))
    found = await snapshots.load("7")
    assert found.snapshot == snapshot(10)
    assert found.ignored == ("snapshot 20: made by fold version 8, ours is 7",)


async def test_only_the_last_few_are_kept_and_one_can_be_made_again(snapshots: Snapshots) -> None:
    for number in (1, 2, 3, 4, 5):
        await snapshots.save(snapshot(number))
    await snapshots.save(snapshot(5, state=b"again"))
    found = await snapshots.load("7")
    assert found.snapshot == snapshot(5, state=b"again")
    assert (await snapshots.load("7", at_most=2)).snapshot is None
    assert (await snapshots.load("7", at_most=3)).snapshot == snapshot(3)


async def test_an_empty_state_is_a_state(snapshots: Snapshots) -> None:
    await snapshots.save(snapshot(1, state=b""))
    assert (await snapshots.load("7")).snapshot == snapshot(1, state=b"")


async def test_chunks_stay_under_mongodbs_limit_and_damage_is_found(database: Database) -> None:
    snapshots = MongoSnapshots(database, chunk_bytes=100)
    await snapshots.save(snapshot(1))
    await snapshots.save(snapshot(2))
    chunks = database["snapshot_chunks"]
    chunk = await chunks.find_one({"_id": {"snapshot": 2, "index": 1}})
    assert chunk is not None
    assert len(chunk["data"]) == 100
    await chunks.update_one({"_id": chunk["_id"]}, {"$set": {"data": bytes(100)}})
    found = await snapshots.load("7")
    assert found.snapshot == snapshot(1)
    assert "cannot be unpacked" in found.ignored[0]
    await chunks.delete_one({"_id": chunk["_id"]})
    assert "chunks should be there" in (await snapshots.load("7")).ignored[0]
    await database["snapshots"].update_one({"_id": 1}, {"$set": {"state_hash": bytes(32)}})
    assert "its state hash does not match" in (await snapshots.load("7")).ignored[1]


async def test_a_snapshot_of_another_journal_is_ignored(database: Database, runtime: Runtime) -> None:
    writer = await MongoJournal.open_writer(database, Opener("main", "a", "1"), runtime)
    (entry,) = await writer.append(Draft(NoteAdded(text="x")))
    reader = MongoJournalReader(database)
    snapshots = MongoSnapshots(database)
    mine = Snapshot(entry.sequence_number, entry.hash, "7", b"mine")
    await snapshots.save(mine)
    assert (await snapshots.load("7", reader=reader)).snapshot == mine
    await snapshots.save(Snapshot(entry.sequence_number, bytes(32), "7", b"another's"))
    found = await snapshots.load("7", reader=reader)
    assert found.snapshot is None
    assert "another journal" in found.ignored[0]
    await snapshots.save(Snapshot(99, bytes(32), "7", b"future"))
    assert "the journal ends before it" in (await snapshots.load("7", reader=reader)).ignored[0]
    await writer.close()
