"""Makes a failing story short: what can be left out without the failure going away is left out."""

from collections.abc import Callable

from live_trading.simulation.plans import Plan
from live_trading.simulation.swarm import Judgement, run

Judge = Callable[[Plan], Judgement]


def shrink(plan: Plan, judge: Judge = run) -> Judgement:
    """The judgement of the smallest plan found that still has a problem.

    First halves, then ever smaller runs of happenings are left out, down to single ones (delta debugging: A. Zeller,
    R. Hildebrandt, "Simplifying and Isolating Failure-Inducing Input", 2002). Operations stay: the seed's market and
    ids depend on how many there are.
    """
    best = judge(plan)
    if not best.problems:
        raise ValueError(f"seed {plan.seed} has no problem to shrink")
    size = max(1, len(best.plan.kept) // 2)
    while True:
        shorter = _without_a_run(best, size, judge)
        if shorter is not None:
            best = shorter
        elif size == 1:
            return best
        else:
            size = max(1, size // 2)


def _without_a_run(best: Judgement, size: int, judge: Judge) -> Judgement | None:
    kept = best.plan.kept
    for start in range(0, len(kept), size):
        tried = judge(best.plan.only(kept[:start] + kept[start + size :]))
        if tried.problems:
            return tried
    return None
