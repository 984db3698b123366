"""Sweeps: which combinations there are, and that what comes of each does not depend on where and beside what it ran."""

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil
import pytest

from live_trading.backtest import BacktestFailed, BacktestRequest, run_backtest
from live_trading.backtest.grid import Grid, parse_grid
from live_trading.backtest.statistics import statistics
from live_trading.backtest.sweep import Backend, SweepResult, run_sweep
from live_trading.backtest.sweep_page import sweep_page
from live_trading.backtest.sweep_report import ranked, sweep_fields
from live_trading.domain.errors import InvalidInput
from live_trading.engine.context import EngineConfig
from live_trading.orders.gatekeeper import Limits
from tests.backtest.worlds import SYMBOL, walk, write_ticks

ROOT = Path(__file__).parents[2]
MOMENTUM = "MomentumStrategy"


# ---- combinations


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("fast_period=5,8,13", [5, 8, 13]),
        ("fast_period=7", [7]),
        ("slow_period=20:60:10", [20, 30, 40, 50, 60]),
        ("slow_period=20:25", [20, 21, 22, 23, 24, 25]),
        ("slow_period=20:45:10", [20, 30, 40]),
        ("slow_period=9,20:40:10", [9, 20, 30, 40]),
        (".stop_loss_value=1:2:0.25", [1.0, 1.25, 1.5, 1.75, 2.0]),
        (".stop_loss_value=0.1:0.3:0.1", [0.1, 0.2, 0.3]),
        (".stop_loss_type=ATR, PERCENTAGE, null", ["ATR", "PERCENTAGE", None]),
    ],
)
def test_lists_and_ranges(text: str, values: list[Any]) -> None:
    (found,) = parse_grid([text], MOMENTUM).axes.values()
    assert list(found) == values
    assert [type(each) for each in found] == [type(each) for each in values]


@pytest.mark.parametrize(
    ("texts", "words"),
    [
        (["fast_period"], ("not of the form", "fast_period=5,8,13")),
        (["fast_period="], ("not of the form",)),
        (["=3"], ("not of the form",)),
        (["fast_perid=3,4"], ("MomentumStrategy has no such parameter", "Did you mean fast_period?")),
        ([".quantiti=3,4"], ("no such setting", "Did you mean .quantity?")),
        ([".asset=ES"], ("no such setting",)),
        (["fast_period=3,,4"], ("empty value",)),
        (["fast_period=3,4,3"], ("3 twice",)),
        (["fast_period=3", "fast_period=4"], ("given twice",)),
        (["slow_period=30"], ("slow_period is given twice",)),
        (["fast_period=9:3:1"], ("goes nowhere", "low:high:step")),
        (["fast_period=1:9:0"], ("goes nowhere",)),
        (["fast_period=0.1:0.5"], ("has no step", "0.1:0.5:0.1")),
        (["fast_period=1:1000000000"], ("1,000,000,000 values", "larger steps")),
        (["fast_period=NaN"], ("not a number",)),
    ],
)
def test_what_is_no_list_and_no_range_is_refused(texts: list[str], words: tuple[str, ...]) -> None:
    with pytest.raises(InvalidInput) as caught:
        parse_grid(texts, MOMENTUM, given=["slow_period"])
    assert caught.value.field == "--sweep"
    for word in words:
        assert word in str(caught.value)


def test_several_names_make_their_product_and_the_last_changes_fastest() -> None:
    grid = Grid({"a": (1, 2), "b": ("x", "y", "z")})
    assert len(grid) == 6
    assert [tuple(grid[n].values()) for n in range(6)] == [(a, b) for a in (1, 2) for b in "xyz"]
    assert list(grid[0]) == ["a", "b"]


