"""Every scenario, with a death at every effect it has, in every way there is. By exhaustion, not by anecdote.

What is tried here: at a broker that has everything, each single death, and a fixed share of the pairs of a death and
one in the recovery from it; at every other broker a fixed share of the single deaths. All of it:
``make simulate-nightly``.
"""

import os
import shlex
import signal
from collections.abc import Callable
from typing import Any

import pytest
from typer.testing import CliRunner

from live_trading.cli.app import app
from live_trading.cli.simulate_stories import summary
from live_trading.simulation.effects import Death, Way
from live_trading.simulation.exhaustive import Case, Tried, cases, repeat, run_all
from live_trading.simulation.forks import Search, explore
from live_trading.simulation.mutants import MUTANTS, mutated
from live_trading.simulation.scenarios import SCENARIOS
from live_trading.simulation.telling import PLAIN, Broker, tell

pytestmark = pytest.mark.alone  # it forks, and uses all cores

EVERY_DEATH = Search(singles=1, pairs=120)
A_SHARE = Search(singles=12)


@pytest.mark.timeout(3600)
def test_a_death_at_every_effect_and_another_in_the_recovery_change_nothing_in_the_end(
    told: Callable[[str], None],
) -> None:
    tried = run_all([(case, EVERY_DEATH if case.broker == PLAIN else A_SHARE) for case in cases()])
    told(summary(tried))
    assert {repeat(each.case, deaths): each.failures[deaths] for each in tried for deaths in each.failures} == {}
    plain = [each for each in tried if each.case.broker == PLAIN]
    assert [each.case.scenario for each in plain] == list(SCENARIOS)
    for each in plain:
        assert each.singles == each.effects * len(Way), each.case
        assert each.pairs, each.case


def test_a_story_told_by_forks_is_the_story_told_from_its_beginning_byte_for_byte() -> None:
    outcomes = explore("entry_and_exit", PLAIN, Search(singles=2, pairs=60, part=1, parts=8))
    assert {len(outcome.deaths) for outcome in outcomes} == {0, 1, 2}
    for outcome in outcomes:
        deaths = [Death(effect, Way(way)) for effect, way in outcome.deaths]
        told = tell("entry_and_exit", deaths)
        assert (told.head, told.entries, told.deaths) == (outcome.head, outcome.entries, outcome.died), str(outcome)


def test_parts_of_a_search_are_the_whole_search() -> None:
    whole = explore("pause_and_resume", PLAIN, Search(singles=5))
    parts = [explore("pause_and_resume", PLAIN, Search(5, 0, part, 2)) for part in range(2)]
    assert sorted(str(each) for part in parts for each in part[1:]) == sorted(str(each) for each in whole[1:])


def test_a_process_that_ends_by_itself_is_told_as_a_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(signal, "alarm", lambda seconds: os._exit(3))
    _, *outcomes = explore("pause_and_resume", PLAIN, Search(singles=20))
    assert outcomes
    assert {problem for outcome in outcomes for problem in outcome.problems} == {"its process ended by itself (3)"}


def test_a_death_that_is_not_survived_is_told_with_the_command_that_repeats_it() -> None:
    case, tried = Case("resume_without_stop", PLAIN), Tried(Case("resume_without_stop", PLAIN))
    with mutated(MUTANTS["stop_not_placed_again"]):
        tried.add(explore(case.scenario, case.broker, Search(singles=20)))
        deaths, problems = next((deaths, problems) for deaths, problems in tried.failures.items() if deaths)
        command = shlex.split(repeat(case, deaths))
        assert command[0] == "live-trading"
        answer = CliRunner().invoke(app, command[1:])
        assert answer.exit_code == 1
        assert problems[0] in answer.stdout
    assert CliRunner().invoke(app, command[1:]).exit_code == 0


def test_a_broker_is_written_and_read_the_same() -> None:
    for case in cases():
        assert Broker.parse(str(case.broker)) == case.broker
    for wrong in ("atomic,no-luck", "none,no-stops,in-parts"):
        with pytest.raises(ValueError, match=r"is not"):
            Broker.parse(wrong)


@pytest.mark.parametrize(
    ("arguments", "names"),
    [
        (["--pairs"], "--pairs"),
        (["--deaths", "5:before"], "--deaths"),
        (["--broker", "atomic"], "--broker"),
        (["--exhaustive", "--deaths", "5:before"], "--deaths"),
        (["--scenario", "lunch"], "--scenario"),
        (["--scenario", "flip", "--deaths", "5:gently"], "--deaths"),
        (["--scenario", "flip", "--broker", "atomic,no-luck"], "--broker"),
    ],
)
def test_what_does_not_go_together_is_refused_by_name(arguments: list[str], names: str) -> None:
    answer: Any = CliRunner().invoke(app, ["simulate", *arguments])
    assert answer.exit_code == 2
    assert f"error: {names}: " in answer.output
