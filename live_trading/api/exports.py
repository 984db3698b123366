"""Trades as files: CSV, JSON, Parquet, and ``tradelog.json`` as the trading screen has it.

Streamed, so that a million trades need no memory. Decimals stay exact: text in CSV and JSON, decimals in Parquet. The
trade log's prices are JSON numbers, as its schema says, written with every digit.
"""

import asyncio
import csv
import io
from collections.abc import AsyncIterator, Mapping
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any, Final

import msgspec
import pyarrow as pa  # type: ignore[import-untyped]
import pyarrow.parquet as pq  # type: ignore[import-untyped]
from bson import Decimal128, ObjectId
from pymongo import ASCENDING
from pymongo.asynchronous.database import AsyncDatabase

from live_trading.api.answers import document, encode
from live_trading.domain.values import PositionType
from live_trading.models.ledger import Trade
from live_trading.models.queries import plain
from live_trading.projections.documents import OPERATIONS, ORDERS, POSITIONS, TRADES, TRANSACTIONS

Database = AsyncDatabase[dict[str, Any]]
Fields = dict[str, Any]

MANUAL: Final = "manual"
"""How the reason of an order begins that a person asked for."""
_AT_ONCE: Final = 500
_COLUMNS: Final = ("id", *(name for name in Trade.model_fields if name not in ("id", "revision_id")))


class Format(StrEnum):
    """What kind of file."""

    CSV = "csv"
    JSON = "json"
    PARQUET = "parquet"
    TRADELOG = "tradelog"

    @property
    def media_type(self) -> str:
        kinds = {"csv": "text/csv", "parquet": "application/vnd.apache.parquet"}
        return kinds.get(self.value, "application/json")

    @property
    def file_name(self) -> str:
        return "tradelog.json" if self is Format.TRADELOG else f"trades.{self.value}"


def _found(database: Database, operation_id: ObjectId | None) -> Any:
    criteria = {} if operation_id is None else {"operation_id": operation_id}
    return database[TRADES].find(criteria).sort([("exit_time", ASCENDING), ("_id", ASCENDING)]).batch_size(_AT_ONCE)


async def lines(database: Database, operation_id: ObjectId | None, kind: Format) -> AsyncIterator[bytes]:
    """The file, piece by piece."""
    if kind is Format.CSV:
        yield _row(_COLUMNS)
        async for trade in _found(database, operation_id):
            fields = document(trade)
            yield _row([_cell(fields.get(name)) for name in _COLUMNS])
        return
    separator = b"["
    batch: list[Fields] = []
    async for trade in _found(database, operation_id):
        batch.append(trade)
        if len(batch) == _AT_ONCE:
            for text in await _texts(database, batch, kind):
                yield separator + text
                separator = b",\n"
            batch = []
    for text in await _texts(database, batch, kind):
        yield separator + text
        separator = b",\n"
    yield b"[]\n" if separator == b"[" else b"]\n"


async def _texts(database: Database, trades: list[Fields], kind: Format) -> list[bytes]:
    if kind is Format.JSON:
        return [encode(document(trade)) for trade in trades]
    return [_numbers.encode(entry) for entry in await trade_log(database, trades)]


def _row(cells: Any) -> bytes:
    text = io.StringIO()
    csv.writer(text, lineterminator="\r\n").writerow(cells)
    return text.getvalue().encode()


_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r")


def _cell(value: Any) -> str:
    """A cell's text. What a spreadsheet would run as a formula is made text; numbers are left alone."""
    if value is None:
        return ""
    if isinstance(value, Decimal128):
        return format(value.to_decimal(), "f")
    text = encode(value).decode() if isinstance(value, dict) else str(plain(value))
    return f"'{text}" if isinstance(value, str) and text.startswith(_FORMULA) else text


# ---- tradelog.json ---------------------------------------------------------------------------------------------------

_numbers = msgspec.json.Encoder(decimal_format="number")


