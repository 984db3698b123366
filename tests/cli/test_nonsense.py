"""Every bad input is one line that names what is wrong and what would be right; nothing is started or changed."""

import json
import zipfile
from pathlib import Path

import pytest

from tests.cli.conftest import ROOT, Command, Said

TICKS = ROOT.parent / "shared/data/forex_oanda_tick_eurusd_20140508_quote.zip"
CREATE = ("operations", "create", "EUR-USD", "--bars", "1 min", "--quantity", "1000")


def is_one_clear_line(said: Said, code: int, *words: str) -> None:
    assert said.code == code, said
    assert said.out == ""
    assert len(said.err.splitlines()) == 1, said.err
    assert len(said.errors) == 1, said.err
    assert "Traceback" not in said.err
    for word in words:
        assert word in said.err


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (("--bars", "7 mins"), ("--bars", '"7 mins" is not a bar size', "Use one of")),
        (("--strategy", "Nonsense"), ("strategy_name", "there is no strategy", "Known are")),
        (("--strategy", "/nowhere/file.py:Mine"), ("strategy_name", "there is no file")),
        (("-p", "speed=3"), ("strategy_config.speed", "no such parameter", "fast_period")),
        (("-p", "fast_period=banana"), ("strategy_config.fast_period", "valid integer")),
        (("-p", "fast_period=99"), ("strategy_config", "fast_period must be below slow_period")),
        (("-p", "fast_period"), ("--parameter", "name=value")),
        (("--quantity", "-5"), ("quantity", "greater than 0")),
        (("--quantity", "0"), ("quantity", "greater than 0")),
        (("--quantity", "1e30"), ("quantity", "less than or equal to")),
        (("--quantity", "many"), ("quantity", "valid decimal")),
        (("--quantity", "NaN"), ("quantity", "finite number")),
        (("--capital", "-1"), ("initial_capital", "greater than 0")),
        (("--stop-loss", "ATR"), ("--stop-loss", "TYPE=VALUE")),
        (("--stop-loss", "MOON=1"), ("--stop-loss", '"MOON" is not known', "PERCENTAGE")),
        (("--stop-loss", "PERCENTAGE=2"), ("stop_loss_value", "fraction")),
        (("--recovery", "PRAY"), ("--recovery", "CLOSE_ALL, RESUME, EMERGENCY_EXIT")),
        (("--emergency-stop", "7"), ("emergency_stop_loss_pct",)),
        (("--retention", "3"), ("data_retention_bars",)),
    ],
)
def test_operation_that_makes_no_sense_is_refused_before_anything_starts(
    command: Command, tmp_path: Path, change: tuple[str, ...], words: tuple[str, ...]
) -> None:
    said = command(*CREATE, *change, "--data-dir", tmp_path / "data")
    is_one_clear_line(said, 2, *words)
    assert not (tmp_path / "data").exists()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("frobnicate",), ("No such command", "See live-trading --help")),
        (("operations", "list", "--frobnicate"), ("No such option", "operations list --help")),
        (("journal", "show", "banana"), ("'number'", "integer", "journal show --help")),
        (("journal", "show", "0"), ("'number'", "1")),
        (("recover",), ("--plan", "missing")),
        (("run", "--speed", "banana"), ("--speed", "max")),
        (("run", "--speed", "-3"), ("--speed", "number over 0")),
        (("run", "--ticks", "/nowhere/ticks.zip"), ("/nowhere/ticks.zip", "there is no such file")),
        (("engine", "--set", "banana"), ("--set", "key=value")),
        (("engine", "--set", "engine.leese=3"), ("engine.leese", "there is no such setting", "Known here")),
        (("engine", "--set", "engine.lease_ttl_second=3"), ("Did you mean", "engine.lease_ttl_seconds")),
        (("engine", "--set", "engine.lease_ttl_seconds=soon"), ("engine.lease_ttl_seconds", "is not a number")),
        (("engine", "--broker", "etrade"), ("--broker", "is not a broker", "paper, ibkr, oanda")),
        (("engine", "--config", "/nowhere.yaml"), ("/nowhere.yaml", "there is no such file")),
        (("positions", "close", "banana"), ("operation_id", "is not an id")),
    ],
)
def test_line_that_makes_no_sense(
    command: Command, tmp_path: Path, arguments: tuple[str, ...], words: tuple[str, ...]
) -> None:
    common = () if arguments[0] == "frobnicate" else ("--data-dir", str(tmp_path / "data"))
    is_one_clear_line(command(*arguments, *common), 2, *words)


def test_configuration_file_with_several_mistakes_names_each_with_its_line(command: Command, tmp_path: Path) -> None:
    file = tmp_path / "config.yaml"
    file.write_text("engine:\n  lease_ttl_seconds: soon\nrisk_managment:\n  max_daily_loss: 5\n")
    said = command("config", "check", "--config", file)
    assert said.code == 2
    assert len(said.errors) == len(said.err.splitlines()) == 2
    assert f"{file}:2: engine.lease_ttl_seconds" in said.err
    assert 'Did you mean "risk_management"?' in said.err


