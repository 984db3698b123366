"""Order requests: v20's JSON read into an order of the matching core, or refused for one of v20's reasons."""

import json
from decimal import Decimal, InvalidOperation
from typing import Any, Final

from live_trading.domain.values import OrderType, Side, TimeInForce
from live_trading.paper_exchange.core import Listing, NewOrder
from live_trading.paper_exchange.exchange import SimulatedExchange
from live_trading.paper_exchange.protocols.oanda.book import DEPENDENT, AccountBook, Trade
from live_trading.paper_exchange.protocols.oanda.chronicle import LABEL
from live_trading.paper_exchange.protocols.oanda.words import Json, Names, number, parse_time, price_text

ENTRIES: Final = ("MARKET", "LIMIT", "STOP", "MARKET_IF_TOUCHED")
_RESTING: Final = {"GTC": TimeInForce.GTC, "GTD": TimeInForce.GTC, "GFD": TimeInForce.DAY}
_AT_ONCE: Final = ("FOK", "IOC")
_FILLS: Final = ("DEFAULT", "REDUCE_FIRST", "REDUCE_ONLY")
_ON_FILL: Final = {
    "takeProfitOnFill": ("TAKE_PROFIT", OrderType.LIMIT),
    "stopLossOnFill": ("STOP_LOSS", OrderType.STOP),
    "trailingStopLossOnFill": ("TRAILING_STOP_LOSS", OrderType.TRAILING_STOP),
}
_MAX_ID = 128


