"""Old bars in Parquet files: ``{directory}/{asset}/{bar_size}/{date}.parquet``, one for each UTC day.

A file is replaced whole: written aside, made durable, renamed over the old one. Whatever moment the process dies at,
either the old or the new file is there; what was moved here is deleted elsewhere only afterwards, and moving it again
changes nothing. Prices are strings, so that they stay exact. A directory belongs to one engine: two must
not share it.
"""

import json
import os
from collections.abc import Iterable
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pyarrow as pa  # type: ignore[import-untyped]
import pyarrow.parquet as pq  # type: ignore[import-untyped]
from bson import ObjectId

from live_trading.data.bar_store import ArchivedBar, StoredBar
from live_trading.domain.bar_size import BarSize
from live_trading.domain.market import Bar, Ohlc
from live_trading.runtime import failpoint, utc_from_ns

_PRICES = ("open", "high", "low", "close")
_SIDES = ("bid", "ask")

SCHEMA = pa.schema(
    [
        pa.field("operation_id", pa.string(), nullable=False),
        pa.field("asset", pa.string(), nullable=False),
        pa.field("bar_size", pa.string(), nullable=False),
        pa.field("timestamp", pa.timestamp("ns", tz="UTC"), nullable=False),
        pa.field("ended", pa.timestamp("ns", tz="UTC")),
        *(pa.field(name, pa.string(), nullable=False) for name in (*_PRICES, "volume")),
        *(pa.field(f"{side}_{name}", pa.string()) for side in _SIDES for name in _PRICES),
        pa.field("tick_count", pa.int64(), nullable=False),
        pa.field("filled", pa.bool_(), nullable=False),
        pa.field("indicators", pa.string(), nullable=False),
    ]
)


class BarArchive:
    """The archive under one directory. Its methods block on the disk: call them in a thread."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory

    def path(self, asset: str, bar_size: BarSize, day: date) -> Path:
        """Where a day's bars are."""
        folder = quote(asset, safe="").replace(".", "%2E")  # "BRK.B" and ".." alike are no paths
        return self.directory / folder / bar_size.value.replace(" ", "") / f"{day.isoformat()}.parquet"

    def add(self, bars: Iterable[ArchivedBar]) -> None:
        """Add bars, durably when it returns. A bar that is there already is replaced."""
        files: dict[Path, list[ArchivedBar]] = {}
        for each in bars:
            bar = each.stored.bar
            files.setdefault(self.path(bar.symbol, bar.bar_size, bar.start.date()), []).append(each)
        for path, several in files.items():
            known = read_archived_file(path)
            merged = {(each.operation_id, each.stored.bar.start_ns): each for each in [*known, *several]}
            _replace(path, [merged[key] for key in sorted(merged)])

    def read(self, asset: str, bar_size: BarSize, day: date) -> list[ArchivedBar]:
        """A day's bars, by operation and start; none where there is no file."""
        return read_archived_file(self.path(asset, bar_size, day))


def _replace(path: Path, bars: list[ArchivedBar]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_suffix(".parquet.new")  # one that a crash left is overwritten
    with aside.open("wb") as file:
        pq.write_table(pa.Table.from_pylist([_row(each) for each in bars], SCHEMA), file, compression="zstd")
        file.flush()
        os.fsync(file.fileno())
    failpoint("bars.archive.rename.before")
    aside.replace(path)
    for folder in (path.parent, path.parent.parent, path.parent.parent.parent):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
    failpoint("bars.archive.rename.after")


def read_archived_file(path: Path) -> list[ArchivedBar]:
    """The bars of one file, by operation and start; none where there is no file."""
    if not path.exists():
        return []
    with pq.ParquetFile(path) as file:
        table = file.read()
    # Whole nanoseconds: Python's own times end at the microsecond.
    for name in ("timestamp", "ended"):
        table = table.set_column(table.schema.get_field_index(name), name, table.column(name).cast(pa.int64()))
    return [_archived(row) for row in table.to_pylist()]


def _row(archived: ArchivedBar) -> dict[str, Any]:
    bar, indicators = archived.stored
    row: dict[str, Any] = {
        "operation_id": str(archived.operation_id),
        "asset": bar.symbol,
        "bar_size": bar.bar_size.value,
        "timestamp": utc_from_ns(bar.start_ns),
        "ended": None if bar.ended_ns is None else utc_from_ns(bar.ended_ns),
        "volume": str(bar.volume),
        "tick_count": bar.tick_count,
        "filled": bar.filled,
        "indicators": json.dumps(indicators, sort_keys=True),
    }
    for name in _PRICES:
        row[name] = str(getattr(bar, name))
        for side in _SIDES:
            ohlc = getattr(bar, side)
            row[f"{side}_{name}"] = None if ohlc is None else str(getattr(ohlc, name))
    return row


def _archived(row: dict[str, Any]) -> ArchivedBar:
    sides = {
        side: None if row[f"{side}_open"] is None else Ohlc(*(Decimal(row[f"{side}_{name}"]) for name in _PRICES))
        for side in _SIDES
    }
    bar = Bar(
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
    return ArchivedBar(ObjectId(row["operation_id"]), StoredBar(bar, json.loads(row["indicators"])))
