"""Strategies for crash tests, named to the engine by this file's path. They decide by the price alone."""

from collections.abc import Mapping
from typing import ClassVar

from pydantic import Field

from live_trading.domain.bar_size import BarSize
from live_trading.domain.values import SignalType
from live_trading.strategies import BarContext, Signal, Strategy, StrategyParameters


class TapeParameters(StrategyParameters):
    """Which way, and where."""

    short: bool = Field(default=False, description="sell first")
    base: float = Field(default=1.1, description="the price around which it enters")
    near: float = Field(default=0.0002, description="how near the price must be to enter")
    away: float = Field(default=0.0004, description="how far from it, either way, a position is given up")


class TapeStrategy(Strategy[TapeParameters]):
    """In whenever the price is near its base, out when it is a little above; the tape does the rest."""

    name: ClassVar[str] = "TapeStrategy"
    Parameters = TapeParameters

    def warmup(self, parameters: TapeParameters, primary: BarSize) -> Mapping[BarSize, int]:
        return {primary: 1}

    def on_bar(self, context: BarContext[TapeParameters]) -> Signal | None:
        """Enter near the base, exit above it."""
        wanted, distance = context.parameters, float(context.bar.close) - context.parameters.base
        if context.position.is_flat and abs(distance) < wanted.near:
            return Signal(SignalType.ENTER_SHORT if wanted.short else SignalType.ENTER_LONG, "near the base")
        if not context.position.is_flat and distance > wanted.away:
            return Signal(SignalType.EXIT, "above the base")
        return None


class Restless(Strategy[TapeParameters]):
    """In on every bar when it is flat, out on every bar when it is not."""

    name: ClassVar[str] = "Restless"
    Parameters = TapeParameters

    def warmup(self, parameters: TapeParameters, primary: BarSize) -> Mapping[BarSize, int]:
        return {primary: 1}

    def on_bar(self, context: BarContext[TapeParameters]) -> Signal:
        """Turn over."""
        if not context.position.is_flat:
            return Signal(SignalType.EXIT, "in")
        return Signal(SignalType.ENTER_SHORT if context.parameters.short else SignalType.ENTER_LONG, "flat")
