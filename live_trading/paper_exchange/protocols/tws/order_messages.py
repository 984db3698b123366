"""An order, an execution and a commission as TWS tells them, by server version (ib_async's ``decoder.py``)."""

from collections.abc import Iterator
from datetime import datetime
from decimal import Decimal

from live_trading.domain.values import OrderStatus, OrderType, Side
from live_trading.paper_exchange.core.types import Execution, Order
from live_trading.paper_exchange.protocols.tws.contracts import TwsContract
from live_trading.paper_exchange.protocols.tws.frames import UNSET_DOUBLE, Value, encode
from live_trading.runtime import utc_from_ns

PERM_ID_BASE = 1_000_000_000
ORDER_ID, CLIENT_ID, OCA_TYPE = "tws.order_id", "tws.client_id", "tws.oca_type"
"""The labels that keep how a client named its order."""
_TYPE_NAMES = {
    OrderType.MARKET: "MKT",
    OrderType.LIMIT: "LMT",
    OrderType.STOP: "STP",
    OrderType.STOP_LIMIT: "STP LMT",
    OrderType.TRAILING_STOP: "TRAIL",
}
_UNKNOWN = f"{UNSET_DOUBLE:E}"
_EXECUTION_PREFIX = "0001f4e8.67e0c1a2"
_SIDES = {Side.BUY: "BOT", Side.SELL: "SLD"}


def label(order: Order, name: str) -> int:
    """A number kept with an order; 0 for one that no API client placed."""
    return int(order.labels.get(name, "0"))


def perm_id(order_id: int) -> int:
    """The id that an order keeps for good."""
    return PERM_ID_BASE + order_id


def status_of(order: Order) -> str:
    if order.status is OrderStatus.FILLED:
        return "Filled"
    if not order.working:
        return "Cancelled"
    waits = order.order_type in (OrderType.STOP, OrderType.STOP_LIMIT, OrderType.TRAILING_STOP)
    return "PreSubmitted" if order.dormant or (waits and not order.triggered) else "Submitted"


def order_status(order: Order, parent_id: int, last_price: Decimal | None = None) -> bytes:
    average = order.average_price or Decimal(0)
    remaining = order.remaining if order.working else Decimal(0)
    return encode(
        3, label(order, ORDER_ID), status_of(order), order.filled, remaining, float(average), perm_id(order.order_id),
        parent_id, last_price or 0, label(order, CLIENT_ID), "", 0,
    )  # fmt: skip


def execution_id(row: Execution) -> str:
    """``….01`` for a fill; each correction counts the last part up, and keeps the rest."""
    return f"{_EXECUTION_PREFIX}.{row.execution_id}.{int(row.revision or 0) + 1:02d}"


def execution_details(request_id: int, row: Execution, order: Order, contract: TwsContract, version: int) -> bytes:
    when = f"{utc_from_ns(row.time_ns):%Y%m%d-%H:%M:%S}" if version < 165 else _moment(utc_from_ns(row.time_ns))
    fields: list[Value] = [
        11, request_id, label(order, ORDER_ID), *contract.fields(), execution_id(row), when, row.account,
        contract.exchange, _SIDES[row.side], row.quantity, row.price, perm_id(row.order_id), label(order, CLIENT_ID),
        0, order.filled, float(order.average_price or row.price), row.client_order_id or "", "", "", "", 2,
    ]  # fmt: skip
    if version >= 178:
        fields.append(False)  # pendingPriceRevision
    return encode(*fields)


def commission_report(row: Execution) -> bytes:
    return encode(59, 1, execution_id(row), row.commission, row.commission_currency, _UNKNOWN, _UNKNOWN, "")


def _moment(at: datetime) -> str:
    return f"{at:%Y%m%d %H:%M:%S} UTC"


def open_order(order: Order, contract: TwsContract, parent_id: int, version: int) -> bytes:
    """An order that works, or has just ended, with its state."""
    return encode(5, *_open_order(order, contract, parent_id, version))


def _head(order: Order) -> Iterator[Value]:
    """From the side to the OCA group."""
    trails = order.order_type is OrderType.TRAILING_STOP
    stops = order.order_type in (OrderType.STOP, OrderType.STOP_LIMIT)
    aux = order.trailing_distance if trails else order.stop_price if stops else None
    yield from (order.side.value, order.quantity, _TYPE_NAMES[order.order_type])
    yield from (order.limit_price or 0, aux or 0, order.time_in_force.value, order.oca_group, order.account)


def _trail(order: Order) -> Decimal | None:
    return order.stop_price if order.order_type is OrderType.TRAILING_STOP else None


