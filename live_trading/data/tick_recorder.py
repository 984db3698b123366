"""Records all ticks to Parquet, by session, to be played again: ``{directory}/{asset}/{date}.parquet``.

While a session goes on its ticks are in parts, ``{directory}/{asset}/{date}/000001.parquet`` and so on, each a whole
file, written every half a minute; a crash loses what was not written yet, nothing else. When the next session has begun
the parts become one file. :func:`read_session` reads either; each file is one that
:func:`~live_trading.data.tick_files.read_ticks` reads.

The date is the one on which the session closes in the exchange's time zone, as exchanges name their trading days.
Within a file times do not go back: ticks are held for two seconds, in which late ones find their place; those that are
later still are counted, and not recorded.
"""

import asyncio
import json
from collections.abc import Iterable, Iterator, Sequence
from datetime import date
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pyarrow as pa  # type: ignore[import-untyped]
import structlog

from live_trading.data.bar_archive import folder_name
from live_trading.data.durable_parquet import open_file, replace_file
from live_trading.data.tick_files import read_ticks
from live_trading.data.trading_days import TradingCalendar
from live_trading.domain.instrument import Instrument
from live_trading.domain.market import QuoteTick, Tick
from live_trading.runtime import Clock, utc_from_ns

_log = structlog.get_logger(__name__)

DEFAULT_CAPACITY = 200_000
"""Ticks held in memory at most, over all assets; more are dropped, and counted."""

FLUSH_INTERVAL = 30.0
"""Seconds between two parts: what a crash may lose."""

HELD_NS = 2_000_000_000
"""How long a tick waits for those that are late."""

_QUOTES = ("bid", "ask", "bid_size", "ask_size")
_TRADES = ("price", "size")
_SYMBOL, _PARTS, _LAST = b"symbol", b"parts", b"last_ns"


class TickRecorder:
    """Records the ticks of the instruments it was told to :meth:`follow`.

    :meth:`put` never waits; :meth:`run` writes, in a thread. A directory belongs to one recorder.
    """

    def __init__(
        self,
        directory: Path,
        clock: Clock,
        *,
        capacity: int = DEFAULT_CAPACITY,
        interval: float = FLUSH_INTERVAL,
        held_ns: int = HELD_NS,
    ) -> None:
        self.directory = directory
        self.recorded = 0
        """Ticks written."""
        self.dropped = 0
        """Ticks dropped because the buffer was full."""
        self.late = 0
        """Ticks that came after later ones had been written."""
        self._clock = clock
        self._capacity = capacity
        self._interval = interval
        self._held_ns = held_ns
        self._waiting = 0
        self._assets: dict[str, _Asset] = {}
        self._writing = asyncio.Lock()

    def follow(self, instrument: Instrument) -> None:
        """Record this instrument's ticks from now on. Twice is once."""
        if instrument.symbol not in self._assets:
            self._assets[instrument.symbol] = _Asset(instrument, self.directory / folder_name(instrument.symbol))

    def put(self, tick: Tick) -> None:
        """Take a tick, never waiting."""
        asset = self._assets.get(tick.symbol)
        if asset is None or isinstance(tick, QuoteTick) is not asset.is_quotes:
            return
        if self._waiting >= self._capacity:
            self.dropped += 1
            return
        asset.waiting.append(tick)
        self._waiting += 1

    async def run(self) -> None:
        """Write for ever, once every half a minute. A disk that fails stops the recording of what waits, not more."""
        while True:
            await self._clock.sleep(self._interval)
            try:
                await self.flush()
            except OSError as error:
                _log.warning("ticks were not recorded", directory=str(self.directory), reason=str(error))

    async def flush(self, *, everything: bool = False) -> None:
        """Write what has waited long enough, or ``everything``."""
        async with self._writing:
            due = {asset: asset.take(0 if everything else self._held_ns) for asset in self._assets.values()}
            self._waiting -= sum(len(ticks) for ticks in due.values())
            for asset, ticks in due.items():
                if ticks:
                    written = await asyncio.to_thread(asset.write, ticks)
                    self.recorded += written
                    self.late += len(ticks) - written

    async def close(self) -> None:
        """Write what waits. A session that goes on keeps its parts, to be continued."""
        await self.flush(everything=True)


def recorded_files(directory: Path, asset: str, day: date) -> list[Path]:
    """A session's files in the order in which they are to be read; none where nothing was recorded."""
    folder = directory / folder_name(asset) / day.isoformat()
    file = folder.with_suffix(".parquet")
    return ([file] if file.exists() else []) + _fresh_parts(folder, file)


def read_session(directory: Path, asset: str, day: date) -> Iterator[Tick]:
    """The ticks recorded of a session, in order, be it over or still going on."""
    for file in recorded_files(directory, asset, day):
        yield from read_ticks(file, asset)


