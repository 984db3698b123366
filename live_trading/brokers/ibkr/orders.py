"""Orders in our words and in IB's."""

from dataclasses import dataclass
from decimal import Decimal

from ib_async.contract import Contract
from ib_async.order import Order, OrderState

from live_trading.brokers.ibkr.contracts import number, symbol_of
from live_trading.brokers.types import BrokerOrder, OrderChange, OrderRequest
from live_trading.domain.values import AssetClass, OrderStatus, OrderType, Side

TYPE_NAMES = {
    OrderType.MARKET: "MKT",
    OrderType.LIMIT: "LMT",
    OrderType.STOP: "STP",
    OrderType.STOP_LIMIT: "STP LMT",
    OrderType.TRAILING_STOP: "TRAIL",
}
_TYPES = {name: order_type for order_type, name in TYPE_NAMES.items()} | {"STPLMT": OrderType.STOP_LIMIT}
REDUCE_IN_BLOCK = 2
"""ocaType: the group's other orders are reduced by what one of them fills, and only one is routed at a time, so that
together they never trade more than they guard."""
NOT_ANSWERED = ("PendingSubmit", "ApiPending", "")
"""Statuses of an order that TWS has and the broker may not have yet."""
_UNSET = 1e300


@dataclass(slots=True)
class KnownOrder:
    """What TWS has told of an order. ``status`` is TWS's word; ``Inactive`` is the end only of one that was refused."""

    contract: Contract
    order: Order
    status: str
    filled: Decimal = Decimal(0)
    reason: str = ""
    refused: bool = False

    @property
    def reference(self) -> str:
        return self.order.orderRef

    @property
    def is_working(self) -> bool:
        return self._our_status() in (OrderStatus.PLACED, OrderStatus.PARTIALLY_FILLED)

    def as_broker_order(self) -> BrokerOrder:
        """In the contract's words."""
        order = self.order
        order_type = _TYPES.get(order.orderType, OrderType.LIMIT)
        trails = order_type is OrderType.TRAILING_STOP
        limits = order_type in (OrderType.LIMIT, OrderType.STOP_LIMIT)
        stops = order_type in (OrderType.STOP, OrderType.STOP_LIMIT)
        stop = order.trailStopPrice if trails else order.auxPrice if stops else None
        return BrokerOrder(
            broker_order_id=str(order.permId),
            client_order_id=order.orderRef or None,
            symbol=symbol_of(self.contract),
            side=Side(order.action),
            order_type=order_type,
            quantity=number(order.totalQuantity),
            filled_quantity=self.filled,
            status=self._our_status(),
            limit_price=_price(order.lmtPrice) if limits else None,
            stop_price=_price(stop),
            reason=self.reason,
            trailing_distance=_price(order.auxPrice) if trails else None,
        )

    def _our_status(self) -> OrderStatus:
        if self.status == "Filled":
            return OrderStatus.FILLED
        if self.status in ("Cancelled", "ApiCancelled") or (self.status == "Inactive" and self.refused):
            expired = "expired" in self.reason.lower()
            return OrderStatus.EXPIRED if expired else OrderStatus.CANCELLED
        return OrderStatus.PARTIALLY_FILLED if self.filled else OrderStatus.PLACED


def _price(value: float | Decimal | None) -> Decimal | None:
    if value is None or not 0 < value < _UNSET:
        return None
    return number(float(value))


def from_completed(contract: Contract, order: Order, state: OrderState) -> KnownOrder:
    """An order that has ended, as reqCompletedOrders tells it: its quantity is the one it had."""
    filled = _price(order.filledQuantity) or Decimal(0)
    if not order.totalQuantity:
        order.totalQuantity = float(filled)
    return KnownOrder(contract, order, state.status, filled, state.completedStatus)


def new_order(
    request: OrderRequest, order_id: int, account: str, *, parent_id: int = 0, transmit: bool = True
) -> Order:
    """What to send for a request. Decimals go out as they are: a float would go out as 0.30000000000000004."""
    order = Order(
        orderId=order_id,
        action=request.side.value,
        totalQuantity=request.quantity,  # type: ignore[arg-type]
        orderType=TYPE_NAMES[request.order_type],
        tif=request.time_in_force.value,
        orderRef=request.client_order_id,
        account=account,
        transmit=transmit,
        parentId=parent_id,
        outsideRth=request.instrument.asset_class is AssetClass.FUTURE,
    )
    _set_prices(order, request.order_type, request.limit_price, request.stop_price, request.trailing_distance)
    if request.oca_group is not None:
        order.ocaGroup, order.ocaType = request.oca_group, REDUCE_IN_BLOCK
    return order


def changed_order(known: KnownOrder, change: OrderChange) -> Order:
    """The whole order again, with other values: TWS takes a change as a placeOrder of the same id."""
    before = known.as_broker_order()
    order = Order(
        orderId=known.order.orderId,
        action=before.side.value,
        totalQuantity=change.quantity or before.quantity,  # type: ignore[arg-type]
        orderType=TYPE_NAMES[before.order_type],
        tif=known.order.tif,
        orderRef=known.order.orderRef,
        account=known.order.account,
        parentId=known.order.parentId,
        ocaGroup=known.order.ocaGroup,
        ocaType=known.order.ocaType,
        outsideRth=known.contract.secType == "FUT",
    )
    limit = change.limit_price if change.limit_price is not None else before.limit_price
    stop = change.stop_price if change.stop_price is not None else before.stop_price
    _set_prices(order, before.order_type, limit, stop, before.trailing_distance)
    return order


def _set_prices(
    order: Order, kind: OrderType, limit: Decimal | None, stop: Decimal | None, distance: Decimal | None
) -> None:
    if limit is not None:
        order.lmtPrice = plain(limit)
    if kind is OrderType.TRAILING_STOP:
        if distance is not None:
            order.auxPrice = plain(distance)
        if stop is not None:
            order.trailStopPrice = plain(stop)
    elif stop is not None:
        order.auxPrice = plain(stop)


def plain(value: Decimal) -> Decimal:
    """The same number in a form whose text has no exponent."""
    return Decimal(f"{value:f}")
