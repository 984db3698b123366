"""A time limit that is set only when something is waited for."""

import asyncio

import pytest

from live_trading.runtime import within


async def test_work_that_does_not_wait_sets_no_timer(monkeypatch: pytest.MonkeyPatch) -> None:
    timers: list[float] = []
    loop = asyncio.get_running_loop()
    monkeypatch.setattr(loop, "call_at", lambda when, *_, **__: timers.append(when))

    async def answer() -> int:
        return 7

    assert await within(1.0, answer()) == 7
    assert not timers


async def test_work_that_waits_gives_its_result() -> None:
    async def answer() -> str:
        await asyncio.sleep(0)
        await asyncio.sleep(0.001)
        return "late"

    assert await within(5.0, answer()) == "late"


async def test_work_that_waits_too_long_is_cancelled() -> None:
    cancelled = asyncio.Event()

    async def never() -> None:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            cancelled.set()
            raise

    with pytest.raises(TimeoutError):
        await within(0.001, never())
    assert cancelled.is_set()


@pytest.mark.parametrize("waits", [False, True])
async def test_an_error_of_the_work_is_the_callers(waits: bool) -> None:
    async def fails() -> None:
        if waits:
            await asyncio.sleep(0)
        raise ValueError("refused")

    with pytest.raises(ValueError, match="refused"):
        await within(1.0, fails())


async def test_cancelling_the_caller_cancels_the_work() -> None:
    began, ended = asyncio.Event(), asyncio.Event()

    async def work() -> None:
        began.set()
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    task = asyncio.ensure_future(within(60.0, work()))
    await began.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert ended.is_set()


async def test_a_limit_within_the_work_holds_too() -> None:
    async def inner() -> str:
        try:
            async with asyncio.timeout(0.001):
                await asyncio.Event().wait()
        except TimeoutError:
            return "inner"
        return "never"

    assert await within(60.0, inner()) == "inner"
