"""The engine dies by SIGKILL at random moments under load, now and then while it recovers from the last time."""

import asyncio
import os
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from live_trading.runtime import SeededIds, Tasks
from tests.crash.harness import CrashWorld
from tests.crash.load import create_operations, meddle
from tests.crash.scenario import played
from tests.crash.worlds import Worlds

WORLDS = 3
SEED = os.environ.get("LIVE_TRADING_CRASH_SEED", "1")


@dataclass(slots=True)
class Tally:
    """What came of it."""

    kills: int = 0
    entries: int = 0
    orders: int = 0
    problems: list[str] = field(default_factory=list)


async def _kill_at_random(world: CrashWorld, chance: SeededIds, kills: int, tally: Tally) -> None:
    """Each time: trade, die, (die again while recovering,) recover, come to rest, be judged, trade on."""
    tasks = Tasks()
    await world.start_engine()
    await create_operations(world)
    while tally.kills < kills and not tally.problems:
        meddling = tasks.start(meddle(world, chance), "a person who meddles")
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
        meddling.cancel()
        await asyncio.wait([meddling])
        await world.come_to_rest()
        verdict = await world.judge()
        tally.entries, tally.orders = verdict.entries, verdict.orders
        tally.problems += [f"after kill {tally.kills}: {problem}" for problem in verdict.problems]
        await world.wake_up()
    await tasks.close()
    await world.come_to_rest()
    tally.problems += await world.end()


async def _run(worlds: Worlds, tape: Path, kills: int) -> list[Tally]:
    async def one(number: int) -> Tally:
        tally = Tally()
        async with worlds.world(played(tape)) as world:
            await _kill_at_random(world, SeededIds(f"{SEED}/{number}"), kills, tally)
            assert not tally.problems, f"{tally.problems} [{world.directory}]"
        return tally

    return list(await asyncio.gather(*(one(number) for number in range(WORLDS))))


def _judge(tallies: list[Tally], least: int) -> None:
    kills, entries = sum(tally.kills for tally in tallies), sum(tally.entries for tally in tallies)
    orders = sum(tally.orders for tally in tallies)
    print(f"\nkilled at random moments under load: {kills} kills, {entries} entries, {orders} orders judged")
    assert kills >= least


@pytest.mark.crash
@pytest.mark.timeout(600)
async def test_killed_at_random_moments_under_load(worlds: Worlds, tape: Path) -> None:
    _judge(await _run(worlds, tape, 5), 15)


@pytest.mark.crash
@pytest.mark.crash_full
@pytest.mark.timeout(1800)
async def test_killed_at_50_random_moments_under_load(worlds: Worlds, tape: Path) -> None:
    _judge(await _run(worlds, tape, 17), 50)
