"""Configured brokers: added, shown without their secrets, tried, removed; and two of them traded on by one engine."""

import asyncio
import json
import os
import signal
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from live_trading.paper_exchange.options import PaperExchangeOptions
from live_trading.paper_exchange.process import PaperExchangeProcess
from live_trading.runtime import Runtime
from tests.cli.conftest import Command, Program, Start
from tests.cli.test_oanda import PROTECTED, RESTLESS
from tests.cli.test_run import FAST, entries

KEY = ("--set", "broker.secrets_key=" + "k" * 40)
TOKEN = "77aa-the-secret-token"
PATIENCE = 200.0


class Exchange:
    """A second exchange, with a v20 front, in a process that can be killed and started again."""

    def __init__(self, directory: Path) -> None:
        options = PaperExchangeOptions(
            data_dir=directory, fronts=("oanda",), instruments=("EUR-USD",), history_hours=1.0, seed=7
        )
        self.process = PaperExchangeProcess(options, Runtime())
        self._thread = ThreadPoolExecutor(max_workers=1)

    def _run(self, work: Callable[[], Any]) -> Any:
        return self._thread.submit(lambda: asyncio.run(work())).result()

    def start(self) -> None:
        self._run(lambda: self.process.start(watch=False))

    def stop(self) -> None:
        self._run(self.process.stop)
        self._thread.shutdown()

    def kill(self) -> None:
        os.kill(self.process.pid, signal.SIGKILL)

    @property
    def options(self) -> tuple[str, ...]:
        url = self.process.fronts["oanda"]["url"]
        return ("-o", f"rest_url={url}", "-o", f"stream_url={url}", "-o", "always_open=true")


@pytest.fixture
def exchange(tmp_path: Path) -> Iterator[Exchange]:
    made = Exchange(tmp_path / "second")
    made.start()
    yield made
    made.stop()


def facts(program: Program, kind: str, **wanted: Any) -> list[dict[str, Any]]:
    """The facts of the entries of a kind that were printed, with these values."""
    lines = [json.loads(line) for line in tuple(program.lines) if line.startswith('{"') and f'"{kind}"' in line]
    found = [line["action_data"] for line in lines if line.get("action_type") == kind]
    return [each for each in found if all(each.get(name) == value for name, value in wanted.items())]


def until(holds: Callable[[], bool], program: Program) -> None:
    """Wait for something that a program's output shows."""
    deadline = time.monotonic() + PATIENCE
    while not holds():
        assert time.monotonic() < deadline, "\n".join(program.lines[-30:])
        assert program.process.poll() is None, "\n".join(program.lines[-30:])
        time.sleep(0.1)


def trade(command: Command, directory: Path, broker: str) -> None:
    words = ("EUR-USD", "--bars", "5 secs", "--quantity", "1000", "--strategy", RESTLESS, *PROTECTED)
    said = command("operations", "create", *words, "--broker", broker, "--data-dir", directory, *KEY, "--json")
    assert said.code == 0, said


def test_broker_is_added_shown_without_its_secret_tried_changed_and_removed(
    command: Command, tmp_path: Path, exchange: Exchange
) -> None:
    def ask(*words: object) -> Any:
        return command("brokers", *words, "--data-dir", tmp_path, *KEY, "--json")

    added = ask("add", "second", "--type", "oanda", "--account", "PAPER-1", "--api-key", TOKEN, *exchange.options)
    assert added.code == 0, added
    listed = ask("list")
    assert [row["name"] for row in listed.data["brokers"]] == ["second"]
    assert listed.data["brokers"][0]["has_api_key"] is True
    tried = ask("test", "second")
    assert (tried.code, tried.data["account"], tried.data["currency"]) == (0, "PAPER-1", "USD")
    assert ask("change", "second", "--inactive").data["is_active"] is False
    wrong = ask("add", "other", "--type", "OANDA", "--account", "NOBODY", "--api-key", TOKEN, *exchange.options)
    assert wrong.code == 0, wrong
    failed = ask("test", "other")
    assert failed.code == 1
    assert "Check the account" in failed.data["problem"]
    for said in (added, listed, tried, failed):
        assert TOKEN not in said.out + said.err
    assert ask("remove", "second").code == 0
    assert [row["name"] for row in ask("list").data["brokers"]] == ["other"]


