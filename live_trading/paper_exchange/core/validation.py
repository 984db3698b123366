"""What makes an order acceptable, before money and markets are looked at."""

from decimal import Decimal

from live_trading.domain.values import OrderType, TimeInForce
from live_trading.paper_exchange.core.models import Listing
from live_trading.paper_exchange.core.types import NewOrder, Order, Refusal, Refused

CLIENT_ORDER_ID_LENGTH = 64
MAX_PRICE = Decimal(1_000_000_000)

_NEEDS_LIMIT = (OrderType.LIMIT, OrderType.STOP_LIMIT)
_NEEDS_STOP = (OrderType.STOP, OrderType.STOP_LIMIT)
_STOPS = (*_NEEDS_STOP, OrderType.TRAILING_STOP)


def check_client_order_id(client_order_id: str | None) -> Refused | None:
    if client_order_id is None:
        return None
    if not 0 < len(client_order_id) <= CLIENT_ORDER_ID_LENGTH or not client_order_id.isprintable():
        return Refused(
            Refusal.INVALID_CLIENT_ORDER_ID,
            f"client_order_id must be 1 to {CLIENT_ORDER_ID_LENGTH} printable characters",
        )
    return None


def check_quantity(listing: Listing, quantity: Decimal) -> Refused | None:
    step = listing.instrument.quantity_step
    if not quantity.is_finite() or quantity <= 0:
        return Refused(Refusal.INVALID_QUANTITY, f"quantity {quantity} must be over 0")
    if quantity > listing.max_quantity:
        return Refused(
            Refusal.INVALID_QUANTITY, f"quantity {quantity} is over the most allowed, {listing.max_quantity}"
        )
    if quantity % step:
        return Refused(Refusal.INVALID_QUANTITY, f"quantity {quantity} is not a multiple of {step}")
    return None


def check_price(listing: Listing, name: str, price: Decimal | None, needed: bool) -> Refused | None:
    if price is None:
        return Refused(Refusal.INVALID_PRICE, f"{name} is missing") if needed else None
    if not needed:
        return Refused(Refusal.INVALID_PRICE, f"{name} has no meaning for this order type")
    tick_size = listing.instrument.tick_size
    if not price.is_finite() or not 0 < price <= MAX_PRICE:
        return Refused(Refusal.INVALID_PRICE, f"{name} {price} must be over 0 and at most {MAX_PRICE:f}")
    if price % tick_size:
        return Refused(Refusal.INVALID_PRICE, f"{name} {price} is not a multiple of the tick size {tick_size}")
    return None


def check_prices(
    listing: Listing, order_type: OrderType, limit_price: Decimal | None, stop_price: Decimal | None
) -> Refused | None:
    may_begin = order_type is OrderType.TRAILING_STOP and stop_price is not None
    return check_price(listing, "limit_price", limit_price, order_type in _NEEDS_LIMIT) or check_price(
        listing, "stop_price", stop_price, order_type in _NEEDS_STOP or may_begin
    )


def check_follows(order: Order, stop_price: Decimal | None) -> Refused | None:
    """A stop that trails may be moved nearer to the market, never back."""
    before = order.stop_price
    if order.order_type is not OrderType.TRAILING_STOP or before is None or stop_price is None:
        return None
    if (before - stop_price) * order.side.sign >= 0:
        return None
    return Refused(Refusal.INVALID_PRICE, f"stop_price {stop_price}: the stop trails and stands at {before} already")


def check_order(listing: Listing, order: NewOrder) -> Refused | None:
    """Form and figures of one order, without its attached ones."""
    refused = (
        check_client_order_id(order.client_order_id)
        or check_quantity(listing, order.quantity)
        or check_prices(listing, order.order_type, order.limit_price, order.stop_price)
        or check_price(
            listing, "trailing_distance", order.trailing_distance, order.order_type is OrderType.TRAILING_STOP
        )
    )
    if refused:
        return refused
    if order.time_in_force is TimeInForce.IOC and order.order_type in _STOPS:
        return Refused(Refusal.INVALID_TIME_IN_FORCE, "a stop order cannot be immediate-or-cancel")
    return None


def check_attached(parent: NewOrder, child: NewOrder) -> Refused | None:
    """What is asked of a protection beyond ``check_order``."""
    problem = None
    if child.attached:
        problem = "an attached order cannot have attached orders"
    elif child.symbol != parent.symbol:
        problem = f"is in {child.symbol}, its parent in {parent.symbol}"
    elif child.side is parent.side:
        problem = "must be on the other side than its parent"
    elif child.order_type is OrderType.MARKET or child.time_in_force is TimeInForce.IOC:
        problem = "must rest: LIMIT, STOP, STOP_LIMIT or TRAILING_STOP, GTC or DAY"
    elif child.quantity > parent.quantity:
        problem = f"has quantity {child.quantity}, over its parent's {parent.quantity}"
    return Refused(Refusal.INVALID_BRACKET, f"attached order {child.client_order_id} {problem}") if problem else None
