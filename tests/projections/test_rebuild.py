"""Rebuilding while everything goes on, and dying in the middle of it."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from importlib import import_module

import pytest

from live_trading.domain import entries as e
from live_trading.domain.entries import Draft, Entry
from live_trading.domain.values import Side
from live_trading.journal import MongoJournalReader
from live_trading.models.queries import orders
from live_trading.projections import Checkpoint, Checkpoints, RebuildOvertaken, rebuild, verify_read_models
from live_trading.projections.checkpoint import State, Target
from live_trading.projections.documents import DOCUMENTS_VERSION
from live_trading.projections.read_models import COLLECTIONS, INDEXES
from live_trading.projections.rebuild import finish_swap
from live_trading.runtime import Runtime
from tests.projections.histories import Database, eventful, open_writer, stored, write_journal
from tests.projections.test_projector import PATIENCE, assert_equal_to_the_fold, project_all, run_child
from tests.stories import Story


async def leftovers(database: Database) -> list[str]:
    return [name for name in await database.list_collection_names() if "_v" in name]


async def until(checkpoints: Checkpoints, condition: Callable[[Checkpoint], bool]) -> None:
    """Wait until the checkpoint is as it should be."""
    async with asyncio.timeout(PATIENCE):
        while (now := await checkpoints.read()) is None or not condition(now):  # noqa: ASYNC110 - it is in MongoDB
            await asyncio.sleep(0.01)


async def test_rebuild_gives_the_same_documents_byte_for_byte(database: Database, runtime: Runtime) -> None:
    await write_journal(database, runtime, eventful())
    await project_all(database, runtime)
    await runtime.tasks.close()
    before = await stored(database)
    hashes = [
        found.fold_hash for found in (await verify_read_models(database, MongoJournalReader(database))).collections
    ]
    built = await rebuild(database, MongoJournalReader(database), runtime, grace=0)
    assert await stored(database) == before
    after = await verify_read_models(database, MongoJournalReader(database))
    assert after.is_equal
    assert [found.fold_hash for found in after.collections] == hashes
    assert (built.version, built.documents) == (2, sum(len(documents) for documents in before.values()))
    assert await leftovers(database) == []
    for name in COLLECTIONS:
        assert len(await database[name].index_information()) == len(INDEXES[name]) + 1


async def test_rebuild_while_a_projector_runs_and_entries_are_appended(database: Database, runtime: Runtime) -> None:
    story = eventful(seed=3, rounds=40)
    await write_journal(database, runtime, story)
    running = await project_all(database, runtime)
    writer = await open_writer(database, runtime)
    operation = story.entries[1].operation_id
    stop = asyncio.Event()

    async def keep_appending() -> None:
        while not stop.is_set():
            await writer.append(Draft(e.OperationPaused(reason=str(writer.head.sequence_number)), operation))
            await asyncio.sleep(0.002)

    appending = runtime.tasks.start(keep_appending(), "appending")
    built = await rebuild(database, MongoJournalReader(database), runtime)
    live = await verify_read_models(database, MongoJournalReader(database))
    stop.set()
    await appending
    assert live.is_equal, live.first_difference
    assert live.version == built.version == 2
    assert built.sequence_number > len(story.entries)
    assert await running.wait_for(writer.head.sequence_number, PATIENCE)
    await writer.close()
    await assert_equal_to_the_fold(database)
    checkpoint = await Checkpoints(database).read()
    assert checkpoint is not None
    assert (checkpoint.version, checkpoint.state) == (2, State.LIVE)
    assert checkpoint.sequence_number == writer.head.sequence_number


async def test_projector_stops_writing_before_the_collections_are_renamed(database: Database, runtime: Runtime) -> None:
    await write_journal(database, runtime, eventful(rounds=5))
    await project_all(database, runtime)
    checkpoints = Checkpoints(database)
    checkpoint = await checkpoints.read()
    assert checkpoint is not None
    assert await checkpoints.claim(1, "mine")
    target = Target(2, checkpoint.sequence_number, checkpoint.journal_hash, DOCUMENTS_VERSION, "mine")
    assert await checkpoints.begin_swap(1, target)
    await until(checkpoints, lambda now: now.acknowledged == 2)
    writer = await open_writer(database, runtime)
    before = await stored(database)
    operation = before["trading_operations"][0]["_id"]
    (entry,) = await writer.append(Draft(e.OperationPaused(), operation))
    for name in COLLECTIONS:  # what a rebuild would have built
        await database.create_collection(f"{name}_v2")
        if before[name]:
            await database[f"{name}_v2"].insert_many(before[name])
    assert await stored(database) == before
    await finish_swap(database, 1, target)
    await until(checkpoints, lambda now: now.sequence_number >= entry.sequence_number)
    await writer.close()
    await assert_equal_to_the_fold(database)


@pytest.mark.crash
@pytest.mark.parametrize(
    "failpoint",
    [
        "rebuild.swap.before=kill@1",
        "rebuild.rename.before=kill@1",
        "rebuild.rename.before=kill@3",
        "rebuild.renamed=kill@1",
    ],
)
async def test_killed_rebuild_leaves_the_old_or_the_new_read_models(
    database: Database, runtime: Runtime, mongo_url: str, failpoint: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(import_module("live_trading.projections.rebuild"), "ABANDONED_SECONDS", 0.2)
    await write_journal(database, runtime, eventful())
    await project_all(database, runtime)
    await runtime.tasks.close()
    before = await stored(database)
    await run_child("rebuild", mongo_url, database, failpoint)
    checkpoint = await Checkpoints(database).read()
    assert checkpoint is not None
    assert checkpoint.version == 1
    assert (checkpoint.state is State.SWAPPING) == (not failpoint.startswith("rebuild.swap"))
    await project_all(database, runtime)
    assert await stored(database) == before
    await assert_equal_to_the_fold(database)
    built = await rebuild(database, MongoJournalReader(database), runtime)
    assert built.version == (2 if failpoint.startswith("rebuild.swap") else 3)
    assert await stored(database) == before
    assert await leftovers(database) == []


class Interrupted(MongoJournalReader):
    """Lets something happen when the rebuild has begun."""

    def __init__(self, database: Database, happen: Callable[[], Awaitable[object]]) -> None:
        super().__init__(database)
        self._happen: Callable[[], Awaitable[object]] | None = happen

    async def read_batches(self, after: int = 0, to: int | None = None) -> AsyncGenerator[list[Entry], None]:
        if self._happen is not None:
            happen, self._happen = self._happen, None
            await happen()
        async for batch in super().read_batches(after, to):
            yield batch


async def test_rebuild_gives_way_to_one_that_began_later(database: Database, runtime: Runtime) -> None:
    await write_journal(database, runtime, eventful(rounds=10))
    await project_all(database, runtime)
    await runtime.tasks.close()
    before = await stored(database)
    only_begun = Interrupted(database, lambda: Checkpoints(database).claim(1, "another"))
    with pytest.raises(RebuildOvertaken):
        await rebuild(database, only_begun, runtime, grace=0)
    assert await stored(database) == before
    ended = Interrupted(database, lambda: rebuild(database, MongoJournalReader(database), runtime, grace=0))
    with pytest.raises(RebuildOvertaken):
        await rebuild(database, ended, runtime, grace=0)
    await assert_equal_to_the_fold(database)
    checkpoint = await Checkpoints(database).read()
    assert checkpoint is not None
    assert (checkpoint.version, checkpoint.state) == (2, State.LIVE)


async def test_rebuild_makes_read_models_where_there_were_none(database: Database, runtime: Runtime) -> None:
    story = Story()
    story.trade(story.operation(), Side.BUY, "100", "1")
    await write_journal(database, runtime, story)
    reached: list[int] = []
    built = await rebuild(database, MongoJournalReader(database), runtime, grace=0, on_progress=reached.append)
    assert reached[-1] == built.sequence_number == (await MongoJournalReader(database).head()).sequence_number
    await assert_equal_to_the_fold(database)


async def test_read_models_of_another_version_of_the_program_are_built_anew_at_the_start(
    database: Database, runtime: Runtime
) -> None:
    await write_journal(database, runtime, eventful(rounds=10))
    await project_all(database, runtime)
    await runtime.tasks.close()
    before = await stored(database)
    await database["projections"].update_one({}, {"$set": {"fold_version": "an older one"}})
    await database["trades"].update_many({}, {"$set": {"of_an_older_shape": True}})
    await project_all(database, runtime)
    assert await stored(database) == before


async def test_running_projector_gives_way_to_another_version_of_the_program(
    database: Database, runtime: Runtime
) -> None:
    await write_journal(database, runtime, eventful(rounds=5))
    running = await project_all(database, runtime)
    newer = {"fold_version": "a newer one", "version": 2}
    await database["projections"].update_one({}, {"$set": newer})
    assert not await running.wait_for(10**9, PATIENCE)
    assert running.halted is not None
    assert "restart this process" in running.halted
    checkpoint = await Checkpoints(database).read()
    assert checkpoint is not None
    assert (checkpoint.state, checkpoint.fold_version) == (State.LIVE, "a newer one")


async def test_questions_are_answered_while_collections_are_renamed(database: Database, runtime: Runtime) -> None:
    await write_journal(database, runtime, eventful(rounds=300))
    await project_all(database, runtime)
    await runtime.tasks.close()
    expected = await orders(database, limit=10_000)
    assert len(expected) > 101, "more than the first batch of a cursor: there is something to be cut off"
    rebuilt = asyncio.Event()

    async def rebuild_again_and_again() -> None:
        for _ in range(2):
            await rebuild(database, MongoJournalReader(database), runtime, grace=0)
        rebuilt.set()

    async def ask() -> int:
        asked = 0
        while not rebuilt.is_set():
            assert await orders(database, limit=10_000) == expected
            asked += 1
        return asked

    async with asyncio.TaskGroup() as group:
        group.create_task(rebuild_again_and_again())
        asking = group.create_task(ask())
    assert asking.result()
