"""A journal in MongoDB with an eventful history, and projectors over it."""

import random
from decimal import Decimal
from typing import Any

from pymongo.asynchronous.database import AsyncDatabase
from pymongo.read_concern import ReadConcern

from live_trading.domain import entries as e
from live_trading.domain.entries import Draft
from live_trading.domain.values import OrderPurpose, Side
from live_trading.journal import JournalWriter, MongoJournal, MongoJournalReader, Opener
from live_trading.journal.snapshots import MongoSnapshots
from live_trading.projections import Projector
from live_trading.projections.read_models import COLLECTIONS
from live_trading.runtime import Runtime
from tests.stories import Story

Database = AsyncDatabase[dict[str, Any]]


def eventful(seed: int = 1, rounds: int = 60, corrections: bool = True) -> Story:
    """Orders, partial fills, flips, commissions early and late, corrections, cancels, pauses: all from a seed."""
    rng = random.Random(seed)
    story = Story()
    ids = [story.operation(multiplier=multiplier) for multiplier in ("1", "20", "0.1")]
    executions: list[str] = []
    for number in range(rounds):
        operation = rng.choice(ids)
        order = story.order(operation, rng.choice(list(Side)), "6", rng.choice(list(OrderPurpose)))
        story.about(order, e.OrderPlaced(client_order_id=order, broker_order_id=f"B{number}"))
        for _ in range(rng.randint(1, 3)):
            price, quantity = str(100 + rng.randint(-9, 9)), str(rng.randint(1, 2))
            executions.append(story.fill(order, price, quantity))
        story.commission(rng.choice(executions), str(rng.randint(0, 300) / Decimal(100)), rng.choice(["USD", "JPY"]))
        if corrections and rng.random() < 0.2:
            story.correct(rng.choice(executions), str(100 + rng.randint(-9, 9)), str(rng.randint(0, 2)))
        if rng.random() < 0.3:
            story.about(order, e.OrderCancelled(client_order_id=order))
        story.tell(rng.choice([e.OperationPaused(), e.OperationResumed(), e.NoteAdded(text="…")]), operation)
    return story


async def open_writer(database: Database, runtime: Runtime) -> JournalWriter:
    return await MongoJournal.open_writer(database, Opener(engine_id="test", instance="1", version="0"), runtime)


async def write_journal(database: Database, runtime: Runtime, story: Story) -> None:
    """Put the whole story into the database's journal."""
    writer = await open_writer(database, runtime)
    await append(writer, story)
    await writer.close()


async def append(writer: JournalWriter, story: Story, run: int = 100) -> None:
    drafts: list[Draft] = story.drafts(after=writer.head.sequence_number)
    for start in range(0, len(drafts), run):
        await writer.append(*drafts[start : start + run])


def projector(database: Database, runtime: Runtime) -> Projector:
    return Projector(database, MongoJournalReader(database), MongoSnapshots(database), runtime)


async def stored(database: Database) -> dict[str, list[dict[str, Any]]]:
    """All read models as they are this moment, each in order of its ids."""
    found = {}
    for name in COLLECTIONS:
        collection = database.get_collection(name, read_concern=ReadConcern("local"))
        found[name] = [document async for document in collection.find(sort=[("_id", 1)])]
    return found
