"""Every scenario, at every broker, with a death at every effect, and with two: on all cores, and what came of it."""

import multiprocessing
import os
import shlex
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass, field, replace
from typing import Any, Final

from live_trading.brokers.types import Bracket
from live_trading.simulation.campaign import silence
from live_trading.simulation.forks import Outcome, Search, explore
from live_trading.simulation.scenarios import SCENARIOS
from live_trading.simulation.telling import PLAIN, Broker

_PARTS: Final = 6
"""Pieces that the pairs of one case are cut into, so that no core is left with a long one at the end."""

BROKERS: Final = (
    PLAIN,
    *(Broker(bracket, in_parts=True) for bracket in Bracket),
    *(Broker(bracket, in_parts=True, trailing=False) for bracket in Bracket),
    Broker(Bracket.NONE, oca=False),
    Broker(Bracket.ATOMIC, oca=False),
    Broker(Bracket.ATOMIC, stops=False),
    Broker(Bracket.NONE, oca=False, stops=False),
)
"""Every broker that stories are told at. The first is the one that has everything."""


@dataclass(frozen=True, slots=True)
class Case:
    """A scenario at a broker."""

    scenario: str
    broker: Broker

    def __str__(self) -> str:
        return f"{self.scenario} ({self.broker})"


def cases(scenarios: Sequence[str] = tuple(SCENARIOS), brokers: Sequence[Broker] = BROKERS) -> Iterator[Case]:
    """What there is to tell: a broker that differs only in what a scenario does not touch is left out."""
    for scenario in scenarios:
        for broker in brokers:
            if not broker.trailing and not scenario.startswith("trailing"):
                continue
            if not broker.oca and scenario == "cancel_target":
                continue  # a target that is watched cannot be cancelled at the broker
            yield Case(scenario, broker)


@dataclass(slots=True)
class Tried:
    """What was tried of one case, and what came of it."""

    case: Case
    effects: int = 0
    singles: int = 0
    pairs: int = 0
    entries: int = 0
    engines: int = 0
    failures: dict[str, list[str]] = field(default_factory=dict)
    """Problems by deaths."""

    def add(self, outcomes: Sequence[Outcome]) -> None:
        """Count in what one process told: the undisturbed story first, which every part of a case tells."""
        told, *deaths = outcomes
        self.effects = max(self.effects, told.effects)
        for outcome in outcomes:
            self.entries += outcome.entries
            self.engines += outcome.engines
            if outcome.problems:
                self.failures[str(outcome)] = outcome.problems
        self.singles += sum(len(outcome.deaths) == 1 for outcome in deaths)
        self.pairs += sum(len(outcome.deaths) == 2 for outcome in deaths)

    def fields(self) -> dict[str, Any]:
        """As plain values."""
        return {
            "scenario": self.case.scenario,
            "broker": str(self.case.broker),
            "effects": self.effects,
            "deaths": self.singles,
            "pairs": self.pairs,
            "entries": self.entries,
            "engines": self.engines,
            "failures": self.failures,
        }


def repeat(case: Case, deaths: str) -> str:
    """The command that tells a case alone, with these deaths and without forks."""
    words = ["live-trading", "simulate", "--scenario", case.scenario]
    words += ["--broker", str(case.broker)] if case.broker != PLAIN else []
    words += ["--deaths", deaths] if deaths else []
    return shlex.join(words)


def _explored(case: Case, search: Search) -> tuple[Case, list[Outcome]]:
    return case, explore(case.scenario, case.broker, search)


def run_all(
    wanted: Sequence[tuple[Case, Search]],
    jobs: int | None = None,
    on_case: Callable[[int, int], None] | None = None,
) -> list[Tried]:
    """Tell all these cases, on ``jobs`` processes (None: one a core). ``on_case``: pieces done, and how many there
    are."""
    tried = {case: Tried(case) for case, _ in wanted}
    pieces = [
        (case, replace(search, part=part, parts=parts))
        for case, search in wanted
        for parts in (_PARTS if search.pairs == 1 else 1,)
        for part in range(parts)
    ]
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(jobs or os.cpu_count(), mp_context=context, initializer=silence) as pool:
        futures = [pool.submit(_explored, case, search) for case, search in pieces]
        try:
            for done, future in enumerate(as_completed(futures), 1):
                case, outcomes = future.result()
                tried[case].add(outcomes)
                if on_case is not None:
                    on_case(done, len(futures))
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
    return list(tried.values())
