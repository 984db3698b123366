"""The ledger's state: plain slotted structs, written to snapshots as MessagePack.

Everything in here came about by folding journal entries and nothing else. Entities are known by the number of the
entry that made them; ``touched`` is the number of the last entry that changed them, and is what a read model's
document carries as its ``sequence_number``.
"""

from datetime import datetime
from decimal import Decimal
from typing import Any

import msgspec

from live_trading.domain.values import (
    DoubtfulAction,
    OperationStatus,
    OrderPurpose,
    OrderStatus,
    OrderType,
    PositionType,
    RecoveryDecision,
    Side,
    TimeInForce,
    TransactionRole,
)

ZERO = Decimal(0)

PART_BITS = 16
"""How much of a transaction's key is its part: a fill may close as many lots."""


class Order(msgspec.Struct):
    """An order as the journal knows it."""

    number: int
    operation: int
    client_order_id: str
    broker: str
    symbol: str
    side: Side
    order_type: OrderType
    quantity: Decimal
    purpose: OrderPurpose
    limit_price: Decimal | None
    stop_price: Decimal | None
    time_in_force: TimeInForce
    parent_client_order_id: str | None
    oca_group: str | None
    reason: str
    correlation_id: int
    requested_at: datetime
    epoch: int
    status: OrderStatus = OrderStatus.PENDING
    broker_order_id: str | None = None
    filled_quantity: Decimal = ZERO
    filled_value: Decimal = ZERO
    commission: Decimal = ZERO
    other_commissions: dict[str, Decimal] = msgspec.field(default_factory=dict)
    placed_at: datetime | None = None
    filled_at: datetime | None = None
    cancelled_at: datetime | None = None
    detail: str = ""
    doubt: DoubtfulAction | None = None
    cancel_requested: int | None = None
    modify_requested: int | None = None
    touched: int = 0
    trailing_distance: Decimal | None = None

    @property
    def is_working(self) -> bool:
        """It may still be filled at the broker, as far as we know."""
        return not self.status.is_terminal

    @property
    def remaining(self) -> Decimal:
        return max(self.quantity - self.filled_quantity, ZERO)


class Transaction(msgspec.Struct):
    """A fill, or the part of a fill that opens quantity or closes one lot.

    ``offset`` is where the part begins within its fill, ``entry_offset`` where an EXIT begins within the ENTRY it
    matches; commissions are shared out by them so that the shares add up exactly. ``commission`` is in the operation's
    currency and counts; one in another currency is in ``other_commission`` and only shown.

    An EXIT carries all of its ENTRY that a trade shows (``entry_…``), so that its document follows from it alone.
    """

    number: int
    part: int
    operation: int
    order: int
    execution_id: str
    side: Side
    role: TransactionRole
    position_type: PositionType
    price: Decimal
    quantity: Decimal
    offset: Decimal
    executed_at: datetime
    position: int
    purpose: OrderPurpose
    reason: str
    commission: Decimal = ZERO
    other_commission: Decimal = ZERO
    other_currency: str | None = None
    profit: Decimal = ZERO
    related_entry: int | None = None
    entry_offset: Decimal = ZERO
    entry_price: Decimal | None = None
    entry_time: datetime | None = None
    entry_commission: Decimal = ZERO
    entry_other_commission: Decimal = ZERO
    entry_other_currency: str | None = None
    exits: list[int] = msgspec.field(default_factory=list)
    touched: int = 0

    @property
    def key(self) -> int:
        """Number and part in one integer."""
        return self.number << PART_BITS | self.part

    @property
    def trade_commission(self) -> Decimal:
        """What an EXIT's trade cost: its commission and its share of the ENTRY's, in the operation's currency."""
        return self.commission + self.entry_commission

    @property
    def net_profit(self) -> Decimal:
        """What an EXIT's trade brought after commissions."""
        return self.profit - self.trade_commission


class Fill(msgspec.Struct):
    """An execution, and the transactions it came to.

    ``first_part`` over 0: its EXITs were let go of (see ``fold.py``) and this is what is left, an ENTRY from flat.
    """

    number: int
    operation: int
    client_order_id: str
    broker: str
    execution_id: str
    side: Side
    price: Decimal
    quantity: Decimal
    executed_at: datetime
    at: datetime
    commission: Decimal = ZERO
    commission_currency: str | None = None
    revision: str = ""
    flat_after: bool = False
    first_part: int = 0
    pieces: list[Transaction] = msgspec.field(default_factory=list)


class Lot(msgspec.Struct):
    """Open quantity of one ENTRY transaction."""

    entry: int
    quantity: Decimal
    price: Decimal


class Position(msgspec.Struct):
    """From flat to flat again. ``quantity`` is signed; ``entry_price`` is the average over the open lots.

    ``peak`` is the largest quantity it ever had, unsigned; ``entry_price`` of a closed one is its last lot's.
    """

    number: int
    operation: int
    symbol: str
    position_type: PositionType
    quantity: Decimal
    entry_price: Decimal
    opened_at: datetime
    closed_at: datetime | None = None
    peak: Decimal = ZERO
    realized_pnl: Decimal = ZERO
    stop_loss: Decimal | None = None
    take_profit: Decimal | None = None
    touched: int = 0


