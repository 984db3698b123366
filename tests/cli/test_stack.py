"""Commands against a running engine: what is asked is done, and what is shown is what is."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import Command, Program, Said, Start


@pytest.fixture(scope="module")
def stack(start: Start, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The data directory of a running engine without operations."""
    directory = tmp_path_factory.mktemp("stack")
    engine: Program = start("engine", "--tail", "--data-dir", directory)
    engine.until("RECOVERY_COMPLETED")
    yield directory
    assert engine.stop() == 0
    assert engine.said("ENGINE_STOPPED")


@pytest.fixture
def ask(command: Command, stack: Path) -> Command:
    """Runs a command on the stack, in JSON."""

    def call(*words: object) -> Said:
        return command(*words, "--json", "--data-dir", stack)

    return call


def create(ask: Command, asset: str = "EUR-USD", *more: str) -> Said:
    return ask("operations", "create", asset, "--bars", "1 min", "--quantity", "1000", *more)


@pytest.fixture
def operation(ask: Command) -> str:
    said = create(ask)
    assert said.code == 0, said
    return str(said.data["operation_id"])


def shown(ask: Command, operation: str) -> dict[str, Any]:
    said = ask("operations", "show", operation)
    assert said.code == 0, said
    found: dict[str, Any] = said.data
    return found


def test_operation_is_created_listed_and_shown_at_once(ask: Command, operation: str) -> None:
    listed = ask("operations", "list").data["operations"]
    assert operation in [row["id"] for row in listed]
    found = shown(ask, operation)
    assert found["asset"] == "EUR-USD"
    assert found["status"] == "active"
    assert found["quantity"] == "1000"
    assert found["crash_recovery_mode"] == "CLOSE_ALL"


def test_operation_is_paused_resumed_changed_noted_and_closed(ask: Command, operation: str) -> None:
    assert ask("operations", "pause", operation, "--reason", "lunch").code == 0
    assert shown(ask, operation)["status"] == "paused"
    assert ask("operations", "resume", operation).code == 0
    assert ask("operations", "update", operation, "--change", "quantity=2000").code == 0
    assert shown(ask, operation)["quantity"] == "2000"
    assert ask("operations", "note", operation, "looked at it").code == 0
    assert ask("operations", "close", operation).code == 0
    words = ask("journal", "tail", "--operation", operation).data["entries"]
    kinds = [entry["action_type"] for entry in words]
    assert kinds[:6] == [
        "OPERATION_CREATED",
        "OPERATION_PAUSED",
        "OPERATION_RESUMED",
        "OPERATION_UPDATED",
        "NOTE_ADDED",
        "OPERATION_CLOSING",
    ]
    assert words[1]["action_data"]["reason"] == "lunch"
    assert words[1]["actor"].startswith("user:")


def test_asked_twice_under_one_key_is_asked_once(ask: Command) -> None:
    first, second = create(ask, "SPY", "--key", "once"), create(ask, "SPY", "--key", "once")
    assert first.code == second.code == 0
    assert first.data == second.data
    assert sum(row["asset"] == "SPY" for row in ask("operations", "list").data["operations"]) == 1


@pytest.mark.parametrize(
    ("words", "code", "text"),
    [
        (("operations", "create", "NOPE", "--bars", "1 min", "--quantity", "1"), 2, "asset"),
        (("operations", "create", "ES", "--bars", "1 min", "--quantity", "1.5"), 2, "quantity"),
        (("operations", "create", "ES", "--bars", "1 min", "--quantity", "1", "--broker", "nobody"), 2, "broker"),
        (("operations", "pause", "0" * 24), 3, "there is no operation"),
        (("operations", "show", "0" * 24), 3, "there is no operation"),
        (("orders", "cancel", "NOSUCHORDER"), 3, "there is no order"),
        (("orders", "show", "NOSUCHORDER"), 3, "there is no order"),
        (("journal", "show", "999999"), 3, "the journal ends at"),
        (("state", "--at", "999999"), 2, "there is no entry 999999"),
        (("state", "--at", "2026-01-01T00:00:00"), 2, "time zone"),
        (("operations", "list", "--status", "sleepy"), 2, "active, paused"),
        (("orders", "list", "--status", "sleepy"), 2, "NEEDS_OPERATOR"),
        (("operations", "list", "--limit", "0"), 2, "limit"),
        (("journal", "verify", "--anchor", "1:beef"), 2, "NUMBER:HASH"),
    ],
)
def test_what_is_not_there_or_not_right_is_refused(ask: Command, words: tuple[str, ...], code: int, text: str) -> None:
    said = ask(*words)
    assert said.code == code, said
    assert len(said.errors) == len(said.err.splitlines()) == 1
    assert text in said.err
    assert said.data["error"]["exit_code"] == code


