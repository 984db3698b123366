"""When MongoDB's answer to an insert is lost: the entry is written once, or we are told that it is not."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import Any

import pytest
from pymongo.asynchronous.database import AsyncDatabase

from live_trading.database import connect
from live_trading.domain.entries import Draft, NoteAdded
from live_trading.journal import (
    Fenced,
    JournalWriter,
    LeaseLost,
    MemoryJournal,
    MemoryJournalReader,
    MemoryStore,
    MongoJournal,
    MongoJournalReader,
    Opener,
    verify,
)
from live_trading.journal.store import Uncertain
from live_trading.runtime import Runtime

Database = AsyncDatabase[dict[str, Any]]


def note(text: str) -> Draft:
    return Draft(NoteAdded(text=text))


def opener(instance: str = "a") -> Opener:
    return Opener(engine_id="main", instance=instance, version="1")


@pytest.fixture
async def shaky(network: Any, database: Database) -> AsyncIterator[Database]:
    """The test's database, over the network that fails on purpose."""
    client = connect(network.url)
    yield client[database.name]
    await client.close()


@pytest.fixture
async def writer(shaky: Database, runtime: Runtime) -> AsyncIterator[JournalWriter]:
    writer = await MongoJournal.open_writer(shaky, opener(), runtime, lease_ttl=TTL)
    yield writer
    await writer.close()


async def texts(database: Database) -> list[str]:
    report = await verify(MongoJournalReader(database))
    assert report.is_sound, report.broken
    return [
        entry.data.text
        async for entry in MongoJournalReader(database).read()
        if entry.action_type == NoteAdded.ACTION_TYPE
    ]


TTL = 4.0
"""Seconds: what a busy machine does not outlast."""


@pytest.mark.parametrize("fault", ["REPLY_LOST", "REQUEST_LOST"])
async def test_an_insert_whose_fate_is_unknown_ends_up_written_once(
    network: Any, writer: JournalWriter, database: Database, fault: str
) -> None:
    await writer.append(note("before"))
    network.fail_next_insert(fault)
    (entry,) = await writer.append(note("doubtful"))
    assert network.fault_met.is_set()
    await writer.append(note("after"))
    assert await texts(database) == ["before", "doubtful", "after"]
    assert (await MongoJournalReader(database).entry(entry.sequence_number)) == entry


@pytest.mark.parametrize("fault", ["REPLY_LOST", "REQUEST_LOST"])
async def test_a_batch_whose_fate_is_unknown_ends_up_written_once(
    network: Any, writer: JournalWriter, database: Database, fault: str
) -> None:
    network.fail_next_insert(fault)
    await asyncio.gather(*(writer.append(note(str(n))) for n in range(40)))
    assert network.fault_met.is_set()
    network.fail_next_insert(fault)
    await asyncio.gather(*(writer.append(note(str(n))) for n in range(40, 80)))
    assert network.fault_met.is_set()
    assert await texts(database) == [str(n) for n in range(80)]


async def test_a_silent_network_shorter_than_the_lease_is_waited_out(
    network: Any, writer: JournalWriter, database: Database
) -> None:
    network.cut()
    pending = asyncio.ensure_future(writer.append(note("patient")))
    await asyncio.sleep(0.5)
    assert not pending.done()
    network.mend()
    await asyncio.wait_for(pending, 30)
    assert await texts(database) == ["patient"]


async def test_an_outage_longer_than_the_lease_fails_everything_that_waits(
    network: Any, writer: JournalWriter, database: Database
) -> None:
    network.cut()
    pending = [asyncio.ensure_future(writer.append(note(str(n)))) for n in range(5)]
    async with asyncio.timeout(TTL + 30):
        results = await asyncio.gather(*pending, return_exceptions=True)
    assert [type(result) for result in results] == [LeaseLost] * 5
    with pytest.raises(LeaseLost):
        writer.check_may_act()
    network.mend()


async def test_an_insert_still_on_the_wire_at_a_take_over_is_refused_by_the_fence(
    network: Any, shaky: Database, database: Database, runtime: Runtime
) -> None:
    first = await MongoJournal.open_writer(shaky, opener("a"), runtime, lease_ttl=0.5)
    await first.append(note("before"))
    network.fail_next_insert("HELD")
    pending = asyncio.ensure_future(first.append(note("from the dead")))
    await network.fault_met.wait()
    network.cut()  # the first engine can neither renew nor read back
    second = await MongoJournal.open_writer(database, opener("b"), runtime, lease_ttl=0.5)
    network.let_go()
    assert b"Document failed validation" in await asyncio.wait_for(network.held_reply, 5)
    assert isinstance((await asyncio.gather(pending, return_exceptions=True))[0], LeaseLost)
    network.mend()
    await second.append(note("alive"))
    assert await texts(database) == ["before", "alive"]
    await first.close()
    await second.close()


class PrefixOnly(MemoryStore):
    """Stores the first half of the next batch, then loses the connection."""

    armed = False
    lost: Sequence[bytes] = ()

    async def insert(self, documents: Sequence[bytes]) -> None:
        if self.armed:
            self.armed = False
            half = len(documents) // 2
            self.lost = documents[half:]
            await super().insert(documents[:half])
            raise Uncertain("the connection broke in mid-batch")
        await super().insert(documents)


async def test_a_batch_of_which_a_prefix_was_stored_is_completed(runtime: Runtime) -> None:
    store = PrefixOnly()
    writer = await MemoryJournal.open_writer(store, opener(), runtime)
    store.armed = True
    entries = await writer.append(*(note(str(n)) for n in range(10)))
    assert len(store.lost) == 5
    assert [entry async for entry in MemoryJournalReader(store).read(after=1)] == list(entries)
    await writer.close()


async def test_anothers_entry_at_our_number_means_we_are_fenced(database: Database, runtime: Runtime) -> None:
    first = await MongoJournal.open_writer(database, opener("a"), runtime, lease_ttl=5)
    entry = await database["journal"].find_one({"_id": 1})
    assert entry is not None
    await database["journal"].insert_one(entry | {"_id": 2})
    with pytest.raises(Fenced, match="another's entry stands"):
        await first.append(note("mine"))
    await first.close()


async def test_a_writer_that_cannot_write_though_it_can_renew_gives_up_in_time(
    database: Database, runtime: Runtime
) -> None:
    """A full disk, say: renewals of an existing document may still go through."""
    from live_trading.journal import JournalUnavailable

    class Full(MemoryStore):
        full = False

        async def insert(self, documents: Sequence[bytes]) -> None:
            if self.full:
                await asyncio.sleep(0)
                raise Uncertain("no space left on device")
            await super().insert(documents)

    store = Full()
    writer = await MemoryJournal.open_writer(store, opener(), runtime, lease_ttl=0.3)
    store.full = True
    with pytest.raises(JournalUnavailable, match="no space left"):
        await asyncio.wait_for(writer.append(note("x")), 5)
    assert isinstance(await writer.failed(), JournalUnavailable)
    await writer.close()
