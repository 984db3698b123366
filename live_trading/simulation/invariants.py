"""What must hold, always: the journal against the broker's own record, and nothing else.

The six invariants of ``docs/recovery.md``, checked from outside the engine. :func:`broken` returns sentences, one for
each thing that is wrong; none is what every crash test wants to see. They are meant for a world at rest: no fault
active, nothing on its way.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from itertools import pairwise

from bson import ObjectId

from live_trading.domain.entries import (
    Entry,
    ExternalFillSeen,
    FillCorrected,
    OperationFailed,
    OrderFilled,
    OrderNotPlaced,
    OrderRequested,
    RecoveryCompleted,
    RecoveryDecided,
    RecoveryStarted,
)
from live_trading.domain.ids import Kind, derived_id, is_adopted, is_ours
from live_trading.domain.values import (
    CrashRecoveryMode,
    OperationStatus,
    OrderPurpose,
    OrderStatus,
    RecoveryDecision,
    Side,
    TransactionRole,
)
from live_trading.orders.protections import given_purposes
from live_trading.orders.trailing import is_step
from live_trading.projections import Ledger, apply


@dataclass(frozen=True, slots=True)
class BrokerOrderRow:
    """An order in the broker's own record."""

    client_order_id: str | None
    is_working: bool
    remaining: Decimal = Decimal(0)
    """Units it would still trade; 0 for a protection that sleeps, and for orders that have ended."""
    limit_price: Decimal | None = None
    stop_price: Decimal | None = None


@dataclass(frozen=True, slots=True)
class BrokerExecutionRow:
    """An execution in the broker's own record, as it holds now (corrections applied)."""

    execution_id: str
    client_order_id: str | None
    side: Side
    price: Decimal
    quantity: Decimal
    commission: Decimal


@dataclass(frozen=True, slots=True)
class BrokerRecord:
    """All the broker knows of one account. Positions by symbol, signed; flat ones may be left out."""

    orders: Sequence[BrokerOrderRow]
    executions: Sequence[BrokerExecutionRow]
    positions: dict[str, Decimal]


_PROTECTIONS = (
    (OrderPurpose.STOP_LOSS, "stop_loss_type"),
    (OrderPurpose.TAKE_PROFIT, "take_profit_type"),
)


def broken(
    entries: Sequence[Entry],
    broker: str,
    record: BrokerRecord,
    *,
    at_rest: bool = True,
    watched: Collection[OrderPurpose] = (),
) -> list[str]:
    """Everything that is wrong. ``at_rest`` False leaves out what holds only when nothing is on its way. ``watched``:
    the protections that the engine may watch in place of an order."""
    ledger = fold(entries)
    problems = [
        *_journal_in_order(entries),
        *_intents_before_orders(entries, ledger, record),
        *_absent_orders_are_absent(entries, record),
        *_nothing_unexpected(entries),
        *_exits_never_open(entries, ledger),
        *_risk_only_where_allowed(entries, record),
        *_commands_act_once(entries),
        *_policy_after_every_crash(entries),
        *_fold_is_deterministic(entries, ledger),
    ]
    if at_rest:
        problems += [
            *_fills_equal(entries, broker, ledger, record),
            *_positions_equal(broker, ledger, record),
            *_nothing_in_doubt(ledger),
            *_positions_protected(ledger, record, watched),
            *_closed_is_flat(ledger),
        ]
    return problems


def fold(entries: Iterable[Entry]) -> Ledger:
    """The ledger of these entries."""
    ledger = Ledger()
    for entry in entries:
        apply(ledger, entry)
    ledger.forget_changes()
    return ledger


def _journal_in_order(entries: Sequence[Entry]) -> list[str]:
    problems = []
    for before, entry in pairwise(entries):
        number = entry.sequence_number
        if number != before.sequence_number + 1:
            problems.append(f"journal: {number} follows {before.sequence_number}")
        if entry.previous_hash != before.hash:
            problems.append(f"journal: the chain breaks at {number}")
        if entry.epoch < before.epoch:
            problems.append(f"journal: the epoch goes back at {number}")
        if entry.timestamp < before.timestamp:
            problems.append(f"journal: time goes back at {number}")
    return problems


def _intents_before_orders(entries: Sequence[Entry], ledger: Ledger, record: BrokerRecord) -> list[str]:
    intended = {entry.data.client_order_id for entry in entries if isinstance(entry.data, OrderRequested)}
    ours = [o.client_order_id for o in record.orders if is_ours(ledger.state.deployment_id, o.client_order_id)]
    problems = [
        f"order {identifier} is at the broker without an intent" for identifier in ours if identifier not in intended
    ]
    twice = [identifier for identifier, count in Counter(ours).items() if count > 1]
    return problems + [f"order {identifier} is at the broker twice" for identifier in twice]


def _absent_orders_are_absent(entries: Sequence[Entry], record: BrokerRecord) -> list[str]:
    """What the journal says was never placed never was."""
    there = {order.client_order_id for order in record.orders}
    return [
        f"entry {entry.sequence_number}: order {entry.data.client_order_id} was not placed, and the broker has it"
        for entry in entries
        if isinstance(entry.data, OrderNotPlaced) and entry.data.client_order_id in there
    ]