def test_refused_command_is_in_the_journal_and_changed_nothing(ask: Command) -> None:
    before = ask("operations", "list").data["operations"]
    assert create(ask, "NOPE").code == 2
    assert ask("operations", "list").data["operations"] == before
    last = ask("journal", "tail", "-n", "1").data["entries"][0]
    assert last["action_type"] == "COMMAND_REFUSED"
    assert last["action_data"]["field"] == "asset"


def test_kill_switch_is_pressed_told_of_and_reset(ask: Command) -> None:
    assert ask("kill-switch", "on", "--reason", "a drill").code == 0
    status = ask("kill-switch", "status").data
    assert status["on"] is True
    assert status["reason"] == "a drill"
    assert ask("kill-switch", "on").code == 1
    assert ask("kill-switch", "off", "--note", "over").code == 0
    assert ask("kill-switch", "status").data["on"] is False


def test_state_of_any_entry_is_what_it_was(ask: Command, operation: str) -> None:
    number = shown(ask, operation)["sequence_number"]
    before, after = ask("state", "--at", number - 1).data, ask("state", "--at", number).data
    assert operation not in [row["id"] for row in before["operations"]]
    assert operation in [row["id"] for row in after["operations"]]


def test_record_is_sound_and_equal_while_the_engine_runs(ask: Command, operation: str) -> None:
    verified = ask("journal", "verify")
    assert verified.code == 0, verified
    assert verified.data["journal"]["sound"] is True
    assert verified.data["read_models"]["equal"] is True
    again = ask("journal", "verify", "--anchor", verified.data["journal"]["head"])
    assert again.code == 0
    compared = ask("reconcile")
    assert compared.code == 0, compared
    assert compared.data["equal"] is True
    assert ask("rebuild").code == 0
    assert ask("journal", "verify").data["read_models"]["equal"] is True


def test_forged_anchor_is_found(ask: Command) -> None:
    said = ask("journal", "verify", "--anchor", "1:" + "0" * 64)
    assert said.code == 1
    assert said.data["journal"]["broken"]["sequence_number"] == 1


def test_doctor_finds_everything_in_order(ask: Command) -> None:
    said = ask("doctor")
    assert said.code == 0, said
    levels = {check["name"]: check["level"] for check in said.data["checks"]}
    assert levels["engine"] == levels["journal"] == levels["paper exchange"] == "ok"


def test_plan_with_an_engine_at_work_writes_nothing(ask: Command) -> None:
    before = ask("journal", "tail", "-n", "1").data["entries"][0]["sequence_number"]
    plan = ask("recover", "--plan")
    assert plan.code == 0
    assert plan.data["engine_alive"] is True
    assert ask("journal", "tail", "-n", "1").data["entries"][0]["sequence_number"] == before


@pytest.mark.parametrize(
    "words",
    [
        ("operations", "list"),
        ("positions", "list", "--all"),
        ("orders", "list"),
        ("discrepancies", "list"),
        ("kill-switch", "status"),
        ("journal", "tail"),
        ("journal", "show", "1"),
        ("journal", "verify"),
        ("state",),
        ("snapshots", "list"),
        ("doctor",),
        ("config", "show"),
        ("recover", "--plan"),
        ("reconcile",),
    ],
)
def test_every_answer_is_for_people_and_for_machines(command: Command, stack: Path, words: tuple[str, ...]) -> None:
    for_people = command(*words, "--data-dir", stack)
    for_machines = command(*words, "--data-dir", stack, "--json")
    assert for_people.code == for_machines.code == 0
    assert for_people.out.strip()
    assert isinstance(for_machines.data, dict)
    assert for_machines.err == ""