class Reject(Exception):  # noqa: N818 - v20's word
    """The request is refused; ``reason`` is one of v20's TransactionRejectReason."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class CancelledAtOnce(Exception):  # noqa: N818 - what v20 does to it
    """The request is well-formed, and its order is cancelled in the moment it is created, for ``reason``."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class OrderReader:
    """Reads the requests of one account."""

    def __init__(self, exchange: SimulatedExchange, names: Names, book: AccountBook) -> None:
        self._exchange = exchange
        self._names = names
        self._book = book

    def read(self, request: Json, *, replaces: int | None = None) -> NewOrder:
        """The order of the core. Raises :class:`Reject`, :class:`CancelledAtOnce`."""
        kind = request.get("type")
        self._check_client_id(request.get("clientExtensions"), "CLIENT_ORDER_ID", replaces)
        if kind in DEPENDENT:
            return self._dependent(str(kind), request, replaces)
        if kind in ENTRIES:
            return self._entry(str(kind), request, replaces)
        raise Reject("TYPE_INVALID")

    # ---- orders that may open ----------------------------------------------------------------------------------------

    def _entry(self, kind: str, request: Json, replaces: int | None) -> NewOrder:
        listing = self._listing(request)
        units = self._units(listing, request.get("units"))
        side = Side.BUY if units > 0 else Side.SELL
        in_force = str(request.get("timeInForce", "FOK" if kind == "MARKET" else "GTC"))
        if in_force not in (_AT_ONCE if kind == "MARKET" else _RESTING):
            raise Reject("TIME_IN_FORCE_INVALID")
        fill = str(request.get("positionFill", "DEFAULT"))
        if fill not in _FILLS:
            raise Reject("POSITION_FILL_INVALID")
        if fill == "REDUCE_ONLY":
            left = self._book.reducible(request["instrument"], units)
            if not left:
                raise CancelledAtOnce("POSITION_CLOSEOUT_FAILED")
            units = left if units > 0 else -left
        fields: Json = {"type": kind, "timeInForce": in_force, "positionFill": fill}
        self._keep(request, fields, "clientExtensions", "tradeClientExtensions", "gtdTime")
        if in_force == "GTD":
            self._check_expiry(request.get("gtdTime"))
        order_type, limit, stop = self._prices(kind, listing, side, request, fields)
        attached = self._on_fill(listing, side, abs(units), request, fields)
        self._check_opening(request, units, attached, replaces)
        if kind == "MARKET":
            self._check_losses(request, units, attached)
        return NewOrder(
            client_order_id=fields.get("clientExtensions", {}).get("id"),
            symbol=listing.symbol,
            side=side,
            order_type=order_type,
            quantity=abs(units),
            limit_price=limit,
            stop_price=stop,
            time_in_force=TimeInForce.IOC if kind == "MARKET" else _RESTING[in_force],
            attached=tuple(attached),
            labels={LABEL: json.dumps({**fields, "reason": "CLIENT_ORDER"})},
        )

    def _listing(self, request: Json) -> Listing:
        if "instrument" not in request:
            raise Reject("INSTRUMENT_MISSING")
        listing = self._names.listing(request["instrument"])
        if listing is None:
            raise Reject("INSTRUMENT_UNKNOWN")
        return listing

    def _units(self, listing: Listing, given: Any) -> Decimal:
        if given is None:
            raise Reject("UNITS_MISSING")
        units = _decimal(given, "UNITS_INVALID")
        if not units:
            raise Reject("UNITS_INVALID")
        if units % listing.instrument.quantity_step:
            raise Reject("UNITS_PRECISION_EXCEEDED")
        if abs(units) > listing.max_quantity:
            raise Reject("UNITS_LIMIT_EXCEEDED")
        return units

    def _prices(
        self, kind: str, listing: Listing, side: Side, request: Json, fields: Json
    ) -> tuple[OrderType, Decimal | None, Decimal | None]:
        bound = None
        if "priceBound" in request:
            bound = _price(listing, request["priceBound"], "PRICE_BOUND")
            fields["priceBound"] = price_text(listing, bound)
        if kind == "MARKET":
            return (OrderType.MARKET, None, None) if bound is None else (OrderType.LIMIT, bound, None)
        price = _price(listing, request.get("price"), "PRICE")
        if kind == "LIMIT":
            fields.pop("priceBound", None)
            return OrderType.LIMIT, price, None
        market = self._exchange.engine.markets[listing.symbol]
        if kind == "MARKET_IF_TOUCHED":
            fields.pop("priceBound", None)
            quote = market.ask if side is Side.BUY else market.bid
            if quote is not None and (quote - price) * side.sign > 0:
                return OrderType.LIMIT, price, None
        if bound is not None and kind == "STOP":
            fields["price"] = price_text(listing, price)
            return OrderType.STOP_LIMIT, bound, price
        return OrderType.STOP, None, price

    def _check_expiry(self, given: Any) -> None:
        if given is None:
            raise Reject("TIME_IN_FORCE_GTD_TIMESTAMP_MISSING")
        try:
            expires = parse_time(str(given))
        except ValueError:
            raise Reject("TIME_IN_FORCE_GTD_TIMESTAMP_MISSING") from None
        if expires <= self._exchange.now_ns:
            raise Reject("TIME_IN_FORCE_GTD_TIMESTAMP_IN_PAST")

    def _on_fill(self, listing: Listing, side: Side, quantity: Decimal, request: Json, fields: Json) -> list[NewOrder]:
        attached = []
        for key, (kind, order_type) in _ON_FILL.items():
            given = request.get(key)
            if given is None:
                continue
            what = f"{kind}_ON_FILL"
            self._check_client_id(given.get("clientExtensions"), f"{what}_CLIENT_ORDER_ID", None)
            in_force = str(given.get("timeInForce", "GTC"))
            if in_force not in ("GTC", "GFD"):
                raise Reject(f"{what}_TIME_IN_FORCE_INVALID")
            own: Json = {"type": kind, "timeInForce": in_force, "triggerCondition": "DEFAULT", "reason": "ON_FILL"}
            self._keep(given, own, "clientExtensions")
            price = distance = None
            if order_type is OrderType.TRAILING_STOP:
                distance = _price(listing, given.get("distance"), f"{what}_PRICE_DISTANCE")
                told = {"distance": price_text(listing, distance)}
            else:
                price = _price(listing, given.get("price"), f"{what}_PRICE")
                told = {"price": price_text(listing, price)}
            fields[key] = {**told, **{name: own[name] for name in ("timeInForce", "clientExtensions") if name in own}}
            attached.append(
                NewOrder(
                    client_order_id=own.get("clientExtensions", {}).get("id"),
                    symbol=listing.symbol,
                    side=side.opposite,
                    order_type=order_type,
                    quantity=quantity,
                    limit_price=price if order_type is OrderType.LIMIT else None,
                    stop_price=price if order_type is OrderType.STOP else None,
                    time_in_force=_RESTING[in_force],
                    labels={LABEL: json.dumps(own)},
                    trailing_distance=distance,
                )
            )
        return attached

    def _reduces(self, request: Json, units: Decimal) -> bool:
        """Whether an order would first of all close something."""
        return any(trade.units * units < 0 for trade in self._book.open_trades(str(request["instrument"])))

    def _check_opening(self, request: Json, units: Decimal, attached: list[NewOrder], replaces: int | None) -> None:
        """The client's ids that opening a trade would use: OANDA finds out at the fill, an order that waits is refused
        here when it comes."""
        wanted = (request.get("tradeClientExtensions") or {}).get("id")
        taken = {trade.client_id for trade in self._book.open_trades()}
        if wanted is not None and wanted in taken and not self._reduces(request, units):
            raise CancelledAtOnce("CLIENT_TRADE_ID_ALREADY_EXISTS")
        pending = {order.client_id for order in self._book.pending() if order.id != replaces}
        for child in attached:
            if child.client_order_id is not None and child.client_order_id in pending:
                kind = next(kind for kind, order_type in _ON_FILL.values() if order_type is child.order_type)
                raise CancelledAtOnce(f"{kind}_ON_FILL_CLIENT_ORDER_ID_ALREADY_EXISTS")

    def _check_losses(self, request: Json, units: Decimal, attached: list[NewOrder]) -> None:
        """A protection that would lose at once keeps an order that trades now from doing so."""
        if self._reduces(request, units):
            return
        market = self._exchange.engine.markets[self._names.listings[str(request["instrument"])].symbol]
        quote, sign = (market.bid, 1) if units > 0 else (market.ask, -1)
        for child in attached:
            price = child.stop_price or child.limit_price
            if price is None or quote is None:
                continue
            beyond = (price - quote) * sign
            if child.order_type is OrderType.STOP and beyond >= 0:
                raise CancelledAtOnce("STOP_LOSS_ON_FILL_LOSS")
            if child.order_type is OrderType.LIMIT and beyond <= 0:
                raise CancelledAtOnce("TAKE_PROFIT_ON_FILL_LOSS")

    # ---- orders that close a trade -----------------------------------------------------------------------------------

    def _dependent(self, kind: str, request: Json, replaces: int | None) -> NewOrder:
        trade = self.trade_named(request)
        opener = self._book.orders.get(trade.order_id)
        if opener is None or opener.core_id is None:
            raise Reject("TRADE_DOESNT_EXIST")
        present = self._book.dependents(trade).get(kind)
        if present is not None and present.id != replaces:
            raise Reject(f"{kind}_ORDER_ALREADY_EXISTS")
        in_force = str(request.get("timeInForce", "GTC"))
        if in_force not in ("GTC", "GFD"):
            raise Reject("TIME_IN_FORCE_INVALID")
        listing = self._names.listings[trade.instrument]
        fields: Json = {"type": kind, "tradeID": str(trade.id), "timeInForce": in_force, "triggerCondition": "DEFAULT"}
        if trade.client_id is not None:
            fields["clientTradeID"] = trade.client_id
        self._keep(request, fields, "clientExtensions")
        limit = stop = distance = None
        if kind == "TRAILING_STOP_LOSS":
            distance = _price(listing, request.get("distance"), "PRICE_DISTANCE")
            fields["distance"] = price_text(listing, distance)
        elif kind == "TAKE_PROFIT":
            limit = _price(listing, request.get("price"), "PRICE")
        else:
            stop = _price(listing, request.get("price"), "PRICE")
        siblings = self._exchange.engine.orders.children(self._exchange.engine.orders[opener.core_id])
        group = next((each.oca_group for each in siblings if each.oca_group), f"TRADE-{trade.id}")
        return NewOrder(
            client_order_id=fields.get("clientExtensions", {}).get("id"),
            symbol=listing.symbol,
            side=Side.SELL if trade.units > 0 else Side.BUY,
            order_type=dict(_ON_FILL.values())[kind],
            quantity=abs(trade.units),
            limit_price=limit,
            stop_price=stop,
            time_in_force=_RESTING[in_force],
            oca_group=group,
            parent_order_id=opener.core_id,
            labels={LABEL: json.dumps({**fields, "reason": "CLIENT_ORDER"})},
            trailing_distance=distance,
        )

    def trade_named(self, request: Json) -> Trade:
        """The open trade of ``tradeID`` or ``clientTradeID``."""
        if "tradeID" in request:
            trade = self._book.trade(str(request["tradeID"]))
        elif "clientTradeID" in request:
            trade = self._book.trade(f"@{request['clientTradeID']}")
        else:
            raise Reject("TRADE_IDENTIFIER_UNSPECIFIED")
        if trade is None or not trade.is_open:
            raise Reject("TRADE_DOESNT_EXIST")
        return trade

    def closing(self, trade: Trade, units: Decimal, **told: Any) -> NewOrder:
        """The market order that closes ``units`` (without a sign) of a trade."""
        side = Side.SELL if trade.units > 0 else Side.BUY
        fields: Json = {
            "type": "MARKET",
            "timeInForce": "FOK",
            "positionFill": "REDUCE_ONLY",
            "tradeClose": {"tradeID": str(trade.id), "units": number(units)},
            "reason": "TRADE_CLOSE",
            **told,
        }
        return NewOrder(
            None, self._names.listings[trade.instrument].symbol, side, OrderType.MARKET, units,
            time_in_force=TimeInForce.IOC, labels={LABEL: json.dumps(fields)},
        )  # fmt: skip

    # ---- parts -------------------------------------------------------------------------------------------------------

    def _check_client_id(self, extensions: Any, what: str, replaces: int | None) -> None:
        """A client's id is unique among the orders that wait, and among nothing else."""
        if extensions is None:
            return
        identifier = extensions.get("id") if isinstance(extensions, dict) else None
        if identifier is None:
            return
        if not isinstance(identifier, str) or not 0 < len(identifier) <= _MAX_ID or not identifier.isprintable():
            raise Reject(f"{what}_INVALID")
        for order in self._book.pending():
            if order.client_id == identifier and order.id != replaces:
                if what == "CLIENT_ORDER_ID":
                    raise Reject("CLIENT_ORDER_ID_ALREADY_EXISTS")
                return  # found out when the entry is filled

    @staticmethod
    def _keep(request: Json, fields: Json, *names: str) -> None:
        fields.update({name: request[name] for name in names if request.get(name) is not None})


def _decimal(given: Any, problem: str) -> Decimal:
    try:
        value = Decimal(str(given))
    except InvalidOperation:
        raise Reject(problem) from None
    if not value.is_finite():
        raise Reject(problem)
    return value


def _price(listing: Listing, given: Any, what: str) -> Decimal:
    """A price on the instrument's grid."""
    if given is None:
        raise Reject(f"{what}_MISSING")
    price = _decimal(given, f"{what}_INVALID")
    if price <= 0:
        raise Reject(f"{what}_INVALID")
    if price % listing.instrument.tick_size:
        raise Reject(f"{what}_PRECISION_EXCEEDED")
    return price
