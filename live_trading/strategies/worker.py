"""Runs a heavy strategy in a process of its own, which may be slow, hang or die without holding up anything else.

The same adapter runs there over the same bars, so the answers are the same. What is kept here are the last bars: a
process that was ended is started again at the next bar and reads them first, as an operation does after a restart.
"""

import asyncio
import contextlib
import sys
from collections import deque
from collections.abc import Collection, Iterable, Mapping
from typing import Any

import structlog
from pydantic import BaseModel

from live_trading.domain.bar_size import BarSize
from live_trading.domain.errors import InvalidInput
from live_trading.domain.instrument import Instrument
from live_trading.domain.market import Bar
from live_trading.runtime import Clock
from live_trading.strategies.adapter import StrategyAdapter
from live_trading.strategies.base import FLAT, Signal, Strategy, StrategyFailed, StrategyPosition
from live_trading.strategies.live_adapter import HEAVY_TIME_BUDGET, LiveStrategyAdapter
from live_trading.strategies.worker_messages import (
    HEADER_BYTES,
    Answer,
    Answered,
    Begin,
    Failed,
    OnBar,
    Request,
    Start,
    decode_answer,
    encode,
    length_of,
)

_log = structlog.get_logger(__name__)

START_PATIENCE = 60.0
"""Seconds a worker gets to start, load its strategy and read its first bars."""

_CLOSE_PATIENCE = 2.0


class WorkerEnded(Exception):  # noqa: N818 - it tells what happened
    """The process is gone, or was ended for being too slow."""


