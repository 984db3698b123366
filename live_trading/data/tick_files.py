"""Reading recorded ticks: our Parquet, anybody's CSV, and QuantConnect Lean's zips.

All readers stream: a file of any length is read with a few thousand rows in memory. A file that is not what it should
be raises one :class:`InvalidInput` that names the file, the line or row, and what is wrong with it; ticks before that
row were good. Times must not go back within a file: what is out of order is an error, never silently sorted.

Our Parquet schema, also what the recorder writes:

=================  ==================  =============================================
column             type                meaning
=================  ==================  =============================================
time_ns            int64               nanoseconds since 1970, UTC
bid, ask           string or decimal   quotes: both
price              string or decimal   trades
bid_size ask_size  string or decimal   quotes, optional: 0 where not given
size               string or decimal   trades, optional: 0 where not given
=================  ==================  =============================================

Integers and floats are taken too; a float is read as the shortest decimal that denotes it.
"""

import csv
import gzip
import io
import re
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from datetime import UTC, date, datetime
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any, Self
from zoneinfo import ZoneInfo

import pyarrow as pa  # type: ignore[import-untyped]
import pyarrow.parquet as pq  # type: ignore[import-untyped]
from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from live_trading.data.lean_files import LeanName, lean_ticks
from live_trading.domain.errors import InvalidInput
from live_trading.domain.market import QuoteTick, Tick, TradeTick, ns_from_utc

_BATCH_ROWS = 8_192
_ZERO = Decimal(0)
_EPOCH_UNITS = {"s": 9, "ms": 6, "us": 3, "ns": 0}
_FRACTION = re.compile(r"\.(\d+)")

Values = tuple[Decimal, ...]
Fields = Sequence[str]


