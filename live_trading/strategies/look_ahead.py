"""Does a strategy look ahead? Its signals on each prefix of the bars must be the prefix of its signals.

What a strategy of one's own is held to before it trades, and what the project's tests hold the built-in ones to. A
strategy gets no bar that had not ended; but one that reads a file, keeps what an earlier run saw or lets pandas fill a
column from the end may know more than it could live, and looks better in a backtest than it is.
"""

from collections.abc import Callable, Collection, Iterable, Sequence
from decimal import Decimal
from typing import Any, NamedTuple

from pydantic import BaseModel

from live_trading.domain.bar_size import BarSize
from live_trading.domain.instrument import Instrument
from live_trading.domain.market import Bar
from live_trading.domain.values import SignalType
from live_trading.runtime import Clock, SystemClock
from live_trading.strategies.base import FLAT, Signal, Strategy, StrategyPosition
from live_trading.strategies.live_adapter import LiveStrategyAdapter, in_order


class SignalAt(NamedTuple):
    """A signal, and the bar on whose close it was given."""

    bar: Bar
    signal: Signal


class LookAhead(NamedTuple):
    """Where a strategy signalled otherwise when it had less of the future: the first difference found."""

    cut: int
    """The number of bars that it had."""
    with_future: SignalAt | None
    without: SignalAt | None


MakeStrategy = Callable[[Sequence[Bar]], Strategy[Any]]
"""Makes the strategy for a run; it is told all bars of the run, so that one that would read them all can be tested."""


def run_strategy(
    strategy: Strategy[Any],
    parameters: BaseModel,
    bars: Iterable[Bar],
    primary: BarSize,
    *,
    instrument: Instrument | None = None,
    clock: Clock | None = None,
) -> list[SignalAt]:
    """The signals on bars of one symbol, of every size the strategy needs, each carried out at the close.

    A plain run for tests and first looks: no costs, no stops, no Gatekeeper. For those there is the backtest.
    """
    ordered = in_order(bars, primary)
    if not ordered:
        return []
    sizes: Collection[BarSize] = {bar.bar_size for bar in ordered} | {primary}
    symbol = ordered[0].symbol
    running = LiveStrategyAdapter(
        strategy, parameters, symbol, sizes, primary, clock or SystemClock(), time_budget=60, instrument=instrument
    )
    position, signals = FLAT, []
    for bar in ordered:
        signal = running.on_bar(bar, position)
        if signal is not None:
            signals.append(SignalAt(bar, signal))
            position = _after(signal, position, bar)
    return signals


def first_look_ahead(
    make: MakeStrategy,
    parameters: BaseModel,
    bars: Sequence[Bar],
    primary: BarSize,
    cuts: Iterable[int],
    *,
    instrument: Instrument | None = None,
) -> LookAhead | None:
    """Cut the bars, in the order of their ends, at each of ``cuts``, and compare; None where nothing differs."""
    ordered = in_order(bars, primary)
    every = run_strategy(make(ordered), parameters, ordered, primary, instrument=instrument)
    for cut in cuts:
        prefix = ordered[:cut]
        if not prefix:
            continue
        known = {bar.start_ns for bar in prefix if bar.bar_size is primary}
        expected = [each for each in every if each.bar.start_ns in known]
        given = run_strategy(make(prefix), parameters, prefix, primary, instrument=instrument)
        for index in range(max(len(expected), len(given))):
            one = expected[index] if index < len(expected) else None
            other = given[index] if index < len(given) else None
            if one != other:
                return LookAhead(cut, one, other)
    return None


def _after(signal: Signal, position: StrategyPosition, bar: Bar) -> StrategyPosition:
    """The position once a signal is carried out at the close."""
    if signal.type is SignalType.EXIT:
        return FLAT
    way = 1 if signal.type is SignalType.ENTER_LONG else -1
    if position.quantity * way > 0:
        return position
    return StrategyPosition(Decimal(way), bar.close)
