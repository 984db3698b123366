"""Indicators that are kept up bar by bar, declared by strategies.

All values equal TA-Lib's, from the first on. The arithmetic is talipp's (https://github.com/nardew/talipp), which is
incremental; where talipp begins otherwise it is ours (:mod:`live_trading.data.seeded_indicators`). talipp keeps every
value it was ever given; :class:`IndicatorSet` lets it keep a few hundred, so that an operation can run for years.
Values are floats: they decide, they are never money.
"""

import math
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from math import isfinite
from typing import Any

from talipp.indicators import (  # type: ignore[import-untyped]
    BB,
    ROC,
    SMA,
    DonchianChannels,
    StdDev,
)

from live_trading.data.seeded_indicators import Adx, Atr, Ema, Macd, Prices, Rsi, Stochastic
from live_trading.domain.errors import InvalidInput
from live_trading.domain.market import Bar

MAX_PERIOD = 5_000
"""The longest look-back an indicator may have, in bars."""

_SETTLED = 1e-12
"""What is left of an indicator's beginning, as a part of it, when it is called settled."""

_OURS = (Adx, Atr, Ema, Macd, Rsi, Stochastic)

_SPARE = 64
"""talipp tells "just enough values" by counting what it holds, so never purge down to near a period."""

_NAME = re.compile(r"^[a-z][a-z0-9_]{0,63}$")


@dataclass(frozen=True, slots=True)
class _Kind:
    """How one kind of indicator is built, what it takes in and how its value is read."""

    parameters: tuple[str, ...]
    build: Callable[..., Any]
    whole_bar: bool = False
    outputs: Mapping[str, str] | None = None  # suffix of the name → attribute; None: the value is one number
    # How slowly it forgets: for each exponential average in it, which parameter is its period, and the denominator of
    # its weight: (period + 1) / 2 for ordinary ones, the period for Wilder's.
    exponential: tuple[str, ...] = ()
    wilder: tuple[str, ...] = ()


_KINDS: Mapping[str, _Kind] = {
    "sma": _Kind(("period",), SMA),
    "ema": _Kind(("period",), Ema, exponential=("period",)),
    "rsi": _Kind(("period",), Rsi, wilder=("period",)),
    "roc": _Kind(("period",), ROC),
    "stddev": _Kind(("period",), StdDev),
    "atr": _Kind(("period",), Atr, whole_bar=True, wilder=("period",)),
    "adx": _Kind(
        ("period",),
        Adx,
        whole_bar=True,
        outputs={"": "adx", "_plus": "plus_di", "_minus": "minus_di"},
        wilder=("period", "period"),
    ),
    "macd": _Kind(
        ("fast", "slow", "signal"),
        Macd,
        outputs={"": "macd", "_signal": "signal", "_histogram": "histogram"},
        exponential=("slow", "signal"),
    ),
    "bollinger": _Kind(("period", "deviations"), BB, outputs={"_lower": "lb", "_middle": "cb", "_upper": "ub"}),
    "donchian": _Kind(
        ("period",), DonchianChannels, whole_bar=True, outputs={"_lower": "lb", "_middle": "cb", "_upper": "ub"}
    ),
    "stochastic": _Kind(("period", "smoothing"), Stochastic, whole_bar=True, outputs={"_k": "k", "_d": "d"}),
}


class _Kept:
    """One of talipp's indicators, held to a few hundred values."""

    def __init__(self, indicator: Any, look_back: int) -> None:
        self._indicator = indicator
        self._kept = look_back + _SPARE
        self._held = 0

    def add(self, value: Any) -> Any:
        """Take the next value; the indicator's own, None while there is none."""
        indicator = self._indicator
        indicator.add(value)
        self._held += 1
        if self._held >= 2 * self._kept:
            indicator.purge_oldest(self._held - self._kept)
            self._held = self._kept
        return indicator[-1]


