"""An account's transactions, taken in one after the other, as the events that the engine is told.

Orders of a trade (stop, target, trailing stop) have no side, symbol or quantity of their own at OANDA: they are their
trade's. Before the trade is there they are part of the order that will open it, and exist here all the same, under the
client's ids that they will have.
"""

from collections import OrderedDict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Final

from live_trading.brokers.oanda import words
from live_trading.brokers.oanda.words import Json, TradeFacts
from live_trading.brokers.types import BrokerEvent, BrokerOrder, Execution, ExecutionReport, OrderUpdate
from live_trading.domain.values import OrderStatus, Side

_ENDED_KEPT: Final = 5_000
_ZERO: Final = Decimal(0)
_EXPIRING: Final = ("GTD", "GFD")
_TELLS_OF_ANOTHER: Final = "ALREADY_EXISTS"
"""A rejection of this kind names the client's id of an order that is there, and says nothing about that one."""


@dataclass(slots=True)
class Known:
    """An order as its transactions told it. ``before``: what was filled of the order that it replaced."""

    id: str
    body: Json
    state: str = "PENDING"
    reason: str = ""
    filled: Decimal = _ZERO
    before: Decimal = _ZERO
    quantity: Decimal = _ZERO
    opened: bool = False
    children: dict[str, str] = field(default_factory=dict)

    @property
    def client_id(self) -> str | None:
        found: str | None = (self.body.get("clientExtensions") or {}).get("id")
        return found

    @property
    def trade_id(self) -> str | None:
        found: str | None = self.body.get("tradeID")
        return found

    @property
    def is_pending(self) -> bool:
        return self.state == "PENDING"


