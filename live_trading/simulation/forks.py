"""Deaths at every effect without telling the story up to there again each time: the process forks where it would die.

A story is the same up to its first death, so it is told once. At each effect the process that tells it forks, once for
each way to die: the child dies there, lives on in another engine, and forks again at the effects of that engine's
recovery. The parent waits for each child before it goes on, so a story is never in more processes than deaths and one;
several stories at once are for :mod:`~live_trading.simulation.exhaustive`. What came of a child comes back through a
pipe. ``tell(name, deaths)`` tells the same without forks, byte for byte.
"""

import asyncio
import gc
import os
import signal
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, NoReturn
from zlib import crc32

import msgspec

from live_trading.simulation.effects import Death, Way
from live_trading.simulation.telling import Broker, Told, tell
from live_trading.simulation.world import World

_MOST_SECONDS: Final = 300
"""Of real time: a child that takes longer hangs, and is ended."""
_AFTERWARDS: Final = 0.5
"""Recovery is over so many seconds after trading went on, and when every exit it asked for is done."""
_THAWED: Final = 1.6
"""The same where somebody was frozen, who goes on a second later."""


@dataclass(frozen=True, slots=True)
class Search:
    """Which deaths to try. ``singles``, ``pairs``: one of so many (1: all, 0: none), always the same ones. ``part`` of
    ``parts``: of the first deaths, only those at every ``parts``-th effect."""

    singles: int = 1
    pairs: int = 0
    part: int = 0
    parts: int = 1

    def wants(self, what: str, deaths: Sequence[Death]) -> bool:
        """Whether these deaths are among those to be tried."""
        every = self.singles if len(deaths) == 1 else self.pairs
        named = f"{what} {' '.join(map(str, deaths))}"
        return every > 0 and crc32(named.encode()) % every == 0

    def goes_through(self, what: str, death: Death) -> bool:
        """Whether to go beyond a first death: to judge it alone, or to die again."""
        return death.effect % self.parts == self.part and (self.pairs > 0 or self.wants(what, [death]))


class Outcome(msgspec.Struct, frozen=True):
    """What came of a story with these deaths in it."""

    deaths: list[tuple[int, str]]
    problems: list[str]
    entries: int
    engines: int
    died: int
    """How many deaths there were; fewer than planned where the second never came."""
    head: str
    effects: int = 0

    def __str__(self) -> str:
        """The deaths, as the command line takes them."""
        return ",".join(f"{effect}:{way}" for effect, way in self.deaths)


def explore(name: str, broker: Broker, search: Search) -> list[Outcome]:
    """Tell a scenario once without deaths, and with all that ``search`` wants. The first outcome is the undisturbed
    story's."""
    gc.collect()
    gc.freeze()
    try:
        return _Explorer(name, broker, search).explore()
    finally:
        gc.unfreeze()


class _Explorer:
    """One process of a story."""

    def __init__(self, name: str, broker: Broker, search: Search) -> None:
        self._name, self._broker, self._search = name, broker, search
        self._what = f"{name} {broker}"
        self._world: World | None = None
        self._deaths: list[Death] = []
        self._outcomes: list[Outcome] = []
        self._answer: int | None = None
        """Where to tell what came of it; None in the process that began."""

    def explore(self) -> list[Outcome]:
        try:
            told = tell(self._name, (), self._broker, self._watch)
        except Exception as error:  # a world that ends by itself is judged like one that ends badly
            told = Told([f"it ended with {type(error).__name__}: {error}"], [], 0, 0)
        outcome = Outcome(
            deaths=[(death.effect, death.way.value) for death in self._deaths],
            problems=told.problems,
            entries=told.entries,
            engines=told.engines,
            died=told.deaths,
            head=told.head,
            effects=len(told.effects),
        )
        if not self._deaths or self._search.wants(self._what, self._deaths):
            self._outcomes.insert(0, outcome)
        if self._answer is not None:
            _end(self._answer, msgspec.json.encode(self._outcomes))
        return self._outcomes

    def _watch(self, world: World) -> None:
        self._world = world
        world.effects.before = self._before

    def _before(self, number: int) -> None:
        """At an effect: die here in every way that is wanted, each in a child."""
        if len(self._deaths) == 2 or (self._deaths and not (self._search.pairs and self._is_recovering())):
            return
        for way in Way:
            death = Death(number, way)
            if self._deaths:
                is_wanted = self._search.wants(self._what, [*self._deaths, death])
            else:
                is_wanted = self._search.goes_through(self._what, death)
            if is_wanted and self._fork(death):
                return

    def _is_recovering(self) -> bool:
        world, first = self._world, self._deaths[0]
        assert world is not None
        if not world.deaths:
            return False  # it dies as soon as its effect is acknowledged
        engine = world.engine
        if engine is None or any(op.exit_intent is not None for op in engine.live.ledger.state.operations.values()):
            return True
        afterwards = _THAWED if first.way is Way.FROZEN else _AFTERWARDS
        return world.clock.monotonic() < world.up_since + afterwards

    def _fork(self, death: Death) -> bool:
        """Whether this is the child, which dies so. The parent returns when the child has told what came of it."""
        sys.stdout.flush()
        loop = asyncio.get_running_loop()
        reading, writing = os.pipe()
        child = os.fork()
        if child == 0:
            os.close(reading)
            if self._answer is not None:
                os.close(self._answer)
            self._answer = writing
            asyncio._set_running_loop(loop)  # a fork has none of its own (CPython 3.11 to 3.13)
            signal.signal(signal.SIGALRM, signal.SIG_DFL)
            signal.alarm(_MOST_SECONDS)
            self._deaths.append(death)
            self._outcomes = []
            assert self._world is not None
            self._world.effects.plan_at(death)
            return True
        os.close(writing)
        with os.fdopen(reading, "rb") as pipe:
            told = pipe.read()
        _, status = os.waitpid(child, 0)
        if status == 0:
            self._outcomes += msgspec.json.decode(told, type=list[Outcome])
        else:
            deaths = [(each.effect, each.way.value) for each in (*self._deaths, death)]
            ended = f"its process ended by itself ({os.waitstatus_to_exitcode(status)})"
            self._outcomes.append(Outcome(deaths, [ended], 0, 0, 0, ""))
        return False


def _end(answer: int, told: bytes) -> NoReturn:
    """Tell it and be gone: nothing of what the parent had open is for a child to close."""
    view = memoryview(told)
    while view:
        view = view[os.write(answer, view) :]
    os._exit(0)
