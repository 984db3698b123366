"""Multi-timeframe trend: enters on a small bar size in the direction that all larger ones agree on."""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Self

from pydantic import Field, model_validator

from live_trading.data.indicators import IndicatorSpec
from live_trading.domain.bar_size import BarSize
from live_trading.domain.values import SignalType
from live_trading.strategies.base import BarContext, Signal, Strategy, StrategyParameters


class MultiTimeframeTrendParameters(StrategyParameters):
    """Periods are in bars of the size they belong to."""

    trend_bar_sizes: tuple[BarSize, ...] = Field(
        default=(BarSize.HOUR_1, BarSize.DAY_1),
        min_length=1,
        max_length=4,
        description="larger bar sizes whose trends must agree; each must be among the operation's",
    )
    trend_fast_period: int = Field(default=20, ge=2, le=500, description="bars of the trends' fast average")
    trend_slow_period: int = Field(default=50, ge=3, le=1000, description="bars of the trends' slow average")
    entry_fast_period: int = Field(default=9, ge=2, le=500, description="primary bars of the fast average")
    entry_slow_period: int = Field(default=21, ge=3, le=1000, description="primary bars of the slow average")
    entry_window: int = Field(default=3, ge=1, le=50, description="primary bars after a cross in which it is entered")
    adx_period: int = Field(default=14, ge=2, le=200, description="primary bars of the average directional index")
    min_adx: float = Field(default=15.0, ge=0, le=100, description="no entry while the primary size's ADX is below")
    stop_atr: float | None = Field(
        default=2.0, gt=0, le=50, description="stop in ATRs (14) from the close; null takes the operation's own"
    )
    allow_short: bool = Field(default=True, description="whether falling markets are sold short")

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.trend_fast_period >= self.trend_slow_period or self.entry_fast_period >= self.entry_slow_period:
            raise ValueError("a fast period must be below its slow one")
        if len(set(self.trend_bar_sizes)) != len(self.trend_bar_sizes):
            raise ValueError("trend_bar_sizes names a size twice")
        return self


class MultiTimeframeTrendStrategy(Strategy[MultiTimeframeTrendParameters]):
    """Trades with the larger trends.

    A larger size is *up* while its fast exponential average is above its slow one and its last close above the slow
    one too; *down* is the mirror image. When all are up and the primary size's fast average has crossed above its slow
    one within ``entry_window`` bars, with enough ADX, it enters long. It leaves when the primary size's averages have
    crossed back, or when the largest size is no longer up. Larger sizes are seen as their last closed bar.
    """

    name = "MultiTimeframeTrendStrategy"
    Parameters = MultiTimeframeTrendParameters

    def warmup(self, parameters: MultiTimeframeTrendParameters, primary: BarSize) -> Mapping[BarSize, int]:
        needed = dict.fromkeys(parameters.trend_bar_sizes, parameters.trend_slow_period)
        own = max(parameters.entry_slow_period, 2 * parameters.adx_period, 15) + parameters.entry_window
        return {**needed, primary: max(own, needed.get(primary, 0))}

    def indicators(
        self, parameters: MultiTimeframeTrendParameters, primary: BarSize
    ) -> Mapping[BarSize, Sequence[IndicatorSpec]]:
        trend = (
            IndicatorSpec("ema", parameters.trend_fast_period, name="trend_fast"),
            IndicatorSpec("ema", parameters.trend_slow_period, name="trend_slow"),
        )
        entry = (
            IndicatorSpec("ema", parameters.entry_fast_period, name="fast"),
            IndicatorSpec("ema", parameters.entry_slow_period, name="slow"),
            IndicatorSpec("adx", parameters.adx_period, name="adx"),
            IndicatorSpec("atr", 14, name="atr"),
        )
        wanted: dict[BarSize, tuple[IndicatorSpec, ...]] = dict.fromkeys(parameters.trend_bar_sizes, trend)
        wanted[primary] = entry + wanted.get(primary, ())
        return wanted

    def on_bar(self, context: BarContext[MultiTimeframeTrendParameters]) -> Signal | None:
        parameters = context.parameters
        fast, slow = context.value("fast"), context.value("slow")
        if fast is None or slow is None:
            return None
        trends = {size: _trend(context, size) for size in parameters.trend_bar_sizes}
        inputs: dict[str, object] = {"fast": fast, "slow": slow, "adx": context.value("adx")}
        inputs |= {f"trend_{size.value.replace(' ', '')}": trend for size, trend in trends.items()}
        if not context.position.is_flat:
            return _exit(context, trends[max(trends, key=lambda size: size.seconds)], fast - slow, inputs)
        way = next(iter(trends.values()))
        if way == 0 or any(trend != way for trend in trends.values()) or (way < 0 and not parameters.allow_short):
            return None
        adx = context.value("adx")
        if adx is None or adx < parameters.min_adx or not _has_crossed(context, way):
            return None
        kind = SignalType.ENTER_LONG if way > 0 else SignalType.ENTER_SHORT
        reason = f"all larger trends are {'up' if way > 0 else 'down'} and the averages have crossed"
        return Signal(kind, reason, inputs, stop_loss=_stop(context, way))


def _trend(context: BarContext[MultiTimeframeTrendParameters], size: BarSize) -> int:
    """1 for up, -1 for down, 0 for neither or not known yet."""
    fast, slow = context.value("trend_fast", bar_size=size), context.value("trend_slow", bar_size=size)
    if fast is None or slow is None:
        return 0
    close = float(context.bars[size][-1].close)
    if fast > slow and close > slow:
        return 1
    return -1 if fast < slow and close < slow else 0


def _exit(
    context: BarContext[MultiTimeframeTrendParameters], largest: int, difference: float, inputs: Mapping[str, object]
) -> Signal | None:
    way = 1 if context.position.is_long else -1
    if difference * way < 0:
        return Signal(SignalType.EXIT, "the averages have crossed back", inputs)
    if largest != way:
        return Signal(SignalType.EXIT, "the largest trend is over", inputs)
    return None


def _has_crossed(context: BarContext[MultiTimeframeTrendParameters], way: int) -> bool:
    """Whether the averages stand as ``way`` says now, and did not at some bar of the entry window before."""
    stands = []
    for back in range(context.parameters.entry_window + 1):
        fast, slow = context.value("fast", back=back), context.value("slow", back=back)
        if fast is None or slow is None:
            return False
        stands.append((fast - slow) * way > 0)
    return stands[0] and not all(stands)


def _stop(context: BarContext[MultiTimeframeTrendParameters], way: int) -> Decimal | None:
    distance, atr = context.parameters.stop_atr, context.value("atr")
    if distance is None or not atr:
        return None
    return context.bar.close - way * Decimal(repr(distance)) * Decimal(repr(atr))
