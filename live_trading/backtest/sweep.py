"""Many backtests of one strategy with different parameters, over all cores of a machine or over a cluster.

Each combination is a run of its own, so what comes of it does not depend on where it runs or beside what. ``joblib``
spreads them: over processes of this machine (loky), or over a Dask or Ray cluster, whose machines need this package and
the data under the same paths. The data is read once in each process, unless there is too much of it to be kept.
"""

import functools
import os
import signal
import threading
import warnings
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from importlib import import_module
from importlib.util import find_spec
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

import joblib  # type: ignore[import-untyped]

from live_trading import observability
from live_trading.backtest.data import Recording, open_recording, recording_of
from live_trading.backtest.engine_run import BacktestFailed
from live_trading.backtest.grid import Grid
from live_trading.backtest.report import title
from live_trading.backtest.request import BacktestRequest
from live_trading.backtest.result import BacktestResult
from live_trading.backtest.run import run_backtest
from live_trading.backtest.statistics import Statistics, statistics
from live_trading.config.schema import LogFormat, LoggingSettings, LogLevel
from live_trading.domain.errors import InvalidInput
from live_trading.domain.values import OperationStatus
from live_trading.runtime import SystemClock
from live_trading.strategies import load_strategy, parse_parameters

MOST_KEPT = 400_000
"""Ticks or bars that a process keeps from one run to the next: some 150 MB of ticks, 700 MB of bars."""


class Backend(StrEnum):
    """What carries out the runs: processes of this machine, or a cluster."""

    LOKY = "loky"
    DASK = "dask"
    RAY = "ray"


_PACKAGES = {Backend.DASK: "distributed", Backend.RAY: "ray"}


class About(NamedTuple):
    """What all runs of a sweep have in common."""

    title: str
    source: str
    currency: str
    played: int
    unit: str
    """What was played: ticks or bars."""
    first: datetime
    last: datetime
    settings: dict[str, Any]
    """The operation's, less what the combinations differ in."""


@dataclass(frozen=True, slots=True)
class SweepRow:
    """One combination and what came of it: statistics, or the reason why there are none."""

    number: int
    parameters: dict[str, Any]
    statistics: Statistics | None = None
    error: str | None = None


@dataclass(frozen=True, slots=True)
class SweepResult:
    """All rows by their number. ``seconds`` and ``jobs`` (how many at once; None: as many as the cluster would) tell
    how it went, and are the only things that depend on it."""

    about: About
    grid: Grid
    rows: Sequence[SweepRow]
    seconds: float
    jobs: int | None


class _Ran(NamedTuple):
    row: SweepRow
    about: About | None


class _Unreadable(NamedTuple):
    """Data that cannot be read: the arguments of :class:`InvalidInput`, which does not travel between processes."""

    field: str
    problem: str
    remedy: str


def run_sweep(
    request: BacktestRequest,
    grid: Grid,
    numbers: Sequence[int] | None = None,
    *,
    jobs: int | None = None,
    backend: Backend = Backend.LOKY,
    on_row: Callable[[int, int], None] | None = None,
) -> SweepResult:
    """Run the combinations of these numbers (None: all), ``jobs`` at once (None: as many as there are cores).

    ``on_row`` is told how many of how many are done. A combination that is refused or fails is a row with its error;
    where there is no other, :class:`InvalidInput` before anything runs, or :class:`BacktestFailed`. Also raises
    :class:`InvalidInput` for data that cannot be read and a backend that is not installed.
    """
    began = SystemClock().monotonic()
    request = replace(request, data=tuple(path.resolve() for path in request.data), keeps_bars=False)
    open_recording(request.data, request.symbol, request.span)
    chosen = list(range(len(grid))) if numbers is None else list(numbers)
    refused = _refused(request, grid, chosen)
    wanted = [number for number in chosen if number not in refused]
    rows = [SweepRow(number, grid[number], error=error) for number, error in refused.items()]
    if not wanted:
        raise InvalidInput("--sweep", f"none of the {len(rows):,} combinations can run. The first: {rows[0].error}")
    about: About | None = None
    at_once = None if jobs is None and backend is not Backend.LOKY else min(jobs or joblib.cpu_count(), len(wanted))
    numbered = [(number, grid[number]) for number in wanted]
    with _spread(backend, at_once) as spread, _closing(spread(request, numbered)) as results:
        for ran in results:
            if isinstance(ran, _Unreadable):
                raise InvalidInput(*ran)
            rows.append(ran.row)
            about = about or ran.about
            if on_row is not None:
                on_row(len(rows), len(chosen))
    rows.sort(key=lambda row: row.number)
    if about is None:
        raise BacktestFailed(f"none of the {len(rows):,} combinations could run to its end. The first: {rows[0].error}")
    return SweepResult(about, grid, rows, SystemClock().monotonic() - began, at_once)


def _refused(request: BacktestRequest, grid: Grid, numbers: Sequence[int]) -> dict[int, str]:
    """Combinations that the strategy's parameters do not allow, each with the reason."""
    strategy = load_strategy(str(request.operation["strategy_name"]))
    found: dict[int, str] = {}
    for number in numbers:
        try:
            parse_parameters(strategy, request.with_parameters(grid[number]).operation["strategy_config"])
        except InvalidInput as error:
            found[number] = str(error)
    return found


# ---- one run, wherever it is ----------------------------------------------------------------------------------------


