"""One instrument's market: the last quote, what is left to trade at it, and the orders that wait."""

from decimal import Decimal

from live_trading.domain.instrument import TradingHours
from live_trading.domain.market import QuoteTick, Tick, TradeTick
from live_trading.domain.values import OrderType, Side
from live_trading.paper_exchange.core.models import Listing
from live_trading.paper_exchange.core.types import ZERO, Order
from live_trading.runtime.clock import utc_from_ns

_MINUTE = 60_000_000_000
_STOPS = (OrderType.STOP, OrderType.STOP_LIMIT, OrderType.TRAILING_STOP)


class Sessions:
    """Trading hours asked many times: answers are kept for the minute they hold (schedules are in whole minutes)."""

    def __init__(self, hours: TradingHours) -> None:
        self._hours = hours
        self._always = hours.never_closes
        self._open: tuple[int, bool] = (-1, False)
        self._day: tuple[int, int] = (-1, 0)

    def is_open(self, time_ns: int) -> bool:
        if self._always:
            return True
        minute = time_ns // _MINUTE
        if self._open[0] != minute:
            self._open = (minute, self._hours.is_open(utc_from_ns(time_ns)))
        return self._open[1]

    def trading_day(self, time_ns: int) -> int:
        """When the trading day containing ``time_ns`` began, in nanoseconds."""
        minute = time_ns // _MINUTE
        if self._day[0] != minute:
            start = self._hours.trading_day_start(utc_from_ns(time_ns))
            self._day = (minute, int(start.timestamp()) * 1_000_000_000)
        return self._day[1]

    def day_order_ended(self, accepted_ns: int, now_ns: int) -> bool:
        """Whether an order for the day accepted at ``accepted_ns`` has outlived its session."""
        opened = self._hours.next_open(utc_from_ns(accepted_ns))
        opened_ns = int(opened.timestamp()) * 1_000_000_000
        if now_ns <= opened_ns:
            return False
        opened_day = int(self._hours.trading_day_start(opened).timestamp()) * 1_000_000_000
        return self.trading_day(now_ns) > opened_day or not self.is_open(now_ns)


