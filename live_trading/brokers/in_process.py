"""The broker contract straight over an exchange in the same process and event loop, for backtests and simulations.

No threads, no sockets, no time but the clock's: the same ticks and commands give the same events. The exchange
outlives the adapter, as a broker outlives an engine: let the engine die, build a new adapter on the same exchange.
Commands on their way (``latency``) belong to the exchange's own tasks, so that they arrive even if their sender is
gone.
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import replace
from datetime import datetime

from msgspec import structs

from live_trading.brokers.base import BrokerAdapter, SendGuard
from live_trading.brokers.errors import Fatal, InDoubt, Retryable
from live_trading.brokers.event_queue import EventQueue
from live_trading.brokers.lesser import as_lesser
from live_trading.brokers.linked_bracket import place_linked
from live_trading.brokers.paper_types import (
    PAPER_CAPABILITIES,
    answer_of,
    broker_account,
    broker_execution,
    broker_order,
    broker_position,
    execution_number,
    nanoseconds,
    new_order,
)
from live_trading.brokers.types import (
    Absent,
    Account,
    AccountSnapshot,
    AccountUpdate,
    Bracket,
    BrokerEvent,
    BrokerOrder,
    BrokerPosition,
    CommissionReport,
    Connected,
    Degraded,
    Execution,
    ExecutionReport,
    Found,
    MarketTime,
    OrderChange,
    OrderRequest,
    OrderUpdate,
    Placed,
    PositionUpdate,
    Rejected,
    TickEvent,
    Unknown,
)
from live_trading.domain.bar_size import BarSize
from live_trading.domain.errors import InvalidInput
from live_trading.domain.instrument import Instrument
from live_trading.domain.market import Bar, QuoteTick, TradeTick
from live_trading.paper_exchange import core
from live_trading.paper_exchange.exchange import FeedEnded, MarketHeartbeat, Notice, SimulatedExchange
from live_trading.paper_exchange.faults import ON_COMMAND, FaultKind
from live_trading.runtime import Runtime, failpoint

_Act = Callable[[], Placed | Rejected]


class InProcessBroker(BrokerAdapter):
    """A connection to one account of a :class:`SimulatedExchange`.

    ``latency`` is how many seconds a command, an answer and an event each take on their way. ``request_timeout`` is how
    long an answer is waited for before the request is in doubt, ``silence_limit`` how long a silent peer is believed,
    ``bracket`` how protections are sent, ``oca`` and ``stops`` what the broker can do.
    """

    def __init__(
        self,
        exchange: SimulatedExchange,
        account: str,
        *,
        name: str,
        runtime: Runtime,
        guard: SendGuard,
        latency: float = 0.0,
        request_timeout: float = 10.0,
        silence_limit: float = 5.0,
        queue_limit: int = 10_000,
        bracket: Bracket = Bracket.ATOMIC,
        oca: bool = True,
        stops: bool = True,
    ) -> None:
        self.capabilities = replace(PAPER_CAPABILITIES, bracket=bracket, oca=oca, stops=stops)
        self.name = name
        self.guard = guard
        self._exchange = exchange
        self._account = account
        self._runtime = runtime
        self._latency = latency
        self._request_timeout = request_timeout
        self._silence_limit = silence_limit
        self._queue_limit = queue_limit
        self._connection: _Connection | None = None
        self._market_time_ns: int | None = None

    # Connection and events

    async def connect(self, cursor: str | None) -> AccountSnapshot:
        await self.close()
        await self._question()
        if self._account not in self._exchange.engine.accounts:
            raise Fatal(f"broker {self.name}: the exchange has no account {self._account}")
        connection = _Connection(self, self._exchange, self._account, self._queue_limit)
        self._connection = connection
        self._exchange.listen(connection)
        state = self._exchange.state_of(self._account, self._number(cursor))
        connection.tell(Connected(connection.epoch))
        return AccountSnapshot(
            orders=tuple(broker_order(order) for order in state.orders),
            positions=tuple(broker_position(position) for position in state.positions),
            executions=tuple(broker_execution(row) for row in state.executions),
            account=broker_account(state.view),
            cursor=str(state.cursor),
            epoch=connection.epoch,
        )

    async def close(self) -> None:
        if self._connection is not None:
            self._connection.disconnect("closed by us")
            self._connection = None

    def events(self) -> AsyncIterator[BrokerEvent]:
        if self._connection is None:
            raise Retryable(f"broker {self.name}: not connected")
        return self._connection.queue.stream()

    def market_time_ns(self) -> int | None:
        return self._market_time_ns

    @property
    def dropped_ticks(self) -> int:
        """Ticks dropped in this connection because they were not taken fast enough."""
        return 0 if self._connection is None else self._connection.queue.dropped_ticks

    # Market data

    async def resolve(self, symbol: str) -> Instrument:
        await self._question((symbol,))
        listing = self._exchange.catalogue.get(symbol)
        if listing is None:
            known = ", ".join(listing.symbol for listing in self._exchange.catalogue)
            raise InvalidInput("asset", f'"{symbol}" is not traded on broker {self.name}', f"Use one of {known}")
        return listing.instrument

    async def subscribe(self, instrument: Instrument) -> None:
        await self._question((instrument.symbol,))
        if self._connection is None or self._connection.is_over:
            raise Retryable(f"broker {self.name}: not connected")
        self._connection.symbols.add(instrument.symbol)

    async def unsubscribe(self, instrument: Instrument) -> None:
        if self._connection is not None:
            self._connection.symbols.discard(instrument.symbol)

    async def history(self, instrument: Instrument, bar_size: BarSize, start: datetime, end: datetime) -> list[Bar]:
        await self._question((instrument.symbol,))
        start_ns, end_ns = nanoseconds(start), nanoseconds(end)
        now_ns = self._exchange.now_ns
        return self._exchange.candles.history(instrument.symbol, bar_size, start_ns, end_ns, now_ns)

    # Orders

    async def place(self, request: OrderRequest) -> Placed | Rejected:
        lesser = as_lesser(request, self.capabilities)
        if isinstance(lesser, Rejected):
            return lesser
        request = lesser
        if self.capabilities.bracket is Bracket.LINKED and request.attached:
            return await place_linked(self.place, request)

        def act() -> Placed | Rejected:
            new = new_order(request)
            if request.parent_client_order_id is not None:
                parent = self._exchange.find(self._account, request.parent_client_order_id)
                if parent is None:
                    return Rejected(core.Refusal.PARENT_NOT_FOUND, f"no order {request.parent_client_order_id}")
                new = structs.replace(new, parent_order_id=parent.order_id)
            return answer_of(self._exchange.place(self._account, new))

        return await self._command("place", request.client_order_id, request.instrument.symbol, act)

    async def modify(self, client_order_id: str, change: OrderChange) -> Placed | Rejected:
        def act() -> Placed | Rejected:
            order = self._exchange.find(self._account, client_order_id)
            if order is None:
                return Rejected(core.Refusal.ORDER_NOT_FOUND, f"no order {client_order_id}")
            new_values = core.Change(change.quantity, change.limit_price, change.stop_price)
            return answer_of(self._exchange.modify(self._account, order.order_id, new_values))

        return await self._command("modify", client_order_id, None, act)

    async def cancel(self, client_order_id: str) -> Placed | Rejected:
        def act() -> Placed | Rejected:
            order = self._exchange.find(self._account, client_order_id)
            if order is None:
                return Rejected(core.Refusal.ORDER_NOT_FOUND, f"no order {client_order_id}")
            return answer_of(self._exchange.cancel(self._account, order.order_id))

        return await self._command("cancel", client_order_id, None, act)

    async def _command(self, operation: str, client_order_id: str, symbol: str | None, act: _Act) -> Placed | Rejected:
        failpoint(f"broker.{operation}.before")
        if self._connection is None:
            raise Retryable(f"broker {self.name}: not connected")
        self.guard()
        journey = self._travel(operation, client_order_id, symbol, act)
        if self._latency:
            task = self._exchange.start(journey, f"{operation} {client_order_id}")
            answer: Placed | Rejected | InDoubt = await asyncio.shield(task)
        else:
            answer = await journey
        failpoint(f"broker.{operation}.after")
        if isinstance(answer, InDoubt):
            raise answer
        return answer

    async def _travel(
        self, operation: str, client_order_id: str, symbol: str | None, act: _Act
    ) -> Placed | Rejected | InDoubt:
        """A command's way to the exchange and back, with what may happen to it."""
        clock, faults, about = self._runtime.clock, self._exchange.faults, (client_order_id, symbol)
        if self._latency:
            await clock.sleep(self._latency)
        if self._exchange.silent:
            await clock.sleep(self._request_timeout)
            return InDoubt(client_order_id, f"no answer within {self._request_timeout:g} s")
        fault = next((f for kind in ON_COMMAND if (f := faults.take(kind, about, operation))), None)
        if fault is not None and fault.kind is FaultKind.DROP_BEFORE_ACCEPT:
            return InDoubt(client_order_id, "the connection was closed without an answer")
        answer = act()
        if fault is not None and fault.kind is not FaultKind.SLOW:
            late = fault.kind is FaultKind.ACCEPTED_504
            return InDoubt(client_order_id, "status 504" if late else "the connection was closed without an answer")
        delay = self._latency + (0.0 if fault is None else fault.seconds)
        if delay > self._request_timeout:
            await clock.sleep(self._request_timeout)
            return InDoubt(client_order_id, f"no answer within {self._request_timeout:g} s")
        if delay:
            await clock.sleep(delay)
        return answer

    # Questions

    async def find_order(self, client_order_id: str) -> Found | Absent | Unknown:
        try:
            await self._question((client_order_id,))
        except Retryable as error:
            return Unknown(str(error))
        order = self._exchange.find(self._account, client_order_id)
        if order is None:
            return Absent(f"the exchange has no order {client_order_id} of account {self._account}")
        return Found(broker_order(order))

    async def executions_since(self, cursor: str | None) -> tuple[Sequence[Execution], str]:
        await self._question(("executions",))
        rows, number = self._exchange.executions_after(self._account, self._number(cursor))
        return [broker_execution(row) for row in rows], str(number)

    async def open_orders(self) -> Sequence[BrokerOrder]:
        await self._question(("orders",))
        return [broker_order(order) for order in self._exchange.open_orders(self._account)]

    async def positions(self) -> Sequence[BrokerPosition]:
        await self._question(("positions",))
        return [broker_position(position) for position in self._exchange.positions(self._account)]

    async def account(self) -> Account:
        await self._question()
        return broker_account(self._exchange.account(self._account))

    async def _question(self, about: tuple[str | None, ...] = ()) -> None:
        """The way of a question to the exchange and back. ``about``: what a fault may be meant for, as in the paths of
        the HTTP front."""
        failpoint("broker.query.before")
        if self._exchange.silent:
            await self._runtime.clock.sleep(self._request_timeout)
            raise Retryable(f"broker {self.name}: no answer within {self._request_timeout:g} s")
        if self._latency:
            await self._runtime.clock.sleep(2 * self._latency)
        if self._exchange.faults.take(FaultKind.FAIL_QUERIES, about) is not None:
            raise Retryable(f"broker {self.name}: status 503")
        failpoint("broker.query.after")

    def _number(self, cursor: str | None) -> int:
        return execution_number(self.name, cursor, self._exchange.engine.accounts[self._account].last_number)

    def told(self, event: BrokerEvent) -> None:
        """An event has reached us."""
        if isinstance(event, MarketTime):
            self._market_time_ns = event.time_ns
        elif isinstance(event, TickEvent):
            self._market_time_ns = max(event.tick.time_ns, self._market_time_ns or 0)

    def start(self, connection: "_Connection") -> None:
        """Run what brings a connection's events late."""
        self._runtime.tasks.start(connection.bring(), f"events of broker {self.name}")

    def wait_foranswer_of(self, connection: "_Connection") -> None:
        """Watch a peer that has gone silent."""
        self._runtime.tasks.start(connection.watch(self._silence_limit), f"silence of broker {self.name}")

    @property
    def latency(self) -> float:
        return self._latency

    @property
    def runtime(self) -> Runtime:
        return self._runtime


