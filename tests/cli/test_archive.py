"""Archive, export, import, backup and restore from the command line, beside an engine and without one."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import ROOT, Command, Said, Start
from tests.cli.test_run import eventually

FAST = ("--set", "engine.lease_ttl_seconds=2")
NOTES = 8


@pytest.fixture(scope="module")
def stopped(start: Start, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data directory in which an engine has run and ended, with an archived beginning of nine entries."""
    directory = tmp_path_factory.mktemp("archived")
    engine = start("engine", "--tail", "--data-dir", directory, *FAST)
    engine.until("RECOVERY_COMPLETED")
    say = ("--data-dir", str(directory), "--json", *FAST)
    created = line("operations", "create", "EUR-USD", "--bars", "1 min", "--quantity", "1000", *say)
    for number in range(NOTES):
        line("operations", "note", created["operation_id"], f"note {number}", *say)
    archived = line("journal", "archive", "--before", "6", *say)
    assert [(row["first"], row["last"], row["deleted"]) for row in archived["segments"]] == [(1, 6, 6)]
    assert line("journal", "verify", *say)["read_models"]["equal"] is True
    line("backup", str(directory / "backup while running"), *say)
    assert engine.stop() == 0
    return directory


def line(*words: str) -> dict[str, Any]:
    """A command as a process of its own; its answer."""
    done = subprocess.run(
        [sys.executable, "-m", "live_trading.main", *words], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


@pytest.fixture
def ask(command: Command, stopped: Path) -> Command:
    """Runs a command on the stopped engine's directory, in JSON."""

    def call(*words: object) -> Said:
        return command(*words, "--json", "--data-dir", stopped, *FAST)

    return call


def recorded(ask: Command) -> list[dict[str, Any]]:
    entries = ask("journal", "tail", "-n", "1000").data["entries"]
    return [entry for entry in entries if entry["action_type"] == "JOURNAL_ARCHIVED"]


def test_engine_that_ran_noted_what_was_archived_beside_it(ask: Command, stopped: Path) -> None:
    noted = recorded(ask)[0]
    assert noted["actor"].startswith("user:")
    assert noted["action_data"]["last_sequence_number"] == 6
    assert ask("journal", "show", "1").data["action_type"] == "ENGINE_STARTED"
    assert ask("state", "--at", "3").data["sequence_number"] == 3
    verified = ask("journal", "verify")
    assert (verified.code, verified.data["journal"]["first"]) == (0, 7)
    whole = ask("journal", "verify", "--with-archive")
    assert (whole.code, whole.data["journal"]["first"]) == (0, 1)
    assert [row["recorded"] for row in whole.data["archive"]["segments"]][:1] == [True]


def test_archive_without_an_engine_takes_the_lease_itself(ask: Command, command: Command, stopped: Path) -> None:
    before = len(recorded(ask))
    done = ask("journal", "archive", "--before", "9")
    assert done.code == 0, done
    assert [(row["first"], row["last"]) for row in done.data["segments"]] == [(7, 9)]
    assert done.data["first_in_database"] == 10
    assert len(recorded(ask)) == before + 1
    assert ask("journal", "verify", "--with-archive").code == 0
    again = command("journal", "archive", "--data-dir", stopped, *FAST)
    assert again.code == 0
    assert "No entry is old enough" in again.out


def test_archive_that_is_not_there_is_asked_for_by_name(ask: Command, stopped: Path) -> None:
    folder, away = stopped / "journal-archive", stopped / "away"
    folder.rename(away)
    try:
        lost = ask("journal", "show", "1")
        assert lost.code == 3
        state = ask("state", "--at", "3")
        assert state.code == 1
        assert "logging.journal_archive_dir" in state.errors[0]
        alone = ask("journal", "verify")
        assert (alone.code, alone.data["journal"]["sound"], alone.data["read_models"]["equal"]) == (0, True, None)
        whole = ask("journal", "verify", "--with-archive")
        assert whole.code == 1
        assert whole.data["journal"]["broken"]["sequence_number"] == 1
        elsewhere = ask("state", "--at", "3", "--set", f"logging.journal_archive_dir={away}")
        assert elsewhere.code == 0
    finally:
        away.rename(folder)


def test_exported_journal_is_taken_in_elsewhere_and_traded_on(
    ask: Command, command: Command, start: Start, tmp_path: Path
) -> None:
    file, directory = tmp_path / "whole.bson.gz", tmp_path / "elsewhere"
    exported = ask("journal", "export", file)
    assert exported.code == 0, exported
    assert ask("journal", "export", file).code == 2
    said = command("journal", "import", file, "--data-dir", directory, "--json")
    assert said.code == 0, said
    assert said.data["proved"]["state_hash"] == exported.data["state_hash"] == said.data["state_hash"]
    assert said.data["head"] == exported.data["head"]
    again = command("journal", "import", file, "--data-dir", directory)
    assert again.code == 1
    assert "this very journal is in it already" in again.errors[0]
    verified = command("journal", "verify", "--data-dir", directory, "--json")
    assert (verified.code, verified.data["journal"]["first"]) == (0, 1)
    engine = start("engine", "--tail", "--data-dir", directory)
    engine.until("RECOVERY_COMPLETED")
    assert engine.stop() == 0
    assert command("journal", "verify", "--data-dir", directory, "--json").data["read_models"]["equal"] is True


def test_backup_made_beside_an_engine_is_restored_and_proved(command: Command, stopped: Path, tmp_path: Path) -> None:
    directory = tmp_path / "restored"
    said = command("restore", stopped / "backup while running", "--data-dir", directory)
    assert said.code == 0, said
    assert "Equal: chain head, state, and the read models byte for byte" in said.out
    assert command("journal", "verify", "--data-dir", directory).code == 0
    again = command("restore", stopped / "backup while running", "--data-dir", directory)
    assert again.code == 1
    assert "live-trading rebuild" in again.errors[0]


@pytest.mark.crash
def test_engine_does_not_start_on_half_an_import(ask: Command, command: Command, tmp_path: Path) -> None:
    file, directory = tmp_path / "whole.bson.gz", tmp_path / "half"
    assert ask("journal", "export", file).code == 0
    words = [sys.executable, "-m", "live_trading.main", "journal", "import", str(file), "--data-dir", str(directory)]
    environment = {**os.environ, "LIVE_TRADING_FAILPOINTS": "import.insert.some=kill@1"}
    killed = subprocess.run(words, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert killed.returncode == -signal.SIGKILL
    refused = command("engine", "--data-dir", directory)
    assert refused.code == 2
    assert "Run the same live-trading journal import or restore again" in refused.errors[0]
    said = command("journal", "import", file, "--data-dir", directory)
    assert said.code == 0, said
    assert "An earlier attempt had been cut short" in said.out


def test_interrupted_import_says_what_was_left_and_what_to_do(command: Command, start: Start, tmp_path: Path) -> None:
    file, directory, started = ROOT / "tests/golden/0.1.0.bson.gz", tmp_path / "interrupted", tmp_path / "started"
    slow = tmp_path / "bin" / "mongod"  # one that never comes up: the import is interrupted while it waits for it
    slow.parent.mkdir()
    slow.write_text(f"#!/bin/sh\ntouch {started}\nexec sleep 60\n")
    slow.chmod(0o755)
    path = f"{slow.parent}:{os.environ['PATH']}"
    program = start("journal", "import", file, "--data-dir", directory, environment={"PATH": path})
    eventually(started.exists)
    assert program.stop(signal.SIGINT) == 130
    assert program.said("error: cut short; no engine starts on what was left. Run the same command again")
    assert command("journal", "import", file, "--data-dir", directory).code == 0


def test_nonsense_is_told_in_one_line_with_the_remedy(command: Command, stopped: Path, tmp_path: Path) -> None:
    text = tmp_path / "text"
    text.write_text("no journal " * 100)
    here, new = ("--data-dir", stopped, *FAST), ("--data-dir", tmp_path / "new")
    cases = [
        (("journal", "import", tmp_path / "nothing", *new), 2, "there is no"),
        (("journal", "import", text, *new), 2, "is not a journal's file"),
        (("journal", "import", tmp_path, *new), 2, "is a directory"),
        (("journal", "export", tmp_path / "x", *new), 3, "there is nothing in"),
        (("journal", "export", tmp_path / "no" / "such" / "x", "--data-dir", tmp_path / "none"), 3, "there is nothing"),
        (("journal", "archive", *new), 3, "there is nothing in"),
        (("journal", "archive", "--before", "soon", *here), 2, "neither an entry's number nor a time"),
        (("journal", "archive", "--before", "1000000", *here), 2, "the last entry always stays"),
        (("journal", "archive", "--before", "2026-01-01T00:00:00", *here), 2, "has no time zone"),
        (("journal", "verify", "--with-archive", "--after", "3", *here), 2, "does not go with --with-archive"),
        (("backup", tmp_path, *here), 2, "is there already"),
        (("restore", tmp_path / "nothing", *new), 2, "is not a backup"),
        (("restore", text, *new), 2, "is not a backup"),
    ]
    for words, code, problem in cases:
        said = command(*words)
        assert (said.code, len(said.errors)) == (code, 1), (words, said)
        assert problem in said.errors[0], (words, said)
        assert said.errors[0].count(". ") >= 1, f"no remedy: {said.errors[0]}"
