"""What a broker tells, as journal entries. Pure: the ledger and a fact in, drafts out; no draft for what is known.

Saying the same thing twice is therefore harmless, and so is hearing it out of order: an execution is known by its id,
an order's end is final, and a commission or a correction replaces what was there.
"""

from bson import ObjectId

from live_trading.brokers.types import BrokerOrder, CommissionReport, Execution
from live_trading.domain.entries import (
    Cause,
    CommissionReported,
    Draft,
    EntryData,
    ExternalFillSeen,
    ExternalOrderSeen,
    FillCorrected,
    OrderCancelled,
    OrderExpired,
    OrderFilled,
    OrderModified,
    OrderPlaced,
    OrderRejected,
    ProtectionMoved,
    ProtectionTriggered,
)
from live_trading.domain.ids import Kind, derived_id
from live_trading.domain.values import OrderPurpose, OrderStatus, OrderType
from live_trading.orders.trailing import has_moved
from live_trading.projections.ledger import Ledger
from live_trading.projections.state import Order


def operation_id_of(order: Order) -> ObjectId:
    """The id of the operation an order belongs to."""
    return derived_id(Kind.OPERATION, order.operation)


def about(order: Order, data: EntryData, actor: str) -> Draft:
    """A draft about an order, caused by the order's own request."""
    return Draft(data, operation_id_of(order), actor, Cause(order.number, order.correlation_id))


def find(ledger: Ledger, broker: str, client_order_id: str | None, broker_order_id: str) -> Order | None:
    """Our order: by our id; where the broker lost that, by the broker's."""
    if client_order_id is not None:
        order = ledger.orders.get(client_order_id)
        return order if order is not None and order.broker == broker else None
    for order in ledger.orders.values():
        if order.broker == broker and order.broker_order_id == broker_order_id:
            return order
    return None


def from_execution(
    ledger: Ledger, broker: str, execution: Execution, *, recovered: bool = False, cursor: str | None = None
) -> list[Draft]:
    """An execution: a fill of ours, news about one we know (correction, commission), or somebody else's."""
    actor = f"broker:{broker}"
    known = ledger.execution(broker, execution.execution_id)
    if known is not None:
        return _news_of(ledger, broker, execution)
    order = find(ledger, broker, execution.client_order_id, execution.broker_order_id)
    if order is None:
        return _external_fill(ledger, broker, execution)
    filled = OrderFilled(
        client_order_id=order.client_order_id,
        execution_id=execution.execution_id,
        broker=broker,
        symbol=execution.symbol,
        side=execution.side,
        price=execution.price,
        quantity=execution.quantity,
        executed_at=execution.executed_at,
        broker_order_id=execution.broker_order_id,
        commission=execution.commission,
        commission_currency=execution.commission_currency,
        recovered=recovered,
        cursor=cursor,
    )
    drafts = [about(order, filled, actor)]
    if order.purpose.is_protection and not order.filled_quantity:
        triggered = ProtectionTriggered(
            kind=order.purpose, client_order_id=order.client_order_id, price=execution.price
        )
        drafts.append(about(order, triggered, actor))
    return drafts


def _news_of(ledger: Ledger, broker: str, execution: Execution) -> list[Draft]:
    known = ledger.execution(broker, execution.execution_id)
    assert known is not None
    order = ledger.orders[known.client_order_id]
    actor = f"broker:{broker}"
    drafts = []
    is_newer = execution.revision > known.revision
    if is_newer and (execution.price, execution.quantity) != (known.price, known.quantity):
        corrected = FillCorrected(
            execution_id=execution.execution_id,
            revision=execution.revision,
            price=execution.price,
            quantity=execution.quantity,
        )
        drafts.append(about(order, corrected, actor))
    if execution.commission is not None and (is_newer or known.commission_currency is None):
        drafts += from_commission(
            ledger,
            broker,
            CommissionReport(
                execution.execution_id,
                execution.commission,
                execution.commission_currency or known_currency(order, ledger),
            ),
        )
    return drafts


def known_currency(order: Order, ledger: Ledger) -> str:
    """The currency an order's money is in when the broker does not say."""
    return ledger.state.operations[order.operation].currency


