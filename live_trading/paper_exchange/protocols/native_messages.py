"""The native protocol's messages, for the server and for the client. JSON; decimals are strings.

REST
----
======  ==================================  =============================================================
method  path                                what
======  ==================================  =============================================================
GET     /v1/health                          ``Health``
GET     /v1/snapshot?after=                 ``Snapshot``: the whole account at one moment of the stream
POST    /v1/orders                          ``NewOrderMessage`` → ``PlacedMessage``; a bracket in one request
PATCH   /v1/orders/{client_order_id}        ``ChangeMessage`` → ``PlacedMessage``
DELETE  /v1/orders/{client_order_id}        cancel → ``PlacedMessage``
GET     /v1/orders?status=working           ``[OrderMessage]``; without status all of them
GET     /v1/orders/{client_order_id}        ``OrderMessage``, 404 with code ORDER_NOT_FOUND
GET     /v1/executions?after=               ``Executions``
GET     /v1/positions, /v1/account          ``[PositionMessage]``, ``AccountMessage``
GET     /v1/instruments[/{symbol}]          the instrument's fields
GET     /v1/candles                         ``symbol``, ``bar_size``, ``start_ns``, ``end_ns`` → ``[CandleMessage]``
======  ==================================  =============================================================

All but health and instruments take ``account`` (the first account where it is left out). A refusal has a status of 4xx
and an ``ErrorMessage`` whose code says why: then, and only then, nothing was changed. A command with the header
``X-Send-By-Ns`` (nanoseconds since 1970) is refused with TOO_LATE after that time: what has not been carried out by
then never will be, which is what makes an order's absence definitive.

A ``TRAILING_STOP`` has a ``trailing_distance`` in price units, and may have a ``stop_price`` to begin at. Each step
that its price takes is an ``order`` message of the stream, whose ``stop_price`` is what triggers it now.

Stream
------
``/v1/stream?account=&acknowledge=``, a WebSocket: text frames of one or more messages, a line each. The first is
``hello``. Every other message but ``alive`` has the exchange's sequence number; a ``Snapshot`` says up to which number
it includes everything. ``subscribe`` and ``unsubscribe`` are answered by ``subscribed``. With ``acknowledge=true`` the
client says ``ack`` for what it is through with, and a recorded market never runs ahead of it.
"""

from collections.abc import Mapping
from decimal import Decimal

import msgspec

from live_trading.domain.market import Bar, Ohlc, QuoteTick, Tick, TradeTick
from live_trading.domain.values import OrderStatus, OrderType, Side, TimeInForce
from live_trading.paper_exchange import core

SEND_BY_HEADER = "X-Send-By-Ns"


class ErrorMessage(msgspec.Struct, frozen=True):
    code: str
    text: str


