"""Ticks to bars of five sizes at once, on the way they take in a live engine: buffer, market data, aggregator."""

import asyncio
import time
from collections.abc import Sequence

import uvloop

from benchmarks import on_nautilus
from benchmarks.measuring import Options, Result, in_turns
from benchmarks.tapes import quotes
from benchmarks.workload import INSTRUMENT
from live_trading.data import MarketData, TickBuffer
from live_trading.domain.bar_size import BarSize
from live_trading.domain.instrument import Instrument
from live_trading.domain.market import Bar, QuoteTick
from live_trading.runtime import SystemClock

SIZES = {
    BarSize.SECS_5: "5-SECOND",
    BarSize.SECS_15: "15-SECOND",
    BarSize.MIN_1: "1-MINUTE",
    BarSize.MINS_5: "5-MINUTE",
    BarSize.HOUR_1: "1-HOUR",
}

_BURST = 1_000
"""So many ticks come before the taker gets its turn, as after a moment in which the loop was busy."""


class _Feed:
    """A broker that is told of subscriptions, and nothing more."""

    async def subscribe(self, instrument: Instrument) -> None:
        pass

    async def unsubscribe(self, instrument: Instrument) -> None:
        pass


async def _through(ticks: Sequence[QuoteTick]) -> int:
    """All ticks through a buffer to the bars' taker, one task putting and one taking; how many bars."""
    clock = SystemClock()
    buffer, market = TickBuffer(clock), MarketData(_Feed(), clock)
    closed = 0

    def on_bars(bars: list[Bar]) -> None:
        nonlocal closed
        closed += len(bars)

    async def take() -> None:
        left = len(ticks)
        while left:
            taken = await buffer.take_received()
            left -= len(taken)
            for received, item in taken:
                market.received = received
                if isinstance(item, int):
                    market.on_market_time(item)
                else:
                    market.on_tick(item)

    await market.subscribe(INSTRUMENT, tuple(SIZES), on_bars)
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(take())
        for begin in range(0, len(ticks), _BURST):
            for tick in ticks[begin : begin + _BURST]:
                buffer.put(tick)
            await asyncio.sleep(0)
    assert not buffer.dropped + buffer.evicted, "every tick must have been taken"
    return closed


def run(options: Options) -> list[Result]:
    """Ticks a second, beside nautilus_trader's with the five sizes and with one."""
    count = 200_000 if options.is_quick else 1_000_000
    rounds = 2 if options.is_quick else 3
    ticks = list(quotes(count))
    bars = 0

    def ours() -> float:
        nonlocal bars
        began = time.process_time()
        bars = uvloop.run(_through(ticks))
        return time.process_time() - began

    name, python = f"{count:,} ticks to bars of 5 sizes", options.nautilus
    if python is None:
        print("skipped: nautilus_trader (name an interpreter that has it with --nautilus)")
        (mine,) = in_turns(rounds, ours)
        detail = f"{bars:,} bars; nautilus_trader was not at hand to compare with"
        return [Result(name, count / mine, "ticks/s", None, "higher", detail)]

    def nautilus(sizes: Sequence[str]) -> float:
        assert python is not None
        return on_nautilus.run_ticks(python, ticks, sizes).seconds

    mine, one, five = in_turns(
        rounds, ours, lambda: nautilus([SIZES[BarSize.MIN_1]]), lambda: nautilus(list(SIZES.values()))
    )
    detail = f"{count / mine:,.0f} ticks/s ({bars:,} bars)"
    return [
        Result(
            f"{name}: ours over nautilus_trader with one",
            one / mine,
            "×",
            2,
            "higher",
            f"{detail} over {count / one:,.0f}",
        ),
        Result(
            f"{name}: ours over nautilus_trader with the same",
            five / mine,
            "×",
            None,
            "higher",
            f"{detail} over {count / five:,.0f}",
        ),
    ]
