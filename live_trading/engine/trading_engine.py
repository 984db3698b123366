"""The trading engine: takes a journal over, recovers, trades, and ends so that the next one can take over.

Everything it is made of comes in from outside (journal, brokers, store, inbox, clock, ids, tasks), so that the very
same engine runs live, on the paper exchange, in a backtest and in a simulation.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from enum import StrEnum
from typing import Any, Protocol

import structlog

from live_trading.brokers.base import BrokerAdapter
from live_trading.data import BarStore, MarketData, TickBuffer, TickRecorder
from live_trading.domain.entries import (
    RISK_SECTION,
    CircuitBreakerClosed,
    Draft,
    EngineStopped,
    Entry,
    KillSwitchTripped,
    MarketDataResumed,
    MarketDataStale,
    OperationFailed,
    OperationPaused,
    RecoveryCompleted,
    RecoveryStarted,
)
from live_trading.domain.ids import Kind, derived_id, sequence_of
from live_trading.domain.operation import OperationSettings
from live_trading.domain.values import CrashRecoveryMode, OperationStatus, OrderStatus, RecoveryDecision
from live_trading.engine.account_session import AccountSession
from live_trading.engine.commands import CommandDesk, outcome_of
from live_trading.engine.context import EngineConfig, EngineContext
from live_trading.engine.inbox import Command, CommandInbox, Refused
from live_trading.engine.manual_trades import ManualTrade, trade_by_hand
from live_trading.engine.operation_runner import OperationRunner
from live_trading.journal.base import JournalReader, JournalWriter
from live_trading.observability import Latency
from live_trading.orders.gatekeeper import Gatekeeper
from live_trading.orders.order_manager import OrderManager
from live_trading.projections.ledger import Ledger
from live_trading.projections.live import LiveLedger
from live_trading.projections.state import Operation
from live_trading.recovery.doubts import DoubtResolver
from live_trading.recovery.policies import TrustedPrice, decide, pauses_afterwards
from live_trading.runtime import Runtime

_log = structlog.get_logger(__name__)

_QUIET_LOOK = 0.0005


class EngineState(StrEnum):
    """Where the engine is between start and end."""

    RECOVERING = "RECOVERING"
    TRADING = "TRADING"
    STOPPING = "STOPPING"
    STOPPED = "STOPPED"


class Keeper(Protocol):
    """What the engine hands to whoever keeps things that can be computed again: snapshots and marks."""

    async def save_snapshot(self, ledger: Ledger, entry_hash: bytes) -> None: ...

    async def write_marks(self, operations: Sequence[Operation], prices: Mapping[int, TrustedPrice]) -> None: ...


class TradingEngine:
    """One engine on one journal. ``await start()``, then ``await run()`` until it fails or ``stop()`` was called."""

    def __init__(
        self,
        journal: JournalWriter,
        reader: JournalReader,
        ledger: Ledger,
        brokers: Mapping[str, BrokerAdapter],
        bars: BarStore,
        inbox: CommandInbox,
        runtime: Runtime,
        config: EngineConfig,
        *,
        keeper: Keeper | None = None,
        snapshot_at: int = 0,
        latency: Latency | None = None,
    ) -> None:
        self.state = EngineState.RECOVERING
        self.live = LiveLedger(journal, ledger)
        self._journal = journal
        self._reader = reader
        self._inbox = inbox
        self._runtime = runtime
        self._config = config
        self._keeper = keeper
        self._snapshot_at = snapshot_at
        self._gatekeeper = Gatekeeper(config.limits, ledger, runtime.clock.monotonic)
        self.context = EngineContext(self.live, runtime, self._gatekeeper, bars, config, latency=latency)
        self._runners: dict[int, OperationRunner] = {}
        self._desk = CommandDesk(self.context, self._start_runner, self._run_job, self._enter_by_hand)
        self._stop_requested = asyncio.Event()
        self._ended = asyncio.Event()
        for name, broker in brokers.items():
            self.context.sessions[name] = self._session(name, broker, alone=len(brokers) == 1)
        self.live.listen(self._on_entries)
        self._take_settings_up()

    def _take_settings_up(self) -> None:
        """What people changed while running holds from now on, and from the start of every later engine."""
        config = self._config.as_changed(self.live.ledger.state.settings.get(RISK_SECTION, {}))
        self.context.config = config
        self._gatekeeper.take_limits(config.limits)

    def _session(self, name: str, broker: BrokerAdapter, *, alone: bool) -> AccountSession:
        config, runtime = self._config, self._runtime
        broker.guard = self._journal.check_may_act
        session: AccountSession

        def in_doubt() -> None:
            session.doubt()

        def stale(symbol: str, age: float) -> None:
            self._tell(MarketDataStale(broker=name, symbol=symbol, age_seconds=round(age, 3)))

        def resumed(symbol: str, gap: float) -> None:
            self._tell(MarketDataResumed(broker=name, symbol=symbol, gap_seconds=round(gap, 3)))

        recorder = None
        if config.ticks_directory is not None:
            recorder = TickRecorder(config.ticks_directory / name, runtime.clock)
        market = MarketData(
            broker,
            runtime.clock,
            stale_after=config.stale_after,
            grace_ns=config.late_grace_ns,
            max_filled_ns=config.max_filled_ns,
            recorder=recorder,
            on_stale=stale,
            on_resumed=resumed,
        )
        ticks = TickBuffer(
            runtime.clock, capacity=config.tick_buffer, max_age=config.tick_max_age, lossless=config.lossless_ticks
        )
        orders = OrderManager(
            self.live, broker, self._gatekeeper, runtime, order_timeout=config.order_timeout, on_doubt=in_doubt
        )
        doubts = DoubtResolver(orders, runtime, config.doubt_patience)
        session = AccountSession(
            broker,
            self.live,
            orders,
            doubts,
            market,
            ticks,
            runtime,
            config.times,
            self._wake_everybody,
            self._when_quiet,
            recorder,
            alone=alone,
        )
        return session

    def _tell(self, data: Any) -> None:
        """Journal a fact from a place that cannot wait."""
        self._runtime.tasks.start(self.live.append(Draft(data)), data.ACTION_TYPE)

    # ---- start ------------------------------------------------------------------------------------------------------

    async def start(self) -> None:
        """Recover: connect, reconcile, decide. Returns when trading goes on; waits as long as a broker is away at which
        something of ours is. An operation whose broker is not configured any more is held, and ends no other."""
        state = self.live.ledger.state
        started = self._runtime.clock.monotonic()
        after_crash = not state.stopped
        (entry,) = await self.live.append(Draft(self._recovery_started(after_crash), actor="recovery"))
        for session in self.context.sessions.values():
            session.start()
        await self._until(self._synchronised())
        decided = await self._decide(entry) if after_crash else []
        sessions = self.context.sessions.values()
        completed = RecoveryCompleted(
            duration_seconds=round(self._runtime.clock.monotonic() - started, 3),
            fills_recovered=sum(session.reconciliation.fills_recovered for session in sessions),
            orders_resolved=sum(session.doubts.resolved for session in sessions),
            orders_waiting_for_operator=self._count_orders(OrderStatus.NEEDS_OPERATOR),
            discrepancies=len(state.discrepancies),
            operations_closed=decided.count(RecoveryDecision.CLOSE),
            operations_kept=decided.count(RecoveryDecision.KEEP),
            operations_waiting=decided.count(RecoveryDecision.WAIT),
        )
        await self.live.append(Draft(completed, actor="recovery", caused_by=entry))
        self.state = EngineState.TRADING
        self.context.trading = True
        for operation in list(state.operations.values()):
            if operation.status is not OperationStatus.CLOSED and operation.number not in self._runners:
                self._start_runner(operation)
                await self._hold_without_broker(operation)
        self._runtime.tasks.start(self._take_commands(), "commands")
        self._runtime.tasks.start(self._look_after(), "limits and marks")

    def _needed(self) -> set[str]:
        """The brokers at which something of ours is open; all others may come later."""
        sessions, ledger = self.context.sessions, self.live.ledger
        if len(sessions) == 1:
            return set(sessions)
        at = {each.broker for each in ledger.state.operations.values() if each.status is not OperationStatus.CLOSED}
        return at | {order.broker for order in ledger.orders.values() if not order.status.is_terminal}

    def _recovery_started(self, after_crash: bool) -> RecoveryStarted:
        state = self.live.ledger.state
        doubtful = sum(order.status.is_uncertain for order in self.live.ledger.orders.values())
        return RecoveryStarted(
            after_crash=after_crash,
            ledger_sequence_number=state.sequence_number,
            snapshot_sequence_number=self._snapshot_at,
            orders_in_doubt=doubtful,
            open_positions=sum(bool(operation.quantity) for operation in state.operations.values()),
        )

    def _count_orders(self, status: OrderStatus) -> int:
        return sum(order.status is status for order in self.live.ledger.orders.values())

    async def _until(self, work: Awaitable[None]) -> None:
        """Wait for ``work``, but not beyond the end of the journal, of a task, or of patience with us."""
        tasks = self._runtime.tasks
        waiting = [
            tasks.start(_awaited(work), "recovery"),
            tasks.start(self._journal.failed(), "journal watch"),
            tasks.start(tasks.failed(), "task watch"),
            tasks.start(self._stop_requested.wait(), "stop watch"),
        ]
        try:
            await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
            for task in waiting[:3]:
                if task.done() and (error := task.exception() or task.result()) is not None:
                    raise error
            if self._stop_requested.is_set():
                raise StopRequested
        finally:
            for task in waiting:
                task.cancel()

    async def _synchronised(self) -> None:
        """Until every broker that is needed is connected and reconciled, and nothing is in doubt but what waits for a
        person. The others get a moment."""
        needed, clock = self._needed(), self._runtime.clock
        for name in needed:
            await self.context.sessions[name].ready.wait()
        deadline = clock.monotonic() + self._config.broker_patience
        others = [session for name, session in self.context.sessions.items() if name not in needed]
        while not all(session.ready.is_set() for session in others) and clock.monotonic() < deadline:
            await clock.sleep(0.05)
        while any(
            order.status is not OrderStatus.NEEDS_OPERATOR
            for session in self.context.sessions.values()
            for order in session.doubts.in_doubt()
            if order.status.is_uncertain
        ):
            await self._runtime.clock.sleep(0.1)

    async def _decide(self, cause: Entry) -> list[RecoveryDecision]:
        """Each operation's policy. An intent that an interrupted recovery left behind is carried out as it is."""
        concerned = [
            operation
            for operation in self.live.ledger.state.operations.values()
            if operation.quantity
            and operation.exit_intent is None
            and operation.status is not OperationStatus.CLOSED
            and operation.broker in self.context.sessions
            and f"{operation.broker}|{operation.symbol}" not in self.live.ledger.state.discrepancies
        ]
        settings = {op.number: OperationSettings.model_validate(op.settings) for op in concerned}
        needing = [op for op in concerned if settings[op.number].crash_recovery_mode is not CrashRecoveryMode.CLOSE_ALL]
        for operation in concerned:
            self._start_runner(operation)  # its data is needed for a price; it does not trade yet
        await self._wait_for_prices(needing)
        decisions = []
        for operation in concerned:
            if not operation.quantity or operation.exit_intent is not None:
                continue  # a protection was filled, or somebody asked for the exit, while we waited
            decided = decide(operation, settings[operation.number], self.context.quote(operation))
            operation_id = derived_id(Kind.OPERATION, operation.number)
            drafts = [Draft(decided, operation_id, "recovery", cause)]
            if pauses_afterwards(decided) and operation.status is OperationStatus.ACTIVE:
                drafts.append(Draft(OperationPaused(reason=decided.reason), operation_id, "recovery", cause))
            await self.live.append(*drafts)
            decisions.append(decided.decision)
        return decisions

    async def _wait_for_prices(self, operations: list[Operation]) -> None:
        deadline = self._runtime.clock.monotonic() + self._config.price_patience
        while self._runtime.clock.monotonic() < deadline:
            if all(self.context.quote(operation) is not None for operation in operations):
                return
            await self._runtime.clock.sleep(0.05)

    # ---- running ----------------------------------------------------------------------------------------------------

    async def _hold_without_broker(self, operation: Operation) -> None:
        """An operation at a broker that the configuration no longer has can do nothing: it says so."""
        is_held = operation.status not in (OperationStatus.ACTIVE, OperationStatus.PAUSED)
        if operation.broker in self.context.sessions or is_held:
            return
        known = ", ".join(sorted(self.context.sessions))
        detail = f"{operation.broker!r} is none of {known}: add it again with live-trading brokers add"
        failed = OperationFailed(reason="its broker is not configured", detail=detail)
        await self.live.append(Draft(failed, derived_id(Kind.OPERATION, operation.number)))

    def _start_runner(self, operation: Operation) -> None:
        if operation.broker not in self.context.sessions:
            return
        runner = self._runners[operation.number] = OperationRunner(self.context, operation)
        self._runtime.tasks.start(runner.run(), f"operation {operation.number}")

    async def _run_job(self, number: int, job: Callable[[], Awaitable[Any]]) -> Any:
        runner = self._runners.get(number)
        if runner is None or runner.operation.status is OperationStatus.CLOSED:
            raise Refused("WRONG_STATUS", "the operation is closed, or its broker is not configured")
        return await runner.do(job)

    async def _enter_by_hand(self, number: int, command: Command, trade: ManualTrade) -> Entry:
        return await trade_by_hand(self._runners[number], command, trade)

    def _on_entries(self, entries: Sequence[Entry]) -> None:
        """Whatever was folded may call for a next step of the operation it is about."""
        if self.context.latency is not None:
            self.context.latency.on_entries(entries, self._sent_at)
        for entry in entries:
            if entry.action_type == "SETTINGS_CHANGED":
                self._take_settings_up()
            if entry.operation_id is not None:
                number = sequence_of(entry.operation_id)
                runner = self._runners.get(number)
                if runner is not None and not runner.has_ended:
                    runner.wake()
                elif self.context.trading:
                    self._run_again(number)
            elif isinstance(entry.data, KillSwitchTripped):
                self._wake_everybody()

    def _run_again(self, number: int) -> None:
        """An operation that was closed, and holds something again, is closed again."""
        operation = self.live.ledger.state.operations.get(number)
        if operation is not None and operation.status is OperationStatus.CLOSING:
            self._start_runner(operation)

    def _sent_at(self, client_order_id: str) -> float | None:
        """When this engine sent an order, on the steady clock."""
        for session in self.context.sessions.values():
            if (at := session.orders.sent_at.get(client_order_id)) is not None:
                return at
        return None

    def _wake_everybody(self) -> None:
        for runner in self._runners.values():
            runner.wake()

    async def _take_commands(self) -> None:
        while True:
            for command in await self._inbox.pending():
                number = self._desk.entry_of(command)
                if number is not None:
                    entry = await self._reader.entry(number)
                    assert entry is not None, "the ledger knows of an entry that the journal does not have"
                    outcome = outcome_of(entry)
                else:
                    outcome = await self._desk.carry_out(command)
                await self._inbox.finish(command, outcome)
            await self._inbox.wait()

    async def _look_after(self) -> None:
        """Look, now and then, for what nothing else calls for."""
        while True:
            await self._runtime.clock.sleep(self._config.look_interval)
            await self.look()

    async def look(self) -> None:
        """Look once: at loss limits, the breaker, marks, snapshots, and decisions that wait for something."""
        ledger = self.live.ledger
        for number in [n for n in self._runners if ledger.state.operations[n].status is OperationStatus.CLOSED]:
            del self._runners[number]
        await self._check_limits()
        if self._keeper is not None:
            quotes = {n: q for n, op in ledger.state.operations.items() if (q := self.context.quote(op)) is not None}
            await self._keeper.write_marks([op for op in ledger.state.operations.values() if op.quantity], quotes)
            if ledger.sequence_number - self._snapshot_at >= self._config.snapshot_every:
                await self._save_snapshot()
        self._wake_everybody()

    async def _check_limits(self) -> None:
        state = self.live.ledger.state
        if self._runners and state.kill_switch is None:
            any_of_them = next(iter(self._runners.values()))
            situation = self.context.situation(any_of_them.operation, any_of_them.instrument)
            trip = self._gatekeeper.loss_beyond_limits(situation)
            if trip is not None:
                await self.live.append(Draft(trip))
        if state.breaker is not None and self._runtime.clock.now() >= state.breaker.until:
            await self.live.append(Draft(CircuitBreakerClosed()))

    async def _save_snapshot(self) -> None:
        """The ledger as of the journal's head, which it always is between two appends."""
        if self._keeper is None or self._snapshot_at == self.live.ledger.sequence_number:
            return
        head = self._journal.head
        if head.sequence_number == self.live.ledger.sequence_number:
            await self._keeper.save_snapshot(self.live.ledger, head.hash)
            self._snapshot_at = head.sequence_number

    async def run(self) -> None:
        """Until ``stop`` is called or something fails: then raises what it was, with nothing more sent."""
        try:
            await self._until(self._ended_wait())
        except StopRequested:
            return

    @property
    def is_quiet(self) -> bool:
        """Whether everything that came from the markets has been handled: no tick waits, no operation is at work."""
        sessions = self.context.sessions.values()
        return not any(session.ticks.depth or session.untold for session in sessions) and all(
            runner.is_idle for runner in self._runners.values()
        )

    async def _when_quiet(self) -> None:
        """Wait until :attr:`is_quiet`, no longer than a request to the broker may take."""
        if self.is_quiet:
            return
        clock = self._runtime.clock
        await clock.sleep(0)  # most often the only thing that waits is the tick just put in
        deadline = clock.monotonic() + self._config.order_timeout
        while not self.is_quiet and clock.monotonic() < deadline:
            await clock.sleep(_QUIET_LOOK)

    async def _ended_wait(self) -> None:
        await self._ended.wait()

    # ---- end --------------------------------------------------------------------------------------------------------

    def request_stop(self) -> None:
        """Ask for a clean end; ``run`` (or ``start``) returns. Then call :meth:`close`."""
        self._stop_requested.set()

    async def close(self, reason: str = "asked to stop") -> None:
        """A clean end: what is in hand is finished, positions and protections stay, ``ENGINE_STOPPED`` is journaled."""
        was_trading = self.state is EngineState.TRADING
        self.state = EngineState.STOPPING
        self.context.trading = False
        try:
            async with asyncio.timeout(self._config.stop_patience):
                await asyncio.gather(*(runner.stop() for runner in self._runners.values()))
        except TimeoutError:
            _log.warning("operations did not come to rest in time", patience=self._config.stop_patience)
        if was_trading:
            # Fills and order updates go on coming; what is not heard any more is found when the next engine connects.
            await self._runtime.tasks.close()
            await self.live.append(Draft(EngineStopped(reason=reason)))
            await self._save_snapshot()
        await self.abandon()
        await self._journal.close()
        self.state = EngineState.STOPPED

    async def abandon(self) -> None:
        """End without a word to the journal: after a failure, and as the first half of a clean end."""
        await self._runtime.tasks.close()
        for session in self.context.sessions.values():
            await session.close()


class StopRequested(Exception):  # noqa: N818 - it tells what happened
    """The engine was asked to stop while it was waiting for something."""


async def _awaited(work: Awaitable[None]) -> None:
    await work
