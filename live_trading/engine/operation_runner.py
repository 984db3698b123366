"""Runs one operation: bars to its strategy, signals to orders, and the ledger's intents to reality.

A runner handles one thing at a time. After each it *converges*: it looks at the ledger, never at its own memory, and
does the next step towards what the ledger says is wanted: flat, protected, closed. So it does not matter at which point
an engine died: the next one looks at the same ledger and does what is left.
"""

import asyncio
import contextlib
import functools
from collections import deque
from collections.abc import Awaitable, Callable
from decimal import Decimal
from typing import Any, NamedTuple, TypeVar

import structlog
from bson import ObjectId
from pydantic import BaseModel

from live_trading.brokers.errors import BrokerError, Retryable
from live_trading.data import Gap, IndicatorSpec, Subscription
from live_trading.data.seeded_indicators import Atr
from live_trading.domain.bar_size import BarSize
from live_trading.domain.entries import (
    Draft,
    Entry,
    OperationFailed,
)
from live_trading.domain.errors import InvalidInput
from live_trading.domain.ids import Kind, derived_id
from live_trading.domain.instrument import Instrument
from live_trading.domain.market import Bar
from live_trading.domain.operation import OperationSettings
from live_trading.domain.values import OperationStatus, Side, StopLossType
from live_trading.engine.bar_supply import Bars, BarSupply
from live_trading.engine.context import EngineContext
from live_trading.engine.convergence import Convergence
from live_trading.engine.inbox import Refused
from live_trading.engine.signals import SignalDesk
from live_trading.engine.watch import PriceWatch
from live_trading.journal.errors import JournalError
from live_trading.observability import Latency, Trace
from live_trading.projections.state import Operation
from live_trading.runtime import Bell
from live_trading.strategies import (
    FLAT,
    LiveStrategyAdapter,
    Signal,
    Strategy,
    StrategyAdapter,
    StrategyFailed,
    StrategyPosition,
    in_order,
    load_strategy,
    open_adapter,
    parse_parameters,
    seen_before,
)

_log = structlog.get_logger(__name__)

_ATR_PERIOD = 14
_ATR_HISTORY = IndicatorSpec("atr", _ATR_PERIOD).settled
_MAX_WAITING_BARS = 10_000
_ASK_AGAIN_SECONDS = 2.0

T = TypeVar("T")

Job = Callable[[], Awaitable[Any]]


class _Stopped(Exception):  # noqa: N818 - what happened
    """The runner was stopped before it was ready."""


class _Answer(NamedTuple):
    """What a strategy made of a bar. ``trails``: a trailing stop may follow the bar's close."""

    bar: Bar
    signal: Signal | None
    trails: bool
    error: Exception | None


