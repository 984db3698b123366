"""What is in MongoDB beside the journal, as Beanie documents for reading, and the commands people give.

The read models are written by the projector with the bare driver; nothing here writes them. Indexes are made by
:func:`prepare_models`, once, by the engine; the api and the command line only read and need no right to make any.
"""

from typing import Any

from beanie import init_beanie
from pymongo.asynchronous.database import AsyncDatabase

from live_trading.models import commands, marks
from live_trading.models.commands import CommandRecord, CommandStatus
from live_trading.models.fields import Number, Time
from live_trading.models.ledger import Operation, Order, Position, Trade, Transaction
from live_trading.models.marks import Mark, write_marks
from live_trading.models.stored import BrokerConfiguration, Checkpoint, Command, JournalEntry, PositionMark
from live_trading.projections import read_models

DOCUMENTS = (
    Operation,
    Transaction,
    Position,
    Order,
    Trade,
    PositionMark,
    JournalEntry,
    Command,
    Checkpoint,
    BrokerConfiguration,
)


async def init_models(database: AsyncDatabase[dict[str, Any]]) -> None:
    """Tell the documents which database to read. Creates nothing."""
    await init_beanie(database=database, document_models=list(DOCUMENTS), skip_indexes=True)


async def prepare_models(database: AsyncDatabase[dict[str, Any]]) -> None:
    """Create the collections and indexes that are missing. Can be done again at any time."""
    await read_models.prepare(database)
    await commands.prepare(database)
    await database[marks.POSITION_MARKS].create_indexes(list(marks.INDEXES))
    await database[BrokerConfiguration.Settings.name].create_indexes(BrokerConfiguration.Settings.indexes)


__all__ = [
    "DOCUMENTS",
    "BrokerConfiguration",
    "Checkpoint",
    "Command",
    "CommandRecord",
    "CommandStatus",
    "JournalEntry",
    "Mark",
    "Number",
    "Operation",
    "Order",
    "Position",
    "PositionMark",
    "Time",
    "Trade",
    "Transaction",
    "commands",
    "init_models",
    "prepare_models",
    "write_marks",
]
