"""Old entries move into the archive: nothing is lost, nothing doubled, and every reader goes on as before."""

import asyncio
import gzip
from contextlib import aclosing
from datetime import timedelta

import bson
import pytest

from live_trading.archive import ArchiveBusy, ArchiveDamaged, ArchiveMissing
from live_trading.domain.entries import Draft, JournalArchived, NoteAdded
from live_trading.domain.errors import InvalidInput
from live_trading.journal import ChainBroken, MongoJournalReader, MongoSnapshots, verify
from live_trading.projections import rebuild, verify_read_models
from live_trading.projections.read_models import COLLECTIONS
from tests.integration.archive.worlds import World
from tests.projections.histories import stored


async def test_archived_entries_are_read_as_before_byte_for_byte(world: World) -> None:
    await world.fill()
    before = await world.entries()
    done = await world.archive(380)
    assert [(each.facts.first_sequence_number, each.facts.last_sequence_number) for each in done] == [
        (1, 150), (151, 300), (301, 380),
    ]  # fmt: skip
    assert (await world.in_database())[0] == 381
    after = await world.entries()
    assert after[: len(before)] == before
    assert [entry.data for entry in after if entry.action_type == "JOURNAL_ARCHIVED"] == [each.facts for each in done]
    assert (await verify(world.reader)).is_sound
    assert await world.reader.entry(1) == before[0]
    assert await world.reader.entry(150) == before[149]
    assert await world.reader.entry(10_000) is None
    assert [entry async for entry in world.reader.read(140, 160)] == before[140:160]
    assert [entry async for entry in world.reader.read(0, 3)] == before[:3]


async def test_a_segment_is_shown_by_ordinary_tools(world: World) -> None:
    await world.fill(rounds=10)
    (done,) = await world.archive(50)
    header, *documents, trailer = bson.decode_all(gzip.decompress(done.path.read_bytes()))
    assert header["format"] == "live-trading journal"
    assert [document["_id"] for document in documents] == list(range(1, 51))
    assert trailer["entries"] == 50
    assert trailer["last_hash"].hex() == done.facts.last_hash


async def test_state_and_read_models_reach_into_the_archive(world: World) -> None:
    await world.fill()
    numbers = [1, 77, 150, 151, 299, 300, 301, 380]
    expected = [(await world.ledger(number)).state_hash() for number in numbers]
    await rebuild(world.database, world.reader, world.runtime, grace=0)
    models = await stored(world.database)
    done = await world.archive(380)
    assert [(await world.ledger(number)).state_hash() for number in numbers] == expected
    assert [each.proved for each in done] == [expected[numbers.index(number)] for number in (150, 300, 380)]
    await rebuild(world.database, world.reader, world.runtime, grace=0)
    assert await stored(world.database) == models
    assert (await verify_read_models(world.database, world.reader)).is_equal
    assert set(COLLECTIONS) == set(models)


async def test_time_travel_begins_from_the_state_kept_beside_a_segment(world: World) -> None:
    await world.fill()
    await world.archive(380)
    expected = (await world.ledger(310)).state_hash()
    for path in world.files("journal-000000000001-*"):
        path.unlink()
    assert (await world.ledger(310)).state_hash() == expected
    with pytest.raises(ArchiveMissing) as missing:
        await world.ledger(120)
    assert "logging.journal_archive_dir" in str(missing.value)


async def test_reader_under_way_meets_no_gap_while_entries_are_archived(world: World) -> None:
    await world.fill(rounds=150)
    before = await world.entries()
    reader = world.reader
    reader.source._batch_size = 10
    met = []
    async with aclosing(reader.read_batches(0, len(before))) as batches:
        async for entries in batches:
            met += entries
            if len(met) == 10:
                await world.archive(len(before) - 20)
    assert met == before


async def test_follower_that_is_behind_goes_on_through_the_archive(world: World) -> None:
    await world.fill()
    await world.archive(380)
    met = []
    async with aclosing(world.reader.follow(200)) as batches:
        async for entries in batches:
            met += [entry.sequence_number for entry in entries]
            if met[-1] >= 385:
                break
    assert met == list(range(201, met[-1] + 1))


