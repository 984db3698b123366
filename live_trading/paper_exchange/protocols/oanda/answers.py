"""v20's questions: accounts, orders, trades, positions, prices, candles and transactions as they now are."""

from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any, Final

from live_trading.domain.bar_size import BarSize
from live_trading.domain.market import Bar, Ohlc
from live_trading.paper_exchange.core import Listing
from live_trading.paper_exchange.core.markets import Market
from live_trading.paper_exchange.exchange import SimulatedExchange
from live_trading.paper_exchange.protocols.oanda.book import AccountBook, Order, Trade
from live_trading.paper_exchange.protocols.oanda.chronicle import Chronicle
from live_trading.paper_exchange.protocols.oanda.words import (
    Json,
    V20Problem,
    instrument_json,
    money,
    number,
    parse_time,
    price_text,
    public,
    stamp,
)

GRANULARITIES: Final = {
    "S5": BarSize.SECS_5, "S10": BarSize.SECS_10, "S15": BarSize.SECS_15, "S30": BarSize.SECS_30,
    "M1": BarSize.MIN_1, "M2": BarSize.MINS_2, "M5": BarSize.MINS_5, "M10": BarSize.MINS_10, "M15": BarSize.MINS_15,
    "M30": BarSize.MINS_30, "H1": BarSize.HOUR_1, "H2": BarSize.HOURS_2, "H3": BarSize.HOURS_3,
    "H4": BarSize.HOURS_4, "H8": BarSize.HOURS_8, "D": BarSize.DAY_1,
}  # fmt: skip
MOST_CANDLES: Final = 5000
PAGE: Final = 1000
_FILLABLE: Final = "10000000"
_STATES: Final = ("PENDING", "FILLED", "TRIGGERED", "CANCELLED", "ALL")


