"""A strategy that does what its script says, bar by bar: for scenarios, where the market must not decide."""

from collections.abc import Mapping
from pathlib import Path
from typing import Final

from pydantic import Field

from live_trading.domain.bar_size import BarSize
from live_trading.domain.values import SignalType
from live_trading.strategies import BarContext, Signal, Strategy, StrategyParameters

SCRIPTED: Final = f"{Path(__file__)}:ScriptedStrategy"
"""How an operation names it."""

_SIGNALS = {"L": SignalType.ENTER_LONG, "S": SignalType.ENTER_SHORT, "X": SignalType.EXIT}


class Script(StrategyParameters):
    """What to ask for on each bar, again from the start when it is over."""

    script: str = Field(
        default="L..X..S..X..",
        pattern=r"^[LSX.]+$",
        description="a letter a bar: L enter long, S enter short, X exit, . nothing",
    )


class ScriptedStrategy(Strategy[Script]):
    """Asks for what its script says; a bar's place in it follows from the bar's time, so it needs no memory."""

    name = "ScriptedStrategy"
    Parameters = Script

    def warmup(self, parameters: Script, primary: BarSize) -> Mapping[BarSize, int]:
        return {primary: 1}

    def on_bar(self, context: BarContext[Script]) -> Signal | None:
        script = context.parameters.script
        letter = script[context.bar.start_ns // context.primary.nanoseconds % len(script)]
        kind = _SIGNALS.get(letter)
        if kind is None or (kind is SignalType.EXIT and context.position.is_flat):
            return None
        return Signal(kind, f"the script says {letter}")
