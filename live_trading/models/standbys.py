"""Who stands by: a document for each engine process that waits for the journal with its ledger folded.

It is for people (``live-trading doctor``) and decides nothing: the lease alone says who may write. A process says every
other second that it is there; one that was killed is shown as silent, and its document goes by itself after an hour.
Times are the database's own, so that no clocks of two hosts are compared.
"""

import socket
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import psutil
from pymongo import ASCENDING, IndexModel
from pymongo.asynchronous.database import AsyncDatabase
from pymongo.read_concern import ReadConcern
from pymongo.write_concern import WriteConcern

STANDBYS: Final = "standbys"
ANNOUNCED_EVERY: Final = 2.0
"""Seconds."""

INDEXES: Final = (IndexModel([("seen_at", ASCENDING)], expireAfterSeconds=3600),)

_SILENT_AFTER: Final = 5 * ANNOUNCED_EVERY
_UNCONFIRMED_BY_OTHERS: Final = WriteConcern(w=1, j=False)

Database = AsyncDatabase[dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Announcement:
    """What a standby says of itself. ``instance`` is unlike any other's; ``sequence_number`` how far it has folded."""

    instance: str
    engine_id: str
    host: str
    process_id: int
    sequence_number: int


@dataclass(frozen=True, slots=True)
class Standby:
    """What is known of one. ``silent_for`` seconds have gone since it was heard of; ``alive`` is None where its process
    cannot be looked at from here."""

    said: Announcement
    since: datetime
    silent_for: float
    alive: bool | None

    @property
    def is_there(self) -> bool:
        return self.alive is not False and self.silent_for < _SILENT_AFTER

    @property
    def text(self) -> str:
        """One line for people."""
        who = f"process {self.said.process_id} on {self.said.host} stands by since {self.since:%Y-%m-%d %H:%M:%S} UTC"
        folded = f"folded up to entry {self.said.sequence_number:,}"
        if self.alive is False:
            return f"{who}, but it is gone: it did not end in order"
        if not self.is_there:
            return f"{who}, but was not heard of for {self.silent_for:.0f} s; {folded}"
        return f"{who}, {folded}"


async def prepare(database: Database) -> None:
    """Create the index where it is missing."""
    await database[STANDBYS].create_indexes(list(INDEXES))


async def announce(database: Database, said: Announcement) -> None:
    """Say that a standby is there, and how far it is."""
    fields = {
        "engine_id": {"$literal": said.engine_id},
        "host": {"$literal": said.host},
        "process_id": said.process_id,
        "sequence_number": said.sequence_number,
        "since": {"$ifNull": ["$since", "$$NOW"]},
        "seen_at": "$$NOW",
    }
    collection = database.get_collection(STANDBYS, write_concern=_UNCONFIRMED_BY_OTHERS)
    await collection.update_one({"_id": said.instance}, [{"$set": fields}], upsert=True)


async def withdraw(database: Database, instance: str) -> None:
    """It stands by no longer."""
    await database.get_collection(STANDBYS, write_concern=_UNCONFIRMED_BY_OTHERS).delete_one({"_id": instance})


async def standbys(database: Database, engine_id: str) -> list[Standby]:
    """All that are known of an engine, the oldest first."""
    collection = database.get_collection(STANDBYS, read_concern=ReadConcern("local"))
    found = await collection.aggregate(
        [
            {"$match": {"engine_id": engine_id}},
            {"$set": {"silent_ms": {"$subtract": ["$$NOW", "$seen_at"]}}},
            {"$sort": {"since": ASCENDING, "_id": ASCENDING}},
        ]
    )
    return [
        Standby(
            Announcement(
                str(document["_id"]),
                str(document["engine_id"]),
                str(document["host"]),
                int(document["process_id"]),
                int(document["sequence_number"]),
            ),
            document["since"],
            max(0.0, float(document["silent_ms"]) / 1000),
            process_lives(str(document["host"]), int(document["process_id"])),
        )
        async for document in found
    ]


def process_lives(host: str, process_id: int) -> bool | None:
    """Whether a process lives; None when it is not on this host, or cannot be looked at."""
    if host != socket.gethostname():
        return None
    try:
        return psutil.Process(process_id).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
    except psutil.Error:
        return None
