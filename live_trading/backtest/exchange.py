"""The paper exchange for recorded data at full speed, and the broker contract straight over it.

It is the exchange's own matching core; what is left out is what nobody looks at here: histories, faults, and telling
its listeners of ticks, which the backtest hands to the engine itself.
"""

from collections.abc import Callable
from dataclasses import replace

from live_trading.brokers.base import SendGuard
from live_trading.brokers.in_process import InProcessBroker
from live_trading.brokers.paper_types import PAPER_CAPABILITIES
from live_trading.brokers.types import Placed, Rejected
from live_trading.domain.market import Tick
from live_trading.paper_exchange.core import AccountSettings, Catalogue, Order
from live_trading.paper_exchange.exchange import SimulatedExchange
from live_trading.runtime import Clock, Runtime


def _nothing() -> None:
    """No quote comes before the command."""


class BacktestExchange(SimulatedExchange):
    """One account's exchange in the data's own time."""

    def __init__(self, catalogue: Catalogue, account: AccountSettings, clock: Clock) -> None:
        super().__init__(catalogue, clock=clock, accounts=(account,), market_time="feed")
        # The engine counts its own position and money from fills, and hears nothing of what the account makes of them.
        self.engine.tells_money = False

    def on_tick(self, tick: Tick) -> None:
        """The market moves: orders trade, and what came of it is told."""
        self.engine.on_tick(tick)
        self._step()

    def on_time(self, time_ns: int) -> None:
        """The market's time goes on. Nearly always nothing waits for it, and then nothing can follow from it."""
        engine = self.engine
        if engine.waits_for_time:
            engine.advance(time_ns)
            self._step()
        elif time_ns > engine.now_ns:
            engine.now_ns = time_ns

    def working(self, symbol: str) -> list[Order]:
        """Orders that may trade at a price the market may come to."""
        return [order for order in self.engine.markets[symbol].working.values() if order.live]


class BacktestBroker(InProcessBroker):
    """The broker of a backtest. ``before_command`` is called before a command reaches the exchange.

    With no latency a command is carried out at once, without a task switch.
    """

    capabilities = replace(PAPER_CAPABILITIES, history=False)

    def __init__(
        self, exchange: BacktestExchange, account: str, *, name: str, runtime: Runtime, guard: SendGuard, latency: float
    ) -> None:
        super().__init__(exchange, account, name=name, runtime=runtime, guard=guard, latency=latency)
        self.before_command: Callable[[], None] = _nothing
        self._market: BacktestExchange = exchange

    def market_time_ns(self) -> int | None:
        return self._market.engine.now_ns or None

    async def _command(
        self, operation: str, client_order_id: str, symbol: str | None, act: Callable[[], Placed | Rejected]
    ) -> Placed | Rejected:
        if self.latency:
            return await super()._command(operation, client_order_id, symbol, act)
        self.guard()
        self.before_command()
        return act()
