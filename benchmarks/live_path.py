"""From a tick put into the buffer to the order that the Gatekeeper has let pass, in a whole engine on a real loop.

On the way: the buffer, market data, the bars it closes, the strategy and its indicators, its signal, the size and the
protection of the order, every rule of the Gatekeeper. Not on it: the durable append that follows, and the broker.
"""

import asyncio
import gc
import time
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, field

import uvloop

from benchmarks.live_engine import BROKER, LiveEngine, live_engine
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
    """Seconds by the clock, and of the processor: what else the machine does is in the first and not in the second."""

    seconds: list[float] = field(default_factory=list)
    processor: list[float] = field(default_factory=list)
    put_at: list[float] = field(default_factory=list)
    used_then: list[float] = field(default_factory=list)

    def tell(self, live: LiveEngine, tick: QuoteTick, clock: SystemClock) -> None:
        """Tell a tick, and remember when, on both clocks."""
        live.exchange.on_tick(tick)
        self.put_at.append(clock.monotonic())
        self.used_then.append(time.thread_time())
        live.engine.context.sessions[BROKER].ticks.put(tick)

    def passed(self, received: float, now: float) -> None:
        """An order that follows from the tick received then was let pass."""
        self.seconds.append(now - received)
        self.processor.append(time.thread_time() - self.used_then[bisect_right(self.put_at, received) - 1])


def _watch_gatekeeper(live: LiveEngine, latency: _Followed, clock: SystemClock) -> _Measured:
    """Take the time whenever the Gatekeeper has answered."""
    measured, keeper = _Measured(), live.engine.context.gatekeeper
    check = keeper.check

    def watched(entering: Entering, situation: Situation) -> Refusal | None:
        refusal = check(entering, situation)
        if refusal is None:
            measured.passed(latency.received[entering.operation.number], clock.monotonic())
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
            measured.tell(live, tick, clock)
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
    gc.freeze()  # the ticks made beforehand are ours, no engine would have the collector look through them
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
                measured.tell(live, walks[turn][index]._replace(symbol=_SYMBOLS[turn], time_ns=time_ns), clock)
                told += 1
            await asyncio.sleep(0.0005)
    return measured


def run(options: Options) -> list[Result]:
    """Alone, and under load."""
    gc.collect()
    alone = uvloop.run(_alone(list(quotes(10_000 if options.is_quick else 60_000, a_second=2.0))))
    gc.collect()
    loaded = uvloop.run(_loaded(20.0 if options.is_quick else 40.0))
    gc.unfreeze()
    load = f"{_OPERATIONS} operations, {_TICKS_A_SECOND:,} ticks/s"
    return [*_shown("one operation", "p50", 0.5, "µs", 50, alone), *_shown(load, "p99", 0.99, "ms", 5, loaded)]


def _shown(what: str, which: str, fraction: float, unit: str, target: float, measured: _Measured) -> list[Result]:
    name = f"from a tick to the order the Gatekeeper let pass, {which}, {what}"
    scale = {"µs": 1e6, "ms": 1e3}[unit]

    def result(name: str, seconds: Sequence[float], target: float | None) -> Result:
        p50, p90, p99 = (percentile(seconds, each) * scale for each in (0.5, 0.9, 0.99))
        detail = f"{len(seconds):,} orders; p50 {p50:.3g}, p90 {p90:.3g}, p99 {p99:.3g} {unit}"
        return Result(name, percentile(seconds, fraction) * scale, unit, target, detail=detail)

    return [
        result(name, measured.seconds, target),
        result(f"the same in time of the processor, {what}", measured.processor, None),
    ]
