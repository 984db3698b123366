"""The loop that is driven by data."""

import asyncio

import pytest

from live_trading.backtest.loop import DrivenClock, DrivenLoop

SECOND = 1_000_000_000


def test_timers_run_at_their_own_times_in_order_however_far_time_jumps() -> None:
    seen: list[tuple[str, float]] = []
    with DrivenLoop.starting_at(1_000 * SECOND) as loop:
        clock = DrivenClock(loop)

        async def tick(name: str, seconds: float) -> None:
            while True:
                await clock.sleep(seconds)
                seen.append((name, clock.monotonic()))

        loop.create_task(tick("slow", 2.0))
        loop.create_task(tick("quick", 0.75))
        loop.run_ready()
        loop.advance(1_002 * SECOND)
        assert seen == [("quick", 0.75), ("quick", 1.5), ("slow", 2.0)]
        assert clock.now_ns() == 1_002 * SECOND
        loop.advance(1_001 * SECOND)
        assert clock.now_ns() == 1_002 * SECOND


def test_asyncios_own_tools_work_on_it() -> None:
    with DrivenLoop.starting_at(0) as loop:

        async def main() -> list[str]:
            event, told = asyncio.Event(), []

            async def waiter() -> None:
                await event.wait()
                told.append("woken")

            task = asyncio.ensure_future(waiter())
            try:
                async with asyncio.timeout(1):
                    await asyncio.sleep(5)
            except TimeoutError:
                told.append("out of time")
            event.set()
            async with asyncio.Lock():
                await asyncio.gather(task, asyncio.sleep(0))
            return told

        assert loop.run(main()) == ["out of time", "woken"]
        assert loop.time() == pytest.approx(1.0)


def test_what_never_ends_is_given_up_after_so_much_of_its_time() -> None:
    with DrivenLoop.starting_at(0) as loop, pytest.raises(TimeoutError):
        loop.run(asyncio.Event().wait(), within=10)


def test_an_error_in_a_task_is_its_own() -> None:
    async def fail() -> None:
        raise ZeroDivisionError

    with DrivenLoop.starting_at(0) as loop, pytest.raises(ZeroDivisionError):
        loop.run(fail())