async def test_engine_opens_a_journal_whose_beginning_and_every_start_are_archived(world: World) -> None:
    await world.fill(rounds=10)
    started = await world.reader.entry(1)
    assert started is not None
    head = (await world.reader.head()).sequence_number
    await world.archive(head - 1)
    writer = await world.open_writer()
    await writer.append(*(Draft(NoteAdded(text=str(number))) for number in range(20)))
    await world.retention(writer).run(writer.head.sequence_number - 5)
    await writer.close()
    kinds = [document["action_type"] async for document in world.database["journal"].find()]
    assert "ENGINE_STARTED" not in kinds
    writer = await world.open_writer()
    assert writer.deployment_id == started.data.deployment_id
    await writer.close()
    assert (await verify(world.reader)).is_sound


async def test_entries_younger_than_the_retention_stay(world: World) -> None:
    await world.fill(rounds=10)
    writer = await world.open_writer()
    retention = world.retention(writer)
    assert await retention.run(world.runtime.clock.now() - timedelta(days=1)) == []
    (done,) = await retention.run(world.runtime.clock.now() + timedelta(days=1))
    assert (await world.in_database())[0] == done.facts.last_sequence_number + 1
    await writer.close()


async def test_the_last_entry_is_never_archived(world: World) -> None:
    await world.fill(rounds=2)
    head = (await world.reader.head()).sequence_number
    with pytest.raises(InvalidInput, match="the last entry always stays"):
        await world.archive(head + 1)  # the writer's own ENGINE_STARTED is the head by then
    assert (await world.in_database())[0] == 1


async def test_damaged_segment_is_named_and_never_deleted_for(world: World) -> None:
    await world.fill()
    (done, *_) = await world.archive(380)
    data = bytearray(done.path.read_bytes())
    data[len(data) // 2] ^= 1
    done.path.write_bytes(data)
    report = await verify(world.reader)
    assert isinstance(report.broken, ArchiveDamaged)
    assert str(done.path) in str(report.broken)


async def test_segment_exchanged_for_one_with_another_content_breaks_the_chain(world: World) -> None:
    await world.fill()
    first, second, _ = await world.archive(380)
    first.path.write_bytes(second.path.read_bytes())
    report = await verify(world.reader)
    assert isinstance(report.broken, ArchiveDamaged)
    assert "it holds the entries 151 to 300" in str(report.broken)


async def test_journal_damaged_in_the_database_is_not_archived(world: World) -> None:
    await world.fill()
    await world.database.command({"collMod": "journal", "validator": {}})
    await world.database["journal"].update_one({"_id": 100}, {"$set": {"actor": "user:mallory"}})
    with pytest.raises(ChainBroken) as broken:
        await world.archive(380)
    assert broken.value.sequence_number == 100
    assert (await world.in_database())[:200] == list(range(1, 201))
    assert world.files("*.bson.gz*") == []


async def test_two_archive_at_once_and_one_is_told(world: World) -> None:
    await world.fill(rounds=10)
    writer = await world.open_writer()
    reached, go_on = asyncio.Event(), asyncio.Event()
    first = world.retention(writer)

    async def slowly(facts: JournalArchived) -> None:
        reached.set()
        await go_on.wait()
        await writer.append(Draft(facts))

    first._record = slowly
    running = world.runtime.tasks.start(first.run(50), "archiving")
    await reached.wait()
    with pytest.raises(ArchiveBusy):
        await world.retention(writer).run(50)
    go_on.set()
    await running
    await writer.close()
    assert (await world.in_database())[0] == 51


async def test_plain_reader_of_the_collection_says_what_is_missing(world: World) -> None:
    await world.fill()
    await world.archive(380)
    report = await verify(MongoJournalReader(world.database))
    assert report.broken is not None
    assert report.broken.sequence_number == 1
    assert (await MongoSnapshots(world.database).load("x")).snapshot is None
