"""An engine at work on recorded data: the engine that trades live, in a world that moves only as its data does."""

from dataclasses import replace
from decimal import Decimal
from importlib.metadata import version
from typing import Any

from live_trading.backtest.exchange import BacktestBroker, BacktestExchange
from live_trading.backtest.journal import BacktestJournal, BacktestReader
from live_trading.backtest.loop import DrivenClock, DrivenLoop
from live_trading.backtest.recorder import Recorder
from live_trading.backtest.request import BROKER, BacktestRequest
from live_trading.data import BarStore, MarketData, MemoryBarStore
from live_trading.domain.bar_size import BarSize
from live_trading.domain.errors import InvalidInput, LiveTradingError
from live_trading.domain.ids import sequence_of
from live_trading.domain.instrument import Instrument
from live_trading.domain.operation import OperationSettings
from live_trading.engine.context import EngineConfig
from live_trading.engine.inbox import Command, MemoryInbox, Outcome
from live_trading.engine.trading_engine import TradingEngine
from live_trading.models.queries import object_id
from live_trading.paper_exchange.core import Order
from live_trading.projections import Ledger, apply
from live_trading.projections.state import Operation
from live_trading.runtime import Runtime, SeededIds, Tasks

_NEVER = float("inf")
_SEED = "backtest"
_DAY_NS = 86_400_000_000_000
_NEAR = 0.9
"""The loss limits are looked at by the engine once a loss comes so near to one of them."""


class BacktestFailed(LiveTradingError):  # noqa: N818 - it tells what happened
    """The engine could not run: what was wrong, and with what."""


def quiet_config(config: EngineConfig, stale_after: float | None, *, has_bars: bool) -> EngineConfig:
    """The engine's configuration with its own looks switched off: the data's driver looks when there is a reason.

    A recorded market cannot fall behind or lose a connection, so nothing is reconciled with it. Recorded bars are over
    when they are over; ticks close their bars after the same grace as live ones.
    """
    times = replace(config.times, reconcile_interval=_NEVER, watch_interval=_NEVER)
    stale = _NEVER if stale_after is None else stale_after
    return replace(
        config,
        times=times,
        look_interval=_NEVER,
        stale_after=stale,
        late_grace_ns=0 if has_bars else config.late_grace_ns,
        keeps_bars=False,
        strategy_workers=False,
    )


