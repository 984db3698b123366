"""Turns for what can wait: one with each pass of the event loop, so that ticks and signals go before it."""

import asyncio
from collections import deque
from collections.abc import Callable


class Turns:
    """Calls callbacks one by one, one with each pass of the loop.

    When a bar closes, hundreds of operations may want to store it. All at once they would hold up the next tick, and
    the order of whoever has a signal, by milliseconds. Ask for one turn at a time: so the queue is bounded by those who
    ask.
    """

    def __init__(self) -> None:
        self._waiting: deque[Callable[[], None]] = deque()

    def ask(self, callback: Callable[[], None]) -> None:
        """Have ``callback`` called in its turn, never right away."""
        self._waiting.append(callback)
        if len(self._waiting) == 1:
            asyncio.get_running_loop().call_soon(self._take_one)

    def _take_one(self) -> None:
        callback = self._waiting.popleft()
        if self._waiting:
            asyncio.get_running_loop().call_soon(self._take_one)
        callback()
