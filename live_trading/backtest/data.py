"""What a backtest reads: files of ticks and files of bars, told apart by their names and columns.

=====================  ================================================================================================
``.zip``               QuantConnect Lean's, named by its layout: ticks (forex quotes, equity trades), or forex quote
                       bars of a minute or an hour
``.parquet``           ours: recorded ticks (``time_ns`` …), or a day of the archive of bars (``timestamp``, ``open`` …)
``.csv``, ``.csv.gz``  with a header. Ticks: ``time`` and ``bid`` and ``ask``, or ``price`` (and ``size``). Bars:
                       ``time``, ``open``, ``high``, ``low``, ``close``, perhaps ``volume``, and ``bid_open`` …
                       ``ask_close``. Times are ISO 8601, or ``time_ns`` in nanoseconds since 1970. UTC where they tell
                       no zone
a directory            all of its ``.parquet`` files in the order of their names: one folder of the archive
=====================  ================================================================================================
"""

import csv
import gzip
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from itertools import pairwise
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq  # type: ignore[import-untyped]

from live_trading.data import ColumnMapping, read_bars, read_ticks
from live_trading.data.bar_archive import read_archived_file
from live_trading.data.lean_files import LeanName
from live_trading.data.tick_files import iso_ns, number
from live_trading.domain.bar_size import BarSize
from live_trading.domain.errors import InvalidInput
from live_trading.domain.market import Bar, Ohlc, Tick, ns_from_utc

_PRICES = ("open", "high", "low", "close")
_ZERO = Decimal(0)
_NEVER = 1 << 62


@dataclass(frozen=True, slots=True)
class Span:
    """A part of time, in nanoseconds since 1970: from ``first_ns`` on and before ``end_ns``."""

    first_ns: int = -_NEVER
    end_ns: int = _NEVER

    @classmethod
    def between(cls, first: datetime | None, end: datetime | None) -> "Span":
        """From and before aware times; None leaves an end open."""
        return cls(-_NEVER if first is None else ns_from_utc(first), _NEVER if end is None else ns_from_utc(end))

    @property
    def is_whole(self) -> bool:
        """Whether nothing is left out."""
        return self == Span()


@dataclass(frozen=True, slots=True)
class Recording:
    """Recorded data of one symbol: ticks, or (with ``bar_size``) bars. ``ticks`` or ``bars`` read it from its start."""

    name: str
    symbol: str
    bar_size: BarSize | None
    ticks: Callable[[], Iterator[Tick]] | None = None
    bars: Callable[[], Iterator[Bar]] | None = None

    @property
    def has_bars(self) -> bool:
        return self.bar_size is not None


def open_recording(paths: Sequence[Path], symbol: str | None = None, span: Span = Span()) -> Recording:
    """The data of these files, one after another in the order given, within ``span``.

    ``symbol`` is needed where the files do not tell it. Raises :class:`InvalidInput` for files that do not go together
    or cannot be read, also while they are read.
    """
    files = [file for path in paths for file in _files(Path(path))]
    if not files:
        raise InvalidInput("--data", "there is no file", "Give a file of ticks or bars")
    parts = [_open(file, symbol) for file in files]
    first = parts[0]
    for part in parts[1:]:
        if (part.symbol, part.bar_size) != (first.symbol, first.bar_size):
            raise InvalidInput(
                "--data",
                f"{part.name} has {_kind(part)}, {first.name} {_kind(first)}",
                "Give files of one symbol and one kind, in the order of their times",
            )
    name = first.name if len(parts) == 1 else f"{first.name} … {parts[-1].name}"
    if first.has_bars:
        bars = [part.bars for part in parts if part.bars is not None]
        return Recording(name, first.symbol, first.bar_size, bars=lambda: _joined_bars(bars, span))
    ticks = [part.ticks for part in parts if part.ticks is not None]
    return Recording(name, first.symbol, None, ticks=lambda: _joined_ticks(ticks, span))


def recording_of(name: str, items: Sequence[Bar] | Sequence[Tick]) -> Recording:
    """Data in memory as a recording. It must be of one symbol and in the order of time."""
    if not items:
        raise InvalidInput("--data", "there is nothing in it", "Give ticks or bars")
    first: Any = items[0]
    if isinstance(first, Bar):
        return Recording(name, first.symbol, first.bar_size, bars=lambda: iter(items))  # type: ignore[arg-type]
    return Recording(name, first.symbol, None, ticks=lambda: iter(items))  # type: ignore[arg-type]


