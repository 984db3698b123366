"""What runs on nautilus_trader (https://nautilustrader.io): a program of its own, for an interpreter that has it.

It has dependencies that do not go together with ours, so it is given to another interpreter, together with a file of
64-bit integers: (start, open, high, low, close) of each bar, or (time, bid, ask) of each tick, prices in ticks of
0.00001. It prints one line of JSON: processor seconds, and how many orders were filled or bars were closed.

usage: nautilus_program.py bars|trading|ticks FILE [SIZE …]
"""

import json
import sys
import time
from array import array
from pathlib import Path

from nautilus_trader.backtest.engine import BacktestEngine, BacktestEngineConfig
from nautilus_trader.config import LoggingConfig, StrategyConfig
from nautilus_trader.indicators import ExponentialMovingAverage
from nautilus_trader.model.currencies import USD
from nautilus_trader.model.data import Bar, BarType, QuoteTick
from nautilus_trader.model.enums import AccountType, OmsType, OrderSide
from nautilus_trader.model.identifiers import TraderId, Venue
from nautilus_trader.model.objects import Money, Price, Quantity
from nautilus_trader.test_kit.providers import TestInstrumentProvider
from nautilus_trader.trading.strategy import Strategy

PAIR = TestInstrumentProvider.default_fx_ccy("EUR/USD")
BARS = BarType.from_str(f"{PAIR.id}-1-MINUTE-LAST-EXTERNAL")
MUCH = Quantity(1_000_000, 0)


class CrossConfig(StrategyConfig, frozen=True):
    trades: bool


class Cross(Strategy):
    """Long while a fast average is above a slow one."""

    def on_start(self):
        self.fast, self.slow = ExponentialMovingAverage(10), ExponentialMovingAverage(20)
        self.register_indicator_for_bars(BARS, self.fast)
        self.register_indicator_for_bars(BARS, self.slow)
        self.before = None
        self.count = 0
        self.quantity = PAIR.make_qty(1000)
        self.subscribe_bars(BARS)

    def on_bar(self, bar):
        if not self.indicators_initialized():
            return
        fast, slow = self.fast.value, self.slow.value
        before, self.before = self.before, (fast, slow)
        if before is None or not self.config.trades:
            return
        if self.portfolio.is_net_long(PAIR.id):
            if fast < slow and before[0] >= before[1]:
                self.close_all_positions(PAIR.id)
        elif fast > slow and before[0] <= before[1]:
            self.submit_order(self.order_factory.market(PAIR.id, OrderSide.BUY, self.quantity))

    def on_order_filled(self, event):
        self.count += 1


class ListenConfig(StrategyConfig, frozen=True):
    sizes: tuple[str, ...]


class Listen(Strategy):
    """Takes bars made of quotes."""

    def on_start(self):
        self.count = 0
        for size in self.config.sizes:
            self.subscribe_bars(BarType.from_str(f"{PAIR.id}-{size}-MID-INTERNAL"))

    def on_bar(self, bar):
        self.count += 1


def price(ticks):
    return Price(ticks / 100_000, 5)


def bars_of(rows):
    for at in range(0, len(rows), 5):
        start, first, high, low, last = rows[at : at + 5]
        end = start + 60_000_000_000
        yield Bar(BARS, price(first), price(high), price(low), price(last), MUCH, end, end)


def ticks_of(rows):
    for at in range(0, len(rows), 3):
        moment, bid, ask = rows[at : at + 3]
        yield QuoteTick(PAIR.id, price(bid), price(ask), MUCH, MUCH, moment, moment)


def main(kind, file, *sizes):
    rows = array("q", Path(file).read_bytes())
    settings = BacktestEngineConfig(trader_id=TraderId("BENCH-1"), logging=LoggingConfig(bypass_logging=True))
    engine = BacktestEngine(settings)
    engine.add_venue(
        Venue("SIM"),
        oms_type=OmsType.NETTING,
        account_type=AccountType.MARGIN,
        base_currency=USD,
        starting_balances=[Money(1_000_000, USD)],
    )
    engine.add_instrument(PAIR)
    engine.add_data(list(ticks_of(rows) if kind == "ticks" else bars_of(rows)))
    strategy = Listen(ListenConfig(sizes=sizes)) if kind == "ticks" else Cross(CrossConfig(trades=kind == "trading"))
    engine.add_strategy(strategy)
    began = time.process_time()
    engine.run()
    print(json.dumps({"seconds": time.process_time() - began, "count": strategy.count}))
    engine.dispose()


if __name__ == "__main__":
    main(*sys.argv[1:])
