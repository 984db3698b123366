"""Runs :mod:`benchmarks.nautilus_program` with an interpreter that has nautilus_trader."""

import json
import subprocess
from array import array
from collections.abc import Iterable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

from live_trading.domain.market import Bar, QuoteTick

_PROGRAM = Path(__file__).with_name("nautilus_program.py")
_LONGEST = 600.0


class Run(NamedTuple):
    """Processor seconds of one run, and how many orders were filled or bars were closed."""

    seconds: float
    done: int


def run_bars(python: Path, bars: Sequence[Bar], *, trades: bool) -> Run:
    """The strategy over the bars."""
    rows = (
        number
        for bar in bars
        for number in (bar.start_ns, *(round(float(p) * 100_000) for p in (bar.open, bar.high, bar.low, bar.close)))
    )
    return _run(python, rows, "trading" if trades else "bars")


def run_ticks(python: Path, ticks: Sequence[QuoteTick], sizes: Sequence[str]) -> Run:
    """Ticks to bars of these sizes (``1-MINUTE``)."""
    rows = (n for tick in ticks for n in (tick.time_ns, int(tick.bid.scaleb(5)), int(tick.ask.scaleb(5))))
    return _run(python, rows, "ticks", *sizes)


def _run(python: Path, rows: Iterable[int], kind: str, *arguments: str) -> Run:
    with TemporaryDirectory(prefix="live-trading-bench-") as directory:
        file = Path(directory) / "rows"
        file.write_bytes(array("q", rows).tobytes())
        command = [str(python), str(_PROGRAM), kind, str(file), *arguments]
        finished = subprocess.run(command, capture_output=True, text=True, timeout=_LONGEST)
    if finished.returncode:
        raise RuntimeError(f"{python} could not run nautilus_trader: {finished.stderr.strip()[-500:]}")
    answer = json.loads(finished.stdout.splitlines()[-1])
    return Run(answer["seconds"], answer["count"])
