"""The meaning of the entries of trading: signals, orders, fills, protections."""

from collections.abc import Callable
from functools import wraps
from typing import Any

from live_trading.domain import entries as e
from live_trading.domain.entries import Entry
from live_trading.domain.values import DoubtfulAction, OperationStatus, OrderStatus, SignalType
from live_trading.projections.book import Book, add_to
from live_trading.projections.folds.operations import touch, with_operation
from live_trading.projections.ledger import Ledger, Removed
from live_trading.projections.state import ZERO, ExitIntent, Fill, Move, Operation, Order

_OVER = (OrderStatus.CANCELLED, OrderStatus.EXPIRED, OrderStatus.REJECTED)
"""A partial fill that comes after these changes no status: what was not filled is not worked any more. After
NOT_PLACED it does: the broker has the order after all, and may fill the rest."""


def _signal_generated(ledger: Ledger, entry: Entry, data: e.SignalGenerated, operation: Operation) -> None:
    operation.signals += 1
    operation.last_signal = entry.sequence_number
    if data.signal is SignalType.EXIT and operation.quantity and operation.exit_intent is None:
        operation.exit_intent = ExitIntent(entry.sequence_number, entry.correlation_id, data.reason)


def _signal_refused(ledger: Ledger, entry: Entry, data: e.SignalRefused, operation: Operation) -> None:
    operation.refusals += 1


def _requested(ledger: Ledger, entry: Entry, data: e.OrderRequested, operation: Operation) -> None:
    if data.client_order_id in ledger.orders:
        ledger.note(entry.sequence_number, f"order {data.client_order_id} requested a second time")
        return
    order = Order(
        number=entry.sequence_number,
        operation=operation.number,
        client_order_id=data.client_order_id,
        broker=data.broker,
        symbol=data.symbol,
        side=data.side,
        order_type=data.order_type,
        quantity=data.quantity,
        purpose=data.purpose,
        limit_price=data.limit_price,
        stop_price=data.stop_price,
        time_in_force=data.time_in_force,
        parent_client_order_id=data.parent_client_order_id,
        oca_group=data.oca_group,
        reason=data.reason,
        correlation_id=entry.correlation_id,
        requested_at=entry.timestamp,
        epoch=entry.epoch,
        touched=entry.sequence_number,
        trailing_distance=data.trailing_distance,
    )
    operation.orders[order.client_order_id] = ledger.orders[order.client_order_id] = order
    ledger.order_changed(order)


OrderFold = Callable[[Ledger, Entry, Any, Order], None]


def _with_order(fold: OrderFold) -> Callable[[Ledger, Entry, Any], None]:
    """Look the entry's order up, and note that it changed; an unknown one is an anomaly."""

    @wraps(fold)
    def handler(ledger: Ledger, entry: Entry, data: Any) -> None:
        order = ledger.orders.get(data.client_order_id)
        if order is None:
            ledger.note(entry.sequence_number, f"{entry.action_type} for an unknown order {data.client_order_id}")
            return
        fold(ledger, entry, data, order)
        order.touched = entry.sequence_number
        ledger.order_changed(order)

    return handler


def _working_status(order: Order) -> OrderStatus:
    if order.filled_quantity >= order.quantity:
        return OrderStatus.FILLED
    return OrderStatus.PARTIALLY_FILLED if order.filled_quantity else OrderStatus.PLACED


def _work(order: Order) -> None:
    """Give it the status that follows from what is filled; when that is all, nothing about it is open any more."""
    order.status = _working_status(order)
    if order.status is OrderStatus.FILLED:
        order.doubt = order.cancel_requested = order.modify_requested = None


def _placed(ledger: Ledger, entry: Entry, data: e.OrderPlaced, order: Order) -> None:
    order.broker_order_id = data.broker_order_id
    order.placed_at = order.placed_at or entry.timestamp
    if order.status.is_uncertain or order.status is OrderStatus.NOT_PLACED:
        _work(order)
        order.detail = ""
    if order.doubt is DoubtfulAction.PLACE:
        order.doubt = None


