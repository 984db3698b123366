"""The numbers a model is shown, each declared by a name: ``return:5``, ``rsi:14``, ``ema_ratio:20``.

A model is only as good as the likeness of what it sees to what it learned from. So the vector is not computed by code
beside the model but declared with it, from closed bars and indicators that equal TA-Lib's, and can be computed the same
way over any recorded bars.

=====================  =========================================================================================
name                   value
=====================  =========================================================================================
open high low close    the bar's prices
volume                 its volume
body, range            close - open, high - low, as parts of the close
return:N               close over the close N bars before, less 1
log_return:N           the natural logarithm of that quotient
volume_ratio:N         volume over the mean volume of N bars, 1 where there is none
sma_ratio:N            close over the simple average of N closes, less 1
ema_ratio:N            the same with the exponential average
zscore:N               how many standard deviations the close is from the average of N closes, 0 where there is none
rsi:N adx:N            0 to 100
atr_ratio:N            average true range over the close
roc:N                  rate of change, in percent
macd_ratio:F:S:G       MACD's histogram over the close
bollinger:N            where the close is between the bands of 2 deviations: 0 at the lower, 1 at the upper
stochastic:N:M         %K, 0 to 100
hour_sin, hour_cos     the time of day of the bar's start, UTC, as a point on a circle
weekday                0 for Monday to 6
position               1 long, 0 flat, -1 short
=====================  =========================================================================================
"""

import math
import re
from collections.abc import Callable, Sequence
from typing import Any

from live_trading.data.indicators import IndicatorSpec
from live_trading.domain.errors import InvalidInput
from live_trading.strategies.base import BarContext

_NAME = re.compile(r"^([a-z_]+)((?::\d+)*)$")

Value = Callable[[BarContext[Any], int], float | None]
"""A feature's value some bars back; None while there is none."""


class Feature:
    """One declared number. ``needed`` is how many bars it looks at, ``spec`` the indicator it reads, if any."""

    def __init__(self, declared: str) -> None:
        found = _NAME.match(declared)
        kind = found[1] if found else ""
        periods = tuple(int(part) for part in found[2].split(":")[1:]) if found else ()
        if kind not in _KINDS or len(periods) != _KINDS[kind][0] or not all(periods):
            known = ", ".join(name + ":N" * count for name, (count, _, _) in _KINDS.items())
            raise InvalidInput("strategy_config.features", f"{declared!r} is not a feature", f"Known are {known}")
        _, indicator, value = _KINDS[kind]
        self.declared = declared
        self.spec = None if indicator is None else indicator(*periods)
        self.needed = self.spec.look_back if self.spec is not None else max(periods, default=0) + 1
        self._value = value
        self._periods = periods

    def value(self, context: BarContext[Any], back: int) -> float | None:
        """Its value ``back`` bars ago; None while it, or what it is measured by, is not known."""
        if back + self.needed > len(context.bars[context.primary]) and self.spec is None:
            return None
        found: float | None = self._value(context, back, self.spec, self._periods)
        return found if found is None or math.isfinite(found) else None


def _close(context: BarContext[Any], back: int) -> float:
    return float(context.bars[context.primary][-1 - back].close)


def _field(name: str) -> Callable[..., float]:
    return lambda context, back, spec, periods: float(getattr(context.bars[context.primary][-1 - back], name))


def _part(one: str, other: str) -> Callable[..., float | None]:
    def value(context: BarContext[Any], back: int, spec: None, periods: Sequence[int]) -> float | None:
        bar = context.bars[context.primary][-1 - back]
        return float((getattr(bar, one) - getattr(bar, other)) / bar.close) if bar.close else None

    return value


def _quotient(context: BarContext[Any], back: int, spec: None, periods: Sequence[int]) -> float | None:
    before = _close(context, back + periods[0])
    return _close(context, back) / before if before else None


def _return(context: BarContext[Any], back: int, spec: None, periods: Sequence[int]) -> float | None:
    quotient = _quotient(context, back, spec, periods)
    return None if quotient is None else quotient - 1