def test_nonsense_about_brokers_is_one_line_that_names_the_field(command: Command, tmp_path: Path) -> None:
    def ask(*words: object) -> Any:
        return command("brokers", *words, "--data-dir", tmp_path, "--json")

    cases = [
        (("add", "x", "--type", "WISH"), "broker_name"),
        (("add", "oanda", "--type", "OANDA", "--account", "1", "--api-key", TOKEN), "name"),
        (("add", "x", "--type", "OANDA", "--account", "1"), "api_key"),
        (("add", "x", "--type", "OANDA", "--account", "1", "--api-key", TOKEN), "secrets_key"),
        (("add", "x", "--type", "OANDA", "--account", "1", "--live", "--api-key", TOKEN), "confirm_live"),
        (("add", "x", "--type", "PAPER"), "config.url"),
        (("test", "nobody"), "nobody"),
    ]
    for words, named in cases:
        said = ask(*words)
        assert said.code == 2, (words, said)
        assert len(said.errors) == 1
        assert named in said.errors[0]
        assert TOKEN not in said.out + said.err


@pytest.mark.crash
@pytest.mark.timeout(900)
def test_two_brokers_at_once_one_cut_off_the_other_trades_on_and_both_are_reconciled_after_a_crash(
    start: Start, command: Command, tmp_path: Path, exchange: Exchange
) -> None:
    directory = tmp_path / "engine"
    added = command(
        "brokers", "add", "second", "--type", "OANDA", "--account", "PAPER-1", "--api-key", TOKEN, *exchange.options,
        "--data-dir", directory, *KEY,
    )  # fmt: skip
    assert added.code == 0, added
    quick = ("--set", "engine.reconnect_backoff_max_seconds=2")
    run = ("run", "--json", "--no-demo", "--data-dir", directory, *KEY, *FAST, *quick)
    program = start(*run)
    until(lambda: bool(facts(program, "RECOVERY_COMPLETED")), program)
    until(lambda: len(facts(program, "BROKER_CONNECTED")) >= 2, program)
    for broker in ("paper", "second"):
        trade(command, directory, broker)
    until(lambda: all(facts(program, "ORDER_FILLED", broker=name) for name in ("paper", "second")), program)

    exchange.kill()
    until(lambda: bool(facts(program, "BROKER_DISCONNECTED", broker="second")), program)
    before = len(facts(program, "ORDER_FILLED", broker="paper"))
    until(lambda: len(facts(program, "ORDER_FILLED", broker="paper")) >= before + 2, program)
    assert not facts(program, "BROKER_DISCONNECTED", broker="paper")
    exchange.start()
    until(lambda: len(facts(program, "BROKER_CONNECTED", broker="second")) >= 2, program)
    filled = len(facts(program, "ORDER_FILLED", broker="second"))
    until(lambda: len(facts(program, "ORDER_FILLED", broker="second")) > filled, program)

    program.kill()
    assert not any(TOKEN in line for line in program.lines)
    again = start(*run)
    until(lambda: bool(facts(again, "RECOVERY_COMPLETED")), again)
    until(lambda: {fact["broker"] for fact in facts(again, "BROKER_CONNECTED")} == {"paper", "second"}, again)
    assert again.stop(signal.SIGTERM) == 0
    for whose in ((), ("--configured", "second")):
        compared = command("reconcile", "--data-dir", directory, *KEY, *whose, "--json")
        assert compared.code == 0, compared
        assert compared.data["fills"] > 0
    told = entries(command, directory, "SETTINGS_CHANGED")
    assert [(entry["action_data"]["section"], entry["action_data"]["after"]["api_key"]) for entry in told] == [
        ("brokers.second", "set")
    ]
    assert told[0]["actor"].startswith("user:")
    assert TOKEN not in json.dumps(told)
