"""Random worlds with random mixes of faults: the journal, the broker, the market, clocks, hands, and deaths."""

import os
from collections.abc import Callable

import pytest

from live_trading.simulation.campaign import run_many
from live_trading.simulation.mutants import MUTANTS, mutated
from live_trading.simulation.plans import KINDS, plan
from live_trading.simulation.shrink import shrink
from live_trading.simulation.swarm import run, story

SEEDS = int(os.environ.get("LIVE_TRADING_SEEDS", "200"))


@pytest.mark.alone
@pytest.mark.timeout(3600)
def test_whatever_goes_wrong_everything_that_must_hold_holds_in_the_end(told: Callable[[str], None]) -> None:
    tally = run_many(range(1, SEEDS + 1))
    told(f"{tally.worlds:,} seeds, {tally.engines:,} engines, {tally.deaths:,} deaths, {tally.entries:,} entries")
    told(", ".join(f"{kind.replace('_', ' ')} {times:,}" for kind, times in sorted(tally.happened.items())))
    assert tally.failures == {}
    assert {kind.partition(":")[0] for kind in tally.happened} == set(KINDS), "everything there is was tried"


@pytest.mark.parametrize("seed", range(1, 9))
def test_the_same_seed_gives_the_same_journal_byte_for_byte(seed: int) -> None:
    first, second = run(plan(seed)), run(plan(seed))
    assert first.head == second.head
    assert len(first.entries) == len(second.entries)


def test_another_seed_gives_another_journal() -> None:
    assert len({run(plan(seed)).head for seed in range(1, 6)}) == 5


def test_a_part_of_a_plan_keeps_the_places_of_what_is_left() -> None:
    whole = plan(7)
    part = whole.only(whole.kept[1:3]).only(whole.kept[2:])
    assert part.kept == (2,)
    assert part.happenings == [whole.happenings[2]]


QUICK = {
    "doubt_taken_for_done": 5,
    "chain_not_linked": 2,
    "commissions_dropped": 5,
    "differences_ignored": 10,
    "stop_not_placed_again": 10,
    "paused_operations_trade": 10,
    "fold_looks_at_the_clock": 3,
}
"""Bugs that are caught within so many seeds."""


@pytest.mark.parametrize("name", QUICK)
def test_a_bug_put_in_on_purpose_is_caught(name: str) -> None:
    with mutated(MUTANTS[name]):
        assert any(run(plan(seed)).problems for seed in range(1, QUICK[name] + 1))


def test_a_failing_story_is_made_short_and_told() -> None:
    with mutated(MUTANTS["differences_ignored"]):
        seed = next(seed for seed in range(1, 11) if run(plan(seed)).problems)
        judged = shrink(plan(seed))
    assert judged.problems
    assert len(judged.plan.kept) <= 2, "a change by hand is all it takes"
    told = story(judged)
    assert "what is wrong:" in told
    assert judged.problems[0] in told
