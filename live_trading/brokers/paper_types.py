"""The paper exchange's words and the contract's: what it can do, and how one is said in the other."""

from datetime import datetime

from live_trading.brokers.errors import Fatal
from live_trading.brokers.types import (
    Account,
    Bracket,
    BrokerOrder,
    BrokerPosition,
    Capabilities,
    Execution,
    OrderRequest,
    Placed,
    Rejected,
)
from live_trading.paper_exchange import core
from live_trading.paper_exchange.protocols import native_messages as wire
from live_trading.runtime import utc_from_ns

PAPER_CAPABILITIES = Capabilities(
    client_id_length=64,
    client_id_unique="always",
    lookup_by_client_id=True,
    absence_definitive_after=2.0,
    bracket=Bracket.ATOMIC,
    oca=True,
    modify="in place",
    stops=True,
    trailing_stops=True,
    execution_look_back=float("inf"),
    order_updates="push",
    fractional_quantities=True,
    orders_per_second=1000.0,
)
"""What the paper exchange can do, in a process of its own or in this one."""


def execution_number(name: str, cursor: str | None, last: int) -> int:
    """A cursor as the exchange counts. One from beyond its log means that it is not the exchange we knew."""
    if cursor is None:
        return 0
    if not cursor.isdigit() or int(cursor) > last:
        raise Fatal(
            f"broker {name}: cursor {cursor!r} is not one of this exchange, whose last execution row is {last}. "
            "Its store has been replaced: restore it, or start a new journal"
        )
    return int(cursor)


def new_order(request: OrderRequest) -> core.NewOrder:
    return core.NewOrder(
        client_order_id=request.client_order_id,
        symbol=request.instrument.symbol,
        side=request.side,
        order_type=request.order_type,
        quantity=request.quantity,
        limit_price=request.limit_price,
        stop_price=request.stop_price,
        time_in_force=request.time_in_force,
        oca_group=request.oca_group,
        attached=tuple(new_order(child) for child in request.attached),
        trailing_distance=request.trailing_distance,
    )


def answer_of(answer: core.Accepted | core.Refused) -> Placed | Rejected:
    if isinstance(answer, core.Refused):
        return Rejected(answer.code.value, answer.text)
    attached = {child.client_order_id or "": str(child.order_id) for child in answer.attached}
    return Placed(str(answer.order.order_id), attached)


def broker_order(order: core.Order) -> BrokerOrder:
    return BrokerOrder(
        broker_order_id=str(order.order_id),
        client_order_id=order.client_order_id,
        symbol=order.symbol,
        side=order.side,
        order_type=order.order_type,
        quantity=order.quantity,
        filled_quantity=order.filled,
        status=order.status,
        limit_price=order.limit_price,
        stop_price=order.stop_price,
        reason=order.reason,
        trailing_distance=order.trailing_distance,
    )


def broker_execution(row: core.Execution) -> Execution:
    commission = row.told_commission
    return Execution(
        execution_id=row.execution_id,
        broker_order_id=str(row.order_id),
        client_order_id=row.client_order_id,
        symbol=row.symbol,
        side=row.side,
        price=row.price,
        quantity=row.quantity,
        executed_at=utc_from_ns(row.time_ns),
        commission=commission,
        commission_currency=None if commission is None else row.commission_currency,
        revision=row.revision,
    )


def broker_position(position: core.Position) -> BrokerPosition:
    return BrokerPosition(position.symbol, position.quantity, position.average_price)


def broker_account(view: core.AccountView) -> Account:
    return Account(view.account, view.currency, dict(view.cash), view.equity, view.margin_used)


def nanoseconds(moment: datetime) -> int:
    """An aware time as nanoseconds since 1970."""
    return round(moment.timestamp() * 1_000_000) * 1000


# From the native protocol's words to the contract's


def order_body(request: OrderRequest) -> wire.NewOrderMessage:
    return wire.NewOrderMessage(
        client_order_id=request.client_order_id,
        symbol=request.instrument.symbol,
        side=request.side,
        order_type=request.order_type,
        quantity=request.quantity,
        limit_price=request.limit_price,
        stop_price=request.stop_price,
        time_in_force=request.time_in_force,
        oca_group=request.oca_group,
        parent_client_order_id=request.parent_client_order_id,
        attached=tuple(order_body(child) for child in request.attached),
        trailing_distance=request.trailing_distance,
    )


def wire_order(message: wire.OrderMessage) -> BrokerOrder:
    return BrokerOrder(
        broker_order_id=message.order_id,
        client_order_id=message.client_order_id,
        symbol=message.symbol,
        side=message.side,
        order_type=message.order_type,
        quantity=message.quantity,
        filled_quantity=message.filled_quantity,
        status=message.status,
        limit_price=message.limit_price,
        stop_price=message.stop_price,
        reason=message.reason,
        trailing_distance=message.trailing_distance,
    )


def wire_execution(message: wire.ExecutionMessage) -> Execution:
    return Execution(
        execution_id=message.execution_id,
        broker_order_id=message.order_id,
        client_order_id=message.client_order_id,
        symbol=message.symbol,
        side=message.side,
        price=message.price,
        quantity=message.quantity,
        executed_at=utc_from_ns(message.time_ns),
        commission=message.commission,
        commission_currency=message.commission_currency,
        revision=message.revision,
    )


def wire_position(message: wire.PositionMessage) -> BrokerPosition:
    return BrokerPosition(message.symbol, message.quantity, message.average_price)


def wire_account(message: wire.AccountMessage) -> Account:
    return Account(message.account, message.currency, message.cash, message.equity, message.margin_used)
