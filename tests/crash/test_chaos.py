"""Engine, standby, exchange and mongod are killed, frozen and cut off at random under load. At the end the exchange's
own store and the journal agree to the last fill, and nothing that any engine was told is durable is lost."""

import asyncio
import os
from math import ceil
from pathlib import Path

import pytest

from live_trading.runtime import Runtime, SeededIds
from live_trading.runtime.tasks import TaskFailed
from tests.crash.chaos import Toll, chaos_world
from tests.crash.harness import Ended, NeverCame
from tests.crash.nursery import Nursery
from tests.crash.tally import Tally

SEED = os.environ.get("LIVE_TRADING_CRASH_SEED", "1")
KILLS = int(os.environ.get("LIVE_TRADING_CHAOS_KILLS", "100"))
"""Of the long run."""
_KILLS_IN_A_WORLD = 25


async def _run(nursery: Nursery, directory: Path, runtime: Runtime, kills: int, orders: int = 8) -> None:
    """World after world, each from a seed of its own that is told first. One that fails does not end the others."""
    tally, toll = Tally(), Toll()
    for number in range(ceil(kills / _KILLS_IN_A_WORLD)):
        seed = f"{SEED}/{number}"
        print(f"\nchaos, seed {seed}", flush=True)
        tally.cases += 1
        share = min(_KILLS_IN_A_WORLD, kills - number * _KILLS_IN_A_WORLD)
        try:
            async with chaos_world(nursery, directory / f"chaos-{number}", runtime, SeededIds(seed)) as chaos:
                await chaos.rage(share, orders)
                await chaos.settle(tally)
        except (AssertionError, Ended, NeverCame, TaskFailed, TimeoutError) as error:
            tally.failures.append(f"seed {seed}: {type(error).__name__} {error} {' '.join(error.__notes__)}")
            print(tally.failures[-1], flush=True)
        else:
            toll.add(chaos.toll)
            print(chaos.toll.told(), flush=True)
    print(f"{tally.told('chaos of real processes')}\n{toll.told()}")
    assert not tally.failures, "\n".join(tally.failures)
    assert toll.kills >= kills


@pytest.mark.crash
@pytest.mark.timeout(240)
async def test_chaos_for_a_while_loses_and_doubles_nothing(nursery: Nursery, tmp_path: Path, runtime: Runtime) -> None:
    async with asyncio.timeout(220):  # pytest's own limit does not get through an event loop's callbacks
        await _run(nursery, tmp_path, runtime, kills=4, orders=3)


@pytest.mark.crash
@pytest.mark.crash_full
@pytest.mark.timeout(0)
async def test_chaos_for_a_hundred_kills_or_more_loses_and_doubles_nothing(
    nursery: Nursery, tmp_path: Path, runtime: Runtime
) -> None:
    await _run(nursery, tmp_path, runtime, KILLS)
