"""A journal with an eventful history, its archive, and ways to look at both."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pymongo.asynchronous.database import AsyncDatabase

from live_trading.archive import (
    Archived,
    ArchivedJournalReader,
    ArchivedSnapshots,
    Backup,
    Restored,
    Retention,
    TakenIn,
    Whole,
    export_journal,
    import_journal,
    make_backup,
    restore_backup,
)
from live_trading.domain.entries import Draft, Entry, JournalArchived
from live_trading.journal import JournalWriter, MongoJournal, Opener
from live_trading.projections import Ledger
from live_trading.projections.time_travel import ledger_at
from live_trading.runtime import Runtime
from tests.projections.histories import append, eventful

Database = AsyncDatabase[dict[str, Any]]


class World:
    """One database with its archive under ``directory``."""

    def __init__(self, database: Database, directory: Path, runtime: Runtime) -> None:
        self.database = database
        self.directory = directory
        self.runtime = runtime

    @property
    def reader(self) -> ArchivedJournalReader:
        """A reader that has read nothing yet."""
        return ArchivedJournalReader(self.database, self.directory)

    async def open_writer(self) -> JournalWriter:
        """The journal's writer, whose lease runs out soon when it is killed."""
        opener = Opener(engine_id="test", instance="1", version="0")
        return await MongoJournal.open_writer(self.database, opener, self.runtime, lease_ttl=2.0)

    async def fill(self, seed: int = 1, rounds: int = 60) -> None:
        """Write the eventful journal."""
        writer = await self.open_writer()
        await append(writer, eventful(seed, rounds))
        await writer.close()

    async def entries(self) -> list[Entry]:
        """Every entry, from the first on."""
        return [entry async for entry in self.reader.read()]

    async def in_database(self) -> list[int]:
        """The numbers of the entries that the collection has."""
        return [document["_id"] async for document in self.database["journal"].find({}, {"_id": 1}, sort=[("_id", 1)])]

    async def ledger(self, at: int | None = None) -> Ledger:
        reader = self.reader
        return await ledger_at(reader, ArchivedSnapshots(self.database, reader.archive), at)

    def retention(self, writer: JournalWriter, segment_entries: int = 150) -> Retention:
        async def record(facts: JournalArchived) -> None:
            await writer.append(Draft(facts))

        return Retention(
            self.database,
            self.directory,
            self.runtime.clock,
            record,
            segment_entries=segment_entries,
            kept_entries=1,
            deleted_at_once=60,
        )

    async def archive(self, before: int, segment_entries: int = 150) -> list[Archived]:
        """Archive the entries up to ``before``."""
        writer = await self.open_writer()
        try:
            return await self.retention(writer, segment_entries).run(before)
        finally:
            await writer.close()

    async def export(self, path: Path) -> Whole:
        return await export_journal(self.reader, path, self.runtime.clock)

    async def backup(self, directory: Path, market_data: Path | None = None) -> Backup:
        return await make_backup(self.database, self.reader, directory, self.runtime.clock, market_data=market_data)

    async def take_in(self, what: str, path: Path) -> TakenIn:
        """``import`` a journal or ``restore`` a backup."""
        if what == "import":
            return await import_journal(self.database, self.reader, path, self.runtime)
        return (await self.restore(path)).taken_in

    async def restore(self, path: Path) -> Restored:
        bars = self.directory.parent / "bars"
        return await restore_backup(self.database, self.reader, path, self.runtime, market_data=bars)

    def files(self, pattern: str = "*") -> list[Path]:
        """The archive's files, the lock left out."""
        return sorted(path for path in self.directory.glob(f"*/{pattern}") if path.name != ".lock")


async def until(condition: Callable[[], bool], seconds: float = 20.0) -> None:
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110 - what it waits for is told by nobody
            await asyncio.sleep(0.005)
