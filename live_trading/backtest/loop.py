"""An event loop without a selector, driven from outside: for engines whose time is that of recorded data.

A backtest's data is read by plain code, not by a task. It moves the loop's time on, hands the engine what happened at
that moment, and lets everything run that has become ready. Nothing is ever waited for, so a bar to which nobody reacts
costs a few function calls and no task switch. Tasks, futures, events, locks and time-outs are asyncio's own.
"""

import asyncio
import contextvars
import heapq
from asyncio import events
from collections import deque
from collections.abc import Callable, Coroutine, Generator
from datetime import datetime
from math import ceil
from typing import Any, TypeVar

from live_trading.runtime import Clock, utc_from_ns

T = TypeVar("T")

_SECOND_NS = 1_000_000_000
_MILLISECOND_NS = 1_000_000
_INFINITE = float("inf")
_NEVER = 1 << 62


class _Call:
    """Something to be run soon, as far as anybody asks for it: it can be cancelled."""

    __slots__ = ("arguments", "callback", "context", "is_cancelled")

    def __init__(
        self, callback: Callable[..., object], arguments: tuple[Any, ...], context: contextvars.Context | None
    ) -> None:
        self.callback = callback
        self.arguments = arguments
        self.context = context if context is not None else contextvars.copy_context()
        self.is_cancelled = False

    def cancel(self) -> None:
        self.is_cancelled = True

    def cancelled(self) -> bool:
        return self.is_cancelled


class _Timer(_Call):
    """A call for later."""

    __slots__ = ("due",)

    due: float

    def when(self) -> float:
        return self.due


class DrivenLoop(asyncio.AbstractEventLoop):
    """``time()`` is seconds since ``start_ns``, and moves only by :meth:`advance`.

    Use it as a context manager, from code that is in no task: inside the block it is the running loop, but runs nothing
    until it is told to, and at its end cancels what still runs. A callback's exception is raised by whatever ran it; a
    task keeps its own.
    """

    def __init__(self, start_ns: int) -> None:
        self.now_ns = start_ns
        self.ready: deque[_Call] = deque()
        """What runs next. Look whether there is anything before calling :meth:`run_ready`."""
        self.start_ns = start_ns
        self._timers: list[tuple[int, int, _Timer]] = []
        self._timers_made = 0
        self._next_due_ns = _NEVER
        self._closed = False

    @classmethod
    def starting_at(cls, start_ns: int) -> "DrivenLoop":
        """A new loop."""
        return cls(start_ns)

    def __enter__(self) -> "DrivenLoop":
        events._set_running_loop(self)
        return self

    def __exit__(self, *_: object) -> None:
        """Cancel whatever still runs, and let it end."""
        for task in asyncio.all_tasks(self):
            task.cancel()
        self.run_ready()
        events._set_running_loop(None)
        self._closed = True

    # ---- driving ----------------------------------------------------------------------------------------------------

    def run_ready(self) -> None:
        """Run everything that is ready, and what that makes ready, until nothing is."""
        ready = self.ready
        while ready:
            call = ready.popleft()
            if not call.is_cancelled:
                call.context.run(call.callback, *call.arguments)

    def advance(self, to_ns: int) -> None:
        """Let time pass. Timers that come due on the way run at their own times, in order."""
        while self._next_due_ns <= to_ns:
            self._run_next_timer()
        if to_ns > self.now_ns:
            self.now_ns = to_ns

    def _run_next_timer(self) -> None:
        due_ns, _, timer = heapq.heappop(self._timers)
        self._next_due_ns = self._timers[0][0] if self._timers else _NEVER
        if timer.is_cancelled:
            return
        self.now_ns = max(self.now_ns, due_ns)
        self.ready.append(timer)
        self.run_ready()

    def run(self, main: Coroutine[Any, Any, T], within: float = 3600.0) -> T:
        """Run ``main`` to its end, letting time pass where it waits, but no more than ``within`` seconds."""
        task: asyncio.Task[T] = asyncio.Task(main, loop=self, name="main")
        limit = self.now_ns + int(within * _SECOND_NS)
        self.run_ready()
        while not task.done():
            if self._next_due_ns > limit:
                task.cancel()
                self.run_ready()
                raise TimeoutError(f"it did not end within {within:g} s of the loop's time")
            self._run_next_timer()
        return task.result()

    # ---- what asyncio asks of a loop --------------------------------------------------------------------------------

    def time(self) -> float:
        return (self.now_ns - self.start_ns) / _SECOND_NS

    def call_soon(  # type: ignore[override]
        self, callback: Callable[..., object], *args: Any, context: contextvars.Context | None = None
    ) -> _Call:
        call = _Call(callback, args, context)
        self.ready.append(call)
        return call

    def call_at(  # type: ignore[override]
        self, when: float, callback: Callable[..., object], *args: Any, context: contextvars.Context | None = None
    ) -> _Timer:
        timer = _Timer(callback, args, context)
        timer.due = when
        self._timers_made += 1
        # Rounded up: whoever waits for a time must not find that it is not quite there yet.
        due_ns = _NEVER if when == _INFINITE else self.start_ns + ceil(when * _SECOND_NS)
        heapq.heappush(self._timers, (due_ns, self._timers_made, timer))
        self._next_due_ns = self._timers[0][0]
        return timer

    def call_later(  # type: ignore[override]
        self, delay: float, callback: Callable[..., object], *args: Any, context: contextvars.Context | None = None
    ) -> _Timer:
        return self.call_at(self.time() + delay, callback, *args, context=context)

    def create_future(self) -> asyncio.Future[Any]:
        return asyncio.Future(loop=self)

    def create_task(
        self,
        coro: Coroutine[Any, Any, T] | Generator[Any, None, T],
        *,
        name: str | None = None,
        context: contextvars.Context | None = None,
    ) -> asyncio.Task[T]:
        return asyncio.Task(coro, loop=self, name=name, context=context)

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        error = context.get("exception")
        raise error if isinstance(error, BaseException) else RuntimeError(str(context.get("message")))

    def is_running(self) -> bool:
        return not self._closed

    def is_closed(self) -> bool:
        return self._closed

    def get_debug(self) -> bool:
        return False


class DrivenClock(Clock):
    """The clock of a :class:`DrivenLoop`: wall time and steady time alike are the data's."""

    def __init__(self, loop: DrivenLoop) -> None:
        self._loop = loop

    def now(self) -> datetime:
        now_ns = self._loop.now_ns
        return utc_from_ns(now_ns - now_ns % _MILLISECOND_NS)

    def now_ns(self) -> int:
        return self._loop.now_ns

    def monotonic(self) -> float:
        # The loop's own time, without calling for it: it is asked for several times with every bar.
        loop = self._loop
        return (loop.now_ns - loop.start_ns) / _SECOND_NS