def _in_doubt(ledger: Ledger, entry: Entry, data: e.OrderInDoubt, order: Order) -> None:
    if order.status.is_terminal or (data.action is DoubtfulAction.PLACE and not order.status.is_uncertain):
        return  # its fate became known before the doubt was written down
    order.doubt, order.detail = data.action, data.cause
    if data.action is DoubtfulAction.PLACE and order.status is OrderStatus.PENDING:
        order.status = OrderStatus.IN_DOUBT


def _not_placed(ledger: Ledger, entry: Entry, data: e.OrderNotPlaced, order: Order) -> None:
    if order.status.is_uncertain and not order.filled_quantity:
        _end(order, OrderStatus.NOT_PLACED, entry, data.evidence)


def _needs_operator(ledger: Ledger, entry: Entry, data: e.OrderNeedsOperator, order: Order) -> None:
    order.detail = data.evidence
    if order.status.is_uncertain:
        order.status = OrderStatus.NEEDS_OPERATOR


def _rejected(ledger: Ledger, entry: Entry, data: e.OrderRejected, order: Order) -> None:
    if not order.status.is_terminal:
        _end(order, OrderStatus.REJECTED, entry, f"{data.code}: {data.text}")


def _cancelled(ledger: Ledger, entry: Entry, data: e.OrderCancelled, order: Order) -> None:
    if not order.status.is_terminal:
        _end(order, OrderStatus.CANCELLED, entry, data.reason)
        order.cancelled_at = entry.timestamp


def _expired(ledger: Ledger, entry: Entry, data: e.OrderExpired, order: Order) -> None:
    if not order.status.is_terminal:
        _end(order, OrderStatus.EXPIRED, entry, "")


def _end(order: Order, status: OrderStatus, entry: Entry, detail: str) -> None:
    order.status, order.detail = status, detail
    order.doubt = order.cancel_requested = order.modify_requested = None


def _cancel_requested(ledger: Ledger, entry: Entry, data: e.OrderCancelRequested, order: Order) -> None:
    if not order.status.is_terminal:
        order.cancel_requested = entry.sequence_number


def _modify_requested(ledger: Ledger, entry: Entry, data: e.OrderModifyRequested, order: Order) -> None:
    if not order.status.is_terminal:
        order.modify_requested = entry.sequence_number
    if data.command_id is not None:
        ledger.state.operations[order.operation].moves[order.client_order_id] = Move(
            entry.sequence_number, entry.correlation_id, entry.actor, data.limit_price, data.stop_price
        )


def _modified(ledger: Ledger, entry: Entry, data: e.OrderModified, order: Order) -> None:
    if data.quantity is not None:
        order.quantity = data.quantity
    if data.limit_price is not None:
        order.limit_price = data.limit_price
    if data.stop_price is not None:
        order.stop_price = data.stop_price
    _end_change(order)
    moves = ledger.state.operations[order.operation].moves
    if order.client_order_id in moves and _holds(moves[order.client_order_id], order, data):
        del moves[order.client_order_id]
    if order.status in (OrderStatus.PLACED, OrderStatus.PARTIALLY_FILLED, OrderStatus.FILLED):
        _work(order)  # a protection grows with its entry's fills: what was all of it may be a part of it now


def _holds(move: Move, order: Order, data: e.OrderModified) -> bool:
    """Whether the order stands where a person wanted it, or the broker has trailed it farther. A change to nothing was
    how a refusal was once told."""
    is_refusal = data.quantity is data.limit_price is data.stop_price is None
    stop, wanted = order.stop_price, move.stop_price
    is_stop_there = wanted in (None, stop)
    if order.trailing_distance is not None and wanted is not None and stop is not None:
        is_stop_there = (wanted - stop) * order.side.sign >= 0
    return is_refusal or (move.limit_price in (None, order.limit_price) and is_stop_there)


