"""Stops that the broker itself moves: how far they stay behind the price, and which of their steps are written down.

A stop that trails takes a step with most ticks of a rising market. The broker keeps it, so the journal need not: it
gets a step once it makes a difference, and where exactly the stop stands whenever that matters (at connecting, and when
it ends). ``docs/decisions/0007-steps-of-a-stop-that-trails.md`` tells why.
"""

from decimal import Decimal

from live_trading.brokers.types import BrokerOrder
from live_trading.domain.instrument import Instrument
from live_trading.domain.operation import OperationSettings
from live_trading.domain.values import OrderType, Side, StopLossType
from live_trading.projections.state import Order

MATERIAL_STEP = Decimal("0.1")
"""A step is written down when it is at least this fraction of the trailing distance."""


def trailing_distance(settings: OperationSettings, instrument: Instrument, price: Decimal) -> Decimal | None:
    """How far a TRAILING stop stays behind the price, in price units on the grid, rounded up; None for other stops.

    ``price`` is the entry's: the distance is its fraction ``stop_loss_value``, and stays as it is.
    """
    if settings.stop_loss_type is not StopLossType.TRAILING:
        return None
    assert settings.stop_loss_value is not None
    return instrument.round_price(price * settings.stop_loss_value, "up")


def first_stop(instrument: Instrument, side: Side, price: Decimal, distance: Decimal, wanted: Decimal) -> Decimal:
    """Where the stop of a position entered with ``side`` at ``price`` begins to trail: where it is wanted, but no
    farther away than it will trail."""
    nearest = instrument.round_price(price - distance * side.sign, "down" if side is Side.BUY else "up")
    return max(wanted, nearest) if side is Side.BUY else min(wanted, nearest)


def is_step(order: Order, price: Decimal | None) -> bool:
    """Whether an order's stop at ``price`` is to be written down beside what the ledger has of it."""
    if price == order.stop_price:
        return False
    if order.order_type is not OrderType.TRAILING_STOP or price is None or order.stop_price is None:
        return True
    assert order.trailing_distance is not None
    return abs(price - order.stop_price) >= order.trailing_distance * MATERIAL_STEP


def stands_at(order: Order, asked: Decimal | None) -> Decimal | None:
    """Where a stop is that was asked to move: a broker that trails it may have told of a step beyond that already."""
    before = order.stop_price
    if order.order_type is not OrderType.TRAILING_STOP or asked is None or before is None:
        return asked
    return max(asked, before) if order.side is Side.SELL else min(asked, before)


def may_have_trailed(order: Order, price: Decimal | None) -> bool:
    """Whether the broker may have moved the order's stop to ``price`` since the ledger was told where it is."""
    return order.order_type is OrderType.TRAILING_STOP and price is not None and stands_at(order, price) == price


def has_moved(order: Order, update: BrokerOrder, *, exactly: bool) -> bool:
    """Whether the broker's stop is to be written down: a step, or, ``exactly`` and at its end, any difference."""
    if exactly or update.status.is_terminal:
        return update.stop_price != order.stop_price
    return is_step(order, update.stop_price)
