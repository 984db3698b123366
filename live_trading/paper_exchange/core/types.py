"""What the matching core takes in, keeps and gives out. Nothing here knows a protocol, a clock or a disk.

They are ``msgspec.Struct``, of which several are made with each order: as dataclasses they took ten times as long.
"""

from collections.abc import Mapping
from decimal import Decimal
from enum import StrEnum

import msgspec
from msgspec.structs import replace

from live_trading.domain.values import OrderStatus, OrderType, Side, TimeInForce

ZERO = Decimal(0)

WORKING = (OrderStatus.PLACED, OrderStatus.PARTIALLY_FILLED)


class Refusal(StrEnum):
    """Why a command was refused. A refused order does not exist, and its client order id stays free."""

    UNKNOWN_ACCOUNT = "UNKNOWN_ACCOUNT"
    UNKNOWN_INSTRUMENT = "UNKNOWN_INSTRUMENT"
    INVALID_CLIENT_ORDER_ID = "INVALID_CLIENT_ORDER_ID"
    DUPLICATE_CLIENT_ORDER_ID = "DUPLICATE_CLIENT_ORDER_ID"
    INVALID_QUANTITY = "INVALID_QUANTITY"
    INVALID_PRICE = "INVALID_PRICE"
    INVALID_TIME_IN_FORCE = "INVALID_TIME_IN_FORCE"
    INVALID_BRACKET = "INVALID_BRACKET"
    PARENT_NOT_FOUND = "PARENT_NOT_FOUND"
    OCA_NOTHING_LEFT = "OCA_NOTHING_LEFT"
    INSUFFICIENT_MARGIN = "INSUFFICIENT_MARGIN"
    MARKET_CLOSED = "MARKET_CLOSED"
    ORDER_NOT_FOUND = "ORDER_NOT_FOUND"
    NOT_WORKING = "NOT_WORKING"


class ClientIds(StrEnum):
    """How long a client order id must stay unique: brokers differ, so each protocol front says which it imitates."""

    UNIQUE_ALWAYS = "unique always"
    UNIQUE_WHILE_WORKING = "unique while working"
    FREE = "free"


class NewOrder(msgspec.Struct, frozen=True):
    """A request for an order. ``attached`` orders are protections: they rest until the parent's first fill.

    ``parent_order_id`` attaches to an order already there. ``labels`` are kept for the protocol front that placed it.
    ``trailing_distance``, in price units, is what a TRAILING_STOP keeps to the best price there was. With a
    ``stop_price`` it begins there, unless the market puts it nearer.
    """

    client_order_id: str | None
    symbol: str
    side: Side
    order_type: OrderType
    quantity: Decimal
    limit_price: Decimal | None = None
    stop_price: Decimal | None = None
    time_in_force: TimeInForce = TimeInForce.GTC
    oca_group: str | None = None
    parent_order_id: int | None = None
    attached: tuple["NewOrder", ...] = ()
    labels: Mapping[str, str] = msgspec.field(default_factory=dict)
    trailing_distance: Decimal | None = None


class Change(msgspec.Struct, frozen=True):
    """New values for a working order; None leaves a value as it is. ``quantity`` is the new total."""

    quantity: Decimal | None = None
    limit_price: Decimal | None = None
    stop_price: Decimal | None = None


class Order(msgspec.Struct):
    """An order on the exchange. Only the core changes one; what it gives out are copies.

    ``nominal`` is the quantity asked for, ``quantity`` what may now trade in total: the two differ for protections,
    which cover only what of their parent is filled, and for orders that a one-cancels-all group has reduced.
    ``dormant``: a protection whose parent has no fill yet. ``posted``: a limit order that the market was once away
    from, so that it trades at its own price. ``priority`` is the place in the queue at its price. The
    ``stop_price`` of a TRAILING_STOP is where it stands now; None: it has seen no quote yet.
    """

    order_id: int
    account: str
    client_order_id: str | None
    symbol: str
    side: Side
    order_type: OrderType
    nominal: Decimal
    quantity: Decimal
    limit_price: Decimal | None
    stop_price: Decimal | None
    time_in_force: TimeInForce
    oca_group: str | None
    parent_id: int | None
    accepted_ns: int
    updated_ns: int
    priority: int
    status: OrderStatus = OrderStatus.PLACED
    filled: Decimal = ZERO
    filled_value: Decimal = ZERO
    commission: Decimal = ZERO
    dormant: bool = False
    triggered: bool = False
    posted: bool = False
    reason: str = ""
    labels: Mapping[str, str] = msgspec.field(default_factory=dict)
    trailing_distance: Decimal | None = None

    @property
    def remaining(self) -> Decimal:
        return self.quantity - self.filled

    @property
    def working(self) -> bool:
        return self.status in WORKING

    @property
    def live(self) -> bool:
        """Working and allowed to trade."""
        return self.status in WORKING and not self.dormant

    @property
    def average_price(self) -> Decimal | None:
        return self.filled_value / self.filled if self.filled else None

    @property
    def takes_market(self) -> bool:
        """Whether it now trades at whatever price there is."""
        return self.order_type is OrderType.MARKET or (self.triggered and self.order_type is not OrderType.STOP_LIMIT)

    def copy(self) -> "Order":
        """The order as it is now. (``copy.copy`` would first search for how to copy it.)"""
        return replace(self)


