"""Straddle by trend: sells an option while the trend of its underlying is not against it."""

from collections.abc import Mapping, Sequence
from datetime import time
from typing import Self

from pydantic import Field, model_validator

from live_trading.data.indicators import IndicatorSpec
from live_trading.domain.bar_size import BarSize
from live_trading.domain.errors import InvalidInput
from live_trading.domain.instrument import Instrument, OptionContract
from live_trading.domain.values import OptionRight, SignalType
from live_trading.strategies.base import BarContext, Signal, Strategy, StrategyParameters
from live_trading.strategies.exchange_time import TimeOfDay, ZoneName, local_start

_TREND = {1: "up", 0: "sideways", -1: "down"}


class StraddleParameters(StrategyParameters):
    """Averages are of the underlying, in bars of the primary size; times are those of the exchange's clock."""

    fast_period: int = Field(default=20, ge=2, le=500, description="bars of the underlying's fast average")
    slow_period: int = Field(default=50, ge=3, le=1000, description="bars of the underlying's slow average")
    adx_period: int = Field(default=14, ge=2, le=200, description="bars of its average directional index")
    min_adx: float = Field(default=20.0, ge=0, le=100, description="ADX below which it has no trend: it goes sideways")
    sell_sideways: bool = Field(
        default=True, description="whether to sell in a sideways market: both legs are a straddle"
    )
    max_moneyness: float = Field(
        default=0.02, gt=0, le=1, description="no entry when the strike is further from the underlying, as a fraction"
    )
    max_days: int = Field(default=45, ge=0, le=1000, description="no entry when more days remain to expiry")
    exit_days: int = Field(default=0, ge=0, le=1000, description="left when no more days than this remain to expiry")
    timezone: ZoneName = Field(default="America/New_York", description="the exchange's time zone")
    entry_from: TimeOfDay = Field(default=time(9, 45), description="no entry by a bar that begins earlier")
    entry_until: TimeOfDay = Field(default=time(15, 0), description="no entry by a bar that begins later")
    flat_at: TimeOfDay | None = Field(
        default=time(15, 45), description="time of day at which the option is bought back; null holds it overnight"
    )

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.fast_period >= self.slow_period:
            raise ValueError("fast_period must be below slow_period")
        if self.entry_from >= self.entry_until or (self.flat_at is not None and self.entry_until > self.flat_at):
            raise ValueError("entry_from, entry_until and flat_at must follow each other")
        if self.exit_days > self.max_days:
            raise ValueError("exit_days must not be above max_days")
        return self


class StraddleStrategy(Strategy[StraddleParameters]):
    """One leg of a short straddle, or of a bet that the underlying will not go one way.

    The operation trades one option; the strategy is shown the bars of its underlying. A put is sold while the
    underlying goes up or sideways, a call while it goes down or sideways. With one operation on the put and one on the
    call, a sideways market has both sold (a straddle), and a trend only the one it moves away from. It is entered when
    that begins to hold within the entry hours, so a stop is not followed by the same entry again, and bought back when
    the trend turns against it, at ``flat_at`` or before expiry.
    """

    name = "StraddleStrategy"
    Parameters = StraddleParameters

    def follows(self, parameters: StraddleParameters, instrument: Instrument) -> str:
        return _option(instrument).underlying

    def warmup(self, parameters: StraddleParameters, primary: BarSize) -> Mapping[BarSize, int]:
        return {primary: max(parameters.slow_period, 2 * parameters.adx_period) + 2}

    def indicators(self, parameters: StraddleParameters, primary: BarSize) -> Mapping[BarSize, Sequence[IndicatorSpec]]:
        return {
            primary: (
                IndicatorSpec("ema", parameters.fast_period, name="fast"),
                IndicatorSpec("ema", parameters.slow_period, name="slow"),
                IndicatorSpec("adx", parameters.adx_period, name="adx"),
            )
        }

    def on_bar(self, context: BarContext[StraddleParameters]) -> Signal | None:
        option = _option(context.instrument)
        trend = _trend(context, 0)
        if trend is None:
            return None
        inputs = {
            "underlying": option.underlying,
            "underlying_close": float(context.bar.close),
            "right": option.right.value,
            "strike": float(option.strike),
            "days_to_expiry": _days_left(context, option, 0),
            "trend": _TREND[trend],
            "fast": context.value("fast"),
            "slow": context.value("slow"),
            "adx": context.value("adx"),
        }
        if context.position.is_short:
            reason = _why_leave(context, option, trend)
            return None if reason is None else Signal(SignalType.EXIT, reason, inputs)
        if context.position.is_long:  # never of our making: we only sell
            return None
        if _may_sell(context, option, 0) and not _may_sell(context, option, 1):
            reason = f"{option.underlying} goes {_TREND[trend]}: the {option.right.value.lower()} is sold"
            return Signal(SignalType.ENTER_SHORT, reason, inputs)
        return None


def _option(instrument: Instrument | None) -> OptionContract:
    if instrument is None or instrument.option is None:
        named = "nothing" if instrument is None else instrument.symbol
        raise InvalidInput(
            "asset", f"StraddleStrategy trades options, {named} is none", "Choose an option as the asset"
        )
    return instrument.option


def _trend(context: BarContext[StraddleParameters], back: int) -> int | None:
    """1 up, -1 down, 0 sideways; None while it is not known."""
    fast, slow, adx = (context.value(name, back=back) for name in ("fast", "slow", "adx"))
    if fast is None or slow is None or adx is None:
        return None
    if adx < context.parameters.min_adx or fast == slow:
        return 0
    return 1 if fast > slow else -1


def _is_against(option: OptionContract, trend: int) -> bool:
    """Whether the underlying moves towards where the option's seller loses."""
    return trend == (-1 if option.right is OptionRight.PUT else 1)


def _days_left(context: BarContext[StraddleParameters], option: OptionContract, back: int) -> int:
    bar = context.bars[context.primary][-1 - back]
    return (option.last_day - local_start(bar, context.parameters.timezone).date()).days


def _may_sell(context: BarContext[StraddleParameters], option: OptionContract, back: int) -> bool:
    """Whether everything for an entry held at a bar."""
    parameters, trend = context.parameters, _trend(context, back)
    if trend is None or _is_against(option, trend) or (trend == 0 and not parameters.sell_sideways):
        return False
    bar = context.bars[context.primary][-1 - back]
    if not parameters.entry_from <= local_start(bar, parameters.timezone).time() <= parameters.entry_until:
        return False
    if abs(option.strike / bar.close - 1) > parameters.max_moneyness:
        return False
    return parameters.exit_days < _days_left(context, option, back) <= parameters.max_days


def _why_leave(context: BarContext[StraddleParameters], option: OptionContract, trend: int) -> str | None:
    parameters = context.parameters
    if _days_left(context, option, 0) <= parameters.exit_days:
        return "the option is about to expire"
    if _is_against(option, trend):
        return f"{option.underlying} goes {_TREND[trend]}, against the {option.right.value.lower()}"
    local = local_start(context.bar, parameters.timezone)
    if parameters.flat_at is not None and not parameters.entry_from <= local.time() < parameters.flat_at:
        return "the session's time is up"
    return None
