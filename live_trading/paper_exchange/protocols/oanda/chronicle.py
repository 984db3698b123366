"""The exchange's steps as v20 transactions, written in the commit of the step itself.

An order's id is its first transaction's, a trade's that of the fill that opened it. Protections exist at OANDA from the
fill that opens their trade on; before, they are part of the order that will. Where v20's rules make something follow
that the matching core does not know (a trade closed by another order takes its protections with it), it is commanded
right after the step, and again at the next start if the process died in between.
"""

import json
from collections import OrderedDict
from collections.abc import Sequence
from decimal import Decimal
from typing import Any, Final

from live_trading.domain.values import OrderStatus, OrderType
from live_trading.paper_exchange import core
from live_trading.paper_exchange.core import Effect, ExecutionKind
from live_trading.paper_exchange.exchange import Note, SimulatedExchange
from live_trading.paper_exchange.protocols.oanda.book import AccountBook, Order, Trade
from live_trading.paper_exchange.protocols.oanda.words import Json, Names, money, number, price_text, stamp

FRONT: Final = "oanda"
LABEL: Final = "v20"
"""The label of an order of the core that holds what v20 was told of it, JSON."""

_USER: Final = 1_234_567
_KEPT_TOLD: Final = 256
_REPLACED: Final = "CLIENT_REQUEST_REPLACED"
_OWN_REASONS: Final = frozenset({_REPLACED, "CLIENT_REQUEST", "LINKED_TRADE_CLOSED", "TIME_IN_FORCE_EXPIRED"})
_KINDS: Final = {
    OrderType.MARKET: "MARKET",
    OrderType.LIMIT: "LIMIT",
    OrderType.STOP: "STOP",
    OrderType.STOP_LIMIT: "STOP",
    OrderType.TRAILING_STOP: "TRAILING_STOP_LOSS",
}
_DEPENDENT_KINDS: Final = {
    OrderType.LIMIT: "TAKE_PROFIT",
    OrderType.STOP: "STOP_LOSS",
    OrderType.STOP_LIMIT: "STOP_LOSS",
    OrderType.TRAILING_STOP: "TRAILING_STOP_LOSS",
}

Key = tuple[str, str]