class WorkerStrategyAdapter(StrategyAdapter):
    """One strategy in its worker process. ``strategy_name`` is what the process loads it by.

    ``time_budget`` is how many seconds an answer may take; a process that takes longer is killed.
    """

    def __init__(
        self,
        strategy_name: str,
        strategy: Strategy[Any],
        parameters: BaseModel,
        symbol: str,
        bar_sizes: Collection[BarSize],
        primary: BarSize,
        clock: Clock,
        *,
        time_budget: float = HEAVY_TIME_BUDGET,
        start_patience: float = START_PATIENCE,
        instrument: Instrument | None = None,
    ) -> None:
        # Never run: it checks the bar sizes, and knows how many bars are needed.
        plan = LiveStrategyAdapter(strategy, parameters, symbol, bar_sizes, primary, clock)
        self.warmup, self.history = plan.warmup, plan.history
        self.restarts = -1
        """How often the process was started again."""
        self._name = strategy.name
        self._start = Start(
            strategy_name,
            parameters.model_dump(mode="json"),
            symbol,
            None if instrument is None else instrument.model_dump(mode="json"),
            tuple(bar_sizes),
            primary,
        )
        self._budget, self._patience = time_budget, start_patience
        self._bars: dict[BarSize, deque[Bar]] = {size: deque(maxlen=self._kept(size)) for size in bar_sizes}
        self._last = Answered(None, ready=False, indicators={})
        self._process: asyncio.subprocess.Process | None = None

    def _kept(self, size: BarSize) -> int:
        return max(self.history.get(size, 0), 2)

    @property
    def ready(self) -> bool:
        return self._last.ready

    @property
    def indicators(self) -> Mapping[BarSize, Mapping[str, float | None]]:
        return self._last.indicators

    @property
    def process_id(self) -> int | None:
        """The worker's process id, None while it does not run."""
        return None if self._process is None else self._process.pid

    async def begin(self, bars: Mapping[BarSize, Iterable[Bar]]) -> None:
        """Start with these bars. Raises :class:`InvalidInput` when the strategy cannot be loaded there."""
        for size, kept in self._bars.items():
            kept.clear()
            kept.extend(bars.get(size, ()))
        try:
            if self._process is None:
                await self._run()
            else:
                await self._take(Begin(self._kept_bars()), self._patience)
        except WorkerEnded as error:
            raise InvalidInput(
                "strategy_name", f"{self._name}: {error}", "Mend the strategy or its parameters"
            ) from error

    async def answer(self, bar: Bar, position: StrategyPosition = FLAT) -> Signal | None:
        kept = self._bars.get(bar.bar_size)
        if kept is None or (kept and bar.start_ns <= kept[-1].start_ns):
            return None
        try:
            if self._process is None:
                await self._run()
            return await self._take(OnBar(bar, position), self._budget)
        except WorkerEnded as error:
            raise StrategyFailed(self._name, bar, str(error)) from error
        finally:
            kept.append(bar)

    async def close(self) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        assert process.stdin is not None
        process.stdin.close()
        try:
            async with asyncio.timeout(_CLOSE_PATIENCE):
                await process.wait()
        except TimeoutError:
            await _kill(process)

    # -- the process

    async def _run(self) -> None:
        """Start the process and have it read the bars there are."""
        self._process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "live_trading.strategies.worker_process",
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            start_new_session=True,  # a Ctrl-C at the terminal is for the engine, which then ends us
        )
        self.restarts += 1
        _log.info("a strategy's process was started", strategy=self._name, process_id=self._process.pid)
        await self._take(self._start, self._patience)
        await self._take(Begin(self._kept_bars()), self._patience)

    def _kept_bars(self) -> dict[BarSize, list[Bar]]:
        return {size: list(kept) for size, kept in self._bars.items()}

    async def _take(self, request: Request, patience: float) -> Signal | None:
        answer = await self._ask(request, patience)
        if isinstance(answer, Failed):
            if not isinstance(request, OnBar):  # it never began
                await self.close()
            raise WorkerEnded(answer.reason)
        if isinstance(answer, Answered):
            self._last = answer
            return answer.restored
        return None

    async def _ask(self, request: Request, patience: float) -> Answer:
        process = self._process
        assert process is not None
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            async with asyncio.timeout(patience):
                process.stdin.write(encode(request))
                await process.stdin.drain()
                header = await process.stdout.readexactly(HEADER_BYTES)
                return decode_answer(await process.stdout.readexactly(length_of(header)))
        except TimeoutError:
            await self._end(process)
            raise WorkerEnded(f"it took more than {patience:g} s in its own process, which was ended") from None
        except (asyncio.IncompleteReadError, OSError, RuntimeError):  # uvloop: RuntimeError for a pipe that is closed
            # Killing a process that is ending loses how it ended: asyncio's own poll takes its exit code away.
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_CLOSE_PATIENCE):
                    await process.wait()
            await self._end(process)
            raise WorkerEnded(f"its process ended {_how(process.returncode)}") from None
        except BaseException:  # cancelled in the middle of an answer, or one that cannot be read: it must not be reused
            await self._end(process)
            raise

    async def _end(self, process: asyncio.subprocess.Process) -> None:
        self._process = None
        await _kill(process)


async def _kill(process: asyncio.subprocess.Process) -> None:
    if process.returncode is not None:
        return
    with contextlib.suppress(ProcessLookupError):
        process.kill()
    await asyncio.shield(process.wait())


def _how(code: int | None) -> str:
    return f"by signal {-code}" if code is not None and code < 0 else f"with exit code {code}"


def open_adapter(
    strategy_name: str,
    strategy: Strategy[Any],
    parameters: BaseModel,
    symbol: str,
    bar_sizes: Collection[BarSize],
    primary: BarSize,
    clock: Clock,
    *,
    instrument: Instrument | None = None,
    workers: bool = False,
) -> StrategyAdapter:
    """The adapter for a strategy: in this process, or in one of its own where it is heavy and ``workers`` are wanted.

    A backtest and a simulation want none: in virtual time nobody waits for another process.
    """
    if strategy.heavy and workers:
        return WorkerStrategyAdapter(
            strategy_name, strategy, parameters, symbol, bar_sizes, primary, clock, instrument=instrument
        )
    return LiveStrategyAdapter(strategy, parameters, symbol, bar_sizes, primary, clock, instrument=instrument)
