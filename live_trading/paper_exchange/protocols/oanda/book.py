"""One account as v20 has it: orders, trades and money, folded from its transactions and from nothing else."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from decimal import Decimal

from live_trading.paper_exchange.protocols.oanda.words import Json, money, number

ZERO = Decimal(0)
DEPENDENT = {
    "STOP_LOSS": "stopLossOrder",
    "TAKE_PROFIT": "takeProfitOrder",
    "TRAILING_STOP_LOSS": "trailingStopLossOrder",
}
"""Orders that belong to a trade, and under which name the trade shows them."""

_NOT_OF_AN_ORDER = frozenset(
    {"id", "time", "userID", "accountID", "batchID", "requestID", "type", "reason", "replacesOrderID", "tradeClose",
     "longPositionCloseout", "shortPositionCloseout", "cancellingTransactionID"}
)  # fmt: skip


@dataclass(slots=True)
class Order:
    """An order; its id is that of the transaction that created it. ``core_id``: the exchange's own number for it, None
    for one that never reached a market."""

    id: int
    type: str
    body: Json
    time: str
    core_id: int | None
    state: str = "PENDING"
    filled: Decimal = ZERO
    closes: int | None = None
    """The trade it was sent to close."""
    facts: Json = field(default_factory=dict)

    @property
    def client_id(self) -> str | None:
        found: str | None = self.body.get("clientExtensions", {}).get("id")
        return found

    @property
    def trade_id(self) -> int | None:
        """The trade it belongs to."""
        return int(self.body["tradeID"]) if "tradeID" in self.body else None

    @property
    def units(self) -> Decimal:
        return Decimal(self.body.get("units", "0"))

    def json(self) -> Json:
        return {
            "id": str(self.id),
            "createTime": self.time,
            "type": self.type,
            "state": self.state,
            **self.body,
            **self.facts,
        }


@dataclass(slots=True)
class Trade:
    """A trade; its id is that of the fill that opened it. Units are signed."""

    id: int
    order_id: int
    instrument: str
    price: Decimal
    time: str
    initial: Decimal
    units: Decimal
    extensions: Json = field(default_factory=dict)
    realized: Decimal = ZERO
    closed_value: Decimal = ZERO
    closing: list[str] = field(default_factory=list)
    close_time: str | None = None

    @property
    def is_open(self) -> bool:
        return bool(self.units)

    @property
    def client_id(self) -> str | None:
        found: str | None = self.extensions.get("id")
        return found


class AccountBook:
    """``apply`` takes the next transaction in; everything else only tells."""

    def __init__(self, account: str, currency: str) -> None:
        self.account = account
        self.currency = currency
        self.transactions: list[Json] = []
        self.orders: dict[int, Order] = {}
        self.trades: dict[int, Trade] = {}
        self.balance = ZERO
        self.realized = ZERO
        self.commission = ZERO
        self.by_core: dict[int, int] = {}
        self._by_client: dict[str, int] = {}
        self._pending: dict[int, Order] = {}
        self._open: dict[int, Trade] = {}

    @property
    def last_id(self) -> int:
        return len(self.transactions)

    # ---- folding -----------------------------------------------------------------------------------------------------

    def apply(self, transaction: Json, core_id: int | None = None) -> None:
        """Take the next transaction in."""
        number_of = int(transaction["id"])
        assert number_of == self.last_id + 1, "transactions are numbered without a gap"
        self.transactions.append(transaction)
        kind = transaction["type"]
        if kind == "CREATE":
            return
        if kind == "TRANSFER_FUNDS":
            self.balance = Decimal(transaction["accountBalance"])
        elif kind == "ORDER_FILL":
            self._fill(transaction)
        elif kind == "ORDER_CANCEL":
            self._cancel(transaction)
        elif kind == "ORDER_CLIENT_EXTENSIONS_MODIFY":
            self._rename_order(transaction)
        elif kind == "TRADE_CLIENT_EXTENSIONS_MODIFY":
            self.trades[int(transaction["tradeID"])].extensions = transaction["tradeClientExtensionsModify"]
        elif kind.endswith("_ORDER"):
            self._create(number_of, transaction, core_id)

    def _create(self, order_id: int, transaction: Json, core_id: int | None) -> None:
        body = {key: value for key, value in transaction.items() if key not in _NOT_OF_AN_ORDER}
        kind = transaction["type"].removesuffix("_ORDER")
        order = Order(order_id, kind, body, transaction["time"], core_id)
        if "tradeClose" in transaction:
            order.closes = int(transaction["tradeClose"]["tradeID"])
        if "replacesOrderID" in transaction:
            order.facts["replacesOrderID"] = transaction["replacesOrderID"]
            replaced = self.orders.get(int(transaction["replacesOrderID"]))
            if replaced is not None:
                replaced.facts["replacedByOrderID"] = str(order_id)
        self.orders[order_id] = self._pending[order_id] = order
        if core_id is not None:
            self.by_core[core_id] = order_id
        if order.client_id is not None:
            self._by_client[order.client_id] = order_id

    def _fill(self, transaction: Json) -> None:
        self.balance = Decimal(transaction["accountBalance"])
        self.realized += Decimal(transaction["pl"])
        self.commission += Decimal(transaction["commission"])
        order = self.orders.get(int(transaction["orderID"]))
        closed = list(transaction.get("tradesClosed", ()))
        reduced = [transaction["tradeReduced"]] if "tradeReduced" in transaction else []
        for part in (*closed, *reduced):
            self._reduce(self.trades[int(part["tradeID"])], part, transaction)
        if opened := transaction.get("tradeOpened"):
            self._open_trade(opened, transaction)
        if order is None:
            return
        order.filled += abs(Decimal(transaction["units"]))
        if opened:
            order.facts["tradeOpenedID"] = opened["tradeID"]
        if reduced:
            order.facts["tradeReducedID"] = reduced[0]["tradeID"]
        if closed:
            order.facts.setdefault("tradeClosedIDs", []).extend(part["tradeID"] for part in closed)
        trade = self.trades.get(order.trade_id) if order.trade_id is not None else None
        if order.filled >= abs(order.units) if trade is None else not trade.is_open:
            self._end(order, "FILLED", "filling", "filled", transaction)

    def _open_trade(self, opened: Json, transaction: Json) -> None:
        trade_id, units, price = int(opened["tradeID"]), Decimal(opened["units"]), Decimal(opened["price"])
        trade = self.trades.get(trade_id)
        if trade is None:
            extensions = opened.get("clientExtensions", {})
            self.trades[trade_id] = self._open[trade_id] = Trade(
                trade_id, int(transaction["orderID"]), transaction["instrument"], price, transaction["time"],
                units, units, extensions,
            )  # fmt: skip
            return
        total = trade.units + units
        trade.price = (trade.price * trade.units + price * units) / total
        trade.units, trade.initial = total, trade.initial + units
        trade.close_time = None
        self._open[trade_id] = trade

    def _reduce(self, trade: Trade, part: Json, transaction: Json) -> None:
        units = Decimal(part["units"])
        trade.units += units
        trade.realized += Decimal(part["realizedPL"])
        trade.closed_value += abs(units) * Decimal(part["price"])
        trade.closing.append(transaction["id"])
        if not trade.is_open:
            trade.close_time = transaction["time"]
            self._open.pop(trade.id, None)

    def _cancel(self, transaction: Json) -> None:
        order = self.orders[int(transaction["orderID"])]
        self._end(order, "CANCELLED", "cancelling", "cancelled", transaction)

    def _end(self, order: Order, state: str, doing: str, done: str, transaction: Json) -> None:
        order.state = state
        order.facts[f"{doing}TransactionID"] = transaction["id"]
        order.facts[f"{done}Time"] = transaction["time"]
        self._pending.pop(order.id, None)

    def _rename_order(self, transaction: Json) -> None:
        order = self.orders[int(transaction["orderID"])]
        if "clientExtensionsModify" in transaction:
            order.body["clientExtensions"] = transaction["clientExtensionsModify"]
            if order.client_id is not None:
                self._by_client[order.client_id] = order.id
        if "tradeClientExtensionsModify" in transaction:
            order.body["tradeClientExtensions"] = transaction["tradeClientExtensionsModify"]

    # ---- finding -----------------------------------------------------------------------------------------------------

    def order(self, specifier: str) -> Order | None:
        """By id, or by ``@`` and the client's id: the pending one of that id, else the newest."""
        if specifier.startswith("@"):
            wanted = specifier[1:]
            pending = next((order for order in self._pending.values() if order.client_id == wanted), None)
            return pending or self.orders.get(self._by_client.get(wanted, 0))
        return self.orders.get(int(specifier)) if specifier.isdecimal() else None

    def trade(self, specifier: str) -> Trade | None:
        if specifier.startswith("@"):
            wanted = specifier[1:]
            of_that_name = [trade for trade in self.trades.values() if trade.client_id == wanted]
            return next((trade for trade in of_that_name if trade.is_open), of_that_name[-1] if of_that_name else None)
        return self.trades.get(int(specifier)) if specifier.isdecimal() else None

    def pending(self) -> list[Order]:
        """Orders that wait, oldest first."""
        return list(self._pending.values())

    def open_trades(self, instrument: str | None = None) -> list[Trade]:
        """Open trades, oldest first."""
        found = (self._open[trade_id] for trade_id in sorted(self._open))
        return [trade for trade in found if instrument in (None, trade.instrument)]

    def reducible(self, instrument: str, units: Decimal) -> Decimal:
        """How much of ``units`` would close something; without a sign."""
        against = (trade.units for trade in self.open_trades(instrument) if trade.units * units < 0)
        return min(abs(units), abs(sum(against, ZERO)))

    def dependents(self, trade: Trade) -> dict[str, Order]:
        """The orders that wait to close a trade, by their kind."""
        return {order.type: order for order in self._pending.values() if order.trade_id == trade.id}

    def matched(self, order: Order | None, instrument: str, units: Decimal) -> Iterator[tuple[Trade, Decimal]]:
        """What of ``units`` closes which trade: the order's own, else the oldest of the other side; signed."""
        left = units
        own = self.trades.get(order.trade_id) if order is not None and order.trade_id is not None else None
        if order is not None and order.closes is not None:
            own = self.trades.get(order.closes)
        trades = [own] if own is not None else self.open_trades(instrument)
        for trade in trades:
            if not left or trade.units * left >= 0:
                continue
            part = left if abs(left) <= abs(trade.units) else -trade.units
            left -= part
            yield trade, part

    def trade_json(self, trade: Trade, unrealized: Decimal) -> Json:
        """A trade with its dependents' orders."""
        told: Json = {
            "id": str(trade.id),
            "instrument": trade.instrument,
            "price": number(trade.price),
            "openTime": trade.time,
            "initialUnits": number(trade.initial),
            "currentUnits": number(trade.units),
            "realizedPL": money(trade.realized),
            "financing": "0.0000",
            "state": "OPEN" if trade.is_open else "CLOSED",
        }
        if trade.extensions:
            told["clientExtensions"] = trade.extensions
        if trade.is_open:
            told["unrealizedPL"] = money(unrealized)
        else:
            told["closeTime"] = trade.close_time
            told["averageClosePrice"] = number(trade.closed_value / abs(trade.initial))
        if trade.closing:
            told["closingTransactionIDs"] = list(trade.closing)
        for kind, order in self.dependents(trade).items():
            told[DEPENDENT[kind]] = order.json()
        return told