class Answers:
    """The questions of one account."""

    def __init__(self, exchange: SimulatedExchange, chronicle: Chronicle, account: str) -> None:
        self._exchange = exchange
        self._names = chronicle.names
        self._book: AccountBook = chronicle.books[account]
        self._account = account

    # ---- how far a client can see ------------------------------------------------------------------------------------

    @property
    def _horizon(self) -> int:
        """The last transaction that is visible: before the first order that a fault hides."""
        hidden = [order_id for core_id, order_id in self._book.by_core.items() if self._exchange.is_hidden(core_id)]
        return min(hidden) - 1 if hidden else self._book.last_id

    def _last(self) -> Json:
        return {"lastTransactionID": str(self._horizon)}

    def _pending(self) -> list[Order]:
        horizon = self._horizon
        return [order for order in self._book.pending() if order.id <= horizon]

    # ---- account -----------------------------------------------------------------------------------------------------

    def summary(self) -> Json:
        return {"account": self._summary(), **self._last()}

    def details(self) -> Json:
        account = {
            **self._summary(),
            "orders": [self.order_json(order) for order in self._pending()],
            "trades": [self._trade_json(trade) for trade in self._book.open_trades()],
            "positions": self._positions(),
        }
        return {"account": account, **self._last()}

    def _summary(self) -> Json:
        book = self._book
        ledger, mark = self._exchange.engine.accounts[self._account], self._exchange.engine.mark
        unrealized = sum((self._unrealized(trade) for trade in book.open_trades()), Decimal(0))
        used = ledger.margin(mark)
        net = book.balance + unrealized
        return {
            "id": book.account,
            "alias": "Primary",
            "currency": book.currency,
            "createdByUserID": 1_234_567,
            "createdTime": book.transactions[0]["time"],
            "guaranteedStopLossOrderMode": "DISABLED",
            "hedgingEnabled": False,
            "marginRate": "0.03",
            "balance": money(book.balance),
            "pl": money(book.realized),
            "resettablePL": money(book.realized),
            "financing": "0.0000",
            "commission": money(book.commission),
            "guaranteedExecutionFees": "0.0000",
            "unrealizedPL": money(unrealized),
            "NAV": money(net),
            "marginUsed": money(used),
            "marginAvailable": money(max(net - used, Decimal(0))),
            "positionValue": money(used / Decimal("0.03")),
            "marginCloseoutPercent": number((used / net / 2).quantize(Decimal("0.00001"))) if net > 0 else "1",
            "withdrawalLimit": money(max(net - used, Decimal(0))),
            "openTradeCount": len(book.open_trades()),
            "openPositionCount": len(self._exchange.positions(self._account)),
            "pendingOrderCount": len(self._pending()),
            **self._last(),
        }

    def instruments(self, wanted: str | None) -> Json:
        names = self._wanted(wanted) if wanted else list(self._names.listings)
        return {"instruments": [instrument_json(name, self._names.listings[name]) for name in names], **self._last()}

    def _wanted(self, given: str | None) -> list[str]:
        names = [name for name in (given or "").split(",") if name]
        unknown = [name for name in names if self._names.listing(name) is None]
        if unknown or not names:
            raise V20Problem(400, "Invalid value specified for 'instruments'")
        return names

    # ---- orders and trades -------------------------------------------------------------------------------------------

    def order_json(self, order: Order) -> Json:
        told = order.json()
        if order.type == "TRAILING_STOP_LOSS" and order.core_id is not None and order.state == "PENDING":
            stands = self._exchange.engine.orders[order.core_id].stop_price
            if stands is not None and order.trade_id is not None:
                listing = self._names.listings[self._book.trades[order.trade_id].instrument]
                told["trailingStopValue"] = price_text(listing, stands)
        return told

    def order(self, specifier: str) -> Json:
        order = self._book.order(specifier)
        if order is None or order.id > self._horizon:
            raise V20Problem(404, "The order ID specified does not exist", "NO_SUCH_ORDER", **self._last())
        return {"order": self.order_json(order), **self._last()}

    def pending_orders(self) -> Json:
        newest_first = sorted(self._pending(), key=lambda order: -order.id)
        return {"orders": [self.order_json(order) for order in newest_first], **self._last()}

    def orders(self, query: Mapping[str, str]) -> Json:
        state = query.get("state", "PENDING")
        if state not in _STATES:
            raise V20Problem(400, "Invalid value specified for 'state'")
        found = [order for order in self._book.orders.values() if state in ("ALL", order.state)]
        if "ids" in query:
            wanted = set(query["ids"].split(","))
            found = [order for order in self._book.orders.values() if str(order.id) in wanted]
        horizon = self._horizon
        found = [order for order in found if order.id <= horizon and self._is_of(query, order.body.get("instrument"))]
        return {"orders": [self.order_json(order) for order in self._page(query, found)], **self._last()}

    def trades(self, query: Mapping[str, str], state: str | None = None) -> Json:
        state = state or query.get("state", "OPEN")
        found = [t for t in self._book.trades.values() if state in ("ALL", "OPEN" if t.is_open else "CLOSED")]
        found = [trade for trade in found if self._is_of(query, trade.instrument)]
        return {"trades": [self._trade_json(trade) for trade in self._page(query, found)], **self._last()}

    def trade(self, specifier: str) -> Json:
        trade = self._book.trade(specifier)
        if trade is None:
            raise V20Problem(404, "The trade ID specified does not exist", "NO_SUCH_TRADE", **self._last())
        return {"trade": self._trade_json(trade), **self._last()}

    @staticmethod
    def _is_of(query: Mapping[str, str], instrument: str | None) -> bool:
        return "instrument" not in query or query["instrument"] == instrument

    @staticmethod
    def _page(query: Mapping[str, str], found: Iterable[Any]) -> list[Any]:
        """Newest first, before ``beforeID``, ``count`` of them (50, at most 500)."""
        count = min(_whole(query, "count", 50), 500)
        before = _whole(query, "beforeID", 1 << 62)
        return sorted((each for each in found if each.id < before), key=lambda each: -each.id)[:count]

    def _unrealized(self, trade: Trade) -> Decimal:
        listing = self._names.listings[trade.instrument]
        mark = self._exchange.engine.mark(listing.symbol)
        return (mark - trade.price) * trade.units * self._rate(listing)

    def _rate(self, listing: Listing) -> Decimal:
        engine = self._exchange.engine
        return engine.accounts[self._account].rate(listing.instrument.currency, engine.mark)

    def _trade_json(self, trade: Trade) -> Json:
        told = self._book.trade_json(trade, self._unrealized(trade) if trade.is_open else Decimal(0))
        for order in self._book.dependents(trade).values():
            if order.type == "TRAILING_STOP_LOSS":
                told["trailingStopLossOrder"] = self.order_json(order)
        return told

    # ---- positions ---------------------------------------------------------------------------------------------------

    def positions(self, *, only_open: bool) -> Json:
        return {"positions": self._positions(only_open=only_open), **self._last()}

    def position(self, instrument: str) -> Json:
        if self._names.listing(instrument) is None:
            raise V20Problem(400, "Invalid value specified for 'instrument'")
        found = [each for each in self._positions() if each["instrument"] == instrument]
        if not found:
            raise V20Problem(404, "The position specified does not exist", "NO_SUCH_POSITION", **self._last())
        return {"position": found[0], **self._last()}

    def _positions(self, *, only_open: bool = False) -> list[Json]:
        """By instrument; quantities are the exchange's own, which a hand at its back office can move unreported."""
        held = {position.symbol: position for position in self._exchange.positions(self._account)}
        told = []
        for name, listing in self._names.listings.items():
            position = held.get(listing.symbol)
            trades = [trade for trade in self._book.trades.values() if trade.instrument == name]
            if position is None and (only_open or not trades):
                continue
            quantity = Decimal(0) if position is None else position.quantity
            realized = money(sum((trade.realized for trade in trades), Decimal(0)))
            unrealized = money(sum((self._unrealized(trade) for trade in trades if trade.is_open), Decimal(0)))
            sides: dict[str, Json] = {}
            for side, sign in (("long", 1), ("short", -1)):
                is_held = quantity * sign > 0
                sides[side] = {
                    "units": number(quantity) if is_held else "0",
                    "pl": realized if is_held else "0.0000",
                    "unrealizedPL": unrealized if is_held else "0.0000",
                    "resettablePL": realized if is_held else "0.0000",
                    "financing": "0.0000",
                }
                if is_held and position is not None:
                    sides[side]["averagePrice"] = number(position.average_price)
                    ids = [str(trade.id) for trade in trades if trade.is_open and trade.units * sign > 0]
                    sides[side] |= {"tradeIDs": ids} if ids else {}
            told.append({"instrument": name, "pl": realized, "unrealizedPL": unrealized, "financing": "0.0000",
                         "resettablePL": realized, "commission": "0.0000", **sides})  # fmt: skip
        return told

    # ---- prices ------------------------------------------------------------------------------------------------------

    def prices(self, wanted: str | None) -> Json:
        names = self._wanted(wanted)
        told = [price for name in names if (price := self.price_json(name)) is not None]
        return {"prices": told, "time": stamp(self._exchange.now_ns)}

    def wanted(self, given: str | None) -> frozenset[str]:
        """The instruments that a price stream is asked for."""
        return frozenset(self._wanted(given))

    def price_json(self, name: str) -> Json | None:
        """The present price; None before the first."""
        listing = self._names.listings[name]
        market: Market = self._exchange.engine.markets[listing.symbol]
        if market.bid is None or market.ask is None:
            return None
        bid, ask = price_text(listing, market.bid), price_text(listing, market.ask)
        is_open = self._exchange.is_open(listing.symbol)
        rate = number(self._rate(listing).quantize(Decimal("0.00000001")))
        return {
            "type": "PRICE",
            "instrument": name,
            "time": stamp(market.quote_ns),
            "status": "tradeable" if is_open else "non-tradeable",
            "tradeable": is_open,
            "bids": [{"price": bid, "liquidity": _FILLABLE}],
            "asks": [{"price": ask, "liquidity": _FILLABLE}],
            "closeoutBid": bid,
            "closeoutAsk": ask,
            "quoteHomeConversionFactors": {"positiveUnits": rate, "negativeUnits": rate},
        }

    def candles(self, name: str, query: Mapping[str, str]) -> Json:
        listing = self._names.listing(name)
        granularity = query.get("granularity", "S5")
        size = GRANULARITIES.get(granularity)
        if listing is None or size is None:
            what = "instrument" if listing is None else "granularity"
            raise V20Problem(400, f"Invalid value specified for '{what}'")
        count = _whole(query, "count", 500)
        if count > MOST_CANDLES:
            raise V20Problem(400, "Maximum value for 'count' exceeded")
        now_ns = self._exchange.now_ns
        start_ns, end_ns = _moment(query, "from", 0), _moment(query, "to", now_ns)
        bars = self._exchange.candles.history(listing.symbol, size, start_ns, end_ns, now_ns)
        bars = bars[:count] if "from" in query else bars[-count:]
        wanted = query.get("price", "M")
        told = [_candle(listing, bar, wanted) for bar in bars]
        return {"instrument": name, "granularity": granularity, "candles": told}

    # ---- transactions ------------------------------------------------------------------------------------------------

    def transaction(self, identifier: str) -> Json:
        if not identifier.isdecimal() or not 0 < int(identifier) <= self._horizon:
            raise V20Problem(404, "The transaction ID specified does not exist", "NO_SUCH_TRANSACTION", **self._last())
        return {"transaction": public(self._book.transactions[int(identifier) - 1]), **self._last()}

    def since(self, query: Mapping[str, str]) -> Json:
        return self._range(_whole(query, "id", None) + 1, self._horizon, query)

    def id_range(self, query: Mapping[str, str]) -> Json:
        return self._range(_whole(query, "from", None), _whole(query, "to", None), query)

    def _range(self, first: int, last: int, query: Mapping[str, str]) -> Json:
        kinds = set(query["type"].split(",")) if query.get("type") else None
        end = min(last, self._horizon, first + PAGE - 1)
        found = (transaction for transaction in self._book.transactions[max(first, 1) - 1 : end])
        told = [public(each) for each in found if kinds is None or each["type"] in kinds or "ORDER" in kinds]
        return {"transactions": told, **self._last()}

    def pages(self, query: Mapping[str, str], base: str) -> Json:
        size = min(_whole(query, "pageSize", 100), PAGE)
        last = self._horizon
        pages = [f"{base}/idrange?from={start}&to={min(start + size - 1, last)}" for start in range(1, last + 1, size)]
        first_time = self._book.transactions[0]["time"]
        return {"from": query.get("from", first_time), "to": query.get("to", stamp(self._exchange.now_ns)),
                "pageSize": size, "count": last, "pages": pages, **self._last()}  # fmt: skip

    def beat(self) -> Json:
        """The transaction stream's heartbeat."""
        return {"type": "HEARTBEAT", "time": stamp(self._exchange.now_ns), **self._last()}


def _whole(query: Mapping[str, str], name: str, default: int | None) -> int:
    text = query.get(name)
    if text is None and default is not None:
        return default
    if text is None or not text.isdecimal():
        raise V20Problem(400, f"Invalid value specified for '{name}'")
    return int(text)


def _moment(query: Mapping[str, str], name: str, default: int) -> int:
    if name not in query:
        return default
    try:
        return parse_time(query[name])
    except ValueError:
        raise V20Problem(400, f"Invalid value specified for '{name}'") from None


def _candle(listing: Listing, bar: Bar, wanted: str) -> Json:
    middle = Ohlc(bar.open, bar.high, bar.low, bar.close)
    sides = {"M": ("mid", middle), "B": ("bid", bar.bid or middle), "A": ("ask", bar.ask or middle)}
    told: Json = {"complete": True, "volume": bar.tick_count, "time": stamp(bar.start_ns)}
    for letter, (name, side) in sides.items():
        if letter in wanted:
            told[name] = {key: number(price) for key, price in zip("ohlc", side, strict=True)}
    return told
