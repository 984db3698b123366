"""How the price went within a recorded bar, as far as orders are concerned: never better than the bar allows.

The rule, for an order that rests at the exchange while a bar passes:

1. The bar begins at its open. An order whose price lies between the last quote and the open is traded at the open: a
   stop that the market jumped over is executed where the market landed.
2. Then the price goes to the extreme that is worse for us, then to the other one: for a long position, or a sell entry
   that rests, to the low first; for a short one, or a buy entry, to the high first. So where a stop and a target lie in
   one bar, the stop is hit.
3. Then it goes to the close. In between the price passes every price on its way, so an order within the bar is reached
   at its own price.

Quotes have the bar's own bid and ask at these four points, and in between the spread of the point they go to. Where
the file has none, half of the listing's spread lies on either side of the price. Within the bar, times are nominal:
open at its start, the extremes after a third and two thirds, the close in its last millisecond.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from decimal import Decimal

from live_trading.domain.instrument import Instrument
from live_trading.domain.market import Bar, Ohlc, QuoteTick, Tick, TradeTick
from live_trading.domain.values import OrderType, Side
from live_trading.paper_exchange.core import Listing, Order

_MILLISECOND_NS = 1_000_000
_ZERO = Decimal(0)


class TickMaker:
    """Makes the ticks of one instrument's bars."""

    def __init__(self, listing: Listing) -> None:
        instrument: Instrument = listing.instrument
        self.symbol = instrument.symbol
        self.is_quotes = instrument.quote_kind == "QUOTE"
        self.half_spread = listing.spread_ticks * instrument.tick_size / 2
        self._instrument = instrument

    def with_sides(self, bar: Bar) -> Bar:
        """The bar with bid and ask, if it is of quotes."""
        if not self.is_quotes or bar.bid is not None:
            return bar
        half = self.half_spread
        bid, ask = (Ohlc(bar.open + side, bar.high + side, bar.low + side, bar.close + side) for side in (-half, half))
        return bar._replace(bid=bid, ask=ask)

    def at(self, bar: Bar, point: int, time_ns: int) -> Tick:
        """The tick at the bar's open (0), high (1), low (2) or close (3)."""
        if self.is_quotes:
            bid, ask = bar.bid, bar.ask
            assert bid is not None
            assert ask is not None
            # The same as QuoteTick(…), which takes three times as long; this is done for every bar.
            return tuple.__new__(QuoteTick, (self.symbol, time_ns, bid[point], ask[point], _ZERO, _ZERO))
        return TradeTick(self.symbol, time_ns, (bar.open, bar.high, bar.low, bar.close)[point])

    def reaching(self, order: Order, towards: Tick) -> Tick:
        """The tick at which the market, on its way to ``towards``, reaches a resting order's price."""
        price, is_stop = price_of(order)
        if not self.is_quotes:
            if not is_stop:  # a limit trades against the quote, which lies half a spread away
                price += self.half_spread * -order.side.sign
                price = self._instrument.round_price(price, "down" if order.side is Side.BUY else "up")
            return TradeTick(self.symbol, towards.time_ns, price)
        spread = max(towards.ask - towards.bid, Decimal(0))
        if order.side is Side.BUY:
            return QuoteTick(self.symbol, towards.time_ns, price - spread, price)
        return QuoteTick(self.symbol, towards.time_ns, price, price + spread)


def price_of(order: Order) -> tuple[Decimal, bool]:
    """The price at which an order that rests would trade or be triggered, and whether it is a stop's."""
    if order.stop_price is not None and not order.triggered:
        return order.stop_price, True
    assert order.limit_price is not None, "an order at market does not rest"
    return order.limit_price, False


def _rests(order: Order) -> bool:
    """Whether it waits at a price. A stop that trails and has seen no quote yet has none."""
    is_without = order.order_type is OrderType.TRAILING_STOP and order.stop_price is None
    return order.order_type is not OrderType.MARKET and not order.takes_market and not is_without


@dataclass(slots=True)
class Reach:
    """Prices between which a bar touches no working order: what most bars are compared with, and nothing more."""

    low: Decimal | None = None
    high: Decimal | None = None
    always: bool = False

    @classmethod
    def of(cls, orders: Iterable[Order]) -> "Reach":
        """What a bar must reach to concern one of these orders."""
        low = high = None
        always = False
        for order in orders:
            if not _rests(order) or order.trailing_distance is not None:
                always = True  # a stop that trails follows every bar
                continue
            price, is_stop = price_of(order)
            if (order.side is Side.SELL) == is_stop:
                low = price if low is None else max(low, price)
            else:
                high = price if high is None else min(high, price)
        return cls(low, high, always)

    def is_within(self, bar: Bar) -> bool:
        """Whether the bar may touch an order. May say yes too often, never too seldom."""
        if self.always:
            return True
        lowest = bar.low if bar.bid is None else bar.bid.low
        highest = bar.high if bar.ask is None else bar.ask.high
        return (self.low is not None and lowest <= self.low) or (self.high is not None and highest >= self.high)


def high_first(quantity: float, working: Iterable[Order]) -> bool:
    """Whether the high comes first: for a short position, and for a buy entry that rests while flat."""
    if quantity:
        return quantity < 0
    return any(order.side is Side.BUY for order in working)


def legs(maker: TickMaker, bar: Bar, last: Tick, is_high_first: bool) -> Iterator[Tick]:
    """Where the price goes after the open: the extremes, and ``last``, the close."""
    length = bar.end_ns - bar.start_ns
    first, second = (1, 2) if is_high_first else (2, 1)
    yield maker.at(bar, first, bar.start_ns + length // 3)
    yield maker.at(bar, second, bar.start_ns + 2 * length // 3)
    yield last


def close_time_ns(bar: Bar, end_ns: int) -> int:
    """When the close of a bar that ends at ``end_ns`` is quoted: in its last millisecond, so that it is its own."""
    return max(end_ns - _MILLISECOND_NS, bar.start_ns)


def next_reached(
    maker: TickMaker, orders: Iterable[Order], now: Tick, towards: Tick, passed: set[int]
) -> tuple[Order, Tick] | None:
    """The next resting order on the straight way from ``now`` to ``towards``, not counting those ``passed``."""
    nearest: tuple[Decimal, Order, Tick] | None = None
    for order in orders:
        if order.order_id in passed or not _rests(order):
            continue
        tick = maker.reaching(order, towards)
        distance = abs(tick.price - now.price)
        is_between = min(now.price, towards.price) < tick.price < max(now.price, towards.price)
        if is_between and (nearest is None or distance < nearest[0]):
            nearest = distance, order, tick
    return None if nearest is None else (nearest[1], nearest[2])