class Chronicle:
    """The books of all accounts, kept in step with the exchange."""

    def __init__(self, exchange: SimulatedExchange, names: Names) -> None:
        self.names = names
        self.books: dict[str, AccountBook] = {}
        self._exchange = exchange
        self._untold: dict[Key, list[tuple[str, Json]]] = {}
        self._told: OrderedDict[Key, list[tuple[str, Json]]] = OrderedDict()
        self._replacing: dict[int, Json] = {}
        self._unwanted: list[tuple[str, int]] = []
        self._notes: list[Note] = []
        self._batch: dict[str, str] = {}
        self._now_ns = 0

    def start(self) -> None:
        """Read back what was written, write what happened before there was a record, and keep one from now on."""
        for account, ledger in self._exchange.engine.accounts.items():
            self.books[account] = AccountBook(account, ledger.settings.currency)
        for note in self._exchange.recall(FRONT):
            record = json.loads(note.text)
            self.books[note.account].apply(record["transaction"], record.get("core"))
        self._exchange.keep_record(self)
        for account in self.books:
            self._open_account(account)
        self._catch_up()
        self.after_step()

    def _open_account(self, account: str) -> None:
        book = self.books[account]
        if book.last_id:
            return
        settings = self._exchange.engine.accounts[account].settings
        self._begin(self._exchange.now_ns)
        self._record(book, "CREATE", homeCurrency=settings.currency, divisionID=1, siteID=101, accountNumber=1)
        cash = money(settings.cash)
        self._record(book, "TRANSFER_FUNDS", amount=cash, fundingReason="CLIENT_FUNDING", accountBalance=cash)
        self._exchange.write(self._end_step())

    def _catch_up(self) -> None:
        """What the exchange has and the record has not: of before this front was there."""
        for account, book in self.books.items():
            fills = {row["_execution"] for row in book.transactions if "_execution" in row}
            rows = self._exchange.engine.accounts[account].executions
            missing = [row for row in rows if row.execution_id and row.execution_id not in fills]
            self._begin(self._exchange.now_ns)
            for order in self._exchange.orders(account):
                if order.order_id not in book.by_core and (order.working or order.filled) and not order.dormant:
                    self._order(order, is_new=True)
            for row in missing:
                self._execution(row)
            for order in self._exchange.orders(account):
                if order.order_id in book.by_core:
                    self._order(order)
            self._exchange.write(self._end_step())

    # ---- a step ------------------------------------------------------------------------------------------------------

    def chronicle(self, effects: Sequence[Effect], now_ns: int) -> Sequence[Note]:
        self._begin(now_ns)
        for effect in effects:
            if isinstance(effect, core.OrderChanged):
                self._order(effect.order)
            elif isinstance(effect, core.Executed):
                self._execution(effect.execution)
        return self._end_step()

    def after_step(self) -> None:
        """Let trades take their protections with them, and orders that only reduce cover no more than there is."""
        unwanted, self._unwanted = self._unwanted, []
        for account, core_id in unwanted:
            self._exchange.cancel(account, core_id, "LINKED_TRADE_CLOSED")
        for account, book in self.books.items():
            for order in book.pending():
                if order.core_id is None:
                    continue
                if order.trade_id is not None:
                    self._fit(account, order.core_id, abs(book.trades[order.trade_id].units))
                elif order.body.get("positionFill") == "REDUCE_ONLY":
                    self._fit(account, order.core_id, book.reducible(order.body["instrument"], order.units))

    def _fit(self, account: str, core_id: int, units: Decimal) -> None:
        known = self._exchange.engine.orders[core_id]
        if not known.working:
            return
        if not units:
            self._exchange.cancel(account, core_id, "LINKED_TRADE_CLOSED")
        elif known.remaining > units:
            self._exchange.modify(account, core_id, core.Change(quantity=known.filled + units))

    def refuse(self, account: str, kind: str, **fields: Any) -> Json:
        """Write down a transaction that changes nothing at the exchange; it is published by the caller."""
        self._begin(self._exchange.now_ns)
        transaction = self._record(self.books[account], kind, **fields)
        self._exchange.write(self._end_step())
        return transaction

    def replacing(self, core_id: int, body: Json) -> None:
        """The next change of this order is a replacement by that."""
        self._replacing[core_id] = body

    def kept(self, core_id: int) -> None:
        """It was not replaced after all."""
        self._replacing.pop(core_id, None)

    def take_told(self, key: Key) -> list[tuple[str, Json]]:
        """The transactions to tell with a notice of the exchange: once each, or once more where it is told twice."""
        told = self._untold.pop(key, None)
        if told is None:
            return self._told.get(key, []) if key[0] == "fill" else []
        self._told[key] = told
        while len(self._told) > _KEPT_TOLD:
            self._told.popitem(last=False)
        return told

    def _begin(self, now_ns: int) -> None:
        self._now_ns = now_ns
        self._batch = {}

    def _end_step(self) -> list[Note]:
        notes, self._notes = self._notes, []
        return notes

    def _record(
        self, book: AccountBook, kind: str, key: Key | None = None, core_id: int | None = None, **fields: Any
    ) -> Json:
        identifier = str(book.last_id + 1)
        transaction: Json = {
            "id": identifier,
            "time": stamp(self._now_ns),
            "userID": _USER,
            "accountID": book.account,
            "batchID": self._batch.setdefault(book.account, identifier),
            "requestID": f"{self._now_ns:020d}",
            "type": kind,
            **{name: value for name, value in fields.items() if value is not None},
        }
        book.apply(transaction, core_id)
        record: Json = (
            {"transaction": transaction} if core_id is None else {"transaction": transaction, "core": core_id}
        )
        self._notes.append(Note(FRONT, book.account, book.last_id, json.dumps(record)))
        if key is not None:
            self._untold.setdefault(key, []).append((book.account, transaction))
        return transaction

    # ---- orders ------------------------------------------------------------------------------------------------------

    def _order(self, order: core.Order, *, is_new: bool = False) -> None:
        name, book = self.names.name(order.symbol), self.books[order.account]
        if name is None:
            return
        key = ("order", str(order.order_id))
        known_id = book.by_core.get(order.order_id)
        if known_id is None:
            if not order.dormant and (is_new or order.working):
                self._create(book, order, name, key)
            return
        known = book.orders[known_id]
        if known.state != "PENDING":
            return
        body = self._replacing.pop(order.order_id, None)
        if order.working and (body is not None or self._differs(known, order, name)):
            self._replace(book, known, order, name, key, body)
        elif order.status in (OrderStatus.CANCELLED, OrderStatus.EXPIRED):
            reason = self._reason(known, order)
            more = {"replacedByOrderID": str(book.last_id + 2)} if reason == _REPLACED else {}
            self._cancelled(book, known, reason, key, **more)

    def _create(self, book: AccountBook, order: core.Order, name: str, key: Key, **more: Any) -> None:
        fields = self.fields_of(order)
        kind = f"{fields.pop('type')}_ORDER"
        if order.parent_id is not None and "tradeID" not in fields:
            trade = self._trade_of(book, order.parent_id)
            if trade is None or not trade.is_open:
                self._unwanted.append((order.account, order.order_id))
                return
            fields = {"tradeID": str(trade.id), **fields}
            if trade.client_id is not None:
                fields.setdefault("clientTradeID", trade.client_id)
        listing = self.names.listings[name]
        if order.parent_id is None:
            fields = {"instrument": name, "units": number(order.nominal * order.side.sign), **fields}
        price = order.limit_price if order.order_type is OrderType.LIMIT else order.stop_price
        if price is not None and order.order_type is not OrderType.TRAILING_STOP and "priceBound" not in fields:
            fields["price"] = price_text(listing, price)
        if order.trailing_distance is not None:
            fields.setdefault("distance", price_text(listing, order.trailing_distance))
        self._record(book, kind, key, order.order_id, **{**fields, **more})

    def fields_of(self, order: core.Order) -> Json:
        """What v20 was told of an order, or what it would have been: orders come from other fronts too."""
        if LABEL in order.labels:
            found: Json = json.loads(order.labels[LABEL])
            return found
        is_dependent = order.parent_id is not None
        kind = (_DEPENDENT_KINDS if is_dependent else _KINDS)[order.order_type]
        fields: Json = {"type": kind, "timeInForce": "FOK" if kind == "MARKET" else "GTC"}
        if not is_dependent:
            fields["positionFill"] = "DEFAULT"
        if order.client_order_id is not None:
            fields["clientExtensions"] = {"id": order.client_order_id}
        return {**fields, "reason": "ON_FILL" if is_dependent else "CLIENT_ORDER"}

    def _trade_of(self, book: AccountBook, core_id: int) -> Trade | None:
        opener = book.orders.get(book.by_core.get(core_id, 0))
        if opener is None or "tradeOpenedID" not in opener.facts:
            return None
        return book.trades[int(opener.facts["tradeOpenedID"])]

    def _differs(self, known: Order, order: core.Order, name: str) -> bool:
        """Whether somebody at another front has changed it."""
        if order.order_type in (OrderType.MARKET, OrderType.TRAILING_STOP) or "priceBound" in known.body:
            return False
        price = order.limit_price if order.order_type is OrderType.LIMIT else order.stop_price
        assert price is not None
        other = price_text(self.names.listings[name], price) != known.body.get("price")
        return other or (known.trade_id is None and number(order.nominal * order.side.sign) != known.body["units"])

    def _replace(
        self, book: AccountBook, known: Order, order: core.Order, name: str, key: Key, body: Json | None
    ) -> None:
        if body is None:
            body = {"type": known.type, **{k: v for k, v in known.body.items() if k not in ("price", "units")}}
        next_id = str(book.last_id + 2)
        self._cancelled(book, known, _REPLACED, key, replacedByOrderID=next_id)
        labels = {**order.labels, LABEL: json.dumps({**body, "reason": "REPLACEMENT"})}
        order = core_copy(order, labels)
        self._create(book, order, name, key, replacesOrderID=str(known.id))

    def _cancelled(self, book: AccountBook, known: Order, reason: str, key: Key, **more: Any) -> None:
        self._record(
            book, "ORDER_CANCEL", key, orderID=str(known.id), clientOrderID=known.client_id, reason=reason, **more
        )

    def _reason(self, known: Order, order: core.Order) -> str:
        if order.reason in _OWN_REASONS:
            return order.reason
        if order.status is OrderStatus.EXPIRED:
            return "TIME_IN_FORCE_EXPIRED"
        if known.trade_id is not None:
            return "CLIENT_REQUEST" if order.reason == "cancelled" else "LINKED_TRADE_CLOSED"
        if order.reason == "immediate or cancel":
            if "priceBound" in known.body and not known.filled:
                return "BOUNDS_VIOLATION"
            return "TIME_IN_FORCE_EXPIRED" if known.body.get("timeInForce") == "IOC" else "INSUFFICIENT_LIQUIDITY"
        return "CLIENT_REQUEST"

    # ---- fills -------------------------------------------------------------------------------------------------------

    def _execution(self, row: core.Execution) -> None:
        name, book = self.names.name(row.symbol), self.books[row.account]
        if name is None or row.kind not in (ExecutionKind.FILL, ExecutionKind.CORRECTION):
            return
        key = ("fill", f"{row.execution_id}/{row.revision}")
        if row.kind is ExecutionKind.CORRECTION:
            self._correct(book, row, name, key)
            return
        order = book.orders.get(book.by_core.get(row.order_id, 0))
        if order is None:  # its order came and went before this front was there
            known = self._exchange.engine.orders.get(row.order_id)
            assert known is not None, "an execution has an order"
            self._create(book, core_copy(known, dict(known.labels)), name, ("order", str(row.order_id)))
            order = book.orders.get(book.by_core.get(row.order_id, 0))
        reason = "MARKET_ORDER" if order is None else f"{order.type}_ORDER"
        if order is not None and order.type == "MARKET" and order.closes is not None:
            reason = "MARKET_ORDER_TRADE_CLOSE"
        self._fill(book, row, name, key, order, row.quantity * row.side.sign, row.price, row.commission, reason)

    def _correct(self, book: AccountBook, row: core.Execution, name: str, key: Key) -> None:
        """OANDA corrects no fill: it takes it back and books it anew, by orders at a fixed price."""
        earlier = [each for each in book.transactions if each.get("_execution") == row.execution_id]
        was = sum((Decimal(each["units"]) for each in earlier), Decimal(0))
        if not earlier:
            return
        old_price = Decimal(earlier[-1]["price"])
        parts = ((-was, old_price), (row.quantity * row.side.sign, row.price))
        for units, price in parts:
            if units:
                text = price_text(self.names.listings[name], price)
                created = self._record(
                    book, "FIXED_PRICE_ORDER", key, instrument=name, units=number(units), price=text,
                    reason="TRADE_CLOSE_ADMINISTRATIVE_ACTION", positionFill="DEFAULT", tradeState="OPEN",
                )  # fmt: skip
                order = book.orders[int(created["id"])]
                self._fill(book, row, name, key, order, units, price, Decimal(0), "FIXED_PRICE_ORDER")

    def _fill(
        self, book: AccountBook, row: core.Execution, name: str, key: Key, order: Order | None,
        units: Decimal, price: Decimal, commission: Decimal, reason: str,
    ) -> None:  # fmt: skip
        listing = self.names.listings[name]
        engine = self._exchange.engine
        rate = engine.accounts[book.account].rate(listing.instrument.currency, engine.mark)
        text = price_text(listing, price)
        closed, reduced, pl, left = [], None, Decimal(0), units
        for trade, part in book.matched(order, name, units):
            left -= part
            gain = (price - trade.price) * -part * rate
            pl += gain
            told = {
                "tradeID": str(trade.id), "units": number(part), "price": text, "realizedPL": money(gain),
                "financing": "0.0000", "halfSpreadCost": "0.0000",
            }  # fmt: skip
            if trade.client_id is not None:
                told["clientTradeID"] = trade.client_id
            if trade.units + part:
                reduced = told
            else:
                closed.append(told)
        pl = Decimal(money(pl))
        charged = Decimal(money(commission * rate))
        opened: Json | None = None
        if left:
            before = order.facts.get("tradeOpenedID") if order is not None else None
            opened = {"tradeID": before or str(book.last_id + 1), "units": number(left), "price": text}
            if order is not None and (extensions := order.body.get("tradeClientExtensions")):
                opened["clientExtensions"] = extensions
        self._record(
            book, "ORDER_FILL", key,
            orderID=str(order.id) if order is not None else "0",
            clientOrderID=order.client_id if order is not None else None,
            instrument=name, units=number(units), price=text, fullVWAP=text, reason=reason,
            pl=money(pl), quotePL=money(pl / rate), financing="0.0000", commission=money(charged),
            guaranteedExecutionFee="0.0000", halfSpreadCost="0.0000",
            accountBalance=money(book.balance + pl - charged),
            tradeOpened=opened, tradesClosed=closed or None, tradeReduced=reduced,
            _execution=row.execution_id,
        )  # fmt: skip


def core_copy(order: core.Order, labels: dict[str, str]) -> core.Order:
    """The order with other labels; the exchange's own is left alone."""
    copied = order.copy()
    copied.labels = labels
    return copied