def _kind(recording: Recording) -> str:
    kind = "ticks" if recording.bar_size is None else f'bars of "{recording.bar_size.value}"'
    return f"{kind} of {recording.symbol}"


def _files(path: Path) -> list[Path]:
    if path.is_dir():
        found = sorted(path.glob("*.parquet"))
        if not found:
            raise InvalidInput("--data", f"{path} holds no .parquet file", "Give one folder of the archive, or files")
        return found
    if not path.is_file():
        raise InvalidInput("--data", f"there is no file {path}", "Give a Lean zip, a Parquet or a CSV file")
    return [path]


def _joined_ticks(parts: Iterable[Callable[[], Iterator[Tick]]], span: Span) -> Iterator[Tick]:
    last = -_NEVER
    for part in parts:
        for tick in part():
            time_ns = tick.time_ns
            if time_ns >= span.end_ns:
                return
            if time_ns < last:
                raise InvalidInput("--data", "the files are not in the order of their times", "Give the earlier first")
            last = time_ns
            if time_ns >= span.first_ns:
                yield tick


def _joined_bars(parts: Iterable[Callable[[], Iterator[Bar]]], span: Span) -> Iterator[Bar]:
    last = -_NEVER
    for part in parts:
        for bar in part():
            start_ns = bar.start_ns
            if start_ns >= span.end_ns:
                return
            if start_ns <= last:
                raise InvalidInput("--data", f"the bar from {bar.start} does not come after the one before it", "Sort")
            last = start_ns
            if start_ns >= span.first_ns:
                yield bar


# ---- one file --------------------------------------------------------------------------------------------------------


def _open(file: Path, symbol: str | None) -> Recording:
    if file.suffix == ".zip":
        name = LeanName.parse(file)
        ours = symbol or name.our_symbol
        if name.resolution == "tick":
            return Recording(file.name, ours, None, ticks=lambda: read_ticks(file, ours))
        size = BarSize.MIN_1 if name.resolution == "minute" else BarSize.HOUR_1
        return Recording(file.name, ours, size, bars=lambda: read_bars(file, ours))
    if file.suffix == ".parquet":
        return _open_parquet(file, symbol)
    if file.name.endswith((".csv", ".csv.gz")):
        return _open_csv(file, _named(file, symbol))
    raise InvalidInput("--data", f"{file.name} is of no kind that is known", "Use Lean's .zip, .parquet, .csv, .csv.gz")


def _named(file: Path, symbol: str | None) -> str:
    if symbol is None:
        raise InvalidInput("--asset", f"{file.name} does not tell what it holds", 'Give it, such as "EUR-USD"')
    return symbol


def _open_parquet(file: Path, symbol: str | None) -> Recording:
    try:
        with pq.ParquetFile(file) as parquet:
            names = set(parquet.schema_arrow.names)
    except (OSError, ValueError) as error:
        raise InvalidInput(str(file), f"it cannot be read as Parquet: {error}", "Record or export it again") from error
    if "time_ns" in names:
        ours = _named(file, symbol)
        return Recording(file.name, ours, None, ticks=lambda: read_ticks(file, ours))
    if not {"timestamp", "bar_size", *_PRICES} <= names:
        raise InvalidInput(
            str(file),
            f"its columns are {', '.join(sorted(names))}",
            "Needed are those of recorded ticks (time_ns, bid, ask) or of the archive of bars",
        )
    first = next(_archived(file), None)
    if first is None:
        raise InvalidInput(str(file), "there is no bar in it", "Give a file with bars")
    return Recording(file.name, symbol or first.symbol, first.bar_size, bars=lambda: _archived(file))


def _archived(file: Path) -> Iterator[Bar]:
    """The bars of an archive's file; where several operations stored the same bar, one of them. Filled bars are left
    out: nothing happened in them."""
    bars = {
        each.stored.bar.start_ns: each.stored.bar for each in read_archived_file(file) if not each.stored.bar.filled
    }
    return (bars[start] for start in sorted(bars))


# ---- CSV -------------------------------------------------------------------------------------------------------------


def _header(file: Path) -> list[str]:
    try:
        with _text(file) as text:
            return [title.strip().lstrip("\ufeff") for title in next(csv.reader(text), [])]
    except (OSError, UnicodeDecodeError, EOFError) as error:
        raise InvalidInput(str(file), f"it cannot be read: {error}", "Export it again") from error