def _nothing_unexpected(entries: Sequence[Entry]) -> list[str]:
    """No operation ended by a fault of the program."""
    return [
        f"entry {entry.sequence_number}: {entry.data.reason}: {entry.data.detail}"
        for entry in entries
        if isinstance(entry.data, OperationFailed) and entry.data.reason == "an unexpected error"
    ]


def _exits_never_open(entries: Sequence[Entry], ledger: Ledger) -> list[str]:
    """Orders that reduce risk close; none of them ever opened a position.

    But where the broker took back a part of an entry afterwards, what closed it then opened something after all.
    """
    corrected = {entry.operation_id for entry in entries if isinstance(entry.data, FillCorrected)}
    return [
        f"{ledger.orders[fill.client_order_id].purpose} order {fill.client_order_id} opened {piece.quantity}"
        for fill in ledger.executions.values()
        if derived_id(Kind.OPERATION, fill.operation) not in corrected
        for piece in fill.pieces
        if piece.role is TransactionRole.ENTRY and ledger.orders[fill.client_order_id].purpose is not OrderPurpose.ENTRY
    ]


def _risk_only_where_allowed(entries: Sequence[Entry], record: BrokerRecord) -> list[str]:
    """No entry was sent that was asked for while the kill switch was tripped or the operation not active."""
    sent = {order.client_order_id for order in record.orders}
    problems = []
    ledger = Ledger()
    for entry in entries:
        data = entry.data
        if isinstance(data, OrderRequested) and data.purpose is OrderPurpose.ENTRY and data.client_order_id in sent:
            operation = ledger.operation(entry.operation_id)
            if ledger.state.kill_switch is not None:
                problems.append(f"entry {entry.sequence_number} takes risk while the kill switch is tripped")
            if operation is None or operation.status is not OperationStatus.ACTIVE:
                status = "unknown" if operation is None else operation.status.value
                problems.append(f"entry {entry.sequence_number} takes risk for an operation that is {status}")
        apply(ledger, entry)
    return problems


def _commands_act_once(entries: Sequence[Entry]) -> list[str]:
    """What a person asked for once was done once: all that names a command was appended at one time by one engine."""
    first: dict[str, Entry] = {}
    problems = []
    for entry in entries:
        command_id = entry.data.__dict__.get("command_id")
        if command_id is None:
            continue
        known = first.setdefault(command_id, entry)
        if (known.epoch, known.timestamp) != (entry.epoch, entry.timestamp):
            problems.append(f"command {command_id} acted at {known.sequence_number} and at {entry.sequence_number}")
    return problems


def _must_close(decided: RecoveryDecided) -> bool:
    pct, threshold = decided.unrealized_pnl_pct, decided.threshold_pct
    is_beyond = pct is not None and threshold is not None and -pct > threshold
    return decided.mode is CrashRecoveryMode.CLOSE_ALL or is_beyond


def _policy_after_every_crash(entries: Sequence[Entry]) -> list[str]:
    """A recovery after a crash that ends with a position open has decided about it, once."""
    problems = []
    ledger = Ledger()
    decided: Counter[ObjectId | None] = Counter()
    after_crash = False
    for entry in entries:
        apply(ledger, entry)
        if isinstance(entry.data, RecoveryStarted):
            decided, after_crash = Counter(), entry.data.after_crash
        elif isinstance(entry.data, RecoveryDecided):
            decided[entry.operation_id] += 1
            if _must_close(entry.data) and entry.data.decision is not RecoveryDecision.CLOSE:
                problems.append(f"entry {entry.sequence_number}: {entry.data.mode.value} did not close")
        elif isinstance(entry.data, RecoveryCompleted) and after_crash:
            for operation in ledger.state.operations.values():
                identifier = derived_id(Kind.OPERATION, operation.number)
                is_held = operation.status in (OperationStatus.ERROR, OperationStatus.CLOSING)
                if operation.quantity and not is_held and operation.exit_intent is None and not decided[identifier]:
                    problems.append(f"entry {entry.sequence_number}: no policy for operation {operation.number}")
            problems += [
                f"{count} decisions for {name} in one recovery" for name, count in decided.items() if count > 1
            ]
    return problems


def _fold_is_deterministic(entries: Sequence[Entry], ledger: Ledger) -> list[str]:
    middle = len(entries) // 2
    first = fold(entries[:middle])
    restored = Ledger.from_bytes(first.to_bytes())
    for entry in entries[middle:]:
        apply(restored, entry)
    restored.forget_changes()
    if restored.to_bytes() != ledger.to_bytes():
        return ["a snapshot and its tail fold to another state than the whole journal"]
    return [
        f"operation {operation.number}: its working orders are not those whose status says so"
        for folded in (ledger, restored)
        for operation in folded.state.operations.values()
        if folded.working_orders(operation)
        != sorted((o for o in operation.orders.values() if not o.status.is_terminal), key=lambda order: order.number)
    ]