class ColumnMapping(BaseModel):
    """Which column of a CSV file is what. Give ``bid`` and ``ask`` for quotes, or ``price`` for trades."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    time: str = Field(description="the column of the time")
    time_format: str = Field(
        default="iso",
        description='"iso" (2014-05-08T12:00:00.123456789Z), "s", "ms", "us", "ns" (since 1970), or a strptime pattern',
    )
    timezone: str = Field(default="UTC", description="the time zone of times that tell none")
    bid: str | None = None
    ask: str | None = None
    price: str | None = None
    size: str | None = None
    bid_size: str | None = None
    ask_size: str | None = None
    header: bool = Field(default=True, description="without a header line, columns are named by position: 0, 1, 2 …")
    delimiter: str = Field(default=",", min_length=1, max_length=1)

    @field_validator("timezone")
    @classmethod
    def _known_zone(cls, name: str) -> str:
        try:
            ZoneInfo(name)
        except (KeyError, ValueError, OSError) as error:
            raise ValueError(f"{name!r} is not a time zone; use a name as Europe/Paris or UTC") from error
        return name

    @model_validator(mode="after")
    def _quotes_or_trades(self) -> Self:
        quotes = self.bid is not None and self.ask is not None
        if (self.bid is None) != (self.ask is None) or quotes == (self.price is not None):
            raise ValueError("give bid and ask for quotes, or price for trades")
        return self

    @property
    def is_quotes(self) -> bool:
        return self.bid is not None


def read_ticks(
    path: Path | str, symbol: str | None = None, *, mapping: ColumnMapping | None = None, date: date | None = None
) -> Iterator[Tick]:
    """The ticks of a file, in order.

    With a ``mapping`` it is read as CSV (plain, ``.gz``, a ``.zip`` of one file). Otherwise ``.parquet`` is our schema
    (what the recorder wrote tells its symbol) and ``.zip`` is Lean's, whose name tells asset class, symbol and day
    (``symbol`` and ``date`` take precedence; see :mod:`live_trading.data.lean_files`). Raises :class:`InvalidInput`,
    also while iterating.
    """
    file = Path(path)
    if not file.is_file():
        raise InvalidInput(str(file), "there is no such file", "Give the path of a Parquet, CSV or Lean zip file")
    if mapping is None and file.suffix == ".zip":
        return lean_ticks(file, LeanName.parse(file), symbol, date)
    if mapping is None and file.suffix == ".parquet" and symbol is None:
        symbol = _recorded_symbol(file)
    if symbol is None:
        raise InvalidInput("symbol", f"{file.name} does not tell what it holds", 'Give a symbol, e.g. "EUR-USD"')
    if mapping is not None:
        return _csv_ticks(file, symbol, mapping)
    if file.suffix == ".parquet":
        return _parquet_ticks(file, symbol)
    raise InvalidInput(str(file), f"files of type {file.suffix or 'none'} need a column mapping", "Give a mapping")


class _Order:
    """Checks that times do not go back."""

    def __init__(self, file: Path, unit: str) -> None:
        self._file = file
        self._unit = unit
        self._last_ns = -(1 << 63)

    def check(self, time_ns: int, row: int) -> None:
        if time_ns < self._last_ns:
            back = (self._last_ns - time_ns) / 1e9
            raise InvalidInput(
                str(self._file), f"{self._unit} {row}: its time is {back:g} s before the one before", "Sort it by time"
            )
        self._last_ns = time_ns


def number(value: object) -> Decimal:
    """A finite decimal; ``ValueError`` says what else it is."""
    try:
        parsed = value if isinstance(value, Decimal) else Decimal(str(value).strip())
    except InvalidOperation:
        parsed = None
    if parsed is None or not parsed.is_finite():
        raise ValueError(f"{value!r} is not a number")
    return parsed


# -- Parquet


def _recorded_symbol(file: Path) -> str | None:
    """The symbol that the recorder wrote into the file, if it was the recorder."""
    try:
        with pq.ParquetFile(file) as parquet:
            name: bytes | None = (parquet.schema_arrow.metadata or {}).get(b"symbol")
    except (pa.ArrowException, OSError) as error:
        raise InvalidInput(str(file), f"it cannot be read as Parquet: {error}", "Record or export it again") from error
    return None if name is None else name.decode()


def _parquet_ticks(file: Path, symbol: str) -> Iterator[Tick]:
    try:
        parquet = pq.ParquetFile(file)
    except (pa.ArrowException, OSError) as error:
        raise InvalidInput(str(file), f"it cannot be read as Parquet: {error}", "Record or export it again") from error
    with parquet:
        names = set(parquet.schema_arrow.names)
        quotes = {"bid", "ask"} <= names
        if "time_ns" not in names or not (quotes or "price" in names):
            raise InvalidInput(
                str(file), f"its columns are {', '.join(sorted(names))}", "Needed are time_ns, and bid and ask or price"
            )
        if not pa.types.is_integer(parquet.schema_arrow.field("time_ns").type):
            raise InvalidInput(str(file), "time_ns is not of an integer type", "Use nanoseconds since 1970 as int64")
        optional = ("bid_size", "ask_size") if quotes else ("size",)
        wanted = ["time_ns", *(("bid", "ask") if quotes else ("price",)), *(name for name in optional if name in names)]
        order = _Order(file, "row")
        row = 0
        for batch in _batches(parquet, wanted, file):
            for record in zip(*(batch.column(name).to_pylist() for name in wanted), strict=True):
                row += 1
                values = dict(zip(wanted, record, strict=True))
                yield _parquet_tick(symbol, values, quotes, order, row, file)


def _batches(parquet: pq.ParquetFile, columns: list[str], file: Path) -> Iterator[pa.RecordBatch]:
    try:
        yield from parquet.iter_batches(batch_size=_BATCH_ROWS, columns=columns)
    except (pa.ArrowException, OSError) as error:
        raise InvalidInput(str(file), f"it is damaged: {error}", "Record or export it again") from error


def _parquet_tick(symbol: str, values: Mapping[str, Any], quotes: bool, order: _Order, row: int, file: Path) -> Tick:
    time_ns = values["time_ns"]
    if time_ns is None:
        raise InvalidInput(str(file), f"row {row}: time_ns is null", "Every tick has a time")
    order.check(time_ns, row)
    parsed: dict[str, Decimal] = {}
    for name, value in values.items():
        if name != "time_ns":
            try:
                parsed[name] = number(value)
            except ValueError as error:
                raise InvalidInput(str(file), f"row {row}: {name} {error}", "Use decimal numbers") from None
    if quotes:
        return QuoteTick(
            symbol, time_ns, parsed["bid"], parsed["ask"], parsed.get("bid_size", _ZERO), parsed.get("ask_size", _ZERO)
        )
    return TradeTick(symbol, time_ns, parsed["price"], parsed.get("size", _ZERO))


# -- CSV


@contextmanager
def _text(file: Path) -> Iterator[io.TextIOBase]:
    """The file's text, unpacked if need be."""
    if file.suffix == ".gz":
        with gzip.open(file, "rt", encoding="utf-8", newline="") as text:
            yield text
    elif file.suffix == ".zip":
        with zipfile.ZipFile(file) as archive:
            names = archive.namelist()
            if len(names) != 1:
                raise InvalidInput(str(file), f"it holds {len(names)} files", "Give a zip of one CSV file")
            with archive.open(names[0]) as raw, io.TextIOWrapper(raw, encoding="utf-8", newline="") as text:
                yield text
    else:
        with file.open(encoding="utf-8", newline="") as text:
            yield text


