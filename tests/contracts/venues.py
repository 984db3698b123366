"""Brokers with a hand behind them: what the contract's tests need besides the adapter itself."""

import asyncio
import os
import signal
from abc import ABC, abstractmethod
from collections.abc import Callable
from decimal import Decimal
from itertools import count
from pathlib import Path
from typing import Any

import httpx
from pydantic import SecretStr

from live_trading.brokers.base import BrokerAdapter
from live_trading.brokers.ibkr import IbkrBroker, IbkrOptions
from live_trading.brokers.in_process import InProcessBroker
from live_trading.brokers.oanda import Environment, OandaBroker
from live_trading.brokers.paper import PaperBroker
from live_trading.brokers.types import BrokerEvent, Disconnected, ExecutionReport, Found, OrderRequest
from live_trading.domain.instrument import ALWAYS_OPEN, Instrument
from live_trading.domain.market import QuoteTick
from live_trading.domain.values import OrderStatus, OrderType, Side
from live_trading.paper_exchange import AccountSettings, Fault, FaultKind, SimulatedExchange, default_catalogue
from live_trading.paper_exchange.process import PaperExchangeProcess
from live_trading.paper_exchange.store import ExchangeStore
from live_trading.runtime import Runtime

D = Decimal
SYMBOL = "EUR-USD"
EURUSD: Instrument = default_catalogue()[SYMBOL].instrument
ACCOUNTS = (f"T{number}" for number in count(1))
"""Accounts that no test has used yet."""

_numbers = count(1)


class Tape:
    """What a broker tells, taken down as it comes."""

    def __init__(self, broker: BrokerAdapter, runtime: Runtime) -> None:
        self.events: list[BrokerEvent] = []
        self._news = asyncio.Event()
        self._task = runtime.tasks.start(self._take(broker), "tape")

    async def _take(self, broker: BrokerAdapter) -> None:
        async for event in broker.events():
            self.events.append(event)
            self._news.set()

    def all(self, kind: type[Any], **fields: Any) -> list[Any]:
        """The events of a kind, or what they carry, with these values."""
        found = []
        for event in self.events:
            if isinstance(event, kind):
                inner = getattr(event, "order", None) or getattr(event, "execution", None) or event
                if all(getattr(inner, name) == value for name, value in fields.items()):
                    found.append(inner)
        return found

    async def has(self, kind: type[Any], count: int = 1, timeout: float = 10.0, **fields: Any) -> list[Any]:
        """Wait until there are ``count`` of them."""
        async with asyncio.timeout(timeout):
            while len(found := self.all(kind, **fields)) < count:
                self._news.clear()
                await self._news.wait()
        return found

    async def sees(self, wanted: Callable[[BrokerEvent], bool], timeout: float = 10.0) -> None:
        """Wait for such an event."""
        async with asyncio.timeout(timeout):
            while not any(wanted(event) for event in self.events):
                self._news.clear()
                await self._news.wait()

    async def ended(self, timeout: float = 10.0) -> Disconnected:
        """Wait for the stream's end; its last word."""
        async with asyncio.timeout(timeout):
            await self._task
        last = self.events[-1]
        assert isinstance(last, Disconnected)
        return last


