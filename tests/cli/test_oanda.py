"""``run --broker oanda``: the engine trades in v20, through its own client library, and is killed in mid-bracket."""

import json
import signal
from pathlib import Path
from typing import Any

import pytest

from live_trading.runtime.failpoints import FAILPOINTS_VARIABLE
from tests.cli.conftest import Command, Program, Start
from tests.cli.test_run import FAST, checked_at, entries

RESTLESS = "tests/crash/strategies.py:Restless"
PROTECTED = ("--stop-loss", "FIXED=0.01", "--take-profit", "FIXED=0.01")
PATIENCE = 200.0
AT_OANDA = ("--broker", "oanda")


def trading(command: Command, directory: Path, *more: str) -> str:
    """An operation that turns over at every bar, each entry with its stop and target."""
    words = ("EUR-USD", "--bars", "5 secs", "--quantity", "1000", "--strategy", RESTLESS, *PROTECTED, *AT_OANDA, *more)
    said = command("operations", "create", *words, "--data-dir", directory, "--json")
    assert said.code == 0, said
    return str(said.data["operation_id"])


def fills(command: Command, directory: Path) -> list[dict[str, Any]]:
    return entries(command, directory, "ORDER_FILLED")


@pytest.mark.timeout(900)
def test_engine_trades_at_oanda_and_is_equal_to_the_last_fill(start: Start, command: Command, tmp_path: Path) -> None:
    program = start("run", "--no-demo", "--data-dir", tmp_path, *AT_OANDA, *FAST)
    program.until("RECOVERY_COMPLETED", PATIENCE)
    trading(command, tmp_path)
    until_filled(program, 3)
    assert program.stop(signal.SIGTERM) == 0
    assert len(fills(command, tmp_path)) >= 3
    checked_at(command, tmp_path, *AT_OANDA)


def until_filled(program: Program, count: int) -> None:
    """Wait for so many fills."""
    for number in range(1, count + 1):
        program.until_count("ORDER_FILLED", number, PATIENCE)


@pytest.mark.crash
@pytest.mark.timeout(900)
@pytest.mark.parametrize("moment", ["broker.place.before=kill@1", "broker.place.after=kill@1"])
def test_engine_killed_in_mid_bracket_ends_flat_and_equal(
    start: Start, command: Command, tmp_path: Path, moment: str
) -> None:
    program = start(
        "run", "--no-demo", "--data-dir", tmp_path, *AT_OANDA, *FAST, environment={FAILPOINTS_VARIABLE: moment}
    )
    program.until("RECOVERY_COMPLETED", PATIENCE)
    trading(command, tmp_path)
    assert program.ended(PATIENCE) == -signal.SIGKILL
    asked = [entry["action_data"]["client_order_id"] for entry in entries(command, tmp_path, "ORDER_REQUESTED")]
    assert asked, "the intent is in the journal, whatever became of it"
    again = start("run", "--no-demo", "--data-dir", tmp_path, *AT_OANDA, *FAST)
    again.until("RECOVERY_COMPLETED", PATIENCE)
    again.until_count("ORDER_FILLED", 1, PATIENCE)
    assert again.stop(signal.SIGTERM) == 0
    checked_at(command, tmp_path, *AT_OANDA)
    requested = [e["action_data"]["client_order_id"] for e in entries(command, tmp_path, "ORDER_REQUESTED")]
    assert len(requested) == len(set(requested))
    filled = [entry["action_data"]["execution_id"] for entry in fills(command, tmp_path)]
    assert len(filled) == len(set(filled))
    state = json.loads(command("state", "--data-dir", tmp_path, "--json").out)
    assert not state["discrepancies"]
