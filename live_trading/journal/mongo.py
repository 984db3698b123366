"""The journal in MongoDB: opening its writer and its readers."""

from typing import Any

from pymongo.asynchronous.database import AsyncDatabase

from live_trading.journal.lease import DEFAULT_TTL, OnWaiting
from live_trading.journal.mongo_store import BATCH_SIZE, MongoSource, MongoStore
from live_trading.journal.opening import Opener, open_writer
from live_trading.journal.reader import Reader
from live_trading.journal.writer import Writer
from live_trading.runtime import Clock, Runtime


class MongoJournal:
    """Opens the one writer of the journal in a database."""

    @staticmethod
    async def open_writer(
        database: AsyncDatabase[dict[str, Any]],
        opener: Opener,
        runtime: Runtime,
        *,
        lease_ttl: float = DEFAULT_TTL,
        on_waiting: OnWaiting | None = None,
    ) -> Writer:
        """Take the journal over, as long as that takes, and return its writer with ``ENGINE_STARTED`` durable.

        A lease that was not given back is waited for until it has not changed for ``lease_ttl`` seconds; ``on_waiting``
        is told so. It can be cancelled at any time.
        """
        store = MongoStore(database, runtime.clock)
        return await open_writer(store, opener, runtime, lease_ttl=lease_ttl, on_waiting=on_waiting)


class MongoJournalReader(Reader):
    """Reads the journal in a database, read concern majority. Needs no lease; there may be any number."""

    def __init__(
        self, database: AsyncDatabase[dict[str, Any]], clock: Clock | None = None, batch_size: int = BATCH_SIZE
    ) -> None:
        """``batch_size``: entries decoded at a time, between which other tasks of the event loop get their turn."""
        super().__init__(MongoSource(database, clock, batch_size), clock=clock)
