"""The engine dies by SIGKILL right before and right after every journal append, broker call and projection of a
scenario, under every policy; and again while it recovers. Afterwards everything must be as if it had never happened."""

import asyncio
import os
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from live_trading.domain.values import CrashRecoveryMode
from tests.crash.harness import CrashWorld, Ended, NeverCame
from tests.crash.scenario import play, played
from tests.crash.worlds import Worlds

MODES = [mode.value for mode in CrashRecoveryMode]
AT_ONCE = int(os.environ.get("LIVE_TRADING_CRASH_AT_ONCE", "5"))
BASES = ("broker.place.after@1", "order.modify.after@1", "order.cancel.after@1")
"""Where the engine dies first when it is to die again while it recovers: an entry with its bracket that only the broker
knows of; a position whose stop is being moved; a position whose target is being cancelled."""

_KILLED = -9
_TRIES = 3


@dataclass(slots=True)
class Tally:
    """What came of many cases."""

    cases: int = 0
    kills: int = 0
    judged: int = 0
    missed: list[str] = field(default_factory=list)
    entries: int = 0
    orders: int = 0
    failures: list[str] = field(default_factory=list)

    def told(self, what: str) -> str:
        kills = f"{self.cases} cases, {self.kills} kills, {self.judged} worlds judged"
        sizes = f"{self.entries} entries, {self.orders} orders, {len(self.failures)} failures"
        return f"{what}: {kills}, {sizes}; not reached: {', '.join(self.missed) or 'none'}"


async def _live(world: CrashWorld, mode: str) -> int:
    """Play the scenario to its end, a clean stop; the exit code, which may come sooner."""
    try:
        await play(world, mode)
        await world.come_to_rest()
        return await world.stop()
    except Ended as ended:
        return ended.code


async def _learn(worlds: Worlds, mode: str, tape: Path) -> Counter[str]:
    """How often an undisturbed scenario passes each point."""
    async with worlds.world(played(tape)) as world:
        await world.start_engine(learn=True)
        assert await _live(world, mode) == 0, world.engine.last_words()
        return Counter(world.engine.failpoints())


async def _case(worlds: Worlds, tape: Path, mode: str, points: Sequence[str], tally: Tally) -> None:
    """Die at each of ``points`` in turn, in one start after another; then start once more, come to rest, be judged.

    A scenario of real processes is not the same to the last step each time. When one ends without having come to its
    last point, that is judged too, and another is tried, with the point's last passing of this time.
    """
    tally.cases += 1
    for _ in range(_TRIES):
        last = await _try(worlds, tape, mode, points, tally)
        if last is None:
            return
        if last:
            points = [*points[:-1], f"{points[-1].partition('@')[0]}@{last}"]
    tally.missed.append(f"{mode} {' then '.join(points)}")


async def _try(worlds: Worlds, tape: Path, mode: str, points: Sequence[str], tally: Tally) -> int | None:
    """One world. None when it died as planned (or failed), else how often it passed its last point."""
    try:
        async with worlds.world(played(tape)) as world:
            missed, problems = await _die_and_live(world, mode, points, tally)
            if problems:
                raise AssertionError("; ".join(problems))
            return missed
    except (AssertionError, Ended, NeverCame, TimeoutError) as error:
        tally.failures.append(f"{mode} {' then '.join(points)}: {type(error).__name__} {error} [{world.directory}]")
        return None


async def _die_and_live(
    world: CrashWorld, mode: str, points: Sequence[str], tally: Tally
) -> tuple[int | None, list[str]]:
    missed = None
    for number, point in enumerate(points):
        await world.start_engine(failpoints=_armed(point), learn=True)
        code = await (_rest_and_stop(world) if number else _live(world, mode))
        assert code in (0, _KILLED), f"the engine ended with {code}: {world.engine.last_words()}"
        tally.kills += code == _KILLED
        missed = None if code == _KILLED else world.engine.failpoints().count(point.partition("@")[0])
    await world.start_engine()
    await world.come_to_rest()
    verdict = await world.judge()
    tally.judged += 1
    tally.entries += verdict.entries
    tally.orders += verdict.orders
    return missed, verdict.problems + await world.end()


