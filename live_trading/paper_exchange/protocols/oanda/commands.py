"""What v20's commands do at the exchange, and what they are answered."""

import json
from collections.abc import Callable
from decimal import Decimal
from typing import Any, Final

from msgspec.structs import replace

from live_trading.domain.values import OrderType
from live_trading.paper_exchange.core import Change, ClientIds, NewOrder, Refusal, Refused
from live_trading.paper_exchange.exchange import SimulatedExchange
from live_trading.paper_exchange.protocols.oanda.book import DEPENDENT, AccountBook, Order, Trade
from live_trading.paper_exchange.protocols.oanda.chronicle import LABEL, Chronicle
from live_trading.paper_exchange.protocols.oanda.orders import CancelledAtOnce, OrderReader, Reject
from live_trading.paper_exchange.protocols.oanda.words import Json, V20Problem, number, public

Publish = Callable[[str, Json], None]

_CANCELLED: Final = {
    Refusal.MARKET_CLOSED: "MARKET_HALTED",
    Refusal.INSUFFICIENT_MARGIN: "INSUFFICIENT_MARGIN",
    Refusal.OCA_NOTHING_LEFT: "LINKED_TRADE_CLOSED",
}
_REJECTED: Final = {
    Refusal.INVALID_QUANTITY: "UNITS_INVALID",
    Refusal.INVALID_PRICE: "PRICE_INVALID",
    Refusal.UNKNOWN_INSTRUMENT: "INSTRUMENT_UNKNOWN",
    Refusal.INVALID_TIME_IN_FORCE: "TIME_IN_FORCE_INVALID",
    Refusal.PARENT_NOT_FOUND: "TRADE_DOESNT_EXIST",
}
_ON_TRADE: Final = {
    "takeProfit": "TAKE_PROFIT",
    "stopLoss": "STOP_LOSS",
    "trailingStopLoss": "TRAILING_STOP_LOSS",
}


