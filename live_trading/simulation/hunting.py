"""The hunt for bugs that were put in on purpose: a laboratory that misses one of them is not good enough."""

import multiprocessing
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from typing import Final

from live_trading.brokers.types import Bracket
from live_trading.simulation.campaign import silence
from live_trading.simulation.exhaustive import Case, cases, repeat
from live_trading.simulation.forks import Search, explore
from live_trading.simulation.mutants import MUTANTS, mutated
from live_trading.simulation.plans import plan
from live_trading.simulation.swarm import run
from live_trading.simulation.telling import PLAIN, Broker, tell

_FIRST: Final = 10
"""So many worlds are lived through before the stories are told."""
_LIVED_TWICE: Final = 5
_BROKERS: Final = (PLAIN, Broker(Bracket.ATOMIC, in_parts=True))


@dataclass(frozen=True, slots=True)
class Hunt:
    """What became of one deliberate bug: where it was caught and by which check; both empty when it was not.

    ``seeds``: how many worlds were lived through by then."""

    mutant: str
    what: str
    seeds: int
    caught_in: str
    caught_by: str

    @property
    def is_caught(self) -> bool:
        return bool(self.caught_by)


_Catch = tuple[int, str, str]


def hunt(name: str, seeds: int) -> Hunt:
    """Put a bug into the engine and look for it until a check fails.

    In a few worlds first, the first ones lived through twice (the same seed must give the same journal); then in every
    story; then in the other worlds, up to ``seeds``; then in every story with every single death."""
    mutant = MUTANTS[name]
    with mutated(mutant):
        found = next(_catches(seeds), (seeds, "", ""))
    return Hunt(name, mutant.what, *found)


def _catches(seeds: int) -> Iterator[_Catch]:
    first = min(_FIRST, seeds)
    yield from _in_worlds(range(1, first + 1))
    for case in cases(brokers=_BROKERS):
        if problems := _problems(case):
            yield first, repeat(case, ""), problems[0]
    yield from _in_worlds(range(first + 1, seeds + 1))
    for case in cases(brokers=_BROKERS):
        for outcome in explore(case.scenario, case.broker, Search()):
            if outcome.problems:
                yield seeds, repeat(case, str(outcome)), outcome.problems[0]


def _in_worlds(seeds: Sequence[int]) -> Iterator[_Catch]:
    for seed in seeds:
        judged = run(plan(seed))
        if judged.problems:
            yield seed, f"live-trading simulate --seed {seed}", judged.problems[0]
        elif seed <= _LIVED_TWICE and run(plan(seed)).head != judged.head:
            yield seed, f"live-trading simulate --seed {seed}", "the same seed gave another journal"


def _problems(case: Case) -> list[str]:
    try:
        return tell(case.scenario, (), case.broker).problems
    except Exception as error:  # a world that ends by itself is judged like one that ends badly
        return [f"it ended with {type(error).__name__}: {error}"]


def hunt_all(seeds: int, jobs: int | None = None, on_hunt: Callable[[Hunt], None] | None = None) -> list[Hunt]:
    """Every mutant, on ``jobs`` processes, in the order of their list."""
    found: dict[str, Hunt] = {}
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(jobs or os.cpu_count(), mp_context=context, initializer=silence) as pool:
        for future in as_completed([pool.submit(hunt, name, seeds) for name in MUTANTS]):
            done = future.result()
            found[done.mutant] = done
            if on_hunt is not None:
                on_hunt(done)
    return [found[name] for name in MUTANTS]
