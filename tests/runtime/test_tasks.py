"""Tasks end together, whatever they do about it."""

import asyncio

from live_trading.runtime import Tasks
from live_trading.simulation import run_virtual


def test_a_task_that_loses_its_cancellation_is_cancelled_again() -> None:
    async def main() -> None:
        tasks, lost = Tasks(), 0

        async def deaf() -> None:
            nonlocal lost
            while True:
                try:
                    await asyncio.sleep(60)
                except asyncio.CancelledError:
                    lost += 1
                    if lost > 2:
                        raise

        tasks.start(deaf(), "deaf")
        await asyncio.sleep(0)
        async with asyncio.timeout(30):
            await tasks.close()
        assert lost == 3
        assert not len(tasks)

    run_virtual(main())


def test_closing_also_ends_tasks_that_are_started_while_it_waits() -> None:
    async def main() -> None:
        tasks = Tasks()

        async def parent() -> None:
            try:
                await asyncio.sleep(60)
            finally:
                tasks.start(asyncio.sleep(60), "child")

        tasks.start(parent(), "parent")
        await asyncio.sleep(0)
        async with asyncio.timeout(30):
            await tasks.close()
        assert not len(tasks)

    run_virtual(main())