class Venue(ABC):
    """One account of one exchange, with its market and its faults in the test's hand."""

    account: str
    corrects = True
    """Whether the broker corrects executions, and may tell a commission after its execution."""
    repeats = True
    """Whether the adapter passes on what the broker tells twice or out of order, for the engine to see through."""
    steps = True
    """Whether it tells every step of a stop that trails, and lets one be moved."""
    foreign_cursor = "99"
    """A cursor that another exchange gave."""

    def __init__(self, runtime: Runtime) -> None:
        self.runtime = runtime
        self.brokers: list[BrokerAdapter] = []
        self.guarded = 0
        self.guard: Callable[[], None] = self._count

    def _count(self) -> None:
        self.guarded += 1

    def broker(self, account: str | None = None, **options: Any) -> BrokerAdapter:
        """A new adapter, not yet connected."""
        options = {"request_timeout": 1.0, "silence_limit": 2.5, **options}
        broker = self._broker(
            account or self.account, name="paper", runtime=self.runtime, guard=lambda: self.guard(), **options
        )
        self.brokers.append(broker)
        return broker

    async def again(self, broker: BrokerAdapter, tape: Tape) -> tuple[BrokerAdapter, Tape]:
        """The broker after a lost answer: where the connection went with it, connected again."""
        return broker, tape

    async def told_or_read_back(self, broker: BrokerAdapter, tape: Tape, client_order_id: str) -> None:
        """An order's fill is known: it was told, or it is in what is read at connecting again."""
        await tape.has(ExecutionReport, client_order_id=client_order_id)

    async def connected(self, cursor: str | None = None, **options: Any) -> tuple[BrokerAdapter, Tape]:
        broker = self.broker(**options)
        await broker.connect(cursor)
        return broker, Tape(broker, self.runtime)

    async def close(self) -> None:
        for broker in self.brokers:
            await broker.close()

    @abstractmethod
    def _broker(self, account: str, **options: Any) -> BrokerAdapter: ...

    @abstractmethod
    async def quote(self, bid: str, ask: str) -> None: ...

    @abstractmethod
    async def fault(self, kind: FaultKind, **fields: Any) -> int: ...

    @abstractmethod
    async def mend(self) -> None:
        """Remove every fault."""

    @abstractmethod
    async def hang_up(self) -> None: ...

    @abstractmethod
    async def correct(self, execution_id: str, **values: Decimal) -> None: ...

    @abstractmethod
    async def by_hand(self, side: Side, quantity: int, price: str, *, reported: bool) -> None: ...

    @abstractmethod
    async def restart(self) -> None:
        """The exchange's process dies and comes back."""


class InProcessVenue(Venue):
    """An exchange in this process, over a store of its own."""

    account = "PAPER-1"

    def __init__(self, runtime: Runtime, directory: Path) -> None:
        super().__init__(runtime)
        self._directory = directory
        self._open()
        runtime.tasks.start(self._tell_time(), "market time")

    def _open(self) -> None:
        self._store = ExchangeStore(self._directory / "exchange.sqlite")
        accounts = self._store.open_accounts(AccountSettings(account=name) for name in ("PAPER-1", "PAPER-2"))
        self.exchange = SimulatedExchange(
            default_catalogue(), clock=self.runtime.clock, accounts=accounts, store=self._store
        )
        self.exchange.restore(self._store.load())

    async def _tell_time(self) -> None:
        while True:
            self.exchange.on_time(self.exchange.now_ns)
            await self.runtime.clock.sleep(0.05)

    def _broker(self, account: str, **options: Any) -> BrokerAdapter:
        return InProcessBroker(self.exchange, account, **options)

    async def quote(self, bid: str, ask: str) -> None:
        self.exchange.on_tick(QuoteTick(SYMBOL, self.exchange.now_ns, D(bid), D(ask)))

    async def fault(self, kind: FaultKind, **fields: Any) -> int:
        return self.exchange.faults.add(Fault(kind, **fields))

    async def mend(self) -> None:
        self.exchange.faults.remove()

    async def hang_up(self) -> None:
        self.exchange.disconnect_all()

    async def correct(self, execution_id: str, **values: Decimal) -> None:
        self.exchange.correct_execution(self.account, execution_id, **values)

    async def by_hand(self, side: Side, quantity: int, price: str, *, reported: bool) -> None:
        move = self.exchange.external_fill if reported else self.exchange.adjust_position
        move(self.account, SYMBOL, side, D(quantity), D(price))

    async def restart(self) -> None:
        self.exchange.disconnect_all("the exchange died")
        self._store.close()
        self._open()

    async def close(self) -> None:
        await super().close()
        await self.exchange.tasks.close()
        self._store.close()


class ProcessVenue(Venue):
    """A paper exchange process, driven through its control endpoint."""

    def __init__(self, runtime: Runtime, process: PaperExchangeProcess, account: str) -> None:
        super().__init__(runtime)
        self.process = process
        self.account = account
        self._http = httpx.AsyncClient(trust_env=False, timeout=10)

    async def _post(self, **body: Any) -> Any:
        response = await self._http.post(f"{self.process.url}/v1/faults", json=body)
        assert response.status_code == 200, response.text
        return response.json()

    def _broker(self, account: str, **options: Any) -> BrokerAdapter:
        return PaperBroker(self.process.url, account, **options)

    async def quote(self, bid: str, ask: str) -> None:
        await self._post(kind="quote", symbol=SYMBOL, bid=bid, ask=ask)

    async def fault(self, kind: FaultKind, **fields: Any) -> int:
        return int((await self._post(kind=kind.value, **fields))["fault_id"])

    async def mend(self) -> None:
        await self._http.delete(f"{self.process.url}/v1/faults")

    async def hang_up(self) -> None:
        await self._post(kind="disconnect_streams")

    async def correct(self, execution_id: str, **values: Decimal) -> None:
        figures = {name: str(value) for name, value in values.items()}
        await self._post(kind="correct_execution", account=self.account, execution_id=execution_id, **figures)

    async def by_hand(self, side: Side, quantity: int, price: str, *, reported: bool) -> None:
        await self._post(
            kind="external_fill" if reported else "adjust_position",
            account=self.account,
            symbol=SYMBOL,
            side=side.value,
            quantity=str(quantity),
            price=price,
        )

    async def restart(self) -> None:
        os.kill(self.process.pid, signal.SIGKILL)
        await self.process.start(watch=False)

    async def close(self) -> None:
        await super().close()
        await self.mend()
        await self._http.aclose()


