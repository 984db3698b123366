"""Every scenario, with a death at every effect it has, in every way there is. By exhaustion, not by anecdote."""

import os
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

import pytest

from live_trading.simulation.effects import Death
from live_trading.simulation.scenarios import SCENARIOS, Told, all_deaths, tell


def _told(name: str, death: Death, in_parts: bool) -> tuple[Death, Told]:
    return death, tell(name, [death], in_parts=in_parts)


@pytest.fixture(scope="module")
def workers() -> ProcessPoolExecutor:
    return ProcessPoolExecutor(os.cpu_count(), mp_context=get_context("spawn"))


@pytest.mark.parametrize("name", SCENARIOS)
def test_undisturbed_the_story_ends_well(name: str) -> None:
    assert tell(name).problems == []
    assert tell(name, in_parts=True).problems == []


QUICK = ("entry_with_bracket", "entry_and_exit", "close_operation", "move_stop", "emergency_exit")


@pytest.mark.timeout(1200)
@pytest.mark.parametrize(
    "name", [name if name in QUICK else pytest.param(name, marks=pytest.mark.crash_full) for name in SCENARIOS]
)
def test_a_death_at_every_effect_in_every_way_changes_nothing_in_the_end(
    name: str, workers: ProcessPoolExecutor
) -> None:
    in_parts = name in ("entry_and_exit", "close_position")
    deaths = all_deaths(tell(name, in_parts=in_parts).effects)
    futures = [workers.submit(_told, name, death, in_parts) for death in deaths]
    told = [future.result() for future in futures]
    assert {str(death): story.problems for death, story in told if story.problems} == {}
    assert all(story.deaths == 1 for _, story in told)
    print(f"{name}: {len(deaths)} deaths, {sum(story.entries for _, story in told)} entries")
