"""Small markets for the exchange's tests: a currency pair, a future, a stock; no commissions unless asked."""

from decimal import Decimal
from typing import Any

from live_trading.domain.instrument import US_STOCK_HOURS, Instrument
from live_trading.domain.market import QuoteTick, TradeTick
from live_trading.domain.values import AssetClass, OrderType, Side
from live_trading.paper_exchange import AccountSettings, Catalogue, Listing, MatchingEngine
from live_trading.paper_exchange.core import (
    Accepted,
    CommissionModel,
    Executed,
    LiquidityModel,
    NewOrder,
    Order,
    Refused,
    SlippageModel,
)

D = Decimal
SECOND = 1_000_000_000
START = 1_700_000_000 * SECOND  # Tuesday 2023-11-14 22:13:20 UTC: the currency pair trades, the stock does not
ACCOUNT = "PAPER-1"


def listing(symbol: str = "EUR-USD", **changes: Any) -> Listing:
    """EUR-USD (quotes), ES (multiplier 50) or SPY (trades, New York hours)."""
    instruments = {
        "EUR-USD": Instrument(
            symbol="EUR-USD", asset_class=AssetClass.FX, currency="USD", tick_size=D("0.0001"), quantity_step=D(1)
        ),
        "ES": Instrument(
            symbol="ES",
            asset_class=AssetClass.FUTURE,
            currency="USD",
            tick_size=D("0.25"),
            quantity_step=D(1),
            multiplier=D(50),
        ),
        "SPY": Instrument(
            symbol="SPY",
            asset_class=AssetClass.STOCK,
            currency="USD",
            tick_size=D("0.01"),
            quantity_step=D(1),
            quote_kind="TRADE",
            hours=US_STOCK_HOURS,
        ),
    }
    prices = {"EUR-USD": D("1.1000"), "ES": D(5000), "SPY": D(500)}
    return Listing(instrument=instruments[symbol], reference_price=prices[symbol], **changes)


class World:
    """A matching engine with a hand on its clock and its prices."""

    def __init__(self, *listings: Listing, cash: int = 1_000_000, accounts: tuple[str, ...] = (ACCOUNT,)) -> None:
        settings = tuple(AccountSettings(account=name, cash=D(cash)) for name in accounts)
        self.engine = MatchingEngine(Catalogue(listings or (listing(),)), settings)
        self.now = START
        self.effects: list[Any] = []
        self.ids = 0

    def quote(self, bid: str, ask: str, symbol: str = "EUR-USD", size: int = 0, after: int = 1) -> None:
        self.now += after * SECOND
        self.engine.on_tick(QuoteTick(symbol, self.now, D(bid), D(ask), D(size), D(size)))
        self.effects += self.engine.take_effects()

    def trade(self, price: str, symbol: str = "SPY", size: int = 0) -> None:
        self.now += SECOND
        self.engine.on_tick(TradeTick(symbol, self.now, D(price), D(size)))
        self.effects += self.engine.take_effects()

    def pass_time(self, seconds: float) -> None:
        self.now += int(seconds * SECOND)
        self.engine.advance(self.now)
        self.effects += self.engine.take_effects()

    def try_place(self, new: NewOrder, account: str = ACCOUNT) -> Accepted | Refused:
        answer = self.engine.place(account, new, self.now)
        self.effects += self.engine.take_effects()
        return answer

    def place(self, new: NewOrder, account: str = ACCOUNT) -> Any:
        """The order itself, as the engine keeps it."""
        answer = self.try_place(new, account)
        assert isinstance(answer, Accepted), answer
        return self.engine.orders[answer.order.order_id]

    def cancel(self, order: Order) -> Accepted | Refused:
        answer = self.engine.cancel(order.account, order.order_id, self.now)
        self.effects += self.engine.take_effects()
        return answer

    def children(self, order: Order) -> list[Any]:
        return self.engine.orders.children(order)

    def fills(self, order: Order) -> list[tuple[Decimal, Decimal]]:
        """Quantity and price of each fill of an order."""
        rows = (effect.execution for effect in self.effects if isinstance(effect, Executed))
        return [(row.quantity, row.price) for row in rows if row.order_id == order.order_id]

    def position(self, symbol: str = "EUR-USD", account: str = ACCOUNT) -> Any:
        return self.engine.accounts[account].quantity(symbol)

    def new(self, side: Side, order_type: OrderType, quantity: int | str, **fields: Any) -> NewOrder:
        self.ids += 1
        for name in ("limit_price", "stop_price"):
            if isinstance(fields.get(name), str):
                fields[name] = D(fields[name])
        fields.setdefault("symbol", "EUR-USD")
        fields.setdefault("client_order_id", f"C{self.ids}")
        return NewOrder(side=side, order_type=order_type, quantity=D(quantity), **fields)

    def market(self, side: Side, quantity: int, **fields: Any) -> NewOrder:
        return self.new(side, OrderType.MARKET, quantity, **fields)

    def limit(self, side: Side, quantity: int, price: str, **fields: Any) -> NewOrder:
        return self.new(side, OrderType.LIMIT, quantity, limit_price=price, **fields)

    def stop(self, side: Side, quantity: int, price: str, **fields: Any) -> NewOrder:
        return self.new(side, OrderType.STOP, quantity, stop_price=price, **fields)

    def bracket(self, quantity: int, *, limit: str | None = None, loss: str = "1.0900", profit: str = "1.1100") -> Any:
        """A buy with a stop loss and a take profit attached, in the group ``G``."""
        attached = (
            self.stop(Side.SELL, quantity, loss, oca_group="G"),
            self.limit(Side.SELL, quantity, profit, oca_group="G"),
        )
        if limit is None:
            return self.place(self.market(Side.BUY, quantity, attached=attached))
        return self.place(self.limit(Side.BUY, quantity, limit, attached=attached))


__all__ = [
    "ACCOUNT",
    "SECOND",
    "START",
    "CommissionModel",
    "D",
    "LiquidityModel",
    "SlippageModel",
    "World",
    "listing",
]
