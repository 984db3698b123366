"""OANDA's words and the contract's: what OANDA can do, and how one is said in the other. Pure.

Payloads are made from decimals on the instrument's own grid: ``oandapyV20``'s own builders write five decimals for
every price (two too many for a yen) and refuse units below one.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, Final

from live_trading.brokers.types import (
    Account,
    Bracket,
    BrokerOrder,
    BrokerPosition,
    Capabilities,
    Execution,
    OrderRequest,
    Rejected,
)
from live_trading.domain.bar_size import BarSize
from live_trading.domain.instrument import Instrument, TradingHours
from live_trading.domain.market import Bar, Ohlc, QuoteTick, ns_from_utc
from live_trading.domain.values import AssetClass, OrderStatus, OrderType, Side, TimeInForce

Json = dict[str, Any]

UNREADABLE: Final = (KeyError, TypeError, ValueError, ArithmeticError)
"""What reading an answer raises that is not as v20 says."""

OANDA_CAPABILITIES: Final = Capabilities(
    client_id_length=128,
    client_id_unique="while pending",
    lookup_by_client_id=True,
    absence_definitive_after=15.0,
    bracket=Bracket.ATOMIC,
    oca=True,
    modify="replace",
    stops=True,
    trailing_stops=True,
    execution_look_back=float("inf"),
    order_updates="push",
    fractional_quantities=True,
    orders_per_second=100.0,
)
"""What OANDA can do. Orders are linked through their trade: what closes it takes its stop and target with it.

