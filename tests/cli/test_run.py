"""``run`` from start to end: a synthetic market, a recorded day, a clean stop, a crash, and what comes after each."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import psutil
import pyarrow as pa  # type: ignore[import-untyped]
import pyarrow.parquet as pq  # type: ignore[import-untyped]
import pytest

from tests.cli.conftest import ROOT, Command, Program, Start

FAST = ("--set", "engine.lease_ttl_seconds=2")


def checked(command: Command, directory: Path) -> None:
    """The record is sound, the read models are what it says, and the exchange agrees."""
    checked_at(command, directory)


def checked_at(command: Command, directory: Path, *broker: str) -> None:
    """The same, of the broker of that name."""
    verified = command("journal", "verify", "--data-dir", directory, "--json")
    assert verified.code == 0, verified
    assert verified.data["read_models"]["equal"] is True
    compared = command("reconcile", "--data-dir", directory, "--json", *broker)
    assert compared.code == 0, compared


def entries(command: Command, directory: Path, kind: str) -> list[dict[str, Any]]:
    said = command("journal", "tail", "-n", "1000", "--data-dir", directory, "--json")
    return [entry for entry in said.data["entries"] if entry["action_type"] == kind]


def open_positions(command: Command, directory: Path) -> list[Any]:
    found: list[Any] = command("positions", "list", "--data-dir", directory, "--json").data["positions"]
    return found


def eventually(holds: Callable[[], bool], patience: float = 30.0) -> None:
    """Wait for something that asking shows; each question takes its time, so nothing sleeps here."""
    deadline = time.monotonic() + patience
    while not holds():
        assert time.monotonic() < deadline


def processes_of(directory: Path) -> list[psutil.Process]:
    """What runs for a data directory."""
    found = []
    for process in psutil.process_iter(["cmdline"]):
        if any(str(directory) in word for word in process.info["cmdline"] or ()):
            found.append(process)
    return found


def test_demonstration_trades_on_the_synthetic_market_and_stops_clean(
    start: Start, command: Command, tmp_path: Path
) -> None:
    program = start("run", "--data-dir", tmp_path, *FAST)
    assert program.until("OPERATION_CREATED")
    assert program.until("ORDER_FILLED")
    assert program.stop(signal.SIGTERM) == 0
    assert program.said("ENGINE_STOPPED")
    assert program.said("Orders:")
    assert processes_of(tmp_path) == []
    checked(command, tmp_path)
    again = start("run", "--data-dir", tmp_path, "--duration", "1", *FAST)
    assert again.ended() == 0
    assert again.said("after_crash=False")
    assert not again.said("RECOVERY_DECIDED")
    assert not again.said("OPERATION_CREATED")
    checked(command, tmp_path)


def test_crash_of_the_engine_is_recovered_from_at_the_next_start(
    start: Start, command: Command, tmp_path: Path
) -> None:
    program = start("run", "--data-dir", tmp_path, *FAST)
    program.until("ORDER_FILLED")
    program.kill()
    assert len(processes_of(tmp_path)) >= 2, "database and exchange outlive the engine"
    plan = command("recover", "--plan", "--data-dir", tmp_path, "--json")
    assert plan.data["engine_alive"] is False
    assert plan.data["after_crash"] is True
    kept = command("kill-switch", "on", "--data-dir", tmp_path, "--json")
    assert kept.code == 4
    command_id = kept.data["error"]["command_id"]
    again = start("run", "--data-dir", tmp_path, *FAST)
    again.until("RECOVERY_COMPLETED")
    assert again.said("after_crash=True")
    assert command_id in again.until("KILL_SWITCH_TRIPPED")
    # The journal's own fold: the read models show an entry a moment after it was written.
    eventually(lambda: not command("state", "--data-dir", tmp_path, "--json").data["open_positions"])
    assert again.stop() == 0
    assert processes_of(tmp_path) == []
    checked(command, tmp_path)
    decided = entries(command, tmp_path, "RECOVERY_DECIDED")
    assert all(entry["action_data"]["decision"] == "CLOSE" for entry in decided)
    assert open_positions(command, tmp_path) == []


def test_interrupt_from_the_keyboard_is_a_clean_stop(start: Start, tmp_path: Path) -> None:
    program = start("run", "--no-demo", "--data-dir", tmp_path, *FAST)
    program.until("RECOVERY_COMPLETED")
    assert program.stop(signal.SIGINT) == 0
    assert "interrupted (SIGINT)" in program.until("ENGINE_STOPPED")


def test_second_engine_stands_by_and_takes_over_from_one_that_was_killed(start: Start, tmp_path: Path) -> None:
    first = start("engine", "--tail", "--data-dir", tmp_path, *FAST)
    first.until("RECOVERY_COMPLETED")
    second = start("engine", "--tail", "--data-dir", tmp_path, *FAST)
    second.until("standing by")
    assert not second.said("ENGINE_STARTED")
    first.kill()
    second.until("RECOVERY_COMPLETED")
    assert second.said("after_crash=True")
    assert second.stop() == 0
    assert processes_of(tmp_path) == []


def test_engine_that_was_replaced_while_frozen_ends_with_75(start: Start, tmp_path: Path) -> None:
    first = start("engine", "--tail", "--data-dir", tmp_path, *FAST)
    first.until("RECOVERY_COMPLETED")
    second = start("engine", "--tail", "--data-dir", tmp_path, *FAST)
    second.until("standing by")
    first.process.send_signal(signal.SIGSTOP)
    second.until("RECOVERY_COMPLETED")
    first.process.send_signal(signal.SIGCONT)
    assert first.ended() == 75
    assert first.until("error: fenced")
    assert not second.said("BROKER_DISCONNECTED"), "what the other uses was not ended"
    assert second.stop() == 0
    assert processes_of(tmp_path) == []


def test_standby_is_shown_by_doctor_and_takes_over_from_one_that_was_killed(
    start: Start, command: Command, tmp_path: Path
) -> None:
    first = start("engine", "--tail", "--data-dir", tmp_path, *FAST)
    first.until("RECOVERY_COMPLETED")
    second = start("engine", "--standby", "--tail", "--data-dir", tmp_path, *FAST)
    second.until("standing by, warm")

    def shown() -> str:
        checks = command("doctor", "--data-dir", tmp_path, "--json").data["checks"]
        (check,) = [check for check in checks if check["name"] == "standby"]
        assert check["level"] == "ok"
        return str(check["text"])

    eventually(lambda: f"process {second.process.pid} on " in shown())
    assert "stands by since" in shown()
    assert "(0 behind)" in shown()
    first.kill()
    second.until("RECOVERY_COMPLETED")
    assert shown().startswith("none stands by")
    one, two = entries(command, tmp_path, "ENGINE_STARTED")
    assert f"#{first.process.pid} " in two["action_data"]["took_over_from"]
    assert one["action_data"]["took_over_from"] == ""
    assert second.stop() == 0
    assert processes_of(tmp_path) == []


def write_ticks(path: Path, minutes: int) -> int:
    """A made-up day of quotes that goes up and down; how many."""
    began = datetime(2026, 1, 5, 12, 0, tzinfo=UTC)
    rows: dict[str, list[Any]] = {"time_ns": [], "bid": [], "ask": []}
    for number in range(minutes * 12):
        at = began + timedelta(seconds=5 * number + 1)
        step = (number // 240) % 2
        offset = number % 240 if step == 0 else 240 - number % 240
        bid = Decimal("1.10000") + Decimal(offset) * Decimal("0.00005")
        rows["time_ns"].append(int(at.timestamp()) * 1_000_000_000)
        rows["bid"].append(str(bid))
        rows["ask"].append(str(bid + Decimal("0.00010")))
    pq.write_table(pa.table(rows), path)
    return minutes * 12


def replayed(start: Start, *arguments: object) -> tuple[Program, dict[str, Any]]:
    program = start("run", "--json", *arguments)
    assert program.ended(120) == 0, program.lines[-20:]
    (summary,) = [json.loads(line) for line in program.lines if line.startswith('{"summary"')]
    return program, summary["summary"]


def test_recorded_ticks_are_traded_to_their_end_and_the_record_agrees_with_the_exchange(
    start: Start, command: Command, tmp_path: Path
) -> None:
    file = tmp_path / "made-up.parquet"
    write_ticks(file, minutes=600)
    given = ("--ticks", file, "--symbol", "EUR-USD", "--speed", "max", "--set", f"engine.data_dir={tmp_path / 'var'}")
    program, summary = replayed(start, *given)
    place = tmp_path / "var" / "replays" / "made-up-1"
    assert str(place) in program.until("is kept in")
    assert summary["bars"] == {"1 min": 600, "5 mins": 120}
    assert summary["orders"] > 0
    assert summary["reconcile"]["equal"] is True
    assert summary["reconcile"]["fills"] > 0
    assert summary["journal"]["sound"] is True
    checked(command, place)
    _, second = replayed(start, *given)
    assert (tmp_path / "var" / "replays" / "made-up-2").is_dir()
    assert second["bars"] == summary["bars"]


RECORDED = ROOT.parent / "shared" / "data" / "forex_oanda_tick_eurusd_20140508_quote.zip"


@pytest.mark.skipif(not RECORDED.exists(), reason="the recorded day is not here")
def test_real_day_gives_the_venues_own_bars_and_equal_records(start: Start, command: Command, tmp_path: Path) -> None:
    from live_trading.data import read_bars

    _, summary = replayed(start, "--ticks", RECORDED, "--speed", "max", "--data-dir", tmp_path)
    assert summary["reconcile"]["equal"] is True
    assert summary["reconcile"]["fills"] > 0
    venue = {
        bar.start: (bar.bid, bar.ask)
        for bar in read_bars(RECORDED.with_name("forex_oanda_minute_eurusd_20140508_quote.zip"))
    }
    assert len(venue) == 1419
    ours = {bar.start: (bar.bid, bar.ask) for bar in stored_bars(tmp_path) if not bar.filled}
    assert ours == venue
    checked(command, tmp_path)


def stored_bars(directory: Path) -> list[Any]:
    """Every one-minute bar that a replay kept."""
    from live_trading.assembly import open_storage
    from live_trading.cli.shell import run_loop
    from live_trading.config import Settings
    from live_trading.data import MongoBarStore
    from live_trading.domain.bar_size import BarSize
    from live_trading.runtime import Runtime

    async def read() -> list[Any]:
        settings = Settings.load(None, {}, {"engine.data_dir": directory})
        async with open_storage(settings, Runtime(), watch=False) as storage:
            operation = await storage.database["trading_operations"].find_one({})
            assert operation is not None
            store = MongoBarStore(storage.database, directory / "archive")
            return [stored.bar for stored in await store.last(operation["_id"], BarSize.MIN_1, 100_000)]

    return run_loop(read())


def test_reader_that_has_left_is_no_error() -> None:
    """``live-trading config show | head -1``."""
    unread, answers = os.pipe()
    os.close(unread)
    words = [sys.executable, "-m", "live_trading.main", "config", "show"]
    ended = subprocess.run(words, cwd=ROOT, stdout=answers, stderr=subprocess.PIPE, timeout=60, check=False)
    os.close(answers)
    assert ended.returncode == 0
    assert ended.stderr == b""
