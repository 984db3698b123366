"""Many worlds on all cores, and what came of them together."""

import logging
import multiprocessing
import os
from collections import Counter
from collections.abc import Callable, Iterable
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass, field
from typing import Any

import structlog

from live_trading.simulation.plans import plan
from live_trading.simulation.swarm import run


@dataclass(frozen=True, slots=True)
class Verdict:
    """What one world came to: its judgement without its journal, small enough to send between processes."""

    seed: int
    problems: list[str]
    entries: int
    engines: int
    deaths: int
    happened: Counter[str]


@dataclass(slots=True)
class Tally:
    """What many worlds came to."""

    worlds: int = 0
    entries: int = 0
    engines: int = 0
    deaths: int = 0
    happened: Counter[str] = field(default_factory=Counter)
    failures: dict[int, list[str]] = field(default_factory=dict)
    """Problems by seed."""

    def add(self, world: Verdict) -> None:
        """Count one in."""
        self.worlds += 1
        self.entries += world.entries
        self.engines += world.engines
        self.deaths += world.deaths
        self.happened += world.happened
        if world.problems:
            self.failures[world.seed] = world.problems

    def fields(self) -> dict[str, Any]:
        """As plain values."""
        return {
            "worlds": self.worlds,
            "entries": self.entries,
            "engines": self.engines,
            "deaths": self.deaths,
            "happened": dict(sorted(self.happened.items())),
            "failures": {str(seed): problems for seed, problems in sorted(self.failures.items())},
        }


def one(seed: int) -> Verdict:
    """Live through the plan of one seed."""
    judged = run(plan(seed))
    return Verdict(seed, judged.problems, len(judged.entries), judged.engines, judged.deaths, judged.happened)


def run_many(seeds: Iterable[int], jobs: int | None = None, on_world: Callable[[Verdict], None] | None = None) -> Tally:
    """Live through the plans of all seeds, on ``jobs`` processes (None: one a core)."""
    tally = Tally()
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(jobs or os.cpu_count(), mp_context=context, initializer=silence) as pool:
        futures = [pool.submit(one, seed) for seed in seeds]
        try:
            for future in as_completed(futures):
                world = future.result()
                tally.add(world)
                if on_world is not None:
                    on_world(world)
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
    return tally


def silence() -> None:
    """Engines in a simulation say nothing: their journal tells the story."""
    structlog.configure(
        processors=[],
        wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL),
        logger_factory=structlog.ReturnLoggerFactory(),
        cache_logger_on_first_use=False,
    )
