"""Where an operation's bars are kept, so that a restart warms its strategy up with what it saw before.

One port, two stores: in memory for virtual time, in MongoDB (:mod:`live_trading.data.mongo_bar_store`) for the rest.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from datetime import date
from typing import NamedTuple

from bson import ObjectId

from live_trading.domain.bar_size import BarSize
from live_trading.domain.market import Bar


class StoredBar(NamedTuple):
    """A bar with the values its operation's indicators had at its close."""

    bar: Bar
    indicators: Mapping[str, float | None] = {}
    from_history: bool = False
    """It came from the broker's history, not from the live feed: no strategy was asked about it when it closed."""


class MissingBars(NamedTuple):
    """Bars that are not there: neither the feed nor the broker's history had them. Recorded, never invented."""

    symbol: str
    bar_size: BarSize
    start_ns: int
    end_ns: int
    missing: int
    reason: str


class ArchivedBar(NamedTuple):
    """A bar in the archive, which is by asset: the operation it belonged to comes with it."""

    operation_id: ObjectId
    stored: StoredBar


class BarStore(ABC):
    """Bars by operation and bar size, each start once."""

    @abstractmethod
    async def write(self, operation_id: ObjectId, bars: Sequence[StoredBar]) -> None:
        """Keep bars. One that is there already is replaced: written twice after a crash is written once, and a bar
        from the broker's history takes the place of a filled one."""

    @abstractmethod
    async def last(self, operation_id: ObjectId, bar_size: BarSize, count: int) -> list[StoredBar]:
        """The last ``count`` bars, oldest first; fewer where there are fewer."""

    @abstractmethod
    async def record_missing(self, operation_id: ObjectId, missing: MissingBars) -> None:
        """Keep a record of bars that are missing. The same start recorded again is replaced."""

    @abstractmethod
    async def missing(self, operation_id: ObjectId, bar_size: BarSize) -> list[MissingBars]:
        """What is missing, oldest first."""

    @abstractmethod
    async def retain(self, operation_id: ObjectId, bar_size: BarSize, keep: int) -> int:
        """Move all but the last ``keep`` bars into the archive; how many were moved.

        To be called after every write: it does its work only now and then, so up to :func:`slack` bars more than
        ``keep`` may be there.
        """

    @abstractmethod
    async def archived(self, asset: str, bar_size: BarSize, day: date) -> list[ArchivedBar]:
        """The archive's bars of one UTC day, by operation and start."""


def slack(keep: int) -> int:
    """How many bars more than ``keep`` may gather before they are moved: a tenth, 10 to 1,000."""
    return min(max(keep // 10, 10), 1_000)


class MemoryBarStore(BarStore):
    """In memory, for virtual time. Its archive is bounded by nothing: not for a long-running engine."""

    def __init__(self) -> None:
        self._bars: dict[tuple[ObjectId, BarSize], dict[int, StoredBar]] = {}
        self._archive: dict[tuple[str, BarSize, date], dict[tuple[ObjectId, int], ArchivedBar]] = {}
        self._missing: dict[tuple[ObjectId, BarSize], dict[int, MissingBars]] = {}

    async def write(self, operation_id: ObjectId, bars: Sequence[StoredBar]) -> None:
        for stored in bars:
            series = self._bars.setdefault((operation_id, stored.bar.bar_size), {})
            series[stored.bar.start_ns] = stored._replace(indicators=dict(stored.indicators))

    async def last(self, operation_id: ObjectId, bar_size: BarSize, count: int) -> list[StoredBar]:
        series = self._bars.get((operation_id, bar_size), {})
        starts = sorted(series)
        return [series[start] for start in starts[max(0, len(starts) - count) :]]

    async def record_missing(self, operation_id: ObjectId, missing: MissingBars) -> None:
        self._missing.setdefault((operation_id, missing.bar_size), {})[missing.start_ns] = missing

    async def missing(self, operation_id: ObjectId, bar_size: BarSize) -> list[MissingBars]:
        known = self._missing.get((operation_id, bar_size), {})
        return [known[start] for start in sorted(known)]

    async def retain(self, operation_id: ObjectId, bar_size: BarSize, keep: int) -> int:
        series = self._bars.get((operation_id, bar_size), {})
        if len(series) < keep + slack(keep):
            return 0
        moved = sorted(series)[: len(series) - keep]
        for start in moved:
            stored = series.pop(start)
            day = self._archive.setdefault((stored.bar.symbol, bar_size, stored.bar.start.date()), {})
            day[operation_id, start] = ArchivedBar(operation_id, stored)
        return len(moved)

    async def archived(self, asset: str, bar_size: BarSize, day: date) -> list[ArchivedBar]:
        bars = self._archive.get((asset, bar_size, day), {})
        return [bars[key] for key in sorted(bars)]
