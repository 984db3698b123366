"""An asyncio event loop on virtual time: where nothing is ready, time jumps to the next timer.

A day of trading takes as long as its computations, and the same tasks run in the same order every time. Given a seed,
the loop takes the tasks that are ready in an order of its own choosing, another for each seed: what must not depend on
who comes first is shown not to.

Tasks started within an :class:`Incarnation` (and whatever they start) can be stopped as a process is: from one moment
to the next, in the middle of whatever they do. No ``finally`` runs, no ``except CancelledError`` gets a chance. A
stopped incarnation stays stopped (SIGKILL, a power cut) or is thawed later and goes on as if nothing had happened
(SIGSTOP and SIGCONT, a suspended machine).
"""

import asyncio
import contextvars
import heapq
import selectors
from collections import deque
from collections.abc import Callable, Coroutine
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

from live_trading.runtime import Clock, SeededIds, Tasks

T = TypeVar("T")

DEFAULT_START = datetime(2026, 1, 5, 9, 0, tzinfo=UTC)


_MOST_ROUNDS = 50_000
"""So often the loop may go round at one moment of virtual time."""


class _JumpingSelector(selectors.SelectSelector):
    """Never waits, nor looks: nothing outside wakes a simulation. Tells the loop how long it would have waited."""

    def __init__(self) -> None:
        super().__init__()
        self.loop: VirtualTimeLoop | None = None
        self._rounds = 0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if self.loop is None:
            return super().select(0)
        self._rounds = self._rounds + 1 if timeout == 0 else 0
        if self._rounds > _MOST_ROUNDS:
            raise RuntimeError("time stands still in this simulation: tasks wake each other for ever")
        if timeout is None:
            if ready := super().select(0):
                return ready  # a signal
            raise RuntimeError("nothing will ever happen again in this simulation: every task waits for another")
        if timeout > 0:
            self.loop.jump(timeout)
        return []


class Incarnation:
    """One life of a simulated process. What it would do next is held while it is stopped."""

    def __init__(self) -> None:
        self.stopped = False
        self._held: list[asyncio.Handle] = []
        self._tasks = Tasks()
        self._thawed = asyncio.Event()
        self._thawed.set()

    def start(self, coroutine: Coroutine[Any, Any, T], name: str) -> asyncio.Task[T]:
        """Run ``coroutine``, and all that it starts, in this incarnation."""
        context = contextvars.copy_context()
        context.run(_INCARNATION.set, self)
        return self._tasks.start(coroutine, name, context)

    def stop(self) -> None:
        """Nothing of it runs from here on (what runs at this very moment: until it waits next)."""
        self.stopped = True
        self._thawed.clear()

    async def alive(self) -> None:
        """Wait while it is stopped: for what a stopped process must not do."""
        while self.stopped:
            await self._thawed.wait()

    def hold(self, handle: asyncio.Handle) -> None:
        """Keep what would have run."""
        self._held.append(handle)

    def thaw(self) -> None:
        """Go on where it was stopped: what would have run meanwhile runs now, in its order."""
        self.stopped = False
        self._thawed.set()
        held, self._held = self._held, []
        loop = asyncio.get_running_loop()
        assert isinstance(loop, VirtualTimeLoop)
        loop.run_soon(held)


_INCARNATION: contextvars.ContextVar[Incarnation | None] = contextvars.ContextVar("incarnation", default=None)


def current_incarnation() -> Incarnation | None:
    """The incarnation that the running task belongs to; None for the world's own."""
    return _INCARNATION.get()


def _is_stopped(handle: asyncio.Handle, context: contextvars.Context) -> bool:
    incarnation = context.get(_INCARNATION)
    if incarnation is None or not incarnation.stopped:
        return False
    incarnation.hold(handle)
    return True


class _Handle(asyncio.Handle):
    """A callback that does not run while its incarnation is stopped."""

    __slots__ = ()

    def _run(self) -> None:
        if not _is_stopped(self, self._context):  # type: ignore[attr-defined]
            super()._run()