class OandaVenue(ProcessVenue):
    """The same process, spoken to in v20. Its heartbeats come every five seconds, as OANDA's, and a request is the work
    of a thread: all patience is longer, and so is what is to outlast it."""

    corrects = repeats = steps = False

    async def fault(self, kind: FaultKind, **fields: Any) -> int:
        if kind is FaultKind.HIDE_ORDERS or (kind is FaultKind.SLOW and fields["seconds"] > 1):
            fields["seconds"] *= 4
        return await super().fault(kind, **fields)

    def _broker(self, account: str, **options: Any) -> BrokerAdapter:
        address = str(self.process.fronts["oanda"]["url"])
        options["silence_limit"] = max(7.0, options["silence_limit"])
        options["request_timeout"] *= 4
        return OandaBroker(
            account,
            SecretStr(f"token-of-{account}"),
            environment=Environment(address, address),
            poll_seconds=0.5,
            hours=ALWAYS_OPEN,
            **options,
        )


class TwsVenue(ProcessVenue):
    """The same process, spoken to as TWS by the adapter for Interactive Brokers."""

    foreign_cursor = "X99"

    def _broker(self, account: str, **options: Any) -> BrokerAdapter:
        client_id = int(account[1:]) if account[1:].isdigit() else 999
        place = self.process.fronts["tws"]
        where = IbkrOptions(host=str(place["host"]), port=int(place["port"]), client_id=client_id, account=account)
        return IbkrBroker(where, **options)

    async def again(self, broker: BrokerAdapter, tape: Tape) -> tuple[BrokerAdapter, Tape]:
        if not any(isinstance(event, Disconnected) for event in tape.events):
            try:
                await tape.ended(timeout=0.5)
            except TimeoutError:
                return broker, tape
        await broker.connect(None)
        return broker, Tape(broker, self.runtime)

    async def told_or_read_back(self, broker: BrokerAdapter, tape: Tape, client_order_id: str) -> None:
        if not tape.all(ExecutionReport, client_order_id=client_order_id):
            executions, _ = await broker.executions_since(None)
            assert [each.client_order_id for each in executions] == [client_order_id]

    async def correct(self, execution_id: str, **values: Decimal) -> None:
        await super().correct(execution_id.rpartition(".")[2], **values)


def order(order_type: OrderType = OrderType.MARKET, side: Side = Side.BUY, quantity: int = 1000, **fields: Any) -> Any:
    """A request with a client order id of its own."""
    for name in ("limit_price", "stop_price"):
        if name in fields:
            fields[name] = D(fields[name])
    fields.setdefault("client_order_id", f"C{next(_numbers):04d}")
    return OrderRequest(instrument=EURUSD, side=side, order_type=order_type, quantity=D(quantity), **fields)


def bracket(quantity: int = 1000, entry: OrderType = OrderType.MARKET, **fields: Any) -> Any:
    group = f"G{next(_numbers)}"
    loss = order(OrderType.STOP, Side.SELL, quantity, stop_price="1.09000", oca_group=group)
    profit = order(OrderType.LIMIT, Side.SELL, quantity, limit_price="1.11000", oca_group=group)
    return order(entry, Side.BUY, quantity, attached=(loss, profit), **fields)


async def until(condition: Any, timeout: float = 10.0) -> None:
    """Wait for an awaited condition, with a bound."""
    async with asyncio.timeout(timeout):
        while not await condition():  # noqa: ASYNC110 - the broker is asked again
            await asyncio.sleep(0.02)


async def status(broker: BrokerAdapter, client_order_id: str) -> OrderStatus:
    answer = await broker.find_order(client_order_id)
    assert isinstance(answer, Found), answer
    return answer.order.status
