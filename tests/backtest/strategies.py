"""A strategy that does what it is told, at the bar it is told to."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from live_trading.domain.bar_size import BarSize
from live_trading.domain.values import SignalType
from live_trading.strategies import BarContext, Signal, Strategy, StrategyParameters
from tests.backtest.worlds import BEGIN


class Plan(StrategyParameters):
    """What to ask for after which bar, counted from ``BEGIN``: {"2": {"type": "ENTER_LONG", "stop_loss": "1.07"}}."""

    steps: dict[str, dict[str, Any]]


class Scripted(Strategy[Plan]):
    """Follows its plan."""

    name = "Scripted"
    Parameters = Plan

    def warmup(self, parameters: Plan, primary: BarSize) -> Mapping[BarSize, int]:
        return {primary: 1}

    def on_bar(self, context: BarContext[Plan]) -> Signal | None:
        number = (context.bar.start_ns - BEGIN) // context.primary.nanoseconds
        step = context.parameters.steps.get(str(number))
        if step is None:
            return None
        prices = {name: Decimal(value) for name, value in step.items() if name != "type"}
        return Signal(SignalType(step["type"]), "as planned", {"bar": number}, **prices)
