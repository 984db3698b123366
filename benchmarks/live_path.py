"""From a tick put into the buffer to the order that the Gatekeeper has let pass, in a whole engine on a real loop.

On the way: the buffer, market data, the bars it closes, the strategy and its indicators, its signal, the size and the
protection of the order, every rule of the Gatekeeper. Not on it: the durable append that follows, and the broker.
"""

import asyncio
import gc
from collections.abc import Sequence
from dataclasses import dataclass, field

import uvloop

from benchmarks.live_engine import LiveEngine, live_engine
from benchmarks.measuring import Options, Result, percentile
from benchmarks.tapes import SYMBOL, quotes
from live_trading.domain.market import QuoteTick
from live_trading.observability import Latency, Trace
from live_trading.orders.gatekeeper import Entering, Refusal, Situation
from live_trading.runtime import Runtime, SystemClock

_DURABLE = 0.002
"""Seconds of a durable append: it is not measured, but what happens meanwhile is."""

_SYMBOLS = (SYMBOL, "GBP-USD", "USD-CAD", "USD-JPY")
_OPERATIONS = 200
_TICKS_A_SECOND = 2_000
_SPEED = 20
"""How much faster the market's time goes than the clock, so that bars of 5 seconds close four times a second."""


class _Followed(Latency):
    """The engine's own measure of its stages, which also remembers which tick led to an operation's last signal."""

    def __init__(self, clock: SystemClock) -> None:
        super().__init__(clock)
        self.received: dict[int, float] = {}

    def signal(self, operation: int, trace: Trace) -> None:
        super().signal(operation, trace)
        self.received[operation] = trace.received


@dataclass
class _Measured:
    seconds: list[float] = field(default_factory=list)
    refused: int = 0


def _watch_gatekeeper(live: LiveEngine, latency: _Followed, clock: SystemClock) -> _Measured:
    """Take the time whenever the Gatekeeper has answered."""
    measured, keeper = _Measured(), live.engine.context.gatekeeper
    check = keeper.check

    def watched(entering: Entering, situation: Situation) -> Refusal | None:
        refusal = check(entering, situation)
        if refusal is None:
            measured.seconds.append(clock.monotonic() - latency.received[entering.operation.number])
        else:
            measured.refused += 1
        return refusal

    keeper.check = watched  # type: ignore[method-assign]
    return measured


async def _alone(ticks: Sequence[QuoteTick]) -> _Measured:
    """One operation, each tick when everything that followed from the one before is done."""
    clock, runtime = SystemClock(), Runtime()
    latency = _Followed(clock)
    async with live_engine(runtime, write_seconds=0.0, latency=latency) as live:
        measured = _watch_gatekeeper(live, latency, clock)
        await live.create(SYMBOL, "5 secs", fast=2, slow=4)
        for tick in ticks:
            live.tell(tick)
            await asyncio.sleep(0)
            while not live.engine.is_quiet:  # noqa: ASYNC110 - the engine is not told that it is measured
                await asyncio.sleep(0)
    return measured


async def _loaded(seconds: float) -> _Measured:
    """200 operations on four markets, ticks at their own pace by the clock."""
    clock, runtime = SystemClock(), Runtime()
    latency = _Followed(clock)
    each = _OPERATIONS // len(_SYMBOLS)
    count = int(seconds * _TICKS_A_SECOND) // len(_SYMBOLS)
    walks = [list(quotes(count, seed)) for seed in range(len(_SYMBOLS))]
    async with live_engine(runtime, write_seconds=_DURABLE, latency=latency) as live:
        measured = _watch_gatekeeper(live, latency, clock)
        for symbol in _SYMBOLS:
            for number in range(each):
                await live.create(symbol, "5 secs", fast=2 + number % 7, slow=9 + number % 13)
        began = clock.monotonic()
        begin_ns = walks[0][0].time_ns
        told = 0
        while told < count * len(_SYMBOLS):
            due = int((clock.monotonic() - began) * _TICKS_A_SECOND)
            while told < min(due, count * len(_SYMBOLS)):
                index, turn = divmod(told, len(_SYMBOLS))
                time_ns = begin_ns + told * _SPEED * 1_000_000_000 // _TICKS_A_SECOND
                live.tell(walks[turn][index]._replace(symbol=_SYMBOLS[turn], time_ns=time_ns))
                told += 1
            await asyncio.sleep(0.0005)
    return measured


def run(options: Options) -> list[Result]:
    """Alone, and under load."""
    gc.collect()
    alone = uvloop.run(_alone(list(quotes(10_000 if options.is_quick else 60_000, a_second=2.0))))
    gc.collect()
    loaded = uvloop.run(_loaded(20.0 if options.is_quick else 40.0))
    name = "from a tick to the order the Gatekeeper let pass"
    micro, milli = [s * 1e6 for s in alone.seconds], [s * 1e3 for s in loaded.seconds]
    of_alone = f"{len(micro):,} orders; p99 {percentile(micro, 0.99):.0f} µs"
    of_loaded = f"{len(milli):,} orders; p50 {percentile(milli, 0.5):.2f} ms, most {max(milli):.1f} ms"
    load = f"{_OPERATIONS} operations, {_TICKS_A_SECOND:,} ticks/s"
    return [
        Result(f"{name}, p50, one operation", percentile(micro, 0.5), "µs", 50, detail=of_alone),
        Result(f"{name}, p99, {load}", percentile(milli, 0.99), "ms", 5, detail=of_loaded),
    ]
