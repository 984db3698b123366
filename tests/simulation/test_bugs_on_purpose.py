"""Bugs that systems have had are put into the engine: each is caught where it would do harm, and nowhere else.

All of them: ``live-trading simulate --mutants``. Here each has the one thing happen to it that it cannot stand.
"""

from dataclasses import replace
from typing import Any

import pytest

from live_trading.simulation.mutants import MUTANTS, mutated
from live_trading.simulation.plans import Happening, Plan, plan
from live_trading.simulation.swarm import run
from live_trading.simulation.telling import Broker, tell

_LOST_FOR_A_MOMENT = [("lost_and_hidden", {"hidden": "late_orders", "seconds": 1.8}, at) for at in (1.0, 30.0, 60.0)]
_CANNOT_BE_ASKED = [("lost_and_hidden", {"hidden": "fail_queries", "seconds": 1.8}, at) for at in (1.0, 30.0, 60.0)]
_NO_POSITIONS = [("question_fails", {"question": "positions", "count": 6}, at) for at in (1.0, 20.0, 40.0, 60.0)]
_DROPPED = {"fault": "drop_before_accept", "count": 1, "probability": 1.0, "seconds": 1.0}

WORLDS: dict[str, tuple[int, list[tuple[str, dict[str, Any], float]]]] = {
    # bug: seed, what happens
    "sent_again_on_doubt": (1, [("exchange_fault", _DROPPED, 1.0)]),
    "absence_at_once": (1, _LOST_FOR_A_MOMENT),
    "unknown_taken_for_absent": (1, _CANNOT_BE_ASKED),
    "failed_positions_taken_for_flat": (1, _NO_POSITIONS),
    "clock_believed": (14, [("clock_step", {"seconds": -50.0}, 60.0)]),
}

STORIES = {
    "change_taken_for_done": ("move_unanswered", "atomic"),
    "late_fills_dropped": ("late_fill", "atomic,in-parts"),
    "stop_not_placed_again": ("resume_without_stop", "atomic"),
}


def _world(bug: str) -> Plan:
    seed, happens = WORLDS[bug]
    happenings = [Happening(at, kind, arguments) for kind, arguments, at in happens]
    return replace(plan(seed), seconds=130.0, happenings=happenings, kept=tuple(range(len(happenings))))


@pytest.mark.parametrize("bug", WORLDS)
def test_a_world_where_one_thing_happens_is_lived_through_well_but_for_the_bug(bug: str) -> None:
    assert run(_world(bug)).problems == []
    with mutated(MUTANTS[bug]):
        assert run(_world(bug)).problems


@pytest.mark.parametrize("bug", STORIES)
def test_a_story_ends_well_but_for_the_bug(bug: str) -> None:
    story, broker = STORIES[bug]
    assert tell(story, (), Broker.parse(broker)).problems == []
    with mutated(MUTANTS[bug]):
        assert tell(story, (), Broker.parse(broker)).problems
