"""What every journal does, in memory and in MongoDB alike."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import pytest
from bson import ObjectId
from pymongo.asynchronous.database import AsyncDatabase

from live_trading.domain.entries import (
    GENESIS_HASH,
    PREVIOUS,
    Cause,
    Draft,
    EngineStarted,
    Entry,
    NoteAdded,
    OrderRequested,
)
from live_trading.domain.errors import InvalidInput
from live_trading.domain.values import OrderPurpose, OrderType, Side
from live_trading.journal import (
    EntryTooLarge,
    Fenced,
    Head,
    JournalClosed,
    JournalReader,
    JournalWriter,
    LeaseLost,
    MemoryJournal,
    MemoryJournalReader,
    MemoryStore,
    MongoJournal,
    MongoJournalReader,
    Opener,
)
from live_trading.runtime import Runtime
from live_trading.runtime.clock import Clock, SystemClock


class Steerable(Clock):
    """The machine's clock, which a test can set back or stop."""

    def __init__(self) -> None:
        self._real = SystemClock()
        self.wall_offset = 0
        self.steady_offset = 0.0

    def now(self) -> Any:
        from datetime import timedelta

        return self._real.now() + timedelta(seconds=self.wall_offset)

    def now_ns(self) -> int:
        return self._real.now_ns() + self.wall_offset * 1_000_000_000

    def monotonic(self) -> float:
        return self._real.monotonic() + self.steady_offset


@dataclass
class Place:
    """Where a journal is kept: opens writers and readers on it."""

    open: Callable[..., Any]
    reader: JournalReader
    stack: AsyncExitStack
    clocks: list[Steerable] = field(default_factory=list)

    async def writer(self, instance: str = "a", ttl: float = 1.0, **more: Any) -> JournalWriter:
        clock = Steerable()
        self.clocks.append(clock)
        runtime = Runtime(clock=clock)
        opener = Opener(engine_id=more.pop("engine_id", "main"), instance=instance, version="1")
        writer: JournalWriter = await self.open(opener, runtime, lease_ttl=ttl, **more)
        self.stack.push_async_callback(writer.close)
        return writer


@pytest.fixture
async def memory_place() -> AsyncIterator[Place]:
    store = MemoryStore(write_seconds=0.002)
    async with AsyncExitStack() as stack:
        yield Place(partial(MemoryJournal.open_writer, store), MemoryJournalReader(store), stack)


@pytest.fixture
async def mongo_place(database: AsyncDatabase[dict[str, Any]]) -> AsyncIterator[Place]:
    async with AsyncExitStack() as stack:
        yield Place(partial(MongoJournal.open_writer, database), MongoJournalReader(database), stack)


@pytest.fixture(params=["memory", "mongo"])
def place(request: pytest.FixtureRequest) -> Place:
    place: Place = request.getfixturevalue(f"{request.param}_place")
    return place


def note(text: str = "hello") -> Draft:
    return Draft(NoteAdded(text=text))


async def entries(place: Place, **more: Any) -> list[Entry]:
    return [entry async for entry in place.reader.read(**more)]


async def test_the_first_entry_is_engine_started_and_carries_the_journals_birth(place: Place) -> None:
    writer = await place.writer()
    (first,) = await entries(place)
    assert first.sequence_number == 1
    assert first.previous_hash == GENESIS_HASH
    assert isinstance(first.data, EngineStarted)
    assert first.data.deployment_id == writer.deployment_id
    assert len(writer.deployment_id) == 24
    assert first.epoch == writer.epoch == 1
    assert await place.reader.head() == writer.head == Head(1, first.hash, first.timestamp)


async def test_an_empty_journal_has_head_zero_and_reads_as_nothing(place: Place) -> None:
    assert await place.reader.head() == Head(0, GENESIS_HASH, None)
    assert await entries(place) == []
    assert await place.reader.entry(1) is None


async def test_appended_entries_are_read_back_equal_and_chained(place: Place) -> None:
    writer = await place.writer()
    appended = await writer.append(note("one"), note("two")) + await writer.append(note("three"))
    read = await entries(place)
    assert read[1:] == list(appended)
    assert [entry.sequence_number for entry in read] == [1, 2, 3, 4]
    assert [entry.previous_hash for entry in read] == [GENESIS_HASH, *(entry.hash for entry in read[:-1])]
    assert await place.reader.entry(3) == appended[1]
    assert [entry.sequence_number for entry in await entries(place, after=1, to=3)] == [2, 3]


