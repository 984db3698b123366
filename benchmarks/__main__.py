"""``python -m benchmarks``: run them, show a table, write JSON."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Annotated

import structlog
import typer
import uvloop

from benchmarks import journal_append, journal_replay
from benchmarks.measuring import Result, show, write
from benchmarks.place import Place, own_mongo

BENCHMARKS: dict[str, Callable[[Place], Awaitable[list[Result]]]] = {
    "append": journal_append.run,
    "replay": journal_replay.run,
}


def main(
    only: Annotated[list[str] | None, typer.Argument(help=f"Which: {', '.join(BENCHMARKS)}. None: all.")] = None,
    quick: Annotated[bool, typer.Option("--quick", help="Fewer repetitions, rougher figures.")] = False,
    json: Annotated[Path, typer.Option(help="Where the figures are written.")] = Path("var/bench.json"),
) -> None:
    """Measure the journal against the bare driver, on this machine, in one run."""
    unknown = set(only or ()) - BENCHMARKS.keys()
    if unknown:
        raise typer.BadParameter(f"{', '.join(sorted(unknown))}: there is {', '.join(BENCHMARKS)}")
    structlog.configure(logger_factory=structlog.ReturnLoggerFactory())
    results: list[Result] = []
    for name in only or BENCHMARKS:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            results += runner.run(_measure(BENCHMARKS[name], quick))
    show(results)
    write(results, json)


async def _measure(benchmark: Callable[[Place], Awaitable[list[Result]]], quick: bool) -> list[Result]:
    async with own_mongo(quick) as place:
        return await benchmark(place)


if __name__ == "__main__":
    typer.run(main)