class NewOrderMessage(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    client_order_id: str
    symbol: str
    side: Side
    order_type: OrderType
    quantity: Decimal
    limit_price: Decimal | None = None
    stop_price: Decimal | None = None
    time_in_force: TimeInForce = TimeInForce.GTC
    oca_group: str | None = None
    parent_client_order_id: str | None = None
    attached: tuple["NewOrderMessage", ...] = ()
    trailing_distance: Decimal | None = None

    def order(self, parent_order_id: int | None) -> core.NewOrder:
        return core.NewOrder(
            client_order_id=self.client_order_id,
            symbol=self.symbol,
            side=self.side,
            order_type=self.order_type,
            quantity=self.quantity,
            limit_price=self.limit_price,
            stop_price=self.stop_price,
            time_in_force=self.time_in_force,
            oca_group=self.oca_group,
            parent_order_id=parent_order_id,
            attached=tuple(child.order(None) for child in self.attached),
            trailing_distance=self.trailing_distance,
        )


class ChangeMessage(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    quantity: Decimal | None = None
    limit_price: Decimal | None = None
    stop_price: Decimal | None = None


class PlacedMessage(msgspec.Struct, frozen=True):
    order_id: str
    attached: dict[str, str]


class _Numbered(msgspec.Struct, frozen=True, kw_only=True, tag_field="type"):
    """A message of the stream, also used inside answers (then without a sequence number)."""

    sequence: int = 0


class OrderMessage(_Numbered, frozen=True, tag="order"):
    order_id: str
    client_order_id: str | None
    symbol: str
    side: Side
    order_type: OrderType
    quantity: Decimal
    filled_quantity: Decimal
    status: OrderStatus
    limit_price: Decimal | None
    stop_price: Decimal | None
    time_in_force: TimeInForce
    oca_group: str | None
    parent_order_id: str | None
    dormant: bool
    reason: str
    trailing_distance: Decimal | None = None


class ExecutionMessage(_Numbered, frozen=True, tag="execution"):
    execution_id: str
    order_id: str
    client_order_id: str | None
    symbol: str
    side: Side
    price: Decimal
    quantity: Decimal
    time_ns: int
    commission: Decimal | None
    commission_currency: str | None
    revision: str


class CommissionMessage(_Numbered, frozen=True, tag="commission"):
    execution_id: str
    commission: Decimal
    currency: str


class PositionMessage(_Numbered, frozen=True, tag="position"):
    symbol: str
    quantity: Decimal
    average_price: Decimal


class AccountMessage(_Numbered, frozen=True, tag="account"):
    account: str
    currency: str
    cash: dict[str, Decimal]
    equity: Decimal
    margin_used: Decimal


class QuoteMessage(_Numbered, frozen=True, tag="quote"):
    symbol: str
    time_ns: int
    bid: Decimal
    ask: Decimal
    bid_size: Decimal
    ask_size: Decimal

    def tick(self) -> Tick:
        return QuoteTick(self.symbol, self.time_ns, self.bid, self.ask, self.bid_size, self.ask_size)


class TradeMessage(_Numbered, frozen=True, tag="trade"):
    symbol: str
    time_ns: int
    price: Decimal
    size: Decimal

    def tick(self) -> Tick:
        return TradeTick(self.symbol, self.time_ns, self.price, self.size)


class TimeMessage(_Numbered, frozen=True, tag="time"):
    """The market's time: no older tick will come."""

    time_ns: int


class EndedMessage(_Numbered, frozen=True, tag="feed_ended"):
    """The recorded ticks are over; the market is closed."""


class HelloMessage(_Numbered, frozen=True, tag="hello"):
    """``window``: how many messages a recorded market runs ahead of what was acknowledged."""

    account: str
    market_time_ns: int
    recorded: bool
    window: int = 512


class AliveMessage(_Numbered, frozen=True, tag="alive"):
    """Nothing to say for a second."""


class SubscribedMessage(_Numbered, frozen=True, tag="subscribed"):
    """What is subscribed to now, after each request."""

    symbols: list[str]
    error: str | None = None


StreamMessage = (
    OrderMessage
    | ExecutionMessage
    | CommissionMessage
    | PositionMessage
    | AccountMessage
    | QuoteMessage
    | TradeMessage
    | TimeMessage
    | EndedMessage
    | HelloMessage
    | AliveMessage
    | SubscribedMessage
)


class SubscribeRequest(msgspec.Struct, frozen=True, tag_field="type", tag="subscribe"):
    symbol: str


class UnsubscribeRequest(msgspec.Struct, frozen=True, tag_field="type", tag="unsubscribe"):
    symbol: str


class AckRequest(msgspec.Struct, frozen=True, tag_field="type", tag="ack"):
    sequence: int


StreamRequest = SubscribeRequest | UnsubscribeRequest | AckRequest


class Executions(msgspec.Struct, frozen=True):
    executions: list[ExecutionMessage]
    cursor: int


class Snapshot(msgspec.Struct, frozen=True):
    orders: list[OrderMessage]
    positions: list[PositionMessage]
    executions: list[ExecutionMessage]
    account: AccountMessage
    cursor: int
    sequence: int


class Health(msgspec.Struct, frozen=True):
    """``fronts``: how each protocol's clients connect."""

    status: str
    pid: int
    accounts: list[str]
    market_time_ns: int
    sequence: int
    recorded: bool
    feed_ended: bool
    fronts: dict[str, Mapping[str, object]] = {}


class CandleMessage(msgspec.Struct, frozen=True, array_like=True):
    start_ns: int
    open: Decimal
    high: Decimal
    low: Decimal
    close: Decimal
    volume: Decimal
    tick_count: int
    bid: Ohlc | None
    ask: Ohlc | None


def order_message(order: core.Order, sequence: int = 0) -> OrderMessage:
    return OrderMessage(
        order_id=str(order.order_id),
        client_order_id=order.client_order_id,
        symbol=order.symbol,
        side=order.side,
        order_type=order.order_type,
        quantity=order.quantity,
        filled_quantity=order.filled,
        status=order.status,
        limit_price=order.limit_price,
        stop_price=order.stop_price,
        time_in_force=order.time_in_force,
        oca_group=order.oca_group,
        parent_order_id=None if order.parent_id is None else str(order.parent_id),
        dormant=order.dormant,
        reason=order.reason,
        trailing_distance=order.trailing_distance,
        sequence=sequence,
    )


def execution_message(row: core.Execution, sequence: int = 0) -> ExecutionMessage:
    commission = row.told_commission
    return ExecutionMessage(
        execution_id=row.execution_id,
        order_id=str(row.order_id),
        client_order_id=row.client_order_id,
        symbol=row.symbol,
        side=row.side,
        price=row.price,
        quantity=row.quantity,
        time_ns=row.time_ns,
        commission=commission,
        commission_currency=None if commission is None else row.commission_currency,
        revision=row.revision,
        sequence=sequence,
    )


def commission_message(row: core.Execution, sequence: int = 0) -> CommissionMessage:
    return CommissionMessage(row.execution_id, row.commission, row.commission_currency, sequence=sequence)


def position_message(position: core.Position, sequence: int = 0) -> PositionMessage:
    return PositionMessage(position.symbol, position.quantity, position.average_price, sequence=sequence)


def account_message(view: core.AccountView, sequence: int = 0) -> AccountMessage:
    return AccountMessage(
        view.account, view.currency, dict(view.cash), view.equity, view.margin_used, sequence=sequence
    )


def tick_message(tick: Tick, sequence: int = 0) -> QuoteMessage | TradeMessage:
    if isinstance(tick, QuoteTick):
        return QuoteMessage(*tick, sequence=sequence)
    return TradeMessage(*tick, sequence=sequence)


def candle_message(bar: Bar) -> CandleMessage:
    return CandleMessage(
        bar.start_ns, bar.open, bar.high, bar.low, bar.close, bar.volume, bar.tick_count, bar.bid, bar.ask
    )
