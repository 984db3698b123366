"""Interactive Brokers behind the broker contract, on ib_async's client, over TWS or IB Gateway."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import structlog
from ib_async.contract import Contract, ContractDetails
from ib_async.objects import BarData

from live_trading.brokers.base import BrokerAdapter, SendGuard
from live_trading.brokers.errors import InDoubt, RateLimited, Retryable
from live_trading.brokers.ibkr.connection import Answer, Connection, Settles
from live_trading.brokers.ibkr.contracts import FUTURES, choose, contract_of, instrument_of
from live_trading.brokers.ibkr.executions import after, cursor_of
from live_trading.brokers.ibkr.history import (
    IDENTICAL_SECONDS,
    HistoryPace,
    HistoryRequest,
    merge,
    requests_for,
    wanted,
)
from live_trading.brokers.ibkr.options import IBKR_CAPABILITIES, IbkrOptions, account_of_log_in
from live_trading.brokers.ibkr.orders import KnownOrder, changed_order, new_order
from live_trading.brokers.ibkr.schedule import next_weekly_login
from live_trading.brokers.ibkr.wrapper import RequestFailed
from live_trading.brokers.types import (
    Absent,
    Account,
    AccountSnapshot,
    AuthRequired,
    BrokerEvent,
    BrokerOrder,
    BrokerPosition,
    Execution,
    Found,
    OrderChange,
    OrderRequest,
    Placed,
    Rejected,
    Unknown,
)
from live_trading.domain.bar_size import BarSize
from live_trading.domain.errors import InvalidInput
from live_trading.domain.instrument import Instrument
from live_trading.domain.market import Bar
from live_trading.runtime import Runtime, failpoint

_log = structlog.get_logger(__name__)

_NO_CONTRACT = 200
_NO_DATA = 162
_LOGIN_WARNING = timedelta(hours=24)


class IbkrBroker(BrokerAdapter):
    """A connection to one account at Interactive Brokers.

    ``request_timeout`` is how long an answer is waited for; ``silence_limit`` how long TWS, which is asked the time
    every second, may say nothing before the connection counts as dead.
    """

    def __init__(
        self,
        options: IbkrOptions,
        *,
        name: str,
        runtime: Runtime,
        guard: SendGuard,
        request_timeout: float = 10.0,
        silence_limit: float = 8.0,
        queue_limit: int = 10_000,
    ) -> None:
        self.capabilities = replace(IBKR_CAPABILITIES, absence_definitive_after=options.absence_seconds)
        self.name = name
        self.guard = guard
        self._options = options
        self._runtime = runtime
        self._request_timeout = request_timeout
        self._silence_limit = silence_limit
        self._queue_limit = queue_limit
        self._epoch = 0
        self._connection: Connection | None = None
        self._dropped_before = 0
        self._contracts: dict[str, tuple[Contract, Instrument]] = {}
        self._pace = HistoryPace(runtime.clock)
        self._warned_of: datetime | None = None

    # Connection and events

    async def connect(self, cursor: str | None) -> AccountSnapshot:
        await self.close()
        after(self.name, cursor, ())  # a cursor of another broker is refused before anything is asked
        self._epoch += 1
        options = self._options
        connection = Connection(
            self._runtime,
            name=self.name,
            account=options.account or "",
            client_id=options.client_id,
            epoch=self._epoch,
            request_timeout=self._request_timeout,
            silence_limit=self._silence_limit,
            queue_limit=self._queue_limit,
        )
        self._connection = connection
        try:
            await connection.link.open(options.host, options.port, options.client_id)
            connection.account = account_of_log_in(self.name, options, connection.link.client.getAccounts())
            return await self._synchronise(connection, cursor)
        except BaseException:
            await self.close()
            raise

    async def _synchronise(self, connection: Connection, cursor: str | None) -> AccountSnapshot:
        """Read the whole state. Positions and the account's values go on being told."""
        link = connection.link
        account = connection.account
        orders = await connection.open_orders(everyone=True)
        positions = await connection.positions()
        executions = await connection.executions()
        await link.question(lambda _: link.client.reqAccountUpdates(True, account), "accountUpdates")
        ended = await self._ended(connection)
        # Once more: an order or a fill may have come between the questions, and would be in none of the answers.
        orders = await connection.open_orders(everyone=True)
        executions = await connection.executions()
        positions = await connection.positions()
        if not connection.has_servers:
            raise Retryable(f"broker {self.name}: TWS has lost its connection to IB's servers")
        connection.begin(executions, orders, ended)
        link.probe()
        self._warn_of_login(connection)
        return AccountSnapshot(
            orders=tuple(order.as_broker_order() for order in orders),
            positions=tuple(positions),
            executions=tuple(after(self.name, cursor, executions)),
            account=connection.account_values(),
            cursor=cursor_of(executions),
            epoch=connection.epoch,
        )

    async def _ended(self, connection: Connection) -> list[KnownOrder]:
        """Orders that have ended. Some gateways never answer that: it is asked again where it decides something."""
        try:
            return await connection.completed_orders()
        except Retryable as error:
            if connection.link.lost:
                raise
            _log.warning("TWS does not list completed orders", broker=self.name, reason=str(error))
            return []

    def _warn_of_login(self, connection: Connection) -> None:
        """Once a week a person must log in again: say so a day before."""
        deadline = next_weekly_login(self._runtime.clock.now())
        near = deadline - self._runtime.clock.now() <= _LOGIN_WARNING
        if near and self._options.restart is not None and deadline != self._warned_of:
            self._warned_of = deadline
            _log.warning("IB asks for a log-in with the second factor", by=deadline.isoformat())
            connection.put(AuthRequired(deadline))

    async def close(self) -> None:
        if self._connection is not None:
            self._dropped_before += self._connection.queue.dropped_ticks
            await self._connection.end("closed by us")
            self._connection = None

    def events(self) -> AsyncIterator[BrokerEvent]:
        if self._connection is None:
            raise Retryable(f"broker {self.name}: not connected")
        return self._connection.queue.stream()

    def market_time_ns(self) -> int | None:
        return None if self._connection is None else self._connection.market_time_ns

    @property
    def dropped_ticks(self) -> int:
        """Ticks dropped because they were not taken fast enough."""
        now = 0 if self._connection is None else self._connection.queue.dropped_ticks
        return self._dropped_before + now

    def _usable(self) -> Connection:
        """The connection, if something may be sent through it now."""
        connection = self._connection
        if connection is None or connection.link.lost:
            raise Retryable(f"broker {self.name}: not connected")
        if not connection.has_servers:
            raise Retryable(f"broker {self.name}: TWS has lost its connection to IB's servers (1100)")
        return connection

    # Market data

    async def resolve(self, symbol: str) -> Instrument:
        return (await self._contract(symbol))[1]

    async def _contract(self, symbol: str) -> tuple[Contract, Instrument]:
        known = self._contracts.get(symbol)
        if known is not None:
            return known
        asked = contract_of(symbol)
        link = self._usable().link
        try:
            found: list[ContractDetails] = await link.ask(lambda number: link.client.reqContractDetails(number, asked))
        except RequestFailed as error:
            if error.code != _NO_CONTRACT:
                raise Retryable(f"broker {self.name}: {error}") from error
            raise InvalidInput(
                "asset",
                f'"{symbol}" is not traded on broker {self.name}',
                "Check the symbol, and what the account may trade",
            ) from error
        details = choose(found, symbol, self._runtime.clock.now().date(), self._options.roll_days)
        assert details.contract is not None
        instrument = instrument_of(details)
        self._contracts[instrument.symbol] = details.contract, instrument
        return self._contracts[instrument.symbol]

    async def _order_contract(self, symbol: str) -> Contract:
        """What to place an order in. No question stands before an order but where its symbol alone is not enough."""
        known = self._contracts.get(symbol)
        if known is not None:
            return known[0]
        return (await self._contract(symbol))[0] if symbol in FUTURES else contract_of(symbol)

    async def subscribe(self, instrument: Instrument) -> None:
        contract, known = await self._contract(instrument.symbol)
        await self._usable().tickers.subscribe(known, contract, self._options.ticks)

    async def unsubscribe(self, instrument: Instrument) -> None:
        if self._connection is not None and not self._connection.link.lost:
            self._connection.tickers.unsubscribe(instrument.symbol)

    async def history(self, instrument: Instrument, bar_size: BarSize, start: datetime, end: datetime) -> list[Bar]:
        if start >= end:
            return []
        contract, known = await self._contract(instrument.symbol)
        connection = self._usable()
        found: dict[str, list[BarData]] = {kind: [] for kind in wanted(known)}
        for until, duration in requests_for(bar_size, start, end):
            for kind in found:
                request = HistoryRequest(known.symbol, until, duration, bar_size, kind)
                found[kind] += await self._bars(connection, contract, request)
        return merge(found, bar_size, known, start, end, connection.now_ns())

    async def _bars(self, connection: Connection, contract: Contract, request: HistoryRequest) -> list[BarData]:
        """One request's bars; none where IB has none. What was just asked is not asked again: IB would refuse it."""
        answered = self._pace.answered(request)
        if answered is not None:
            return answered
        await self._pace.take(request)
        client = connection.link.client
        until, duration, size, what = request.until, request.duration, request.bar_size.value, request.kind

        def send(number: int) -> None:
            client.reqHistoricalData(number, contract, until, duration, size, what, False, 2, False, [])

        try:
            bars = await connection.link.ask(send)
        except RequestFailed as error:
            if error.code == _NO_DATA and "pacing" in error.text:
                raise RateLimited(IDENTICAL_SECONDS, f"broker {self.name}: {error}") from error
            if error.code != _NO_DATA or "no data" not in error.text:
                raise Retryable(f"broker {self.name}: {error}") from error
            bars = []
        self._pace.keep(request, bars)
        return bars

    # Orders

    def _check_not_held(self) -> None:
        restart = self._options.restart
        if restart is not None and restart.is_held(self._runtime.clock.now()):
            raise Retryable(f"broker {self.name}: submissions are held around the gateway's nightly restart")

    async def place(self, request: OrderRequest) -> Placed | Rejected:
        failpoint("broker.place.before")
        connection = self._usable()
        self._check_not_held()
        if connection.is_known(request.client_order_id):
            return Rejected("DUPLICATE_CLIENT_ORDER_ID", f"IB has an order {request.client_order_id} already")
        parent_id = 0
        if request.parent_client_order_id is not None:
            parent = connection.find(request.parent_client_order_id)
            if parent is None:
                return Rejected("PARENT_NOT_FOUND", f"no order {request.parent_client_order_id}")
            # What has been filled whole is no parent any more: its protection stands by itself, in its group.
            parent_id = parent.order.orderId if parent.is_working else 0
        contract = await self._order_contract(request.instrument.symbol)
        answers = await self._submit(connection, contract, request, parent_id)
        failpoint("broker.place.after")
        entry = answers[0]
        if isinstance(entry, Rejected):
            return entry
        attached = {
            child.client_order_id: str(answer.order.permId)
            for child, answer in zip(request.attached, answers[1:], strict=True)
            if isinstance(answer, KnownOrder)
        }
        return Placed(str(entry.order.permId), attached)

    async def _submit(
        self, connection: Connection, contract: Contract, request: OrderRequest, parent_id: int
    ) -> list[Answer]:
        """Send an order with its protections. TWS holds all of them until the last, which says ``transmit``."""
        family = (request, *request.attached)
        await connection.link.budget.take(len(family), order=True)
        self._same(connection)
        link = connection.link
        numbers = [link.next_order_id() for _ in family]
        waiting = [connection.expect(number, _is_there) for number in numbers]
        left = False
        try:
            for place, (each, number) in enumerate(zip(family, numbers, strict=True)):
                parent = parent_id if place == 0 else numbers[0]
                last = place == len(family) - 1
                if place:
                    await asyncio.sleep(0)  # what was written is on its way before the next one is
                    failpoint("broker.bracket.between")
                self.guard()
                order = new_order(each, number, connection.account, parent_id=parent, transmit=last)
                left = True
                link.client.placeOrder(number, contract, order)
            async with asyncio.timeout(self._request_timeout):
                entry = await waiting[0]
                if isinstance(entry, Rejected):
                    return [entry]  # its protections end with it
                return [entry, *[await answer for answer in waiting[1:]]]
        except TimeoutError as error:
            cause = f"no answer within {self._request_timeout:g} s"
            raise InDoubt(request.client_order_id, cause) from error
        except ConnectionError as error:
            if not left:
                raise Retryable(f"broker {self.name}: not connected ({error})") from error
            raise InDoubt(request.client_order_id, str(error)) from error
        finally:
            for number in numbers:
                connection.forget(number)

    def _same(self, connection: Connection) -> None:
        if self._usable() is not connection:
            raise Retryable(f"broker {self.name}: the connection was lost before anything was sent")

    async def modify(self, client_order_id: str, change: OrderChange) -> Placed | Rejected:
        failpoint("broker.modify.before")
        self._check_not_held()
        known = await self._mine(client_order_id)
        if isinstance(known, Rejected):
            return known
        order = changed_order(known, change)
        answer = await self._send(
            client_order_id,
            known,
            _has_changed(known.as_broker_order(), change),
            lambda connection: connection.link.client.placeOrder(known.order.orderId, known.contract, order),
        )
        failpoint("broker.modify.after")
        return answer

    async def cancel(self, client_order_id: str) -> Placed | Rejected:
        failpoint("broker.cancel.before")
        known = await self._mine(client_order_id)
        if isinstance(known, Rejected):
            return known
        answer = await self._send(
            client_order_id,
            known,
            lambda order: order.status in ("PendingCancel", "ApiCancelled", "Cancelled"),
            lambda connection: connection.link.client.cancelOrder(known.order.orderId),
        )
        failpoint("broker.cancel.after")
        return answer

    async def _mine(self, client_order_id: str) -> KnownOrder | Rejected:
        """An order of ours that works, or why there is none."""
        connection = self._usable()
        known = connection.find(client_order_id)
        if known is None:
            return Rejected("ORDER_NOT_FOUND", f"no order {client_order_id}")
        if not known.is_working:
            return Rejected("NOT_WORKING", f"order {client_order_id} is {known.status}")
        if known.order.clientId != connection.client_id:
            text = f"order {client_order_id} is client {known.order.clientId}'s, we are {connection.client_id}"
            return Rejected("NOT_OURS", f"{text}: set broker.ibkr.client_id to that number to manage it")
        return known

    async def _send(
        self, client_order_id: str, known: KnownOrder, settles: Settles, send: Callable[[Connection], None]
    ) -> Placed | Rejected:
        """Send something about a working order and wait for its answer."""
        connection = self._usable()
        await connection.link.budget.take(1, order=True)
        self._same(connection)
        self.guard()
        answer = connection.expect(known.order.orderId, settles)
        try:
            send(connection)
            async with asyncio.timeout(self._request_timeout):
                found = await answer
        except TimeoutError as error:
            raise InDoubt(client_order_id, f"no answer within {self._request_timeout:g} s") from error
        except ConnectionError as error:
            raise InDoubt(client_order_id, str(error)) from error
        finally:
            connection.forget(known.order.orderId)
        return found if isinstance(found, Rejected) else Placed(str(found.order.permId))

    # Questions

    async def find_order(self, client_order_id: str) -> Found | Absent | Unknown:
        """In four steps: our open orders, everybody's, those that have ended, and executions by our reference."""
        try:
            connection = self._usable()
            for everyone in (False, True):
                for order in await connection.open_orders(everyone=everyone):
                    if order.reference == client_order_id:
                        return Found(order.as_broker_order())
            ended = [each for each in await connection.completed_orders() if each.reference == client_order_id]
            executions = [each for each in await connection.sweep() if each.client_order_id == client_order_id]
            self._same(connection)
        except Retryable as error:
            return Unknown(str(error))
        if ended:
            return Found(max(ended, key=lambda known: known.order.permId).as_broker_order())
        if executions:
            return self._by_executions(connection, client_order_id, executions)
        return Absent(
            f"no open order, no completed one and no execution of account {connection.account} has the reference "
            f"{client_order_id}"
        )

    @staticmethod
    def _by_executions(connection: Connection, client_order_id: str, executions: list[Execution]) -> Found | Unknown:
        """An order that only its executions still show: it is no longer open."""
        known = connection.find(client_order_id)
        if known is None:
            return Unknown(f"{client_order_id} has executions, but its order is not listed yet")
        known.filled = sum((each.quantity for each in executions), start=executions[0].quantity * 0)
        return Found(known.as_broker_order())

    async def executions_since(self, cursor: str | None) -> tuple[Sequence[Execution], str]:
        executions = await self._usable().executions()
        return after(self.name, cursor, executions), cursor_of(executions)

    def executions_reach_back_to(self) -> datetime:
        """Midnight: by UTC, or by the gateway's own zone, whichever was last."""
        now = self._runtime.clock.now()
        restart = self._options.restart
        zones = (UTC, ZoneInfo(restart.zone)) if restart is not None else (UTC,)
        midnights = (now.astimezone(zone).replace(hour=0, minute=0, second=0, microsecond=0) for zone in zones)
        return max(midnights).astimezone(UTC)

    async def open_orders(self) -> Sequence[BrokerOrder]:
        return [order.as_broker_order() for order in await self._usable().open_orders(everyone=True)]

    async def positions(self) -> Sequence[BrokerPosition]:
        return await self._usable().positions()

    async def account(self) -> Account:
        return await self._usable().account_now()


def _is_there(known: KnownOrder) -> bool:
    return True


def _has_changed(before: BrokerOrder, change: OrderChange) -> Settles:
    """Whether TWS tells the order with its new values. A stop that trails may have gone on already, and a protection
    is never larger than what it guards."""

    def settles(known: KnownOrder) -> bool:
        now = known.as_broker_order()
        if change.limit_price is not None and now.limit_price != change.limit_price:
            return False
        if change.stop_price is not None and now.stop_price != change.stop_price:
            further = now.stop_price is not None and (change.stop_price - now.stop_price) * now.side.sign > 0
            if not (further and now.trailing_distance is not None):
                return False
        return change.quantity is None or now.quantity == change.quantity or now.quantity != before.quantity

    return settles
