"""What is known through one connection, and what is told of it: orders, executions, positions, money.

Every message of TWS ends here. Orders are known by their permId and by our reference in ``orderRef``; executions by the
stable part of their id. An order's number (``orderId``) only leads an answer back to what was sent in this connection:
TWS has given numbers out twice.
"""

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import structlog
from ib_async.contract import Contract
from ib_async.objects import CommissionReport as IbCommission
from ib_async.objects import Execution as IbExecution
from ib_async.objects import ExecutionFilter
from ib_async.order import Order, OrderState

from live_trading.brokers.errors import Retryable
from live_trading.brokers.event_queue import EventQueue
from live_trading.brokers.ibkr.codes import Meaning, meaning_of, refusal_code
from live_trading.brokers.ibkr.contracts import number, symbol_of
from live_trading.brokers.ibkr.executions import execution_of, in_force, key_of, money, with_commissions
from live_trading.brokers.ibkr.link import Link
from live_trading.brokers.ibkr.market_data import Tickers
from live_trading.brokers.ibkr.orders import NOT_ANSWERED, KnownOrder, from_completed
from live_trading.brokers.ibkr.wrapper import Ohlc
from live_trading.brokers.types import (
    Account,
    AccountUpdate,
    BrokerEvent,
    BrokerOrder,
    BrokerPosition,
    CommissionReport,
    Connected,
    Degraded,
    Execution,
    ExecutionReport,
    MarketTime,
    OrderUpdate,
    PositionUpdate,
    Rejected,
    Restored,
    TickEvent,
)
from live_trading.runtime import Runtime

_log = structlog.get_logger(__name__)

_SECOND = 1_000_000_000
_SAME_CLOCK_NS = 2 * _SECOND
SWEEP_SECONDS = 1.0
"""How long an execution may lag behind the position that it explains, before executions are asked for."""

Answer = KnownOrder | Rejected
Settles = Callable[[KnownOrder], bool]


@dataclass(slots=True)
class _Sent:
    """Something sent about an order, not yet answered."""

    future: "asyncio.Future[Answer]"
    settles: Settles


