"""Clocks: what time it is, and how long something took. Two questions, two answers."""

import asyncio
import time
from abc import ABC, abstractmethod
from datetime import UTC, datetime, timedelta
from functools import lru_cache

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

# Linux's CLOCK_BOOTTIME goes on while the machine sleeps and while a process is stopped, so a lease that ran out
# during a suspended laptop lid is seen to have run out. Elsewhere CLOCK_MONOTONIC is the best there is.
_STEADY = getattr(time, "CLOCK_BOOTTIME", getattr(time, "CLOCK_MONOTONIC", None))


@lru_cache(maxsize=64)  # what happens at one moment asks for it a dozen times
def utc_from_ns(nanoseconds: int) -> datetime:
    """The aware UTC time of nanoseconds since 1970, cut to the microsecond a ``datetime`` can hold."""
    return _EPOCH + timedelta(microseconds=nanoseconds // 1000)


class Clock(ABC):
    """A wall clock for what is written down, and a steady clock for deadlines. They are never mixed."""

    @abstractmethod
    def now(self) -> datetime:
        """The wall-clock time: aware UTC, whole milliseconds (what BSON keeps)."""

    @abstractmethod
    def now_ns(self) -> int:
        """The wall-clock time in nanoseconds since 1970, UTC."""

    @abstractmethod
    def monotonic(self) -> float:
        """Seconds on a clock that never goes back and goes on while the process is stopped. For deadlines."""

    async def sleep(self, seconds: float) -> None:
        """Wait on the event loop's clock, which in a simulation is virtual."""
        await asyncio.sleep(seconds)


class SystemClock(Clock):
    """The machine's clocks."""

    def now(self) -> datetime:
        return utc_from_ns(time.time_ns() // 1_000_000 * 1_000_000)

    def now_ns(self) -> int:
        return time.time_ns()

    def monotonic(self) -> float:
        return time.monotonic() if _STEADY is None else time.clock_gettime(_STEADY)
