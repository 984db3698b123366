"""What is asked of the read models and the journal, answered in plain JSON values.

Numbers are strings without an exponent, times are ISO 8601 in UTC, ids are hexadecimal. Nothing here knows how it will
be shown: the command line and the HTTP interface ask the same questions.
"""

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from enum import Enum
from functools import wraps
from typing import Any, Final, ParamSpec, TypeVar

from bson import Decimal128, ObjectId
from bson.errors import InvalidId
from pydantic import BaseModel
from pymongo import DESCENDING
from pymongo.asynchronous.database import AsyncDatabase
from pymongo.errors import OperationFailure

from live_trading.domain.entries import Entry
from live_trading.domain.errors import InvalidInput
from live_trading.domain.values import OperationStatus
from live_trading.journal.base import JournalReader
from live_trading.journal.snapshots import SNAPSHOTS
from live_trading.models.marks import POSITION_MARKS
from live_trading.projections.checkpoint import Checkpoints
from live_trading.projections.documents import OPERATIONS, ORDERS, POSITIONS, TRADES, TRANSACTIONS
from live_trading.projections.fold import FOLD_VERSION

Database = AsyncDatabase[dict[str, Any]]
Fields = dict[str, Any]

MAX_ROWS: Final = 10_000
MARK_FIELDS: Final = ("current_price", "unrealized_pnl", "unrealized_pnl_pct", "priced_at", "marked_at")


_PLAN_KILLED: Final = 175
_TIMES: Final = 8  # a rebuild renames five collections; a question can meet each of them once

P = ParamSpec("P")
T = TypeVar("T")


def outliving_renames(question: Callable[P, Awaitable[T]]) -> Callable[P, Awaitable[T]]:
    """Ask again where MongoDB ended the question because a rebuild put a new collection in its place (code 175)."""

    @wraps(question)
    async def ask(*args: P.args, **kwargs: P.kwargs) -> T:
        for _ in range(_TIMES - 1):
            try:
                return await question(*args, **kwargs)
            except OperationFailure as error:
                if error.code != _PLAN_KILLED:
                    raise
        return await question(*args, **kwargs)

    return ask


def plain(value: Any) -> Any:
    """Any value of a document or an entry as JSON has it."""
    if isinstance(value, Enum):
        return value.value
    if value is None or isinstance(value, str | int | float):
        return value
    if isinstance(value, Decimal128):
        value = value.to_decimal()
    if isinstance(value, Decimal):
        return format(value, "f")
    if isinstance(value, datetime):
        return value.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    if isinstance(value, ObjectId):
        return str(value)
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, BaseModel):
        return {name: plain(getattr(value, name)) for name in type(value).model_fields}
    if isinstance(value, Mapping):
        return {str(key): plain(inner) for key, inner in value.items()}
    if isinstance(value, Iterable):
        return [plain(inner) for inner in value]
    return str(value)


def object_id(text: str, field: str) -> ObjectId:
    """An id that a person gave; :class:`InvalidInput` when it is none."""
    try:
        return ObjectId(text)
    except (InvalidId, TypeError):
        raise InvalidInput(
            field, f"{text!r} is not an id", "Give its 24 hexadecimal digits, as the lists show"
        ) from None


def _document(document: Mapping[str, Any]) -> Fields:
    fields = {"id": document["_id"], **{key: value for key, value in document.items() if key != "_id"}}
    result: Fields = plain(fields)
    return result


@outliving_renames
async def _find(
    database: Database, collection: str, criteria: Mapping[str, Any], order_by: str, limit: int
) -> list[Fields]:
    if not 1 <= limit <= MAX_ROWS:
        raise InvalidInput("limit", f"{limit} is out of range", f"Give a number from 1 to {MAX_ROWS}")
    found = database[collection].find(dict(criteria)).sort([(order_by, DESCENDING), ("_id", DESCENDING)]).limit(limit)
    return [_document(document) async for document in found]


# ---- operations and positions ----------------------------------------------------------------------------------------


async def operations(database: Database, *, status: str | None = None, limit: int = 100) -> list[Fields]:
    """Operations, newest first; with the unrealised profit of those that have a position."""
    if status is not None and status not in set(OperationStatus):
        raise InvalidInput("status", f'"{status}" is not a status', f"Use one of {', '.join(OperationStatus)}")
    found = await _find(database, OPERATIONS, {} if status is None else {"status": status}, "created_at", limit)
    marks = await _marks(database)
    return [{**operation, "unrealized_pnl": _unrealized(operation, marks)} for operation in found]


@outliving_renames
async def operation(database: Database, operation_id: str) -> Fields | None:
    """One operation with its open position, working orders and last trades; None when there is none of that id."""
    key = object_id(operation_id, "operation_id")
    document = await database[OPERATIONS].find_one({"_id": key})
    if document is None:
        return None
    result = _document(document)
    result["unrealized_pnl"] = _unrealized(result, await _marks(database))
    result["positions"] = await positions(database, status="open", operation_id=operation_id)
    result["working_orders"] = await orders(database, working=True, operation_id=operation_id)
    result["last_trades"] = await trades(database, operation_id=operation_id, limit=10)
    return result


@outliving_renames
async def _marks(database: Database) -> dict[str, Fields]:
    """Marks by position."""
    return {str(document["_id"]): _document(document) async for document in database[POSITION_MARKS].find()}