def _not_modified(ledger: Ledger, entry: Entry, data: e.OrderNotModified, order: Order) -> None:
    _end_change(order)
    ledger.state.operations[order.operation].moves.pop(order.client_order_id, None)


def _end_change(order: Order) -> None:
    order.modify_requested = None
    if order.doubt is DoubtfulAction.MODIFY:
        order.doubt = None


def _filled(ledger: Ledger, entry: Entry, data: e.OrderFilled) -> None:
    order = ledger.orders.get(data.client_order_id)
    key = f"{data.broker}|{data.execution_id}"
    if order is None:
        ledger.note(entry.sequence_number, f"a fill of an unknown order {data.client_order_id}")
        return
    if key in ledger.executions:
        ledger.note(entry.sequence_number, f"execution {data.execution_id} a second time; not counted again")
        return
    operation = ledger.state.operations[order.operation]
    fill = Fill(
        number=entry.sequence_number,
        operation=operation.number,
        client_order_id=data.client_order_id,
        broker=data.broker,
        execution_id=data.execution_id,
        side=data.side,
        price=data.price,
        quantity=data.quantity,
        executed_at=data.executed_at,
        at=entry.timestamp,
        commission=data.commission if data.commission is not None else ZERO,
        commission_currency=data.commission_currency,
    )
    book = ledger.book(operation)
    _fill_order(order, data, entry)
    _charge(order, book, fill, 1)
    operation.fills.append(fill)
    ledger.executions[key] = fill
    book.apply(fill, order, entry.sequence_number)
    if data.cursor is not None:
        ledger.state.cursors[data.broker] = data.cursor
    _show(ledger, operation, order, entry)


def _fill_order(order: Order, data: e.OrderFilled, entry: Entry) -> None:
    if data.broker_order_id is not None:
        order.broker_order_id = data.broker_order_id
    order.filled_quantity += data.quantity
    order.filled_value += data.quantity * data.price
    order.filled_at = data.executed_at
    order.placed_at = order.placed_at or entry.timestamp
    if order.doubt is DoubtfulAction.PLACE:
        order.doubt = None
    if order.status not in _OVER or order.filled_quantity >= order.quantity:
        if order.status.is_uncertain or order.status is OrderStatus.NOT_PLACED:
            order.detail = ""
        _work(order)


def _charge(order: Order, book: Book, fill: Fill, times: int) -> None:
    """Count a fill's commission in the order (``times`` 1) or out again (-1)."""
    if book.is_own(fill.commission_currency):
        order.commission += fill.commission * times
    else:
        assert fill.commission_currency is not None
        add_to(order.other_commissions, fill.commission_currency, fill.commission * times)


def _show(ledger: Ledger, operation: Operation, order: Order, entry: Entry) -> None:
    """Note that an order and its operation changed. A closed one that holds something again is to be closed again: a
    fill came late, or the broker took one back."""
    if operation.status is OperationStatus.CLOSED and operation.quantity:
        operation.status, operation.status_reason = (
            OperationStatus.CLOSING,
            "it holds something again since it was closed",
        )
        operation.closed_at = None
    order.touched = entry.sequence_number
    ledger.order_changed(order)
    touch(ledger, operation, entry)


def _known_fill(ledger: Ledger, entry: Entry, execution_id: str, what: str) -> tuple[Operation, Fill] | None:
    """The execution an entry speaks of; an unknown one, or one whose account is closed, is an anomaly."""
    operation = ledger.operation(entry.operation_id)
    fill = ledger.execution(operation.broker, execution_id) if operation is not None else None
    if operation is None or fill is None or fill.operation != operation.number:
        ledger.note(entry.sequence_number, f"{what} an unknown execution {execution_id}")
        return None
    if fill.first_part:
        ledger.note(entry.sequence_number, f"{what} execution {execution_id}, which is too old to be counted anew")
        return None
    return operation, fill