class Connection:
    """One epoch. ``queue`` is its stream of events, from ``Connected`` to ``Disconnected``."""

    def __init__(
        self,
        runtime: Runtime,
        *,
        name: str,
        account: str,
        client_id: int,
        epoch: int,
        request_timeout: float,
        silence_limit: float,
        queue_limit: int,
    ) -> None:
        self.epoch = epoch
        self.account = account
        self.client_id = client_id
        self.queue = EventQueue(queue_limit)
        self.link = Link(self, runtime, name=name, request_timeout=request_timeout, silence_limit=silence_limit)
        self.tickers = Tickers(self.link, self.put, self.now_ns)
        self.market_time_ns: int | None = None
        self.has_servers = True
        self._name = name
        self._runtime = runtime
        self._begun = False
        self._orders: dict[int, KnownOrder] = {}  # by permId
        self._told: dict[int, BrokerOrder] = {}
        self._sent: dict[int, _Sent] = {}  # by the number it was sent under
        self._reasons: dict[int, str] = {}
        self._commissions: dict[str, IbCommission] = {}
        self._fresh: list[tuple[Contract, IbExecution]] = []
        self._seen: dict[str, Execution] = {}
        self._uncharged: dict[str, str] = {}  # execId -> execution id of those told without a commission
        self._positions: dict[str, Decimal] = {}
        self._explained: dict[str, Decimal] = {}
        self._values: dict[tuple[str, str], str] = {}
        self._account_told: Account | None = None
        self._offset_ns: int | None = None
        self._chores: set[asyncio.Task[Any]] = set()
        self.queue.put(Connected(epoch))

    # Life

    def begin(self, executions: Iterable[Execution], orders: Iterable[KnownOrder], ended: Iterable[KnownOrder]) -> None:
        """The snapshot is taken: what is in it is known, what comes from now on is told."""
        for execution in executions:
            self._take(execution)
        for known in ended:
            self._orders.setdefault(known.order.permId, known)
        self._told = {order.order.permId: order.as_broker_order() for order in orders}
        self._explained = dict(self._positions)
        self._account_told = self.account_values()
        self._begun = True

    async def end(self, reason: str) -> None:
        """Hang up; what waits to be taken can still be."""
        self.link.end(reason)
        for chore in list(self._chores):
            chore.cancel()
        await asyncio.gather(*self._chores, return_exceptions=True)

    def on_lost(self, reason: str) -> None:
        self.link.end(reason)
        self.queue.close(reason)
        for sent in self._sent.values():
            if not sent.future.done():
                sent.future.set_exception(ConnectionError(reason))

    def put(self, event: BrokerEvent) -> None:
        if isinstance(event, TickEvent):
            self.market_time_ns = max(event.tick.time_ns, self.market_time_ns or 0)
        self.queue.put(event)

    def _start(self, work: Any, name: str) -> None:
        task = self._runtime.tasks.start(work, f"{name} of broker {self._name}")
        self._chores.add(task)
        task.add_done_callback(self._chores.discard)

    def on_data(self) -> None:
        self.link.heard()

    def on_data_processed(self) -> None:
        """All that came together is read: an execution and its commission, a bid and its ask."""
        fresh, self._fresh = self._fresh, []
        for contract, told in fresh:
            self._tell_execution(execution_of(contract, told, self._commissions.get(told.execId)), told.execId)
        self.tickers.on_data_processed()

    # Time

    def now_ns(self) -> int:
        """The market's time: ours, or TWS's where that is another (a recorded market, a wrong clock)."""
        return self._runtime.clock.now_ns() + (self._offset_ns or 0)

    def on_time(self, second: int) -> None:
        offset = second * _SECOND - self._runtime.clock.now_ns()
        known = self._offset_ns
        if -_SAME_CLOCK_NS < offset < _SAME_CLOCK_NS:
            self._offset_ns = 0
        elif known is None or not -_SAME_CLOCK_NS < offset - known < _SAME_CLOCK_NS:
            self._offset_ns = offset
        else:
            self._offset_ns = max(known, offset)  # TWS cuts its time to the second: the latest is the nearest
        self.market_time_ns = max(self.now_ns(), self.market_time_ns or 0)
        if self._begun:
            self.queue.put(MarketTime(self.market_time_ns))

    # Messages

    def on_message(self, request_id: int, code: int, text: str) -> None:
        if self.link.on_message(request_id, code, text) or self.tickers.on_message(request_id, code, text):
            return
        meaning = meaning_of(code)
        match meaning:
            case Meaning.CONNECTIVITY_LOST:
                self._lose_servers(code, text)
            case Meaning.RESTORED | Meaning.RESTORED_DATA_LOST:
                self._start(self._regain_servers(meaning is Meaning.RESTORED_DATA_LOST), "reading back")
            case Meaning.REFUSED:
                self._on_refusal(request_id, code, text)
            case Meaning.CANCELLED:
                self._reasons[request_id] = text
            case Meaning.NOTICE:
                _log.debug("TWS says", code=code, text=text, about=request_id)
            case _:
                _log.warning("TWS says", code=code, text=text, about=request_id, meaning=meaning.value)

    def _lose_servers(self, code: int, text: str) -> None:
        if self.has_servers:
            self.has_servers = False
            self.put(Degraded(f"{code}: {text}"))

    async def _regain_servers(self, data_lost: bool) -> None:
        """Fills during the outage are told to nobody: ask for them, and only then say that all is well."""
        if data_lost:
            self.tickers.forget()
        try:
            await self.open_orders(everyone=True)
            await self.sweep()
        except Retryable as error:
            self.link.end(f"after an outage nothing could be read back: {error}")
            return
        self.has_servers = True
        self.put(Restored(data_lost))

    def _on_refusal(self, order_id: int, code: int, text: str) -> None:
        self._reasons[order_id] = text
        sent = self._sent.get(order_id)
        if sent is not None and not sent.future.done():
            sent.future.set_result(Rejected(refusal_code(code, text), f"{code}: {text}"))
            return
        for known in self._orders.values():
            if known.order.orderId == order_id and known.order.clientId == self.client_id:
                known.refused = True
                known.reason = text

    # Orders

    def expect(self, order_id: int, settles: Settles) -> "asyncio.Future[Answer]":
        """Wait for what TWS answers to something sent under this number."""
        future: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._sent[order_id] = _Sent(future, settles)
        return future

    def forget(self, order_id: int) -> None:
        self._sent.pop(order_id, None)

    def find(self, reference: str) -> KnownOrder | None:
        """The newest order of our reference, as last told."""
        mine = [known for known in self._orders.values() if known.reference == reference]
        return max(mine, key=lambda known: known.order.permId, default=None)

    def on_open_order(self, contract: Contract, order: Order, state: OrderState) -> None:
        self.link.saw_order_id(order.orderId)
        if order.account != self.account:
            return
        known = self._orders.get(order.permId)
        if known is None:
            known = self._orders[order.permId] = KnownOrder(contract, order, state.status)
        known.order, known.status = order, state.status
        if order.clientId == self.client_id:
            self._settle(order.orderId, known)

    def _settle(self, order_id: int, known: KnownOrder) -> None:
        sent = self._sent.get(order_id)
        answered = known.status not in NOT_ANSWERED
        if sent is not None and answered and not sent.future.done() and sent.settles(known):
            sent.future.set_result(known)

    def on_order_status(self, perm_id: int, order_id: int, client_id: int, status: str, filled: float) -> None:
        known = self._orders.get(perm_id)
        if known is None:
            return
        known.status, known.filled = status, number(filled)
        if client_id == self.client_id:
            known.reason = self._reasons.get(order_id, known.reason)
            self._settle(order_id, known)
        if self._begun and status not in NOT_ANSWERED:
            self._tell_order(known)

    def _tell_order(self, known: KnownOrder) -> None:
        order = known.as_broker_order()
        if self._told.get(known.order.permId) != order:
            self._told[known.order.permId] = order
            self.put(OrderUpdate(order))

    async def open_orders(self, *, everyone: bool) -> list[KnownOrder]:
        """The account's working orders: those of our client number, or all."""
        client = self.link.client
        if everyone:
            found = await self.link.question(lambda _: client.reqAllOpenOrders(), "openOrders")
        else:
            found = await self.link.question(lambda _: client.reqOpenOrders(), "openOrders")
        ids = dict.fromkeys(order.permId for _, order, _ in found if order.account == self.account)
        known = [self._orders[perm_id] for perm_id in ids]
        return sorted((each for each in known if each.is_working), key=lambda each: each.order.permId)

    async def completed_orders(self) -> list[KnownOrder]:
        """The account's orders that have ended, as far as the gateway still has them."""
        client = self.link.client
        found = await self.link.question(lambda _: client.reqCompletedOrders(False), "completedOrders")
        return [from_completed(*each) for each in found if each[1].account == self.account]

    def is_known(self, reference: str) -> bool:
        """Whether IB has, or has had today, an order or an execution of our reference."""
        return self.find(reference) is not None or any(
            execution.client_order_id == reference for execution in self._seen.values()
        )

    # Executions

    def on_execution(self, contract: Contract, told: IbExecution) -> None:
        self.link.saw_order_id(told.orderId)
        if told.acctNumber == self.account:
            self._fresh.append((contract, told))

    def on_commission(self, report: IbCommission) -> None:
        """A commission may come before its execution, with it, or much later."""
        self._commissions[report.execId] = report
        identifier = self._uncharged.pop(report.execId, None)
        if identifier is not None:
            self.put(CommissionReport(identifier, money(report.commission), report.currency))

    def _tell_execution(self, execution: Execution, exec_id: str) -> None:
        if execution.commission is None:
            self._uncharged[exec_id] = execution.execution_id
        self._take(execution)
        self.put(ExecutionReport(execution))

    def _take(self, execution: Execution) -> None:
        """Count an execution, or what its correction changes, once."""
        before = self._seen.get(execution.execution_id)
        if before is not None and int(before.revision or 0) >= int(execution.revision or 0):
            return
        self._seen[execution.execution_id] = execution
        moved = execution.quantity * execution.side.sign
        if before is not None:
            moved -= before.quantity * before.side.sign
        symbol = execution.symbol
        self._explained[symbol] = self._explained.get(symbol, Decimal(0)) + moved

    async def executions(self) -> list[Execution]:
        """All of the account's executions that the gateway still has, in force, oldest first."""
        wanted = ExecutionFilter(acctCode=self.account)
        found = await self.link.question(lambda number: self.link.client.reqExecutions(number, wanted))
        mine = [(contract, told) for contract, told in found if told.acctNumber == self.account]
        for _, told in mine:
            self.link.saw_order_id(told.orderId)
        return in_force(with_commissions(mine, self._commissions))

    async def sweep(self) -> list[Execution]:
        """Ask for all executions, and tell those that no message told."""
        found = await self.executions()
        for execution in found:
            seen = self._seen.get(execution.execution_id)
            if seen is None or key_of(seen) != key_of(execution):
                self._take(execution)
                self.put(ExecutionReport(execution))
        return found

    # Positions and money

    def on_position(self, account: str, contract: Contract, quantity: float, average_cost: float) -> None:
        if account != self.account:
            return
        position = position_of(contract, quantity, average_cost)
        before = self._positions.get(position.symbol, Decimal(0))
        self._positions[position.symbol] = position.quantity
        if not self._begun or position.quantity == before:
            return
        self.put(PositionUpdate(position))
        if position.quantity != self._explained.get(position.symbol, Decimal(0)):
            self._start(self._explain(position.symbol), "explanation of a position")

    async def _explain(self, symbol: str) -> None:
        """A position that no execution of ours explains: somebody traded by hand, or a message was lost."""
        await self._runtime.clock.sleep(SWEEP_SECONDS)
        if self._positions.get(symbol) == self._explained.get(symbol, Decimal(0)) or self.link.lost:
            return
        try:
            await self.sweep()
        except Retryable as error:
            _log.warning("a position is not explained", symbol=symbol, reason=str(error))
            return
        self._explained[symbol] = self._positions.get(symbol, Decimal(0))

    async def positions(self) -> list[BrokerPosition]:
        found = await self.link.question(lambda _: self.link.client.reqPositions(), "positions")
        mine = [position_of(*each) for account, *each in found if account == self.account]
        newest = {position.symbol: position for position in mine}
        return [position for _, position in sorted(newest.items()) if position.quantity]

    def on_account_value(self, account: str, tag: str, value: str, currency: str) -> None:
        if account == self.account:
            self._values[(tag, currency)] = value

    def on_account_complete(self, account: str) -> None:
        if self._begun and self._values:
            now = self.account_values()
            if now != self._account_told:
                self._account_told = now
                self.put(AccountUpdate(now))

    def account_values(self) -> Account:
        """The account's money as last told."""
        return account_of(self.account, ((tag, value, currency) for (tag, currency), value in self._values.items()))

    async def account_now(self) -> Account:
        """Ask for the account's money."""
        client, asked = self.link.client, 0

        def send(number: int) -> None:
            nonlocal asked
            asked = number
            client.reqAccountUpdatesMulti(number, self.account, "", True)

        found = await self.link.question(send)
        client.cancelAccountUpdatesMulti(asked)
        return account_of(self.account, ((tag, value, currency) for _, tag, value, currency in found))

    # Market data

    def on_price(self, request_id: int, kind: int, price: float, size: float) -> None:
        self.tickers.on_price(request_id, kind, price, size)

    def on_size(self, request_id: int, kind: int, size: float) -> None:
        self.tickers.on_size(request_id, kind, size)

    def on_tick_by_tick(self, request_id: int, prices: tuple[float, ...], sizes: tuple[float, ...]) -> None:
        self.tickers.on_tick_by_tick(request_id, prices, sizes)

    def on_bar(self, request_id: int, second: int, ohlc: Ohlc, volume: float, count: int) -> None:
        self.tickers.on_bar(request_id, second, ohlc, volume, count)


def position_of(contract: Contract, quantity: float, average_cost: float) -> BrokerPosition:
    """IB's average cost contains the multiplier."""
    multiplier = Decimal(contract.multiplier) if contract.multiplier else Decimal(1)
    return BrokerPosition(symbol_of(contract), number(quantity), number(average_cost) / multiplier)


def account_of(account: str, lines: Iterable[tuple[str, str, str]]) -> Account:
    """An account's money of TWS's lines: tag, value, currency."""
    cash: dict[str, Decimal] = {}
    currency, equity, margin = "USD", Decimal(0), Decimal(0)
    for tag, value, its_currency in lines:
        if tag == "CashBalance" and its_currency not in ("", "BASE"):
            cash[its_currency] = Decimal(value)
        elif tag == "NetLiquidation":
            equity, currency = Decimal(value), its_currency
        elif tag == "MaintMarginReq":
            margin = Decimal(value)
    return Account(account, currency, cash, equity, margin)