def _csv_ticks(file: Path, symbol: str, mapping: ColumnMapping) -> Iterator[Tick]:
    opened: AbstractContextManager[io.TextIOBase] = _text(file)
    line = 0
    try:
        with opened as text:
            reader = csv.reader(text, delimiter=mapping.delimiter, strict=True)
            columns = _columns(file, mapping, next(reader, None) if mapping.header else None)
            time_of = _time_parser(mapping)
            order = _Order(file, "line")
            for fields in reader:
                line = reader.line_num
                if fields:
                    yield _csv_tick(file, symbol, mapping, columns, fields, time_of, order, line)
    except (csv.Error, UnicodeDecodeError, EOFError, OSError, zlib.error, RuntimeError, zipfile.BadZipFile) as error:
        raise InvalidInput(str(file), f"after line {line} it cannot be read: {error}", "Export it again") from error


def _columns(file: Path, mapping: ColumnMapping, header: list[str] | None) -> dict[str, int]:
    """The position of each mapped column."""
    columns = {}
    for role in ("time", "bid", "ask", "price", "size", "bid_size", "ask_size"):
        name = getattr(mapping, role)
        if name is None:
            continue
        if not mapping.header:
            if not name.isdigit():
                raise InvalidInput(f"mapping.{role}", f"{name!r} is not a position", "Without a header use 0, 1, 2 …")
            columns[role] = int(name)
            continue
        stripped = [title.strip().lstrip("\ufeff") for title in header or []]
        if name not in stripped:
            raise InvalidInput(f"mapping.{role}", f"{file} has no column {name!r}", f"It has {', '.join(stripped)}")
        columns[role] = stripped.index(name)
    return columns


def _csv_tick(
    file: Path,
    symbol: str,
    mapping: ColumnMapping,
    columns: Mapping[str, int],
    fields: list[str],
    time_of: Callable[[str], int],
    order: _Order,
    line: int,
) -> Tick:
    role = "time"
    values: dict[str, Decimal] = {}
    time_ns = 0
    try:
        for role, position in columns.items():
            if role == "time":
                time_ns = time_of(fields[position].strip())
            else:
                values[role] = number(fields[position])
    except (ValueError, ArithmeticError) as error:
        raise InvalidInput(str(file), f"line {line}: {role}: {error}", "Correct the line or the mapping") from None
    except IndexError:
        raise InvalidInput(
            str(file),
            f"line {line}: it has {len(fields)} columns, {role} is missing",
            "Correct the line or the mapping",
        ) from None
    order.check(time_ns, line)
    if mapping.is_quotes:
        return QuoteTick(
            symbol, time_ns, values["bid"], values["ask"], values.get("bid_size", _ZERO), values.get("ask_size", _ZERO)
        )
    return TradeTick(symbol, time_ns, values["price"], values.get("size", _ZERO))


def _time_parser(mapping: ColumnMapping) -> Callable[[str], int]:
    """What turns a time's text into nanoseconds since 1970, UTC; it raises ``ValueError``."""
    zone = UTC if mapping.timezone == "UTC" else ZoneInfo(mapping.timezone)
    if mapping.time_format in _EPOCH_UNITS:
        digits = _EPOCH_UNITS[mapping.time_format]
        return lambda text: int(number(text).scaleb(digits))
    if mapping.time_format == "iso":
        return lambda text: iso_ns(text, zone)

    def by_pattern(text: str) -> int:
        at = datetime.strptime(text, mapping.time_format)  # noqa: DTZ007 - the zone is given next
        return ns_from_utc(at if at.tzinfo is not None else at.replace(tzinfo=zone))

    return by_pattern


def iso_ns(text: str, zone: Any = UTC) -> int:
    """Nanoseconds since 1970, UTC, of an ISO 8601 time with up to nine decimals (a ``datetime`` has six)."""
    fraction = _FRACTION.search(text)
    nanoseconds = 0
    if fraction is not None:
        nanoseconds = int(fraction.group(1)[:9].ljust(9, "0"))
        text = text[: fraction.start()] + text[fraction.end() :]
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise ValueError(f"{text!r} is not an ISO 8601 time") from None
    return ns_from_utc(at if at.tzinfo is not None else at.replace(tzinfo=zone)) + nanoseconds
