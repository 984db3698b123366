"""The engine dies by SIGKILL right before and right after every journal append, broker call and projection of a
scenario, under every policy; and again while it recovers. Afterwards everything must be as if it had never happened."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from live_trading.domain.values import CrashRecoveryMode
from tests.crash.harness import CrashWorld, Ended
from tests.crash.scenario import play, played
from tests.crash.tally import KILLED, Tally, run_cases
from tests.crash.worlds import Worlds

MODES = [mode.value for mode in CrashRecoveryMode]
BASES = ("broker.place.after@1", "order.modify.after@1", "order.cancel.after@1")
"""Where the engine dies first when it is to die again while it recovers: an entry with its bracket that only the broker
knows of; a position whose stop is being moved; a position whose target is being cancelled."""


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


@dataclass(slots=True)
class Deaths:
    """Die at each of ``points`` in turn, in one start after another; then start once more, come to rest, be judged.

    When one ends without having come to its last point, that is judged too, and the next attempt dies at the point's
    last passing of this time.
    """

    worlds: Worlds
    tape: Path
    mode: str
    points: Sequence[str]
    tally: Tally

    def __str__(self) -> str:
        return f"{self.mode} {' then '.join(self.points)}"

    async def attempt(self) -> bool:
        async with self.worlds.world(played(self.tape)) as world:
            passed = await self._die(world)
            await world.start_engine()
            await self.tally.judge(world)
        if passed:
            self.points = [*self.points[:-1], f"{self.points[-1].partition('@')[0]}@{passed}"]
        return passed is None

    async def _die(self, world: CrashWorld) -> int | None:
        """None when it died as planned, else how often it passed its last point."""
        passed = None
        for number, point in enumerate(self.points):
            await world.start_engine(failpoints=_armed(point), learn=True)
            code = await (_rest_and_stop(world) if number else _live(world, self.mode))
            assert code in (0, KILLED), f"the engine ended with {code}: {world.engine.last_words()}"
            self.tally.kills += code == KILLED
            passed = None if code == KILLED else world.engine.failpoints().count(point.partition("@")[0])
        return passed


def _armed(point: str) -> str:
    name, _, count = point.partition("@")
    return f"{name}=kill@{count}"


async def _rest_and_stop(world: CrashWorld) -> int:
    try:
        await world.come_to_rest()
        return await world.stop()
    except Ended as ended:
        return ended.code


async def _run(worlds: Worlds, tape: Path, mode: str, cases: Iterable[Sequence[str]]) -> Tally:
    tally = Tally()
    return await run_cases(tally, [Deaths(worlds, tape, mode, points, tally) for points in cases])


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
    points = _first_middle_last(await _learn(worlds, mode, tape))
    tally = await _run(worlds, tape, mode, [[point] for point in points])
    _judge(tally, f"killed at first, middle and last passing of each point, {mode}")


@pytest.mark.crash
@pytest.mark.crash_full
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("mode", MODES)
async def test_killed_at_every_passing_of_every_named_point(mode: str, worlds: Worlds, tape: Path) -> None:
    points = _every(await _learn(worlds, mode, tape))
    tally = await _run(worlds, tape, mode, [[point] for point in points])
    _judge(tally, f"killed at every passing of each point, {mode}")


async def _learn_recovery(worlds: Worlds, tape: Path, mode: str, base: str) -> Counter[str]:
    """How often the start after a kill at ``base`` passes each point, until it is at rest and stopped."""
    async with worlds.world(played(tape)) as world:
        await world.start_engine(failpoints=_armed(base))
        assert await _live(world, mode) == KILLED
        await world.start_engine(learn=True)
        assert await _rest_and_stop(world) == 0, world.engine.last_words()
        return Counter(world.engine.failpoints())


@pytest.mark.crash
@pytest.mark.timeout(900)
@pytest.mark.parametrize(("mode", "base"), list(zip(MODES, BASES, strict=True)))
async def test_killed_again_while_it_recovers_it_reaches_the_same_end_once(
    mode: str, base: str, worlds: Worlds, calm_tape: Path
) -> None:
    passed = await _learn_recovery(worlds, calm_tape, mode, base)
    points = [f"{name}@{n}" for name, count in sorted(passed.items()) for n in sorted({1, count})]
    tally = await _run(worlds, calm_tape, mode, [[base, point] for point in points])
    _judge(tally, f"killed at {base} and again at each point of recovery, {mode}")


@pytest.mark.crash
@pytest.mark.crash_full
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("base", BASES)
async def test_killed_again_at_every_passing_while_it_recovers(
    mode: str, base: str, worlds: Worlds, calm_tape: Path
) -> None:
    points = _every(await _learn_recovery(worlds, calm_tape, mode, base))
    tally = await _run(worlds, calm_tape, mode, [[base, point] for point in points])
    _judge(tally, f"killed at {base} and again at every passing of recovery's points, {mode}")
