"""Archiving while an engine trades: by itself, in the background, and never in the way of a clean end."""

import asyncio
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from live_trading.archive import ArchivedJournalReader, verify_with_archive
from live_trading.assembly import Phase, archiving
from live_trading.domain.entries import Draft, JournalArchived, NoteAdded
from live_trading.journal import MongoJournal, Opener
from live_trading.runtime import Runtime, SystemClock, SystemIds, Tasks
from tests.integration.archive.worlds import Database
from tests.integration.engine.test_service import Build, build, exchange

__all__ = ["build", "exchange"]

OLD = 1_500
KEPT = 1_000


class LongAgo(SystemClock):
    """A hundred days behind."""

    def now(self) -> datetime:
        return super().now() - timedelta(days=100)


async def write_long_ago(database: Database) -> None:
    runtime = Runtime(LongAgo(), SystemIds(), Tasks())
    writer = await MongoJournal.open_writer(database, Opener("default", "1", "0"), runtime)
    await writer.append(*(Draft(NoteAdded(text=str(number))) for number in range(2, OLD + 1)))
    await writer.close()
    await runtime.tasks.close()


async def until_archived(reader: ArchivedJournalReader) -> int:
    async with asyncio.timeout(20):
        while (first := await reader.source.first_number()) in (1, None):  # noqa: ASYNC110 - it is in MongoDB
            await asyncio.sleep(0.02)
    assert first is not None
    return first


async def test_engine_archives_what_is_older_than_the_retention(
    build: Build, mongo_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(archiving, "SETTLE_SECONDS", 0.05)
    house = await build(mongo_url)
    house.service.request_stop("only its database is needed at first")
    await house.running
    await house.database.drop_collection("journal")
    await write_long_ago(house.database)
    house = await build(mongo_url)
    await house.reach(Phase.TRADING)
    reader = ArchivedJournalReader(house.database, tmp_path / "journal-archive")
    await until_archived(reader)
    recorded = [entry async for entry in reader.read() if isinstance(entry.data, JournalArchived)]
    first = recorded[-1].data.last_sequence_number + 1
    async with asyncio.timeout(20):  # they go some hundreds at a time
        while await reader.source.first_number() != first:  # noqa: ASYNC110 - it is in MongoDB
            await asyncio.sleep(0.02)
    assert OLD - KEPT <= first <= OLD
    assert recorded[-1].actor == "engine"
    assert (await reader.entry(7)).data.text == "7"  # type: ignore[union-attr]
    await house.stop()
    report, segments = await verify_with_archive(reader)
    assert report.is_sound
    assert [each.recorded for each in segments] == [True]
    last = await reader.head()
    ended = await reader.entry(last.sequence_number)
    assert ended is not None
    assert ended.action_type == "ENGINE_STOPPED"


async def test_engine_that_is_told_not_to_archive_does_not(
    build: Build, mongo_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked = asyncio.Event()

    async def look(*_: object) -> None:
        looked.set()

    monkeypatch.setattr("live_trading.assembly.service.archive_old_entries", look)
    house = await build(mongo_url)
    settings = house.service.settings
    logging = settings.logging.model_copy(update={"journal_archive": False})
    house.service._settings = settings.model_copy(update={"logging": logging})
    await house.reach(Phase.TRADING)
    await house.stop()
    assert not looked.is_set()
    house = await build(mongo_url)
    await house.reach(Phase.TRADING)
    await house.stop()
    assert looked.is_set()


async def test_trouble_with_the_disk_is_told_and_tried_again(
    build: Build, mongo_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(archiving, "SETTLE_SECONDS", 0.05)
    told: list[str] = []
    monkeypatch.setattr(archiving._log, "warning", lambda text, **_: told.append(text))
    monkeypatch.setattr(archiving, "_HOUR_SECONDS", 0.01)
    (tmp_path / "journal-archive").write_text("a file where a directory should be")
    house = await build(mongo_url)
    house.service.request_stop("only its database is needed at first")
    await house.running
    await house.database.drop_collection("journal")
    await write_long_ago(house.database)
    house = await build(mongo_url)
    await house.reach(Phase.TRADING)
    async with asyncio.timeout(20):
        while not told:  # noqa: ASYNC110 - the log tells nobody
            await asyncio.sleep(0.02)
    (tmp_path / "journal-archive").unlink()
    await until_archived(ArchivedJournalReader(house.database, tmp_path / "journal-archive"))
    await house.stop()
