"""mongod dies by SIGKILL under load, again and again: nothing acknowledged is lost, and the writer lives on."""

import asyncio
import os
import signal
from pathlib import Path

import pytest

from live_trading.database import EmbeddedMongo, connect
from live_trading.domain.entries import Draft, Entry, NoteAdded
from live_trading.journal import MongoJournal, MongoJournalReader, Opener, verify
from live_trading.runtime import Runtime

KILLS = 4
APPENDERS = 20
TTL = 10.0


@pytest.mark.crash
async def test_mongod_killed_under_load_loses_nothing_and_the_writer_lives_on(tmp_path: Path, runtime: Runtime) -> None:
    mongo = EmbeddedMongo(tmp_path, runtime)
    client = connect(await mongo.start())
    database = client["live_trading"]
    writer = await MongoJournal.open_writer(database, Opener("main", "a", "1"), runtime, lease_ttl=TTL)
    acknowledged: dict[int, Entry] = {}
    killed: set[int] = set()
    longest_outage = 0.0
    stopping = False
    progress = asyncio.Condition()

    async def append(name: int) -> None:
        nonlocal longest_outage
        turn = 0
        while not stopping:
            turn += 1
            asked = runtime.clock.monotonic()
            (entry,) = await writer.append(Draft(NoteAdded(text=f"{name}/{turn}")))
            longest_outage = max(longest_outage, runtime.clock.monotonic() - asked)
            assert entry.sequence_number not in acknowledged
            acknowledged[entry.sequence_number] = entry
            async with progress:
                progress.notify_all()

    async def until_more(count: int) -> None:
        goal = len(acknowledged) + count
        async with asyncio.timeout(30), progress:
            await progress.wait_for(lambda: len(acknowledged) >= goal)

    appenders = [asyncio.ensure_future(append(name)) for name in range(APPENDERS)]
    for _ in range(KILLS):
        await until_more(500)
        assert mongo.process_id is not None
        killed.add(mongo.process_id)
        os.kill(mongo.process_id, signal.SIGKILL)
    await until_more(500)
    stopping = True
    await asyncio.gather(*appenders)

    assert len(killed) == KILLS
    assert longest_outage < TTL
    reader = MongoJournalReader(database)
    report = await verify(reader)
    assert report.is_sound, report.broken
    assert report.epochs == 1
    stored = {entry.sequence_number: entry async for entry in reader.read()}
    assert len(stored) == report.entries == writer.head.sequence_number
    assert {number: stored.get(number) for number in acknowledged} == acknowledged
    await writer.close()
    await client.close()
    await mongo.stop()


@pytest.mark.crash
async def test_mongod_gone_for_longer_than_the_lease_ends_the_writer_and_the_next_one_goes_on(
    tmp_path: Path, runtime: Runtime
) -> None:
    mongo = EmbeddedMongo(tmp_path, runtime)
    client = connect(await mongo.start(watch=False), timeout=1)
    database = client["live_trading"]
    writer = await MongoJournal.open_writer(database, Opener("main", "a", "1"), runtime, lease_ttl=1)
    await writer.append(Draft(NoteAdded(text="before")))
    assert mongo.process_id is not None
    os.kill(mongo.process_id, signal.SIGKILL)
    with pytest.raises(Exception, match="ran out"):
        await asyncio.wait_for(writer.append(Draft(NoteAdded(text="lost"))), 5)
    await writer.close()
    waiting: list[str] = []
    opening = asyncio.ensure_future(
        MongoJournal.open_writer(database, Opener("main", "b", "1"), runtime, lease_ttl=1, on_waiting=waiting.append)
    )
    again = EmbeddedMongo(tmp_path, runtime)
    await mongo.stop()
    await again.start()
    second = await asyncio.wait_for(opening, 20)
    assert second.epoch == 2
    report = await verify(MongoJournalReader(database))
    assert report.is_sound
    await second.close()
    await client.close()
    await again.stop()
