"""Other documents of the database, for reading: marks, the journal, commands, checkpoints, broker configurations."""

from typing import Any, ClassVar

from beanie import Document, PydanticObjectId
from pydantic import ConfigDict, Field
from pymongo import ASCENDING, DESCENDING, IndexModel

from live_trading.domain.values import AccountType
from live_trading.journal.mongo_store import JOURNAL
from live_trading.models import commands, marks
from live_trading.models.fields import Number, Time
from live_trading.projections.checkpoint import PROJECTIONS, State


class PositionMark(Document):
    """``position_marks``: what an open position is worth, as the engine last saw it."""

    model_config = ConfigDict(extra="ignore")

    id: PydanticObjectId = Field(alias="_id", description="the position's id")
    operation_id: PydanticObjectId = Field(description="its operation")
    current_price: Number = Field(description="the price it is valued at")
    unrealized_pnl: Number = Field(description="what closing it at that price would bring, before commissions")
    unrealized_pnl_pct: Number | None = Field(default=None, description="over what it cost, a fraction")
    priced_at: Time = Field(description="when the market had that price")
    marked_at: Time = Field(description="when it was valued")

    class Settings:
        name = marks.POSITION_MARKS
        indexes: ClassVar = list(marks.INDEXES)


class JournalEntry(Document):
    """``journal``: one entry as it is stored. Read only: the journal's writer alone may add to it."""

    model_config = ConfigDict(extra="ignore")

    id: int = Field(alias="_id", description="the sequence number")  # type: ignore[assignment]
    operation_id: PydanticObjectId | None = Field(default=None, description="whose entry it is; null: the system's")
    action_type: str = Field(description="what happened")
    action_version: int = Field(description="the version of action_data's shape")
    action_data: dict[str, Any] = Field(description="the facts")
    timestamp: Time = Field(description="when it happened, by the engine's clock")
    epoch: int = Field(description="the writer's lease epoch")
    actor: str = Field(description="engine, recovery, broker:<name> or user:<name>")
    correlation_id: int = Field(description="the entry that began this chain")
    causation_id: int | None = Field(default=None, description="the entry that directly caused it")
    previous_hash: bytes = Field(description="the hash of the entry before it")
    hash: bytes = Field(description="SHA-256 of its canonical bytes")

    class Settings:
        name = JOURNAL
        indexes: ClassVar = [
            IndexModel([("operation_id", ASCENDING), ("_id", ASCENDING)]),
            IndexModel([("timestamp", DESCENDING)]),
        ]

    @property
    def sequence_number(self) -> int:
        return self.id


class Command(commands.CommandFields, Document):
    """``commands``: what people asked for. Written through :mod:`live_trading.models.commands`."""

    id: str = Field(alias="_id", description="its own id")  # type: ignore[assignment]

    class Settings:
        name = commands.COMMANDS
        indexes: ClassVar = list(commands.INDEXES)


class Checkpoint(Document):
    """``projections``: how far the read models are, and in what state."""

    model_config = ConfigDict(extra="ignore")

    id: str = Field(alias="_id", description="read_models")  # type: ignore[assignment]
    version: int = Field(description="goes up with every rebuild")
    sequence_number: int = Field(description="the read models hold all entries up to this one")
    journal_hash: bytes = Field(description="that entry's hash")
    fold_version: str = Field(description="the code that wrote them")
    state: State = Field(description="live, swapping or halted")
    reason: str | None = Field(default=None, description="why it has halted")

    class Settings:
        name = PROJECTIONS


class BrokerConfiguration(Document):
    """``broker_configurations``: how to reach a broker account. Secrets are kept encrypted."""

    model_config = ConfigDict(extra="ignore")

    id: PydanticObjectId | None = Field(default=None, alias="_id", description="its id")
    name: str = Field(description="what operations call it; unique")
    broker_name: str = Field(description="the adapter: PAPER, IBKR, OANDA")
    account_type: AccountType = Field(default=AccountType.PAPER, description="PAPER or LIVE")
    host: str | None = Field(default=None, description="where its gateway listens")
    port: int | None = Field(default=None, ge=1, le=65_535, description="its gateway's port")
    client_id: int | None = Field(default=None, ge=0, description="our client number at the gateway")
    api_key: str | None = Field(default=None, description="the encrypted key; never returned by the api")
    account_id: str | None = Field(default=None, description="the account at the broker")
    is_active: bool = Field(default=True, description="whether the engine connects to it")
    config: dict[str, Any] = Field(default_factory=dict, description="what only this broker needs")

    class Settings:
        name = "broker_configurations"
        indexes: ClassVar = [IndexModel([("name", ASCENDING)], unique=True)]