class _Connection:
    """What the exchange tells one adapter, from its connecting on. Its epoch fences those before."""

    def __init__(self, broker: InProcessBroker, exchange: SimulatedExchange, account: str, limit: int) -> None:
        self.epoch = exchange.next_epoch()
        self.queue = EventQueue(limit)
        self.symbols: set[str] = set()
        self._broker = broker
        self._exchange = exchange
        self._account = account
        self._silenced: deque[BrokerEvent] = deque()
        self._watched = False
        self._travelling: deque[tuple[float, BrokerEvent]] = deque()
        self._departed = asyncio.Event()
        self._over = False
        if broker.latency:
            broker.start(self)

    @property
    def is_over(self) -> bool:
        """Whether it was lost or ended, noticed or not."""
        return self._over

    def deliver(self, notice: Notice) -> None:
        event = self._event(notice)
        if event is None:
            return
        if self._exchange.silent or self._watched:
            self._silenced.append(event)
            if not self._watched:
                self._watched = True
                self._broker.wait_foranswer_of(self)
        else:
            self.tell(event)

    def disconnect(self, reason: str) -> None:
        self._over = True
        self._departed.set()
        self._exchange.leave(self)
        self.queue.close(reason)

    def tell(self, event: BrokerEvent) -> None:
        """Send an event on its way."""
        if self._broker.latency:
            self._travelling.append((self._broker.runtime.clock.monotonic() + self._broker.latency, event))
            self._departed.set()
        else:
            self._arrive(event)

    def _arrive(self, event: BrokerEvent) -> None:
        if self._over:
            return
        self._broker.told(event)
        self.queue.put(event)
        if self.queue.closed:
            self.disconnect("too slow")

    async def bring(self) -> None:
        """Bring each event when it is due."""
        clock = self._broker.runtime.clock
        while not self._over:
            while not self._travelling and not self._over:
                self._departed.clear()
                await self._departed.wait()
            if self._over:
                return
            due, event = self._travelling.popleft()
            if (wait := due - clock.monotonic()) > 0:
                await clock.sleep(wait)
            self._arrive(event)

    async def watch(self, limit: float) -> None:
        """Wait for a silent peer: what it held back comes late, or the connection is given up."""
        clock = self._broker.runtime.clock
        since = clock.monotonic()
        while self._exchange.silent:
            waited = clock.monotonic() - since
            if waited >= limit:
                self.disconnect(f"silent for {waited:.1f} s")
                return
            await clock.sleep(min(0.25, limit))
        self._watched = False
        while self._silenced:
            self.tell(self._silenced.popleft())

    def _event(self, notice: Notice) -> BrokerEvent | None:
        """The contract's word for a notice; None for what is not ours."""
        match notice:
            case QuoteTick() | TradeTick():
                return TickEvent(notice) if notice.symbol in self.symbols else None
            case MarketHeartbeat():
                return MarketTime(notice.time_ns)
            case FeedEnded():
                return Degraded("the recorded feed has ended: the market is closed")
            case core.OrderChanged() if notice.order.account == self._account:
                return OrderUpdate(broker_order(notice.order))
            case core.Executed() if notice.execution.account == self._account:
                return ExecutionReport(broker_execution(notice.execution))
            case core.CommissionTold() if notice.row.account == self._account:
                row = notice.row
                return CommissionReport(row.execution_id, row.commission, row.commission_currency)
            case core.PositionChanged() if notice.position.account == self._account:
                return PositionUpdate(broker_position(notice.position))
            case core.AccountChanged() if notice.view.account == self._account:
                return AccountUpdate(broker_account(notice.view))
        return None
