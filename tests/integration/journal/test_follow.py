"""A reader that lost its connection goes on from the last number it saw: nothing twice, nothing left out."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from contextlib import aclosing
from pathlib import Path
from typing import Any

import pytest
from pymongo.asynchronous.database import AsyncDatabase

from live_trading.database import EmbeddedMongo, connect
from live_trading.domain.entries import Draft, NoteAdded
from live_trading.journal import JournalWriter, MongoJournal, MongoJournalReader, Opener
from live_trading.runtime import Runtime

Database = AsyncDatabase[dict[str, Any]]


@pytest.fixture
async def writer(database: Database, runtime: Runtime) -> AsyncIterator[JournalWriter]:
    writer = await MongoJournal.open_writer(database, Opener("main", "a", "1"), runtime)
    yield writer
    await writer.close()


async def append_many(writer: JournalWriter, count: int) -> None:
    for number in range(count):
        await writer.append(Draft(NoteAdded(text=str(number))))


async def test_a_follower_resumes_from_the_last_number_it_saw(writer: JournalWriter, database: Database) -> None:
    appending = asyncio.ensure_future(append_many(writer, 300))
    seen: list[int] = []
    while len(seen) < 301:
        # Each turn is a new connection that stays for a few batches only.
        async with asyncio.timeout(20), aclosing(MongoJournalReader(database).follow(seen[-1] if seen else 0)) as live:
            turns = 0
            async for batch in live:
                seen.extend(entry.sequence_number for entry in batch)
                turns += 1
                if turns == 5 or len(seen) >= 301:
                    break
    await appending
    assert seen == list(range(1, 302))


async def test_a_follower_is_woken_well_before_it_would_look_by_itself(
    writer: JournalWriter, database: Database, runtime: Runtime
) -> None:
    delays: list[float] = []
    arrived = asyncio.Event()

    async def follow() -> None:
        async for _ in MongoJournalReader(database).follow(1):
            arrived.set()

    following = asyncio.ensure_future(follow())
    for _ in range(12):
        arrived.clear()
        began = runtime.clock.monotonic()
        await writer.append(Draft(NoteAdded(text="x")))
        await asyncio.wait_for(arrived.wait(), 5)
        delays.append(runtime.clock.monotonic() - began)
    following.cancel()
    await asyncio.gather(following, return_exceptions=True)
    assert sorted(delays)[len(delays) // 2] < 0.5


@pytest.mark.crash
async def test_a_follower_outlives_the_death_of_mongod(tmp_path: Path, runtime: Runtime) -> None:
    mongo = EmbeddedMongo(tmp_path, runtime)
    client = connect(await mongo.start())
    database = client["live_trading"]
    writer = await MongoJournal.open_writer(database, Opener("main", "a", "1"), runtime)
    seen: list[int] = []

    async def follow() -> None:
        async for batch in MongoJournalReader(database).follow():
            seen.extend(entry.sequence_number for entry in batch)
            if seen[-1] >= 41:
                return

    following = asyncio.ensure_future(follow())
    await append_many(writer, 20)
    assert mongo.process_id is not None
    os.kill(mongo.process_id, signal.SIGKILL)
    await append_many(writer, 20)
    await asyncio.wait_for(following, 20)
    assert seen == list(range(1, 42))
    await writer.close()
    await client.close()
    await mongo.stop()


async def test_reading_can_be_left_at_any_entry(writer: JournalWriter, database: Database) -> None:
    await writer.append(*(Draft(NoteAdded(text=str(number))) for number in range(5000)))
    reader = MongoJournalReader(database, batch_size=100)
    async with aclosing(reader.read()) as entries:
        async for entry in entries:
            if entry.sequence_number == 150:
                break
    assert (await reader.entry(150)) == entry
    assert [entry.sequence_number async for entry in reader.read(after=4990, to=4995)] == list(range(4991, 4996))
