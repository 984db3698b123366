"""Whether cost grows as the work does: ten and a hundred times the bars, ten and a hundred times the operations."""

import asyncio
import time
from collections.abc import Sequence
from functools import partial

import uvloop

from benchmarks.backtest import timed
from benchmarks.live_engine import live_engine
from benchmarks.measuring import Options, Result, in_turns
from benchmarks.tapes import SYMBOL, minute_bars, quotes
from live_trading.domain.market import QuoteTick
from live_trading.runtime import Runtime

_AT_MOST = 1.3
_TIMES = (1, 10, 100)


def run(options: Options) -> list[Result]:
    """The cost of one at ten and a hundred times the size, over what it was."""
    rounds = 2 if options.is_quick else 3
    return [*_bars(1_000, rounds), *_operations(600 if options.is_quick else 2_000, rounds)]


def _bars(count: int, rounds: int) -> list[Result]:
    bars = minute_bars(count * _TIMES[-1])
    timed(bars[:count], trades=True)

    def seconds(times: int) -> float:
        return timed(bars[: count * times], trades=True)[0]

    costs = in_turns(rounds, *(partial(seconds, times) for times in _TIMES))
    return _shown("backtest: cost of a bar", "bars", "µs a bar", [count * times for times in _TIMES], costs)


async def _trade(operations: int, ticks: Sequence[QuoteTick]) -> float:
    """Processor seconds that a live engine takes for the ticks; all operations on one symbol, each on its own."""
    runtime = Runtime()
    async with live_engine(runtime, write_seconds=0.0, latency=None) as live:
        for number in range(operations):
            await live.create(SYMBOL, "5 secs", fast=2 + number % 7, slow=9 + number % 13)
        began = time.process_time()
        for tick in ticks:
            live.tell(tick)
            await asyncio.sleep(0)
            while not live.engine.is_quiet:  # noqa: ASYNC110 - the engine is not told that it is measured
                await asyncio.sleep(0)
        return time.process_time() - began


def _operations(count: int, rounds: int) -> list[Result]:
    ticks = list(quotes(count, a_second=0.2))

    def seconds(operations: int) -> float:
        return uvloop.run(_trade(operations, ticks))

    costs = in_turns(rounds, *(partial(seconds, times) for times in _TIMES))
    sizes = [count * times for times in _TIMES]
    return _shown("live engine: cost of an operation's tick and bar", "operations", "µs", sizes, costs, _TIMES)


def _shown(
    name: str, of: str, unit: str, sizes: Sequence[int], seconds: Sequence[float], numbers: Sequence[int] | None = None
) -> list[Result]:
    numbers = numbers or sizes
    each = [second / size * 1e6 for second, size in zip(seconds, sizes, strict=True)]
    figures = ", ".join(f"{number:,} {of}: {cost:.1f} {unit}" for number, cost in zip(numbers, each, strict=True))
    return [
        Result(f"{name} at {number:,} {of} over {numbers[0]:,}", cost / each[0], "×", _AT_MOST, detail=figures)
        for number, cost in zip(numbers[1:], each[1:], strict=True)
    ]
