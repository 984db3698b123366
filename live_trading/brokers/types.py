"""The words of the broker contract: what is asked, what is answered, what is told.

What is made several times for an order, or for each tick, is a ``msgspec.Struct``: a frozen dataclass of as many fields
takes ten times as long to make.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Literal

import msgspec

from live_trading.domain.instrument import Instrument
from live_trading.domain.market import Bar, Tick
from live_trading.domain.values import OrderStatus, OrderType, Side, TimeInForce


class Bracket(StrEnum):
    """How a broker takes an entry's protections.

    ATOMIC: in one request with it, all or nothing. LINKED: one request each, naming the entry; some may be missing.
    NONE: not before there is something to protect.
    """

    ATOMIC = "atomic"
    LINKED = "linked"
    NONE = "none"


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What a broker can do. Code asks these, never which broker it is."""

    client_id_length: int
    client_id_unique: Literal["never", "while pending", "always"]
    lookup_by_client_id: bool
    absence_definitive_after: float | None
    """Seconds after an order's last possible send from which "not found" proves it absent; None: never."""
    bracket: Bracket
    oca: bool
    """An exit may join the protections' one-cancels-all group, so that it can replace them atomically."""
    modify: Literal["in place", "replace"]
    stops: bool
    trailing_stops: bool
    """It takes TRAILING_STOP orders and moves them itself."""
    execution_look_back: float
    """Seconds of executions that can be read back."""
    order_updates: Literal["push", "poll"]
    fractional_quantities: bool
    orders_per_second: float
    history: bool = True


class OrderRequest(msgspec.Struct, frozen=True):
    """One order. ``attached`` are the protections of a bracket: they rest at the broker, become live with the first
    fill of the parent, cover what of it is filled, and are in one OCA group.

    ``trailing_distance``: of a TRAILING_STOP, in price units; its ``stop_price`` is where it begins, unless the market
    puts it nearer.
    """

    client_order_id: str
    instrument: Instrument
    side: Side
    order_type: OrderType
    quantity: Decimal
    limit_price: Decimal | None = None
    stop_price: Decimal | None = None
    time_in_force: TimeInForce = TimeInForce.GTC
    oca_group: str | None = None
    parent_client_order_id: str | None = None
    attached: tuple["OrderRequest", ...] = ()
    trailing_distance: Decimal | None = None


class OrderChange(msgspec.Struct, frozen=True):
    """New values for a working order; None leaves a value as it is. ``quantity`` is the new total."""

    quantity: Decimal | None = None
    limit_price: Decimal | None = None
    stop_price: Decimal | None = None


class Placed(msgspec.Struct, frozen=True):
    """The broker has the order and its attached ones: ``attached`` maps client order ids to the broker's ids."""

    broker_order_id: str
    attached: Mapping[str, str] = msgspec.field(default_factory=dict)


class Rejected(msgspec.Struct, frozen=True):
    """The broker refused, positively: the order does not exist there."""

    code: str
    text: str


class BrokerOrder(msgspec.Struct, frozen=True):
    """An order as the broker has it. ``status`` is never PENDING, IN_DOUBT, NEEDS_OPERATOR or NOT_PLACED. The
    ``stop_price`` of a TRAILING_STOP is what would trigger it now."""

    broker_order_id: str
    client_order_id: str | None
    symbol: str
    side: Side
    order_type: OrderType
    quantity: Decimal
    filled_quantity: Decimal
    status: OrderStatus
    limit_price: Decimal | None = None
    stop_price: Decimal | None = None
    reason: str = ""
    trailing_distance: Decimal | None = None


class Execution(msgspec.Struct, frozen=True):
    """One fill. ``execution_id`` is the stable part of the broker's id; ``revision`` tells corrections of it apart
    ("" for the first). A corrected execution repeats the id with the values that now hold."""

    execution_id: str
    broker_order_id: str
    client_order_id: str | None
    symbol: str
    side: Side
    price: Decimal
    quantity: Decimal
    executed_at: datetime
    commission: Decimal | None = None
    commission_currency: str | None = None
    revision: str = ""


@dataclass(frozen=True, slots=True)
class BrokerPosition:
    """The account's net position in one instrument, signed."""

    symbol: str
    quantity: Decimal
    average_price: Decimal


@dataclass(frozen=True, slots=True)
class Account:
    """The account's money. ``cash`` by currency; ``equity`` and margin in ``currency``."""

    account_id: str
    currency: str
    cash: Mapping[str, Decimal]
    equity: Decimal
    margin_used: Decimal = Decimal(0)


@dataclass(frozen=True, slots=True)
class AccountSnapshot:
    """The broker's whole state as of one moment, read at connecting; ``executions`` are those after the cursor."""

    orders: tuple[BrokerOrder, ...]
    positions: tuple[BrokerPosition, ...]
    executions: tuple[Execution, ...]
    account: Account
    cursor: str
    epoch: int


# What find_order answers. Unknown is never Absent.


@dataclass(frozen=True, slots=True)
class Found:
    order: BrokerOrder


@dataclass(frozen=True, slots=True)
class Absent:
    """The broker answered, fully synchronised, that it has no such order and never had."""

    evidence: str


@dataclass(frozen=True, slots=True)
class Unknown:
    """The question could not be settled now."""

    reason: str


# What the event stream tells. ``epoch`` fences events of an older connection.


@dataclass(frozen=True, slots=True)
class Connected:
    epoch: int


@dataclass(frozen=True, slots=True)
class Degraded:
    """Connected, but not everything works (``reason``); nothing should be sent."""

    reason: str


@dataclass(frozen=True, slots=True)
class Restored:
    """Works again; with ``data_lost`` subscriptions and state must be read anew."""

    data_lost: bool


@dataclass(frozen=True, slots=True)
class Disconnected:
    """The stream ends with this event; call ``connect`` again."""

    reason: str


@dataclass(frozen=True, slots=True)
class AuthRequired:
    deadline: datetime | None


class OrderUpdate(msgspec.Struct, frozen=True):
    order: BrokerOrder


class ExecutionReport(msgspec.Struct, frozen=True):
    execution: Execution


class CommissionReport(msgspec.Struct, frozen=True):
    """A commission that came apart from its execution, perhaps late."""

    execution_id: str
    commission: Decimal
    currency: str


@dataclass(frozen=True, slots=True)
class PositionUpdate:
    position: BrokerPosition


@dataclass(frozen=True, slots=True)
class AccountUpdate:
    account: Account


class TickEvent(msgspec.Struct, frozen=True):
    tick: Tick


@dataclass(frozen=True, slots=True)
class BarEvent:
    bar: Bar


class MarketTime(msgspec.Struct, frozen=True):
    """The market's own time (a heartbeat). What closes bars of a quiet market; replayed markets run at any speed."""

    time_ns: int


BrokerEvent = (
    Connected
    | Degraded
    | Restored
    | Disconnected
    | AuthRequired
    | OrderUpdate
    | ExecutionReport
    | CommissionReport
    | PositionUpdate
    | AccountUpdate
    | TickEvent
    | BarEvent
    | MarketTime
)
