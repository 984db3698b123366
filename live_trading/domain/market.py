"""Ticks and bars. Times are integers of nanoseconds since 1970, UTC: order within a millisecond matters here."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import NamedTuple

from live_trading.domain.bar_size import BarSize
from live_trading.runtime.clock import utc_from_ns

_ZERO = Decimal(0)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def ns_from_utc(at: datetime) -> int:
    """Nanoseconds since 1970, UTC, of an aware time. Exact: no float is involved."""
    passed = at - _EPOCH
    return (passed.days * 86_400 + passed.seconds) * 1_000_000_000 + passed.microseconds * 1_000


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
    too. ``volume`` is traded size, 0 for quotes. ``filled`` marks a flat bar put in for a time without ticks.
    ``ended_ns`` is given only where the bar was not as long as its size says: cut short by the session's close, or a
    day's bar of a session that is not 24 hours.
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
    ended_ns: int | None = None

    @property
    def start(self) -> datetime:
        return utc_from_ns(self.start_ns)

    @property
    def end_ns(self) -> int:
        """When it was over: ``ended_ns``, or its nominal length after its start."""
        return self.start_ns + self.bar_size.nanoseconds if self.ended_ns is None else self.ended_ns

    @property
    def end(self) -> datetime:
        """When it was over (a day's bar ends with its session)."""
        return utc_from_ns(self.end_ns)
