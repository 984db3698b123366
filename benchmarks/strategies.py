"""The strategy that backtesting engines are compared with: long while a fast average is above a slow one."""

from collections.abc import Mapping, Sequence

from live_trading.data import IndicatorSpec
from live_trading.domain.bar_size import BarSize
from live_trading.domain.values import SignalType
from live_trading.strategies import BarContext, Signal, Strategy, StrategyParameters


class CrossParameters(StrategyParameters):
    """Periods in bars; ``trades`` False looks at the averages and never asks for anything."""

    fast: int = 10
    slow: int = 20
    trades: bool = True


class EmaCross(Strategy[CrossParameters]):
    """Enters long when the fast average crosses the slow one upwards, leaves when it crosses it downwards."""

    name = "EmaCross"
    Parameters = CrossParameters

    def warmup(self, parameters: CrossParameters, primary: BarSize) -> Mapping[BarSize, int]:
        return {primary: parameters.slow + 1}

    def indicators(self, parameters: CrossParameters, primary: BarSize) -> Mapping[BarSize, Sequence[IndicatorSpec]]:
        return {
            primary: (
                IndicatorSpec("ema", parameters.fast, name="fast"),
                IndicatorSpec("ema", parameters.slow, name="slow"),
            )
        }

    def on_bar(self, context: BarContext[CrossParameters]) -> Signal | None:
        fast, slow = context.value("fast"), context.value("slow")
        was_fast, was_slow = context.value("fast", back=1), context.value("slow", back=1)
        if fast is None or slow is None or was_fast is None or was_slow is None or not context.parameters.trades:
            return None
        if context.position.is_long:
            if fast < slow and was_fast >= was_slow:
                return Signal(SignalType.EXIT, "crossed downwards", {"fast": fast, "slow": slow})
        elif fast > slow and was_fast <= was_slow:
            return Signal(SignalType.ENTER_LONG, "crossed upwards", {"fast": fast, "slow": slow})
        return None
