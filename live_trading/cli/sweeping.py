"""``backtest --sweep``: the same backtest with many combinations of parameters."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeRemainingColumn

from live_trading.backtest import BacktestRequest
from live_trading.backtest.grid import parse_grid
from live_trading.backtest.sweep import Backend, run_sweep
from live_trading.backtest.sweep_page import sweep_page
from live_trading.backtest.sweep_report import MEASURES, show_sweep, sweep_fields
from live_trading.cli.shell import Answer, Shell
from live_trading.domain.errors import InvalidInput


@dataclass(frozen=True, slots=True)
class SweepOptions:
    """What was given on the command line; None where nothing was."""

    axes: tuple[str, ...] = ()
    jobs: int | None = None
    backend: str | None = None
    sort: str | None = None
    random: int | None = None
    seed: int | None = None

    def check(self) -> None:
        """Raise :class:`InvalidInput` for options that only a sweep has, where there is none, or that do not fit."""
        given = {f"--{name}": getattr(self, name) for name in ("jobs", "backend", "sort", "random", "seed")}
        alone = [name for name, value in given.items() if value is not None]
        if alone and not self.axes:
            raise InvalidInput(alone[0], "it belongs to a sweep", "Add --sweep name=values, or leave it out")
        if self.sort is not None and self.sort not in MEASURES:
            raise InvalidInput("--sort", f'"{self.sort}" is no statistic', f"Use one of {', '.join(MEASURES)}")
        backends = [each.value for each in Backend]
        if self.backend is not None and self.backend not in backends:
            raise InvalidInput("--backend", f'"{self.backend}" is not known', f"Use one of {', '.join(backends)}")
        if self.seed is not None and self.random is None:
            raise InvalidInput("--seed", "it chooses combinations by chance", "Add --random N, or leave it out")


def sweep(shell: Shell, request: BacktestRequest, options: SweepOptions, html: Path | None) -> Answer:
    """Run the sweep; answer with its table."""
    given = request.operation
    grid = parse_grid(options.axes, given["strategy_name"], given["strategy_config"])
    numbers = grid.chosen(options.random, options.seed or 0)
    with _told(shell) as on_row:
        result = run_sweep(
            request,
            grid,
            numbers,
            jobs=options.jobs,
            backend=Backend(options.backend or Backend.LOKY),
            on_row=on_row,
        )
    sort = options.sort or next(iter(MEASURES))
    if html is not None:
        html.write_text(sweep_page(result, sort), encoding="utf-8")
        shell.note(f"The table is in {html}")
    return Answer(sweep_fields(result, sort), lambda console: show_sweep(result, sort, console))


@contextmanager
def _told(shell: Shell) -> Iterator[Callable[[int, int], None] | None]:
    """How far it is, for whoever sits before the terminal."""
    if shell.json or not sys.stderr.isatty():
        yield None
        return
    columns = BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("", total=None)
        yield lambda done, total: progress.update(task, completed=done, total=total)
