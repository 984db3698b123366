"""Pages by cursor: where the last page ended, not how many there were before, so nothing is shown twice or left out
while rows come and go. A cursor says which order it is of and is checked as any other input.
"""

import base64
import binascii
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import bson
from bson import ObjectId
from bson.codec_options import CodecOptions
from bson.errors import BSONError
from pymongo.asynchronous.database import AsyncDatabase

from live_trading.api.answers import document
from live_trading.api.problems import invalid
from live_trading.models.queries import outliving_renames

Database = AsyncDatabase[dict[str, Any]]

MAX_LIMIT: Final = 1000
_SCALARS: Final = (str, int, float, bson.Decimal128)
_CODEC: Final[CodecOptions[dict[str, Any]]] = CodecOptions(tz_aware=True)


@dataclass(frozen=True, slots=True)
class Page:
    """Rows, and the cursor of the next ones; None at the end."""

    items: list[dict[str, Any]]
    next_cursor: str | None

    def content(self) -> dict[str, Any]:
        return {"items": self.items, "next_cursor": self.next_cursor}


def sorting(sort: str, allowed: Sequence[str]) -> tuple[str, int]:
    """``-created_at`` as a field and a direction; it must be one of ``allowed``."""
    field, direction = (sort[1:], -1) if sort.startswith("-") else (sort, 1)
    if field not in allowed:
        raise invalid("sort", f"cannot sort by that: use one of {', '.join(allowed)}, with a - before it to turn round")
    return field, direction


@outliving_renames
async def page(
    database: Database,
    collection: str,
    criteria: Mapping[str, Any],
    *,
    sort: str,
    allowed: Sequence[str],
    limit: int,
    cursor: str | None,
) -> Page:
    """A page of a collection's documents, in the order of ``sort`` and then of their ids."""
    field, direction = sorting(sort, allowed)
    conditions = [dict(criteria)]
    if cursor is not None:
        conditions.append(_after(cursor, sort, field, direction))
    found = database[collection].find({"$and": conditions} if cursor is not None else conditions[0])
    found = found.sort([(field, direction), ("_id", direction)]).limit(limit + 1)
    rows = await found.to_list()
    more = len(rows) > limit
    rows = rows[:limit]
    next_cursor = _cursor(rows[-1], sort, field) if more else None
    return Page([document(row) for row in rows], next_cursor)


def _cursor(row: Mapping[str, Any], sort: str, field: str) -> str:
    packed = bson.encode({"s": sort, "v": row[field], "i": row["_id"]}, codec_options=_CODEC)
    return base64.urlsafe_b64encode(packed).decode().rstrip("=")


def _after(cursor: str, sort: str, field: str, direction: int) -> dict[str, Any]:
    """The condition that leaves out what came before. No part of the cursor is taken that could be an operator."""
    try:
        unpacked = bson.decode(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)), codec_options=_CODEC)
        sorted_by, value, identifier = unpacked["s"], unpacked["v"], unpacked["i"]
    except (binascii.Error, BSONError, ValueError, KeyError, TypeError, UnicodeError, OverflowError):
        raise invalid("cursor", "is not one of ours: leave it out to begin anew") from None
    if sorted_by != sort:
        raise invalid("cursor", "is of another order: keep sort and filters while paging")
    is_time = hasattr(value, "isoformat")
    if not isinstance(identifier, ObjectId | str) or not (isinstance(value, _SCALARS) or is_time):
        raise invalid("cursor", "is not one of ours: leave it out to begin anew")
    compare = "$lt" if direction < 0 else "$gt"
    return {"$or": [{field: {compare: value}}, {field: value, "_id": {compare: identifier}}]}