def _text(file: Path) -> Any:
    if file.suffix == ".gz":
        return gzip.open(file, "rt", encoding="utf-8", newline="")
    return file.open(encoding="utf-8", newline="")


def _open_csv(file: Path, symbol: str) -> Recording:
    columns = _header(file)
    time = next((name for name in ("time_ns", "time", "timestamp") if name in columns), None)
    if time is None:
        raise InvalidInput(str(file), f"its columns are {', '.join(columns)}", "One must be named time or time_ns")
    if set(_PRICES) <= set(columns):
        size = _size_of(file, time, columns)
        return Recording(file.name, symbol, size, bars=lambda: _csv_bars(file, symbol, size, time, columns))
    if not ({"bid", "ask"} <= set(columns) or "price" in columns):
        raise InvalidInput(
            str(file), f"its columns are {', '.join(columns)}", "Needed are bid and ask, or price, or open to close"
        )
    quotes = {"bid", "ask"} <= set(columns)
    names = ("bid", "ask", "bid_size", "ask_size") if quotes else ("price", "size")
    mapping = ColumnMapping(
        time=time,
        time_format="ns" if time == "time_ns" else "iso",
        **{name: name for name in names if name in columns},
    )
    return Recording(file.name, symbol, None, ticks=lambda: read_ticks(file, symbol, mapping=mapping))


def _rows(file: Path, columns: Sequence[str]) -> Iterator[tuple[int, dict[str, str]]]:
    line = 1
    try:
        with _text(file) as text:
            reader = csv.reader(text, strict=True)
            next(reader, None)
            for fields in reader:
                line = reader.line_num
                if not fields:
                    continue
                if len(fields) < len(columns):
                    problem = f"line {line}: it has {len(fields)} columns, {len(columns)} are needed"
                    raise InvalidInput(str(file), problem, "Correct the line")
                yield line, dict(zip(columns, fields, strict=False))
    except (csv.Error, OSError, UnicodeDecodeError, EOFError) as error:
        raise InvalidInput(str(file), f"after line {line} it cannot be read: {error}", "Export it again") from error


def _time_ns(row: dict[str, str], time: str) -> int:
    return int(row[time]) if time == "time_ns" else iso_ns(row[time].strip())


def _size_of(file: Path, time: str, columns: Sequence[str]) -> BarSize:
    """The bars' size: the shortest time between two of the first thousand."""
    starts: list[int] = []
    for line, row in _rows(file, columns):
        try:
            starts.append(_time_ns(row, time))
        except ValueError as error:
            raise InvalidInput(str(file), f"line {line}: {time}: {error}", "Correct the line") from None
        if len(starts) == 1000:
            break
    steps = [later - earlier for earlier, later in pairwise(starts)]
    shortest = min(steps, default=0)
    for size in BarSize:
        if size.nanoseconds == shortest:
            return size
    raise InvalidInput(
        str(file), f"its bars are {shortest / 1e9:g} s apart", "Use bars of a size there is, such as 1 min or 1 hour"
    )


def _csv_bars(file: Path, symbol: str, size: BarSize, time: str, columns: Sequence[str]) -> Iterator[Bar]:
    sided = {f"{side}_{name}" for side in ("bid", "ask") for name in _PRICES} <= set(columns)
    known = [name for name in columns if name in (*_PRICES, "volume") or (sided and name[4:] in _PRICES)]
    for line, row in _rows(file, columns):
        name = time
        try:
            start_ns = _time_ns(row, time)
            values: dict[str, Decimal] = {}
            for name in known:
                values[name] = number(row[name])
        except ValueError as error:
            raise InvalidInput(str(file), f"line {line}: {name}: {error}", "Correct the line") from None
        bid = ask = None
        prices = Ohlc(*(values[each] for each in _PRICES))
        if sided:  # then the price is the middle of the two, as everywhere
            bid, ask = (Ohlc(*(values[f"{side}_{each}"] for each in _PRICES)) for side in ("bid", "ask"))
            prices = Ohlc(*((one + other) / 2 for one, other in zip(bid, ask, strict=True)))
        yield Bar(symbol, size, start_ns, *prices, volume=values.get("volume", _ZERO), bid=bid, ask=ask)