class Market:
    """The state of one instrument's market. ``closed_by_hand`` shuts it whatever its hours say."""

    def __init__(self, listing: Listing) -> None:
        self.listing = listing
        self.sessions = Sessions(listing.instrument.hours)
        self.working: dict[int, Order] = {}
        self.last: Decimal | None = None
        self.quote_ns = 0
        self.tick_number = 0
        self.closed_by_hand = False
        self._tick: Tick | None = None
        self._quote: tuple[Decimal, Decimal] | None = None
        self._left: dict[Side, Decimal | None] = {Side.BUY: None, Side.SELL: None}
        self._filled_at_tick: set[int] = set()

    @property
    def bid(self) -> Decimal | None:
        """What a seller gets, on the price grid; None before the first tick."""
        return None if self._tick is None else self._quoted(self._tick)[0]

    @property
    def ask(self) -> Decimal | None:
        """What a buyer pays."""
        return None if self._tick is None else self._quoted(self._tick)[1]

    def _quoted(self, tick: Tick) -> tuple[Decimal, Decimal]:
        """Bid and ask of the last tick, worked out when they are first asked for: most ticks trade nothing."""
        quote = self._quote
        if quote is None:
            instrument = self.listing.instrument
            half = ZERO if isinstance(tick, QuoteTick) else self.listing.spread_ticks * instrument.tick_size / 2
            bid, ask = instrument.round_price(tick.bid - half, "down"), instrument.round_price(tick.ask + half, "up")
            quote = self._quote = bid, ask
        return quote

    @property
    def mark(self) -> Decimal:
        """What positions are valued at: the mid or last price, or the reference price before the first tick."""
        if self.last is not None:
            return self.last
        if self._tick is not None:
            bid, ask = self._quoted(self._tick)
            return (bid + ask) / 2
        return self.listing.reference_price

    def is_open(self, now_ns: int) -> bool:
        return not self.closed_by_hand and self.sessions.is_open(now_ns)

    def tradable(self, now_ns: int) -> bool:
        """Open, and with a quote of this trading day: yesterday's quote trades nothing this morning."""
        if self._tick is None or not self.is_open(now_ns):
            return False
        if self.quote_ns // _MINUTE == now_ns // _MINUTE:
            return True
        return self.sessions.trading_day(self.quote_ns) == self.sessions.trading_day(now_ns)

    def take(self, tick: Tick) -> None:
        """A new quote or trade: prices move, and fresh liquidity stands at them."""
        self.tick_number += 1
        self.quote_ns = tick.time_ns
        self._tick, self._quote = tick, None
        self.last = tick.price if isinstance(tick, TradeTick) else None
        if self._filled_at_tick:
            self._filled_at_tick.clear()
        if self.listing.liquidity.quoted_size:
            buy, sell = (tick.size, tick.size) if isinstance(tick, TradeTick) else (tick.ask_size, tick.bid_size)
            self._left = {Side.BUY: buy or None, Side.SELL: sell or None}

    def price_for(self, side: Side) -> Decimal:
        """The price a taker of ``side`` gets, before slippage."""
        price = self.ask if side is Side.BUY else self.bid
        assert price is not None
        return price

    def reference(self, side: Side) -> Decimal:
        """The price that stops of ``side`` look at: the last trade where trades are told, else the quote that they
        would trade at, the bid to sell and the ask to buy. As IBKR's default trigger method (stocks and futures: last,
        currencies: bid/ask), and OANDA's default trigger condition (bid to sell, ask to buy)."""
        return self.last if self.last is not None else self.price_for(side)

    def triggers(self, order: Order) -> bool:
        """Whether the market has reached an order's stop price."""
        assert order.stop_price is not None
        price = self.reference(order.side)
        return price >= order.stop_price if order.side is Side.BUY else price <= order.stop_price

    def trails(self, order: Order) -> bool:
        """Let a live stop that trails follow the price, in its favour only; whether it moved."""
        assert order.trailing_distance is not None
        price = self.listing.instrument.round_price(
            self.reference(order.side) + order.trailing_distance * order.side.sign,
            "up" if order.side is Side.BUY else "down",
        )
        if order.stop_price is not None and (order.stop_price - price) * order.side.sign <= 0:
            return False
        order.stop_price = price
        return True

    def marketable(self, order: Order) -> bool:
        """Whether a live order can trade at the present quote."""
        if order.order_type in _STOPS and not order.triggered:
            return False
        if order.takes_market:
            return True
        assert order.limit_price is not None
        price = self.price_for(order.side)
        return price <= order.limit_price if order.side is Side.BUY else price >= order.limit_price

    def fill_price(self, order: Order) -> Decimal:
        """What a marketable order trades at: its own limit where it was there first, else the quote and slippage."""
        price = self.price_for(order.side)
        if order.takes_market:
            key = f"{order.order_id}/{order.filled}/{self.quote_ns}/slip"
            tick_size = self.listing.instrument.tick_size
            slipped = price + self.listing.slippage.draw(key) * tick_size * order.side.sign
            return max(slipped, tick_size)
        assert order.limit_price is not None
        return order.limit_price if order.posted else price

    def available(self, order: Order) -> Decimal:
        """How much of an order fills now: bounded by what stands at the price; once an order and tick."""
        if order.order_id in self._filled_at_tick:
            return ZERO
        left = self._left[order.side]
        wanted = order.remaining if left is None else min(order.remaining, left)
        step = self.listing.instrument.quantity_step
        wanted = wanted // step * step
        if wanted <= 0:
            return ZERO
        return self.listing.liquidity.draw(wanted, step, f"{order.order_id}/{order.filled}/{self.quote_ns}/size")

    def used(self, order: Order, quantity: Decimal) -> None:
        """``order`` has taken ``quantity`` at this tick."""
        self._filled_at_tick.add(order.order_id)
        left = self._left[order.side]
        if left is not None:
            self._left[order.side] = left - quantity
