"""Marks: what open positions are worth now. Live values, written by the engine every so often, never folded.

They are kept apart from ``positions`` because they follow from the market and not from the journal: a rebuild must give
the same documents byte for byte, and a mark that is lost is only an old price.
"""

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any, Final, NamedTuple

from bson import ObjectId
from pymongo import ASCENDING, DeleteMany, IndexModel, ReplaceOne
from pymongo.asynchronous.database import AsyncDatabase
from pymongo.write_concern import WriteConcern

from live_trading.projections.documents import fraction, number

POSITION_MARKS: Final = "position_marks"
INDEXES: Final = (IndexModel([("operation_id", ASCENDING)]),)

_UNCONFIRMED_BY_OTHERS: Final = WriteConcern(w=1, j=False)


class Mark(NamedTuple):
    """What a position is worth. ``entry_value`` is what its open lots cost: price × quantity × multiplier, unsigned."""

    position_id: ObjectId
    operation_id: ObjectId
    current_price: Decimal
    unrealized_pnl: Decimal
    entry_value: Decimal
    priced_at: datetime
    marked_at: datetime


async def write_marks(database: AsyncDatabase[dict[str, Any]], marks: Sequence[Mark]) -> None:
    """Store the open positions' marks, all of them: those of positions that are not among them are removed."""
    collection = database.get_collection(POSITION_MARKS, write_concern=_UNCONFIRMED_BY_OTHERS)
    stale: DeleteMany = DeleteMany({"_id": {"$nin": [mark.position_id for mark in marks]}})
    replacements = [ReplaceOne({"_id": mark.position_id}, _document(mark), upsert=True) for mark in marks]
    await collection.bulk_write([stale, *replacements], ordered=False)


def _document(mark: Mark) -> dict[str, Any]:
    return {
        "_id": mark.position_id,
        "operation_id": mark.operation_id,
        "current_price": number(mark.current_price),
        "unrealized_pnl": number(mark.unrealized_pnl),
        "unrealized_pnl_pct": fraction(mark.unrealized_pnl, mark.entry_value),
        "priced_at": mark.priced_at,
        "marked_at": mark.marked_at,
    }
