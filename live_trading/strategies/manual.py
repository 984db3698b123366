"""No strategy: the operation in which a person trades. Found by its name, and not among those to choose from."""

from collections.abc import Mapping
from typing import Final

from live_trading.domain.bar_size import BarSize
from live_trading.strategies.base import BarContext, Signal, Strategy, StrategyParameters

MANUAL_STRATEGY: Final = "ManualStrategy"


class ManualParameters(StrategyParameters):
    """None."""


class ManualStrategy(Strategy[ManualParameters]):
    """Gives no signals. What the operation does is asked for by a person, and guarded as any other trade."""

    name = MANUAL_STRATEGY
    Parameters = ManualParameters

    def warmup(self, parameters: ManualParameters, primary: BarSize) -> Mapping[BarSize, int]:
        return {primary: 1}

    def on_bar(self, context: BarContext[ManualParameters]) -> Signal | None:
        return None
