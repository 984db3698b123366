"""Every bad input to ``backtest`` is one line that names the option and what would be right, and nothing is played."""

import json
from pathlib import Path

import pytest

from live_trading.cli.app import run
from tests.backtest.worlds import SYMBOL, walk, write_ticks

STRATEGY = ("--strategy", "MomentumStrategy")
MINUTES = ("--bar-size", "1 min")
SWEEP = ("--sweep", "fast_period=3,4")


@pytest.fixture(scope="module")
def ticks(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_ticks(tmp_path_factory.mktemp("nonsense") / "t.parquet", walk(50, 1))


def one_line(capfd: pytest.CaptureFixture[str], *arguments: object) -> str:
    capfd.readouterr()
    code = run(["backtest", *map(str, arguments)])
    out, err = capfd.readouterr()
    assert (code, out) == (2, "")
    assert len(err.splitlines()) == 1, err
    assert err.startswith("error: ")
    return err


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (("--strategy", "Nonsense"), ("strategy_name", "there is no strategy 'Nonsense'", "Known are")),
        (("-p", "fast_period=0"), ("strategy_config.fast_period", "greater than or equal to 2")),
        (("-p", "fast_perio=3"), ("strategy_config.fast_perio", "no such parameter", "fast_period")),
        (("-p", "fast_period"), ("name=value", "-p fast_period=8")),
        (("--quantity", "-5"), ("error: quantity: Input should be greater than 0",)),
        (("--asset", "BANANA"), ("asset", "not traded", "EUR-USD")),
        (("--bar-size", "7 mins"), ("--bar-size", '"7 mins" is not a bar size', "Use one of")),
        (("--stop", "MOON=1"), ("--stop:", '"MOON" is not known', "PERCENTAGE")),
        (("--target", "2"), ("--target:", "TYPE=VALUE")),
        (("--from", "2024-03-06", "--to", "2024-03-05"), ("--from", "not before --to", "the earlier")),
        (("--from", "2025-03-06"), ("holds nothing within these times",)),
        (("--to", "tomorrow"), ("--to", '"tomorrow" is not a time', "2014-05-08")),
        (("--latency", "-1"), ("--latency", "greater than or equal to 0")),
        (("--html", "/nowhere/report.html"), ("--html", "/nowhere/report.html")),
        (("--jobs", "2"), ("--jobs", "belongs to a sweep", "--sweep")),
        (("--sweep", "fast_perid=3,4"), ("--sweep", "fast_perid", "Did you mean fast_period?")),
        (("--sweep", "fast_period=50,60"), ("--sweep", "none of the 2 combinations", "below slow_period")),
        (("--sweep", "fast_period"), ("--sweep", "name=values")),
        ((*SWEEP, "-p", "fast_period=5"), ("--sweep", "fast_period is given twice")),
        ((*SWEEP, "--sort", "beauty"), ("--sort", '"beauty" is no statistic', "net_profit")),
        ((*SWEEP, "--backend", "slurm"), ("--backend", "loky, dask, ray")),
        ((*SWEEP, "--backend", "dask"), ("--backend", "distributed", "pip install")),
        ((*SWEEP, "--seed", "3"), ("--seed", "--random")),
    ],
)
def test_a_call_that_makes_no_sense(
    ticks: Path, capfd: pytest.CaptureFixture[str], change: tuple[str, ...], words: tuple[str, ...]
) -> None:
    said = one_line(capfd, *STRATEGY, "--data", ticks, "--asset", SYMBOL, *MINUTES, *change)
    for word in words:
        assert word in said


def test_data_that_is_not_there_or_not_data(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    gone = one_line(capfd, *STRATEGY, "--data", "/nowhere.zip", *MINUTES)
    assert "--data: there is no file /nowhere.zip" in gone
    bad = tmp_path / "bad.csv"
    bad.write_text("time_ns,bid,ask\n1709629200000000000,1.08,1.0801\n1709629201000000000,banana,1.0801\n")
    for more in ((), (*SWEEP, "--jobs", "1")):
        said = one_line(capfd, *STRATEGY, "--data", bad, "--asset", SYMBOL, *MINUTES, *more)
        assert "bad.csv: line 3: bid: 'banana' is not a number" in said
    assert "--asset" in one_line(capfd, *STRATEGY, "--data", bad, *MINUTES)


def test_a_sweep_answers_in_json_and_writes_its_page(
    ticks: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    page = tmp_path / "sweep.html"
    words = ["backtest", *STRATEGY, "--data", str(ticks), "--asset", SYMBOL, *MINUTES, "--json", "--html", str(page)]
    words += ["--stop", "PERCENTAGE=0.01", "--sweep", "fast_period=3:9:2", "--sweep", ".stop_loss_value=0.01,0.02"]
    capfd.readouterr()
    assert run([*words, "--jobs", "1", "--random", "3", "--seed", "4", "--sort", "max_drawdown"]) == 0
    said = json.loads(capfd.readouterr().out)
    assert (said["combinations"], len(said["rows"]), said["sort"]) == (8, 3, "max_drawdown")
    assert said["settings"]["stop_loss_type"] == "PERCENTAGE"
    assert "fast_period" in page.read_text(encoding="utf-8")
