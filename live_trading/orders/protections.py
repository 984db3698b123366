"""Where a position's stop loss and take profit belong."""

from dataclasses import dataclass
from decimal import Decimal

from live_trading.domain.errors import InvalidInput
from live_trading.domain.instrument import Instrument
from live_trading.domain.operation import OperationSettings
from live_trading.domain.values import OrderPurpose, Side, StopLossType, TakeProfitType
from live_trading.projections.state import Operation, Order


@dataclass(frozen=True, slots=True)
class Protection:
    """Absolute prices, on the instrument's grid; None where the operation wants none."""

    stop_loss: Decimal | None
    take_profit: Decimal | None


def protection_prices(
    settings: OperationSettings, instrument: Instrument, side: Side, entry_price: Decimal, atr: Decimal | None
) -> Protection:
    """The stop and target of a position entered with ``side`` at ``entry_price``.

    Distances: ATR: value × ATR. PERCENTAGE, TRAILING: value × price. FIXED: value in price units. RISK_REWARD: value ×
    the stop's distance. Rounded away from the price, so that neither is nearer than asked for. Raises
    :class:`InvalidInput` when an ATR is needed and none is known yet, or a price would not be positive.
    """
    stop_distance = _stop_distance(settings, entry_price, atr)
    target_distance = _target_distance(settings, entry_price, atr, stop_distance)
    stop = target = None
    if stop_distance is not None:
        stop_price = entry_price - stop_distance * side.sign
        stop = instrument.round_price(stop_price, "down" if side is Side.BUY else "up")
    if target_distance is not None:
        target_price = entry_price + target_distance * side.sign
        target = instrument.round_price(target_price, "up" if side is Side.BUY else "down")
    for field, price in (("stop_loss_value", stop), ("take_profit_value", target)):
        if price is not None and price <= 0:
            raise InvalidInput(field, f"it puts the price at {price}", "Use a smaller distance")
    return Protection(stop, target)


def _stop_distance(settings: OperationSettings, price: Decimal, atr: Decimal | None) -> Decimal | None:
    kind, value = settings.stop_loss_type, settings.stop_loss_value
    if kind is None or value is None:
        return None
    if kind is StopLossType.ATR:
        return value * _known(atr, "stop_loss_type")
    if kind is StopLossType.FIXED:
        return value
    return value * price


def _target_distance(
    settings: OperationSettings, price: Decimal, atr: Decimal | None, stop_distance: Decimal | None
) -> Decimal | None:
    kind, value = settings.take_profit_type, settings.take_profit_value
    if kind is None or value is None:
        return None
    if kind is TakeProfitType.ATR:
        return value * _known(atr, "take_profit_type")
    if kind is TakeProfitType.FIXED:
        return value
    if kind is TakeProfitType.PERCENTAGE:
        return value * price
    assert stop_distance is not None
    return value * stop_distance


def _known(atr: Decimal | None, field: str) -> Decimal:
    if atr is None or atr <= 0:
        raise InvalidInput(field, "the ATR is not known yet", "Wait for more bars, or use PERCENTAGE or FIXED")
    return atr


def given_purposes(operation: Operation) -> frozenset[OrderPurpose]:
    """The protections that the open position had at any time, whatever the settings say: its entry's signal may have
    named prices of its own. Empty when there is no position."""
    if operation.position is None:
        return frozenset()
    kinds = (OrderPurpose.STOP_LOSS, OrderPurpose.TAKE_PROFIT)
    return frozenset(kind for kind in kinds if last_protection(operation, kind) is not None)


def last_price(operation: Operation, purpose: OrderPurpose) -> Decimal | None:
    """Where the last protection of the open position stood."""
    last = last_protection(operation, purpose)
    if last is None:
        return None
    return last.stop_price if purpose is OrderPurpose.STOP_LOSS else last.limit_price


def last_protection(operation: Operation, purpose: OrderPurpose) -> Order | None:
    """The last protection of the open position: a child of its entry, or one placed anew since."""
    position = operation.position
    assert position is not None
    # From the end, as far as the position goes back: asked at every step, of an operation with thousands of fills.
    opened = next((fill for fill in reversed(operation.fills) if fill.number <= position.number), None)
    is_there = opened is not None and opened.number == position.number
    entry = operation.orders.get(opened.client_order_id) if opened is not None and is_there else None
    oldest = position.number if entry is None else min(entry.number, position.number)
    for order in reversed(operation.orders.values()):
        if order.number <= oldest:
            return None
        is_later = order.number > position.number
        if order.purpose is purpose and (is_later or (entry and order.parent_client_order_id == entry.client_order_id)):
            return order
    return None
