"""Protections that a broker cannot hold: which they are, and when the market has reached one. Pure.

A broker without stop orders holds no stop. A broker that cannot link two orders (no one-cancels-all) holds one
protection beside a position, the stop where it can, because two that know nothing of each other may both be filled. A
bracket is linked by its entry, so both rest where the broker takes brackets. What does not rest is watched: its price
is part of the ledger without an order, and the engine closes the position when the market reaches it
(``docs/decisions/0006-one-protection-rests-where-orders-cannot-be-linked.md``).
"""

from collections.abc import Collection, Iterable
from decimal import Decimal
from typing import NamedTuple

from live_trading.brokers.types import Bracket, Capabilities
from live_trading.domain.values import OrderPurpose
from live_trading.projections.state import Operation, Order

NOTHING: frozenset[OrderPurpose] = frozenset()


class Reached(NamedTuple):
    """A watched protection that the market has reached: where it was, and the price that the position could get."""

    purpose: OrderPurpose
    level: Decimal
    price: Decimal


def may_watch(capabilities: Capabilities) -> bool:
    """Whether the broker may leave a protection to the engine."""
    return not (capabilities.stops and capabilities.oca)


def cannot_rest(
    capabilities: Capabilities, wanted: Collection[OrderPurpose], *, attached: bool
) -> frozenset[OrderPurpose]:
    """Which of the wanted protections do not go to the broker; ``attached``: with their entry, as its bracket."""
    if not capabilities.stops:
        return NOTHING if OrderPurpose.STOP_LOSS not in wanted else frozenset({OrderPurpose.STOP_LOSS})
    is_pair = OrderPurpose.STOP_LOSS in wanted and OrderPurpose.TAKE_PROFIT in wanted
    is_linked = capabilities.oca or (attached and capabilities.bracket is not Bracket.NONE)
    return NOTHING if is_linked or not is_pair else frozenset({OrderPurpose.TAKE_PROFIT})


def watched(capabilities: Capabilities, operation: Operation, working: Iterable[Order]) -> dict[OrderPurpose, Decimal]:
    """Where the protections are that the engine watches; ``working`` are the operation's working orders."""
    if not may_watch(capabilities):
        return {}
    levels = {OrderPurpose.STOP_LOSS: operation.stop_loss, OrderPurpose.TAKE_PROFIT: operation.take_profit}
    wanted = [purpose for purpose, level in levels.items() if level is not None]
    resting = {order.purpose for order in working}
    return {
        purpose: level
        for purpose in cannot_rest(capabilities, wanted, attached=False) - resting
        if (level := levels[purpose]) is not None
    }


def reached(operation: Operation, levels: dict[OrderPurpose, Decimal], bid: Decimal, ask: Decimal) -> Reached | None:
    """The protection that the market has reached, by the price at which the position would be closed: a long one is
    sold at the bid, a short one bought back at the ask. The stop goes first."""
    if not operation.quantity:
        return None
    sign, price = (1, bid) if operation.quantity > 0 else (-1, ask)
    for purpose, towards in ((OrderPurpose.STOP_LOSS, -1), (OrderPurpose.TAKE_PROFIT, 1)):
        level = levels.get(purpose)
        if level is not None and (price - level) * sign * towards >= 0:
            return Reached(purpose, level, price)
    return None


def stop_held_by_nobody(operation: Operation) -> Decimal | None:
    """The open position's stop, if no order is there for it: the engine must look whether the price has passed it."""
    if operation.position is None or operation.stop_loss is None:
        return None
    held = any(
        order.purpose is OrderPurpose.STOP_LOSS and not order.status.is_terminal for order in operation.orders.values()
    )
    return None if held else operation.stop_loss


def warning(capabilities: Capabilities, wanted: Collection[OrderPurpose], broker: str) -> str | None:
    """What a person who asks for these protections should know; None when all of them rest at the broker."""
    missing = cannot_rest(capabilities, wanted, attached=True)
    if OrderPurpose.STOP_LOSS in missing:
        return (
            f"{broker} has no stop orders: the stop loss does not rest there. The engine watches the price and closes "
            "the position at market; while it is down, nothing does"
        )
    if missing:
        return (
            f"{broker} cannot link two orders: only the stop loss rests there. The engine watches the take profit and "
            "closes the position at market"
        )
    return None
