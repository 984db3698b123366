"""The projector on a real MongoDB: read models equal the fold, whatever happens on the way."""

import asyncio
import os
import signal
import sys
from pathlib import Path

import pytest
from bson import Int64

from live_trading.domain import entries as e
from live_trading.domain.entries import Draft
from live_trading.domain.values import Side
from live_trading.journal import MongoJournalReader
from live_trading.journal.mongo_store import JOURNAL
from live_trading.journal.snapshots import MongoSnapshots, Snapshot
from live_trading.projections import FOLD_VERSION, Checkpoints, Ledger, Projector, verify_read_models
from live_trading.projections.checkpoint import State
from live_trading.projections.documents import ORDERS, Changes, Replacement, order_document, take_changes
from live_trading.projections.read_models import BROKER_ORDER_ID, COLLECTIONS, prepare, write
from live_trading.runtime import Runtime
from tests.projections.histories import Database, append, eventful, open_writer, projector, stored, write_journal
from tests.stories import Story, fold, shelve

CHILD = Path(__file__).with_name("child.py")
PATIENCE = 30.0


async def run_child(what: str, url: str, database: Database, failpoint: str) -> None:
    """Run the child until it is killed at a failpoint."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        str(CHILD),
        what,
        url,
        database.name,
        env={**os.environ, "LIVE_TRADING_FAILPOINTS": failpoint},
    )
    assert await process.wait() == -signal.SIGKILL


async def project_all(database: Database, runtime: Runtime) -> Projector:
    """Run a projector until it has caught up; it goes on in the background."""
    running = projector(database, runtime)
    runtime.tasks.start(running.run(), "projector")
    head = await MongoJournalReader(database).head()
    assert await running.wait_for(head.sequence_number, PATIENCE), running.halted or running.trouble
    return running


async def assert_equal_to_the_fold(database: Database) -> None:
    report = await verify_read_models(database, MongoJournalReader(database))
    assert report.is_equal, report.first_difference
    assert sum(found.documents for found in report.collections) > 0


@pytest.fixture
async def eventful_journal(database: Database, runtime: Runtime) -> Story:
    story = eventful()
    await write_journal(database, runtime, story)
    return story


async def test_read_models_are_the_fold_and_the_indexes_are_there(
    database: Database, runtime: Runtime, eventful_journal: Story
) -> None:
    await project_all(database, runtime)
    shelf = shelve(eventful_journal.entries)
    found = await stored(database)
    # Times of the journal that was written are not those of the story that was told.
    times = {"created_at", "updated_at", "requested_at", "placed_at", "cancelled_at"}
    for name in COLLECTIONS:
        ours = [{key: value for key, value in document.items() if key not in times} for document in shelf.of(name)]
        theirs = [{key: value for key, value in document.items() if key not in times} for document in found[name]]
        assert theirs == ours
        assert ours
    await assert_equal_to_the_fold(database)
    information = await database[ORDERS].index_information()
    assert information[BROKER_ORDER_ID]["unique"]


@pytest.mark.crash
@pytest.mark.parametrize(
    "failpoint",
    ["projector.write.before=kill@2", "projector.write.after=kill@1", "projector.checkpoint.after=kill@1"],
)
async def test_killed_projector_is_gone_on_with(
    database: Database, runtime: Runtime, mongo_url: str, eventful_journal: Story, failpoint: str
) -> None:
    await run_child("project", mongo_url, database, failpoint)
    checkpoint = await Checkpoints(database).read()
    assert checkpoint is not None
    assert checkpoint.sequence_number < len(eventful_journal.entries)
    await project_all(database, runtime)
    await assert_equal_to_the_fold(database)


async def test_older_documents_written_late_or_twice_change_nothing(database: Database, runtime: Runtime) -> None:
    story = eventful(corrections=False)
    await write_journal(database, runtime, story)
    running = await project_all(database, runtime)
    before = await stored(database)
    entries = [entry async for entry in MongoJournalReader(database).read()]
    ledger = Ledger()
    for size in (4, 7, 90, len(entries) - 150):
        changes = take_changes(fold(entries[ledger.sequence_number : ledger.sequence_number + size], ledger))
        assert changes.replacements
        await write(database, Changes(changes.replacements[::-1], []))
        await write(database, changes)
        assert await stored(database) == before
    assert running.lag == 0


async def test_deletion_that_comes_late_spares_what_was_made_again(database: Database) -> None:
    story = Story()
    operation = story.operation()
    story.trade(operation, Side.BUY, "100", "1")
    second = story.trade(operation, Side.SELL, "101", "1")
    await prepare(database)
    ledger = fold(story.entries)
    await write(database, take_changes(ledger))
    told = len(story.entries)
    story.correct(second, "101", "0")
    gone = take_changes(fold(story.entries[told:], ledger))
    assert len(gone.deletions) == 2  # the EXIT and its trade
    story.correct(second, "102", "1")
    again = take_changes(fold(story.entries[told + 1 :], ledger))
    await write(database, again)
    await write(database, gone)  # late
    assert (await stored(database))["trades"] == shelve(story.entries).of("trades") != []


async def test_checkpoint_never_goes_back_and_is_not_set_by_who_lost_it(database: Database) -> None:
    checkpoints = Checkpoints(database)
    await checkpoints.create("ours")
    assert await checkpoints.advance(1, 5, b"five")
    assert not await checkpoints.advance(1, 5, b"five")
    assert not await checkpoints.advance(1, 3, b"three")
    assert not await checkpoints.advance(2, 9, b"nine")
    assert await checkpoints.halt(1, "why")
    assert not await checkpoints.advance(1, 9, b"nine")
    checkpoint = await checkpoints.create("others'")
    assert (checkpoint.sequence_number, checkpoint.journal_hash, checkpoint.reason) == (5, b"five", "why")


async def test_two_projectors_at_once_end_in_the_same_documents(database: Database, runtime: Runtime) -> None:
    story = eventful(seed=5)
    writer = await open_writer(database, runtime)
    both = [projector(database, runtime), projector(database, runtime)]
    for one in both:
        runtime.tasks.start(one.run(), "projector")
    await append(writer, story, run=7)
    for one in both:
        assert await one.wait_for(writer.head.sequence_number, PATIENCE)
    await writer.close()
    await assert_equal_to_the_fold(database)


async def test_entry_shows_in_the_read_models_soon_after_it_is_durable(database: Database, runtime: Runtime) -> None:
    story = Story()
    story.operation()
    writer = await open_writer(database, runtime)
    running = projector(database, runtime)
    runtime.tasks.start(running.run(), "projector")
    await append(writer, story)
    assert await running.wait_for(2, PATIENCE)
    waits = []
    for _ in range(20):
        (entry,) = await writer.append(Draft(e.OperationPaused(), story.entries[1].operation_id))
        begun = runtime.clock.monotonic()
        assert await running.wait_for(entry.sequence_number, PATIENCE)
        waits.append(runtime.clock.monotonic() - begun)
    assert sorted(waits)[len(waits) // 2] < 0.5  # a poll once a second would not do it; 100 ms on a machine at rest
    await writer.close()


async def test_start_from_a_snapshot_and_without_one_ends_alike(
    database: Database, runtime: Runtime, eventful_journal: Story
) -> None:
    await project_all(database, runtime)
    await runtime.tasks.close()
    entries = [entry async for entry in MongoJournalReader(database).read()]
    half = entries[: len(entries) // 2]
    before = await stored(database)
    snapshot = Snapshot(len(half), half[-1].hash, FOLD_VERSION, fold(half).to_bytes())
    await MongoSnapshots(database).save(snapshot)
    writer = await open_writer(database, runtime)
    await writer.append(Draft(e.OperationPaused(), eventful_journal.entries[1].operation_id))
    await writer.close()
    await project_all(database, runtime)
    await assert_equal_to_the_fold(database)
    after = await stored(database)
    assert after["trades"] == before["trades"]
    assert after["trading_operations"] != before["trading_operations"]


async def test_entry_it_does_not_know_halts_it_visibly_and_the_next_start_tries_again(
    database: Database, runtime: Runtime, eventful_journal: Story
) -> None:
    await database[JOURNAL].update_one({"_id": Int64(20)}, {"$set": {"actor": "someone:else"}})
    told: list[str] = []
    running = Projector(database, MongoJournalReader(database), None, runtime, on_halted=told.append)
    await running.run()  # returns: it has halted
    checkpoint = await Checkpoints(database).read()
    assert checkpoint is not None
    assert checkpoint.state is State.HALTED
    assert checkpoint.reason is not None
    assert "20" in checkpoint.reason
    assert told == [checkpoint.reason] == [running.halted]
    assert checkpoint.sequence_number < 20
    await database[JOURNAL].update_one({"_id": Int64(20)}, {"$set": {"actor": eventful_journal.entries[19].actor}})
    await project_all(database, runtime)
    await assert_equal_to_the_fold(database)


@pytest.mark.parametrize("rounds", [2, 80], ids=["shorter", "longer"])
async def test_read_models_of_another_journal_are_built_anew(
    database: Database, runtime: Runtime, eventful_journal: Story, rounds: int
) -> None:
    await project_all(database, runtime)
    await runtime.tasks.close()
    await database.drop_collection(JOURNAL)
    await database.drop_collection("leases")
    other = eventful(seed=9, rounds=rounds)
    assert (len(other.entries) > len(eventful_journal.entries)) == (rounds > 60)
    await write_journal(database, runtime, other)
    await project_all(database, runtime)
    assert len((await stored(database))["orders"]) == rounds
    await assert_equal_to_the_fold(database)


async def test_broker_that_gives_an_id_twice_does_not_stop_the_read_models(
    database: Database, runtime: Runtime
) -> None:
    story = Story()
    operation = story.operation()
    for _ in range(2):
        order = story.order(operation, Side.BUY, "1")
        story.about(order, e.OrderPlaced(client_order_id=order, broker_order_id="again"))
    await write_journal(database, runtime, story)
    await project_all(database, runtime)
    assert [order["broker_order_id"] for order in (await stored(database))["orders"]] == ["again", "again"]
    assert "unique" not in (await database[ORDERS].index_information())[BROKER_ORDER_ID]
    await prepare(database)  # as at the next start: the ids still clash, and the plain index stays
    assert "unique" not in (await database[ORDERS].index_information())[BROKER_ORDER_ID]
    await assert_equal_to_the_fold(database)


async def test_orders_of_two_brokers_may_have_one_id_and_orders_without_an_id_do_not_clash(database: Database) -> None:
    await prepare(database)
    story = Story()
    operation = story.operation()
    for _ in range(4):
        story.order(operation, Side.BUY, "1")
    (state,) = story.ledger().state.operations.values()
    orders = list(state.orders.values())
    orders[0].broker_order_id = orders[1].broker_order_id = "7"
    orders[1].broker = "oanda"
    documents = [Replacement(ORDERS, order_document(order, state)) for order in orders]
    await write(database, Changes(documents, []))
    assert len((await stored(database))["orders"]) == 4
    assert (await database[ORDERS].index_information())[BROKER_ORDER_ID]["unique"]
