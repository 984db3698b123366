"""A backtest and a live run over the same ticks: the real exchange's process, the real engine, a real MongoDB."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from pymongo.asynchronous.database import AsyncDatabase

from live_trading.assembly import EngineService, Exchange, Phase, Storage, broker_factory, engine_config
from live_trading.backtest import BacktestRequest, run_backtest
from live_trading.backtest.record import TradingRecord, first_parting, trading_record
from live_trading.config import Settings
from live_trading.domain.entries import Entry
from live_trading.engine.context import EngineConfig
from live_trading.journal import MongoJournalReader
from live_trading.models import commands
from live_trading.orders.gatekeeper import Limits
from live_trading.paper_exchange.options import PaperExchangeOptions
from live_trading.paper_exchange.process import PaperExchangeProcess
from live_trading.runtime import Runtime
from tests.backtest.worlds import SYMBOL, walk, write_ticks

# Faster than time, orders come faster than a second of the clock would let them, and no price grows old.
LIMITS = Limits(max_orders_per_second=1000.0, max_order_burst=1000, max_loss_pct=None)
CONFIG = EngineConfig(limits=LIMITS, late_grace_ns=1_000_000_000)
QUICK = {"fast_period": 3, "slow_period": 8, "momentum_period": 3, "rsi_period": 5, "overbought": 90}


def operation(**settings: Any) -> dict[str, Any]:
    return {
        "asset": SYMBOL,
        "bar_sizes": ["15 secs", "1 min"],
        "strategy_name": "MomentumStrategy",
        "strategy_config": QUICK,
        "quantity": "10000",
        "initial_capital": "100000",
        "stop_loss_type": "ATR",
        "stop_loss_value": "1.5",
        "take_profit_type": "RISK_REWARD",
        "take_profit_value": "1.5",
        **settings,
    }


class LiveRun:
    """A whole run: exchange, engine, commands, until the recorded market has ended and all is at rest."""

    def __init__(self, directory: Path, database: AsyncDatabase[dict[str, Any]], runtime: Runtime) -> None:
        self._directory = directory
        self._database = database
        self._runtime = runtime

    async def trade(self, ticks: Path, settings: dict[str, Any], trails_at_broker: bool = True) -> list[Entry]:
        options = PaperExchangeOptions(
            data_dir=self._directory / "exchange",
            ticks=(ticks,),
            symbol=SYMBOL,
            speed=0,
            lockstep=True,
            wait_for_subscribers=1,
        )
        process = PaperExchangeProcess(options, self._runtime)
        await process.start(watch=False)
        try:
            exchange = Exchange(process.url, process.account, process)
            await self._run(exchange, settings, {"risk_management.trailing_stops_at_broker": trails_at_broker})
        finally:
            await process.stop()
        reader = MongoJournalReader(self._database, self._runtime.clock)
        return [entry async for entry in reader.read()]

    async def _run(self, exchange: Exchange, arguments: dict[str, Any], configured: dict[str, Any]) -> None:
        settings = Settings.load(None, {}, {"engine.data_dir": self._directory, **configured})
        storage = Storage(self._database.client, self._database, None, "the test's")
        config = replace(engine_config(settings, lossless_ticks=True), limits=LIMITS)
        assert config.late_grace_ns == CONFIG.late_grace_ns
        service = EngineService(settings, storage, broker_factory(settings, exchange), config)
        running = self._runtime.tasks.start(service.run(), "service")
        try:
            async with asyncio.timeout(200):
                await service.status.reach(Phase.TRADING)
                await self._create(arguments)
                while not await exchange.feed_ended():  # noqa: ASYNC110 - another process is asked
                    await asyncio.sleep(0.2)
                assert service.status.engine is not None
                while not service.status.engine.is_quiet:  # noqa: ASYNC110
                    await asyncio.sleep(0.05)
        finally:
            service.request_stop("the recording is over")
            await asyncio.wait([running], timeout=30)

    async def _create(self, arguments: dict[str, Any]) -> None:
        record = commands.CommandRecord(
            id="create",
            kind="create_operation",
            arguments=arguments,
            actor="user:test",
            created_at=self._runtime.clock.now(),
        )
        await commands.submit(self._database, record)
        answered = await commands.answered(self._database, "create", self._runtime.clock, 20)
        assert answered is not None
        assert answered.error is None, answered


def backtest(ticks: Path, settings: dict[str, Any], *, trails_at_broker: bool = True) -> Sequence[Entry]:
    config = replace(CONFIG, trailing_stops_at_broker=trails_at_broker)
    request = BacktestRequest((ticks,), settings, symbol=SYMBOL, config=config)
    return run_backtest(request).entries


NO_TARGET = {"take_profit_type": None, "take_profit_value": None}
TRAILING = operation(stop_loss_type="TRAILING", stop_loss_value="0.0003", **NO_TARGET)
CASES = {
    "bracketed": operation(),
    "trailing at the broker": TRAILING,
    "trailing by the engine": TRAILING,
    "unprotected": operation(stop_loss_type=None, stop_loss_value=None, **NO_TARGET),
}


@pytest.mark.parametrize("name", CASES)
async def test_a_backtest_and_a_live_run_over_the_same_ticks_trade_alike_entry_by_entry(
    name: str, tmp_path: Path, database: AsyncDatabase[dict[str, Any]], runtime: Runtime
) -> None:
    ticks = write_ticks(tmp_path / "ticks.parquet", walk(4_000, seed=7))
    at_broker = name != "trailing by the engine"
    live = trading_record(await LiveRun(tmp_path, database, runtime).trade(ticks, CASES[name], at_broker))
    tested = trading_record(await asyncio.to_thread(backtest, ticks, CASES[name], trails_at_broker=at_broker))
    assert first_parting(live, tested) is None
    assert len(live.signals) > 20
    assert len(live.fills) > 20
    assert bool(live.protections) == (name != "unprotected")
    assert any(row["what"] == "PROTECTION_MOVED" for row in live.protections) == name.startswith("trailing")
    assert any(row["order_type"] == "TRAILING_STOP" for row in live.orders) == (name == "trailing at the broker")


def test_a_record_that_differs_in_one_fill_parts_there() -> None:
    def record(price: str) -> TradingRecord:
        return TradingRecord([], [], [], [{"price": Decimal("1.1")}, {"price": Decimal(price)}], [], [])

    parting = first_parting(record("1.2"), record("1.3"))
    assert parting is not None
    assert (parting.part, parting.place) == ("fills", 1)
    assert first_parting(record("1.2"), record("1.20")) is None