class OperationRunner:
    """One operation's inputs, handled one at a time. Start :meth:`run` as a task."""

    def __init__(self, context: EngineContext, operation: Operation) -> None:
        self.number = operation.number
        self.operation_id: ObjectId = derived_id(Kind.OPERATION, operation.number)
        self.settings = OperationSettings.model_validate(operation.settings)
        self.instrument = Instrument.model_validate(operation.instrument)
        self._context = context
        self._operations = context.live.ledger.state.operations
        self._settings_of = operation.settings
        self._adapter: StrategyAdapter | None = None
        self._atr = Atr(_ATR_PERIOD)
        self._supply = BarSupply(context, operation, self.instrument, self.wake)
        self._bars: deque[Bar | Gap] = deque()
        self._answers: deque[_Answer] = deque()
        self._unstored: list[Bar] = []
        self._jobs: deque[tuple[Job, asyncio.Future[Any]]] = deque()
        self._wake = Bell()
        self._at_work = True
        self._stopping = False
        self._stopped = asyncio.Event()
        self._subscriptions: list[Subscription] = []
        self._traces: dict[int, Trace] = {}
        self._asked_for_turn = False
        self.watch = PriceWatch(context, self)
        self.signals = self._signals = SignalDesk(context, self)
        self._convergence = Convergence(context, self)

    @property
    def operation(self) -> Operation:
        """The operation as the ledger has it now."""
        return self._operations[self.number]

    @property
    def atr(self) -> Decimal | None:
        """The average true range over 14 primary bars, None before there are so many."""
        value = self._atr.value
        return None if value is None else Decimal(repr(value))

    @property
    def is_idle(self) -> bool:
        """Whether it is not at work and nothing waits for it."""
        waits = self._bars or self._answers or self._unstored or self._jobs or self._supply.is_filling
        return not (self._at_work or self._wake.rung or waits)

    @property
    def is_reversing(self) -> bool:
        """Whether a signal waits for the position to be closed, to enter the other way."""
        return self._signals.is_reversing

    async def after_reversal(self) -> None:
        """Flat after a reversal's exit: the other way may be entered."""
        await self._signals.after_reversal()

    # ---- inputs -----------------------------------------------------------------------------------------------------

    def wake(self) -> None:
        """Something may have changed: converge."""
        self._wake.ring()

    def on_bars(self, bars: list[Bar]) -> None:
        """Closed bars. Never waits; a strategy so slow that thousands of bars wait for it is stopped.

        A runner at rest asks its strategy right here. Most often the answer is that nothing is to be done, and then no
        task is woken for it.
        """
        # Of bars that end together the primary one comes last: the strategy then sees the others, which are closed too.
        context = self._context
        ordered = bars if len(bars) == 1 else in_order(bars, self.settings.primary_bar_size)
        latency = context.latency
        closed_at = 0.0 if latency is None else context.runtime.clock.monotonic()
        taken = 0
        if self._supply.is_joining and len(joined := self._supply.joined(ordered)) > len(ordered):
            self._bars.extend(joined)
            taken = len(ordered)
        elif self._may_answer_at_once:
            for bar in ordered:
                taken += 1
                answer = self._ask(bar)
                if answer is not None:
                    self._answers.append(answer)
                    break
            if context.config.keeps_bars:
                self._unstored += ordered[:taken]
        if taken < len(ordered):
            self._bars.extend(ordered[taken:])
        if self._bars or self._answers:
            self._wake.ring()
        elif self._unstored and not self._asked_for_turn:
            self._asked_for_turn = True
            context.turns.ask(self._take_turn)
        if latency is not None:
            self._follow(latency, ordered, closed_at)

    def _take_turn(self) -> None:
        """Bars wait to be stored, and nothing more urgent is at hand."""
        self._asked_for_turn = False
        self._wake.ring()

    def on_gap(self, gap: Gap) -> None:
        """Bars are missing before the next one. It waits until the broker has been asked for them."""
        if self._context.config.keeps_bars:
            self._bars.append(gap)
            self._wake.ring()

    def _follow(self, latency: Latency, bars: list[Bar], closed_at: float) -> None:
        """Note when what closed these bars was received, for the signal that may follow."""
        trace = latency.bar_closed(self._context.session(self.operation).market.received, closed_at)
        primary = self.settings.primary_bar_size
        for bar in bars:
            if bar.bar_size is primary:
                self._traces[bar.end_ns] = trace

    @property
    def _may_answer_at_once(self) -> bool:
        """Whether nothing is at hand or on its way that a bar would have to wait for."""
        return (
            not self._at_work
            and not self._wake.rung
            and not self._bars
            and self._convergence.rests
            and type(self._adapter) is LiveStrategyAdapter
            and self._operations[self.number].settings is self._settings_of
        )

    async def do(self, job: Job) -> Any:
        """Have the runner do something between its other work; return what came of it."""
        future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._jobs.append((job, future))
        self._wake.ring()
        return await future

    # ---- the loop ---------------------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Until the operation is closed or :meth:`stop`."""
        with contextlib.suppress(_Stopped):
            await self._guarded(self._prepare)
        self._wake.ring()
        while not self._stopping and self.operation.status is not OperationStatus.CLOSED:
            self._at_work = False
            await self._wake.taken()
            self._at_work = True
            await self._work()
        if not self._stopping:
            self._refuse_jobs()
        self._stopped.set()
        self._at_work = False
        await self._release()

    async def _do_jobs(self) -> None:
        while self._jobs and not self._stopping:
            job, future = self._jobs.popleft()
            try:
                future.set_result(await job())
            except JournalError:
                raise
            except Exception as error:
                future.set_exception(error)

    def _refuse_jobs(self) -> None:
        """Answer who asked for something while the operation was closed: nobody else will."""
        while self._jobs:
            _, future = self._jobs.popleft()
            future.set_exception(Refused("WRONG_STATUS", "the operation is closed"))

    async def _work(self) -> None:
        await self._do_jobs()
        if len(self._bars) > _MAX_WAITING_BARS:
            self._bars.clear()
            await self._fail("the strategy is too slow", f"more than {_MAX_WAITING_BARS} bars were waiting for it")
        handled, self._unstored = self._unstored, []
        while self._answers and not self._stopping:
            await self._guarded(self._act, self._answers.popleft())
        if self._supply.has_filled and not self._supply.is_filling:
            await self._guarded(self._read_anew)
        while self._bars and not self._stopping and not self._supply.is_filling:
            bar = self._bars.popleft()
            if isinstance(bar, Gap):
                self._supply.fill(self.operation, bar)
                break
            handled.append(bar)
            await self._guarded(self._on_bar, bar)
        if not self._bars:
            self._traces.clear()
        if not self._stopping:
            await self._guarded(self._convergence.step)
        if handled and self._context.config.keeps_bars:
            indicators = self._adapter.indicators if self._adapter is not None else {}
            await self._guarded(self._supply.store, handled, indicators, self.settings.data_retention_bars)

    async def _guarded(self, work: Callable[..., Awaitable[Any]], *about: Any) -> None:
        """Whatever goes wrong in one operation ends that operation in error, and nothing else."""
        try:
            await work(*about)
        except (JournalError, _Stopped):
            raise
        except (StrategyFailed, InvalidInput) as error:
            await self._fail("the strategy failed" if isinstance(error, StrategyFailed) else "bad input", str(error))
        except Exception as error:
            _log.exception("an operation failed", operation_id=str(self.operation_id))
            await self._fail("an unexpected error", f"{type(error).__name__}: {error}")

    async def _fail(self, reason: str, detail: str) -> None:
        if self.operation.status in (OperationStatus.ACTIVE, OperationStatus.PAUSED):
            await self._append(OperationFailed(reason=reason, detail=detail[:1000]))

    @property
    def has_ended(self) -> bool:
        """Whether it was closed or stopped, and does nothing more."""
        return self._stopped.is_set()

    async def stop(self) -> None:
        """Finish what is in hand, begin nothing new, and return when done."""
        self._stopping = True
        self._wake.ring()
        await self._stopped.wait()

    async def _append(self, *data: Any, caused_by: Entry | None = None) -> tuple[Entry, ...]:
        return await self._context.live.append(*(Draft(d, self.operation_id, caused_by=caused_by) for d in data))

    # ---- preparing --------------------------------------------------------------------------------------------------

    async def _prepare(self) -> None:
        await self._patiently(self._connected)
        strategy = load_strategy(self.settings.strategy_name)
        parameters = parse_parameters(strategy, self.settings.strategy_config)
        followed = strategy.follows(parameters, self.instrument)
        await self._patiently(lambda: self._supply.follow(followed, self.operation))
        self._adapter = await self._begun(strategy, parameters)
        instruments = [self.instrument, self._supply.followed] if self._supply.follows_another else [self.instrument]
        for instrument in instruments:
            self._subscriptions.append(await self._patiently(functools.partial(self._subscribe, instrument)))
        self.watch.begin()

    async def _connected(self) -> None:
        if not self._context.session(self.operation).ready.is_set():
            raise Retryable("not connected")

    async def _subscribe(self, instrument: Instrument) -> Subscription:
        market = self._context.session(self.operation).market
        return await market.subscribe(instrument, self.settings.bar_sizes, self.on_bars, on_gap=self.on_gap)

    async def _patiently(self, ask: Callable[[], Awaitable[T]]) -> T:
        """Ask the broker for something, again and again while it has no answer: that ends no operation, and people who
        want something of it meanwhile are heard."""
        while True:
            try:
                return await ask()
            except (Retryable, OSError, TimeoutError) as error:
                if self._stopping:
                    raise _Stopped from error
                _log.warning("the broker does not answer", operation_id=str(self.operation_id), reason=str(error))
                await self._do_jobs()
                await self._context.runtime.clock.sleep(_ASK_AGAIN_SECONDS)

    async def _begun(
        self, strategy: Strategy[Any], parameters: BaseModel, coming: Bar | None = None
    ) -> StrategyAdapter:
        """The strategy, warmed up: with what it needs, and as much as its indicators take to forget their beginning.

        The broker's history may have the bar that is ``coming`` already, and later ones: those it is yet to be asked
        about, so it must not have read them.
        """
        supply, settings = self._supply, self.settings
        adapter = open_adapter(
            settings.strategy_name,
            strategy,
            parameters,
            supply.followed.symbol,
            settings.bar_sizes,
            settings.primary_bar_size,
            self._context.runtime.clock,
            instrument=self.instrument,
            workers=self._context.config.strategy_workers,
        )
        bars = self._before(coming, await supply.warm_up(self.operation, supply.followed, self._needed(adapter)))
        await adapter.begin(bars)
        if supply.follows_another:
            needed = {settings.primary_bar_size: _ATR_HISTORY}
            bars = self._before(coming, await supply.warm_up(self.operation, self.instrument, needed))
        self._begin_atr(bars)
        return adapter

    def _before(self, coming: Bar | None, bars: Bars) -> Bars:
        if coming is None:
            return bars
        primary = self.settings.primary_bar_size
        return {size: seen_before(several, coming, primary) for size, several in bars.items()}

    def _needed(self, adapter: StrategyAdapter) -> dict[BarSize, int]:
        needed = {size: adapter.history.get(size, 0) for size in self.settings.bar_sizes}
        primary = self.settings.primary_bar_size
        return {**needed, primary: max(needed[primary], _ATR_HISTORY)}

    async def _read_anew(self) -> None:
        """Bars came for a gap: have the strategy see what it would have seen, before it sees the next one."""
        adapter = self._adapter
        if adapter is None:
            return
        bars = await self._supply.read_anew(self._supply.followed, self._needed(adapter))
        if bars is not None:
            await adapter.begin(bars)
            if not self._supply.follows_another:
                self._begin_atr(bars)

    def _begin_atr(self, bars: Bars) -> None:
        self._atr = Atr(_ATR_PERIOD)
        for bar in bars.get(self.settings.primary_bar_size, ()):
            self._atr.take(float(bar.high), float(bar.low), float(bar.close))

    async def _release(self) -> None:
        self.watch.end()
        for subscription in self._subscriptions:
            with contextlib.suppress(BrokerError):
                await subscription.close()
        if self._adapter is not None:
            await self._adapter.close()

    # ---- bars and signals -------------------------------------------------------------------------------------------

    async def _on_bar(self, bar: Bar) -> None:
        if self.operation.settings is not self._settings_of:
            await self._take_settings(self.operation, bar)
        if isinstance(self._adapter, LiveStrategyAdapter):
            answer = self._ask(bar)
        else:
            answer = await self._ask_elsewhere(bar)
        if answer is not None:
            await self._act(answer)

    def _ask(self, bar: Bar) -> "_Answer | None":
        """Have a strategy in this process look at a bar; None when nothing follows from it."""
        adapter = self._adapter
        assert isinstance(adapter, LiveStrategyAdapter)
        signal = None
        try:
            trails = self._take(bar)
            if bar.symbol == adapter.symbol:
                signal = adapter.on_bar(bar, self._held)
        except Exception as error:  # whatever it is, it is told where it can be journaled
            return _Answer(bar, None, False, error)
        return _Answer(bar, signal, trails, None) if signal is not None or trails else None

    async def _ask_elsewhere(self, bar: Bar) -> "_Answer | None":
        """The same, of a strategy in a process of its own."""
        adapter = self._adapter
        if adapter is None:
            return None
        trails = self._take(bar)
        signal = await adapter.answer(bar, self._held) if bar.symbol == self._supply.followed.symbol else None
        return _Answer(bar, signal, trails, None) if trails or signal is not None else None

    @property
    def _held(self) -> StrategyPosition:
        position = self._operations[self.number].position
        return FLAT if position is None else StrategyPosition(position.quantity, position.entry_price)

    def _take(self, bar: Bar) -> bool:
        """Take a bar of the traded instrument into the ATR; whether a trailing stop may follow its close."""
        settings = self.settings
        if bar.bar_size is not settings.primary_bar_size or bar.symbol != self.instrument.symbol:
            return False
        self._atr.take(float(bar.high), float(bar.low), float(bar.close))
        is_trailing = settings.stop_loss_type is StopLossType.TRAILING
        return is_trailing and self.operation.position is not None and not bar.filled

    async def _act(self, answer: "_Answer") -> None:
        if answer.error is not None:
            raise answer.error
        if answer.trails:
            await self._trail(answer.bar)
        signal = answer.signal
        if signal is not None and self._context.trading and self.operation.status is not OperationStatus.CLOSED:
            trace = self._traces.get(answer.bar.end_ns)
            if trace is not None and self._context.latency is not None:
                self._context.latency.signal(self.number, trace)
            await self._signals.act(signal, answer.bar)

    async def _take_settings(self, operation: Operation, bar: Bar) -> None:
        """Settings were changed: read them, and start the strategy with its new parameters on the bars there are."""
        old, self._settings_of = self.settings, operation.settings
        self.settings = OperationSettings.model_validate(operation.settings)
        if self.settings.strategy_config != old.strategy_config and self._adapter is not None:
            strategy = load_strategy(self.settings.strategy_name)
            parameters = parse_parameters(strategy, self.settings.strategy_config)
            replaced, self._adapter = self._adapter, await self._begun(strategy, parameters, bar)
            await replaced.close()

    async def _trail(self, bar: Bar) -> None:
        """Move a trailing stop after a bar's close, in the position's favour only; not one that the broker moves."""
        operation = self.operation
        if not operation.quantity:
            return
        assert self.settings.stop_loss_value is not None
        side = Side.BUY if operation.quantity > 0 else Side.SELL
        distance = bar.close * self.settings.stop_loss_value * side.sign
        price = self.instrument.round_price(bar.close - distance, "down" if side is Side.BUY else "up")
        await self._convergence.move_stop(price, only_if_better=True, reason="trailing stop")
