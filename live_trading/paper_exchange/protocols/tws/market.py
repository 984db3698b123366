"""Market data for one client: quotes, tick by tick, bars of five seconds, history with TWS's pacing rules."""

import re
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

from live_trading.domain.bar_size import BarSize
from live_trading.domain.market import Bar, QuoteTick, Tick, ns_from_utc
from live_trading.paper_exchange.exchange import SimulatedExchange
from live_trading.paper_exchange.protocols.tws.codes import Code
from live_trading.paper_exchange.protocols.tws.contracts import AskedContract, ContractBook
from live_trading.paper_exchange.protocols.tws.frames import BadField, Fields, Value, encode
from live_trading.runtime import utc_from_ns

MOST_SUBSCRIPTIONS = 100
MOST_TICK_BY_TICK = 5
"""Tick-by-tick requests of a client at a time (TWS: a twentieth of its market data lines)."""
_SECOND = 1_000_000_000
_BID, _ASK, _LAST = 1, 2, 4
_UNITS = {"S": 1, "D": 86_400, "W": 7 * 86_400, "M": 30 * 86_400, "Y": 365 * 86_400}
_IDENTICAL_SECONDS, _BURST_SECONDS, _WINDOW_SECONDS = 15.0, 2.0, 600.0
_MOST_IN_BURST, _MOST_IN_WINDOW = 6, 60

Send = Callable[[bytes], None]
Error = Callable[[int, int, str], None]


@dataclass(slots=True)
class _Quote:
    """A reqMktData: what was last told."""

    symbol: str
    bid: tuple[Decimal, Decimal] | None = None
    ask: tuple[Decimal, Decimal] | None = None


@dataclass(slots=True)
class _BarsOf5:
    symbol: str
    what: str
    told_ns: int


