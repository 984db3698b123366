"""Where one operation's bars come from and go to, beside the live feed: the store, the broker's history, gaps.

The strategy is shown the bars of one symbol, nearly always the traded one's. Where it follows another (an option's
underlying), that one's bars are kept under an id of their own: the operation's, with 1 as its last part.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence

import structlog
from bson import ObjectId
from pymongo.errors import PyMongoError

from live_trading.data import Gap, StoredBar, gap_between
from live_trading.domain.bar_size import BarSize
from live_trading.domain.ids import Kind, derived_id
from live_trading.domain.instrument import Instrument
from live_trading.domain.market import Bar
from live_trading.engine.context import EngineContext
from live_trading.engine.warm_up import warm_up_bars
from live_trading.projections.state import Operation

_log = structlog.get_logger(__name__)

Bars = dict[BarSize, list[Bar]]
Indicators = Mapping[BarSize, Mapping[str, float | None]]


def followed_series_id(operation_number: int) -> ObjectId:
    """The id under which the bars of a followed symbol are kept, that is not the traded one."""
    return derived_id(Kind.OPERATION, operation_number, 1)


class BarSupply:
    """The bars of one operation. ``wake`` is called when a gap has been dealt with."""

    def __init__(
        self, context: EngineContext, operation: Operation, instrument: Instrument, wake: Callable[[], None]
    ) -> None:
        self.traded = instrument
        self.followed = instrument
        """What the strategy is shown the bars of."""
        self.is_filling = False
        """A gap is being asked about: bars after it must wait."""
        self.has_filled = False
        """Bars came for a gap: what the strategy saw must be read anew."""
        self._context = context
        self._number = operation.number
        self._wake = wake
        self._kept: dict[BarSize, int] = {}
        self._last_known: dict[tuple[str, BarSize], Bar] = {}

    @property
    def follows_another(self) -> bool:
        """Whether the strategy is shown another symbol than the traded one."""
        return self.followed is not self.traded

    async def follow(self, symbol: str, operation: Operation) -> None:
        """Show the strategy this symbol's bars. Raises ``InvalidInput`` where the broker does not know it."""
        if symbol != self.traded.symbol:
            self.followed = await self._context.session(operation).broker.resolve(symbol)

    def _series(self, symbol: str) -> ObjectId:
        if symbol == self.traded.symbol:
            return derived_id(Kind.OPERATION, self._number)
        return followed_series_id(self._number)

    # -- before the live feed

    async def warm_up(self, operation: Operation, instrument: Instrument, needed: Mapping[BarSize, int]) -> Bars:
        """The last bars of an instrument, stored ones completed from the broker's history."""
        self._kept = {size: max(count, self._kept.get(size, 0)) for size, count in needed.items()}
        series = self._series(instrument.symbol)
        bars = await warm_up_bars(self._context, operation, instrument, series, needed)
        if self._context.config.keeps_bars:
            self._last_known |= {(instrument.symbol, size): several[-1] for size, several in bars.items() if several}
        return bars

    @property
    def is_joining(self) -> bool:
        """Whether some size's first live bar is still to come."""
        return bool(self._last_known)

    def joined(self, bars: Iterable[Bar]) -> list[Bar | Gap]:
        """Live bars, with what lies between the last known bar and the first live one of a size put before it."""
        result: list[Bar | Gap] = []
        for bar in bars:
            last = self._last_known.pop((bar.symbol, bar.bar_size), None)
            if last is not None and last.end_ns < bar.start_ns:
                gap = gap_between(self._instrument(bar.symbol), last, bar)
                result += [gap] if gap is not None else []
            result.append(bar)
        return result

    # -- gaps

    def fill(self, operation: Operation, gap: Gap) -> None:
        """Begin to ask about a gap; until it is dealt with, :attr:`is_filling`."""
        self.is_filling = True
        self._context.runtime.tasks.start(self._fill(operation, gap), f"operation {self._number}: gap")

    async def _fill(self, operation: Operation, gap: Gap) -> None:
        try:
            filling = self._context.back_fill(operation)
            found = await filling.fill(self._series(gap.symbol), self._instrument(gap.symbol), gap)
            self.has_filled = self.has_filled or bool(found)
        except (PyMongoError, OSError) as error:
            _log.warning("a gap was not recorded", operation=self._number, reason=str(error))
        finally:
            self.is_filling = False
            self._wake()

    async def read_anew(self, instrument: Instrument, needed: Mapping[BarSize, int]) -> Bars | None:
        """The last stored bars of an instrument, after a gap was filled; None where they cannot be read."""
        self.has_filled = False
        series = self._series(instrument.symbol)
        try:
            return {
                size: [stored.bar for stored in await self._context.bars.last(series, size, count)]
                for size, count in needed.items()
            }
        except PyMongoError as error:
            _log.warning("stored bars could not be read", operation=self._number, reason=str(error))
            return None

    def _instrument(self, symbol: str) -> Instrument:
        return self.traded if symbol == self.traded.symbol else self.followed

    # -- the store

    async def store(self, bars: Sequence[Bar], indicators: Indicators, retention: int) -> None:
        """Keep bars, the last of each size with its indicators; move what is too old into the archive."""
        latest = {(bar.symbol, bar.bar_size): bar.start_ns for bar in bars}
        rows: dict[ObjectId, list[StoredBar]] = {}
        for bar in bars:
            is_last = bar.symbol == self.followed.symbol and latest[bar.symbol, bar.bar_size] == bar.start_ns
            stored = StoredBar(bar, indicators.get(bar.bar_size, {}) if is_last else {})
            rows.setdefault(self._series(bar.symbol), []).append(stored)
        store = self._context.bars
        try:
            for series, several in rows.items():
                await store.write(series, several)
            for symbol, size in latest:
                await store.retain(self._series(symbol), size, max(retention, self._kept.get(size, 0)))
        except (PyMongoError, OSError) as error:
            # Bars can be had again from the broker's history; trading does not wait for them.
            _log.warning("bars were not stored", operation=self._number, reason=str(error))