class EngineRun:
    """One engine, one exchange and one operation on a :class:`DrivenLoop`, in which it must be made.

    :meth:`start` begins to trade; whoever drives the data then tells the exchange and ``market`` what happens, and
    calls :meth:`settle` whenever the loop has something to run.
    """

    def __init__(self, loop: DrivenLoop, request: BacktestRequest) -> None:
        self.loop = loop
        self.request = request
        self.clock = DrivenClock(loop)
        ids = SeededIds(_SEED)
        self._runtime = Runtime(self.clock, ids, Tasks())
        self.journal = BacktestJournal(self.clock, ids.token())
        self.exchange = BacktestExchange(request.catalogue, request.account, self.clock)
        self.broker = BacktestBroker(
            self.exchange,
            request.account.account,
            name=BROKER,
            runtime=self._runtime,
            guard=self.journal.check_may_act,
            latency=request.latency,
        )
        self._inbox = MemoryInbox()
        self._commands = 0
        self._day_ends_ns = 0
        self._day_start_pnl: Decimal | None = None
        self._day_start = 0.0
        self.engine: TradingEngine
        self.market: MarketData
        self.operation: Operation
        self.symbol: str
        self._working: dict[int, Order]
        self.recorder: Recorder
        self.instrument: Instrument

    # ---- beginning and end ------------------------------------------------------------------------------------------

    def start(self, symbol: str, bar_size: BarSize | None) -> None:
        """Start the engine and create the operation. Raises :class:`InvalidInput` where its settings are wrong."""
        self.loop.run(self._start_engine(has_bars=bar_size is not None))
        arguments = self.request.arguments(symbol, bar_size)
        outcome = self.command("create_operation", **arguments)
        if outcome.refused:
            field = str(outcome.result.get("field") or "operation")
            raise InvalidInput(field, str(outcome.result["detail"]).removeprefix(f"{field}: "))
        ledger = self.engine.live.ledger
        identifier = object_id(str(outcome.result["operation_id"]), "operation_id")
        self._state = ledger.state
        self.operation = ledger.state.operations[sequence_of(identifier)]
        self.symbol = self.operation.symbol
        self._working = self.exchange.engine.markets[self.symbol].working
        settings = OperationSettings.model_validate(self.operation.settings)
        self.instrument = Instrument.model_validate(self.operation.instrument)
        self.market = self.engine.context.sessions[BROKER].market
        self.recorder = Recorder(ledger, self.operation, settings.primary_bar_size, keeps_bars=self.request.keeps_bars)
        self.loop.run(self.market.subscribe(self.instrument, settings.bar_sizes, self.recorder.on_bars))
        self.engine.live.listen(self.recorder.on_entries)
        self._loss_limit = self._least_loss_limit(settings)

    async def _start_engine(self, *, has_bars: bool) -> None:
        ledger = Ledger()
        config = quiet_config(self.request.config, self.request.stale_after, has_bars=has_bars)
        await self.journal.begin(config.engine_id, version("live-trading"))
        for entry in self.journal.entries:
            apply(ledger, entry)
        reader = BacktestReader(self.journal)
        bars: BarStore = MemoryBarStore()
        self.engine = TradingEngine(
            self.journal, reader, ledger, {BROKER: self.broker}, bars, self._inbox, self._runtime, config
        )
        await self.engine.start()

    def close(self) -> None:
        """End the engine, as a clean stop does: its position and its orders stay as they are."""
        self.loop.run(self.engine.close("the data has ended"))
        self.loop.run(self.exchange.tasks.close())

    def abandon(self) -> None:
        """Let go of everything after a failure."""
        if hasattr(self, "engine"):
            self.loop.run(self.engine.abandon())

    def command(self, kind: str, /, **arguments: Any) -> Outcome:
        """Ask the engine for something, as a person does; what came of it."""
        self._commands += 1
        command = Command(f"backtest-{self._commands}", kind, arguments, "user:backtest")
        self._inbox.submit(command)
        try:
            return self.loop.run(self._inbox.outcome(command.id))
        except TimeoutError:
            self.settle()  # which tells what has failed
            raise

    # ---- while the data goes by -------------------------------------------------------------------------------------

    def settle(self) -> None:
        """Let the engine do everything there is to do now. Raises :class:`BacktestFailed` when a part of it failed."""
        self.loop.run_ready()
        if self._runtime.tasks.failure is not None:
            raise BacktestFailed(str(self._runtime.tasks.failure)) from self._runtime.tasks.failure

    def look(self) -> None:
        """Let the engine look after what only time calls for."""
        self._runtime.tasks.start(self.engine.look(), "look")
        self.settle()

    @property
    def may_wait(self) -> bool:
        """Whether anything could wait for time alone."""
        return bool(self._working) or self.operation.exit_intent is not None or self._state.breaker is not None

    def look_if_needed(self) -> None:
        """Look if something waits for time alone: an exit, an entry, what a tripped breaker holds back."""
        if not self.may_wait:
            return
        operation = self.operation
        guards = operation.quantity and all(order.parent_id is not None for order in self._working.values())
        if not guards or operation.exit_intent is not None:
            self.look()

    def mind_losses(self, price: Decimal) -> None:
        """Have the engine look at its loss limits when the market at ``price`` brings it near one of them."""
        if self._loss_limit is None:
            return
        operation = self.operation
        if operation.day_start_pnl is not self._day_start_pnl:
            self._day_start_pnl = operation.day_start_pnl
            self._day_start = float(operation.initial_capital + operation.day_start_pnl)
        lost = self._day_start - self.recorder.value_at(float(price))
        if lost > self._loss_limit * _NEAR and self._state.kill_switch is None:
            self.look()

    def _least_loss_limit(self, settings: OperationSettings) -> float | None:
        limits = self.request.config.limits
        found: list[Decimal] = []
        if limits.max_daily_loss is not None:
            found.append(limits.max_daily_loss)
        if limits.max_loss_pct is not None:
            found.append(limits.max_loss_pct * settings.initial_capital)
        return float(min(found)) if found else None

    def pass_time(self, time_ns: int) -> None:
        """The market's time comes to ``time_ns``; what only time brings about happens."""
        loop = self.loop
        loop.advance(time_ns)
        self.exchange.on_time(time_ns)
        if time_ns >= self._day_ends_ns:
            self._begin_day(time_ns)
        if loop.ready:
            self.settle()

    def _begin_day(self, time_ns: int) -> None:
        """On a new day (UTC) somebody resets a kill switch."""
        self._day_ends_ns = (time_ns // _DAY_NS + 1) * _DAY_NS
        if self.request.resets_kill_switch and self.engine.live.ledger.state.kill_switch is not None:
            self.command("reset_kill_switch", note="the next day")