def _run(request: BacktestRequest, number: int, values: dict[str, Any], is_apart: bool) -> "_Ran | _Unreadable":
    if is_apart:
        _settle_in()
    try:
        recording = _recording(request, _versions(request.data))
    except InvalidInput as error:
        return _Unreadable(error.field, error.problem, error.remedy)
    try:
        result = run_backtest(request.with_parameters(values), recording)
    except Exception as error:  # one combination's failure is its row; the others go on
        text = str(error) if isinstance(error, InvalidInput) else f"{type(error).__name__}: {error}"
        return _Ran(SweepRow(number, values, error=text), None)
    if result.operation.status is OperationStatus.ERROR:
        return _Ran(SweepRow(number, values, error=result.operation.status_reason or "the operation failed"), None)
    return _Ran(SweepRow(number, values, statistics(result)), _about(result, values))


def _about(result: BacktestResult, values: dict[str, Any]) -> About:
    settings = result.settings.model_dump(mode="json", exclude={name[1:] for name in values if name.startswith(".")})
    settings["strategy_config"] = {k: v for k, v in settings["strategy_config"].items() if k not in values}
    unit = "ticks" if result.ticks else "bars"
    about = title(result), result.source, result.currency, result.count, unit, result.first, result.last
    return About(*about, settings)


@functools.cache
def _settle_in() -> None:
    """A worker's standard output is its parent's, and Ctrl-C is the parent's to hear."""
    observability.configure(LoggingSettings(level=LogLevel.WARNING, format=LogFormat.CONSOLE), Path())
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGINT, signal.SIG_IGN)


def _versions(paths: Sequence[Path]) -> tuple[tuple[int, int], ...]:
    return tuple((found.st_mtime_ns, found.st_size) for found in (path.stat() for path in paths))


def _recording(request: BacktestRequest, versions: tuple[tuple[int, int], ...]) -> Recording:
    return _kept_recording(request.data, versions, request.symbol, request.first, request.end)


@functools.lru_cache(maxsize=1)
def _kept_recording(
    data: tuple[Path, ...],
    versions: tuple[tuple[int, int], ...],
    symbol: str | None,
    first: datetime | None,
    end: datetime | None,
) -> Recording:
    """The data, read once and kept if it is not too much. ``versions`` makes files that have changed others."""
    recording = open_recording(data, symbol, BacktestRequest(data, {}, first=first, end=end).span)
    read: Callable[[], Iterator[Any]] | None = recording.bars or recording.ticks
    assert read is not None
    items = list(islice(read(), MOST_KEPT + 1))
    if len(items) > MOST_KEPT:
        return recording
    if not items:
        raise InvalidInput("--data", f"{recording.name} holds nothing within these times", "Choose others")
    return recording_of(recording.name, items)


# ---- spreading ------------------------------------------------------------------------------------------------------

_Results = Generator["_Ran | _Unreadable", None, None]
_Spread = Callable[[BacktestRequest, Sequence[tuple[int, dict[str, Any]]]], _Results]


@contextmanager
def _spread(backend: Backend, jobs: int | None) -> Iterator[_Spread]:
    """Something that runs combinations on this backend, in their order."""
    if backend is Backend.LOKY and jobs == 1:
        try:
            yield lambda request, wanted: (_run(request, number, values, False) for number, values in wanted)
        finally:
            _kept_recording.cache_clear()
        return
    with _connected(backend, jobs), joblib.parallel_config(backend=backend.value):
        # Ray gives all results together, when the last one is there.
        parallel = joblib.Parallel(n_jobs=jobs or -1, return_as="list" if backend is Backend.RAY else "generator")
        with parallel:
            if backend is Backend.LOKY:
                with _deaf_to_interrupts():
                    list(parallel(joblib.delayed(_settle_in)() for _ in range(jobs or 1)))
            run = joblib.delayed(_run)

            def spread(request: BacktestRequest, wanted: Sequence[tuple[int, dict[str, Any]]]) -> _Results:
                yield from parallel(run(request, number, values, True) for number, values in wanted)

            yield spread


@contextmanager
def _closing(results: _Results) -> Iterator[_Results]:
    """End what still runs when the results are left early, which joblib would warn of."""
    try:
        yield results
    finally:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            results.close()


@contextmanager
def _deaf_to_interrupts() -> Iterator[None]:
    """Processes started meanwhile never hear of Ctrl-C, which goes to all of a terminal's: this one ends them.

    One that comes meanwhile waits until after.
    """
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


@contextmanager
def _connected(backend: Backend, jobs: int | None) -> Iterator[None]:
    """Connected to a cluster: the one that ``DASK_SCHEDULER_ADDRESS`` or ``RAY_ADDRESS`` names, else one of its own."""
    if backend is Backend.LOKY:
        yield
        return
    package = _PACKAGES[backend]
    if find_spec(package) is None:
        raise InvalidInput(
            "--backend",
            f"{backend.value} needs the package {package}, which is not installed",
            f"pip install {package}",
        )
    if backend is Backend.DASK:
        settings = import_module("dask").config
        if settings.get("logging.distributed", None) is None:  # it would tell every step of its own
            settings.set({"logging.distributed": "error"})
        distributed = import_module(package)
        is_there = settings.get("scheduler-address", None)
        own: dict[str, Any] = {"threads_per_worker": 1, "n_workers": jobs, "dashboard_address": None}
        with distributed.Client(**({} if is_there else own)):
            yield
        return
    ray = import_module(package)
    import_module("ray.util.joblib").register_ray()
    address = os.environ.get("RAY_ADDRESS")
    ray.init(
        address=address,
        **({} if address else {"num_cpus": jobs, "include_dashboard": False}),
        log_to_driver=False,
        logging_level="ERROR",
    )
    try:
        yield
    finally:
        ray.shutdown()
