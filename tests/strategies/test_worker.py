"""A heavy strategy in a process of its own: the same answers, and nothing it does takes the engine down."""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import psutil
import pytest
import uvloop

from live_trading.domain.errors import InvalidInput
from live_trading.domain.market import Bar
from live_trading.runtime import SystemClock
from live_trading.strategies import (
    LiveStrategyAdapter,
    StrategyFailed,
    StrategyPosition,
    WorkerStrategyAdapter,
    load_strategy,
    open_adapter,
    parse_parameters,
)
from tests.strategies.markets import M1, future_days

ROOT = Path(__file__).resolve().parents[2]

TROUBLE = '''
import os, time
from decimal import Decimal
from live_trading.data import IndicatorSpec
from live_trading.domain.values import SignalType
from live_trading.strategies import Signal, Strategy, StrategyParameters

class Nothing(StrategyParameters):
    """No parameters."""

class Trouble(Strategy[Nothing]):
    """Does what the position's entry price says; else signals when the average is crossed."""
    name = "Trouble"
    Parameters = Nothing
    heavy = True
    def warmup(self, parameters, primary):
        return {primary: 5}
    def indicators(self, parameters, primary):
        return {primary: (IndicatorSpec("ema", 10, name="ema"),)}
    def on_bar(self, context):
        print("a strategy may print what it likes")
        match context.position.entry_price:
            case 1: time.sleep(60)
            case 2: os._exit(3)
            case 3: raise ValueError("no such thing")
            case 4: os.kill(os.getpid(), 9)
            case 5: return "BUY"
            case 6: return Signal(SignalType.EXIT, "large", {"text": "x" * (65 << 20)})
        if context.value("ema") is not None and context.value("ema") < float(context.bar.close):
            return Signal(SignalType.ENTER_LONG, "above", {"ema": context.value("ema"), "close": context.bar.close},
                          stop_loss=context.bar.low)
        return None

class Broken(Trouble):
    name = "Broken"
    def __init__(self):
        if "worker_process" in " ".join(__import__("sys").orig_argv):
            raise RuntimeError("not here")
'''


@pytest.fixture
def name(tmp_path: Path) -> str:
    path = tmp_path / "trouble.py"
    path.write_text(TROUBLE)
    return f"{path}:Trouble"


@pytest.fixture(scope="module")
def bars() -> list[Bar]:
    return future_days(date(2024, 3, 6), 1, seed=5)[:200]


def local(name: str) -> LiveStrategyAdapter:
    strategy = load_strategy(name)
    return LiveStrategyAdapter(strategy, parse_parameters(strategy, {}), "NQ", [M1], M1, SystemClock(), time_budget=60)


@asynccontextmanager
async def worker(name: str, **more: Any) -> AsyncIterator[WorkerStrategyAdapter]:
    strategy = load_strategy(name)
    running = WorkerStrategyAdapter(
        name, strategy, parse_parameters(strategy, {}), "NQ", [M1], M1, SystemClock(), **more
    )
    try:
        yield running
    finally:
        await running.close()


def told(code: int) -> StrategyPosition:
    """A position whose entry price tells the strategy what to do."""
    return StrategyPosition(Decimal(1), Decimal(code))


async def until(condition: Callable[[], bool], seconds: float = 20) -> None:
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110 - the end of a process sets no event
            await asyncio.sleep(0.02)


async def test_the_answers_are_those_of_the_same_strategy_in_this_process(name: str, bars: list[Bar]) -> None:
    here = local(name)
    here.warm_up({M1: bars[:50]})
    async with worker(name) as there:
        assert (there.warmup, there.history) == (here.warmup, here.history)
        await there.begin({M1: bars[:50]})
        assert there.ready
        signals = 0
        for bar in bars[50:]:
            one, other = here.on_bar(bar), await there.answer(bar)
            assert one == other
            assert there.indicators == here.indicators
            signals += one is not None
        assert signals > 20
        assert there.restarts == 0


@pytest.mark.parametrize(
    ("code", "reason", "restarts"),
    [
        (1, r"it took more than 1 s in its own process, which was ended", 1),
        (2, r"its process ended with exit code 3", 1),
        (3, r"ValueError: no such thing", 0),
        (4, r"its process ended by signal 9", 1),
        (5, r"it answered str, not Signal or None", 0),
        (6, r"the answer cannot be sent: a message of \d+ bytes is larger", 0),
    ],
)
async def test_whatever_it_does_is_a_failure_with_a_reason_and_the_next_bar_is_answered(
    name: str, bars: list[Bar], code: int, reason: str, restarts: int
) -> None:
    here = local(name)
    async with worker(name, time_budget=1.0) as there:
        await there.begin({M1: bars[:100]})
        here.warm_up({M1: bars[: 100 if not restarts else 0]})
        with pytest.raises(StrategyFailed, match=reason) as caught:
            await there.answer(bars[100], told(code))
        assert caught.value.bar == bars[100]
        # Started again it has read the bars that are kept, the failed one included.
        kept = there.history[M1]
        here.warm_up({M1: bars[:101][-kept:] if restarts else bars[:101]})
        for bar in bars[101:130]:
            assert await there.answer(bar) == here.on_bar(bar)
        assert there.restarts == restarts