@pytest.mark.skipif(not TICKS.exists(), reason="the recorded day is not here")
def test_tick_file_that_was_cut_short_is_refused_before_anything_starts(command: Command, tmp_path: Path) -> None:
    damaged = tmp_path / TICKS.name
    damaged.write_bytes(TICKS.read_bytes()[:200_000])
    said = command("run", "--ticks", damaged, "--data-dir", tmp_path / "data")
    is_one_clear_line(said, 2, TICKS.name)
    assert not (tmp_path / "data").exists()


def test_tick_file_with_a_wrong_line_is_refused_with_the_line(command: Command, tmp_path: Path) -> None:
    damaged = tmp_path / "forex_oanda_tick_eurusd_20140508_quote.zip"
    with zipfile.ZipFile(damaged, "w") as archive:
        archive.writestr("20140508_eurusd_tick_quote.csv", "8000,1.1,1.2\n9000,banana,1.2\n")
    said = command("run", "--ticks", damaged, "--data-dir", tmp_path / "data")
    is_one_clear_line(said, 2, damaged.name, "banana")


def test_data_directory_that_cannot_be_written(command: Command, tmp_path: Path) -> None:
    file = tmp_path / "a-file"
    file.write_text("not a directory")
    said = command("run", "--duration", "1", "--data-dir", file)
    is_one_clear_line(said, 1, "a-file", "DATA_DIR")
    assert file.read_text() == "not a directory"


@pytest.mark.parametrize("words", [("engine",), ("run",), ("operations", "list"), ("journal", "verify")])
def test_mongodb_that_is_away_at_the_start_is_told_without_the_password(
    command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...]
) -> None:
    monkeypatch.setenv("MONGODB_URL", "mongodb://anna:sesame@127.0.0.1:1/?serverSelectionTimeoutMS=200")
    said = command(*words, "--data-dir", tmp_path, "--set", "logging.format=console")
    is_one_clear_line(said, 1, "MONGODB_URL", "cannot be reached", "Check the address")
    assert "sesame" not in said.err


def test_nothing_is_there_yet(command: Command, tmp_path: Path) -> None:
    said = command("operations", "list", "--data-dir", tmp_path / "data")
    is_one_clear_line(said, 3, "data_dir", "live-trading run", "--data-dir")
    assert not (tmp_path / "data").exists()


def test_error_in_json_stands_alone_on_standard_output(command: Command, tmp_path: Path) -> None:
    said = command(*CREATE, "--quantity", "-5", "--json", "--data-dir", tmp_path)
    assert said.code == 2
    assert said.data["error"]["field"] == "quantity"
    assert said.data["error"]["exit_code"] == 2
    assert len(said.errors) == 1


def test_traceback_is_shown_for_debug_only(command: Command, tmp_path: Path) -> None:
    said = command("engine", "--broker", "etrade", "--data-dir", tmp_path, "--debug")
    assert "Traceback" in said.err
    assert said.err.splitlines()[-1].startswith("error: --broker")


def test_secrets_are_hidden_in_the_configuration(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MONGODB_URL", "mongodb://anna:sesame@example.test/")
    monkeypatch.setenv("SECRET_KEY", "s" * 40)
    for words in (("config", "show"), ("config", "show", "--json"), ("config", "show", "--changed")):
        said = command(*words)
        assert said.code == 0
        assert "sesame" not in said.out
        assert "ssss" not in said.out
        assert "(hidden)" in said.out


def test_help_tells_of_every_command(command: Command) -> None:
    said = command("--help")
    assert said.code == 0
    starting = ("run", "engine", "paper-exchange", "doctor", "config", "strategies", "instruments")
    trading = ("operations", "positions", "orders", "discrepancies", "kill-switch")
    record = ("journal", "state", "snapshots", "recover", "reconcile", "rebuild")
    for word in starting + trading + record:
        assert f"\n  {word} " in said.out, word


@pytest.mark.parametrize(
    "words", [("strategies", "list"), ("strategies", "show", "MomentumStrategy"), ("instruments", "list")]
)
def test_what_can_be_traded_how_is_told_to_machines_too(command: Command, words: tuple[str, ...]) -> None:
    said = command(*words, "--json")
    assert said.code == 0
    assert json.loads(said.out)
    assert command(*words).out.count("\n") > 1


def test_documented_exit_codes_are_those_of_the_program() -> None:
    from live_trading.cli.exits import Exit

    text = (ROOT / "docs/cli.md").read_text(encoding="utf-8")
    for exit_ in Exit:
        assert f"| {int(exit_)} | " in text
