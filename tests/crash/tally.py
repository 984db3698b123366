"""Many cases of dying: run a few at a time, tried again where a story ended without its death, and counted."""

import asyncio
import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Protocol

from tests.crash.harness import CrashWorld, Ended, NeverCame

AT_ONCE = int(os.environ.get("LIVE_TRADING_CRASH_AT_ONCE", "5"))
KILLED = -9
"""The exit code of a process that SIGKILL ended."""

_TRIES = 3


@dataclass(slots=True)
class Tally:
    """What came of it all."""

    cases: int = 0
    kills: int = 0
    judged: int = 0
    """How often a world was judged from outside."""
    kept: int = 0
    """Worlds that ended with a position, every unit of it protected."""
    entries: int = 0
    orders: int = 0
    missed: list[str] = field(default_factory=list)
    """Cases that ended without their death, every time."""
    failures: list[str] = field(default_factory=list)

    def told(self, what: str) -> str:
        """One line for people."""
        kills = f"{self.cases} cases, {self.kills} kills, {self.judged} worlds judged"
        kept = f", {self.kept} positions kept and covered" if self.kept else ""
        sizes = f"{self.entries} entries, {self.orders} orders, {len(self.failures)} failures"
        return f"{what}: {kills}{kept}, {sizes}; not reached: {', '.join(self.missed) or 'none'}"

    async def judge(self, world: CrashWorld, also: Callable[[CrashWorld], list[str]] | None = None) -> None:
        """Have a world come to rest, judge it, and end it in order. ``also`` finds what is wrong besides, at rest.

        Raises ``AssertionError`` with all of it."""
        await world.come_to_rest()
        verdict = await world.judge()
        self.judged += 1
        self.kept += any(operation.quantity for operation in world.operations)
        self.entries += verdict.entries
        self.orders += verdict.orders
        problems = verdict.problems + (also(world) if also is not None else []) + await world.end()
        assert not problems, "; ".join(problems)

    def add(self, other: "Tally") -> None:
        """Count another's as ours."""
        for name in ("cases", "kills", "judged", "kept", "entries", "orders", "missed", "failures"):
            setattr(self, name, getattr(self, name) + getattr(other, name))


class Case(Protocol):
    """One way to die. ``str`` names it; ``attempt`` plays it in a world of its own, to the judgement, and tells whether
    it died as planned: real processes do not take the same steps each time."""

    async def attempt(self) -> bool: ...


async def run_cases(tally: Tally, cases: Iterable[Case], at_once: int = AT_ONCE) -> Tally:
    """Run them all, a few at a time: most of each is waiting for a dead engine's lease to run out."""
    turn = asyncio.Semaphore(at_once)

    async def one(case: Case) -> None:
        async with turn:
            tally.cases += 1
            await _run_case(tally, case)

    async with asyncio.TaskGroup() as group:
        for case in cases:
            group.create_task(one(case))
    return tally


async def _run_case(tally: Tally, case: Case) -> None:
    name = str(case)
    for _ in range(_TRIES):
        try:
            if await case.attempt():
                return
        except (AssertionError, Ended, NeverCame, TimeoutError) as error:
            where = " ".join(getattr(error, "__notes__", ()))
            tally.failures.append(f"{case}: {type(error).__name__} {error} {where}")
            return
    tally.missed.append(name)
