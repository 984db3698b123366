"""Strategies that are bad on purpose, found by their path."""

from collections.abc import Mapping
from decimal import Decimal

from live_trading.domain.bar_size import BarSize
from live_trading.domain.values import SignalType
from live_trading.strategies import BarContext, Signal, Strategy, StrategyParameters


class NoParameters(StrategyParameters):
    """None."""


class RaisesWhenHolding(Strategy[NoParameters]):
    """Enters on its third bar, and fails on the one after."""

    name = "RaisesWhenHolding"
    Parameters = NoParameters

    def warmup(self, parameters: NoParameters, primary: BarSize) -> Mapping[BarSize, int]:
        return {primary: 3}

    def on_bar(self, context: BarContext[NoParameters]) -> Signal | None:
        if not context.position.is_flat:
            raise ZeroDivisionError("an honest mistake")
        return Signal(SignalType.ENTER_LONG, "always")


class Offsets(StrategyParameters):
    """Where the entry's prices lie, and its own stop loss and take profit, as fractions of the bar's close."""

    limit_offset: float | None = None
    stop_offset: float | None = None
    loss_offset: float | None = None
    profit_offset: float | None = None


class EntersOnce(Strategy[Offsets]):
    """Asks to go long on every bar while flat; what is open or working already refuses the rest."""

    name = "EntersOnce"
    Parameters = Offsets

    def warmup(self, parameters: Offsets, primary: BarSize) -> Mapping[BarSize, int]:
        return {primary: 2}

    def on_bar(self, context: BarContext[Offsets]) -> Signal | None:
        if not context.position.is_flat:
            return None
        close = context.bar.close

        def priced(offset: float | None) -> Decimal | None:
            return None if offset is None else close * (1 + Decimal(str(offset)))

        parameters = context.parameters
        limit, stop = priced(parameters.limit_offset), priced(parameters.stop_offset)
        return Signal(
            SignalType.ENTER_LONG,
            "always",
            limit_price=limit,
            stop_price=stop,
            stop_loss=priced(parameters.loss_offset),
            take_profit=priced(parameters.profit_offset),
        )
