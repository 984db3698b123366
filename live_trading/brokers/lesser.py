"""The paper exchange as a broker that can do less: to try here what an engine does there."""

from msgspec.structs import replace

from live_trading.brokers.types import Capabilities, OrderRequest, Rejected
from live_trading.domain.values import OrderType

_STOPS = (OrderType.STOP, OrderType.STOP_LIMIT, OrderType.TRAILING_STOP)


def as_lesser(request: OrderRequest, capabilities: Capabilities) -> OrderRequest | Rejected:
    """The request as such a broker takes it: links it does not know are lost, orders it does not have refused."""
    if not capabilities.stops and any(order.order_type in _STOPS for order in (request, *request.attached)):
        return Rejected("UNSUPPORTED_ORDER_TYPE", "this broker has no stop orders")
    if not capabilities.oca and request.oca_group is not None and request.parent_client_order_id is None:
        return replace(request, oca_group=None)
    return request
