"""Three mongods on loopback, whose primary is killed, stepped down and frozen again and again under a writing journal
and a trading engine: nothing acknowledged is lost, a writer settles its doubts, the engine goes on by itself."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from pymongo.asynchronous.database import AsyncDatabase

from live_trading.database import connect
from live_trading.domain.entries import Draft, Entry, NoteAdded
from live_trading.journal import JournalWriter, MongoJournalReader, Opener, verify
from live_trading.journal.mongo_store import MongoStore
from live_trading.journal.opening import open_writer
from live_trading.journal.store import Uncertain
from live_trading.runtime import Runtime, Tasks
from tests.crash.harness import CrashWorld, crash_world
from tests.crash.load import create_operations, synthetic
from tests.crash.nursery import Nursery
from tests.crash.replica_set import ReplicaSet
from tests.crash.tally import Tally

WAYS = ("killed", "stepped down", "frozen")
LEASE = 10.0
"""The default: a fail-over is shorter, and is ridden out."""
_PATIENT = 30.0
"""Of the test that runs with all others, on machines that may be busy: no fail-over takes as long."""
_APPENDERS = 5
_WITHIN = 45.0


class DoubtfulStore(MongoStore):
    """Counts how often the answer to an insert was lost."""

    doubts = 0

    async def insert(self, documents: Sequence[bytes]) -> None:
        try:
            await super().insert(documents)
        except Uncertain:
            self.doubts += 1
            raise


@dataclass(slots=True)
class Notes:
    """A journal that is written all the time by appenders of one writer, and what it acknowledged."""

    writer: JournalWriter
    store: DoubtfulStore
    acknowledged: dict[int, Entry] = field(default_factory=dict)

    async def append(self, name: int, runtime: Runtime) -> None:
        turn = 0
        while True:
            turn += 1
            (entry,) = await self.writer.append(Draft(NoteAdded(text=f"{name}/{turn}")))
            assert entry.sequence_number not in self.acknowledged
            self.acknowledged[entry.sequence_number] = entry
            await runtime.clock.sleep(0.02)  # the engine is to have its turn too


@asynccontextmanager
async def _written(database: AsyncDatabase[dict[str, Any]], runtime: Runtime, lease: float) -> AsyncIterator[Notes]:
    """A journal beside the engine's, under load for as long as the block lasts; then everything it told is there."""
    store = DoubtfulStore(database, runtime.clock)
    writer = await open_writer(store, Opener("notes", "a", "1"), runtime, lease_ttl=max(lease, LEASE))
    notes, tasks = Notes(writer, store), Tasks()
    for name in range(_APPENDERS):
        tasks.start(notes.append(name, runtime), f"appender {name}")
    yield notes
    assert tasks.failure is None, tasks.failure
    await tasks.close()
    await writer.close()
    reader = MongoJournalReader(database)
    report = await verify(reader)
    assert report.is_sound, report.broken
    assert report.epochs == 1, "one writer wrote it all"
    stored = {entry.sequence_number: entry async for entry in reader.read()}
    assert {number: stored.get(number) for number in notes.acknowledged} == notes.acknowledged


async def _fail_over(replicas: ReplicaSet, world: CrashWorld, notes: Notes, way: str) -> tuple[float, float]:
    """Fail the primary; the seconds until the journal beside took an entry again, and until the engine sent an order.

    A node that was killed or frozen comes back afterwards: with what it has that no majority had."""
    fail = {
        "killed": replicas.kill_primary,
        "stepped down": replicas.step_primary_down,
        "frozen": replicas.freeze_primary,
    }
    await world.look()
    node = await fail[way]()
    began, orders = world.clock.monotonic(), len(world.since(0, "ORDER_REQUESTED"))
    seen = len(notes.acknowledged)
    async with asyncio.timeout(_WITHIN):
        while len(notes.acknowledged) <= seen + _APPENDERS:  # those may have been on their way
            await world.clock.sleep(0.01)
    written = world.clock.monotonic() - began
    await world.until(lambda: len(world.since(0, "ORDER_REQUESTED")) > orders, "an order", within=_WITHIN)
    ordered = world.clock.monotonic() - began
    await replicas.bring_back(node)
    return written, ordered


async def _run(nursery: Nursery, directory: Path, runtime: Runtime, ways: Sequence[str], lease: float = LEASE) -> None:
    async with ReplicaSet(directory / "replicas", runtime.clock) as replicas:
        client = connect(replicas.url)
        try:
            world_directory, tally = directory / "world", Tally(cases=1)
            async with crash_world(nursery, client["crash"], replicas.url, world_directory, synthetic(11)) as world:
                await world.start_engine(lease=lease)
                await world.recovered()
                await create_operations(world, of_each=2)
                async with _written(client["notes"], runtime, lease) as notes:
                    took = [await _fail_over(replicas, world, notes, way) for way in ways]
                await tally.judge(world)
                starts = len(world.since(0, "ENGINE_STARTED"))
            assert (starts == 1) == (lease >= LEASE), f"started {starts} times"
            assert notes.store.doubts, "no answer was ever lost: the fail-overs met no insert"
        finally:
            await client.close()
    print(
        f"\nprimaries failed {len(ways)} times ({', '.join(dict.fromkeys(ways))}), lease {lease:g} s: entries again "
        f"after {max(written for written, _ in took):.1f} s at most, orders after "
        f"{max(ordered for _, ordered in took):.1f} s; {len(notes.acknowledged)} notes acknowledged, none lost, "
        f"{notes.store.doubts} doubts settled; the engine started {starts} times; {tally.told('engine')}"
    )


@pytest.mark.crash
@pytest.mark.timeout(180)
async def test_engine_and_writer_ride_out_a_primary_killed_stepped_down_and_frozen(
    nursery: Nursery, tmp_path: Path, runtime: Runtime
) -> None:
    await _run(nursery, tmp_path, runtime, WAYS, lease=_PATIENT)


@pytest.mark.crash
@pytest.mark.crash_full
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("lease", [LEASE, 1.0], ids=["ridden out", "lost and recovered"])
async def test_thirty_fail_overs_lose_nothing_acknowledged(
    lease: float, nursery: Nursery, tmp_path: Path, runtime: Runtime
) -> None:
    await _run(nursery, tmp_path, runtime, WAYS * 10, lease)
