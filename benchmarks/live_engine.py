"""A whole engine for measuring: journal and exchange in memory, everything else as it is live."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from live_trading.backtest.exchange import BacktestBroker, BacktestExchange
from live_trading.data import MemoryBarStore
from live_trading.domain.market import Tick
from live_trading.engine.context import EngineConfig
from live_trading.engine.inbox import Command, MemoryInbox
from live_trading.engine.trading_engine import TradingEngine
from live_trading.journal import Opener
from live_trading.journal.memory import MemoryJournal, MemoryJournalReader, MemoryStore
from live_trading.observability import Latency
from live_trading.orders.gatekeeper import Limits
from live_trading.paper_exchange.catalogue import default_catalogue
from live_trading.paper_exchange.core import AccountSettings
from live_trading.projections import Ledger, apply
from live_trading.runtime import Runtime, settle_collector

BROKER = "paper"
_CONFIG = EngineConfig(limits=Limits(max_orders_per_second=10_000, max_order_burst=10_000))
_NO_PROTECTION = dict.fromkeys(("stop_loss_type", "stop_loss_value", "take_profit_type", "take_profit_value"))


@dataclass(slots=True)
class LiveEngine:
    """An engine that trades, and the exchange it trades on."""

    engine: TradingEngine
    exchange: BacktestExchange
    inbox: MemoryInbox
    created: int = 0

    async def create(self, symbol: str, bar_size: str, **config: Any) -> None:
        """Create an operation of the cross."""
        self.created += 1
        command = Command(
            f"create-{self.created}",
            "create_operation",
            {
                "asset": symbol,
                "broker": BROKER,
                "bar_sizes": [bar_size],
                "strategy_name": "benchmarks/strategies.py:EmaCross",
                "strategy_config": config,
                "quantity": "1000",
                "initial_capital": "100000",
                **_NO_PROTECTION,
            },
            "user:bench",
        )
        self.inbox.submit(command)
        outcome = await self.inbox.outcome(command.id)
        if outcome.refused:
            raise RuntimeError(f"the operation was refused: {outcome.result}")

    def tell(self, tick: Tick) -> None:
        """The market moves: orders trade at the exchange, and the engine's tick buffer gets the tick."""
        self.exchange.on_tick(tick)
        self.engine.context.sessions[BROKER].ticks.put(tick)


@asynccontextmanager
async def live_engine(runtime: Runtime, *, write_seconds: float, latency: Latency | None) -> AsyncIterator[LiveEngine]:
    """An engine over an empty journal. ``write_seconds``: how long a durable append takes."""
    store, inbox, ledger = MemoryStore(write_seconds), MemoryInbox(), Ledger()
    reader = MemoryJournalReader(store)
    journal = await MemoryJournal.open_writer(store, Opener("bench", "bench", "1"), runtime)
    async for entry in reader.read():
        apply(ledger, entry)
    account = AccountSettings()
    exchange = BacktestExchange(default_catalogue(), account, runtime.clock)
    broker = BacktestBroker(
        exchange, account.account, name=BROKER, runtime=runtime, guard=journal.check_may_act, latency=0.0
    )
    brokers = {BROKER: broker}
    engine = TradingEngine(journal, reader, ledger, brokers, MemoryBarStore(), inbox, runtime, _CONFIG, latency=latency)
    try:
        await engine.start()
        settle_collector()  # as the service does
        yield LiveEngine(engine, exchange, inbox)
        await engine.close("the benchmark is over")
    finally:
        await engine.abandon()
        await runtime.tasks.close()