def _armed(point: str) -> str:
    name, _, count = point.partition("@")
    return f"{name}=kill@{count}"


async def _rest_and_stop(world: CrashWorld) -> int:
    try:
        await world.come_to_rest()
        return await world.stop()
    except Ended as ended:
        return ended.code


async def _run(worlds: Worlds, tape: Path, mode: str, cases: Iterable[Sequence[str]], tally: Tally) -> None:
    """All cases, a few at a time: most of a case is waiting for a dead engine's lease to run out."""
    turn = asyncio.Semaphore(AT_ONCE)

    async def one(points: Sequence[str]) -> None:
        async with turn:
            await _case(worlds, tape, mode, points, tally)

    async with asyncio.TaskGroup() as group:
        for points in cases:
            group.create_task(one(points))


def _first_middle_last(passed: Counter[str]) -> list[str]:
    return [f"{name}@{n}" for name, count in sorted(passed.items()) for n in sorted({1, (count + 1) // 2, count})]


def _every(passed: Counter[str]) -> list[str]:
    return [f"{name}@{n}" for name, count in sorted(passed.items()) for n in range(1, count + 1)]


def _judge(tally: Tally, what: str) -> None:
    print("\n" + tally.told(what))
    assert not tally.failures, "\n".join(tally.failures)
    assert len(tally.missed) <= tally.cases // 10, tally.told(what)


@pytest.mark.crash
@pytest.mark.timeout(900)
@pytest.mark.parametrize("mode", MODES)
async def test_killed_at_every_named_point_it_recovers_and_nothing_is_lost_or_done_twice(
    mode: str, worlds: Worlds, tape: Path
) -> None:
    tally = Tally()
    points = _first_middle_last(await _learn(worlds, mode, tape))
    await _run(worlds, tape, mode, [[point] for point in points], tally)
    _judge(tally, f"killed at first, middle and last passing of each point, {mode}")


@pytest.mark.crash
@pytest.mark.crash_full
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("mode", MODES)
async def test_killed_at_every_passing_of_every_named_point(mode: str, worlds: Worlds, tape: Path) -> None:
    tally = Tally()
    points = _every(await _learn(worlds, mode, tape))
    await _run(worlds, tape, mode, [[point] for point in points], tally)
    _judge(tally, f"killed at every passing of each point, {mode}")


async def _learn_recovery(worlds: Worlds, tape: Path, mode: str, base: str) -> Counter[str]:
    """How often the start after a kill at ``base`` passes each point, until it is at rest and stopped."""
    async with worlds.world(played(tape)) as world:
        await world.start_engine(failpoints=_armed(base))
        assert await _live(world, mode) == _KILLED
        await world.start_engine(learn=True)
        assert await _rest_and_stop(world) == 0, world.engine.last_words()
        return Counter(world.engine.failpoints())


@pytest.mark.crash
@pytest.mark.timeout(900)
@pytest.mark.parametrize(("mode", "base"), list(zip(MODES, BASES, strict=True)))
async def test_killed_again_while_it_recovers_it_reaches_the_same_end_once(
    mode: str, base: str, worlds: Worlds, calm_tape: Path
) -> None:
    tally = Tally()
    passed = await _learn_recovery(worlds, calm_tape, mode, base)
    points = [f"{name}@{n}" for name, count in sorted(passed.items()) for n in sorted({1, count})]
    await _run(worlds, calm_tape, mode, [[base, point] for point in points], tally)
    _judge(tally, f"killed at {base} and again at each point of recovery, {mode}")


@pytest.mark.crash
@pytest.mark.crash_full
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("base", BASES)
async def test_killed_again_at_every_passing_while_it_recovers(
    mode: str, base: str, worlds: Worlds, calm_tape: Path
) -> None:
    tally = Tally()
    points = _every(await _learn_recovery(worlds, calm_tape, mode, base))
    await _run(worlds, calm_tape, mode, [[base, point] for point in points], tally)
    _judge(tally, f"killed at {base} and again at every passing of recovery's points, {mode}")
