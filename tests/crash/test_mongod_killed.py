"""mongod dies by SIGKILL under a trading engine, again and again. An engine with a long lease rides it out, one with a
short lease loses the journal, stands by and recovers; in either case nothing that was acknowledged is lost."""

import os
from pathlib import Path
from signal import SIGKILL

import pytest

from live_trading.database import EmbeddedMongo, connect
from live_trading.runtime import Runtime, SeededIds
from tests.crash.harness import CrashWorld, crash_world
from tests.crash.load import create_operations, meddle
from tests.crash.nursery import Nursery
from tests.crash.scenario import played

KILLS = 10
PROGRESS = 40
"""Entries that must come after one kill before the next."""


async def _kill_again_and_again(world: CrashWorld, mongo: EmbeddedMongo, runtime: Runtime, lease: float) -> int:
    chance = SeededIds(f"mongod {lease}")
    await world.start_engine(lease=lease)
    await create_operations(world)
    meddling = runtime.tasks.start(meddle(world, chance), "a person who meddles")
    killed: set[int] = set()
    for _ in range(KILLS):
        goal = len(world.entries) + PROGRESS
        await world.until(lambda goal=goal: len(world.entries) >= goal, "progress")  # type: ignore[misc]
        await world.clock.sleep(chance.uniform(0, 0.5))
        assert mongo.process_id is not None
        killed.add(mongo.process_id)
        os.kill(mongo.process_id, SIGKILL)
    goal = len(world.entries) + PROGRESS
    await world.until(lambda: len(world.entries) >= goal, "progress after the last kill")
    meddling.cancel()
    assert world.engine.process.code is None, "the engine's process lives through it all"
    return len(killed)


@pytest.mark.crash
@pytest.mark.timeout(600)
@pytest.mark.parametrize("lease", [30.0, 1.0], ids=["ridden out", "lost and recovered"])
async def test_mongod_killed_under_load_loses_nothing_acknowledged(
    lease: float, nursery: Nursery, tape: Path, tmp_path: Path, runtime: Runtime
) -> None:
    mongo = EmbeddedMongo(tmp_path, runtime)
    client = connect(await mongo.start())
    try:
        async with crash_world(nursery, client["crash"], mongo.url, tmp_path / "world", played(tape)) as world:
            kills = await _kill_again_and_again(world, mongo, runtime, lease)
            await world.come_to_rest()
            verdict = await world.judge()
            problems = verdict.problems + await world.end()
            starts = len(world.since(0, "ENGINE_STARTED"))
            acknowledged = len(world.engine.acknowledged())
            print(
                f"\nmongod killed {kills} times, lease {lease:g} s: {verdict.entries} entries "
                f"({acknowledged} known to be acknowledged), {verdict.orders} orders judged, {starts} times started"
            )
            assert not problems, world.engine.last_words()
            assert kills == KILLS
            assert (starts == 1) == (lease > 10)
    finally:
        await client.close()
        await mongo.stop()
