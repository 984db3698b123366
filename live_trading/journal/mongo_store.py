"""The journal's documents in MongoDB: one clustered collection, fenced by its validator, and the leases beside it."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any, Final, cast

from bson import Int64
from bson.codec_options import CodecOptions
from bson.raw_bson import RawBSONDocument
from pymongo import DESCENDING
from pymongo.asynchronous.change_stream import AsyncCollectionChangeStream
from pymongo.asynchronous.collection import AsyncCollection
from pymongo.asynchronous.database import AsyncDatabase
from pymongo.cursor_shared import CursorType
from pymongo.errors import CollectionInvalid, DuplicateKeyError, OperationFailure, PyMongoError
from pymongo.read_concern import ReadConcern
from pymongo.read_preferences import ReadPreference
from pymongo.write_concern import WriteConcern

from live_trading.domain.errors import InvalidInput
from live_trading.journal.errors import JournalUnavailable
from live_trading.journal.store import Arrivals, LeaseRecord, Refused, Source, Store, Uncertain
from live_trading.runtime import Clock, SystemClock

JOURNAL: Final = "journal"
LEASES: Final = "leases"
ORIGIN: Final = "journal_origin"
"""Entry 1, from the moment it is archived: whose journal it is must be known where the archive is not."""
INCOMING: Final = "journal_incoming"
"""A journal that is being imported. Only when it is whole it is renamed to ``journal``."""

BATCH_SIZE: Final = 250
"""Entries fetched and decoded at a time. An exhaust cursor streams, so small batches cost no round trips; what is
decoded then stays in the processor's cache (a third faster than by 2,000), and no batch holds the event loop long."""
_DURABLE: Final = {"w": "majority", "j": True}
_MAJORITY: Final = WriteConcern(w="majority", j=True)
_RAW: Final[CodecOptions[RawBSONDocument]] = CodecOptions(document_class=RawBSONDocument)
_VALIDATION_FAILED: Final = 121
_NAMESPACE_EXISTS: Final = 48
_NOT_ALLOWED: Final = (13, 18)  # Unauthorized, AuthenticationFailed
_LINEARIZABLE_TIMEOUT_MS: Final = 10_000
_WAKE_UP_MS: Final = 1_000

Database = AsyncDatabase[dict[str, Any]]


class _HeedingCancellation:
    """Raises the cancellation that the driver swallowed.

    On Python 3.11 ``asyncio.wait_for``, which the driver sends with when the URL has a ``socketTimeoutMS``, loses a
    cancellation that comes as it finishes; a loop that was told to end would go on for ever.
    """

    __slots__ = ("_before", "_task")

    def __init__(self) -> None:
        self._task = asyncio.current_task()
        self._before = self._task.cancelling() if self._task is not None else 0

    def check(self) -> None:
        if self._task is not None and self._task.cancelling() > self._before:
            raise asyncio.CancelledError


@asynccontextmanager
async def _reaching(what: str) -> AsyncIterator[None]:
    cancellation = _HeedingCancellation()
    try:
        yield
        cancellation.check()
    except OperationFailure as error:
        if error.code in _NOT_ALLOWED:
            raise InvalidInput(
                "MONGODB_URL",
                f"{what} is not allowed: {error.details.get('errmsg', error) if error.details else error}",
                "Grant the user readWrite and collMod on the journal's database (role dbAdmin has collMod)",
            ) from error
        raise JournalUnavailable(f"MongoDB: {what} failed: {error}") from error
    except PyMongoError as error:
        raise JournalUnavailable(f"MongoDB: {what} failed: {error}") from error


def _minimum(epoch: int) -> dict[str, Any]:
    return {"epoch": {"$gte": Int64(epoch)}}


async def read_origin(database: Database) -> bytes | None:
    """Entry 1's document, from the journal or from where it is kept once archived; None while there is none."""
    async with _reaching("reading entry 1 of the journal"):
        majority = ReadConcern("majority")
        stored = database.get_collection(JOURNAL, read_concern=majority)
        document = await stored.with_options(codec_options=_RAW).find_one({"_id": Int64(1)})
        if document is not None:
            return bytes(document.raw)
        kept = await database.get_collection(ORIGIN, read_concern=majority).find_one()
    return None if kept is None else bytes(kept["document"])


