"""Price history made of the ticks seen: bars of five seconds for hours back, of one minute for days back."""

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal

from live_trading.domain.bar_size import BarSize
from live_trading.domain.market import Bar, Ohlc, QuoteTick, Tick, TradeTick
from live_trading.paper_exchange.core.markets import Sessions
from live_trading.paper_exchange.core.models import Catalogue
from live_trading.paper_exchange.core.types import ZERO

_FINE = BarSize.SECS_5
_COARSE = BarSize.MIN_1
_KEPT = {_FINE: 6 * 720, _COARSE: 14 * 1440}
"""How many bars of each base size are kept: six hours, and fourteen days."""


@dataclass(slots=True)
class _Side:
    open: Decimal
    high: Decimal
    low: Decimal
    close: Decimal

    def add(self, price: Decimal) -> None:
        if price > self.high:
            self.high = price
        elif price < self.low:
            self.low = price
        self.close = price

    def merge(self, later: "_Side") -> None:
        self.high = max(self.high, later.high)
        self.low = min(self.low, later.low)
        self.close = later.close

    def copy(self) -> "_Side":
        return _Side(self.open, self.high, self.low, self.close)

    def ohlc(self) -> Ohlc:
        return Ohlc(self.open, self.high, self.low, self.close)


@dataclass(slots=True)
class _Candle:
    start_ns: int
    price: _Side
    bid: _Side | None
    ask: _Side | None
    volume: Decimal = ZERO
    ticks: int = 0

    def copy(self, start_ns: int) -> "_Candle":
        bid, ask = self.bid and self.bid.copy(), self.ask and self.ask.copy()
        return _Candle(start_ns, self.price.copy(), bid, ask, self.volume, self.ticks)

    def merge(self, later: "_Candle") -> None:
        self.price.merge(later.price)
        if self.bid and self.ask and later.bid and later.ask:
            self.bid.merge(later.bid)
            self.ask.merge(later.ask)
        self.volume += later.volume
        self.ticks += later.ticks

    def bar(self, symbol: str, size: BarSize) -> Bar:
        bid = self.bid.ohlc() if self.bid else None
        ask = self.ask.ohlc() if self.ask else None
        return Bar(symbol, size, self.start_ns, *self.price.ohlc(), self.volume, self.ticks, bid, ask)


class _Series:
    """The bars of one instrument in one base size, the last one still open."""

    def __init__(self, size: BarSize) -> None:
        self.size = size
        self.candles: deque[_Candle] = deque(maxlen=_KEPT[size])

    def add(self, tick: Tick) -> _Candle | None:
        """Count a tick; the bar that it closed, if it did."""
        start_ns = tick.time_ns // self.size.nanoseconds * self.size.nanoseconds
        last = self.candles[-1] if self.candles else None
        closed = None
        price = tick.price
        if last is None or last.start_ns < start_ns:
            closed = last
            quote = isinstance(tick, QuoteTick)
            bid, ask = (_point(tick.bid), _point(tick.ask)) if quote else (None, None)
            last = _Candle(start_ns, _point(price), bid, ask)
            self.candles.append(last)
        else:
            last.price.add(price)
            if last.bid and last.ask:
                last.bid.add(tick.bid)
                last.ask.add(tick.ask)
        last.ticks += 1
        if isinstance(tick, TradeTick):
            last.volume += tick.size
        return closed


def _point(price: Decimal) -> _Side:
    return _Side(price, price, price, price)


class Candles:
    """The history of every instrument. Bars of minutes that have closed are given out once, to be stored."""

    def __init__(self, catalogue: Catalogue) -> None:
        self._sessions = {listing.symbol: Sessions(listing.instrument.hours) for listing in catalogue}
        self._fine = {listing.symbol: _Series(_FINE) for listing in catalogue}
        self._coarse = {listing.symbol: _Series(_COARSE) for listing in catalogue}
        self._closed: deque[Bar] = deque(maxlen=100_000)

    def add(self, tick: Tick) -> None:
        self._fine[tick.symbol].add(tick)
        closed = self._coarse[tick.symbol].add(tick)
        if closed is not None:
            self._closed.append(closed.bar(tick.symbol, _COARSE))

    def take_closed(self) -> list[Bar]:
        """The minutes closed since the last call."""
        closed = list(self._closed)
        self._closed.clear()
        return closed

    def restore(self, bars: Iterable[Bar]) -> None:
        """Take back stored minutes, oldest first."""
        for bar in bars:
            if bar.symbol in self._coarse:
                bid, ask = bar.bid and _Side(*bar.bid), bar.ask and _Side(*bar.ask)
                price = _Side(bar.open, bar.high, bar.low, bar.close)
                candle = _Candle(bar.start_ns, price, bid, ask, bar.volume, bar.tick_count)
                self._coarse[bar.symbol].candles.append(candle)

    def history(self, symbol: str, size: BarSize, start_ns: int, end_ns: int, now_ns: int) -> list[Bar]:
        """The bars that start in [start, end) and are over by ``now_ns``, oldest first, aligned to the trading day."""
        series = (self._coarse if size.seconds >= 60 else self._fine)[symbol]
        sessions = self._sessions[symbol]
        merged: list[_Candle] = []
        for candle in series.candles:
            bucket = _bucket(sessions, size, candle.start_ns)
            if not start_ns <= bucket < end_ns:
                continue
            if merged and merged[-1].start_ns == bucket:
                merged[-1].merge(candle)
            else:
                merged.append(candle.copy(bucket))
        if merged and not _over(sessions, size, merged[-1].start_ns, now_ns):
            merged.pop()
        return [candle.bar(symbol, size) for candle in merged]


def _bucket(sessions: Sessions, size: BarSize, start_ns: int) -> int:
    day = sessions.trading_day(start_ns)
    if size is BarSize.DAY_1:
        return day
    return day + (start_ns - day) // size.nanoseconds * size.nanoseconds


def _over(sessions: Sessions, size: BarSize, start_ns: int, now_ns: int) -> bool:
    if size is BarSize.DAY_1 and (not sessions.is_open(now_ns) or sessions.trading_day(now_ns) > start_ns):
        return True
    return start_ns + size.nanoseconds <= now_ns
