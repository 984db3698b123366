"""Entries of trading: signals, orders, fills and protections."""

from decimal import Decimal
from typing import Any, ClassVar, Literal

from pydantic import Field

from live_trading.domain.bar_size import BarSize
from live_trading.domain.entries.envelope import CommandEntryData, EntryData, UtcTime
from live_trading.domain.values import (
    DoubtfulAction,
    OrderPurpose,
    OrderType,
    Side,
    SignalType,
    TimeInForce,
)


class SignalGenerated(EntryData):
    """A strategy asked for something on a closed bar. ``inputs`` are the values it looked at."""

    ACTION_TYPE: ClassVar[str] = "SIGNAL_GENERATED"
    signal: SignalType
    symbol: str
    strategy_name: str
    bar_size: BarSize
    bar_start: UtcTime
    price: Decimal
    reason: str
    inputs: dict[str, Any] = Field(default_factory=dict)
    limit_price: Decimal | None = None
    stop_price: Decimal | None = None
    stop_loss: Decimal | None = None
    take_profit: Decimal | None = None


class SignalRefused(EntryData):
    """The Gatekeeper refused what a signal or a person asked for. ``rule`` is a stable code, ``numbers`` say why."""

    ACTION_TYPE: ClassVar[str] = "SIGNAL_REFUSED"
    rule: str
    detail: str
    numbers: dict[str, Any] = Field(default_factory=dict)


class OrderRequested(CommandEntryData):
    """The durable intent, before the order is sent. From here on it may exist at the broker.

    ``trailing_distance``: of a TRAILING_STOP, in price units, from the price that triggers it (IBKR's ``auxPrice`` of a
    TRAIL order, OANDA's ``distance``); its ``stop_price`` is where it begins (IBKR's ``trailStopPrice``).
    ``command_id``: of a manual trade. It stands on the order and not on the signal before it, so that a trade that was
    cut short between the two is asked for again.
    """

    ACTION_TYPE: ClassVar[str] = "ORDER_REQUESTED"
    client_order_id: str
    broker: str
    symbol: str
    side: Side
    order_type: OrderType
    quantity: Decimal
    purpose: OrderPurpose
    limit_price: Decimal | None = None
    stop_price: Decimal | None = None
    time_in_force: TimeInForce = TimeInForce.GTC
    parent_client_order_id: str | None = None
    oca_group: str | None = None
    reference_price: Decimal | None = None
    reason: str = ""
    trailing_distance: Decimal | None = None


class OrderPlaced(EntryData):
    """The broker has the order, under its own id."""

    ACTION_TYPE: ClassVar[str] = "ORDER_PLACED"
    client_order_id: str
    broker_order_id: str


class OrderInDoubt(EntryData):
    """A request's fate is unknown: it is found out by asking the broker, never by guessing or sending again."""

    ACTION_TYPE: ClassVar[str] = "ORDER_IN_DOUBT"
    client_order_id: str
    action: DoubtfulAction
    cause: str


class OrderNotPlaced(EntryData):
    """Proved: the broker does not have the order and never will. ``evidence`` says how that is known."""

    ACTION_TYPE: ClassVar[str] = "ORDER_NOT_PLACED"
    client_order_id: str
    evidence: str


class OrderNeedsOperator(EntryData):
    """Asking did not settle it: the operation is held and a person is asked."""

    ACTION_TYPE: ClassVar[str] = "ORDER_NEEDS_OPERATOR"
    client_order_id: str
    evidence: str


class OrderRejected(EntryData):
    """The broker refused the order, positively. ``code`` and ``text`` are the broker's."""

    ACTION_TYPE: ClassVar[str] = "ORDER_REJECTED"
    client_order_id: str
    code: str
    text: str


class OrderCancelRequested(CommandEntryData):
    """The durable intent to cancel, before the cancel is sent."""

    ACTION_TYPE: ClassVar[str] = "ORDER_CANCEL_REQUESTED"
    client_order_id: str
    reason: str = ""


class OrderCancelled(EntryData):
    """The broker no longer works the order. A fill that comes all the same is applied all the same."""

    ACTION_TYPE: ClassVar[str] = "ORDER_CANCELLED"
    client_order_id: str
    reason: str = ""


class OrderExpired(EntryData):
    """The order's time in force ran out at the broker."""

    ACTION_TYPE: ClassVar[str] = "ORDER_EXPIRED"
    client_order_id: str


class OrderModifyRequested(CommandEntryData):
    """The durable intent to change a working order, before the change is sent."""

    ACTION_TYPE: ClassVar[str] = "ORDER_MODIFY_REQUESTED"
    client_order_id: str
    quantity: Decimal | None = None
    limit_price: Decimal | None = None
    stop_price: Decimal | None = None
    reason: str = ""


class OrderModified(EntryData):
    """The broker works the order with these values."""

    ACTION_TYPE: ClassVar[str] = "ORDER_MODIFIED"
    client_order_id: str
    quantity: Decimal | None = None
    limit_price: Decimal | None = None
    stop_price: Decimal | None = None


class OrderNotModified(EntryData):
    """A change that was asked for does not hold and will not be sent (again): the order keeps the values it has."""

    ACTION_TYPE: ClassVar[str] = "ORDER_NOT_MODIFIED"
    client_order_id: str
    reason: str


class OrderFilled(EntryData):
    """One execution. ``cursor``: up to it the broker's executions were known to be complete when this one came."""

    ACTION_TYPE: ClassVar[str] = "ORDER_FILLED"
    client_order_id: str
    execution_id: str
    broker: str
    symbol: str
    side: Side
    price: Decimal
    quantity: Decimal
    executed_at: UtcTime
    broker_order_id: str | None = None
    commission: Decimal | None = None
    commission_currency: str | None = None
    recovered: bool = False
    cursor: str | None = None


class FillCorrected(EntryData):
    """The broker corrected an execution: these values replace the former ones. Quantity 0 cancels ("busts") it."""

    ACTION_TYPE: ClassVar[str] = "FILL_CORRECTED"
    execution_id: str
    revision: str
    price: Decimal
    quantity: Decimal


class CommissionReported(EntryData):
    """An execution's commission came after its fill. It replaces what was known before."""

    ACTION_TYPE: ClassVar[str] = "COMMISSION_REPORTED"
    execution_id: str
    commission: Decimal
    currency: str


class ProtectionSet(EntryData):
    """The position's stop loss and take profit rest at the broker as these orders. A price without an order is watched:
    the broker cannot hold it, so the engine closes the position when the market reaches it."""

    ACTION_TYPE: ClassVar[str] = "PROTECTION_SET"
    stop_loss: Decimal | None = None
    take_profit: Decimal | None = None
    stop_loss_client_order_id: str | None = None
    take_profit_client_order_id: str | None = None


class ProtectionMoved(CommandEntryData):
    """A stop or target was moved: by a person, by a trailing rule, or by a broker that trails it. ``client_order_id``
    None: it is watched."""

    ACTION_TYPE: ClassVar[str] = "PROTECTION_MOVED"
    kind: Literal["STOP_LOSS", "TAKE_PROFIT"]
    client_order_id: str | None = None
    before: Decimal | None
    after: Decimal
    reason: str = ""


class ProtectionTriggered(EntryData):
    """A stop or target was filled (wholly or for its first part), ``price`` being what it was filled at; or, with
    ``client_order_id`` None, the market reached one that is watched, at ``price``, and the position is to be closed."""

    ACTION_TYPE: ClassVar[str] = "PROTECTION_TRIGGERED"
    kind: OrderPurpose
    client_order_id: str | None = None
    price: Decimal
