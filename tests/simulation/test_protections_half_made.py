"""Engines that die while protections are sent, grow, move or are replaced, at brokers that take brackets in each way.

Every entry is filled in parts, so that a position is half filled and half protected for a while. Each death is followed
by a restart; then the invariants must hold, and what works at the exchange must cover the position to the unit.
"""

import pytest

from live_trading.brokers.types import Bracket
from live_trading.simulation.scenarios import SCENARIOS, all_deaths, tell

QUICK = {
    ("entry_with_bracket", Bracket.LINKED),
    ("entry_with_bracket", Bracket.NONE),
    ("cancel_target", Bracket.ATOMIC),
    ("trailing_stop_alone", Bracket.ATOMIC),
}
TRAILING = ("trailing_stop", "trailing_stop_alone")


@pytest.mark.parametrize("bracket", Bracket)
@pytest.mark.parametrize("name", SCENARIOS)
def test_undisturbed_every_story_ends_well_whatever_brackets_the_broker_takes(name: str, bracket: Bracket) -> None:
    told = tell(name, in_parts=True, bracket=bracket)
    assert told.problems == []
    assert told.deaths == 0


_CASES = [
    pytest.param(name, bracket, marks=() if (name, bracket) in QUICK else pytest.mark.crash_full)
    for name in SCENARIOS
    for bracket in Bracket
]


@pytest.mark.timeout(600)
@pytest.mark.parametrize(("name", "bracket"), _CASES)
def test_a_death_at_every_effect_leaves_no_position_half_protected(name: str, bracket: Bracket) -> None:
    deaths = all_deaths(tell(name, in_parts=True, bracket=bracket).effects)
    problems = {}
    for death in deaths:
        told = tell(name, [death], in_parts=True, bracket=bracket)
        if told.problems:
            problems[str(death)] = told.problems
    print(f"{name}, {bracket.value} brackets, entries in parts: {len(deaths)} deaths")
    assert problems == {}


@pytest.mark.parametrize("bracket", Bracket)
@pytest.mark.parametrize("name", TRAILING)
def test_undisturbed_stops_that_the_engine_moves_end_well_too(name: str, bracket: Bracket) -> None:
    assert tell(name, in_parts=True, bracket=bracket, trailing_stops_at_broker=False).problems == []


_MOVED = [
    pytest.param(
        name, bracket, marks=() if (name, bracket) == ("trailing_stop", Bracket.NONE) else pytest.mark.crash_full
    )
    for name in TRAILING
    for bracket in Bracket
]


@pytest.mark.timeout(600)
@pytest.mark.parametrize(("name", "bracket"), _MOVED)
def test_a_death_at_every_effect_leaves_no_stop_that_the_engine_moves_half_moved(name: str, bracket: Bracket) -> None:
    undisturbed = tell(name, in_parts=True, bracket=bracket, trailing_stops_at_broker=False)
    deaths = all_deaths(undisturbed.effects)
    problems = {}
    for death in deaths:
        told = tell(name, [death], in_parts=True, bracket=bracket, trailing_stops_at_broker=False)
        if told.problems:
            problems[str(death)] = told.problems
    print(f"{name}, {bracket.value} brackets, moved by the engine: {len(deaths)} deaths")
    assert problems == {}
