"""Quotes: the last price of everything that is followed, as the engine last saw it. Live values, never folded.

They are for people to look at. Nothing is decided by them, so they are written without waiting for anybody.
"""

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any, Final, NamedTuple

from bson import Decimal128
from pymongo import ReplaceOne
from pymongo.asynchronous.database import AsyncDatabase
from pymongo.write_concern import WriteConcern

QUOTES: Final = "quotes"

_UNCONFIRMED_BY_OTHERS: Final = WriteConcern(w=1, j=False)


class LastQuote(NamedTuple):
    """A price. ``priced_at`` by the market's clock; ``stale`` when nothing was heard for too long."""

    broker: str
    symbol: str
    price: Decimal
    bid: Decimal
    ask: Decimal
    priced_at: datetime
    stale: bool


async def write_quotes(database: AsyncDatabase[dict[str, Any]], quotes: Sequence[LastQuote]) -> None:
    """Store the last quotes that changed."""
    collection = database.get_collection(QUOTES, write_concern=_UNCONFIRMED_BY_OTHERS)
    await collection.bulk_write(
        [ReplaceOne({"_id": _key(quote)}, _document(quote), upsert=True) for quote in quotes], ordered=False
    )


def _key(quote: LastQuote) -> str:
    return f"{quote.broker}|{quote.symbol}"


def _document(quote: LastQuote) -> dict[str, Any]:
    prices = {name: Decimal128(getattr(quote, name)) for name in ("price", "bid", "ask")}
    return {
        "_id": _key(quote),
        "broker": quote.broker,
        "symbol": quote.symbol,
        **prices,
        "priced_at": quote.priced_at,
        "stale": quote.stale,
    }
