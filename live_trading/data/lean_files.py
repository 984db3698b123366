"""QuantConnect Lean's data files: forex quote ticks, equity trade ticks, forex quote bars of a minute and an hour.

The layout is described in Lean's ``Data/forex/readme.md`` and ``Data/equity/readme.md``: zips of one CSV file without a
header, named by folder (``forex/oanda/tick/eurusd/20140508_quote.zip``) or, flattened,
``forex_oanda_tick_eurusd_20140508_quote.zip``. Times are milliseconds since midnight, for forex in UTC and for equities
in New York; hour bars carry ``YYYYMMDD HH:MM``. Equity prices are 10,000 times the price. Trades that the source marked
as suspicious are left out, as Lean does.
"""

import io
import re
import zipfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import TypeVar
from zoneinfo import ZoneInfo

from live_trading.domain.bar_size import BarSize
from live_trading.domain.errors import InvalidInput
from live_trading.domain.market import Bar, Ohlc, QuoteTick, Tick, TradeTick, ns_from_utc

_NAME = re.compile(
    r"(?:^|_)(?P<asset_class>forex|equity)_(?P<market>[a-z]+)_(?P<resolution>tick|minute|hour)_(?P<symbol>[a-z.]+)"
    r"(?:_(?P<date>\d{8})_(?P<kind>quote|trade))?$"
)
_DAY_MS = 86_400_000
_MS_NS = 1_000_000
_EQUITY_SCALE = Decimal("0.0001")

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class LeanName:
    """What a Lean file's name tells."""

    asset_class: str
    resolution: str
    symbol: str
    day: date | None
    kind: str

    @classmethod
    def parse(cls, file: Path) -> "LeanName":
        """Read the name, of folders and file or flattened; :class:`InvalidInput` shows what it should look like."""
        flat = re.sub(r"[/\\]", "_", file.with_suffix("").as_posix().lower())
        found = _NAME.search(flat)
        if found is None:
            raise InvalidInput(
                str(file),
                "its name does not tell what it holds",
                "A Lean file is named as forex_oanda_tick_eurusd_20140508_quote.zip or lies in folders of these names; "
                "for other files give a column mapping",
            )
        day = None if found["date"] is None else datetime.strptime(found["date"], "%Y%m%d").replace(tzinfo=UTC).date()
        kind = found["kind"] or ("quote" if found["asset_class"] == "forex" else "trade")
        return cls(found["asset_class"], found["resolution"], found["symbol"], day, kind)

    @property
    def our_symbol(self) -> str:
        """eurusd → EUR-USD, spy → SPY."""
        upper = self.symbol.upper()
        return f"{upper[:3]}-{upper[3:]}" if self.asset_class == "forex" and len(upper) == 6 else upper

    def midnight_ns(self, file: Path, day: date | None) -> int:
        """The midnight from which the file's times count."""
        chosen = day or self.day
        if chosen is None:
            raise InvalidInput("date", f"{file.name} does not tell its day", "Give the date")
        zone = ZoneInfo("America/New_York") if self.asset_class == "equity" else UTC
        return ns_from_utc(datetime(chosen.year, chosen.month, chosen.day, tzinfo=zone))


def lean_ticks(file: Path, name: LeanName, symbol: str | None = None, day: date | None = None) -> Iterator[Tick]:
    """The ticks of a Lean file. Raises :class:`InvalidInput`, also while iterating."""
    ours = symbol or name.our_symbol
    readers: dict[tuple[str, str], tuple[int, Callable[[list[str]], Tick | None]]]
    if name.resolution != "tick":
        raise InvalidInput(str(file), f"it holds {name.resolution} bars, not ticks", "Read it with read_bars")
    midnight_ns = name.midnight_ns(file, day)

    def quote(fields: list[str]) -> Tick:
        return QuoteTick(ours, midnight_ns + _milliseconds(fields[0]), _price(fields[1]), _price(fields[2]))

    def trade(fields: list[str]) -> Tick | None:
        if fields[5] != "0":
            return None
        price = _price(fields[1]) * _EQUITY_SCALE
        return TradeTick(ours, midnight_ns + _milliseconds(fields[0]), price, _price(fields[2]))

    readers = {("forex", "quote"): (3, quote), ("equity", "trade"): (6, trade)}
    reader = readers.get((name.asset_class, name.kind))
    if reader is None:
        raise InvalidInput(
            str(file), f"{name.asset_class} {name.kind} ticks are not supported", "Use forex quotes or equity trades"
        )
    return _rows(file, *reader, lambda tick: tick.time_ns)