def _fills_equal(entries: Sequence[Entry], broker: str, ledger: Ledger, record: BrokerRecord) -> list[str]:
    problems = []
    journaled = [e.data for e in entries if isinstance(e.data, OrderFilled | ExternalFillSeen)]
    counts = Counter(data.execution_id for data in journaled if not is_adopted(data.execution_id))
    problems += [f"execution {identifier} is journaled {n} times" for identifier, n in counts.items() if n > 1]
    for row in record.executions:
        fill = ledger.execution(broker, row.execution_id)
        if not is_ours(ledger.state.deployment_id, row.client_order_id):
            if row.execution_id not in counts:
                problems.append(f"external execution {row.execution_id} was not noticed")
        elif fill is None:
            problems.append(f"execution {row.execution_id} is not in the ledger")
        else:
            ours = (fill.side, fill.price, fill.quantity, fill.commission, fill.client_order_id)
            theirs = (row.side, row.price, row.quantity, row.commission, row.client_order_id)
            if ours != theirs:
                problems.append(f"execution {row.execution_id}: ledger {ours}, broker {theirs}")
    known = {row.execution_id for row in record.executions}
    problems += [f"execution {i} is in the journal, but not at the broker" for i in counts if i not in known]
    return problems


def _positions_equal(broker: str, ledger: Ledger, record: BrokerRecord) -> list[str]:
    symbols = {operation.symbol for operation in ledger.state.operations.values()} | set(record.positions)
    problems = []
    for symbol in sorted(symbols):
        ours, theirs = ledger.net_quantity(broker, symbol), record.positions.get(symbol, Decimal(0))
        if ours != theirs and f"{broker}|{symbol}" not in ledger.state.discrepancies:
            problems.append(f"position {symbol}: ledger {ours}, broker {theirs}")
    for operation in ledger.state.operations.values():
        fills = sum((fill.quantity * fill.side.sign for fill in operation.fills), Decimal(0))
        lots = sum((lot.quantity for lot in operation.lots), Decimal(0))
        if abs(operation.quantity) != lots:
            problems.append(f"operation {operation.number}: position {operation.quantity}, lots {lots}")
        if fills != operation.quantity:
            problems.append(f"operation {operation.number}: fills add up to {fills}, position {operation.quantity}")
    return problems


def _nothing_in_doubt(ledger: Ledger) -> list[str]:
    """Resolved, or waiting for a person, visibly."""
    return [
        f"order {order.client_order_id} is still {order.status.value} (doubt: {order.doubt})"
        for order in ledger.orders.values()
        if order.status in (OrderStatus.PENDING, OrderStatus.IN_DOUBT)
        or (order.doubt is not None and not order.status.is_terminal)
    ]


def _positions_protected(ledger: Ledger, record: BrokerRecord, watched: Collection[OrderPurpose]) -> list[str]:
    """A position that is not being closed has its protections working at the broker, each for all of it, at the price
    that the ledger says. One that is watched has a price in the ledger and no order. Two that stand apart from their
    entry are in one group."""
    working = {order.client_order_id: order for order in record.orders if order.is_working}
    problems = []
    for operation in ledger.state.operations.values():
        if not operation.quantity or operation.exit_intent is not None:
            continue
        for purpose, setting in _PROTECTIONS:
            if operation.settings.get(setting) is None and purpose not in given_purposes(operation):
                continue
            ours = [o for o in operation.orders.values() if o.purpose is purpose and o.client_order_id in working]
            shown = operation.stop_loss if purpose is OrderPurpose.STOP_LOSS else operation.take_profit
            if purpose in watched and not ours and shown is not None:
                continue
            covered = sum((working[o.client_order_id].remaining for o in ours), Decimal(0))
            if covered != abs(operation.quantity):
                problems.append(
                    f"operation {operation.number} holds {operation.quantity}, and {purpose.value} orders at the "
                    f"broker cover {covered}"
                )
            if shown not in {o.stop_price if purpose is OrderPurpose.STOP_LOSS else o.limit_price for o in ours}:
                problems.append(f"operation {operation.number} shows {purpose.value} at {shown}")
            problems += [
                f"{purpose.value} order {o.client_order_id}: ledger {(o.limit_price, o.stop_price)}, broker {theirs}"
                for o in ours
                if (theirs := _prices(working[o.client_order_id])) != (o.limit_price, o.stop_price)
                and (theirs[0] != o.limit_price or is_step(o, theirs[1]))
            ]
        apart = [
            o for o in ledger.working_orders(operation) if o.purpose.is_protection and o.parent_client_order_id is None
        ]
        if len(apart) > 1 and (len({o.oca_group for o in apart}) > 1 or apart[0].oca_group is None):
            problems.append(f"operation {operation.number} has {len(apart)} protections without a link")
    return problems


def _prices(row: BrokerOrderRow) -> tuple[Decimal | None, Decimal | None]:
    return row.limit_price, row.stop_price


def _closed_is_flat(ledger: Ledger) -> list[str]:
    return [
        f"operation {operation.number} is closed and holds {operation.quantity}"
        for operation in ledger.state.operations.values()
        if operation.status is OperationStatus.CLOSED and operation.quantity
    ]
