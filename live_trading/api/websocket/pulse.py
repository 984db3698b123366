"""Live values for sockets: prices, marks, closed bars, and how far the read models are. Looked at four times a second.

They are read from the database, once for all sockets, and only while there are any.
"""

from collections.abc import Iterable, Mapping
from typing import Any, Final

import structlog
from bson import ObjectId
from pymongo import ASCENDING
from pymongo.asynchronous.database import AsyncDatabase
from pymongo.errors import PyMongoError

from live_trading.api.answers import document, encode
from live_trading.domain.bar_size import BarSize
from live_trading.models.marks import POSITION_MARKS
from live_trading.models.quotes import QUOTES
from live_trading.projections.checkpoint import Checkpoints
from live_trading.projections.documents import OPERATIONS
from live_trading.runtime import Bell, Clock

TICKS_PER_SECOND: Final = 4
_TROUBLE_SECONDS: Final = 1.0
_BARS_AT_ONCE: Final = 50

_log = structlog.get_logger(__name__)

Database = AsyncDatabase[dict[str, Any]]
Fields = Mapping[str, Any]


def with_seq(message: str, seq: int) -> str:
    """The message with the position of the socket it goes to."""
    return message.replace('"seq":0', f'"seq":{seq}', 1)


class Pulse:
    """Tells the listeners what has changed since the last look."""

    def __init__(self, database: Database, clock: Clock, listeners: Iterable[Any]) -> None:
        self._database = database
        self._clock = clock
        self._listeners = listeners
        self._bell = Bell()
        self._quotes: dict[str, Fields] = {}
        self._marks: dict[ObjectId, Fields] = {}
        self._reached = -1
        self._bars: dict[tuple[ObjectId, str], Any] = {}
        self._sizes: dict[ObjectId, list[str]] = {}

    def greet(self, listener: Any) -> None:
        """Somebody listens: tell what is known already."""
        for key, quote in self._quotes.items():
            if listener.feed in (None, key):
                listener.tell(f"tick {key}", encode(_tick(quote)).decode())
        for identifier, mark in self._marks.items():
            if listener.operation_id in (None, mark["operation_id"]):
                listener.tell(f"mark {identifier}", encode(_mark(mark)).decode())
        self._bell.ring()

    async def run(self) -> None:
        """Until the process ends."""
        while True:
            if not any(True for _ in self._listeners):
                for known in (self._quotes, self._marks, self._bars, self._sizes):
                    known.clear()
                await self._bell.taken()
            pause = 1 / TICKS_PER_SECOND
            try:
                await self._look()
            except PyMongoError as error:
                pause = _TROUBLE_SECONDS
                _log.warning("live values cannot be read just now", reason=f"{type(error).__name__}: {error}"[:200])
            await self._clock.sleep(pause)

    async def _look(self) -> None:
        checkpoint = await Checkpoints(self._database).read()
        reached = 0 if checkpoint is None else checkpoint.sequence_number
        if reached != self._reached:
            self._reached = reached
            message = encode({"type": "read_models", "seq": 0, "read_models": reached}).decode()
            for listener in list(self._listeners):
                listener.tell("read_models", message)
        async for quote in self._database[QUOTES].find():
            if self._quotes.get(quote["_id"]) != quote:
                self._quotes[quote["_id"]] = quote
                self._tell(f"tick {quote['_id']}", _tick(quote), quote["_id"], None)
        async for mark in self._database[POSITION_MARKS].find():
            if self._marks.get(mark["_id"]) != mark:
                self._marks[mark["_id"]] = mark
                self._tell(f"mark {mark['_id']}", _mark(mark), None, mark["operation_id"])
        for operation_id in {listener.operation_id for listener in self._listeners} - {None}:
            await self._look_for_bars(operation_id)

    def _tell(self, about: str, fields: Fields, feed: str | None, operation_id: ObjectId | None) -> None:
        """One look over the listeners, one text."""
        message = encode(fields).decode()
        for listener in list(self._listeners):
            if listener.operation_id is None or (
                listener.feed == feed if operation_id is None else listener.operation_id == operation_id
            ):
                listener.tell(about, message)

    async def _look_for_bars(self, operation_id: ObjectId) -> None:
        if operation_id not in self._sizes:
            operation = await self._database[OPERATIONS].find_one({"_id": operation_id}, {"bar_sizes": 1})
            if operation is None:
                return
            self._sizes[operation_id] = list(operation["bar_sizes"])
        for size in self._sizes[operation_id]:
            collection = self._database[BarSize(size).collection]
            key = operation_id, size
            if key not in self._bars:
                newest = await collection.find_one({"operation_id": operation_id}, sort=[("timestamp", -1)])
                self._bars[key] = newest["timestamp"] if newest is not None else None
                continue
            criteria: dict[str, Any] = {"operation_id": operation_id}
            if self._bars[key] is not None:
                criteria["timestamp"] = {"$gt": self._bars[key]}
            async for stored in collection.find(criteria).sort("timestamp", ASCENDING).limit(_BARS_AT_ONCE):
                self._bars[key] = stored["timestamp"]
                fields = {"type": "bar", "seq": 0, "operation_id": operation_id, "bar": bar_fields(stored)}
                self._tell(f"bar {size} {stored['timestamp']}", fields, None, operation_id)


def _tick(quote: Fields) -> dict[str, Any]:
    told = document(quote)
    del told["id"]
    return {"type": "tick", "seq": 0, **told}


def _mark(mark: Fields) -> dict[str, Any]:
    told = document(mark)
    return {"type": "mark", "seq": 0, "position_id": told.pop("id"), **told}


def bar_fields(stored: Fields) -> dict[str, Any]:
    """A stored bar as it is told."""
    names = ("timestamp", "bar_size", "asset", "open", "high", "low", "close", "volume", "filled", "indicators")
    told = document({"_id": None, **{name: stored[name] for name in names}})
    del told["id"]
    return {**told, "from_history": stored.get("from_history", False)}