def test_a_part_of_a_large_product_is_chosen_by_its_seed() -> None:
    grid = Grid({name: tuple(range(1000)) for name in "abc"})
    some = grid.chosen(50, seed=7)
    assert some == grid.chosen(50, seed=7) == sorted(set(some))
    assert len(some) == 50
    assert some != grid.chosen(50, seed=8)
    assert Grid({"a": (1, 2)}).chosen(50) == [0, 1]
    with pytest.raises(InvalidInput, match="--random"):
        grid.chosen()


# ---- runs


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_ticks(tmp_path_factory.mktemp("sweep") / "ticks.parquet", walk(4_000, 5))


Make = Callable[..., BacktestRequest]


@pytest.fixture
def make(data: Path) -> Make:
    def request(strategy: str = MOMENTUM, **parameters: Any) -> BacktestRequest:
        operation = {
            "strategy_name": strategy,
            "strategy_config": parameters,
            "quantity": "1000",
            "initial_capital": "10000",
            "bar_sizes": ["1 min"],
        }
        config = EngineConfig(limits=Limits(max_loss_pct=None))
        return BacktestRequest((data,), operation, symbol=SYMBOL, config=config)

    return request


GRID = Grid({"fast_period": (3, 5, 8), "slow_period": (5, 12), ".stop_loss_value": (1.0, 3.0)})


def what_came_of(result: SweepResult) -> Any:
    fields = sweep_fields(result, "net_profit")
    del fields["run"]
    return fields


def test_rows_do_not_depend_on_the_number_of_jobs_and_equal_single_backtests(make: Make) -> None:
    request = make(momentum_period=3, rsi_period=5)
    told: list[tuple[int, int]] = []
    alone = run_sweep(request, GRID, jobs=1, on_row=lambda done, of: told.append((done, of)))
    beside = run_sweep(request, GRID, jobs=2)
    assert (alone.jobs, beside.jobs) == (1, 2)
    assert what_came_of(alone) == what_came_of(beside)
    assert [row.number for row in alone.rows] == list(range(12))
    assert told[-1] == (12, 12)
    for row in alone.rows:
        if row.error is None:
            single = run_backtest(request.with_parameters(row.parameters))
            assert row.statistics == statistics(single)
    assert any(row.statistics is not None and row.statistics.trades > 10 for row in alone.rows)


def test_a_combination_that_is_refused_is_a_row_with_its_error(make: Make) -> None:
    result = run_sweep(make(), GRID, jobs=1)
    refused = [row for row in result.rows if row.error is not None]
    assert {(row.parameters["fast_period"], row.parameters["slow_period"]) for row in refused} == {(5, 5), (8, 5)}
    assert all("fast_period must be below slow_period" in str(row.error) for row in refused)
    assert ranked(result.rows, "net_profit")[-4:] == refused


def test_a_setting_that_the_engine_refuses_is_a_row_with_its_error(make: Make) -> None:
    result = run_sweep(make(), Grid({".quantity": (1000, -5)}), jobs=1)
    good, bad = result.rows
    assert good.error is None
    assert bad.error is not None
    assert "quantity" in bad.error
    assert "greater than 0" in bad.error


def test_where_all_are_refused_nothing_runs(make: Make) -> None:
    told: list[int] = []
    with pytest.raises(InvalidInput, match=r"--sweep: none of the 2 combinations can run.*slow_period"):
        run_sweep(make(), Grid({"fast_period": (50, 60)}), jobs=1, on_row=lambda done, of: told.append(done))
    assert not told


def test_where_all_fail_it_is_an_error_and_not_an_empty_table(make: Make) -> None:
    request = make("tests/engine/strategies_for_tests.py:RaisesWhenHolding")
    with pytest.raises(BacktestFailed, match=r"none of the 2 combinations could run to its end"):
        run_sweep(request, Grid({".quantity": (1000, 2000)}), jobs=1)