def _external_fill(ledger: Ledger, broker: str, execution: Execution) -> list[Draft]:
    if f"{broker}|{execution.execution_id}" in ledger.state.external_fills:
        return []
    seen = ExternalFillSeen(
        broker=broker,
        execution_id=execution.execution_id,
        broker_order_id=execution.broker_order_id,
        client_order_id=execution.client_order_id,
        symbol=execution.symbol,
        side=execution.side,
        price=execution.price,
        quantity=execution.quantity,
        executed_at=execution.executed_at,
    )
    return [Draft(seen, None, f"broker:{broker}")]


def from_commission(ledger: Ledger, broker: str, report: CommissionReport) -> list[Draft]:
    """A commission that came apart from its execution; nothing where it is known already or is not ours."""
    fill = ledger.execution(broker, report.execution_id)
    if fill is None or (fill.commission == report.commission and fill.commission_currency == report.currency):
        return []
    order = ledger.orders[fill.client_order_id]
    data = CommissionReported(execution_id=report.execution_id, commission=report.commission, currency=report.currency)
    return [about(order, data, f"broker:{broker}")]


def from_order(ledger: Ledger, broker: str, update: BrokerOrder, *, exactly: bool = False) -> list[Draft]:
    """An order as the broker has it now. Its fills are told by executions only, never taken from here.

    ``exactly``: also the small steps of a stop that trails (see :mod:`live_trading.orders.trailing`)."""
    order = find(ledger, broker, update.client_order_id, update.broker_order_id)
    if order is None:
        return _external_order(ledger, broker, update)
    actor = f"broker:{broker}"
    facts: list[EntryData] = []
    client_order_id = order.client_order_id
    is_there_after_all = order.status is OrderStatus.NOT_PLACED and not update.status.is_terminal
    if is_there_after_all or (order.status.is_uncertain and update.status is not OrderStatus.REJECTED):
        facts.append(OrderPlaced(client_order_id=client_order_id, broker_order_id=update.broker_order_id))
    # Answers overtake the stream of events: an update that knows of less filled is of before, its values are too.
    is_older = update.filled_quantity < order.filled_quantity
    has_grown = order.status is OrderStatus.FILLED and update.quantity > order.quantity
    if not is_older and (has_grown or not order.status.is_terminal):
        change = _difference(order, update, exactly=exactly)
        if change is not None:
            facts += [change, *_trailed(order, update, change)]
    if not order.status.is_terminal:
        if update.status is OrderStatus.CANCELLED:
            facts.append(OrderCancelled(client_order_id=client_order_id, reason=update.reason))
        elif update.status is OrderStatus.EXPIRED:
            facts.append(OrderExpired(client_order_id=client_order_id))
        elif update.status is OrderStatus.REJECTED:
            text = update.reason or "rejected by the broker"
            facts.append(OrderRejected(client_order_id=client_order_id, code="REJECTED", text=text))
    return [about(order, fact, actor) for fact in facts]


def _difference(order: Order, update: BrokerOrder, *, exactly: bool) -> OrderModified | None:
    """Where the broker's order has other values than ours. A quantity of 0 is a protection that sleeps yet."""
    quantity = update.quantity if update.quantity and update.quantity != order.quantity else None
    limit = update.limit_price if update.limit_price != order.limit_price else None
    stop = update.stop_price if has_moved(order, update, exactly=exactly) else None
    if quantity is None and limit is None and stop is None:
        return None
    return OrderModified(client_order_id=order.client_order_id, quantity=quantity, limit_price=limit, stop_price=stop)


def _trailed(order: Order, update: BrokerOrder, change: OrderModified) -> list[ProtectionMoved]:
    """That the broker has moved a stop which guards something still."""
    is_trailing = order.order_type is OrderType.TRAILING_STOP and order.purpose is OrderPurpose.STOP_LOSS
    if not is_trailing or change.stop_price is None or update.status.is_terminal:
        return []
    moved = ProtectionMoved(
        kind="STOP_LOSS",
        client_order_id=order.client_order_id,
        before=order.stop_price,
        after=change.stop_price,
        reason="trailed by the broker",
    )
    return [moved]


def _external_order(ledger: Ledger, broker: str, update: BrokerOrder) -> list[Draft]:
    if update.status.is_terminal or f"{broker}|{update.broker_order_id}" in ledger.state.external_orders:
        return []
    seen = ExternalOrderSeen(
        broker=broker,
        broker_order_id=update.broker_order_id,
        client_order_id=update.client_order_id,
        symbol=update.symbol,
        side=update.side,
        quantity=update.quantity,
    )
    return [Draft(seen, None, f"broker:{broker}")]
