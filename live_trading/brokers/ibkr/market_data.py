"""Ticks of one connection: from market data, tick by tick, or bars of five seconds."""

from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

import structlog
from ib_async.contract import Contract

from live_trading.brokers.ibkr.contracts import number
from live_trading.brokers.ibkr.link import Link
from live_trading.brokers.ibkr.wrapper import Ohlc
from live_trading.brokers.types import BarEvent, BrokerEvent, TickEvent
from live_trading.domain.bar_size import BarSize
from live_trading.domain.instrument import Instrument
from live_trading.domain.market import Bar, QuoteTick, TradeTick

_log = structlog.get_logger(__name__)

_BID, _ASK, _LAST = (1, 66), (2, 67), (4, 68)
"""Kinds of price, live and delayed."""
_BID_SIZE, _ASK_SIZE = (0, 69), (3, 70)
_TICK_BY_TICK_LIMIT = 10190
_SECOND = 1_000_000_000


class TickSource(StrEnum):
    """Where ticks come from. QUOTES: market data, four times a second. TICK_BY_TICK: each one, for few instruments at
    a time. BARS: one a bar of five seconds, its close; the bar is told too."""

    QUOTES = "quotes"
    TICK_BY_TICK = "tick by tick"
    BARS = "5 second bars"


@dataclass(slots=True)
class _Subscription:
    instrument: Instrument
    contract: Contract
    source: TickSource
    bid: Decimal | None = None
    ask: Decimal | None = None
    bid_size: Decimal = Decimal(0)
    ask_size: Decimal = Decimal(0)
    changed: bool = False


class Tickers:
    """What is subscribed to. ``put`` takes events, ``now_ns`` is the market's time."""

    def __init__(self, link: Link, put: Callable[[BrokerEvent], None], now_ns: Callable[[], int]) -> None:
        self._link = link
        self._put = put
        self._now_ns = now_ns
        self._by_request: dict[int, _Subscription] = {}
        self._by_symbol: dict[str, int] = {}

    async def subscribe(self, instrument: Instrument, contract: Contract, source: TickSource) -> None:
        """Start an instrument's ticks; twice is once."""
        if instrument.symbol in self._by_symbol:
            return
        await self._link.budget.take(1, order=False)
        if instrument.symbol not in self._by_symbol:
            self._ask(_Subscription(instrument, contract, source))

    def _ask(self, subscription: _Subscription) -> None:
        request_id = self._link.request_id()
        client, contract = self._link.client, subscription.contract
        is_quote = subscription.instrument.quote_kind == "QUOTE"
        match subscription.source:
            case TickSource.QUOTES:
                client.reqMktData(request_id, contract, "", False, False, [])
            case TickSource.TICK_BY_TICK:
                client.reqTickByTickData(request_id, contract, "BidAsk" if is_quote else "AllLast", 0, False)
            case TickSource.BARS:
                client.reqRealTimeBars(request_id, contract, 5, "MIDPOINT" if is_quote else "TRADES", False, [])
        self._by_request[request_id] = subscription
        self._by_symbol[subscription.instrument.symbol] = request_id

    def unsubscribe(self, symbol: str) -> None:
        request_id = self._by_symbol.pop(symbol, None)
        if request_id is None:
            return
        match self._by_request.pop(request_id).source:
            case TickSource.QUOTES:
                self._link.client.cancelMktData(request_id)
            case TickSource.TICK_BY_TICK:
                self._link.client.cancelTickByTickData(request_id)
            case TickSource.BARS:
                self._link.client.cancelRealTimeBars(request_id)

    def forget(self) -> None:
        """TWS has lost every subscription (1101)."""
        self._by_request.clear()
        self._by_symbol.clear()

    def on_message(self, request_id: int, code: int, text: str) -> bool:
        """Take an error about a subscription; whether it was one."""
        subscription = self._by_request.get(request_id)
        if subscription is None:
            return False
        symbol = subscription.instrument.symbol
        _log.warning("market data", symbol=symbol, code=code, text=text)
        if code == _TICK_BY_TICK_LIMIT and subscription.source is TickSource.TICK_BY_TICK:
            del self._by_request[request_id], self._by_symbol[symbol]
            subscription.source = TickSource.QUOTES
            self._ask(subscription)
        return True

    # What TWS tells

    def on_price(self, request_id: int, kind: int, price: float, size: float) -> None:
        subscription = self._by_request.get(request_id)
        if subscription is None:
            return
        known = price > 0 and size > 0
        if kind in _BID:
            subscription.bid = number(price) if known else None
            subscription.bid_size, subscription.changed = number(size), True
        elif kind in _ASK:
            subscription.ask = number(price) if known else None
            subscription.ask_size, subscription.changed = number(size), True
        elif kind in _LAST and price > 0 and subscription.instrument.quote_kind == "TRADE":
            self._put(TickEvent(TradeTick(subscription.instrument.symbol, self._now_ns(), number(price), number(size))))

    def on_size(self, request_id: int, kind: int, size: float) -> None:
        subscription = self._by_request.get(request_id)
        if subscription is None:
            return
        if kind in _BID_SIZE:
            subscription.bid_size = number(size)
        elif kind in _ASK_SIZE:
            subscription.ask_size = number(size)

    def on_data_processed(self) -> None:
        """Bid and ask come one after the other: a quote is told when both of what came together are known."""
        for subscription in self._by_request.values():
            if not subscription.changed:
                continue
            subscription.changed = False
            if subscription.bid is None or subscription.ask is None:
                continue
            if subscription.instrument.quote_kind == "QUOTE":
                self._put(
                    TickEvent(
                        QuoteTick(
                            subscription.instrument.symbol,
                            self._now_ns(),
                            subscription.bid,
                            subscription.ask,
                            subscription.bid_size,
                            subscription.ask_size,
                        )
                    )
                )

    def on_tick_by_tick(self, request_id: int, prices: tuple[float, ...], sizes: tuple[float, ...]) -> None:
        """TWS's own time of a tick has whole seconds only: the time of its coming is finer, and never goes back."""
        subscription = self._by_request.get(request_id)
        if subscription is None or min(prices) <= 0:
            return
        symbol, now = subscription.instrument.symbol, self._now_ns()
        if len(prices) == 2:
            bid, ask = map(number, prices)
            self._put(TickEvent(QuoteTick(symbol, now, bid, ask, *map(number, sizes))))
        else:
            self._put(TickEvent(TradeTick(symbol, now, number(prices[0]), number(sizes[0]))))

    def on_bar(self, request_id: int, second: int, ohlc: Ohlc, volume: float, count: int) -> None:
        subscription = self._by_request.get(request_id)
        if subscription is None:
            return
        symbol = subscription.instrument.symbol
        opened, high, low, close = map(number, ohlc)
        traded = number(max(volume, 0))
        bar = Bar(symbol, BarSize.SECS_5, second * _SECOND, opened, high, low, close, traded, max(count, 0))
        self._put(BarEvent(bar))
        if subscription.instrument.quote_kind == "QUOTE":
            self._put(TickEvent(QuoteTick(symbol, self._now_ns(), close, close)))
        else:
            self._put(TickEvent(TradeTick(symbol, self._now_ns(), close, traded)))