async def test_numbers_follow_the_order_of_calls_whatever_the_contention(place: Place) -> None:
    writer = await place.writer()
    results = await asyncio.gather(*(writer.append(note(f"{n}a"), note(f"{n}b")) for n in range(300)))
    flat = [entry for pair in results for entry in pair]
    assert [entry.sequence_number for entry in flat] == list(range(2, 602))
    assert [entry.data.text for entry in flat[:4]] == ["0a", "0b", "1a", "1b"]
    assert (await entries(place))[1:] == flat


async def test_an_append_larger_than_a_batch_is_written_whole(place: Place) -> None:
    writer = await place.writer()
    appended = await writer.append(*(note(str(n)) for n in range(700)))
    assert (await entries(place))[1:] == list(appended)


async def test_subscribers_are_told_in_order_before_the_appender(place: Place) -> None:
    writer = await place.writer()
    told: list[int] = []
    writer.subscribe(lambda durable: told.extend(entry.sequence_number for entry in durable))

    async def append(text: str) -> None:
        (entry,) = await writer.append(note(text))
        assert entry.sequence_number in told

    await asyncio.gather(*(append(str(n)) for n in range(50)))
    assert told == list(range(2, 52))


async def test_facts_and_operations_may_name_themselves_by_their_number(place: Place) -> None:
    writer = await place.writer()
    (entry,) = await writer.append(
        Draft(lambda number: NoteAdded(text=f"I am {number}"), operation_id=lambda n: ObjectId(f"{n:024x}"))
    )
    assert entry.data.text == "I am 2"
    assert entry.operation_id == ObjectId(f"{2:024x}")


async def test_chains_keep_the_number_of_the_entry_that_began_them(place: Place) -> None:
    writer = await place.writer()
    first, second, third = await writer.append(
        note(), Draft(NoteAdded(text="b"), caused_by=PREVIOUS), Draft(NoteAdded(text="c"), caused_by=PREVIOUS)
    )
    (fourth,) = await writer.append(Draft(NoteAdded(text="d"), caused_by=second))
    (fifth,) = await writer.append(Draft(NoteAdded(text="e"), caused_by=Cause(4, 2)))
    chain = [(entry.correlation_id, entry.causation_id) for entry in (first, second, third, fourth, fifth)]
    assert chain == [(2, None), (2, 2), (2, 3), (2, 3), (2, 4)]
    with pytest.raises(ValueError, match="no draft before"):
        await writer.append(Draft(NoteAdded(text="f"), caused_by=PREVIOUS))


async def test_time_never_goes_back_though_the_wall_clock_does(place: Place) -> None:
    writer = await place.writer()
    (before,) = await writer.append(note())
    place.clocks[-1].wall_offset = -3600
    (after,) = await writer.append(note())
    assert after.timestamp == before.timestamp
    await writer.close()
    again = await place.writer("b")
    assert again.head.timestamp is not None
    assert again.head.timestamp >= after.timestamp


async def test_an_entry_that_cannot_be_kept_uses_up_no_number(place: Place) -> None:
    writer = await place.writer()
    with pytest.raises(EntryTooLarge, match="nothing was written"):
        await writer.append(note("fits"), note("x" * 300_000))
    with pytest.raises(InvalidInput, match="NOTE_ADDED"):
        await writer.append(note("\ud800"))
    (entry,) = await writer.append(note("next"))
    assert entry.sequence_number == 2
    assert [entry.sequence_number for entry in await entries(place)] == [1, 2]


async def test_money_is_kept_to_the_last_digit_and_zero(place: Place) -> None:
    from decimal import Decimal

    writer = await place.writer()
    order = OrderRequested(
        client_order_id="X",
        broker="paper",
        symbol="EUR-USD",
        side=Side.BUY,
        order_type=OrderType.LIMIT,
        quantity=Decimal("1E+3"),
        purpose=OrderPurpose.ENTRY,
        limit_price=Decimal("1.10"),
        stop_price=Decimal("1.1"),
    )
    await writer.append(Draft(order))
    stored = (await entries(place))[-1].data
    assert stored == order
    assert [str(value) for value in (stored.quantity, stored.limit_price, stored.stop_price)] == ["1E+3", "1.10", "1.1"]
    with pytest.raises(InvalidInput, match="34 digits"):
        await writer.append(Draft(order.model_copy(update={"quantity": Decimal("1." + "1" * 40)})))