def test_data_that_cannot_be_read_ends_the_sweep_with_the_place(make: Make, tmp_path: Path) -> None:
    path = tmp_path / "bad.csv"
    path.write_text("time_ns,bid,ask\n1709629200000000000,1.08,1.0801\n1709629201000000000,banana,1.0801\n")
    request = replace(make(), data=(path,))
    for jobs in (1, 2):
        with pytest.raises(InvalidInput, match=r"bad\.csv.*banana|bad\.csv.*line 3"):
            run_sweep(request, Grid({"rsi_period": tuple(range(5, 60))}), jobs=jobs)


def test_the_best_come_first_by_any_statistic_and_those_without_it_after(make: Make) -> None:
    rows = run_sweep(make(momentum_period=3, rsi_period=5), GRID, jobs=1).rows
    for name, is_rising in (("net_profit", False), ("max_drawdown", True), ("trades", False)):
        values = [getattr(row.statistics, name) for row in ranked(rows, name) if row.statistics is not None]
        assert values == sorted(values, reverse=not is_rising)
    sharpes = [row.statistics is not None and row.statistics.sharpe for row in ranked(rows, "sharpe")]
    assert sharpes[-4:] == [False] * 4  # one day has no ratio: None, and then the failed ones


@pytest.mark.parametrize("backend", [Backend.DASK, Backend.RAY])
def test_a_backend_that_is_not_installed_is_named_with_its_package(make: Make, backend: Backend) -> None:
    with pytest.raises(InvalidInput, match=rf"--backend: {backend.value} needs the package .*pip install"):
        run_sweep(make(), GRID, backend=backend)


def test_the_page_holds_the_figures_and_needs_nothing_but_itself(make: Make) -> None:
    result = run_sweep(make(), Grid({"fast_period": (3, 30), "slow_period": (12, 20)}), jobs=1)
    page = sweep_page(result, "net_profit")
    assert "{{" not in page
    assert not re.findall(r"https?:|\bsrc=|\bhref=|@import|url\(|fetch\(|XMLHttp", page)
    held = json.loads(re.search(r'id="data">(.*?)</script>', page, re.S)[1].replace("<\\/", "</"))  # type: ignore[index]
    assert held["axes"] == [["fast_period", ["3", "30"]], ["slow_period", ["12", "20"]]]
    names = [measure[0] for measure in held["measures"]]
    for row, (at, figures, error) in zip(ranked(result.rows, "net_profit"), held["rows"], strict=True):
        assert [result.grid.axes[name][place] for name, place in zip(GRID.axes, at, strict=False)] == [
            row.parameters["fast_period"], row.parameters["slow_period"]
        ]  # fmt: skip
        assert error == row.error
        if row.statistics is not None:
            assert figures[names.index("net_profit")] == pytest.approx(row.statistics.net_profit)
    assert "<section hidden>" not in page
    assert "<section hidden>" in sweep_page(run_sweep(make(), Grid({"fast_period": (3, 4)}), jobs=1), "net_profit")


def _hear_ctrl_c() -> None:
    """What runs in the background of a script inherits that Ctrl-C is ignored."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def test_ctrl_c_ends_a_sweep_at_once_with_all_its_processes(data: Path) -> None:
    command = [sys.executable, "-m", "live_trading.main", "backtest", "--strategy", MOMENTUM, "--data", str(data)]
    command += [
        "--asset",
        SYMBOL,
        "--bar-size",
        "5 secs",
        "--sweep",
        "fast_period=3:20",
        "--sweep",
        "slow_period=21:80",
    ]
    process = subprocess.Popen(
        [*command, "--jobs", "2"],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
        preexec_fn=_hear_ctrl_c,
    )
    parent = psutil.Process(process.pid)
    workers: list[psutil.Process] = []
    try:
        while len(workers) < 2 and process.poll() is None:
            workers = [each for each in parent.children(recursive=True) if each.cpu_times().user > 1.0]
        os.killpg(process.pid, signal.SIGINT)  # a terminal's Ctrl-C goes to all of them
        out, err = process.communicate(timeout=60)
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
    assert (process.returncode, out, err) == (130, b"", b"")
    assert not psutil.wait_procs(workers, timeout=10)[1]