def _open_order(order: Order, contract: TwsContract, parent_id: int, version: int) -> Iterator[Value]:
    yield label(order, ORDER_ID)
    yield from contract.fields()
    yield from _head(order)
    yield from ("O", 0, order.client_order_id or "", label(order, CLIENT_ID), perm_id(order.order_id))
    yield from (False, False, 0, "", "")  # outsideRth, hidden, discretionaryAmt, goodAfterTime, sharesAllocation
    yield from _advisor(version)
    yield from ("", "", "", "", "", 0, "", -1)  # modelCode … exemptCode
    yield from (0, "", "", "", "", "")  # auctionStrategy, startingPrice … stockRangeUpper
    yield from ("", False, False, False, "", label(order, OCA_TYPE) or 3, False, False, "")
    yield from (parent_id, 0)  # parentId, triggerMethod
    yield from _volatility(8)
    yield from (False, 0, _trail(order), "", "", "", "")  # continuousUpdate … comboLegsDescrip
    yield from (0, 0, 0)  # legs, their prices, routing parameters
    yield from ("", "", "", "")  # scale: three; hedgeType
    yield from (False, "", "", False, False, "")  # optOut, clearing, notHeld, delta neutral contract, algoStrategy
    yield from (False, False, status_of(order))  # solicited, whatIf
    yield from (_UNKNOWN,) * 9  # margins
    yield from ("", "", "", "", "")  # commissions, their currency, warningText
    yield from (False, False, 0)  # randomize size and price, conditions
    yield from ("None", _UNKNOWN, _trail(order), _UNKNOWN, _UNKNOWN, _UNKNOWN, _UNKNOWN, 0)  # adjusted orders
    yield from ("", "", "", "", False, False, False, False)  # softDollarTier … usePriceMgmtAlgo
    if version >= 159:
        yield ""  # duration
    if version >= 160:
        yield ""  # postToAts
    if version >= 162:
        yield False  # autoCancelParent
    if version >= 170:
        yield from ("", "", "", "", "")  # minTradeQty … midOffsetAtHalf


def _advisor(version: int) -> tuple[Value, ...]:
    """faGroup, faMethod, faPercentage; faProfile before 177."""
    return ("", "", "", "") if version < 177 else ("", "", "")


def _volatility(neutral_fields: int) -> Iterator[Value]:
    """volatility, its type, and deltaNeutralOrderType ``None``, which brings its fields with it."""
    yield from ("", 0, "None", "")
    yield from (0, "", "", "", "", False, 0, "") if neutral_fields == 8 else (0, False, 0, "")


def completed_order(order: Order, contract: TwsContract, parent_perm_id: int, version: int) -> bytes:
    """An order that has ended: without its order id, which means nothing any more."""
    return encode(101, *_completed_order(order, contract, parent_perm_id, version))


def _completed_order(order: Order, contract: TwsContract, parent_perm_id: int, version: int) -> Iterator[Value]:
    yield from contract.fields()
    yield from _head(order)
    yield from ("O", 0, order.client_order_id or "", perm_id(order.order_id), False, False, 0, "")
    yield from _advisor(version)
    yield from ("", "", "", "", "", 0, "", -1)  # modelCode … exemptCode
    yield from ("", "", "", "", "")  # startingPrice … stockRangeUpper
    yield from ("", False, False, "", label(order, OCA_TYPE) or 3, 0)  # displaySize … triggerMethod
    yield from _volatility(4)
    yield from (False, 0, _trail(order), "", "")  # continuousUpdate … comboLegsDescrip
    yield from (0, 0, 0)  # legs, their prices, routing parameters
    yield from ("", "", "", "")  # scale: three; hedgeType
    yield from ("", "", False, False, "")  # clearing, notHeld, delta neutral contract, algoStrategy
    yield from (False, status_of(order), False, False, 0)  # solicited, status, randomize, conditions
    yield from (_trail(order), _UNKNOWN, "", False, False, "")  # trailStopPrice … autoCancelDate
    yield from (order.filled, 0, False, "", False, False, parent_perm_id)  # filledQuantity … parentPermId
    yield from (_moment(utc_from_ns(order.updated_ns)), _ended(order))
    if version >= 170:
        yield from ("", "", "", "", "")


def _ended(order: Order) -> str:
    if order.status is OrderStatus.FILLED:
        return f"Filled Size: {order.filled:f}"
    if order.status is OrderStatus.EXPIRED:
        return f"Expired by System: {order.reason}"
    return f"Cancelled by Trader: {order.reason}" if order.reason == "cancelled" else f"Cancelled: {order.reason}"