async def test_closing_gives_the_lease_back_so_that_the_next_engine_need_not_wait(place: Place) -> None:
    writer = await place.writer("a", ttl=60)
    pending = asyncio.ensure_future(writer.append(note("last words")))
    await asyncio.sleep(0)
    await writer.close()
    assert pending.done()
    with pytest.raises(JournalClosed):
        await writer.append(note())
    with pytest.raises(JournalClosed):
        writer.check_may_act()
    async with asyncio.timeout(10):
        second = await place.writer("b", ttl=60)
    assert second.epoch == 2
    assert second.deployment_id == writer.deployment_id
    assert [entry.action_type for entry in await entries(place)] == ["ENGINE_STARTED", "NOTE_ADDED", "ENGINE_STARTED"]


async def test_a_standby_waits_while_the_lease_is_renewed_and_can_be_cancelled(place: Place) -> None:
    await place.writer("a", ttl=0.5)
    waiting: list[str] = []
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(1.5):
            await place.writer("b", ttl=0.5, on_waiting=waiting.append)
    assert len(waiting) == 1
    assert "held by a@" in waiting[0]


async def test_a_lease_that_runs_out_ends_the_writer_and_hands_over_after_a_full_ttl(place: Place) -> None:
    first = await place.writer("a", ttl=0.5)
    clock = place.clocks[-1]
    first.check_may_act()
    clock.steady_offset += 10  # the process was frozen for ten seconds
    with pytest.raises(LeaseLost, match="ran out"):
        first.check_may_act()
    failure = await asyncio.wait_for(first.failed(), 5)
    assert isinstance(failure, LeaseLost)
    with pytest.raises(JournalClosed):
        await first.append(note())
    second = await place.writer("b", ttl=0.5)
    assert second.epoch == 2


async def test_a_writer_that_was_taken_over_is_fenced_and_writes_nothing_more(place: Place) -> None:
    first = await place.writer("a", ttl=0.3)
    lease = first._lease  # type: ignore[attr-defined]
    # The frozen process: it does not renew, and does not know.
    await first._tasks.close()  # type: ignore[attr-defined]
    second = await place.writer("b", ttl=0.3)
    lease._deadline = float("inf")
    with pytest.raises(Fenced):
        await first.append(note("from the dead"))
    assert isinstance(await asyncio.wait_for(first.failed(), 5), Fenced)
    with pytest.raises(Fenced):
        first.check_may_act()
    await second.append(note("alive"))
    read = await entries(place)
    assert [(entry.epoch, entry.action_type) for entry in read] == [
        (1, "ENGINE_STARTED"),
        (2, "ENGINE_STARTED"),
        (2, "NOTE_ADDED"),
    ]


async def test_another_engines_journal_is_refused(place: Place) -> None:
    await (await place.writer("a")).close()
    with pytest.raises(InvalidInput, match="belongs to engine 'main'"):
        await place.writer("b", engine_id="other")


async def test_an_appender_that_gives_up_leaves_its_entry_and_the_others_unharmed(place: Place) -> None:
    writer = await place.writer()
    gone = asyncio.ensure_future(writer.append(note("gone")))
    await asyncio.sleep(0)
    others = [asyncio.ensure_future(writer.append(note(str(n)))) for n in range(5)]
    await asyncio.sleep(0)
    gone.cancel()
    others[2].cancel()
    results = await asyncio.gather(gone, *others, return_exceptions=True)
    assert isinstance(results[0], asyncio.CancelledError)
    assert isinstance(results[3], asyncio.CancelledError)
    await writer.append(note("after"))
    read = await entries(place)
    assert [entry.data.text for entry in read[1:]] == ["gone", "0", "1", "2", "3", "4", "after"]


async def test_a_follower_gets_what_is_there_and_then_what_comes(place: Place) -> None:
    writer = await place.writer()
    await writer.append(note("before"))
    seen: list[int] = []
    caught_up = asyncio.Event()

    async def follow() -> None:
        async for batch in place.reader.follow(after=1):
            seen.extend(entry.sequence_number for entry in batch)
            caught_up.set()
            if seen[-1] >= 40:
                return

    task = asyncio.ensure_future(follow())
    await asyncio.wait_for(caught_up.wait(), 5)
    for _ in range(38):
        await writer.append(note())
    await asyncio.wait_for(task, 10)
    assert seen == list(range(2, 41))
