"""A task that is told to stop stops, whatever the driver is doing at that moment."""

import asyncio
from typing import Any

from pymongo.asynchronous.database import AsyncDatabase


async def test_a_loop_over_the_database_ends_wherever_it_is_cancelled(database: AsyncDatabase[dict[str, Any]]) -> None:
    """With ``socketTimeoutMS`` set, Python 3.11 lost one cancellation in six, and the end of the program hung."""
    rounds = asyncio.Event()

    async def loop() -> None:
        while True:
            await database["things"].find_one({})
            rounds.set()

    for steps in range(24):
        rounds.clear()
        task = asyncio.ensure_future(loop())
        await rounds.wait()
        for _ in range(steps):
            await asyncio.sleep(0)
        task.cancel()
        done, _ = await asyncio.wait([task], timeout=5)
        assert done, f"cancelled {steps} steps on, it went on"
        assert task.cancelled()