class _Asset:
    """One instrument's recording."""

    def __init__(self, instrument: Instrument, folder: Path) -> None:
        self.symbol = instrument.symbol
        self.is_quotes = instrument.quote_kind == "QUOTE"
        self.waiting: list[Tick] = []
        self._folder = folder
        self._calendar = TradingCalendar(instrument.hours)
        self._zone = ZoneInfo(instrument.hours.timezone)
        self._day: tuple[int, int, date] | None = None
        self._last_ns: int | None = None

    def take(self, held_ns: int) -> list[Tick]:
        """What has waited long enough by the market's own time, in order."""
        if not self.waiting:
            return []
        self.waiting.sort(key=lambda tick: tick.time_ns)
        limit = self.waiting[-1].time_ns - held_ns
        cut = len(self.waiting)
        while held_ns and cut and self.waiting[cut - 1].time_ns > limit:
            cut -= 1
        taken, self.waiting = self.waiting[:cut], self.waiting[cut:]
        return taken

    def write(self, ticks: Sequence[Tick]) -> int:
        """Write ticks, in order, as parts of their sessions; how many. Blocks on the disk."""
        if self._last_ns is None:
            self._last_ns = self._last_written()
        last_ns = self._last_ns
        fresh = [tick for tick in ticks if tick.time_ns >= last_ns]
        for day, several in self._by_session(fresh):
            folder = self._folder / day.isoformat()
            self._write_part(folder, several)
            self._last_ns = several[-1].time_ns
            for earlier in sorted(each for each in self._folder.iterdir() if each.is_dir() and each.name < folder.name):
                _merge_parts(earlier, earlier.with_suffix(".parquet"))
        return len(fresh)

    def _by_session(self, ticks: Iterable[Tick]) -> Iterator[tuple[date, list[Tick]]]:
        day: date | None = None
        several: list[Tick] = []
        for tick in ticks:
            if (its := self._session(tick.time_ns)) != day:
                if day is not None:
                    yield day, several
                day, several = its, []
            several.append(tick)
        if day is not None:
            yield day, several

    def _session(self, time_ns: int) -> date:
        """The trading day of a time, by the date on which it closes."""
        if self._day is None or not self._day[0] <= time_ns < self._day[1]:
            day = self._calendar.day_of(time_ns)
            closes = utc_from_ns(max(day.close_ns - 1, day.start_ns)).astimezone(self._zone).date()
            self._day = (day.start_ns, day.end_ns, closes)
        return self._day[2]

    def _write_part(self, folder: Path, ticks: Sequence[Tick]) -> None:
        names = _QUOTES if self.is_quotes else _TRADES
        columns: dict[str, Any] = {"time_ns": pa.array([tick.time_ns for tick in ticks], pa.int64())}
        for name in names:
            columns[name] = pa.array([str(getattr(tick, name)) for tick in ticks], pa.string())
        metadata = {_SYMBOL: self.symbol.encode(), _LAST: str(ticks[-1].time_ns).encode()}
        table = pa.table(columns).replace_schema_metadata(metadata)
        taken = [part.name for part in _parts(folder)] + _merged_parts(folder.with_suffix(".parquet"))
        number = max((int(name.partition(".")[0]) for name in taken), default=0) + 1
        replace_file(folder / f"{number:06d}.parquet", table, self._folder, "ticks.part")

    def _last_written(self) -> int:
        """The time of the last tick that an earlier process recorded."""
        files = [*self._folder.glob("*.parquet"), *self._folder.glob("*/*.parquet")]
        return max((int(_metadata(file).get(_LAST, b"0")) for file in files), default=0)


def _parts(folder: Path) -> list[Path]:
    """A session's parts, oldest first."""
    return sorted(folder.glob("*.parquet")) if folder.is_dir() else []


def _metadata(file: Path) -> dict[bytes, bytes]:
    with open_file(file) as parquet:
        return parquet.schema_arrow.metadata or {}


def _merged_parts(file: Path) -> list[str]:
    """The names of the parts that a session's file was made of."""
    names: list[str] = json.loads(_metadata(file).get(_PARTS, b"[]")) if file.exists() else []
    return names


def _fresh_parts(folder: Path, file: Path) -> list[Path]:
    """The parts that are not in the session's file yet."""
    merged = set(_merged_parts(file))
    return [part for part in _parts(folder) if part.name not in merged]


def _merge_parts(folder: Path, file: Path) -> None:
    """Make one file of a session's parts. Parts that are in it already, as a crash may leave them, are only deleted."""
    fresh = _fresh_parts(folder, file)
    if fresh:
        tables = [_table(each) for each in ([file] if file.exists() else []) + fresh]
        names = _merged_parts(file) + [part.name for part in fresh]
        metadata = dict(tables[-1].schema.metadata) | {_PARTS: json.dumps(names).encode()}
        table = pa.concat_tables(each.replace_schema_metadata(None) for each in tables)
        replace_file(file, table.replace_schema_metadata(metadata), file.parent, "ticks.session")
    for part in folder.iterdir():  # what a crash left half written, too
        part.unlink()
    folder.rmdir()


def _table(file: Path) -> pa.Table:
    with open_file(file) as parquet:
        return parquet.read()
