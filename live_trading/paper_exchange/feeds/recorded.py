"""Recorded ticks from one or several files, merged in time order."""

import heapq
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from live_trading.domain.errors import InvalidInput
from live_trading.domain.market import Tick

TickSource = Callable[[], Iterator[Tick]]


@dataclass(frozen=True, slots=True)
class RecordedFile:
    """A file of ticks: our Parquet, a CSV with a column mapping, or a Lean zip (``live_trading.data.tick_files``)."""

    path: Path
    symbol: str | None = None
    mapping: Any = None

    def __call__(self) -> Iterator[Tick]:
        from live_trading.data.tick_files import read_ticks  # what only a replay needs is imported by a replay

        return read_ticks(self.path, self.symbol, mapping=self.mapping)


class RecordedFeed:
    """The ticks of ``sources``. A source is a function that starts reading from the beginning."""

    recorded = True

    def __init__(self, sources: Sequence[TickSource]) -> None:
        self._sources = tuple(sources)
        self._given = 0
        self._ticks = self._merged()
        firsts = [next(source(), None) for source in self._sources]
        present = [tick for tick in firsts if tick is not None]
        if not present:
            raise InvalidInput("ticks", "there is no tick in it", "Give a file with ticks")
        self.symbols = tuple(dict.fromkeys(tick.symbol for tick in present))
        self.start_ns = min(tick.time_ns for tick in present)

    def _merged(self) -> Iterator[Tick]:
        return heapq.merge(*(source() for source in self._sources), key=lambda tick: tick.time_ns)

    def next(self) -> Tick | None:
        tick = next(self._ticks, None)
        self._given += tick is not None
        return tick

    def state(self) -> Any:
        return {"ticks": self._given}

    def restore(self, state: Any) -> None:
        self._given = int(state["ticks"])
        self._ticks = islice(self._merged(), self._given, None)