def _corrected(ledger: Ledger, entry: Entry, data: e.FillCorrected) -> None:
    known = _known_fill(ledger, entry, data.execution_id, "a correction of")
    if known is None:
        return
    operation, fill = known
    order = ledger.orders[fill.client_order_id]
    order.filled_quantity += data.quantity - fill.quantity
    order.filled_value += data.quantity * data.price - fill.quantity * fill.price
    fill.revision = data.revision
    if order.status in (OrderStatus.FILLED, OrderStatus.PARTIALLY_FILLED, OrderStatus.PLACED):
        _work(order)
    orders = {kept.number: ledger.orders[kept.client_order_id] for kept in operation.fills}
    removed = ledger.book(operation).correct(fill, data.price, data.quantity, orders, entry.sequence_number)
    ledger.removed.extend(Removed(kind, key, entry.sequence_number) for kind, key in removed)
    _show(ledger, operation, order, entry)


def _commission(ledger: Ledger, entry: Entry, data: e.CommissionReported) -> None:
    known = _known_fill(ledger, entry, data.execution_id, "a commission for")
    if known is None:
        return
    operation, fill = known
    order = ledger.orders[fill.client_order_id]
    book = ledger.book(operation)
    _charge(order, book, fill, -1)
    book.set_commission(fill, data.commission, data.currency, entry.sequence_number)
    _charge(order, book, fill, 1)
    _show(ledger, operation, order, entry)


def _protection_set(ledger: Ledger, entry: Entry, data: e.ProtectionSet, operation: Operation) -> None:
    operation.stop_loss, operation.take_profit = data.stop_loss, data.take_profit
    _show_protection(ledger, entry, operation)


def _protection_moved(ledger: Ledger, entry: Entry, data: e.ProtectionMoved, operation: Operation) -> None:
    if data.kind == "STOP_LOSS":
        operation.stop_loss = data.after
    else:
        operation.take_profit = data.after
    _show_protection(ledger, entry, operation)


def _show_protection(ledger: Ledger, entry: Entry, operation: Operation) -> None:
    position = operation.position
    if position is not None:
        position.stop_loss, position.take_profit = operation.stop_loss, operation.take_profit
        position.touched = entry.sequence_number
        ledger.changed.append(position)


def _nothing(ledger: Ledger, entry: Entry, data: Any) -> None:
    """Told by the fills already; kept for people."""


__all__ = ["HANDLERS"]

HANDLERS: dict[str, Callable[[Ledger, Entry, Any], None]] = {
    "SIGNAL_GENERATED": with_operation(_signal_generated),
    "SIGNAL_REFUSED": with_operation(_signal_refused),
    "ORDER_REQUESTED": with_operation(_requested),
    "ORDER_PLACED": _with_order(_placed),
    "ORDER_IN_DOUBT": _with_order(_in_doubt),
    "ORDER_NOT_PLACED": _with_order(_not_placed),
    "ORDER_NEEDS_OPERATOR": _with_order(_needs_operator),
    "ORDER_REJECTED": _with_order(_rejected),
    "ORDER_CANCEL_REQUESTED": _with_order(_cancel_requested),
    "ORDER_CANCELLED": _with_order(_cancelled),
    "ORDER_EXPIRED": _with_order(_expired),
    "ORDER_MODIFY_REQUESTED": _with_order(_modify_requested),
    "ORDER_MODIFIED": _with_order(_modified),
    "ORDER_NOT_MODIFIED": _with_order(_not_modified),
    "ORDER_FILLED": _filled,
    "FILL_CORRECTED": _corrected,
    "COMMISSION_REPORTED": _commission,
    "PROTECTION_SET": with_operation(_protection_set),
    "PROTECTION_MOVED": with_operation(_protection_moved),
    "PROTECTION_TRIGGERED": _nothing,
}