``absence_definitive_after``: an order has been seen to be NO_SUCH_ORDER for a moment after it was accepted
(hootnot/oanda-api-v20#204), and a request given up may still arrive."""

ON_FILL: Final = {
    OrderType.STOP: "stopLossOnFill",
    OrderType.LIMIT: "takeProfitOnFill",
    OrderType.TRAILING_STOP: "trailingStopLossOnFill",
}
KINDS: Final = {
    "MARKET": OrderType.MARKET,
    "FIXED_PRICE": OrderType.MARKET,
    "LIMIT": OrderType.LIMIT,
    "MARKET_IF_TOUCHED": OrderType.LIMIT,
    "STOP": OrderType.STOP,
    "TAKE_PROFIT": OrderType.LIMIT,
    "STOP_LOSS": OrderType.STOP,
    "GUARANTEED_STOP_LOSS": OrderType.STOP,
    "TRAILING_STOP_LOSS": OrderType.TRAILING_STOP,
}
DEPENDENT: Final = frozenset({"TAKE_PROFIT", "STOP_LOSS", "GUARANTEED_STOP_LOSS", "TRAILING_STOP_LOSS"})
_OF_A_TRADE: Final = {
    OrderType.STOP: "STOP_LOSS",
    OrderType.LIMIT: "TAKE_PROFIT",
    OrderType.TRAILING_STOP: "TRAILING_STOP_LOSS",
}
_IN_FORCE: Final = {TimeInForce.GTC: "GTC", TimeInForce.DAY: "GFD"}

_CODES: Final = {
    "MARKET_HALTED": "MARKET_CLOSED",
    "CLIENT_ORDER_ID_ALREADY_EXISTS": "DUPLICATE_CLIENT_ORDER_ID",
    "CLIENT_TRADE_ID_ALREADY_EXISTS": "DUPLICATE_CLIENT_ORDER_ID",
    "STOP_LOSS_ON_FILL_CLIENT_ORDER_ID_ALREADY_EXISTS": "DUPLICATE_CLIENT_ORDER_ID",
    "TAKE_PROFIT_ON_FILL_CLIENT_ORDER_ID_ALREADY_EXISTS": "DUPLICATE_CLIENT_ORDER_ID",
    "TRAILING_STOP_LOSS_ON_FILL_CLIENT_ORDER_ID_ALREADY_EXISTS": "DUPLICATE_CLIENT_ORDER_ID",
    "ORDER_DOESNT_EXIST": "ORDER_NOT_FOUND",
    "NO_SUCH_ORDER": "ORDER_NOT_FOUND",
    "TRADE_DOESNT_EXIST": "PARENT_NOT_FOUND",
    "INSTRUMENT_UNKNOWN": "UNKNOWN_INSTRUMENT",
}
"""OANDA's reasons under the names that every adapter gives to the same refusal; others are told as they are."""

GRANULARITIES: Final = {
    BarSize.SECS_5: ("S5", 1), BarSize.SECS_10: ("S10", 1), BarSize.SECS_15: ("S15", 1), BarSize.SECS_30: ("S30", 1),
    BarSize.MIN_1: ("M1", 1), BarSize.MINS_2: ("M2", 1), BarSize.MINS_3: ("M1", 3), BarSize.MINS_5: ("M5", 1),
    BarSize.MINS_10: ("M10", 1), BarSize.MINS_15: ("M15", 1), BarSize.MINS_20: ("M10", 2),
    BarSize.MINS_30: ("M30", 1), BarSize.HOUR_1: ("H1", 1), BarSize.HOURS_2: ("H2", 1), BarSize.HOURS_3: ("H3", 1),
    BarSize.HOURS_4: ("H4", 1), BarSize.HOURS_8: ("H8", 1), BarSize.DAY_1: ("D", 1),
}  # fmt: skip
"""Bar sizes as OANDA's candles, and how many of them make one."""


def rejected(reason: str, text: str = "") -> Rejected:
    """A refusal: the contract's code, and OANDA's own reason in the text."""
    code = _CODES.get(reason)
    if code is None and "PRICE" in reason and "PRECISION" in reason:
        code = "INVALID_PRICE"
    return Rejected(code or reason, f"{reason}: {text}" if text else reason)


def v20_name(symbol: str) -> str:
    return symbol.replace("-", "_")


def our_symbol(name: str) -> str:
    return name.replace("_", "-")


def plain(number: Decimal) -> str:
    """A decimal without an exponent."""
    return f"{number:f}"


def nanoseconds(text: str) -> int:
    """A v20 time, RFC 3339 with up to nine decimals, exactly."""
    head, _, fraction = text.removesuffix("Z").partition(".")
    whole = ns_from_utc(datetime.fromisoformat(f"{head}+00:00"))
    return whole + int((fraction or "0")[:9].ljust(9, "0"))


def moment(text: str) -> datetime:
    """A v20 time to the microsecond."""
    head, _, fraction = text.removesuffix("Z").partition(".")
    return datetime.fromisoformat(f"{head}.{(fraction or '0')[:6].ljust(6, '0')}+00:00")


# ---- what is sent ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class TradeFacts:
    """An open trade: signed units, and the client's id of it."""

    trade_id: str
    instrument: str
    units: Decimal
    client_id: str | None


def order_payload(request: OrderRequest, trade: TradeFacts | None) -> Json | Rejected:
    """The body of ``POST orders``. ``trade`` is the one that a protection belongs to, if there is exactly one of its
    size."""
    kind = request.order_type
    if kind is OrderType.STOP_LIMIT:
        return Rejected("UNSUPPORTED_ORDER_TYPE", "OANDA has no stop orders that rest at a limit")
    is_protection = request.parent_client_order_id is not None or (
        request.oca_group is not None and kind is not OrderType.MARKET
    )
    if is_protection and (trade is not None or request.parent_client_order_id is not None):
        return {"order": _of_a_trade(request, trade)}
    if kind is OrderType.TRAILING_STOP:
        return Rejected(
            "PARENT_NOT_FOUND", "a stop that trails belongs to one open trade, and there is none of its size"
        )
    order: Json = {
        "type": kind.value,
        "instrument": v20_name(request.instrument.symbol),
        "units": plain(request.quantity * request.side.sign),
        "positionFill": "DEFAULT" if request.oca_group is None else "REDUCE_ONLY",
        "clientExtensions": {"id": request.client_order_id},
    }
    if request.oca_group is None:
        order["tradeClientExtensions"] = {"id": request.client_order_id}
    problem = _set_prices(order, request)
    for child in request.attached:
        order[ON_FILL[child.order_type]] = on_fill(child)
    return problem or {"order": order}


def _set_prices(order: Json, request: OrderRequest) -> Rejected | None:
    if request.order_type is OrderType.MARKET:
        order["timeInForce"] = "IOC" if request.time_in_force is TimeInForce.IOC else "FOK"
        return None
    price = request.limit_price if request.order_type is OrderType.LIMIT else request.stop_price
    if price is None:
        return Rejected("INVALID_PRICE", "the price is missing")
    if request.time_in_force is TimeInForce.IOC:  # at once or not at all: a market order with a bound
        order |= {"type": "MARKET", "timeInForce": "IOC", "priceBound": plain(price)}
        return None
    order |= {"timeInForce": _IN_FORCE[request.time_in_force], "price": plain(price)}
    return None


def on_fill(child: OrderRequest) -> Json:
    """A protection as part of the order whose trade it will guard."""
    told: Json = {
        "timeInForce": _IN_FORCE[child.time_in_force],
        "clientExtensions": {"id": child.client_order_id},
    }
    return told | _level(child)


def _level(request: OrderRequest) -> Json:
    if request.order_type is OrderType.TRAILING_STOP:
        assert request.trailing_distance is not None
        return {"distance": plain(request.trailing_distance)}
    price = request.limit_price if request.order_type is OrderType.LIMIT else request.stop_price
    assert price is not None
    return {"price": plain(price)}


def _of_a_trade(request: OrderRequest, trade: TradeFacts | None) -> Json:
    named = {"tradeID": trade.trade_id} if trade is not None else {"clientTradeID": request.parent_client_order_id}
    return {
        "type": _OF_A_TRADE[request.order_type],
        **named,
        "timeInForce": _IN_FORCE[request.time_in_force],
        "clientExtensions": {"id": request.client_order_id},
        **_level(request),
    }


_REPLACED: Final = (
    "type", "instrument", "units", "price", "distance", "timeInForce", "gtdTime", "positionFill", "triggerCondition",
    "clientExtensions", "tradeClientExtensions", "takeProfitOnFill", "stopLossOnFill", "trailingStopLossOnFill",
    "tradeID", "clientTradeID", "priceBound",
)  # fmt: skip


def replacement(order: Json, changes: Json) -> Json:
    """The body of ``PUT orders/{spec}``: the order as OANDA has it, with what changes. None takes something away."""
    kept = {name: order[name] for name in _REPLACED if name in order} | changes
    if "tradeID" in kept:
        kept.pop("clientTradeID", None)
    return {"order": {name: value for name, value in kept.items() if value is not None}}


# ---- what is told ----------------------------------------------------------------------------------------------------


def instrument(told: Json, hours: TradingHours) -> Instrument:
    """An instrument of the account."""
    name = str(told["name"])
    return Instrument(
        symbol=our_symbol(name),
        asset_class=AssetClass.STOCK if told["type"] == "CFD" else AssetClass.FX,
        currency=name.rpartition("_")[2],
        tick_size=Decimal(1).scaleb(-int(told["displayPrecision"])),
        quantity_step=Decimal(1).scaleb(-int(told["tradeUnitsPrecision"])),
        hours=hours,
    )


def broker_order(order: Json, *, quantity: Decimal, side: Side, symbol: str, filled: Decimal) -> BrokerOrder:
    """An order of OANDA's. What a dependent one leaves out (side, symbol, quantity) is its trade's."""
    kind = KINDS.get(str(order["type"]), OrderType.MARKET)
    price = Decimal(order["price"]) if "price" in order and kind is not OrderType.TRAILING_STOP else None
    stands = Decimal(order["trailingStopValue"]) if "trailingStopValue" in order else None
    return BrokerOrder(
        broker_order_id=str(order["id"]),
        client_order_id=(order.get("clientExtensions") or {}).get("id"),
        symbol=symbol,
        side=side,
        order_type=kind,
        quantity=quantity,
        filled_quantity=filled,
        status=status_of(str(order["state"]), quantity, filled),
        limit_price=price if kind is OrderType.LIMIT else None,
        stop_price=stands if kind is OrderType.TRAILING_STOP else price if kind is OrderType.STOP else None,
        trailing_distance=Decimal(order["distance"]) if kind is OrderType.TRAILING_STOP else None,
    )


def status_of(state: str, quantity: Decimal, filled: Decimal) -> OrderStatus:
    if state == "PENDING":
        return OrderStatus.PARTIALLY_FILLED if filled else OrderStatus.PLACED
    if state == "CANCELLED":
        return OrderStatus.CANCELLED
    return OrderStatus.FILLED if filled >= quantity else OrderStatus.PARTIALLY_FILLED


def execution(fill: Json, currency: str) -> Execution:
    """An ORDER_FILL. ``currency``: the account's, in which OANDA charges its commission."""
    units = Decimal(fill["units"])
    return Execution(
        execution_id=str(fill["id"]),
        broker_order_id=str(fill["orderID"]),
        client_order_id=fill.get("clientOrderID"),
        symbol=our_symbol(str(fill["instrument"])),
        side=Side.BUY if units > 0 else Side.SELL,
        price=Decimal(fill["price"]),
        quantity=abs(units),
        executed_at=moment(fill["time"]),
        commission=Decimal(fill.get("commission", "0")),
        commission_currency=currency,
    )


def account(told: Json) -> Account:
    """The account's summary."""
    currency = str(told["currency"])
    cash = {currency: Decimal(told["balance"])}
    return Account(str(told["id"]), currency, cash, Decimal(told["NAV"]), Decimal(told["marginUsed"]))


def position(told: Json) -> BrokerPosition | None:
    """A position, long and short together; None where it is flat."""
    long, short = Decimal(told["long"]["units"]), Decimal(told["short"]["units"])
    if not long + short:
        return None
    side = told["long"] if long + short > 0 else told["short"]
    return BrokerPosition(our_symbol(str(told["instrument"])), long + short, Decimal(side.get("averagePrice", "0")))


def positions(told: Iterable[Json]) -> list[BrokerPosition]:
    """Those that are not flat."""
    return [found for each in told if (found := position(each)) is not None]


def tick(price: Json) -> QuoteTick | None:
    """A price of the stream; None where one side is missing."""
    if not price.get("bids") or not price.get("asks"):
        return None
    bid, ask = price["bids"][0], price["asks"][0]
    return QuoteTick(
        our_symbol(str(price["instrument"])),
        nanoseconds(price["time"]),
        Decimal(bid["price"]),
        Decimal(ask["price"]),
        Decimal(bid.get("liquidity", 0)),
        Decimal(ask.get("liquidity", 0)),
    )


def bar(candle: Json, symbol: str, size: BarSize) -> Bar:
    """A candle of mid, bid and ask. OANDA counts prices and no volume."""
    mid, bid, ask = (Ohlc(*(Decimal(candle[side][key]) for key in "ohlc")) for side in ("mid", "bid", "ask"))
    return Bar(symbol, size, nanoseconds(candle["time"]), *mid, Decimal(0), int(candle["volume"]), bid, ask)


def merged(bars: list[Bar], size: BarSize, parts: int) -> list[Bar]:
    """Bars of a size that OANDA does not have, of those it has, ``parts`` to one; the last one only if it is whole."""
    groups: dict[int, list[Bar]] = {}
    for each in bars:
        groups.setdefault(each.start_ns // size.nanoseconds, []).append(each)
    last = max(groups, default=None)
    return [_as_one(group, size) for key, group in groups.items() if key != last or len(group) == parts]


def _as_one(bars: list[Bar], size: BarSize) -> Bar:
    """Bars that follow one another as one."""
    sides = [_merge([side for each in bars if (side := pick(each)) is not None]) for pick in (_bid, _ask)]
    middle = _merge([Ohlc(each.open, each.high, each.low, each.close) for each in bars])
    assert middle is not None
    start_ns = bars[0].start_ns // size.nanoseconds * size.nanoseconds
    ticks = sum(each.tick_count for each in bars)
    return Bar(bars[0].symbol, size, start_ns, *middle, Decimal(0), ticks, sides[0], sides[1])


def _bid(each: Bar) -> Ohlc | None:
    return each.bid


def _ask(each: Bar) -> Ohlc | None:
    return each.ask


def _merge(parts: list[Ohlc]) -> Ohlc | None:
    if not parts:
        return None
    return Ohlc(parts[0].open, max(p.high for p in parts), min(p.low for p in parts), parts[-1].close)
