"""The Beanie documents read what the projector, the journal and the engine wrote."""

from datetime import UTC
from decimal import Decimal

import pytest
from bson import ObjectId
from pymongo.errors import DuplicateKeyError
from pymongo.read_concern import ReadConcern

from live_trading.models import (
    DOCUMENTS,
    BrokerConfiguration,
    Checkpoint,
    Command,
    JournalEntry,
    Mark,
    Operation,
    Order,
    Position,
    PositionMark,
    Trade,
    Transaction,
    commands,
    init_models,
    prepare_models,
    write_marks,
)
from live_trading.runtime import Runtime
from tests.projections.histories import Database, eventful, write_journal
from tests.projections.test_commands import command
from tests.projections.test_projector import project_all
from tests.stories import START


async def test_read_models_are_read_whole(database: Database, runtime: Runtime) -> None:
    story = eventful()
    await write_journal(database, runtime, story)
    await project_all(database, runtime)
    await prepare_models(database)
    await init_models(database)
    for model in (Operation, Transaction, Position, Order, Trade):
        found = await model.find_all().to_list()
        collection = database[model.Settings.name]
        assert len(found) == await collection.count_documents({}) > 0
        raw = await collection.find_one({"_id": found[0].id})
        assert raw is not None
        assert set(raw) - {"_id"} == set(type(found[0]).model_fields) - {"id", "revision_id"}
    trade = await Trade.find(Trade.pnl > Decimal(0)).first_or_none()
    assert trade is not None
    assert isinstance(trade.pnl, Decimal)
    assert trade.exit_time.tzinfo is UTC
    assert trade.net_pnl == trade.pnl - trade.total_commission
    operation = await Operation.get(trade.operation_id)
    assert operation is not None
    assert operation.current_capital == operation.initial_capital + operation.total_pnl
    assert await JournalEntry.find_all().count() == len(story.entries)
    entry = await JournalEntry.get(5)
    assert entry is not None
    assert entry.sequence_number == 5
    assert len(entry.hash) == 32
    checkpoint = await Checkpoint.get("read_models")
    assert checkpoint is not None
    assert checkpoint.sequence_number == len(story.entries)


async def test_indexes_are_made_once_and_can_be_made_again(database: Database) -> None:
    for _ in range(2):
        await prepare_models(database)
    for model in DOCUMENTS:
        settings = model.Settings
        indexes = [index.document["name"] for index in getattr(settings, "indexes", ())]
        if settings.name in ("journal", "projections"):
            continue
        assert set(indexes) <= set(await database[settings.name].index_information())


async def test_marks_of_positions_that_are_closed_go_away(database: Database) -> None:
    stored = database.get_collection("position_marks", read_concern=ReadConcern("local"))
    marks = [Mark(ObjectId(), ObjectId(), Decimal("1.1"), Decimal(-5), Decimal(200), START, START) for _ in range(2)]
    await write_marks(database, marks)
    await write_marks(database, [marks[0]._replace(unrealized_pnl=Decimal(7))])
    (mark,) = await stored.find().to_list()
    assert (mark["_id"], str(mark["unrealized_pnl"])) == (marks[0].position_id, "7")
    assert str(mark["unrealized_pnl_pct"]) == "0.035"
    await init_models(database)
    assert PositionMark.model_validate(mark).unrealized_pnl == 7
    await write_marks(database, [])
    assert await stored.find().to_list() == []


async def test_commands_and_broker_configurations_are_read(database: Database) -> None:
    await prepare_models(database)
    await init_models(database)
    await commands.submit(database, command("a"))
    found = await Command.get("a")
    assert found is not None
    assert (found.kind, found.status, found.actor) == ("pause_operation", "pending", "user:anna")
    await BrokerConfiguration(name="paper", broker_name="PAPER").insert()
    with pytest.raises(DuplicateKeyError):
        await BrokerConfiguration(name="paper", broker_name="PAPER").insert()
