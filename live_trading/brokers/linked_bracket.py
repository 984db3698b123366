"""Brackets at brokers that take one order a request: first the entry, then each protection with the entry's name."""

from collections.abc import Awaitable, Callable

from msgspec.structs import replace

from live_trading.brokers.errors import InDoubt, Retryable
from live_trading.brokers.types import OrderRequest, Placed, Rejected
from live_trading.runtime import failpoint

PlaceOne = Callable[[OrderRequest], Awaitable[Placed | Rejected]]


async def place_linked(place_one: PlaceOne, request: OrderRequest) -> Placed | Rejected:
    """Place the entry, then its protections. The answer names those that were accepted; the others are not known.

    Once the entry is placed, nothing may be told as if nothing had been sent: a protection that could not be sent
    leaves the bracket in doubt, as one without an answer does.
    """
    entry = await place_one(replace(request, attached=()))
    if isinstance(entry, Rejected):
        return entry
    attached = {}
    for child in request.attached:
        failpoint("broker.bracket.between")
        try:
            answer = await place_one(child)
        except Retryable as error:
            raise InDoubt(child.client_order_id, f"the entry is placed, a protection was not sent: {error}") from error
        if isinstance(answer, Placed):
            attached[child.client_order_id] = answer.broker_order_id
    return Placed(entry.broker_order_id, attached)