def read_bars(path: Path | str, symbol: str | None = None, *, date: date | None = None) -> Iterator[Bar]:
    """The bars of a Lean file of forex quote bars, by the minute or the hour: mid bars with bid and ask.

    The mid's open and close are exact; its high and low are the middle of the two sides' highs and lows, which need
    not have been at the same moment. Raises :class:`InvalidInput`, also while iterating.
    """
    file = Path(path)
    if not file.is_file():
        raise InvalidInput(str(file), "there is no such file", "Give the path of a Lean zip of quote bars")
    name = LeanName.parse(file)
    if name.resolution == "tick" or name.asset_class != "forex":
        raise InvalidInput(
            str(file), f"it holds {name.asset_class} {name.resolution} data", "Use forex quote bars of minute or hour"
        )
    bar_size = BarSize.MIN_1 if name.resolution == "minute" else BarSize.HOUR_1
    ours = symbol or name.our_symbol
    midnight_ns = name.midnight_ns(file, date) if name.resolution == "minute" else 0

    def bar(fields: list[str]) -> Bar:
        start_ns = _stamp_ns(fields[0]) if bar_size is BarSize.HOUR_1 else midnight_ns + _milliseconds(fields[0])
        bid, ask = Ohlc(*map(_price, fields[1:5])), Ohlc(*map(_price, fields[6:10]))
        mid = Ohlc(*((one + other) / 2 for one, other in zip(bid, ask, strict=True)))
        return Bar(ours, bar_size, start_ns, mid.open, mid.high, mid.low, mid.close, bid=bid, ask=ask)

    return _rows(file, 10, bar, lambda each: each.start_ns)


def _rows(file: Path, columns: int, parse: Callable[[list[str]], T | None], time_of: Callable[[T], int]) -> Iterator[T]:
    """Every row parsed; None from ``parse`` leaves a row out."""
    line = 0
    last_ns = -(1 << 63)
    try:
        with _single(file) as text:
            for line, content in enumerate(text, start=1):
                fields = content.rstrip("\r\n").split(",")
                if len(fields) < columns:
                    raise _bad(file, line, f"it has {len(fields)} columns, {columns} are needed")
                try:
                    parsed = parse(fields)
                except (ValueError, InvalidOperation) as error:
                    raise _bad(file, line, str(error)) from None
                if parsed is None:
                    continue
                time_ns = time_of(parsed)
                if time_ns < last_ns:
                    raise _bad(file, line, f"its time is {(last_ns - time_ns) / 1e9:g} s before the one before")
                last_ns = time_ns
                yield parsed
    except (zipfile.BadZipFile, zlib.error, EOFError, UnicodeDecodeError, OSError, RuntimeError) as error:
        raise InvalidInput(str(file), f"after line {line} it cannot be read: {error}", "Download it again") from error


def _single(file: Path) -> io.TextIOWrapper:
    archive = zipfile.ZipFile(file)
    names = archive.namelist()
    if len(names) != 1:
        archive.close()
        raise InvalidInput(str(file), f"it holds {len(names)} files", "A Lean zip holds one CSV file")
    raw = archive.open(names[0])
    archive.close()  # the member keeps the file open as long as it needs it
    return io.TextIOWrapper(raw, encoding="ascii")


def _bad(file: Path, line: int, problem: str) -> InvalidInput:
    return InvalidInput(str(file), f"line {line}: {problem}", "Correct the line, or download the file again")


def _price(text: str) -> Decimal:
    try:
        value = Decimal(text)
    except InvalidOperation:
        raise ValueError(f"{text!r} is not a number") from None
    if not value.is_finite():
        raise ValueError(f"{text!r} is not a number")
    return value


def _milliseconds(text: str) -> int:
    """Milliseconds since midnight, perhaps with decimals, as nanoseconds."""
    value = int(text) * _MS_NS if text.isdigit() else int(_price(text) * _MS_NS)
    if not 0 <= value < _DAY_MS * _MS_NS:
        raise ValueError(f"{text} is not a time of day in milliseconds (0 to {_DAY_MS - 1})")
    return value


def _stamp_ns(text: str) -> int:
    try:
        return ns_from_utc(datetime.strptime(text, "%Y%m%d %H:%M").replace(tzinfo=UTC))
    except ValueError:
        raise ValueError(f"{text!r} is not a time as 20140508 21:00") from None