async def create_journal(database: Database, name: str = JOURNAL) -> None:
    """Make the collection and its indexes where they are missing. Raises the driver's errors."""
    try:
        await database.create_collection(
            name,
            clusteredIndex={"key": {"_id": 1}, "unique": True},
            validator=_minimum(0),
            write_concern=_MAJORITY,
        )
    except (CollectionInvalid, OperationFailure) as error:
        if isinstance(error, OperationFailure) and error.code != _NAMESPACE_EXISTS:
            raise
    collection = database.get_collection(name, write_concern=_MAJORITY)
    await collection.create_index([("operation_id", 1), ("_id", 1)])
    await collection.create_index([("timestamp", DESCENDING)])


class MongoSource(Source):
    """Reads the collection ``journal`` with read concern majority."""

    def __init__(self, database: Database, clock: Clock | None = None, batch_size: int = BATCH_SIZE) -> None:
        self._database = database
        self._clock = clock or SystemClock()
        self._batch_size = batch_size
        self._journal = cast(
            AsyncCollection[RawBSONDocument],
            database.get_collection(
                JOURNAL,
                codec_options=_RAW,
                read_concern=ReadConcern("majority"),
                read_preference=ReadPreference.PRIMARY,
            ),
        )

    async def newest(self) -> bytes | None:
        async with _reaching("reading the head of the journal"):
            document = await self._journal.find_one(sort=[("_id", DESCENDING)])
        return None if document is None else bytes(document.raw)

    async def first_number(self) -> int | None:
        """The number of the first entry that the collection has; None when it has none."""
        async with _reaching("reading the beginning of the journal"):
            document = await self._journal.find_one(sort=[("_id", 1)])
        return None if document is None else int(document["_id"])

    async def was_archived(self) -> bool:
        """Whether entries of this journal were ever archived."""
        async with _reaching("looking for the journal's origin"):
            return await self._database[ORIGIN].find_one() is not None

    async def documents(self, first: int, last: int) -> list[bytes]:
        async with _reaching(f"reading the entries {first} to {last}"):
            found = self._journal.find({"_id": {"$gte": Int64(first), "$lte": Int64(last)}}, sort=[("_id", 1)])
            return [bytes(document.raw) async for document in found]

    async def batches(self, after: int, to: int | None) -> AsyncGenerator[bytes, None]:
        numbers = {"$gt": Int64(after)} if to is None else {"$gt": Int64(after), "$lte": Int64(to)}
        async with _reaching(f"reading the journal after entry {after}"):
            cancellation = _HeedingCancellation()
            cursor = self._journal.find_raw_batches(
                {"_id": numbers}, sort=[("_id", 1)], batch_size=self._batch_size, cursor_type=CursorType.EXHAUST
            )
            try:
                async for batch in cursor:
                    cancellation.check()
                    # The driver's stubs say documents; a raw batch is bytes.
                    yield cast(bytes, batch)
            finally:
                await cursor.close()

    def arrivals(self) -> Arrivals:
        return _ChangeStream(self._journal, self._clock)


class _ChangeStream(Arrivals):
    """Woken by the collection's change stream; where there is none to be had, looks once a second."""

    def __init__(self, journal: AsyncCollection[RawBSONDocument], clock: Clock) -> None:
        self._journal = journal
        self._clock = clock
        self._stream: AsyncCollectionChangeStream[RawBSONDocument] | None = None

    async def wait(self, after: int) -> None:
        cancellation = _HeedingCancellation()
        try:
            if self._stream is None:
                # What came before the stream stood is not told by it: the follower looks again right after this.
                self._stream = await self._journal.watch(
                    [{"$match": {"operationType": "insert"}}, {"$project": {"documentKey": 1}}],
                    max_await_time_ms=_WAKE_UP_MS,
                )
            else:
                while (change := await self._stream.try_next()) is not None:
                    if change["documentKey"]["_id"] > after:
                        break
            cancellation.check()
        except PyMongoError:
            await self.close()
            await self._clock.sleep(_WAKE_UP_MS / 1000)

    async def close(self) -> None:
        if self._stream is not None:
            stream, self._stream = self._stream, None
            try:
                await stream.close()
            except PyMongoError:
                return  # the connection is gone, and the stream with it


