"""Bars in MongoDB, one collection for each bar size (``market_data_1hour``), older ones in Parquet files.

A document's fields: ``operation_id``, ``asset``, ``bar_size``, ``timestamp`` (the bar's start), ``open``, ``high``,
``low``, ``close``, ``volume`` (Decimal128), ``bid`` and ``ask`` (the same four prices, for quotes), ``tick_count``,
``filled``, ``from_history``, ``ended`` (only where the bar was cut short) and ``indicators`` (floats by name).

What is missing is in ``market_data_gaps``: ``operation_id``, ``asset``, ``bar_size``, ``start``, ``end``, ``missing``
(how many bars) and ``reason``.
"""

import asyncio
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

from bson import CodecOptions, Decimal128, ObjectId
from pymongo import ASCENDING, DESCENDING, ReplaceOne
from pymongo.asynchronous.collection import AsyncCollection
from pymongo.asynchronous.database import AsyncDatabase

from live_trading.data.bar_archive import BarArchive
from live_trading.data.bar_store import ArchivedBar, BarStore, MissingBars, StoredBar, slack
from live_trading.domain.bar_size import BarSize
from live_trading.domain.market import Bar, Ohlc, ns_from_utc
from live_trading.runtime import failpoint, utc_from_ns

_Document = dict[str, Any]
_CODEC: CodecOptions[_Document] = CodecOptions(tz_aware=True, tzinfo=UTC)
_MOVED_AT_ONCE = 20_000

GAPS = "market_data_gaps"
"""The collection of what is missing."""


class MongoBarStore(BarStore):
    """Bars in ``database``, the archive under ``archive_directory``."""

    def __init__(self, database: AsyncDatabase[_Document], archive_directory: Path) -> None:
        self._database = database
        self._archive = BarArchive(archive_directory)
        self._archiving = asyncio.Lock()
        self._indexed: set[str] = set()
        # Bars written since they were last counted; a series not counted yet in this process is due at once.
        self._written: dict[tuple[ObjectId, BarSize], int] = {}

    async def write(self, operation_id: ObjectId, bars: Sequence[StoredBar]) -> None:
        by_size: dict[BarSize, list[StoredBar]] = {}
        for stored in bars:
            by_size.setdefault(stored.bar.bar_size, []).append(stored)
        for bar_size, several in by_size.items():
            collection = await self._collection(bar_size)
            replacements = []
            for stored in several:
                document = _document(operation_id, stored)
                key = {"operation_id": operation_id, "timestamp": document["timestamp"]}
                replacements.append(ReplaceOne(key, document, upsert=True))
            await collection.bulk_write(replacements, ordered=False)
            if (operation_id, bar_size) in self._written:
                self._written[operation_id, bar_size] += len(several)

    async def last(self, operation_id: ObjectId, bar_size: BarSize, count: int) -> list[StoredBar]:
        if count < 1:
            return []
        collection = await self._collection(bar_size)
        cursor = collection.find({"operation_id": operation_id}).sort("timestamp", DESCENDING).limit(count)
        return [_stored(document) for document in reversed(await cursor.to_list())]

    async def record_missing(self, operation_id: ObjectId, missing: MissingBars) -> None:
        collection = await self._indexed_collection(GAPS, "operation_id", "bar_size", "start")
        key = {"operation_id": operation_id, "bar_size": missing.bar_size.value, "start": utc_from_ns(missing.start_ns)}
        document = {
            **key,
            "asset": missing.symbol,
            "end": utc_from_ns(missing.end_ns),
            "missing": missing.missing,
            "reason": missing.reason,
        }
        await collection.replace_one(key, document, upsert=True)

    async def missing(self, operation_id: ObjectId, bar_size: BarSize) -> list[MissingBars]:
        collection = await self._indexed_collection(GAPS, "operation_id", "bar_size", "start")
        chosen = {"operation_id": operation_id, "bar_size": bar_size.value}
        return [
            MissingBars(
                each["asset"],
                bar_size,
                ns_from_utc(each["start"]),
                ns_from_utc(each["end"]),
                each["missing"],
                each["reason"],
            )
            async for each in collection.find(chosen).sort("start", ASCENDING)
        ]

    async def retain(self, operation_id: ObjectId, bar_size: BarSize, keep: int) -> int:
        key = operation_id, bar_size
        if self._written.get(key, slack(keep)) < slack(keep):
            return 0
        collection = await self._collection(bar_size)
        async with self._archiving:
            self._written[key] = 0
            chosen = {"operation_id": operation_id}
            excess = await collection.count_documents(chosen) - keep
            if excess < slack(keep):
                self._written[key] = max(0, excess)
                return 0
            moved = 0
            while moved < excess:
                cursor = collection.find(chosen).sort("timestamp", ASCENDING).limit(min(_MOVED_AT_ONCE, excess - moved))
                documents = await cursor.to_list()
                if not documents:
                    break
                bars = [ArchivedBar(operation_id, _stored(document)) for document in documents]
                await asyncio.to_thread(self._archive.add, bars)
                failpoint("bars.archive.delete.before")
                await collection.delete_many({"_id": {"$in": [document["_id"] for document in documents]}})
                moved += len(documents)
        return moved

    async def archived(self, asset: str, bar_size: BarSize, day: date) -> list[ArchivedBar]:
        return await asyncio.to_thread(self._archive.read, asset, bar_size, day)

    async def _collection(self, bar_size: BarSize) -> AsyncCollection[_Document]:
        return await self._indexed_collection(bar_size.collection, "operation_id", "timestamp")

    async def _indexed_collection(self, name: str, *unique: str) -> AsyncCollection[_Document]:
        collection = self._database.get_collection(name, codec_options=_CODEC)
        if name not in self._indexed:
            await collection.create_index([(field, ASCENDING) for field in unique], unique=True)
            self._indexed.add(name)
        return collection