class MarketDesk:
    """What one connected client is subscribed to."""

    def __init__(self, exchange: SimulatedExchange, book: ContractBook, version: int, send: Send, error: Error) -> None:
        self._exchange = exchange
        self._book = book
        self._version = version
        self._send = send
        self._error = error
        self._quotes: dict[int, _Quote] = {}
        self._tick_by_tick: dict[int, tuple[str, str]] = {}
        self._bars: dict[int, _BarsOf5] = {}
        self._pace = Pace()

    @property
    def symbols(self) -> set[str]:
        """What somebody waits for prices of."""
        quotes = {quote.symbol for quote in self._quotes.values()}
        return quotes | {symbol for symbol, _ in self._tick_by_tick.values()} | {b.symbol for b in self._bars.values()}

    def forget(self) -> None:
        """The data is lost (1101): every subscription ends without a word."""
        self._quotes.clear()
        self._tick_by_tick.clear()
        self._bars.clear()

    # Requests

    def _symbol(self, request_id: int, asked: AskedContract) -> str | None:
        found = self._book.find(asked)
        if len(found) == 1:
            return found[0]
        self._error(request_id, Code.NO_SECURITY, "No security definition has been found for the request")
        return None

    def quotes(self, fields: Fields) -> None:
        fields.skip(1)
        request_id, asked = fields.integer(), AskedContract.read(fields)
        symbol = self._symbol(request_id, asked)
        if symbol is None:
            return
        if len(self._quotes) >= MOST_SUBSCRIPTIONS:
            self._error(request_id, 101, "Max number of tickers has been reached")
            return
        quote = self._quotes[request_id] = _Quote(symbol)
        tick_size = self._exchange.catalogue[symbol].instrument.tick_size
        self._send(encode(81, request_id, tick_size, "9c0001", 3))
        self._send(encode(58, 1, request_id, 1))
        market = self._exchange.engine.markets[symbol]
        if market.bid is not None and market.ask is not None:
            self._tell_quote(request_id, quote, (market.bid, Decimal(1)), (market.ask, Decimal(1)))
        if market.last is not None:
            self._tell_price(request_id, _LAST, market.last, Decimal(0))

    def end_quotes(self, fields: Fields) -> None:
        fields.skip(1)
        self._ended(self._quotes.pop(fields.integer(), None))

    def _ended(self, subscription: object) -> None:
        """Cancelling what is not there is no fault: TWS says 300, and goes on."""
        if subscription is None:
            self._error(-1, Code.NO_SUCH_TICKER, "Can't find EId with ticker Id")

    def tick_by_tick(self, fields: Fields) -> None:
        request_id, asked, kind = fields.integer(), AskedContract.read(fields), fields.text()
        symbol = self._symbol(request_id, asked)
        if symbol is None:
            return
        if kind not in ("BidAsk", "Last", "AllLast", "MidPoint"):
            self._error(request_id, Code.VALIDATION, f"Error validating request: tick type {kind[:20]}")
        elif len(self._tick_by_tick) >= MOST_TICK_BY_TICK:
            text = "Max number of tick-by-tick requests has been reached."
            self._error(request_id, Code.TICK_BY_TICK_LIMIT, text)
        else:
            self._tick_by_tick[request_id] = (symbol, kind)

    def end_tick_by_tick(self, fields: Fields) -> None:
        self._ended(self._tick_by_tick.pop(fields.integer(), None))

    def bars(self, fields: Fields) -> None:
        fields.skip(1)
        request_id, asked, size, what = fields.integer(), AskedContract.read(fields), fields.integer(), fields.text()
        symbol = self._symbol(request_id, asked)
        if symbol is None:
            return
        if size != 5 or what not in ("TRADES", "MIDPOINT", "BID", "ASK"):
            self._error(request_id, Code.INVALID_REAL_TIME_QUERY, "Invalid Real-time Query: 5 second bars only")
            return
        self._bars[request_id] = _BarsOf5(symbol, what, self._exchange.now_ns)

    def end_bars(self, fields: Fields) -> None:
        fields.skip(1)
        self._ended(self._bars.pop(fields.integer(), None))

    # Telling

    def on_tick(self, tick: Tick) -> None:
        for request_id, quote in self._quotes.items():
            if quote.symbol == tick.symbol:
                self._tell_tick(request_id, quote, tick)
        for request_id, (symbol, kind) in self._tick_by_tick.items():
            if symbol == tick.symbol:
                self._tell_tick_by_tick(request_id, kind, tick)

    def _tell_tick(self, request_id: int, quote: _Quote, tick: Tick) -> None:
        if isinstance(tick, QuoteTick):
            bid, ask = (tick.bid, tick.bid_size or Decimal(1)), (tick.ask, tick.ask_size or Decimal(1))
            self._tell_quote(request_id, quote, bid, ask)
        else:
            self._tell_price(request_id, _LAST, tick.price, tick.size)

    def _tell_quote(
        self, request_id: int, quote: _Quote, bid: tuple[Decimal, Decimal], ask: tuple[Decimal, Decimal]
    ) -> None:
        if bid != quote.bid:
            self._tell_price(request_id, _BID, *bid)
        if ask != quote.ask:
            self._tell_price(request_id, _ASK, *ask)
        quote.bid, quote.ask = bid, ask

    def _tell_price(self, request_id: int, kind: int, price: Decimal, size: Decimal) -> None:
        self._send(encode(1, 6, request_id, kind, price, size, 1))

    def _tell_tick_by_tick(self, request_id: int, kind: str, tick: Tick) -> None:
        second = tick.time_ns // _SECOND
        if isinstance(tick, QuoteTick):
            if kind == "BidAsk":
                sizes = (tick.bid_size or 1, tick.ask_size or 1)
                self._send(encode(99, request_id, 3, second, tick.bid, tick.ask, *sizes, 0))
            elif kind == "MidPoint":
                self._send(encode(99, request_id, 4, second, tick.price))
        elif kind in ("Last", "AllLast"):
            number = 1 if kind == "Last" else 2
            self._send(encode(99, request_id, number, second, tick.price, tick.size, 0, "", ""))

    def on_time(self, now_ns: int) -> None:
        """Tell the bars of five seconds that have closed."""
        for request_id, subscription in self._bars.items():
            closed = self._exchange.candles.history(
                subscription.symbol, BarSize.SECS_5, subscription.told_ns, now_ns, now_ns
            )
            for bar in closed:
                subscription.told_ns = bar.end_ns
                values = _values(bar, subscription.what)
                self._send(encode(50, 3, request_id, bar.start_ns // _SECOND, *values, bar.volume, 0, bar.tick_count))

    # History

    def history(self, fields: Fields) -> None:
        request_id, asked = fields.integer(), AskedContract.read(fields)
        fields.skip(1)  # includeExpired
        end, size_name, duration = fields.text(), fields.text(), fields.text()
        fields.skip(1)  # useRTH
        what, date_format = fields.text(), fields.integer()
        symbol = self._symbol(request_id, asked)
        if symbol is None:
            return None
        try:
            size = BarSize(size_name)
            end_ns = _moment(end, self._exchange.now_ns)
            start_ns = end_ns - _seconds(duration) * _SECOND
        except (ValueError, BadField) as error:
            text = f"Historical Market Data Service error message:{error}"
            return self._error(request_id, Code.VALIDATION, text)
        if what not in ("TRADES", "MIDPOINT", "BID", "ASK"):
            text = "Historical Market Data Service error message:No historical data of that type"
            return self._error(request_id, Code.HISTORICAL_DATA, text)
        now = self._exchange.clock.monotonic()
        if not self._pace.allows(now, (symbol, end, size_name, duration, what), symbol):
            text = "Historical Market Data Service error message:Historical data request pacing violation"
            return self._error(request_id, Code.HISTORICAL_DATA, text)
        bars = self._exchange.candles.history(symbol, size, start_ns, end_ns, self._exchange.now_ns)
        if not bars:
            text = "Historical Market Data Service error message:HMDS query returned no data"
            return self._error(request_id, Code.HISTORICAL_DATA, text)
        self._tell_history(request_id, bars, what, date_format, start_ns, end_ns)
        return None

    def _tell_history(
        self, request_id: int, bars: list[Bar], what: str, date_format: int, start_ns: int, end_ns: int
    ) -> None:
        span = [f"{utc_from_ns(ns):%Y%m%d %H:%M:%S} UTC" for ns in (start_ns, end_ns)]
        fields: list[Value] = [17, request_id, *span, len(bars)]
        for bar in bars:
            at = bar.start
            if bar.bar_size is BarSize.DAY_1:
                # Named by the day it ends on, as a session that opens on the evening before is.
                when = f"{bar.end - timedelta(seconds=1):%Y%m%d}"
            else:
                when = str(bar.start_ns // _SECOND) if date_format == 2 else f"{at:%Y%m%d %H:%M:%S} UTC"
            count = bar.tick_count if what == "TRADES" else -1
            volume = bar.volume if what == "TRADES" else -1
            fields += [when, *_values(bar, what), volume, bar.close, count]
        self._send(encode(*fields))


def _values(bar: Bar, what: str) -> tuple[Decimal, Decimal, Decimal, Decimal]:
    side = {"BID": bar.bid, "ASK": bar.ask}.get(what)
    if side is not None:
        return side.open, side.high, side.low, side.close
    return bar.open, bar.high, bar.low, bar.close


def _seconds(duration: str) -> int:
    found = re.fullmatch(r"(\d{1,6}) ([SDWMY])", duration)
    if found is None or not int(found[1]):
        raise BadField(f"duration {duration[:20]!r}")
    return int(found[1]) * _UNITS[found[2]]


def _moment(text: str, now_ns: int) -> int:
    """``""`` for now, ``20261130-09:30:00`` (UTC), or ``20261130 09:30:00 Europe/Berlin``."""
    if not text:
        return now_ns
    date, _, zone = text.replace("-", " ", 1).rpartition(" ") if text.count(" ") >= 2 else (text, "", "UTC")
    at = datetime.strptime(date.replace("-", " ") + "+0000", "%Y%m%d %H:%M:%S%z")
    try:
        return ns_from_utc(at.replace(tzinfo=ZoneInfo(zone)).astimezone(UTC))
    except (KeyError, OSError) as error:
        raise BadField(f"time zone {zone[:40]!r}") from error


class Pace:
    """TWS's rules for history: no identical request within 15 s, less than six of one contract within 2 s, and 60
    within ten minutes."""

    def __init__(self) -> None:
        self._asked: deque[tuple[float, tuple[str, ...], str]] = deque()

    def allows(self, now: float, request: tuple[str, ...], symbol: str) -> bool:
        """Whether this one may be answered; if so it counts."""
        while self._asked and now - self._asked[0][0] >= _WINDOW_SECONDS:
            self._asked.popleft()
        identical = any(known == request and now - at < _IDENTICAL_SECONDS for at, known, _ in self._asked)
        burst = sum(name == symbol and now - at < _BURST_SECONDS for at, _, name in self._asked)
        if identical or burst >= _MOST_IN_BURST or len(self._asked) >= _MOST_IN_WINDOW:
            return False
        self._asked.append((now, request, symbol))
        return True