class MongoStore(MongoSource, Store):
    """Also writes. Every write is acknowledged by a majority that has it on disk."""

    def __init__(self, database: Database, clock: Clock | None = None) -> None:
        super().__init__(database, clock)
        self._leases: AsyncCollection[dict[str, Any]] = database.get_collection(
            LEASES,
            write_concern=_MAJORITY,
            read_concern=ReadConcern("majority"),
            read_preference=ReadPreference.PRIMARY,
        )

    async def prepare(self) -> None:
        async with _reaching("creating the journal"):
            await self._refuse_half_a_journal()
            options = await self._options()
            if options is not None and "clusteredIndex" not in options:
                raise InvalidInput(
                    f"the collection {self._database.name}.{JOURNAL}",
                    "was not made by this program: it is not clustered on _id",
                    "Use another database",
                )
            await create_journal(self._database)

    async def _refuse_half_a_journal(self) -> None:
        if await self._database.list_collection_names(filter={"name": INCOMING}):
            raise InvalidInput(
                f"the database {self._database.name}",
                "holds a journal whose import or restore was cut short, or is still at work",
                "Run the same live-trading journal import or restore again: it begins anew",
            )

    async def _options(self) -> dict[str, Any] | None:
        async for collection in await self._database.list_collections(filter={"name": JOURNAL}):
            return dict(collection["options"])
        return None

    async def insert(self, documents: Sequence[bytes]) -> None:
        # The bare command: no retry and no bulk-write bookkeeping of the driver's. Doubt is settled by reading back.
        command = {
            "insert": JOURNAL,
            "documents": [RawBSONDocument(document) for document in documents],
            "ordered": True,
            "writeConcern": _DURABLE,
        }
        cancellation = _HeedingCancellation()
        try:
            reply = await self._database.command(command)
        except PyMongoError as error:
            raise Uncertain(f"{type(error).__name__}: {error}") from error
        if errors := reply.get("writeErrors"):
            first = errors[0]
            if first["code"] == _VALIDATION_FAILED:
                raise Refused(first["errmsg"])
            raise Uncertain(f"{first['errmsg']} (code {first['code']})")
        if failure := reply.get("writeConcernError"):
            raise Uncertain(f"{failure['errmsg']} (code {failure['code']})")
        cancellation.check()

    async def tail(self) -> bytes | None:
        journal = self._journal.with_options(read_concern=ReadConcern("linearizable"))
        async with _reaching("reading the tail of the journal"):
            document = await journal.find_one(sort=[("_id", DESCENDING)], max_time_ms=_LINEARIZABLE_TIMEOUT_MS)
        return None if document is None else bytes(document.raw)

    async def origin(self) -> bytes | None:
        return await read_origin(self._database)

    async def last_of_type(self, action_type: str) -> bytes | None:
        async with _reaching(f"looking for the last {action_type}"):
            document = await self._journal.find_one({"action_type": action_type}, sort=[("_id", DESCENDING)])
        return None if document is None else bytes(document.raw)

    async def fenced_epoch(self) -> int:
        async with _reaching("reading the journal's fence"):
            options = await self._options() or {}
        return int(options.get("validator", {}).get("epoch", {}).get("$gte", 0))

    async def fence(self, epoch: int) -> None:
        async with _reaching("fencing the journal"):
            await self._database.command(
                {
                    "collMod": JOURNAL,
                    "validator": _minimum(epoch),
                    "validationLevel": "strict",
                    "validationAction": "error",
                    "writeConcern": _DURABLE,
                }
            )

    async def lease(self, engine_id: str) -> LeaseRecord | None:
        async with _reaching("reading the lease"):
            document = await self._leases.find_one({"_id": engine_id})
        if document is None:
            return None
        return LeaseRecord(
            int(document["epoch"]), document["holder"], int(document["renewals"]), float(document["ttl"])
        )

    async def swap_lease(self, engine_id: str, seen: LeaseRecord | None, new: LeaseRecord) -> bool:
        fields = {"epoch": Int64(new.epoch), "holder": new.holder, "renewals": Int64(new.renewals), "ttl": new.ttl}
        async with _reaching("taking the lease"):
            if seen is None:
                try:
                    await self._leases.insert_one({"_id": engine_id, **fields})
                except DuplicateKeyError:
                    return False
                return True
            result = await self._leases.update_one(
                {"_id": engine_id, "epoch": seen.epoch, "holder": seen.holder, "renewals": seen.renewals},
                {"$set": fields},
            )
        return result.matched_count == 1

    async def renew_lease(self, engine_id: str, epoch: int, holder: str) -> bool:
        async with _reaching("renewing the lease"):
            result = await self._leases.update_one(
                {"_id": engine_id, "epoch": epoch, "holder": holder}, {"$inc": {"renewals": 1}}
            )
        return result.matched_count == 1
