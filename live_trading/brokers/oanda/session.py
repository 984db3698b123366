"""One connection to an account, from its ``Connected`` to its ``Disconnected``.

What happened to the account is the numbered run of its transactions. They are taken in strictly in order and once each,
whether they come by the stream or are read back: a gap, or a heartbeat that knows of a later one, has the missing ones
read. So nothing that a stream leaves out, repeats or reorders is lost or counted twice.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Sequence
from decimal import Decimal
from typing import Any, Final, TypeVar

import structlog

from live_trading.brokers.errors import BrokerError, Fatal, Retryable
from live_trading.brokers.event_queue import EventQueue
from live_trading.brokers.oanda import endpoints, words
from live_trading.brokers.oanda.account import AccountFold, executions
from live_trading.brokers.oanda.endpoints import Endpoint, Json
from live_trading.brokers.oanda.history import TransactionHistory
from live_trading.brokers.oanda.money import MoneyWatch
from live_trading.brokers.oanda.prices import PriceStream
from live_trading.brokers.oanda.transport import OandaTransport, Refusal, StreamReader
from live_trading.brokers.oanda.words import UNREADABLE
from live_trading.brokers.types import (
    Account,
    AccountSnapshot,
    BrokerPosition,
    Connected,
    MarketTime,
    TickEvent,
)
from live_trading.runtime import Runtime, failpoint

_log = structlog.get_logger(__name__)

_LOOK_SECONDS: Final = 0.25
_SEARCHED_BACK: Final = 20_000
"""How many transactions back an order is looked for that nothing newer tells of."""
_MOVE_MONEY: Final = ("ORDER_FILL", "TRANSFER_FUNDS", "DAILY_FINANCING")

T = TypeVar("T")


class Session:
    """``open`` once, ``close`` at the end. ``fold`` is the account as its transactions tell it."""

    def __init__(
        self,
        transport: OandaTransport,
        account: str,
        name: str,
        runtime: Runtime,
        *,
        epoch: int,
        silence_limit: float,
        queue_limit: int,
        poll_seconds: float,
    ) -> None:
        self.transport = transport
        self.queue = EventQueue(queue_limit)
        self.fold = AccountFold()
        self.history = TransactionHistory(account, name, self.ask)
        self.prices = PriceStream(transport, account, name, runtime, silence_limit, self._take_price)
        self.market_time_ns: int | None = None
        self._account = account
        self._name = name
        self._runtime = runtime
        self._epoch = epoch
        self._silence_limit = silence_limit
        self._poll_seconds = poll_seconds
        self._stream: StreamReader | None = None
        self._money: MoneyWatch | None = None
        self._tasks: list[asyncio.Task[Any]] = []
        self._lines: deque[Json] = deque()
        self._news = asyncio.Event()
        self._heard = 0.0
        self._catching_up = asyncio.Lock()
        self._began = 0
        self._past: AccountFold | None = None

    async def open(self, cursor: str | None) -> AccountSnapshot:
        """Read the account, open the stream, and read what happened in between."""
        details = await self._details()
        last = int(details["lastTransactionID"])
        after = self.history.number(cursor, last)
        told = details["account"]
        missed = await self.history.between(after + 1, last, "ORDER_FILL")
        self.fold, self._began = AccountFold.of(told, last), last
        await self._measure_pending(last)
        working = tuple(self.fold.working())
        await self._open_stream()
        self.queue.put(Connected(self._epoch))
        await self.catch_up()
        account, positions = words.account(told), words.positions(told["positions"])
        self._begin(account, positions)
        return AccountSnapshot(
            orders=working,
            positions=tuple(positions),
            executions=tuple(executions(missed, self.fold.currency)),
            account=account,
            cursor=str(last),
            epoch=self._epoch,
        )

    async def close(self) -> None:
        self.queue.close("closed by us")
        tasks, self._tasks = self._tasks, []
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self.prices.close()
        if self._stream is not None:
            self._stream.close()
            await self._stream.join()
        await self.transport.close()

    async def ask(self, endpoint: Endpoint) -> Json:
        """Put a question; a refusal is :class:`Refusal`."""
        failpoint("broker.query.before")
        answer = await self.transport.ask(endpoint)
        failpoint("broker.query.after")
        return answer

    async def must(self, question: Awaitable[T]) -> T:
        """A question whose refusal only means to ask again: an answer that does not come is never an empty one."""
        try:
            return await question
        except Refusal as refusal:
            raise Retryable(f"broker {self._name}: {refusal}") from refusal
        except UNREADABLE as error:
            raise Retryable(f"broker {self._name}: unreadable answer ({type(error).__name__}: {error})") from error

    # ---- opening -----------------------------------------------------------------------------------------------------

    async def _details(self) -> Json:
        """The account; a refusal means that the configuration is wrong."""
        try:
            return await self.ask(endpoints.account_details(self._account))
        except Refusal as refusal:
            raise Fatal(
                f"broker {self._name}: OANDA refuses account {self._account}: {refusal.text}. "
                "Check the account's number, the token and the environment"
            ) from refusal

    async def _measure_pending(self, last: int) -> None:
        """What was filled of the orders that wait, before the account was read."""
        entries = [known for known in self.fold.pending() if known.trade_id is None]
        if not entries:
            return
        fills = await self.history.between(min(int(known.id) for known in entries), last, "ORDER_FILL")
        for known in entries:
            parts = [abs(Decimal(fill["units"])) for fill in fills if str(fill["orderID"]) == known.id]
            self.fold.set_filled(known.id, sum(parts, Decimal(0)))

    async def _open_stream(self) -> None:
        """Open the stream of transactions, and wait until it speaks."""
        first, ends = asyncio.Event(), asyncio.Event()
        reasons: list[str] = []

        def take(line: Json) -> None:
            first.set()
            self._heard = self._runtime.clock.monotonic()
            self._lines.append(line)
            self._news.set()

        def ended(reason: str) -> None:
            reasons.append(reason)
            ends.set()
            first.set()
            self.queue.close(reason)

        endpoint = endpoints.transaction_stream(self._account)
        self._stream = self.transport.open_stream(endpoint, self._silence_limit, take, ended)
        try:
            async with asyncio.timeout(self._silence_limit):
                await first.wait()
        except TimeoutError as error:
            raise Retryable(f"broker {self._name}: the stream says nothing") from error
        if ends.is_set():
            raise Retryable(f"broker {self._name}: {reasons[0]}")

    def _begin(self, account: Account, positions: Sequence[BrokerPosition]) -> None:
        runtime, name, epoch = self._runtime, self._name, self._epoch
        self._money = MoneyWatch(self.account, self.positions, self.queue, account, positions, self._poll_seconds)
        self._tasks = [
            runtime.tasks.start(self._digest(), f"transactions of broker {name}, epoch {epoch}"),
            runtime.tasks.start(self._watch(), f"watch over broker {name}, epoch {epoch}"),
            runtime.tasks.start(self._money.run(), f"money of broker {name}, epoch {epoch}"),
        ]

    # ---- money -------------------------------------------------------------------------------------------------------

    async def account(self) -> Account:
        async def read() -> Account:
            return words.account((await self.ask(endpoints.account_summary(self._account)))["account"])

        return await self.must(read())

    async def positions(self) -> list[BrokerPosition]:
        async def read() -> list[BrokerPosition]:
            return words.positions((await self.ask(endpoints.open_positions(self._account)))["positions"])

        return await self.must(read())

    # ---- taking in ---------------------------------------------------------------------------------------------------

    async def _digest(self) -> None:
        """Take the stream's lines in, one after the other."""
        while True:
            await self._news.wait()
            self._news.clear()
            while self._lines:
                try:
                    await self._take_line(self._lines.popleft())
                except (BrokerError, Refusal) as error:
                    _log.warning("transactions could not be read back yet", broker=self._name, reason=str(error))
                except UNREADABLE as error:
                    self.queue.close(f"an unreadable transaction ({type(error).__name__}: {error})")

    async def _take_line(self, line: Json) -> None:
        if line.get("type") == "HEARTBEAT":
            self._tell_time(words.nanoseconds(line["time"]))
            if int(line["lastTransactionID"]) > self.fold.applied:
                await self.catch_up()
            return
        number = int(line["id"])
        if number == self.fold.applied + 1:
            self._apply(line)
        elif number > self.fold.applied:
            await self.catch_up()

    def _apply(self, transaction: Json) -> None:
        for event in self.fold.take(transaction):
            self.queue.put(event)
        if self._money is not None and transaction["type"] in _MOVE_MONEY:
            self._money.look()

    async def catch_up(self) -> None:
        """Read back what the account has done since the last transaction taken in."""
        async with self._catching_up:
            found, last = await self.history.since(self.fold.applied)
            for transaction in found:
                if int(transaction["id"]) > self.fold.applied:
                    self._apply(transaction)
            self.fold.applied = max(self.fold.applied, last)

    async def past(self) -> AccountFold:
        """The account's newest transactions of before this connection, folded on their own; read once."""
        if self._past is None:
            self._past = await self.replayed(self._began - _SEARCHED_BACK + 1, self._began)
        return self._past

    async def replayed(self, first: int, last: int) -> AccountFold:
        """Transactions ``first`` to ``last``, and what their trades began with, folded on their own."""
        found = await self.history.between(first, last)
        trades = [int(each["tradeID"]) for each in found if "tradeID" in each and str(each["type"]).endswith("_ORDER")]
        if earlier := [trade for trade in trades if trade < first]:
            found = await self.history.between(min(earlier), first - 1) + found
        fold = AccountFold(self.fold.currency)
        for transaction in found:
            fold.take(transaction)
        return fold

    async def _watch(self) -> None:
        """Notice that the stream says nothing any more, though it is not closed."""
        while not self.queue.closed:
            await self._runtime.clock.sleep(_LOOK_SECONDS)
            if self._runtime.clock.monotonic() - self._heard > self._silence_limit:
                self.queue.close(f"silent for {self._silence_limit:g} s")

    def _take_price(self, message: Json) -> None:
        try:
            self._read_price(message)
        except UNREADABLE as error:
            self.queue.close(f"an unreadable price ({type(error).__name__}: {error})")

    def _read_price(self, message: Json) -> None:
        if message.get("type") == "HEARTBEAT":
            self._tell_time(words.nanoseconds(message["time"]))
        elif message.get("type") == "PRICE" and (tick := words.tick(message)) is not None:
            self.market_time_ns = max(tick.time_ns, self.market_time_ns or 0)
            self.queue.put(TickEvent(tick))

    def _tell_time(self, time_ns: int) -> None:
        self.market_time_ns = max(time_ns, self.market_time_ns or 0)
        self.queue.put(MarketTime(self.market_time_ns))