def _document(operation_id: ObjectId, stored: StoredBar) -> _Document:
    bar, indicators, from_history = stored
    document: _Document = {
        "operation_id": operation_id,
        "asset": bar.symbol,
        "bar_size": bar.bar_size.value,
        "timestamp": utc_from_ns(bar.start_ns),
        "open": Decimal128(bar.open),
        "high": Decimal128(bar.high),
        "low": Decimal128(bar.low),
        "close": Decimal128(bar.close),
        "volume": Decimal128(bar.volume),
        "tick_count": bar.tick_count,
        "filled": bar.filled,
        "from_history": from_history,
        "indicators": dict(indicators),
    }
    for side in ("bid", "ask"):
        ohlc = getattr(bar, side)
        if ohlc is not None:
            document[side] = {name: Decimal128(price) for name, price in ohlc._asdict().items()}
    if bar.ended_ns is not None:
        document["ended"] = utc_from_ns(bar.ended_ns)
    return document


def _stored(document: Mapping[str, Any]) -> StoredBar:
    ended: datetime | None = document.get("ended")
    bar = Bar(
        symbol=document["asset"],
        bar_size=BarSize(document["bar_size"]),
        start_ns=ns_from_utc(document["timestamp"]),
        open=_decimal(document["open"]),
        high=_decimal(document["high"]),
        low=_decimal(document["low"]),
        close=_decimal(document["close"]),
        volume=_decimal(document["volume"]),
        tick_count=document["tick_count"],
        bid=_ohlc(document.get("bid")),
        ask=_ohlc(document.get("ask")),
        filled=document["filled"],
        ended_ns=None if ended is None else ns_from_utc(ended),
    )
    return StoredBar(bar, document["indicators"], document.get("from_history", False))


def _decimal(value: Decimal128) -> Decimal:
    return value.to_decimal()


def _ohlc(value: Mapping[str, Decimal128] | None) -> Ohlc | None:
    return None if value is None else Ohlc(*(_decimal(value[name]) for name in Ohlc._fields))