class Commands:
    """The commands of one account. ``publish`` tells the transactions that the exchange itself does not."""

    def __init__(self, exchange: SimulatedExchange, chronicle: Chronicle, account: str, publish: Publish) -> None:
        self._exchange = exchange
        self._chronicle = chronicle
        self._account = account
        self._publish = publish
        self._book: AccountBook = chronicle.books[account]
        self._reader = OrderReader(exchange, chronicle.names, self._book)

    # ---- orders ------------------------------------------------------------------------------------------------------

    def create(self, request: Json) -> Json:
        """``POST orders``: its transactions. Raises :class:`V20Problem`."""
        before = self._book.last_id
        try:
            new = self._reader.read(request)
        except Reject as problem:
            raise self._rejected(request, problem.reason) from None
        except CancelledAtOnce as problem:
            self._created_and_cancelled(request, problem.reason)
            return self._answer(before)
        self._place(request, new)
        return self._answer(before)

    def _place(self, request: Json, new: NewOrder) -> None:
        answer = self._exchange.place(self._account, new, ClientIds.FREE)
        if isinstance(answer, Refused):
            if answer.code in _CANCELLED:
                self._created_and_cancelled(request, _CANCELLED[answer.code])
                return
            raise self._rejected(request, _REJECTED.get(answer.code, "INTERNAL_SERVER_ERROR"))

    def replace(self, specifier: str, request: Json) -> Json:
        """``PUT orders/{spec}``: the old order ends and the new one stands, in one step."""
        before = self._book.last_id
        known = self._pending(specifier)
        if request.get("type") != known.type:
            raise self._rejected(request, "REPLACING_ORDER_INVALID")
        try:
            new = self._reader.read({**request, "tradeID": known.body.get("tradeID")} if known.trade_id else request,
                                    replaces=known.id)  # fmt: skip
        except (Reject, CancelledAtOnce) as problem:
            raise self._rejected(request, problem.reason) from None
        assert known.core_id is not None
        if self._changes_in_place(known, new):
            self._change(known, new, request)
        else:
            self._exchange.cancel(self._account, known.core_id, "CLIENT_REQUEST_REPLACED")
            told = {**json.loads(new.labels[LABEL]), "reason": "REPLACEMENT", "replacesOrderID": str(known.id)}
            self._place(request, replace(new, labels={LABEL: json.dumps(told)}))
        return self._answer(before)

    def _changes_in_place(self, known: Order, new: NewOrder) -> bool:
        """Whether the core's order can be changed; another trailing distance or other protections need a new one."""
        assert known.core_id is not None
        old = self._exchange.engine.orders[known.core_id]
        children = self._exchange.engine.orders.children(old)
        as_before = [(c.order_type, c.limit_price, c.stop_price, c.client_order_id) for c in children]
        as_asked = [(c.order_type, c.limit_price, c.stop_price, c.client_order_id) for c in new.attached]
        is_same = (old.side, old.order_type, old.symbol) == (new.side, new.order_type, new.symbol)
        return is_same and new.order_type is not OrderType.TRAILING_STOP and as_before == as_asked

    def _change(self, known: Order, new: NewOrder, request: Json) -> None:
        assert known.core_id is not None
        self._chronicle.replacing(known.core_id, json.loads(new.labels[LABEL]))
        quantity = new.quantity if known.trade_id is None else None
        change = Change(quantity, new.limit_price, new.stop_price)
        answer = self._exchange.modify(self._account, known.core_id, change)
        if isinstance(answer, Refused):
            self._chronicle.kept(known.core_id)
            raise self._rejected(request, _REJECTED.get(answer.code, "REPLACING_ORDER_INVALID"))

    def cancel(self, specifier: str) -> Json:
        """``PUT orders/{spec}/cancel``."""
        before = self._book.last_id
        known = self._pending(specifier)
        assert known.core_id is not None
        self._exchange.cancel(self._account, known.core_id, "CLIENT_REQUEST")
        return self._answer(before)

    def rename(self, specifier: str, request: Json) -> Json:
        """``PUT orders/{spec}/clientExtensions``."""
        known = self._pending(specifier)
        told = {
            f"{name}Modify": request[name]
            for name in ("clientExtensions", "tradeClientExtensions")
            if request.get(name) is not None
        }
        return self._modified("ORDER_CLIENT_EXTENSIONS_MODIFY", "orderClientExtensionsModifyTransaction",
                              orderID=str(known.id), clientOrderID=known.client_id, **told)  # fmt: skip

    def _pending(self, specifier: str) -> Order:
        known = self._book.order(specifier)
        if known is None or known.state != "PENDING":
            told = {"clientOrderID": specifier[1:]} if specifier.startswith("@") else {"orderID": specifier}
            transaction = self._chronicle.refuse(
                self._account, "ORDER_CANCEL_REJECT", rejectReason="ORDER_DOESNT_EXIST", **told
            )
            self._publish(self._account, transaction)
            raise V20Problem(
                404,
                "The Order specified does not exist",
                "ORDER_DOESNT_EXIST",
                orderCancelRejectTransaction=public(transaction),
                **self._numbers(self._book.last_id - 1),
            )
        return known

    # ---- trades and positions ----------------------------------------------------------------------------------------

    def close_trade(self, specifier: str, request: Json) -> Json:
        """``PUT trades/{spec}/close``."""
        before = self._book.last_id
        trade = self._trade(specifier)
        given = request.get("units", "ALL")
        units = abs(trade.units)
        if given != "ALL":
            try:
                units = Decimal(str(given))
            except ArithmeticError:
                units = Decimal(0)
            if not 0 < units <= abs(trade.units):
                raise self._rejected({"type": "MARKET"}, "CLOSE_TRADE_UNITS_EXCEED_TRADE_SIZE")
        self._place({"type": "MARKET", "instrument": trade.instrument}, self._reader.closing(trade, units))
        return self._answer(before)

    def close_position(self, instrument: str, request: Json) -> Json:
        """``PUT positions/{instrument}/close``."""
        before = self._book.last_id
        answer: Json = {}
        for side, sign in (("long", 1), ("short", -1)):
            wanted = request.get(f"{side}Units", "ALL" if not request else "NONE")
            trades = [trade for trade in self._book.open_trades(instrument) if trade.units * sign > 0]
            if wanted == "NONE" or not trades:
                continue
            left = sum((abs(trade.units) for trade in trades), Decimal(0)) if wanted == "ALL" else Decimal(str(wanted))
            start = self._book.last_id
            for trade in trades:
                units = min(left, abs(trade.units))
                if units <= 0:
                    break
                left -= units
                order = self._reader.closing(trade, units, reason="POSITION_CLOSEOUT")
                self._place({"type": "MARKET", "instrument": instrument}, order)
            for name, transaction in self._answer(start).items():
                if name.startswith("order"):
                    answer[f"{side}O{name[1:]}"] = transaction
        if not answer:
            raise self._rejected({"type": "MARKET", "instrument": instrument}, "CLOSEOUT_POSITION_DOESNT_EXIST")
        return {**answer, **self._numbers(before)}

    def protect(self, specifier: str, request: Json) -> Json:
        """``PUT trades/{spec}/orders``: its protections created, replaced or cancelled."""
        before = self._book.last_id
        trade = self._trade(specifier)
        answer: Json = {}
        for name, kind in _ON_TRADE.items():
            if name not in request:
                continue
            start = self._book.last_id
            present = self._book.dependents(trade).get(kind)
            if request[name] is None:
                if present is not None:
                    self.cancel(str(present.id))
            else:
                body = {**request[name], "type": kind, "tradeID": str(trade.id)}
                if present is None:
                    self.create(body)
                else:
                    self.replace(str(present.id), body)
            for told, transaction in self._answer(start).items():
                if told == "orderCreateTransaction":
                    answer[f"{name}OrderTransaction"] = transaction
                elif told.startswith("order"):
                    answer[f"{name}O{told[1:]}"] = transaction
        return {**answer, **self._numbers(before)}

    def rename_trade(self, specifier: str, request: Json) -> Json:
        """``PUT trades/{spec}/clientExtensions``."""
        trade = self._trade(specifier)
        return self._modified(
            "TRADE_CLIENT_EXTENSIONS_MODIFY", "tradeClientExtensionsModifyTransaction", tradeID=str(trade.id),
            tradeClientExtensionsModify=request.get("clientExtensions") or {},
        )  # fmt: skip

    def _trade(self, specifier: str) -> Trade:
        trade = self._book.trade(specifier)
        if trade is None or not trade.is_open:
            raise V20Problem(404, "The trade ID specified does not exist", "NO_SUCH_TRADE",
                             lastTransactionID=str(self._book.last_id))  # fmt: skip
        return trade

    # ---- time --------------------------------------------------------------------------------------------------------

    def expire(self, order: Order) -> None:
        """The time that an order was good till is over."""
        assert order.core_id is not None
        self._exchange.cancel(self._account, order.core_id, "TIME_IN_FORCE_EXPIRED")

    # ---- answers -----------------------------------------------------------------------------------------------------

    def _modified(self, kind: str, name: str, **fields: Any) -> Json:
        before = self._book.last_id
        transaction = self._chronicle.refuse(self._account, kind, **fields)
        self._publish(self._account, transaction)
        return {name: public(transaction), **self._numbers(before)}

    def _numbers(self, before: int) -> Json:
        last = self._book.last_id
        return {
            "relatedTransactionIDs": [str(each) for each in range(before + 1, last + 1)],
            "lastTransactionID": str(last),
        }

    def _answer(self, before: int) -> Json:
        """The transactions of a command under v20's names; where there are several of a kind, the first create and
        cancel, and the last fill."""
        answer: Json = {}
        for transaction in self._book.transactions[before:]:
            told, kind = public(transaction), transaction["type"]
            if kind == "ORDER_FILL":
                answer["orderFillTransaction"] = told
            elif kind == "ORDER_CANCEL":
                if transaction["reason"] != "LINKED_TRADE_CLOSED":
                    answer.setdefault("orderCancelTransaction", told)
            elif kind.endswith("_ORDER") and transaction.get("reason") != "ON_FILL":
                answer.setdefault("orderCreateTransaction", told)
        return {**answer, **self._numbers(before)}

    def _given(self, request: Json) -> Json:
        """What was asked for, as a transaction tells it."""
        return {
            name: number(Decimal(value)) if name == "units" and _is_number(value) else value
            for name, value in request.items()
            if name not in ("type", "reason", "id", "time")
        }

    def _created_and_cancelled(self, request: Json, reason: str) -> None:
        kind = request["type"]
        told = {"reason": "CLIENT_ORDER", **self._given(request)}
        created = self._chronicle.refuse(self._account, f"{kind}_ORDER", **told)
        cancelled = self._chronicle.refuse(
            self._account, "ORDER_CANCEL", orderID=created["id"], reason=reason,
            clientOrderID=(request.get("clientExtensions") or {}).get("id"),
        )  # fmt: skip
        for transaction in (created, cancelled):
            self._publish(self._account, transaction)

    def _rejected(self, request: Json, reason: str) -> V20Problem:
        kind = request.get("type")
        if kind not in ("MARKET", "LIMIT", "STOP", "MARKET_IF_TOUCHED", *DEPENDENT):
            return V20Problem(
                400, "Invalid value specified for 'order.type'", lastTransactionID=str(self._book.last_id)
            )
        transaction = self._chronicle.refuse(
            self._account, f"{kind}_ORDER_REJECT", reason="CLIENT_ORDER", rejectReason=reason, **self._given(request)
        )
        self._publish(self._account, transaction)
        message = f"The Order was rejected: {reason.replace('_', ' ').lower()}"
        status = 404 if reason in ("TRADE_DOESNT_EXIST",) else 400
        return V20Problem(
            status, message, reason, orderRejectTransaction=public(transaction), **self._numbers(self._book.last_id - 1)
        )


def _is_number(value: Any) -> bool:
    try:
        return Decimal(str(value)).is_finite()
    except ArithmeticError:
        return False
