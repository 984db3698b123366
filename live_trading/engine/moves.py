"""Protections that a person moved: their wish is part of the ledger until the broker works the order so, or until it is
written down that it will not be done. So it is not lost when the engine dies before the change leaves, nor when the
connection swallows it and asking the broker shows the old price."""

from collections.abc import Collection

from live_trading.brokers.types import OrderChange
from live_trading.domain.entries import OrderNotModified
from live_trading.domain.values import OperationStatus
from live_trading.engine.context import EngineContext
from live_trading.orders.facts import about
from live_trading.projections.state import Operation, Order
from live_trading.runtime import Clock

_MAX_PAUSE = 60.0


class Resending:
    """When each move was sent again last: one that comes to nothing is sent later and later, so that a broker that asks
    for patience gets it."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._sent: dict[int, tuple[int, float]] = {}

    def is_due(self, number: int) -> bool:
        """Whether the move that entry asked for may be sent again now; it counts as sent then."""
        now = self._clock.monotonic()
        tries, at = self._sent.get(number, (0, 0.0))
        if tries and now - at < min(_MAX_PAUSE, 0.5 * 2**tries):
            return False
        self._sent[number] = tries + 1, now
        return True

    def forget_all_but(self, numbers: Collection[int]) -> None:
        """Let go of moves that hold, or will not be done."""
        for number in self._sent.keys() - set(numbers):
            del self._sent[number]


async def settle_moves(context: EngineContext, operation: Operation, resending: Resending) -> None:
    """Send again what a person asked for and what is not known to hold; or say that it will not be done, and why.

    A change to a price may be sent twice: both times it says the same. While it is being found out whether one came
    through, nothing is sent.
    """
    session = context.session(operation)
    resending.forget_all_but([move.number for move in operation.moves.values()])
    for identifier, move in list(operation.moves.items()):
        order = operation.orders.get(identifier)
        if order is None or order.doubt is not None or order.modify_requested is not None:
            continue
        asked = f"asked for in entry {move.number}"
        reason = _why_not(operation, order)
        if reason is not None:
            not_modified = OrderNotModified(client_order_id=identifier, reason=f"{asked}: {reason}")
            await context.live.append(about(order, not_modified, "engine"))
        elif not order.status.is_uncertain and resending.is_due(move.number):
            change = OrderChange(limit_price=move.limit_price, stop_price=move.stop_price)
            await session.orders.modify(order, change, f"{asked}, sent again")


def _why_not(operation: Operation, order: Order) -> str | None:
    if order.status.is_terminal:
        return f"the order is {order.status.value}"
    if order.cancel_requested is not None:
        return "the order is being cancelled"
    if operation.exit_intent is not None or operation.status is OperationStatus.CLOSING:
        return "the position is being closed"
    return None if operation.quantity else "there is no position"
