"""Runs one strategy for one operation: keeps its bars and indicators, and asks it when a primary bar closes.

Alignment. Bars come in the order in which they ended. When a bar of the primary size closes, the strategy sees the
other sizes' bars that had ended by then, a bar that ended at that very instant included: it is closed, so nothing of it
lies in the future. For that, of bars with the same end the primary one must be handed in last; :meth:`in_order` sorts
them so. A bar that ended after the primary one is never shown, even if it was handed in already.

A bar marked ``filled`` moves the indicators but does not trigger: nothing happened in it, and it is given out late.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any

from pydantic import BaseModel

from live_trading.data.indicators import IndicatorSet
from live_trading.domain.bar_size import BarSize
from live_trading.domain.errors import InvalidInput
from live_trading.domain.instrument import Instrument
from live_trading.domain.market import Bar
from live_trading.runtime import Clock
from live_trading.strategies.adapter import StrategyAdapter
from live_trading.strategies.base import FLAT, BarContext, Signal, Strategy, StrategyFailed, StrategyPosition

DEFAULT_TIME_BUDGET = 1.0
"""Seconds a strategy and its indicators may take for one bar."""

HEAVY_TIME_BUDGET = 10.0
"""The same for a strategy that says it is heavy."""


def in_order(bars: Iterable[Bar], primary: BarSize) -> list[Bar]:
    """Bars in the order in which they are to be handed in: by their end, the primary size last at the same end."""
    return sorted(bars, key=lambda bar: _turn(bar, primary))


def seen_before(bars: Iterable[Bar], bar: Bar, primary: BarSize) -> list[Bar]:
    """Those of these bars that are handed in before ``bar`` is."""
    turn = _turn(bar, primary)
    return [each for each in bars if _turn(each, primary) < turn]


def _turn(bar: Bar, primary: BarSize) -> tuple[int, bool, int]:
    return bar.end_ns, bar.bar_size is primary, bar.bar_size.nanoseconds


class _Series:
    """The last closed bars of one size and their indicators, oldest first; ``kept`` of them are shown."""

    __slots__ = ("bar_size", "bars", "count", "kept", "most", "needed", "update", "values")

    def __init__(self, bar_size: BarSize, needed: int, shown: int, indicators: IndicatorSet) -> None:
        self.bar_size = bar_size
        self.needed = needed
        self.kept = max(needed, shown, 2)
        self.most = 2 * self.kept  # letting go of many at once is cheaper than of one with every bar
        self.update = indicators.update
        self.bars: list[Bar] = []
        self.values: list[dict[str, float | None]] = []
        self.count = 0

    def append(self, bar: Bar) -> None:
        bars = self.bars
        bars.append(bar)
        self.values.append(self.update(bar))
        self.count += 1
        if len(bars) > self.most:
            del bars[: -self.kept]
            del self.values[: -self.kept]

    def ended_by(self, end_ns: int) -> tuple[Sequence[Bar], Sequence[dict[str, float | None]]]:
        """The last ``kept`` bars that ended by ``end_ns``, with their indicators."""
        bars = self.bars
        last = len(bars)
        while last and bars[last - 1].end_ns > end_ns:
            last -= 1
        first = last - self.kept if last > self.kept else 0
        return bars[first:last], self.values[first:last]


class LiveStrategyAdapter(StrategyAdapter):
    """One strategy with one set of parameters over one instrument's bars.

    ``symbol`` is the one it is shown the bars of. ``bar_sizes`` are the operation's; sizes the strategy asks for that
    are not among them raise :class:`InvalidInput`. ``time_budget`` is in seconds by ``clock``; None takes the default.
    """

    def __init__(
        self,
        strategy: Strategy[Any],
        parameters: BaseModel,
        symbol: str,
        bar_sizes: Collection[BarSize],
        primary: BarSize,
        clock: Clock,
        *,
        time_budget: float | None = None,
        instrument: Instrument | None = None,
    ) -> None:
        self.strategy = strategy
        self.parameters = parameters
        self.symbol = symbol
        self.primary = primary
        self.bar_sizes = tuple(bar_sizes)
        self.last_duration = 0.0
        """Seconds the strategy took for the last bar it was asked about."""
        self._clock = clock
        default = HEAVY_TIME_BUDGET if strategy.heavy else DEFAULT_TIME_BUDGET
        self._time_budget = default if time_budget is None else time_budget
        self._instrument = instrument
        self.warmup: Mapping[BarSize, int] = strategy.warmup(parameters, primary)
        """Bars of each size that are needed before the first signal."""
        self._window = strategy.window(parameters, primary)
        self._specs = strategy.indicators(parameters, primary)
        self.history: Mapping[BarSize, int] = self._history()
        """Bars of each size to warm up with, so that a restarted operation decides as one that ran on: what the
        strategy needs, and as many as its indicators take to forget where they began."""
        lacking = [size for size in {*self.warmup, *self._window, *self._specs, primary} if size not in self.bar_sizes]
        if lacking:
            names = ", ".join(size.value for size in sorted(lacking, key=lambda each: each.seconds))
            raise InvalidInput(
                "bar_sizes",
                f"{strategy.name} looks at {names}, which is not among them",
                "Add it to bar_sizes, or change the strategy's parameters",
            )
        self._begin_anew()

    def _begin_anew(self) -> None:
        self._ready = False
        self._series = {
            size: _Series(
                size, self.warmup.get(size, 0), self._window.get(size, 0), IndicatorSet(self._specs.get(size, ()))
            )
            for size in self.bar_sizes
        }
        self._own = self._series[self.primary]
        self._others = [series for size, series in self._series.items() if size is not self.primary]

    def _history(self) -> Mapping[BarSize, int]:
        return {
            size: max(self.warmup.get(size, 0), self._window.get(size, 0))
            + max((spec.settled for spec in self._specs.get(size, ())), default=0)
            for size in {**self.warmup, **self._window, **self._specs}
        }

    @property
    def ready(self) -> bool:
        """Whether every size has as many bars as the strategy needs."""
        if not self._ready:  # once it is, it stays so
            self._ready = all(series.count >= series.needed for series in self._series.values())
        return self._ready

    @property
    def indicators(self) -> Mapping[BarSize, Mapping[str, float | None]]:
        """The indicators' values at the last bar of each size; empty where there was none. To be stored with bars."""
        return {size: series.values[-1] if series.values else {} for size, series in self._series.items()}

    def in_order(self, bars: Iterable[Bar]) -> list[Bar]:
        """Bars in the order in which they are to be handed in: by their end, the primary size last at the same end."""
        return in_order(bars, self.primary)

    def warm_up(self, bars: Mapping[BarSize, Iterable[Bar]]) -> None:
        """Forget everything and read these bars, oldest first, without asking for signals."""
        self._begin_anew()
        for size, several in bars.items():
            for bar in several:
                self._take(size, bar)

    async def begin(self, bars: Mapping[BarSize, Iterable[Bar]]) -> None:
        self.warm_up(bars)

    async def answer(self, bar: Bar, position: StrategyPosition = FLAT) -> Signal | None:
        return self.on_bar(bar, position)

    async def close(self) -> None:
        """Nothing runs beside this process."""

    def on_bar(self, bar: Bar, position: StrategyPosition = FLAT) -> Signal | None:
        """Take the next closed bar; the strategy's answer if it triggers. Raises :class:`StrategyFailed`.

        A bar of a size that is not the operation's, or not later than the last one of its size (told twice after a
        restart), changes nothing.
        """
        started = self._clock.monotonic()
        try:
            taken = self._take(bar.bar_size, bar)
            if not taken or bar.bar_size is not self.primary or bar.filled or not (self._ready or self.ready):
                return None
            signal = self.strategy.on_bar(self._context(bar, position))
        except Exception as error:
            raise StrategyFailed(self.strategy.name, bar, f"{type(error).__name__}: {error}") from error
        self.last_duration = self._clock.monotonic() - started
        if self.last_duration > self._time_budget:
            reason = f"it took {self.last_duration:.3f} s, its time budget is {self._time_budget:g} s"
            raise StrategyFailed(self.strategy.name, bar, reason)
        if signal is not None:
            self._check(bar, signal)
        return signal

    def asked_again(self, bar: Bar, position: StrategyPosition) -> Signal | None:
        """What the strategy would have answered the last bar had the position been another one. Changes nothing."""
        if bar.filled or not self.ready:
            return None
        try:
            return self.strategy.on_bar(self._context(bar, position))
        except Exception as error:
            raise StrategyFailed(self.strategy.name, bar, f"{type(error).__name__}: {error}") from error

    def _take(self, bar_size: BarSize, bar: Bar) -> bool:
        series = self._series.get(bar_size)
        if series is None or (series.bars and bar.start_ns <= series.bars[-1].start_ns):
            return False
        series.append(bar)
        return True

    def _context(self, bar: Bar, position: StrategyPosition) -> BarContext[Any]:
        own, primary = self._own, self.primary  # the last of its own bars is the one that triggers
        first = -own.kept
        bars: dict[BarSize, Sequence[Bar]] = {primary: own.bars[first:]}
        indicators: dict[BarSize, Sequence[dict[str, float | None]]] = {primary: own.values[first:]}
        for series in self._others:
            size = series.bar_size
            bars[size], indicators[size] = series.ended_by(bar.end_ns)
        fields = (self.symbol, primary, self.parameters, bars, indicators, position, self._instrument)
        return tuple.__new__(BarContext, fields)  # the same as BarContext(…), which takes three times as long

    def _check(self, bar: Bar, signal: object) -> None:
        """What a strategy answers comes from outside: it is checked before anything is made of it."""
        if not isinstance(signal, Signal):
            raise StrategyFailed(self.strategy.name, bar, f"it answered {type(signal).__name__}, not Signal or None")
        for name in ("stop_loss", "take_profit", "limit_price", "stop_price"):
            price = getattr(signal, name)
            if price is not None and not (isinstance(price, Decimal) and price.is_finite()):
                raise StrategyFailed(self.strategy.name, bar, f"its {name} {price!r} is not a finite Decimal")
