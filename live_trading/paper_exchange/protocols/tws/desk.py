"""One client's order desk: brackets held until they are whole, changes, cancels, lists, executions."""

from collections.abc import Callable, Iterable
from datetime import datetime, timedelta

from live_trading.domain.market import ns_from_utc
from live_trading.paper_exchange.core.types import (
    Change,
    ClientIds,
    Execution,
    ExecutionKind,
    NewOrder,
    Order,
    Refusal,
    Refused,
)
from live_trading.paper_exchange.exchange import SimulatedExchange
from live_trading.paper_exchange.faults import FaultKind
from live_trading.paper_exchange.protocols.tws import order_messages as told
from live_trading.paper_exchange.protocols.tws.codes import Code, refusal_of
from live_trading.paper_exchange.protocols.tws.contracts import ContractBook
from live_trading.paper_exchange.protocols.tws.frames import Fields, Value, encode
from live_trading.paper_exchange.protocols.tws.place_order import PlacedOrder
from live_trading.runtime import utc_from_ns

MOST_HELD = 50
"""Orders of one client that wait for the last one of their bracket."""
_COMPLETED_DAYS = timedelta(days=7)

Send = Callable[[bytes], None]


class OrderIds:
    """The ids that API clients gave their orders: of one id, the newest order counts."""

    def __init__(self, orders: Iterable[Order]) -> None:
        self._orders: dict[tuple[int, int], int] = {}
        self._highest: dict[int, int] = {}
        for order in orders:
            self.take(order)

    def take(self, order: Order) -> None:
        client_id, order_id = told.label(order, told.CLIENT_ID), told.label(order, told.ORDER_ID)
        if order_id:
            key = (client_id, order_id)
            self._orders[key] = max(self._orders.get(key, 0), order.order_id)
            self._highest[client_id] = max(self._highest.get(client_id, 0), order_id)

    def find(self, client_id: int, order_id: int) -> int | None:
        return self._orders.get((client_id, order_id))

    def highest(self, client_id: int) -> int:
        return self._highest.get(client_id, 0)