class IndicatorSpec:
    """One indicator: its kind and its parameters, all in bars save Bollinger's ``deviations``.

    ``IndicatorSpec("ema", 20)`` gives the value ``ema_20``; ``IndicatorSpec("macd", 12, 26, 9)`` the values
    ``macd_12_26_9``, ``macd_12_26_9_signal`` and ``macd_12_26_9_histogram``. ``name`` replaces the first part.
    Kinds: sma, ema, rsi, roc (percent), stddev (of the population), atr (Wilder's), adx, macd, bollinger, donchian,
    stochastic.
    """

    __slots__ = ("kind", "name", "parameters")

    def __init__(self, kind: str, *parameters: int | float, name: str | None = None) -> None:
        if kind not in _KINDS:
            raise InvalidInput("indicators", f"{kind!r} is not a kind of indicator", f"Use one of {', '.join(_KINDS)}")
        wanted = _KINDS[kind].parameters
        if len(parameters) != len(wanted):
            raise InvalidInput("indicators", f"{kind} has {len(parameters)} parameters", f"Give {', '.join(wanted)}")
        for parameter, value in zip(wanted, parameters, strict=True):
            whole = parameter == "deviations" or value == int(value)
            if not whole or not 0 < value <= MAX_PERIOD:
                raise InvalidInput(
                    f"indicators.{kind}.{parameter}", f"{value} is out of range", f"Use 1 to {MAX_PERIOD} bars"
                )
        if kind == "macd" and parameters[0] >= parameters[1]:
            raise InvalidInput(
                "indicators.macd.fast", f"{parameters[0]} is not below slow, {parameters[1]}", "Swap the two"
            )
        self.kind = kind
        self.parameters = parameters
        self.name = name or "_".join([kind, *(f"{value:g}".replace(".", "p") for value in parameters)])
        if not _NAME.match(self.name):
            raise InvalidInput("indicators", f"{self.name!r} is not a name", "Use a-z, 0-9 and _, a letter first")

    @property
    def look_back(self) -> int:
        """Bars after which it has a value, at the latest."""
        periods = [value for value in self.parameters if value == int(value)]
        return int(2 * max(periods) + sum(periods))

    @property
    def settled(self) -> int:
        """Bars after which its value no longer tells where it began, to one part in 10¹²: what to warm it up with so
        that a restarted operation decides as one that ran on. At least :attr:`look_back`."""
        kind = _KINDS[self.kind]
        periods = dict(zip(kind.parameters, self.parameters, strict=True))
        weights = [2 / (periods[name] + 1) for name in kind.exponential] + [1 / periods[name] for name in kind.wilder]
        forgetting = sum(math.ceil(math.log(_SETTLED) / math.log1p(-weight)) for weight in weights if weight < 1)
        return self.look_back + forgetting

    @property
    def names(self) -> tuple[str, ...]:
        """The names of its values."""
        outputs = _KINDS[self.kind].outputs
        return (self.name,) if outputs is None else tuple(self.name + suffix for suffix in outputs)

    def __repr__(self) -> str:
        return f"IndicatorSpec({self.name})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, IndicatorSpec) and self._key() == other._key()

    def __hash__(self) -> int:
        return hash(self._key())

    def _key(self) -> tuple[Any, ...]:
        return self.kind, self.parameters, self.name


class IndicatorSet:
    """Several indicators over one series of bars, each kept up with one step a bar. Memory is bounded."""

    def __init__(self, specs: Iterable[IndicatorSpec]) -> None:
        self.specs = tuple(dict.fromkeys(specs))
        names = [name for spec in self.specs for name in spec.names]
        twice = {name for name in names if names.count(name) > 1}
        if twice:
            raise InvalidInput("indicators", f"{', '.join(sorted(twice))} named twice", "Give one of them a name")
        kinds = [(spec, _KINDS[spec.kind]) for spec in self.specs]
        self._running = [(spec.name, kind.whole_bar, kind.outputs, _started(spec).add) for spec, kind in kinds]
        self._whole_bars = any(kind.whole_bar for _, kind in kinds)

    @property
    def names(self) -> tuple[str, ...]:
        """The names of all values, in the order of the specs."""
        return tuple(name for spec in self.specs for name in spec.names)

    def update(self, bar: Bar) -> dict[str, float | None]:
        """Take the next bar; return every value by name, None where too few bars were seen."""
        values: dict[str, float | None] = {}
        if not self._running:
            return values
        close = float(bar.close)
        whole = None
        if self._whole_bars:
            whole = Prices(float(bar.open), float(bar.high), float(bar.low), close, float(bar.volume))
        for name, is_whole, outputs, add in self._running:
            value = add(whole if is_whole else close)
            if outputs is None:
                values[name] = value if value is None or isfinite(value) else None
            else:
                for suffix, attribute in outputs.items():
                    values[name + suffix] = None if value is None else _number(getattr(value, attribute))
        return values


def _started(spec: IndicatorSpec) -> Any:
    """The indicator itself, ready for its first value."""
    indicator = _KINDS[spec.kind].build(*_arguments(spec))
    return indicator if isinstance(indicator, _OURS) else _Kept(indicator, spec.look_back)


def _arguments(spec: IndicatorSpec) -> list[int | float]:
    names = _KINDS[spec.kind].parameters
    return [value if name == "deviations" else int(value) for name, value in zip(names, spec.parameters, strict=True)]


def _number(value: float | None) -> float | None:
    """The value as a plain float, None where there is none (or none that means anything)."""
    return None if value is None or not isfinite(value) else float(value)