class Totals(msgspec.Struct):
    """Sums over transactions. Money in the operation's currency."""

    gross_pnl: Decimal = ZERO
    commission: Decimal = ZERO
    trades: int = 0
    winning: int = 0
    losing: int = 0
    net_profit: Decimal = ZERO
    net_loss: Decimal = ZERO
    volume: Decimal = ZERO
    other_commissions: dict[str, Decimal] = msgspec.field(default_factory=dict)
    """Commissions in other currencies than the operation's, by currency; not in ``commission``."""


class ExitIntent(msgspec.Struct):
    """A durable decision that the position is to be flat. It stands until it is, whatever happens in between."""

    number: int
    correlation_id: int
    reason: str
    recovery: bool = False


class Move(msgspec.Struct):
    """A person's wish to move a protection, which is not known to hold yet: asked for by entry ``number``.

    It stands until the broker works the order so, or until it is written down that it will not be done.
    """

    number: int
    correlation_id: int
    actor: str
    limit_price: Decimal | None
    stop_price: Decimal | None


class Recovery(msgspec.Struct):
    """What the last recovery decided for an operation."""

    number: int
    decision: RecoveryDecision
    reason: str


class Operation(msgspec.Struct):
    """One operation: settings, status, orders, lots and results."""

    number: int
    settings: dict[str, Any]
    instrument: dict[str, Any]
    symbol: str
    broker: str
    currency: str
    multiplier: Decimal
    initial_capital: Decimal
    created_at: datetime
    updated_at: datetime
    status: OperationStatus = OperationStatus.ACTIVE
    status_reason: str = ""
    closed_at: datetime | None = None
    lots: list[Lot] = msgspec.field(default_factory=list)
    position: Position | None = None
    closed_positions: dict[int, Position] = msgspec.field(default_factory=dict)
    orders: dict[str, Order] = msgspec.field(default_factory=dict)
    fills: list[Fill] = msgspec.field(default_factory=list)
    totals: Totals = msgspec.field(default_factory=Totals)
    exit_intent: ExitIntent | None = None
    recovery: Recovery | None = None
    stop_loss: Decimal | None = None
    take_profit: Decimal | None = None
    moves: dict[str, Move] = msgspec.field(default_factory=dict)
    """By client order id."""
    day_start_pnl: Decimal = ZERO
    signals: int = 0
    refusals: int = 0
    last_signal: int = 0
    touched: int = 0

    @property
    def quantity(self) -> Decimal:
        """The signed open quantity."""
        return self.position.quantity if self.position is not None else ZERO

    @property
    def total_pnl(self) -> Decimal:
        """Realised profit and loss after commissions."""
        return self.totals.gross_pnl - self.totals.commission

    @property
    def current_capital(self) -> Decimal:
        return self.initial_capital + self.total_pnl


class KillSwitch(msgspec.Struct):
    number: int
    at: datetime
    reason: str
    actor: str


class Acknowledged(msgspec.Struct):
    """The losses by currency that a person acknowledged by resetting the kill switch on a day (its ordinal)."""

    number: int
    day: int
    losses: dict[str, Decimal]


class Breaker(msgspec.Struct):
    number: int
    until: datetime
    failures: int


class Discrepancy(msgspec.Struct):
    """The broker's position differed from ours, and nobody has decided yet what it means."""

    number: int
    broker: str
    symbol: str
    ledger_quantity: Decimal
    broker_quantity: Decimal


class Seen(msgspec.Struct):
    """When something was first seen."""

    number: int
    at: datetime


class Anomaly(msgspec.Struct):
    """An entry that did not fit the state it met. The fold goes on; a person should know."""

    number: int
    text: str


class LedgerState(msgspec.Struct):
    """The whole. Keys ``"broker|symbol"`` and ``"broker|execution"`` join two names with a bar."""

    sequence_number: int = 0
    timestamp: datetime | None = None
    epoch: int = 0
    deployment_id: str = ""
    stopped: bool = True
    recovering_since: int | None = None
    day: int = 0
    operations: dict[int, Operation] = msgspec.field(default_factory=dict)
    commands: dict[str, Seen] = msgspec.field(default_factory=dict)
    cursors: dict[str, str] = msgspec.field(default_factory=dict)
    kill_switch: KillSwitch | None = None
    acknowledged: Acknowledged | None = None
    breaker: Breaker | None = None
    discrepancies: dict[str, Discrepancy] = msgspec.field(default_factory=dict)
    foreign_quantities: dict[str, Decimal] = msgspec.field(default_factory=dict)
    external_orders: dict[str, Seen] = msgspec.field(default_factory=dict)
    external_fills: dict[str, Seen] = msgspec.field(default_factory=dict)
    settings: dict[str, dict[str, Any]] = msgspec.field(default_factory=dict)
    """What people changed while running, by section and name, in JSON form."""
    anomalies: list[Anomaly] = msgspec.field(default_factory=list)
