"""A time limit that costs nothing where nothing is waited for."""

import asyncio
import types
from collections.abc import Callable, Coroutine, Generator
from typing import Any, TypeVar

T = TypeVar("T")


@types.coroutine
def within(seconds: float, work: Coroutine[Any, Any, T]) -> Generator[Any, Any, T]:
    """``await within(seconds, work)``: its result, or :class:`TimeoutError` when it waits for longer.

    The same as ``asyncio.timeout`` around it, but the timer is set when the work first waits for something. A broker in
    the same process answers without waiting, and then there is none.
    """
    try:
        awaited = work.send(None)
    except StopIteration as done:
        result: T = done.value
        return result
    return (yield from _timed(seconds, work, awaited).__await__())


async def _timed(seconds: float, work: Coroutine[Any, Any, T], awaited: Any) -> T:
    async with asyncio.timeout(seconds):
        return await _rest(work, awaited)


@types.coroutine
def _rest(work: Coroutine[Any, Any, T], awaited: Any) -> Generator[Any, Any, T]:
    """What is left of a coroutine that waits for ``awaited``."""
    while True:
        try:
            sent = yield awaited
        except BaseException as error:  # a cancellation, most likely: it is for the work to hear of
            step: Callable[[Any], Any] = work.throw
            argument: Any = error
        else:
            step, argument = work.send, sent
        try:
            awaited = step(argument)
        except StopIteration as done:
            result: T = done.value
            return result