class OrderDesk:
    """What one connected client may do with orders. ``send`` queues a message for it."""

    def __init__(
        self,
        exchange: SimulatedExchange,
        book: ContractBook,
        ids: OrderIds,
        client_id: int,
        version: int,
        send: Send,
    ) -> None:
        self._exchange = exchange
        self._book = book
        self._ids = ids
        self._next_valid_id = 1
        self._client_id = client_id
        self._accounts = list(exchange.engine.accounts)
        self._version = version
        self._send = send
        self._held: dict[int, PlacedOrder] = {}

    def error(self, request_id: int, code: int, text: str) -> None:
        """Say what is wrong, or only worth knowing."""
        fields: list[Value] = [4, 2, request_id, int(code), text]
        self._send(encode(*fields, "") if self._version >= 166 else encode(*fields))

    # Placing and changing

    def place(self, asked: PlacedOrder) -> None:
        """A new order, a change of one that works, or a part of a bracket that is not whole yet."""
        symbols = self._book.find(asked.contract)
        if len(symbols) != 1:
            what = "is ambiguous" if symbols else "has not been found"
            text = f"No security definition has been found for the request: the contract {what}"
            return self.error(asked.order_id, Code.NO_SECURITY, text)
        if asked.problem is not None or asked.what_if:
            text = asked.problem or "whatIf: not supported here"
            return self.error(asked.order_id, Code.VALIDATION, f"Error validating request.-'bW' : cause - {text}")
        account = asked.account or self._accounts[0]
        if account not in self._accounts:
            text = f"Error validating request.-'bW' : cause - the account {account[:32]} is not yours"
            return self.error(asked.order_id, Code.VALIDATION, text)
        working = self._mine(asked.order_id)
        if working is not None:
            return self._change(working, asked)
        if self._newest(asked.order_id) is not None and asked.order_id < self._next_valid_id:
            return self.error(asked.order_id, Code.DUPLICATE_ORDER_ID, "Duplicate order id")
        self._held[asked.order_id] = asked
        if asked.transmit:
            self._transmit(asked, symbols[0], account)
        elif len(self._held) > MOST_HELD:
            self._held.pop(asked.order_id)
            self.error(asked.order_id, Code.VALIDATION, f"more than {MOST_HELD} orders wait to be transmitted")
        return None

    def _transmit(self, last: PlacedOrder, symbol: str, account: str) -> None:
        """Hand over what has become whole: an order, or a bracket from its parent to its last child."""
        parent = self._held.get(last.parent_id)
        if parent is None:
            self._held.pop(last.order_id, None)
            working = self._mine(last.parent_id) if last.parent_id else None
            if last.parent_id and working is None:
                text = f"Order rejected - reason:no parent order {last.parent_id}"
                return self.error(last.order_id, Code.REJECTED, text)
            parent_order_id = None if working is None else working.order_id
            return self._hand_over(account, self._new(last, symbol, parent_order_id), [last])
        family = [parent, *(order for order in self._held.values() if order.parent_id == parent.order_id)]
        for order in family:
            self._held.pop(order.order_id, None)
        children = tuple(self._new(order, symbol, None) for order in family[1:])
        return self._hand_over(account, self._new(parent, symbol, None, children), family)

    def _new(
        self, asked: PlacedOrder, symbol: str, parent: int | None, children: tuple[NewOrder, ...] = ()
    ) -> NewOrder:
        labels = {
            told.ORDER_ID: str(asked.order_id),
            told.CLIENT_ID: str(self._client_id),
            told.OCA_TYPE: str(asked.oca_type),
        }
        return NewOrder(
            client_order_id=asked.order_ref or None,
            symbol=symbol,
            side=asked.side,
            order_type=asked.order_type,
            quantity=asked.quantity,
            limit_price=asked.limit_price,
            stop_price=asked.stop_price,
            time_in_force=asked.time_in_force,
            oca_group=asked.oca_group or None,
            parent_order_id=parent,
            attached=children,
            labels=labels,
            trailing_distance=asked.trailing_distance,
        )

    def _hand_over(self, account: str, new: NewOrder, family: list[PlacedOrder]) -> None:
        answer = self._exchange.place(account, new, ClientIds.FREE)
        if isinstance(answer, Refused):
            code, text = refusal_of(answer)
            for order in family:
                self.error(order.order_id, code, text)
            return
        for order in family:
            self._next_valid_id = max(self._next_valid_id, order.order_id + 1)
            if order.tif_was_preset or self._warns(order):
                self.error(order.order_id, Code.PRESET_CHANGED_TIF, "Order TIF was set to DAY based on order preset.")

    def _warns(self, order: PlacedOrder) -> bool:
        return self._exchange.faults.take(FaultKind.ORDER_WARNING, (order.order_ref,), "place") is not None

    def _change(self, order: Order, asked: PlacedOrder) -> None:
        """placeOrder with the id of a working order."""
        change = Change(
            quantity=asked.quantity if asked.quantity != order.quantity else None,
            limit_price=asked.limit_price if asked.limit_price != order.limit_price else None,
            stop_price=asked.stop_price if asked.stop_price != order.stop_price else None,
        )
        answer = self._exchange.modify(order.account, order.order_id, change)
        if isinstance(answer, Refused):
            self.error(asked.order_id, *refusal_of(answer))

    def cancel(self, fields: Fields) -> None:
        order_id = fields.integer()
        order = self._mine(order_id)
        if order is None:
            if self._held.pop(order_id, None) is not None:
                return self.error(order_id, Code.CANCELLED, "Order Canceled - reason:")
            if self._newest(order_id) is not None:
                return self.error(order_id, Code.CANNOT_CANCEL, _cannot(order_id))
            text = f"OrderId {order_id} that needs to be cancelled is not found."
            return self.error(order_id, Code.CANCEL_NOT_FOUND, text)
        answer = self._exchange.cancel(order.account, order.order_id)
        if isinstance(answer, Refused) and answer.code is Refusal.NOT_WORKING:
            self.error(order_id, Code.CANNOT_CANCEL, _cannot(order_id))
        return None

    def cancel_all(self) -> None:
        """reqGlobalCancel: every working order, whoever placed it."""
        for account in self._accounts:
            for order in self._exchange.open_orders(account):
                self._exchange.cancel(account, order.order_id)

    def _mine(self, order_id: int) -> Order | None:
        """This client's working order of that id."""
        order = self._newest(order_id)
        return order if order is not None and order.working else None

    def _newest(self, order_id: int) -> Order | None:
        known = self._ids.find(self._client_id, order_id)
        return None if known is None else self._exchange.engine.orders.get(known)

    def is_working(self, order_id: int) -> bool:
        """Whether placeOrder with this id is a change."""
        return self._mine(order_id) is not None

    def reference(self, order_id: int) -> str | None:
        """What its client calls an order."""
        order = self._newest(order_id)
        return None if order is None else order.client_order_id

    def issue_id(self, *, rolled_back: bool) -> int:
        """The id that orders may be counted up from; ``rolled_back``: ids are given out again from the beginning."""
        self._next_valid_id = 1 if rolled_back else self._ids.highest(self._client_id) + 1
        return self._next_valid_id

    # Telling

    def is_mine(self, order: Order) -> bool:
        """Whether its news go to this client: it placed it, or it is client 0 and a hand did."""
        return order.account in self._accounts and told.label(order, told.CLIENT_ID) == self._client_id

    def tell(self, order: Order) -> None:
        """openOrder and orderStatus, and why it ended where it was cancelled."""
        parent = self._parent(order)
        if told.status_of(order) == "Cancelled":
            self.error(told.label(order, told.ORDER_ID), Code.CANCELLED, f"Order Canceled - reason:{order.reason}")
        self._send(told.open_order(order, self._book[order.symbol], _order_id(parent), self._version))
        self._send(told.order_status(order, _order_id(parent)))

    def placed(self, row: Execution) -> bool:
        """Whether an execution is of an order of this client."""
        order = self._exchange.engine.orders.get(row.order_id)
        return order is not None and self.is_mine(order)

    def tell_commission(self, row: Execution) -> None:
        self._send(told.commission_report(row))

    def tell_execution(self, row: Execution, request_id: int = -1) -> None:
        order = self._exchange.engine.orders.get(row.order_id)
        if order is None:
            return
        self._send(told.execution_details(request_id, row, order, self._book[row.symbol], self._version))
        if row.told_commission is not None:
            self._send(told.commission_report(row))

    def _parent(self, order: Order) -> Order | None:
        return None if order.parent_id is None else self._exchange.engine.orders.get(order.parent_id)

    def list_open(self, *, everyone: bool) -> None:
        """Working orders: this client's, or all; each with its status."""
        for account in self._accounts:
            for order in self._exchange.open_orders(account):
                if everyone or self.is_mine(order):
                    parent = self._parent(order)
                    self._send(told.open_order(order, self._book[order.symbol], _order_id(parent), self._version))
                    self._send(told.order_status(order, _order_id(parent)))
        self._send(encode(53, 1))

    def list_completed(self, *, api_only: bool) -> None:
        """Orders that ended in the last days."""
        since = self._exchange.now_ns - int(_COMPLETED_DAYS.total_seconds()) * 1_000_000_000
        for account in self._accounts:
            for order in self._exchange.visible_orders(account):
                if order.working or order.updated_ns < since or (api_only and not told.label(order, told.ORDER_ID)):
                    continue
                parent = told.perm_id(order.parent_id) if order.parent_id is not None else 0
                self._send(told.completed_order(order, self._book[order.symbol], parent, self._version))
        self._send(encode(102))

    def list_executions(self, fields: Fields) -> None:
        """reqExecutions: those since midnight, UTC, by the filter; a corrected one is told as it was and as it is."""
        fields.skip(1)
        request_id, client_id, account, since = fields.integer(), fields.integer(), fields.text(), fields.text()
        symbol, sec_type, exchange, side = fields.text(), fields.text(), fields.text(), fields.text()
        midnight = utc_from_ns(self._exchange.now_ns).replace(hour=0, minute=0, second=0, microsecond=0)
        earliest = max(ns_from_utc(midnight), _since(since))
        for name in self._accounts:
            if account and account != name:
                continue
            for row in self._exchange.engine.accounts[name].executions:
                order = self._exchange.engine.orders.get(row.order_id)
                if order is None or row.kind not in (ExecutionKind.FILL, ExecutionKind.CORRECTION):
                    continue
                contract = self._book[row.symbol]
                wanted = (
                    row.time_ns >= earliest
                    and (not client_id or told.label(order, told.CLIENT_ID) == client_id)
                    and symbol in ("", contract.symbol)
                    and sec_type in ("", contract.sec_type)
                    and exchange in ("", contract.exchange)
                    and side.upper()[:1] in ("", row.side.value[:1])
                )
                if wanted:
                    self.tell_execution(row, request_id)
        self._send(encode(55, 1, request_id))


def _order_id(order: Order | None) -> int:
    return 0 if order is None else told.label(order, told.ORDER_ID)


def _cannot(order_id: int) -> str:
    return f"OrderId {order_id} that needs to be cancelled cannot be cancelled, state: it has ended."


def _since(text: str) -> int:
    """``20261130-09:30:00`` or ``20261130 09:30:00``, UTC; nonsense and nothing are no bound."""
    try:
        at = datetime.strptime(text.strip().replace("-", " ")[:17] + "+0000", "%Y%m%d %H:%M:%S%z")
    except ValueError:
        return 0
    return ns_from_utc(at)
