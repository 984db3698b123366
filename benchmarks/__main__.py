"""``python -m benchmarks``: run them, show a table, write JSON."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Annotated

import structlog
import typer
import uvloop

from benchmarks import backtest, growth, interface, journal_append, journal_replay, live_path, ticks
from benchmarks.measuring import Options, Result, show, write
from benchmarks.place import Place, own_mongo
from benchmarks.tapes import DATA


def _on_mongo(benchmark: Callable[[Place], Awaitable[list[Result]]]) -> Callable[[Options], list[Result]]:
    """A benchmark that needs a MongoDB, given one of its own."""

    async def measure(options: Options) -> list[Result]:
        async with own_mongo(options.is_quick) as place:
            return await benchmark(place)

    def run(options: Options) -> list[Result]:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            return runner.run(measure(options))

    return run


BENCHMARKS: dict[str, Callable[[Options], list[Result]]] = {
    "append": _on_mongo(journal_append.run),
    "replay": _on_mongo(journal_replay.run),
    "backtest": backtest.run,
    "ticks": ticks.run,
    "live": live_path.run,
    "growth": growth.run,
    "interface": _on_mongo(interface.run),
}


def main(
    only: Annotated[list[str] | None, typer.Argument(help=f"Which: {', '.join(BENCHMARKS)}. None: all.")] = None,
    quick: Annotated[bool, typer.Option("--quick", help="Fewer repetitions, rougher figures.")] = False,
    data: Annotated[Path | None, typer.Option(envvar=DATA, help="The folder of recorded markets, if any.")] = None,
    nautilus: Annotated[
        Path | None,
        typer.Option(envvar="LIVE_TRADING_BENCH_NAUTILUS", help="A Python interpreter that has nautilus_trader."),
    ] = None,
    json: Annotated[Path, typer.Option(help="Where the figures are written.")] = Path("var/bench.json"),
) -> None:
    """Measure the journal, the backtest and the way of a tick, each beside what it is compared with, in one run."""
    unknown = set(only or ()) - BENCHMARKS.keys()
    if unknown:
        raise typer.BadParameter(f"{', '.join(sorted(unknown))}: there is {', '.join(BENCHMARKS)}")
    structlog.configure(logger_factory=structlog.ReturnLoggerFactory())
    options = Options(quick, data, nautilus)
    results: list[Result] = []
    for name in only or BENCHMARKS:
        results += BENCHMARKS[name](options)
    show(results)
    write(results, json)


if __name__ == "__main__":
    typer.run(main)