@outliving_renames
async def unrealized_by_position(database: Database) -> dict[ObjectId, Decimal128]:
    """What the open positions would bring, by their ids."""
    marks = database[POSITION_MARKS].find({}, {"unrealized_pnl": 1})
    return {mark["_id"]: mark["unrealized_pnl"] async for mark in marks}


def _unrealized(operation: Fields, marks: Mapping[str, Fields]) -> str | None:
    mark = marks.get(operation["position_id"]) if operation.get("position_id") else None
    return mark["unrealized_pnl"] if mark is not None else None


async def positions(
    database: Database, *, status: str | None = "open", operation_id: str | None = None, limit: int = 100
) -> list[Fields]:
    """Positions, newest first. Open ones carry their mark (``current_price`` …), null without one."""
    criteria: Fields = {} if status is None else {"status": status}
    if operation_id is not None:
        criteria["operation_id"] = object_id(operation_id, "operation_id")
    found = await _find(database, POSITIONS, criteria, "opened_at", limit)
    marks = await _marks(database)
    for position in found:
        mark = marks.get(position["id"], {}) if position["status"] == "open" else {}
        position.update({name: mark.get(name) for name in MARK_FIELDS})
    return found


@outliving_renames
async def totals(database: Database) -> dict[str, Fields]:
    """Money by currency over all operations: realised, unrealised, commissions, and their number."""
    sums: dict[str, dict[str, Decimal]] = {}
    marks = await _marks(database)
    async for document in database[OPERATIONS].find():
        fields = _document(document)
        mine = sums.setdefault(
            fields["currency"], dict.fromkeys(("total_pnl", "commission", "unrealized_pnl"), Decimal(0))
        )
        mine["total_pnl"] += Decimal(fields["total_pnl"])
        mine["commission"] += Decimal(fields["total_commission"])
        mine["unrealized_pnl"] += Decimal(_unrealized(fields, marks) or 0)
    return {currency: plain(mine) for currency, mine in sorted(sums.items())}


# ---- orders, transactions, trades ------------------------------------------------------------------------------------


async def orders(
    database: Database,
    *,
    working: bool | None = None,
    status: str | None = None,
    operation_id: str | None = None,
    limit: int = 100,
) -> list[Fields]:
    """Orders, newest first; ``working`` True: only those that may still be filled."""
    criteria: Fields = {}
    if working is not None:
        criteria["is_working"] = working
    if status is not None:
        criteria["status"] = status
    if operation_id is not None:
        criteria["operation_id"] = object_id(operation_id, "operation_id")
    return await _find(database, ORDERS, criteria, "requested_at", limit)


@outliving_renames
async def order(database: Database, client_order_id: str) -> Fields | None:
    """One order; None when there is none."""
    document = await database[ORDERS].find_one({"client_order_id": client_order_id})
    return None if document is None else _document(document)


async def transactions(database: Database, *, operation_id: str | None = None, limit: int = 100) -> list[Fields]:
    """Transactions, newest first."""
    return await _find(database, TRANSACTIONS, _of(operation_id), "executed_at", limit)


async def trades(database: Database, *, operation_id: str | None = None, limit: int = 100) -> list[Fields]:
    """Completed round trips, newest first."""
    return await _find(database, TRADES, _of(operation_id), "exit_time", limit)


def _of(operation_id: str | None) -> Fields:
    return {} if operation_id is None else {"operation_id": object_id(operation_id, "operation_id")}


# ---- the journal and how fresh the read models are -------------------------------------------------------------------


def entry_fields(entry: Entry) -> Fields:
    """One journal entry. Hashes are hexadecimal."""
    fields: Fields = plain(entry._asdict())
    fields["action_data"] = fields.pop("data")
    return fields


async def last_entries(
    reader: JournalReader, *, count: int, operation_id: str | None = None, until: int | None = None
) -> Sequence[Entry]:
    """The last ``count`` entries (of one operation), oldest first, read backwards in growing steps."""
    if not 1 <= count <= MAX_ROWS:
        raise InvalidInput("count", f"{count} is out of range", f"Give a number from 1 to {MAX_ROWS}")
    key = None if operation_id is None else object_id(operation_id, "operation_id")
    end = (await reader.head()).sequence_number if until is None else until
    found: list[Entry] = []
    step = count
    while end > 0 and len(found) < count:
        begin = max(0, end - step)
        earlier = [entry async for entry in reader.read(begin, end) if key is None or entry.operation_id == key]
        found = earlier[-(count - len(found)) :] + found
        end, step = begin, min(step * 4, 50_000)
    return found


async def snapshots(database: Database) -> list[Fields]:
    """The snapshots there are, newest first. ``is_current``: made by this program's fold, so a start can use it."""
    found = database[SNAPSHOTS].find().sort("_id", DESCENDING)
    return [_document(document) | {"is_current": document["fold_version"] == FOLD_VERSION} async for document in found]


async def freshness(database: Database, reader: JournalReader) -> Fields:
    """How far the read models are behind the journal, and in what state they are."""
    head = await reader.head()
    checkpoint = await Checkpoints(database).read()
    reached = 0 if checkpoint is None else checkpoint.sequence_number
    return {
        "journal": head.sequence_number,
        "journal_hash": head.hash.hex(),
        "journal_time": plain(head.timestamp),
        "read_models": reached,
        "lag": max(head.sequence_number - reached, 0),
        "state": "none" if checkpoint is None else checkpoint.state.value,
        "reason": None if checkpoint is None else checkpoint.reason,
    }
