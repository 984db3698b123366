"""What WebSockets say. Part of the OpenAPI document, as ``SocketMessage``, though OpenAPI has no word for sockets."""

from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any, Literal

from pydantic import Field

from live_trading.api.schemas.base import Id, Told
from live_trading.api.schemas.journal import Entry
from live_trading.api.schemas.ledger import Bar

_SEQ = "the last journal entry told on this socket: after a lost connection, give it as ?after= and miss nothing"


class _Message(Told):
    seq: int = Field(ge=0, description=_SEQ)


class HelloMessage(_Message):
    """The first message."""

    type: Literal["hello"]
    head: int = Field(description="the journal's last entry now; what lies between is about to be told")
    heartbeat_seconds: float = Field(description="between two heartbeats: silent for twice as long is gone")


class EntryMessage(_Message):
    """A journal entry. Every one after ``after``, once, in order; of one operation only on its own socket."""

    type: Literal["entry"]
    entry: Entry = Field(description="the entry; seq is its number")


class ReadModelsMessage(_Message):
    """Reads now show everything up to an entry: time to read again what was told to have changed."""

    type: Literal["read_models"]
    read_models: int = Field(description="the entry they have reached")


class TickMessage(_Message):
    """The last price of something that is followed: at most four a second for each symbol, the newest."""

    type: Literal["tick"]
    broker: str = Field(description="whose price")
    symbol: str = Field(description="of what")
    price: Decimal = Field(description="the last trade, or the middle of bid and ask")
    bid: Decimal = Field(description="the best bid")
    ask: Decimal = Field(description="the best ask")
    priced_at: datetime = Field(description="when, by the market's clock")
    stale: bool = Field(description="whether nothing has been heard for too long")


class MarkMessage(_Message):
    """What an open position is worth now."""

    type: Literal["mark"]
    position_id: Id = Field(description="the position")
    operation_id: Id = Field(description="its operation")
    current_price: Decimal = Field(description="the price it is valued at")
    unrealized_pnl: Decimal = Field(description="what closing it would bring, before commissions")
    unrealized_pnl_pct: Decimal | None = Field(description="over what it cost, a fraction")
    priced_at: datetime = Field(description="when the market had that price")
    marked_at: datetime = Field(description="when it was valued")


class BarMessage(_Message):
    """A bar of the operation was closed."""

    type: Literal["bar"]
    operation_id: Id = Field(description="the operation")
    bar: Bar = Field(description="the bar")


class HeartbeatMessage(_Message):
    """The connection lives, and nothing up to ``seq`` is missing."""

    type: Literal["heartbeat"]
    time: datetime = Field(description="the server's time")
    head: int = Field(description="the journal's last entry")


class ByeMessage(_Message):
    """The last message. The socket is closed with the same code."""

    type: Literal["bye"]
    status: int = Field(description="the WebSocket's closing code", examples=[4401, 4408])
    code: str = Field(description="stable, e.g. TOKEN_REVOKED, TOO_SLOW, STOPPING")
    detail: str = Field(description="what happened, and what to do")


SocketMessage = Annotated[
    HelloMessage
    | EntryMessage
    | ReadModelsMessage
    | TickMessage
    | MarkMessage
    | BarMessage
    | HeartbeatMessage
    | ByeMessage,
    Field(discriminator="type"),
]
"""Every message there is."""

MESSAGES: dict[str, Any] = {
    message.model_fields["type"].annotation.__args__[0]: message  # type: ignore[union-attr]
    for message in (
        HelloMessage,
        EntryMessage,
        ReadModelsMessage,
        TickMessage,
        MarkMessage,
        BarMessage,
        HeartbeatMessage,
        ByeMessage,
    )
}