def test_under_uvloop_a_killed_process_is_a_failure_too(name: str, bars: list[Bar]) -> None:
    async def main() -> None:
        async with worker(name) as there:
            await there.begin({M1: bars[:100]})
            assert there.process_id is not None
            os.kill(there.process_id, signal.SIGKILL)
            await until(lambda: not psutil.pid_exists(there.process_id or 0))
            with pytest.raises(StrategyFailed, match="its process ended"):
                await there.answer(bars[100])
            assert await there.answer(bars[101]) == there_and_here(bars)
            assert there.restarts == 1

    def there_and_here(bars: list[Bar]) -> object:
        here = local(name)
        here.warm_up({M1: bars[:101][-here.history[M1] :]})
        return here.on_bar(bars[101])

    uvloop.run(main())


async def test_a_bar_told_twice_is_not_asked_about(name: str, bars: list[Bar]) -> None:
    async with worker(name) as there:
        await there.begin({M1: bars[:20]})
        assert await there.answer(bars[19]) is None
        assert await there.answer(bars[3]) is None


async def test_beginning_again_forgets(name: str, bars: list[Bar]) -> None:
    async with worker(name) as there:
        await there.begin({M1: bars[:100]})
        process = there.process_id
        await there.begin({M1: bars[:3]})
        assert not there.ready
        assert there.process_id == process


async def test_a_strategy_that_does_not_load_there_is_refused(tmp_path: Path, name: str) -> None:
    async with worker(name.replace(":Trouble", ":Broken")) as there:
        with pytest.raises(InvalidInput, match="Broken cannot be made: RuntimeError: not here"):
            await there.begin({})
        assert there.process_id is None


async def test_closing_ends_the_process_also_one_that_hangs(name: str, bars: list[Bar]) -> None:
    async with worker(name, time_budget=30.0) as there:
        await there.begin({M1: bars[:20]})
        process = psutil.Process(there.process_id)
        hanging = asyncio.get_running_loop().create_task(there.answer(bars[20], told(1)))
        await asyncio.sleep(0)
        hanging.cancel()
        with pytest.raises(asyncio.CancelledError):
            await hanging
        await until(lambda: not process.is_running())
        assert await there.answer(bars[21]) is not None or there.restarts == 1
        process = psutil.Process(there.process_id)
    await until(lambda: not process.is_running())


async def test_only_a_heavy_strategy_gets_a_process_and_only_where_wanted(name: str) -> None:
    def opened(name: str, *, workers: bool) -> Any:
        strategy = load_strategy(name)
        return open_adapter(
            name, strategy, parse_parameters(strategy, {}), "NQ", [M1], M1, SystemClock(), workers=workers
        )

    assert isinstance(opened(name, workers=True), WorkerStrategyAdapter)
    assert isinstance(opened(name, workers=False), LiveStrategyAdapter)
    assert isinstance(opened("MomentumStrategy", workers=True), LiveStrategyAdapter)


ENGINE = """
import asyncio, sys
from live_trading.runtime import SystemClock
from live_trading.domain.bar_size import BarSize
from live_trading.strategies import *
from live_trading.strategies.base import StrategyPosition
from live_trading.domain.market import Bar
from decimal import Decimal
async def main():
    name = sys.argv[1]
    strategy = load_strategy(name)
    size = BarSize.MIN_1
    running = WorkerStrategyAdapter(name, strategy, parse_parameters(strategy, {}), "NQ", [size], size, SystemClock())
    one = [Bar("NQ", size, number * 60 * 10**9, *(Decimal(5),) * 4) for number in range(20)]
    await running.begin({size: one[:19]})
    print(running.process_id, flush=True)
    await running.answer(one[19], StrategyPosition(Decimal(1), Decimal(1)))
asyncio.run(main())
"""


@pytest.mark.crash
async def test_a_busy_worker_does_not_outlive_a_killed_engine(name: str) -> None:
    engine = subprocess.Popen(  # noqa: ASYNC220 - it is the one who waits
        [sys.executable, "-c", ENGINE, name], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    assert engine.stdout is not None
    child = psutil.Process(int(next(line for line in engine.stdout if line.strip().isdigit())))
    assert child.is_running()
    os.kill(engine.pid, signal.SIGKILL)
    engine.wait()
    engine.stdout.close()
    await until(lambda: not child.is_running() or child.status() == psutil.STATUS_ZOMBIE)