def _log_return(context: BarContext[Any], back: int, spec: None, periods: Sequence[int]) -> float | None:
    quotient = _quotient(context, back, spec, periods)
    return math.log(quotient) if quotient is not None and quotient > 0 else None


def _volume_ratio(context: BarContext[Any], back: int, spec: None, periods: Sequence[int]) -> float:
    bars = context.bars[context.primary]
    last = len(bars) - back
    volumes = [float(bar.volume) for bar in bars[last - periods[0] : last]]
    mean = sum(volumes) / len(volumes)
    return volumes[-1] / mean if mean else 1.0


def _indicator(suffix: str = "") -> Callable[..., float | None]:
    return lambda context, back, spec, periods: context.value(spec.name + suffix, back=back)


def _over_close(suffix: str = "") -> Callable[..., float | None]:
    def value(context: BarContext[Any], back: int, spec: IndicatorSpec, periods: Sequence[int]) -> float | None:
        found, close = context.value(spec.name + suffix, back=back), _close(context, back)
        return found / close if found is not None and close else None

    return value


def _from_average(context: BarContext[Any], back: int, spec: IndicatorSpec, periods: Sequence[int]) -> float | None:
    average = context.value(spec.name, back=back)
    return _close(context, back) / average - 1 if average else None


def _within_bands(middle: bool) -> Callable[..., float | None]:
    def value(context: BarContext[Any], back: int, spec: IndicatorSpec, periods: Sequence[int]) -> float | None:
        lower, upper = (context.value(f"{spec.name}_{side}", back=back) for side in ("lower", "upper"))
        if lower is None or upper is None:
            return None
        width, close = upper - lower, _close(context, back)
        if middle:
            return (close - (lower + upper) / 2) / (width / 4) if width else 0.0
        return (close - lower) / width if width else 0.5

    return value


def _clock(wave: Callable[[float], float]) -> Callable[..., float]:
    def value(context: BarContext[Any], back: int, spec: None, periods: Sequence[int]) -> float:
        start = context.bars[context.primary][-1 - back].start
        return wave(2 * math.pi * (start.hour * 60 + start.minute) / 1440)

    return value


def _weekday(context: BarContext[Any], back: int, spec: None, periods: Sequence[int]) -> float:
    return float(context.bars[context.primary][-1 - back].start.weekday())


def _position(context: BarContext[Any], back: int, spec: None, periods: Sequence[int]) -> float:
    return float(context.position.is_long) - float(context.position.is_short)


def _spec(kind: str, *more: float) -> Callable[..., IndicatorSpec]:
    return lambda *periods: IndicatorSpec(kind, *periods, *more)


_KINDS: dict[str, tuple[int, Callable[..., IndicatorSpec] | None, Callable[..., float | None]]] = {
    **{name: (0, None, _field(name)) for name in ("open", "high", "low", "close", "volume")},
    "body": (0, None, _part("close", "open")),
    "range": (0, None, _part("high", "low")),
    "return": (1, None, _return),
    "log_return": (1, None, _log_return),
    "volume_ratio": (1, None, _volume_ratio),
    "sma_ratio": (1, _spec("sma"), _from_average),
    "ema_ratio": (1, _spec("ema"), _from_average),
    "zscore": (1, _spec("bollinger", 2.0), _within_bands(middle=True)),
    "rsi": (1, _spec("rsi"), _indicator()),
    "adx": (1, _spec("adx"), _indicator()),
    "atr_ratio": (1, _spec("atr"), _over_close()),
    "roc": (1, _spec("roc"), _indicator()),
    "macd_ratio": (3, _spec("macd"), _over_close("_histogram")),
    "bollinger": (1, _spec("bollinger", 2.0), _within_bands(middle=False)),
    "stochastic": (2, _spec("stochastic"), _indicator("_k")),
    "hour_sin": (0, None, _clock(math.sin)),
    "hour_cos": (0, None, _clock(math.cos)),
    "weekday": (0, None, _weekday),
    "position": (0, None, _position),
}
