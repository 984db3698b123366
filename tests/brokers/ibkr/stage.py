"""The real engine at a gateway of the test's own, over the real protocol and in real time."""

from collections.abc import Callable
from decimal import Decimal
from typing import Any

from live_trading.data import MemoryBarStore
from live_trading.domain.entries import Entry
from live_trading.domain.ids import Kind, derived_id
from live_trading.domain.instrument import Instrument
from live_trading.domain.values import OperationStatus, OrderPurpose, OrderType, Side
from live_trading.engine.account_session import SessionTimes
from live_trading.engine.context import EngineConfig
from live_trading.engine.inbox import Command, MemoryInbox
from live_trading.engine.trading_engine import TradingEngine
from live_trading.journal.memory import MemoryJournal, MemoryJournalReader, MemoryStore
from live_trading.journal.opening import Opener
from live_trading.orders.order_manager import OrderPlan
from live_trading.projections import Ledger, apply
from live_trading.projections.state import Operation, Order
from live_trading.runtime import Runtime
from live_trading.simulation.invariants import BrokerExecutionRow, BrokerOrderRow, BrokerRecord, broken
from live_trading.simulation.world import is_at_rest
from tests.brokers.ibkr.gateways import ACCOUNT, Gateway
from tests.contracts.venues import until

D = Decimal
CLIENT_ID = 7
PATIENCE = 60.0
HOLD = {
    "asset": "EUR-USD",
    "broker": "ibkr",
    "bar_sizes": ["5 secs"],
    "strategy_name": "MomentumStrategy",
    "quantity": "1000",
    "initial_capital": "10000",
    "stop_loss_type": "FIXED",
    "stop_loss_value": "0.01",
    "take_profit_type": "FIXED",
    "take_profit_value": "0.01",
    "crash_recovery_mode": "RESUME",
    "emergency_stop_loss_pct": "0.9",
}


class Stage:
    """A journal in memory, and one engine after the other on it. Orders are asked for by the test, not by a signal."""

    def __init__(self, gateway: Gateway) -> None:
        self.gateway = gateway
        self._store = MemoryStore()
        self._reader = MemoryJournalReader(self._store)
        self._inbox = MemoryInbox()
        self._bars = MemoryBarStore()
        self._commands = 0
        self._starts = 0
        self._runtime: Runtime | None = None
        self._journal: Any = None
        self._engine: TradingEngine | None = None

    @property
    def engine(self) -> TradingEngine:
        assert self._engine is not None
        return self._engine

    @property
    def operation(self) -> Operation:
        (operation,) = self.engine.live.ledger.state.operations.values()
        return operation

    async def start(self, *, reconcile_interval: float = 2.0, **broker: Any) -> None:
        """An engine, recovered and trading."""
        self._starts += 1
        runtime = self._runtime = Runtime()
        opener = Opener(engine_id="default", instance=f"test-{self._starts}", version="test")
        self._journal = await MemoryJournal.open_writer(self._store, opener, runtime, lease_ttl=1.0)
        ledger = Ledger()
        async for entry in self._reader.read():
            apply(ledger, entry)
        ledger.forget_changes()
        times = SessionTimes(
            reconcile_interval=reconcile_interval, backoff_min=0.1, backoff_max=0.5, doubt_interval=0.2
        )
        config = EngineConfig(times=times, order_timeout=2.0, stale_after=3600.0)
        options = {"request_timeout": 2.0, "silence_limit": 4.0, "absence_seconds": 1.0, **broker}
        adapter = self.gateway.broker(CLIENT_ID, **options)
        self._engine = TradingEngine(
            self._journal, self._reader, ledger, {"ibkr": adapter}, self._bars, self._inbox, runtime, config
        )
        await self._engine.start()
        runtime.tasks.start(self._engine.run(), "engine")

    async def crash(self) -> None:
        """The engine is gone from one moment to the next, and its connection with it."""
        assert self._runtime is not None
        await self.engine.abandon()
        await self._journal.close()
        self._engine = None

    async def close(self) -> None:
        if self._engine is not None:
            await self.crash()

    async def command(self, kind: str, /, **arguments: Any) -> None:
        self._commands += 1
        command = Command(f"command-{self._commands}", kind, arguments, "user:test")
        self._inbox.submit(command)
        outcome = await self._inbox.outcome(command.id)
        assert not outcome.refused, outcome.result

    async def created(self, **settings: Any) -> Operation:
        await self.command("create_operation", **{**HOLD, **settings})
        return self.operation

    async def enters(self, limit_price: str | None = None) -> Order:
        """The operation asks for a bracket; the entry as it then is."""
        operation = self.operation
        plan = OrderPlan(
            side=Side.BUY,
            order_type=OrderType.MARKET if limit_price is None else OrderType.LIMIT,
            quantity=D(1000),
            purpose=OrderPurpose.ENTRY,
            reason="asked for by the test",
            limit_price=None if limit_price is None else D(limit_price),
            reference_price=D("1.1"),
            stop_loss=D("1.09000"),
            take_profit=D("1.11000"),
        )
        orders = self.engine.context.sessions["ibkr"].orders
        return await orders.place(operation, Instrument.model_validate(operation.instrument), plan)

    async def holds(self, condition: Callable[[], bool]) -> None:
        """Wait until it does."""

        async def asked() -> bool:
            return condition()

        await until(asked, timeout=PATIENCE)

    async def holding(self) -> Operation:
        """An engine with a position and both its protections."""
        await self.start()
        operation = await self.created()
        await self.enters()
        await self.holds(lambda: bool(operation.quantity) and operation.stop_loss is not None)
        return operation

    async def entries(self, kind: str | None = None) -> list[Entry]:
        return [entry async for entry in self._reader.read() if kind in (None, entry.action_type)]

    async def judge(self) -> None:
        """Come to rest, and find every invariant kept."""
        ledger = self.engine.live.ledger
        if self.operation.status is OperationStatus.ACTIVE:
            identifier = str(derived_id(Kind.OPERATION, self.operation.number))
            await self.command("pause_operation", operation_id=identifier)

        def rests() -> bool:
            return is_at_rest(ledger)

        await self.holds(rests)
        problems: list[str] = []

        async def sound() -> bool:
            problems[:] = broken(await self.entries(), "ibkr", self._record())
            return not problems

        try:
            await until(sound, timeout=15)
        except TimeoutError:
            raise AssertionError(problems) from None

    def _record(self) -> BrokerRecord:
        exchange = self.gateway.exchange
        rows = {
            row.execution_id: BrokerExecutionRow(
                f"0001f4e8.67e0c1a2.{row.execution_id}", row.client_order_id, row.side, row.price, row.quantity,
                row.commission,
            )
            for row in exchange.executions_after(ACCOUNT, 0)[0]
        }  # fmt: skip
        orders = [
            BrokerOrderRow(
                order.client_order_id,
                order.working,
                order.remaining if order.working and not order.dormant else D(0),
                order.limit_price,
                order.stop_price,
            )
            for order in exchange.orders(ACCOUNT)
        ]
        positions = {position.symbol: position.quantity for position in exchange.positions(ACCOUNT)}
        return BrokerRecord(orders, list(rows.values()), positions)