class AccountFold:
    """``applied`` is the last transaction taken in. ``currency``: the account's."""

    def __init__(self, currency: str = "") -> None:
        self.applied = 0
        self.currency = currency
        self.trades: dict[str, TradeFacts] = {}
        self._orders: dict[str, Known] = {}
        self._by_client: dict[str, str] = {}
        self._parents: dict[str, str] = {}
        self._ended: OrderedDict[str, None] = OrderedDict()
        self._rejected: OrderedDict[str, tuple[str, Json]] = OrderedDict()

    @classmethod
    def of(cls, account: Json, last: int) -> "AccountFold":
        """As the account's details tell it at transaction ``last``."""
        fold = cls(str(account["currency"]))
        fold.applied = last
        for trade in account.get("trades", ()):
            identifier = str(trade["id"])
            client_id = (trade.get("clientExtensions") or {}).get("id")
            fold.trades[identifier] = TradeFacts(
                identifier, str(trade["instrument"]), Decimal(trade["currentUnits"]), client_id
            )
        for order in account.get("orders", ()):
            fold._add(Known(str(order["id"]), dict(order)))
        return fold

    # ---- taking in ---------------------------------------------------------------------------------------------------

    def take(self, transaction: Json) -> list[BrokerEvent]:
        """The next transaction, and what it means."""
        self.applied = max(self.applied, int(transaction["id"]))
        kind = str(transaction["type"])
        if kind == "ORDER_FILL":
            return list(self._fill(transaction))
        if kind == "ORDER_CANCEL":
            return list(self._cancel(transaction))
        if kind == "ORDER_CLIENT_EXTENSIONS_MODIFY":
            self._rename(transaction)
        elif kind.endswith("_ORDER_REJECT"):
            return list(self._reject(kind, transaction))
        elif kind.endswith("_ORDER"):
            return list(self._create(kind, transaction))
        return []

    def _add(self, known: Known) -> None:
        self._orders[known.id] = known
        if known.client_id is not None:
            self._by_client[known.client_id] = known.id
        for name in words.ON_FILL.values():
            identifier = ((known.body.get(name) or {}).get("clientExtensions") or {}).get("id")
            if identifier is not None:
                known.children[name] = identifier
                self._parents[identifier] = known.id
        self._measure(known)

    def _create(self, kind: str, transaction: Json) -> Iterator[BrokerEvent]:
        body = {**transaction, "type": kind.removesuffix("_ORDER"), "state": "PENDING"}
        known = Known(str(transaction["id"]), body)
        replaced = self._orders.get(str(transaction.get("replacesOrderID", "")))
        if replaced is not None:
            known.before = replaced.before + replaced.filled
        self._add(known)
        yield OrderUpdate(self._told(known))
        for child in self._dormant(known):
            yield OrderUpdate(child)
        if replaced is not None:
            for name, identifier in replaced.children.items():
                if name not in known.children and self._by_client.get(identifier) is None:
                    yield OrderUpdate(self._child(replaced, name, "taken out of its entry"))

    def _fill(self, transaction: Json) -> Iterator[BrokerEvent]:
        yield ExecutionReport(words.execution(transaction, self.currency))
        touched = self._move_trades(transaction)
        known = self._orders.get(str(transaction["orderID"]))
        if known is not None:
            known.filled += abs(Decimal(transaction["units"]))
            known.opened = known.opened or "tradeOpened" in transaction
            self._measure(known)
            trade = known.trade_id
            if known.filled + known.before >= known.quantity if trade is None else trade not in self.trades:
                self._end(known, "FILLED", "")
            yield OrderUpdate(self._told(known))
            if not known.is_pending and not known.opened:
                yield from self._without(known, "nothing was opened that it could guard")
        for order in list(self._orders.values()):
            if order.is_pending and order.trade_id in touched and order is not known:
                self._measure(order)
                if order.trade_id in self.trades:
                    yield OrderUpdate(self._told(order))

    def _move_trades(self, transaction: Json) -> set[str]:
        touched = set()
        closed = transaction.get("tradesClosed", ())
        reduced = [transaction["tradeReduced"]] if "tradeReduced" in transaction else []
        for part in (*closed, *reduced):
            identifier = str(part["tradeID"])
            touched.add(identifier)
            before = self.trades.pop(identifier, None)
            if before is not None and part in reduced:
                left = before.units + Decimal(part["units"])
                self.trades[identifier] = TradeFacts(identifier, before.instrument, left, before.client_id)
        if opened := transaction.get("tradeOpened"):
            identifier = str(opened["tradeID"])
            touched.add(identifier)
            before = self.trades.get(identifier)
            units = Decimal(opened["units"]) + (_ZERO if before is None else before.units)
            client_id = (opened.get("clientExtensions") or {}).get("id")
            self.trades[identifier] = TradeFacts(identifier, str(transaction["instrument"]), units, client_id)
        return touched

    def _cancel(self, transaction: Json) -> Iterator[BrokerEvent]:
        known = self._orders.get(str(transaction["orderID"]))
        if known is None:
            return
        reason = str(transaction.get("reason", ""))
        self._end(known, "CANCELLED", reason)
        if "replacedByOrderID" in transaction or reason == "CLIENT_REQUEST_REPLACED":
            return  # the one in its place goes on under the same client's id
        yield OrderUpdate(self._told(known))
        if not known.opened:
            yield from self._without(known, f"order {known.id} ended unfilled: {reason}")

    def _without(self, known: Known, reason: str) -> Iterator[BrokerEvent]:
        """The protections that an order takes with it, for it opened nothing."""
        for child in self._dormant(known, ended=reason):
            yield OrderUpdate(child)

    def _reject(self, kind: str, transaction: Json) -> Iterator[BrokerEvent]:
        client_id = (transaction.get("clientExtensions") or {}).get("id")
        reason = str(transaction.get("rejectReason", ""))
        of_another = _TELLS_OF_ANOTHER in reason or "intendedReplacesOrderID" in transaction
        if client_id is None or client_id in self._by_client or of_another:
            return
        self._rejected[client_id] = (kind.removesuffix("_ORDER_REJECT"), transaction)
        while len(self._rejected) > _ENDED_KEPT:
            self._rejected.popitem(last=False)
        found = self.rejection(client_id)
        if found is not None:
            yield OrderUpdate(found)

    def _rename(self, transaction: Json) -> None:
        known = self._orders.get(str(transaction["orderID"]))
        if known is not None and "clientExtensionsModify" in transaction:
            known.body["clientExtensions"] = transaction["clientExtensionsModify"]
            if known.client_id is not None:
                self._by_client[known.client_id] = known.id

    def _end(self, known: Known, state: str, reason: str) -> None:
        known.state, known.reason = state, reason
        self._ended[known.id] = None
        while len(self._ended) > _ENDED_KEPT:
            identifier, _ = self._ended.popitem(last=False)
            self._forget(self._orders.pop(identifier))

    def _forget(self, known: Known) -> None:
        if known.client_id is not None and self._by_client.get(known.client_id) == known.id:
            del self._by_client[known.client_id]
        for identifier in known.children.values():
            if self._parents.get(identifier) == known.id:
                del self._parents[identifier]

    def _measure(self, known: Known) -> None:
        """How much an order is for: its own units, or what is open of its trade and what it has closed of it."""
        if known.trade_id is None:
            known.quantity = abs(Decimal(known.body.get("units", "0"))) + known.before
        elif (trade := self.trades.get(known.trade_id)) is not None:
            known.quantity = abs(trade.units) + known.filled
            known.body["_side"] = (Side.SELL if trade.units > 0 else Side.BUY).value
            known.body["_instrument"] = trade.instrument

    # ---- telling -----------------------------------------------------------------------------------------------------

    def set_filled(self, order_id: str, filled: Decimal) -> None:
        """What was filled of an order before the fold began."""
        known = self._orders[order_id]
        known.filled = filled
        self._measure(known)

    def pending(self) -> list[Known]:
        return [known for known in self._orders.values() if known.is_pending]

    def working(self) -> list[BrokerOrder]:
        """All orders that work, and the protections that sleep in them."""
        return [told for known in self.pending() for told in (self._told(known), *self._dormant(known))]

    def order(self, client_id: str) -> Known | None:
        """The newest order of a client's id."""
        return self._orders.get(self._by_client.get(client_id, ""))

    def parent(self, client_id: str) -> tuple[Known, str] | None:
        """The order in which a protection of that id sleeps or slept, and under which name."""
        known = self._orders.get(self._parents.get(client_id, ""))
        if known is None:
            return None
        return known, next(name for name, identifier in known.children.items() if identifier == client_id)

    def find(self, client_id: str) -> BrokerOrder | None:
        """What is known of an order, working or ended, or of a protection that never came to be one."""
        known = self.order(client_id)
        if known is not None:
            return self._told(known)
        asleep = self.parent(client_id)
        if asleep is not None:
            holder, name = asleep
            ended = "" if holder.is_pending else f"order {holder.id} ended: {holder.reason or holder.state}"
            return self._child(holder, name, ended)
        return self.rejection(client_id)

    def rejection(self, client_id: str) -> BrokerOrder | None:
        """An order that OANDA wrote down as refused."""
        found = self._rejected.get(client_id)
        if found is None or "instrument" not in found[1]:
            return None
        kind, told = found
        units = Decimal(str(told.get("units", "0")))
        return BrokerOrder(
            broker_order_id=str(told["id"]),
            client_order_id=client_id,
            symbol=words.our_symbol(str(told["instrument"])),
            side=Side.BUY if units > 0 else Side.SELL,
            order_type=words.KINDS[kind],
            quantity=abs(units),
            filled_quantity=_ZERO,
            status=OrderStatus.REJECTED,
            reason=str(told.get("rejectReason", "")),
        )

    def trade_for(self, symbol: str, side: Side, quantity: Decimal) -> TradeFacts | None:
        """The one open trade that an order of ``side`` and ``quantity`` would close whole; None where it is not one."""
        name = words.v20_name(symbol)
        against = [t for t in self.trades.values() if t.instrument == name and t.units * side.sign < 0]
        return against[0] if len(against) == 1 and abs(against[0].units) == quantity else None

    def _told(self, known: Known) -> BrokerOrder:
        units = Decimal(known.body.get("units", "0"))
        is_dependent = known.trade_id is not None
        told = words.broker_order(
            {**known.body, "id": known.id, "state": known.state},
            quantity=known.quantity,
            side=Side(known.body.get("_side", "SELL")) if is_dependent else Side.BUY if units > 0 else Side.SELL,
            symbol=words.our_symbol(str(known.body.get("_instrument" if is_dependent else "instrument", ""))),
            filled=known.filled + known.before,
        )
        return _ended(told, known) if known.state == "CANCELLED" else told

    def told(self, known: Known, order: Json) -> BrokerOrder:
        """The order as it is told, with what only a look at it tells (where a trailing stop stands)."""
        if "trailingStopValue" in order:
            known.body["trailingStopValue"] = order["trailingStopValue"]
        return self._told(known)

    def _dormant(self, known: Known, ended: str = "") -> Iterable[BrokerOrder]:
        for name, identifier in known.children.items():
            own = self._orders.get(self._by_client.get(identifier, ""))
            if own is None or int(own.id) < int(known.id):
                yield self._child(known, name, ended)

    def _child(self, holder: Known, name: str, ended: str) -> BrokerOrder:
        kind = next(kind for kind, on_fill in words.ON_FILL.items() if on_fill == name)
        spec = holder.body[name]
        units = Decimal(holder.body.get("units", "0"))
        price = Decimal(spec["price"]) if "price" in spec else None
        return BrokerOrder(
            broker_order_id=f"{holder.id}/{name}",
            client_order_id=holder.children[name],
            symbol=words.our_symbol(str(holder.body["instrument"])),
            side=Side.SELL if units > 0 else Side.BUY,
            order_type=kind,
            quantity=holder.quantity,
            filled_quantity=_ZERO,
            status=OrderStatus.CANCELLED if ended else OrderStatus.PLACED,
            limit_price=price if name == "takeProfitOnFill" else None,
            stop_price=price if name == "stopLossOnFill" else None,
            reason=ended,
            trailing_distance=Decimal(spec["distance"]) if "distance" in spec else None,
        )


def _ended(told: BrokerOrder, known: Known) -> BrokerOrder:
    expired = known.reason == "TIME_IN_FORCE_EXPIRED" and known.body.get("timeInForce") in _EXPIRING
    status = OrderStatus.EXPIRED if expired else OrderStatus.CANCELLED
    return BrokerOrder(
        told.broker_order_id, told.client_order_id, told.symbol, told.side, told.order_type, told.quantity,
        told.filled_quantity, status, told.limit_price, told.stop_price, known.reason, told.trailing_distance,
    )  # fmt: skip


def executions(transactions: Iterable[Json], currency: str) -> list[Execution]:
    """The fills among transactions."""
    return [words.execution(each, currency) for each in transactions if each["type"] == "ORDER_FILL"]
