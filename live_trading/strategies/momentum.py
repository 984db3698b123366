"""Momentum: goes with a trend that has just begun to move."""

from collections.abc import Mapping, Sequence
from typing import Self

from pydantic import Field, model_validator

from live_trading.data.indicators import IndicatorSpec
from live_trading.domain.bar_size import BarSize
from live_trading.domain.values import SignalType
from live_trading.strategies.base import BarContext, Signal, Strategy, StrategyParameters


class MomentumParameters(StrategyParameters):
    """Periods are in bars of the primary size."""

    fast_period: int = Field(default=8, ge=2, le=500, description="bars of the fast exponential average")
    slow_period: int = Field(default=21, ge=3, le=1000, description="bars of the slow exponential average")
    momentum_period: int = Field(default=5, ge=1, le=500, description="bars over which the price's change is measured")
    min_momentum: float = Field(
        default=0.0, ge=0, le=100, description="least change over these bars for an entry, in percent of the price"
    )
    rsi_period: int = Field(default=14, ge=2, le=500, description="bars of the relative strength index")
    overbought: float = Field(
        default=80.0, gt=50, le=100, description="no long entry above this RSI; mirrored for short"
    )
    entry_window: int = Field(default=3, ge=1, le=50, description="bars after its beginning in which a move is entered")
    allow_short: bool = Field(default=True, description="whether falling markets are sold short")

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.fast_period >= self.slow_period:
            raise ValueError("fast_period must be below slow_period")
        return self


class MomentumStrategy(Strategy[MomentumParameters]):
    """Follows moves of one bar size.

    An upward move is on while the fast exponential average is above the slow one and the price rose by more than
    ``min_momentum`` percent over ``momentum_period`` bars. Flat, it enters long when an upward move is on that was not
    on at some bar of the last ``entry_window`` (a move is entered at its beginning or not at all, so a stop is not
    followed by the same entry again), unless RSI is above ``overbought``. It leaves a long position when the fast
    average falls below the slow one. Downward moves are the mirror image.
    """

    name = "MomentumStrategy"
    Parameters = MomentumParameters

    def warmup(self, parameters: MomentumParameters, primary: BarSize) -> Mapping[BarSize, int]:
        longest = max(2 * parameters.slow_period, parameters.momentum_period + 1, parameters.rsi_period + 1)
        return {primary: longest + parameters.entry_window}

    def indicators(self, parameters: MomentumParameters, primary: BarSize) -> Mapping[BarSize, Sequence[IndicatorSpec]]:
        return {
            primary: (
                IndicatorSpec("ema", parameters.fast_period, name="fast"),
                IndicatorSpec("ema", parameters.slow_period, name="slow"),
                IndicatorSpec("roc", parameters.momentum_period, name="momentum"),
                IndicatorSpec("rsi", parameters.rsi_period, name="rsi"),
            )
        }

    def on_bar(self, context: BarContext[MomentumParameters]) -> Signal | None:
        parameters = context.parameters
        fast, slow = context.value("fast"), context.value("slow")
        momentum, rsi = context.value("momentum"), context.value("rsi")
        if fast is None or slow is None or momentum is None or rsi is None:
            return None
        inputs = {"fast": fast, "slow": slow, "momentum": momentum, "rsi": rsi}
        if context.position.is_long:
            return Signal(SignalType.EXIT, "the upward trend is over", inputs) if fast < slow else None
        if context.position.is_short:
            return Signal(SignalType.EXIT, "the downward trend is over", inputs) if fast > slow else None
        if rsi <= parameters.overbought and _begins(context, up=True):
            return Signal(SignalType.ENTER_LONG, "an upward move has begun", inputs)
        if parameters.allow_short and rsi >= 100 - parameters.overbought and _begins(context, up=False):
            return Signal(SignalType.ENTER_SHORT, "a downward move has begun", inputs)
        return None


def _begins(context: BarContext[MomentumParameters], *, up: bool) -> bool:
    """Whether a move is on now that was not on at some bar of the entry window before."""
    window = range(1, context.parameters.entry_window + 1)
    return _is_on(context, 0, up) and not all(_is_on(context, back, up) for back in window)


def _is_on(context: BarContext[MomentumParameters], back: int, up: bool) -> bool:
    fast, slow = context.value("fast", back=back), context.value("slow", back=back)
    momentum = context.value("momentum", back=back)
    if fast is None or slow is None or momentum is None:
        return False
    least = context.parameters.min_momentum
    return (fast > slow and momentum > least) if up else (fast < slow and momentum < -least)