async def trade_log(database: Database, trades: list[Fields]) -> list[Fields]:
    """Trades in the trade log's words."""
    operations = await _by_id(database, OPERATIONS, {trade["operation_id"] for trade in trades}, "primary_bar_size")
    entries = await _by_id(database, TRANSACTIONS, {trade["entry_transaction_id"] for trade in trades}, "order_id")
    orders = await _by_id(
        database, ORDERS, {each["order_id"] for each in entries.values()}, "client_order_id", "reason"
    )
    positions = await _by_id(
        database, POSITIONS, {trade["position_id"] for trade in trades}, "stop_loss", "take_profit"
    )
    protections = await _protections(database, [order["client_order_id"] for order in orders.values()])
    log = []
    for trade in trades:
        order = orders.get(entries.get(trade["entry_transaction_id"], {}).get("order_id"), {})
        stops = protections.get(order.get("client_order_id", ""), {})
        position = positions.get(trade["position_id"], {})
        log.append(
            {
                "tradeId": str(trade["_id"]),
                "instrument": trade["symbol"],
                "timeframe": operations.get(trade["operation_id"], {}).get("primary_bar_size", ""),
                "tradeType": "Manual" if order.get("reason", "").startswith(MANUAL) else "Automated",
                "direction": "Long" if trade["position_type"] == PositionType.LONG else "Short",
                "entryTime": plain(trade["entry_time"]),
                "entryPrice": _number(trade["entry_price"]),
                "exitTime": plain(trade["exit_time"]),
                "exitPrice": _number(trade["exit_price"]),
                "stopLoss": _number(stops.get("STOP_LOSS") or position.get("stop_loss")),
                "targetPrice": _number(stops.get("TAKE_PROFIT") or position.get("take_profit")),
                "quantity": _whole(trade["quantity"].to_decimal()),
                "pnl": _number(trade["net_pnl"]),
                "holdingTimeSeconds": int(trade["duration_seconds"]),
                "status": _status(trade["net_pnl"].to_decimal()),
            }
        )
    return log


async def _by_id(database: Database, collection: str, ids: set[Any], *fields: str) -> dict[Any, Fields]:
    found = database[collection].find({"_id": {"$in": list(ids)}}, dict.fromkeys(fields, 1))
    return {each["_id"]: each async for each in found}


async def _protections(database: Database, entries: list[str]) -> dict[str, Fields]:
    """The prices of the protections that were sent with each entry order, by its client_order_id."""
    found: dict[str, Fields] = {}
    wanted = {"parent_client_order_id": {"$in": entries}, "purpose": {"$in": ["STOP_LOSS", "TAKE_PROFIT"]}}
    async for order in database[ORDERS].find(wanted).sort("requested_at", ASCENDING):
        found.setdefault(order["parent_client_order_id"], {}).setdefault(order["purpose"], order["price"])
    return found


def _number(value: Decimal128 | None) -> Decimal | None:
    return None if value is None else value.to_decimal()


def _whole(value: Decimal) -> int | Decimal:
    return int(value) if value == value.to_integral_value() else value


def _status(net: Decimal) -> str:
    return "Win" if net > 0 else "Loss" if net < 0 else "Breakeven"


# ---- Parquet ---------------------------------------------------------------------------------------------------------


def _type_of(name: str) -> pa.DataType:
    annotation = Trade.model_fields[name].annotation if name in Trade.model_fields else str
    text = str(annotation)
    if "Decimal" in text and "dict" not in text:
        return pa.decimal128(38, 12)
    if "datetime" in text:
        return pa.timestamp("ms", "UTC")
    return {int: pa.int64(), float: pa.float64()}.get(annotation, pa.string())


SCHEMA: Final = pa.schema([(name, pa.string() if name == "id" else _type_of(name)) for name in _COLUMNS])


async def parquet(database: Database, operation_id: ObjectId | None) -> bytes:
    """The file. Written batch by batch, in a thread, so that nobody waits for it."""
    sink = io.BytesIO()
    writer = pq.ParquetWriter(sink, SCHEMA, compression="zstd")
    rows: list[Fields] = []
    async for trade in _found(database, operation_id):
        rows.append(_typed(trade))
        if len(rows) == _AT_ONCE:
            await asyncio.to_thread(_write, writer, rows)
            rows = []
    await asyncio.to_thread(_write, writer, rows)
    writer.close()
    return sink.getvalue()


def _write(writer: pq.ParquetWriter, rows: list[Fields]) -> None:
    writer.write_table(pa.Table.from_pylist(rows, SCHEMA))


def _typed(trade: Mapping[str, Any]) -> Fields:
    fields = {"id": str(trade["_id"])}
    for name in _COLUMNS[1:]:
        value: Any = trade.get(name)
        kind = SCHEMA.field(name).type
        if isinstance(value, Decimal128):
            value = value.to_decimal().quantize(Decimal("1e-12"))
        elif value is not None and kind == pa.string():
            value = encode(value).decode() if isinstance(value, dict) else str(value)
        elif isinstance(value, datetime):
            value = value.replace(microsecond=value.microsecond // 1000 * 1000)
        fields[name] = value
    return fields
