"""``run --broker ibkr``: the market over the TWS protocol, a clean end, and an engine killed in mid-bracket."""

import json
from pathlib import Path

import pytest

from tests.cli.conftest import Command, Start
from tests.cli.test_run import FAST, checked_at, eventually, processes_of

IBKR = ("--broker", "ibkr")


def test_synthetic_market_is_traded_over_the_tws_protocol_and_reconciles(
    start: Start, command: Command, tmp_path: Path
) -> None:
    program = start("run", *IBKR, "--data-dir", tmp_path, *FAST)
    program.until("OPERATION_CREATED")
    program.until("ORDER_FILLED")
    looked = command("reconcile", *IBKR, "--data-dir", tmp_path, "--json")
    assert looked.data["equal"] is True, "beside the engine that trades"
    assert program.stop() == 0
    assert not program.said("Decoder")
    assert processes_of(tmp_path) == []
    checked_at(command, tmp_path, *IBKR)


def test_gateway_that_runs_by_itself_is_checked_and_traded_at(start: Start, command: Command, tmp_path: Path) -> None:
    exchange = start("paper-exchange", "--front", "tws", "--account", "DU1234567", "--data-dir", tmp_path / "gateway")
    exchange.until("paper exchange ready")
    told = json.loads((tmp_path / "gateway" / "paper-exchange" / "paper-exchange.json").read_text())
    place: tuple[str, ...] = ("--set", "broker.type=IBKR", "--set", f"broker.ibkr.port={told['fronts']['tws']['port']}")
    place = (*place, "--set", "broker.ibkr.nightly_restart=null", "--data-dir", str(tmp_path / "engine"))
    looked = command("doctor", *place, "--json")
    (broker,) = [check for check in looked.data["checks"] if check["name"] == "broker ibkr"]
    assert broker["level"] == "ok", broker
    assert "DU1234567" in broker["text"]
    program = start("run", *place, *FAST, "--no-demo", "--duration", "1")
    program.until("BROKER_CONNECTED")
    assert program.ended() == 0
    assert command("reconcile", *place, "--json").data["equal"] is True
    assert exchange.stop() == 0
    gone = command("doctor", *place, "--json")
    (broker,) = [check for check in gone.data["checks"] if check["name"] == "broker ibkr"]
    assert (gone.code, broker["level"]) == (1, "fail")


def test_real_money_is_traded_only_where_it_is_confirmed(command: Command, tmp_path: Path) -> None:
    live: tuple[str, ...] = (
        "engine",
        "--data-dir",
        str(tmp_path),
        "--set",
        "broker.type=IBKR",
        "--set",
        "broker.ibkr.account_type=LIVE",
    )
    at_port = (*live, "--set", "broker.ibkr.port=7496")
    assert "broker.ibkr.account" in command(*at_port).err
    named = (*at_port, "--set", "broker.ibkr.account=U1234567")
    for confirmed in ((), ("--set", "broker.ibkr.confirm_live=U7654321")):
        said = command(*named, *confirmed)
        assert said.code == 2
        assert "broker.ibkr.confirm_live" in said.err


@pytest.mark.crash
def test_engine_killed_in_mid_bracket_leaves_nothing_half_done(start: Start, command: Command, tmp_path: Path) -> None:
    killed = start(
        "run", *IBKR, "--data-dir", tmp_path, *FAST,
        environment={"LIVE_TRADING_FAILPOINTS": "broker.bracket.between=kill@2"},
    )  # fmt: skip
    assert killed.ended(patience=200) == -9, "it has killed itself between two orders of one bracket"
    again = start("run", *IBKR, "--data-dir", tmp_path, *FAST)
    again.until("ORDER_NOT_PLACED")

    def equal() -> bool:
        said = command("reconcile", *IBKR, "--data-dir", tmp_path, "--json")
        return said.code == 0 and bool(said.data["equal"])

    eventually(equal)
    assert again.stop() == 0
    checked_at(command, tmp_path, *IBKR)
    doubtful = command("orders", "list", "--status", "IN_DOUBT", "--data-dir", tmp_path, "--json").data["orders"]
    assert doubtful == []
