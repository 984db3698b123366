"""What a benchmark found, and how it is shown."""

import gc
import json
import platform
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import psutil
from rich.console import Console
from rich.table import Table


@dataclass(frozen=True, slots=True)
class Options:
    """What was asked for. ``data``: a folder of recorded markets; ``nautilus``: an interpreter with nautilus_trader."""

    is_quick: bool = False
    data: Path | None = None
    nautilus: Path | None = None


@dataclass(frozen=True, slots=True)
class Result:
    """One figure. ``target`` None: for information, nothing is asked of it."""

    name: str
    value: float
    unit: str
    target: float | None = None
    better: Literal["lower", "higher"] = "lower"
    detail: str = ""

    @property
    def is_met(self) -> bool | None:
        if self.target is None:
            return None
        return self.value <= self.target if self.better == "lower" else self.value >= self.target


def percentile(values: Sequence[float], fraction: float) -> float:
    """The value below which ``fraction`` of the values lie (nearest rank)."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * fraction))]


def in_turns(rounds: int, *runs: Callable[[], float]) -> list[float]:
    """The least of each run's seconds, all run in turns: what disturbs one disturbs the others too, and the least is
    what was disturbed least."""
    least = [float("inf")] * len(runs)
    for _ in range(rounds):
        for index, run in enumerate(runs):
            gc.collect()
            least[index] = min(least[index], run())
    return least


def show(results: Sequence[Result]) -> None:
    """A table for people."""
    table = Table(title="Ratios are measured side by side in one run", title_justify="left")
    for column in ("what", "value", "target", ""):
        table.add_column(column, justify="right" if column in ("value", "target") else "left", overflow="fold")
    for result in results:
        bound = "≤" if result.better == "lower" else "≥"
        target = "" if result.target is None else f"{bound} {result.target:g}"
        mark = {None: "", True: "[green]met[/]", False: "[red]missed[/]"}[result.is_met]
        name = result.name + (f"\n[dim]{result.detail}[/]" if result.detail else "")
        table.add_row(name, f"{result.value:,.3g} {result.unit}", target, mark)
    Console().print(table)


def write(results: Sequence[Result], file: Path) -> None:
    """The same as JSON, with the machine they were measured on."""
    file.parent.mkdir(parents=True, exist_ok=True)
    machine: dict[str, Any] = {
        "python": platform.python_version(),
        "system": platform.platform(),
        "cores": psutil.cpu_count(),
        "memory_gigabytes": round(psutil.virtual_memory().total / 2**30, 1),
    }
    rows = [asdict(result) | {"met": result.is_met} for result in results]
    file.write_text(json.dumps({"machine": machine, "results": rows}, indent=2) + "\n", encoding="utf-8")
