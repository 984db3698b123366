"""Strategies that are bad on purpose, found by their path."""

from collections.abc import Mapping

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
