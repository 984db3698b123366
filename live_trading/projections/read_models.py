"""The read models' collections: their names, their indexes, and the one way they are written.

A document is replaced only where the stored one is older, and deleted only where it is older, so writing the same
thing twice, or an older thing late, changes nothing. That is why a projector that died between writing and noting how
far it got does no harm.
"""

from collections.abc import Mapping
from typing import Any, Final

import structlog
from pymongo import ASCENDING, DESCENDING, DeleteOne, IndexModel, ReplaceOne
from pymongo.asynchronous.collection import AsyncCollection
from pymongo.asynchronous.database import AsyncDatabase
from pymongo.errors import BulkWriteError, OperationFailure
from pymongo.write_concern import WriteConcern

from live_trading.domain.errors import LiveTradingError
from live_trading.projections.documents import OPERATIONS, ORDERS, POSITIONS, TRADES, TRANSACTIONS, Changes

Database = AsyncDatabase[dict[str, Any]]

_DURABLE: Final = WriteConcern(w="majority", j=True)
"""For the documents as for the checkpoint. Less would do if they were lost together only, but when mongod dies between
the two, the driver goes on with its next incarnation: the checkpoint would then say that lost documents are there."""

_log = structlog.get_logger(__name__)

_DUPLICATE_KEY: Final = 11000
_INDEX_CONFLICTS: Final = (85, 86)  # IndexOptionsConflict, IndexKeySpecsConflict
BROKER_ORDER_ID: Final = "broker_order_id_unique"
_BROKER_ORDER_KEYS: Final = [("broker", ASCENDING), ("broker_order_id", ASCENDING)]

INDEXES: Final[Mapping[str, tuple[IndexModel, ...]]] = {
    OPERATIONS: (
        IndexModel([("status", ASCENDING), ("created_at", DESCENDING)]),
        IndexModel([("asset", ASCENDING)]),
    ),
    TRANSACTIONS: (
        IndexModel([("operation_id", ASCENDING), ("executed_at", DESCENDING)]),
        IndexModel([("operation_id", ASCENDING), ("transaction_type", ASCENDING)]),
        IndexModel([("operation_id", ASCENDING), ("transaction_role", ASCENDING)]),
        IndexModel([("operation_id", ASCENDING), ("position_type", ASCENDING)]),
        IndexModel([("related_entry_transaction_id", ASCENDING)]),
    ),
    POSITIONS: (
        IndexModel([("operation_id", ASCENDING), ("closed_at", ASCENDING)]),
        IndexModel([("operation_id", ASCENDING), ("status", ASCENDING)]),
    ),
    ORDERS: (
        IndexModel([("operation_id", ASCENDING), ("placed_at", DESCENDING)]),
        # Ids of two brokers may be alike, so an id is unique within its broker only. Sparse does not do for two fields
        # (the broker is always there): the filter leaves out orders the broker has given no id yet.
        IndexModel(
            _BROKER_ORDER_KEYS,
            name=BROKER_ORDER_ID,
            unique=True,
            partialFilterExpression={"broker_order_id": {"$type": "string"}},
        ),
        IndexModel([("client_order_id", ASCENDING)]),
    ),
    TRADES: (
        IndexModel([("operation_id", ASCENDING), ("exit_time", DESCENDING)]),
        IndexModel([("operation_id", ASCENDING), ("position_type", ASCENDING)]),
        IndexModel([("entry_transaction_id", ASCENDING)]),
        IndexModel([("exit_transaction_id", ASCENDING)]),
    ),
}
"""Each read model's collection and its indexes."""

COLLECTIONS: Final = tuple(INDEXES)


class WriteFailed(LiveTradingError):  # noqa: N818 - it tells what happened
    """MongoDB refused a read model's document for good (not an outage). ``errors`` are its own words."""

    def __init__(self, collection: str, errors: list[Mapping[str, Any]]) -> None:
        first = errors[0]
        super().__init__(f"{collection}: {first.get('errmsg', first)} (code {first.get('code')})")
        self.errors = errors


async def prepare(database: Database, suffix: str = "") -> None:
    """Create the collections and indexes that are missing. ``suffix`` is added to the collections' names."""
    for name, indexes in INDEXES.items():
        collection = database[name + suffix]
        for index in indexes:
            try:
                await collection.create_indexes([index])
            except OperationFailure as error:
                is_ids = index.document["name"] == BROKER_ORDER_ID
                if not is_ids or error.code not in (_DUPLICATE_KEY, *_INDEX_CONFLICTS):
                    raise
                await _allow_repeated_ids(collection)


async def _allow_repeated_ids(collection: AsyncCollection[dict[str, Any]]) -> None:
    """Make the index of the brokers' order ids a plain one.

    That a broker never gives an id twice is the broker's promise, not ours. When one breaks it (a simulated broker
    whose store was deleted, a gateway whose counter was reset), the record wins over the index: refusing the document
    would stop the read models for ever.
    """
    _log.warning("a broker gave an order id twice; the ids are no longer held to be unique", collection=collection.name)
    if BROKER_ORDER_ID in await collection.index_information():
        await collection.drop_index(BROKER_ORDER_ID)
    await collection.create_index(_BROKER_ORDER_KEYS, name=BROKER_ORDER_ID)


async def write(database: Database, changes: Changes, suffix: str = "") -> None:
    """Store what is newer than what is stored, in any order, any number of times.

    Raises :class:`WriteFailed` when a document can never be stored, the driver's errors in an outage.
    """
    requests: dict[str, list[ReplaceOne[dict[str, Any]] | DeleteOne]] = {}
    for name, document in changes.replacements:
        older = {"_id": document["_id"], "sequence_number": {"$lt": document["sequence_number"]}}
        requests.setdefault(name, []).append(ReplaceOne(older, document, upsert=True))
    for name, identifier, number in changes.deletions:
        requests.setdefault(name, []).append(DeleteOne({"_id": identifier, "sequence_number": {"$lt": number}}))
    for name, run in requests.items():
        collection = database.get_collection(name + suffix, write_concern=_DURABLE)
        if await _write_run(collection, run):
            await _allow_repeated_ids(collection)
            await _write_run(collection, run)


async def _write_run(
    collection: AsyncCollection[dict[str, Any]], run: list[ReplaceOne[dict[str, Any]] | DeleteOne]
) -> bool:
    """Write one collection's share. Returns whether brokers' order ids clashed (and those documents are not stored)."""
    try:
        await collection.bulk_write(run, ordered=False)
    except BulkWriteError as error:
        errors = error.details.get("writeErrors", [])
        # An upsert that meets the _id found the stored document to be as new or newer: nothing was to be done.
        left = [one for one in errors if one["code"] != _DUPLICATE_KEY or list(one.get("keyPattern", {})) != ["_id"]]
        clashes = [one for one in left if one["code"] == _DUPLICATE_KEY and "broker_order_id" in one["keyPattern"]]
        if len(clashes) < len(left):
            raise WriteFailed(collection.name, [one for one in left if one not in clashes]) from error
        if not errors:
            raise
        return bool(clashes)
    return False
