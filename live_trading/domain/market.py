"""Ticks and bars. Times are integers of nanoseconds since 1970, UTC: order within a millisecond matters here."""

from datetime import datetime, timedelta
from decimal import Decimal
from typing import NamedTuple

from live_trading.domain.bar_size import BarSize
from live_trading.runtime.clock import utc_from_ns

_ZERO = Decimal(0)


class QuoteTick(NamedTuple):
    """The best bid and ask at a moment. ``size`` is what stands at them, 0 where it is not told."""

    symbol: str
    time_ns: int
    bid: Decimal
    ask: Decimal
    bid_size: Decimal = _ZERO
    ask_size: Decimal = _ZERO

    @property
    def price(self) -> Decimal:
        """The mid: the price a bar or a mark is made of."""
        return (self.bid + self.ask) / 2

    @property
    def at(self) -> datetime:
        return utc_from_ns(self.time_ns)


class TradeTick(NamedTuple):
    """A trade that happened on the market: price and size."""

    symbol: str
    time_ns: int
    price: Decimal
    size: Decimal = _ZERO

    @property
    def bid(self) -> Decimal:
        return self.price

    @property
    def ask(self) -> Decimal:
        return self.price

    @property
    def at(self) -> datetime:
        return utc_from_ns(self.time_ns)


Tick = QuoteTick | TradeTick


class Ohlc(NamedTuple):
    """Open, high, low and close of one side."""

    open: Decimal
    high: Decimal
    low: Decimal
    close: Decimal


class Bar(NamedTuple):
    """A closed bar, labelled by its start.

    ``open`` … ``close`` are trades' prices, or mids where the market gives quotes; then ``bid`` and ``ask`` are there
    too. ``volume`` is traded size, 0 for quotes. ``filled`` marks a flat bar put in for a minute without ticks.
    """

    symbol: str
    bar_size: BarSize
    start_ns: int
    open: Decimal
    high: Decimal
    low: Decimal
    close: Decimal
    volume: Decimal = _ZERO
    tick_count: int = 0
    bid: Ohlc | None = None
    ask: Ohlc | None = None
    filled: bool = False

    @property
    def start(self) -> datetime:
        return utc_from_ns(self.start_ns)

    @property
    def end(self) -> datetime:
        """When it was over by its nominal length (a day's bar ends with its session)."""
        return self.start + timedelta(seconds=self.bar_size.seconds)
