"""Old bars in Parquet files: ``{directory}/{asset}/{bar_size}/{date}.parquet``, one for each UTC day.

A file is replaced whole: written aside, made durable, renamed over the old one. Whatever moment the process dies at,
either the old or the new file is there; what was moved here is deleted elsewhere only afterwards, and moving it again
changes nothing. Prices are strings, so that they stay exact. A directory belongs to one engine: two must
not share it.
"""

import json
from collections.abc import Iterable, Mapping
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pyarrow as pa  # type: ignore[import-untyped]
from bson import ObjectId

from live_trading.data.bar_store import ArchivedBar, StoredBar
from live_trading.data.durable_parquet import open_file, replace_file
from live_trading.domain.bar_size import BarSize
from live_trading.domain.market import Bar, Ohlc
from live_trading.runtime import utc_from_ns

_PRICES = ("open", "high", "low", "close")
_SIDES = ("bid", "ask")

BAR_FIELDS = (
    pa.field("asset", pa.string(), nullable=False),
    pa.field("bar_size", pa.string(), nullable=False),
    pa.field("timestamp", pa.timestamp("ns", tz="UTC"), nullable=False),
    pa.field("ended", pa.timestamp("ns", tz="UTC")),
    *(pa.field(name, pa.string(), nullable=False) for name in (*_PRICES, "volume")),
    *(pa.field(f"{side}_{name}", pa.string()) for side in _SIDES for name in _PRICES),
    pa.field("tick_count", pa.int64(), nullable=False),
    pa.field("filled", pa.bool_(), nullable=False),
)
"""The columns of a bar, whichever file it is in. Prices are strings, so that they stay exact."""

SCHEMA = pa.schema(
    [
        pa.field("operation_id", pa.string(), nullable=False),
        *BAR_FIELDS,
        pa.field("indicators", pa.string(), nullable=False),
        pa.field("from_history", pa.bool_()),
    ]
)


class BarArchive:
    """The archive under one directory. Its methods block on the disk: call them in a thread."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory

    def path(self, asset: str, bar_size: BarSize, day: date) -> Path:
        """Where a day's bars are."""
        return self.folder(asset, bar_size) / f"{day.isoformat()}.parquet"

    def folder(self, asset: str, bar_size: BarSize) -> Path:
        """Where the days of one asset and bar size are."""
        return self.directory / folder_name(asset) / bar_size.value.replace(" ", "")

    def add(self, bars: Iterable[ArchivedBar]) -> None:
        """Add bars, durably when it returns. A bar that is there already is replaced."""
        files: dict[Path, list[ArchivedBar]] = {}
        for each in bars:
            bar = each.stored.bar
            files.setdefault(self.path(bar.symbol, bar.bar_size, bar.start.date()), []).append(each)
        for path, several in files.items():
            known = read_archived_file(path)
            merged = {(each.operation_id, each.stored.bar.start_ns): each for each in [*known, *several]}
            table = pa.Table.from_pylist([_row(merged[key]) for key in sorted(merged)], SCHEMA)
            replace_file(path, table, self.directory, "bars.archive")

    def read(self, asset: str, bar_size: BarSize, day: date) -> list[ArchivedBar]:
        """A day's bars, by operation and start; none where there is no file."""
        return read_archived_file(self.path(asset, bar_size, day))


def folder_name(asset: str) -> str:
    """An asset's name as that of a folder: "BRK.B" and ".." alike lead nowhere else."""
    return quote(asset, safe="").replace(".", "%2E")


def read_archived_file(path: Path) -> list[ArchivedBar]:
    """The bars of one file, by operation and start; none where there is no file."""
    if not path.exists():
        return []
    with open_file(path) as file:
        return [_archived(row) for row in rows_of(file.read())]


def rows_of(table: pa.Table) -> list[dict[str, Any]]:
    """A table's rows, times as whole nanoseconds: Python's own end at the microsecond."""
    for name in ("timestamp", "ended"):
        if name in table.schema.names:
            table = table.set_column(table.schema.get_field_index(name), name, table.column(name).cast(pa.int64()))
    rows: list[dict[str, Any]] = table.to_pylist()
    return rows


def bar_row(bar: Bar) -> dict[str, Any]:
    """A bar as a row."""
    row: dict[str, Any] = {
        "asset": bar.symbol,
        "bar_size": bar.bar_size.value,
        "timestamp": utc_from_ns(bar.start_ns),
        "ended": None if bar.ended_ns is None else utc_from_ns(bar.ended_ns),
        "volume": str(bar.volume),
        "tick_count": bar.tick_count,
        "filled": bar.filled,
    }
    for name in _PRICES:
        row[name] = str(getattr(bar, name))
        for side in _SIDES:
            ohlc = getattr(bar, side)
            row[f"{side}_{name}"] = None if ohlc is None else str(getattr(ohlc, name))
    return row


def bar_of(row: Mapping[str, Any]) -> Bar:
    """The bar of a row of :func:`rows_of`."""
    sides = {
        side: None if row[f"{side}_open"] is None else Ohlc(*(Decimal(row[f"{side}_{name}"]) for name in _PRICES))
        for side in _SIDES
    }
    return Bar(
        symbol=row["asset"],
        bar_size=BarSize(row["bar_size"]),
        start_ns=row["timestamp"],
        open=Decimal(row["open"]),
        high=Decimal(row["high"]),
        low=Decimal(row["low"]),
        close=Decimal(row["close"]),
        volume=Decimal(row["volume"]),
        tick_count=row["tick_count"],
        bid=sides["bid"],
        ask=sides["ask"],
        filled=row["filled"],
        ended_ns=row["ended"],
    )


def _row(archived: ArchivedBar) -> dict[str, Any]:
    bar, indicators, from_history = archived.stored
    return {
        **bar_row(bar),
        "operation_id": str(archived.operation_id),
        "indicators": json.dumps(indicators, sort_keys=True),
        "from_history": from_history,
    }


def _archived(row: dict[str, Any]) -> ArchivedBar:
    # A file written before bars told where they came from has no such column.
    stored = StoredBar(bar_of(row), json.loads(row["indicators"]), bool(row.get("from_history")))
    return ArchivedBar(ObjectId(row["operation_id"]), stored)
