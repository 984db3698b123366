"""Verification finds what a hand has changed, and is not misled by a projector at work."""

import asyncio
from typing import Any

import pytest
from bson import Decimal128, ObjectId

from live_trading.domain import entries as e
from live_trading.domain.entries import Draft, Entry
from live_trading.domain.errors import InvalidInput
from live_trading.journal import MongoJournalReader
from live_trading.projections import verify_read_models
from live_trading.projections.read_models import COLLECTIONS
from live_trading.projections.read_models_verify import Difference
from live_trading.runtime import Runtime
from tests.projections.histories import Database, eventful, open_writer, write_journal
from tests.projections.test_projector import PATIENCE, project_all


@pytest.fixture
async def verified(database: Database, runtime: Runtime) -> Database:
    """Read models that are what they should be, and stay so."""
    await write_journal(database, runtime, eventful(rounds=20))
    await project_all(database, runtime)
    await runtime.tasks.close()
    return database


async def only_difference(database: Database) -> Difference:
    report = await verify_read_models(database, MongoJournalReader(database))
    assert not report.is_equal
    (unequal,) = [found for found in report.collections if not found.is_equal]
    (difference,) = unequal.differences
    assert report.first_difference == difference
    assert str(difference.id) in str(difference)
    return difference


@pytest.mark.parametrize("collection", COLLECTIONS)
async def test_document_altered_by_hand_is_found(verified: Database, collection: str) -> None:
    document = await verified[collection].find_one({}, skip=1)
    assert document is not None
    await verified[collection].update_one({"_id": document["_id"]}, {"$set": {"currency": "CHF"}})
    difference = await only_difference(verified)
    assert (difference.collection, difference.id, difference.kind) == (collection, document["_id"], "altered")
    assert difference.expected == difference.stored == document["sequence_number"]


async def test_number_of_equal_value_but_other_bytes_is_found(verified: Database) -> None:
    trade = await verified["trades"].find_one({"pnl": {"$ne": 0}})
    assert trade is not None
    longer = Decimal128(f"{trade['pnl'].to_decimal():f}.0" if "." not in str(trade["pnl"]) else f"{trade['pnl']}0")
    await verified["trades"].update_one({"_id": trade["_id"]}, {"$set": {"pnl": longer}})
    assert (await only_difference(verified)).id == trade["_id"]


async def test_document_deleted_by_hand_is_found(verified: Database) -> None:
    document = await verified["orders"].find_one({}, skip=3)
    assert document is not None
    await verified["orders"].delete_one({"_id": document["_id"]})
    difference = await only_difference(verified)
    assert (difference.id, difference.kind, difference.stored) == (document["_id"], "missing", None)


async def test_document_inserted_by_hand_is_found_even_with_a_number_of_the_future(verified: Database) -> None:
    for number in (1, 10**9):
        strange: dict[str, Any] = {"_id": ObjectId(), "sequence_number": number}
        await verified["positions"].insert_one(strange)
        difference = await only_difference(verified)
        assert (difference.id, difference.kind, difference.expected) == (strange["_id"], "extra", None)
        await verified["positions"].delete_one({"_id": strange["_id"]})
    report = await verify_read_models(verified, MongoJournalReader(verified))
    assert report.is_equal


async def test_first_difference_is_the_first_of_several(verified: Database) -> None:
    await verified["trades"].delete_many({})
    await verified["orders"].update_many({}, {"$set": {"status": "PENDING", "detail": "made up"}})
    first = await verified["orders"].find_one(sort=[("_id", 1)])
    report = await verify_read_models(verified, MongoJournalReader(verified))
    assert report.first_difference is not None
    assert first is not None
    assert report.first_difference.id == first["_id"]
    assert {found.collection for found in report.collections if not found.is_equal} == {"orders", "trades"}


async def test_projector_that_writes_meanwhile_is_no_difference(database: Database, runtime: Runtime) -> None:
    story = eventful(rounds=20)
    await write_journal(database, runtime, story)
    running = await project_all(database, runtime)
    writer = await open_writer(database, runtime)
    operation = story.entries[1].operation_id
    created, folded = asyncio.Event(), asyncio.Event()

    class Reader(MongoJournalReader):
        """Lets entries be appended and projected when the journal was folded and nothing compared yet."""

        async def read_batches(self, after: int = 0, to: int | None = None) -> Any:
            async for batch in super().read_batches(after, to):
                yield batch
            if not folded.is_set():
                folded.set()
                await created.wait()

    verifying = runtime.tasks.start(verify_read_models(database, Reader(database)), "verify")
    await folded.wait()
    entries: tuple[Entry, ...] = ()
    for _ in range(5):
        entries = await writer.append(Draft(e.OperationPaused(reason="more"), operation))
    order = await database["orders"].find_one({})
    assert order is not None
    assert await running.wait_for(entries[-1].sequence_number, PATIENCE)
    created.set()
    report = await verifying
    assert report.is_equal, report.first_difference
    assert report.sequence_number < entries[-1].sequence_number
    await writer.close()


async def test_read_models_that_are_not_there_or_of_another_version_are_named_so(
    database: Database, runtime: Runtime
) -> None:
    await write_journal(database, runtime, eventful(rounds=2))
    with pytest.raises(InvalidInput, match="there are none yet"):
        await verify_read_models(database, MongoJournalReader(database))
    await project_all(database, runtime)
    await runtime.tasks.close()
    await database["projections"].update_one({}, {"$set": {"fold_version": "other"}})
    with pytest.raises(InvalidInput, match="version other"):
        await verify_read_models(database, MongoJournalReader(database))
