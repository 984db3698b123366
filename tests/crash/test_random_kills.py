"""The engine dies by SIGKILL at random moments under load, now and then while it recovers from the last time."""

import asyncio
import os
from pathlib import Path

import pytest

from live_trading.runtime import SeededIds, Tasks
from tests.crash.harness import CrashWorld
from tests.crash.load import create_operations, meddle
from tests.crash.scenario import played
from tests.crash.tally import Tally
from tests.crash.worlds import Worlds

WORLDS = 3
SEED = os.environ.get("LIVE_TRADING_CRASH_SEED", "1")


async def _kill_at_random(world: CrashWorld, chance: SeededIds, kills: int, tally: Tally) -> None:
    """Each time: trade, die, (die again while recovering,) recover, come to rest, be judged, trade on."""
    await world.start_engine()
    await create_operations(world)
    while tally.kills < kills and not tally.failures:
        meddling = Tasks()
        meddling.start(meddle(world, chance), "a person who meddles")
        await world.clock.sleep(chance.uniform(0.3, 2.0))
        await world.kill()
        tally.kills += 1
        if chance.uniform(0, 1) < 0.3 and tally.kills < kills:
            await world.start_engine()
            await world.clock.sleep(chance.uniform(1.2, 2.2))
            await world.kill()
            tally.kills += 1
        await world.start_engine()
        await world.recovered()
        assert meddling.failure is None, meddling.failure
        await meddling.close()
        await world.come_to_rest()
        verdict = await world.judge()
        tally.judged += 1
        tally.entries, tally.orders = verdict.entries, verdict.orders
        tally.failures += [f"after kill {tally.kills}: {problem}" for problem in verdict.problems]
        await world.wake_up()
    await world.come_to_rest()
    tally.failures += await world.end()


async def _run(worlds: Worlds, tape: Path, kills: int) -> Tally:
    async def one(number: int) -> Tally:
        tally = Tally(cases=1)
        async with worlds.world(played(tape)) as world:
            await _kill_at_random(world, SeededIds(f"{SEED}/{number}"), kills, tally)
            assert not tally.failures, f"{tally.failures} [{world.directory}]"
        return tally

    whole = Tally()
    for tally in await asyncio.gather(*(one(number) for number in range(WORLDS))):
        whole.add(tally)
    return whole


def _judge(tally: Tally, least: int) -> None:
    print("\n" + tally.told("killed at random moments under load"))
    assert tally.kills >= least


@pytest.mark.crash
@pytest.mark.timeout(600)
async def test_killed_at_random_moments_under_load(worlds: Worlds, tape: Path) -> None:
    _judge(await _run(worlds, tape, 5), 15)


@pytest.mark.crash
@pytest.mark.crash_full
@pytest.mark.timeout(1800)
async def test_killed_at_50_random_moments_under_load(worlds: Worlds, tape: Path) -> None:
    _judge(await _run(worlds, tape, 17), 50)
