"""The same strategy on backtrader (https://www.backtrader.com), with vectorised indicators (``runonce``)."""

import time
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple

from live_trading.domain.market import Bar


class Run(NamedTuple):
    """Processor seconds of one run, and the orders it completed."""

    seconds: float
    orders: int


def run(bars: Sequence[Bar], *, trades: bool) -> Run:
    """One run over the bars."""
    import backtrader as bt  # what only this comparison needs

    class Cross(bt.Strategy):
        def __init__(self) -> None:
            fast, slow = bt.ind.EMA(period=10), bt.ind.EMA(period=20)
            self.cross = bt.ind.CrossOver(fast, slow)
            self.orders = 0

        def notify_order(self, order: Any) -> None:
            self.orders += order.status == order.Completed

        def next(self) -> None:
            if not trades:
                return
            if not self.position:
                if self.cross[0] > 0:
                    self.buy(size=1000)
            elif self.cross[0] < 0:
                self.close()

    class Feed(bt.feed.DataBase):
        def start(self) -> None:
            super().start()
            self.rows = iter(rows)

        def _load(self) -> bool:
            row = next(self.rows, None)
            if row is None:
                return False
            lines = self.lines
            lines.datetime[0], lines.open[0], lines.high[0], lines.low[0], lines.close[0] = row
            lines.volume[0] = lines.openinterest[0] = 0.0
            return True

    rows = [
        (
            bt.date2num(datetime.fromtimestamp(bar.start_ns / 1e9, UTC).replace(tzinfo=None)),
            *map(float, (bar.open, bar.high, bar.low, bar.close)),
        )
        for bar in bars
    ]
    cerebro = bt.Cerebro(stdstats=False, runonce=True, preload=True)
    cerebro.adddata(Feed())
    cerebro.addstrategy(Cross)
    cerebro.broker.setcash(1_000_000.0)
    cerebro.broker.setcommission(commission=0.00002)
    began = time.process_time()
    (strategy,) = cerebro.run()
    return Run(time.process_time() - began, strategy.orders)
