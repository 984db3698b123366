"""Which account is traded, and where ticks come from."""

from decimal import Decimal
from pathlib import Path

import pytest

from live_trading.brokers.errors import Fatal
from live_trading.brokers.ibkr import TickSource
from live_trading.brokers.types import BarEvent, TickEvent
from live_trading.domain.bar_size import BarSize
from live_trading.domain.market import QuoteTick
from live_trading.domain.values import OrderType
from live_trading.runtime import Runtime
from tests.brokers.ibkr.gateways import Gateway
from tests.contracts.venues import EURUSD, D, order

# Accounts


async def test_account_of_real_money_is_refused_unless_it_is_meant(runtime: Runtime, tmp_path: Path) -> None:
    gateway = Gateway(runtime, tmp_path / "live", accounts=("U7654321",))
    await gateway.start()
    try:
        with pytest.raises(Fatal, match="real money"):
            await gateway.broker(account=None).connect(None)
        await gateway.broker(account=None, live=True).connect(None)
    finally:
        await gateway.close()


async def test_log_in_with_several_accounts_needs_one_named(runtime: Runtime, tmp_path: Path) -> None:
    gateway = Gateway(runtime, tmp_path / "several", accounts=("DU1", "DU2"))
    await gateway.start()
    try:
        with pytest.raises(Fatal, match="DU1, DU2"):
            await gateway.broker(account=None).connect(None)
        assert (await gateway.broker(account="DU2").connect(None)).account.account_id == "DU2"
    finally:
        await gateway.close()


# Market data


async def test_ticks_come_tick_by_tick_and_as_bars(gateway: Gateway) -> None:
    single, tape = await gateway.connected(ticks=TickSource.TICK_BY_TICK)
    await single.subscribe(EURUSD)
    bars, told = await gateway.connected(ticks=TickSource.BARS)
    await bars.subscribe(EURUSD)
    await single.place(order(OrderType.LIMIT, limit_price="1.05000"))  # its answer: both subscriptions are there
    await bars.place(order(OrderType.LIMIT, limit_price="1.05000"))
    gateway.quote("1.10010", "1.10030")
    tick = (await tape.has(TickEvent))[0].tick
    assert (tick.bid, tick.ask) == (D("1.10010"), D("1.10030"))
    later = gateway.exchange.now_ns + 6_000_000_000
    gateway.exchange.on_tick(QuoteTick("EUR-USD", later, D("1.10010"), D("1.10030")))
    gateway.exchange.on_time(later + 6_000_000_000)
    bar = (await told.has(BarEvent))[0].bar
    assert (bar.bar_size, bar.close) == (BarSize.SECS_5, Decimal("1.1002"))
    await single.unsubscribe(EURUSD)
    await bars.unsubscribe(EURUSD)


async def test_more_than_the_allowed_tick_by_tick_fall_back_to_quotes(gateway: Gateway) -> None:
    broker, tape = await gateway.connected(ticks=TickSource.TICK_BY_TICK)
    symbols = ["EUR-USD", "USD-CAD", "GBP-USD", "USD-JPY", "ES", "NQ"]
    for symbol in symbols:
        await broker.subscribe(await broker.resolve(symbol))
    gateway.quote("18000.00", "18000.25", "NQ")
    await tape.sees(lambda event: isinstance(event, TickEvent) and event.tick.symbol.startswith("NQ-"))
