"""What an operation's runner needs of a strategy that runs, be it in this process or in one of its own."""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping

from live_trading.domain.bar_size import BarSize
from live_trading.domain.market import Bar
from live_trading.strategies.base import FLAT, Signal, StrategyPosition


class StrategyAdapter(ABC):
    """One strategy with one set of parameters over one symbol's bars.

    ``warmup`` is how many bars of each size it needs before its first signal, ``history`` how many to begin with, so
    that a restarted operation decides as one that ran on.
    """

    warmup: Mapping[BarSize, int]
    history: Mapping[BarSize, int]

    @property
    @abstractmethod
    def ready(self) -> bool:
        """Whether every size has as many bars as the strategy needs."""

    @property
    @abstractmethod
    def indicators(self) -> Mapping[BarSize, Mapping[str, float | None]]:
        """The indicators' values at the last bar of each size; empty where there was none. To be stored with bars."""

    @abstractmethod
    async def begin(self, bars: Mapping[BarSize, Iterable[Bar]]) -> None:
        """Forget everything and read these bars, oldest first, without asking for signals."""

    @abstractmethod
    async def answer(self, bar: Bar, position: StrategyPosition = FLAT) -> Signal | None:
        """Take the next closed bar; the strategy's answer if it triggers. Raises :class:`StrategyFailed`."""

    @abstractmethod
    async def close(self) -> None:
        """End what runs for it. Twice is once."""