class _TimerHandle(asyncio.TimerHandle):
    __slots__ = ()

    def _run(self) -> None:
        if not _is_stopped(self, self._context):  # type: ignore[attr-defined]
            super()._run()


class _AnyOrder(deque[asyncio.Handle]):
    """What is ready, given out in a seeded order where several tasks could go on.

    Only tasks change places, and only with those that no other callback stands between: callbacks are promised to run
    in the order in which they were asked for, tasks are not.
    """

    def __init__(self, seed: int) -> None:
        super().__init__()
        self._ids = SeededIds(f"{seed}/order")

    def popleft(self) -> asyncio.Handle:
        choices = 0
        for handle in self:
            if not _steps_a_task(handle):
                break
            choices += 1
        if choices > 1:
            chosen = int(self._ids.uniform(0, choices)) % choices
            handle = self[chosen]
            del self[chosen]
            return handle
        return super().popleft()


def _steps_a_task(handle: asyncio.Handle) -> bool:
    return isinstance(getattr(handle._callback, "__self__", None), asyncio.Task)  # type: ignore[attr-defined]


class VirtualTimeLoop(asyncio.SelectorEventLoop):
    """``time()`` begins at 0 and moves only by jumps to the next timer. ``seed``: of the order of ready tasks; None
    keeps them first come, first served."""

    _ready: Any  # the base class's queue of handles that run next
    _scheduled: Any  # and its heap of timers

    def __init__(self, seed: int | None = None) -> None:
        selector = _JumpingSelector()
        self._virtual_time = 0.0
        super().__init__(selector)
        selector.loop = self
        if seed is not None:
            waiting, self._ready = self._ready, _AnyOrder(seed)
            self._ready.extend(waiting)

    def time(self) -> float:
        return self._virtual_time

    # The two places where asyncio's base loop makes handles (CPython 3.11 to 3.13, Lib/asyncio/base_events.py).

    def _call_soon(
        self, callback: Callable[..., object], args: Any, context: contextvars.Context | None
    ) -> asyncio.Handle:
        handle = _Handle(callback, args, self, context)
        self._ready.append(handle)
        return handle

    def call_at(  # type: ignore[override]
        self, when: float, callback: Callable[..., object], *args: Any, context: contextvars.Context | None = None
    ) -> asyncio.TimerHandle:
        timer = _TimerHandle(when, callback, args, self, context)
        heapq.heappush(self._scheduled, timer)
        timer._scheduled = True  # type: ignore[attr-defined]
        return timer

    def run_soon(self, handles: list[asyncio.Handle]) -> None:
        """Run handles that were held."""
        self._ready.extend(handles)

    def jump(self, seconds: float) -> None:
        """Let virtual time pass."""
        self._virtual_time += seconds


class VirtualClock(Clock):
    """The clock of a :class:`VirtualTimeLoop`: wall time begins at ``start``, and may be set anew at any time."""

    def __init__(self, loop: asyncio.AbstractEventLoop, start: datetime = DEFAULT_START) -> None:
        self._loop = loop
        self._start = start
        self._start_ns = int(start.timestamp()) * 1_000_000_000
        self._set_by = 0.0

    def step(self, seconds: float) -> None:
        """Set the wall clock forward or (negative) back, as an administrator or NTP does. The steady clock goes on."""
        self._set_by += seconds

    def now(self) -> datetime:
        return self._start + timedelta(milliseconds=int((self._loop.time() + self._set_by) * 1000))

    def now_ns(self) -> int:
        return self._start_ns + int((self._loop.time() + self._set_by) * 1_000_000_000)

    def monotonic(self) -> float:
        return self._loop.time()


def run_virtual(main: Coroutine[Any, Any, T], order: int | None = None) -> T:
    """Run ``main`` to its end in virtual time, as ``asyncio.run`` does in real time. ``order``: the seed of the order
    in which ready tasks go on."""
    with asyncio.Runner(loop_factory=lambda: VirtualTimeLoop(order)) as runner:
        return runner.run(main)