class ExecutionKind(StrEnum):
    """``ADJUSTMENT`` moves a position without being reported: a hand at the broker's back office."""

    FILL = "FILL"
    CORRECTION = "CORRECTION"
    COMMISSION = "COMMISSION"
    ADJUSTMENT = "ADJUSTMENT"


class Execution(msgspec.Struct, frozen=True):
    """One row of an account's execution log.

    ``number`` counts an account's rows from 1 without a gap: it is the cursor that clients resume from (an adjustment,
    which is never reported, has 0). ``entry`` counts all rows of the exchange. A ``CORRECTION`` repeats the
    ``execution_id`` of the row it supersedes with the values that now hold and a new ``revision``; quantity 0 is a
    busted trade. A ``COMMISSION`` row tells the commission of an execution reported without it, and moves nothing.
    """

    entry: int
    number: int
    kind: ExecutionKind
    account: str
    execution_id: str
    revision: str
    order_id: int
    client_order_id: str | None
    symbol: str
    side: Side
    price: Decimal
    quantity: Decimal
    time_ns: int
    commission: Decimal
    commission_currency: str
    commission_due_ns: int = 0
    """When a commission not told with the fill will be told; 0: it has been told."""
    superseded: bool = False

    @property
    def signed_quantity(self) -> Decimal:
        return self.quantity * self.side.sign

    @property
    def moves_position(self) -> bool:
        return self.kind is not ExecutionKind.COMMISSION and not self.superseded

    @property
    def told_commission(self) -> Decimal | None:
        return None if self.commission_due_ns else self.commission


class Position(msgspec.Struct, frozen=True):
    """An account's net position, signed, with its average entry price."""

    account: str
    symbol: str
    quantity: Decimal
    average_price: Decimal
    realised: Decimal


class AccountView(msgspec.Struct, frozen=True):
    """An account's money. ``cash`` by currency: what was paid in, plus realised profit, less commissions.

    Positions are carried on margin: opening one moves no cash. ``equity`` and ``margin_used`` are in ``currency``.
    """

    account: str
    currency: str
    cash: Mapping[str, Decimal]
    equity: Decimal
    margin_used: Decimal


class Accepted(msgspec.Struct, frozen=True):
    """The order as it was right after acceptance (it may have traded already), and its attached ones."""

    order: Order
    attached: tuple[Order, ...] = ()


class Refused(msgspec.Struct, frozen=True):
    code: Refusal
    text: str


# What a command or a tick brought about, in order. Written to disk as one transaction, then told.


class OrderChanged(msgspec.Struct, frozen=True):
    """``told`` is False for a change that only the store must know."""

    order: Order
    told: bool = True


class Executed(msgspec.Struct, frozen=True):
    execution: Execution


class ExecutionAmended(msgspec.Struct, frozen=True):
    """An older row changed (superseded, or its commission is told): for the store, never told."""

    execution: Execution


class CommissionTold(msgspec.Struct, frozen=True):
    """The commission of an execution that was reported without it."""

    row: Execution


class PositionChanged(msgspec.Struct, frozen=True):
    position: Position


class AccountChanged(msgspec.Struct, frozen=True):
    view: AccountView


Effect = OrderChanged | Executed | ExecutionAmended | CommissionTold | PositionChanged | AccountChanged
