"""How large an entry is."""

from decimal import Decimal

from live_trading.domain.errors import InvalidInput
from live_trading.domain.instrument import Instrument
from live_trading.domain.operation import OperationSettings
from live_trading.domain.values import PositionSizing


def entry_quantity(
    settings: OperationSettings, instrument: Instrument, capital: Decimal, price: Decimal, stop_loss: Decimal | None
) -> Decimal:
    """Units to buy or sell at ``price``, on the instrument's grid, rounded down, never more than ``quantity``.

    PERCENT_OF_CAPITAL: value × capital ÷ (price × multiplier). RISK_PER_TRADE: value × capital ÷ (distance to the stop
    × multiplier), so that the stop costs that fraction of the capital. ``capital`` is the operation's own, in the quote
    currency, as it is now. Raises :class:`InvalidInput` when not even the smallest quantity is affordable.
    """
    if settings.position_sizing is PositionSizing.FIXED:
        return settings.quantity
    assert settings.position_sizing_value is not None
    stake = max(capital, Decimal(0)) * settings.position_sizing_value
    if settings.position_sizing is PositionSizing.PERCENT_OF_CAPITAL:
        unit = price * instrument.multiplier
    else:
        if stop_loss is None or stop_loss == price:
            raise InvalidInput("position_sizing", "RISK_PER_TRADE needs a stop away from the price", "Set a stop loss")
        unit = abs(price - stop_loss) * instrument.multiplier
    quantity = min(instrument.round_quantity(stake / unit), settings.quantity)
    if quantity <= 0:
        raise InvalidInput(
            "position_sizing_value",
            f"{stake:f} {instrument.currency} is not enough for {instrument.quantity_step:f} {instrument.symbol}",
            "Use a larger value or more capital",
        )
    return quantity
