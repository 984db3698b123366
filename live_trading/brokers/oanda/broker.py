"""The adapter for OANDA: REST for commands and questions, a stream of transactions for what happens, one for prices."""

from collections.abc import AsyncIterator, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Final

from pydantic import SecretStr

from live_trading.brokers.base import BrokerAdapter, SendGuard
from live_trading.brokers.errors import InDoubt, Retryable
from live_trading.brokers.oanda import endpoints, words
from live_trading.brokers.oanda.account import AccountFold, Known, executions
from live_trading.brokers.oanda.changes import changed, placed, replaced
from live_trading.brokers.oanda.endpoints import Endpoint, Json
from live_trading.brokers.oanda.session import Session
from live_trading.brokers.oanda.transport import LIVE, Environment, OandaTransport, Refusal
from live_trading.brokers.oanda.words import (
    OANDA_CAPABILITIES,
    UNREADABLE,
    TradeFacts,
    order_payload,
    rejected,
    replacement,
)
from live_trading.brokers.types import (
    Absent,
    Account,
    AccountSnapshot,
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
from live_trading.domain.instrument import FX_HOURS, Instrument, TradingHours
from live_trading.domain.market import Bar
from live_trading.domain.values import OrderType, Side
from live_trading.runtime import Runtime, failpoint

SILENCE_LIMIT: Final = 10.0
"""Seconds without a line after which a stream is dead: two of OANDA's heartbeats."""
_CANDLES: Final = 4_000


class OandaBroker(BrokerAdapter):
    """A connection to one account at OANDA (or at whatever speaks v20 at ``environment``).

    ``request_timeout`` is how long an answer is waited for, ``silence_limit`` how long a stream may say nothing,
    ``poll_seconds`` how often money and positions are asked for, ``hours`` when the account's instruments trade.
    The live environment is refused without ``confirmed_live``: real money needs an explicit yes.
    """

    def __init__(
        self,
        account: str,
        token: SecretStr,
        *,
        environment: Environment,
        name: str,
        runtime: Runtime,
        guard: SendGuard,
        request_timeout: float = 10.0,
        silence_limit: float = SILENCE_LIMIT,
        queue_limit: int = 10_000,
        poll_seconds: float = 5.0,
        hours: TradingHours = FX_HOURS,
        confirmed_live: bool = False,
    ) -> None:
        if environment == LIVE and not confirmed_live:
            problem = f"{name} is an account with real money, and nobody has confirmed that it is meant"
            raise InvalidInput("broker", problem, "Confirm it explicitly")
        self.capabilities = OANDA_CAPABILITIES
        self.name = name
        self.guard = guard
        self._account = account
        self._token = token
        self._environment = environment
        self._runtime = runtime
        self._request_timeout = request_timeout
        self._silence_limit = silence_limit
        self._queue_limit = queue_limit
        self._poll_seconds = poll_seconds
        self._hours = hours
        self._epoch = 0
        self._instruments: dict[str, Instrument] = {}
        self._session: Session | None = None
        self._dropped_before = 0

    # ---- connection and events ---------------------------------------------------------------------------------------

    async def connect(self, cursor: str | None) -> AccountSnapshot:
        await self.close()
        self._epoch += 1
        clock = self._runtime.clock
        self._session = session = Session(
            OandaTransport(self._environment, self._token, self.name, clock, self._request_timeout),
            self._account,
            self.name,
            self._runtime,
            epoch=self._epoch,
            silence_limit=self._silence_limit,
            queue_limit=self._queue_limit,
            poll_seconds=self._poll_seconds,
        )
        try:
            return await session.must(session.open(cursor))
        except BaseException:
            await self.close()
            raise

    async def close(self) -> None:
        session, self._session = self._session, None
        if session is not None:
            self._dropped_before += session.queue.dropped_ticks
            await session.close()

    def events(self) -> AsyncIterator[BrokerEvent]:
        return self._connected().queue.stream()

    def _connected(self) -> Session:
        if self._session is None:
            raise Retryable(f"broker {self.name}: not connected")
        return self._session

    @property
    def _fold(self) -> AccountFold:
        return self._connected().fold

    @property
    def dropped_ticks(self) -> int:
        """Ticks that made room for order events, over all connections."""
        return self._dropped_before + (0 if self._session is None else self._session.queue.dropped_ticks)

    @property
    def price_reconnections(self) -> int:
        """How often the price stream of this connection was found dead."""
        return self._connected().prices.reconnections

    def market_time_ns(self) -> int | None:
        return None if self._session is None else self._session.market_time_ns

    # ---- market data -------------------------------------------------------------------------------------------------

    async def resolve(self, symbol: str) -> Instrument:
        found = self._instruments.get(symbol)
        if found is None:
            session = self._connected()
            answer = await session.must(session.ask(endpoints.account_instruments(self._account)))
            known = (words.instrument(told, self._hours) for told in answer["instruments"])
            self._instruments = {each.symbol: each for each in known}
            found = self._instruments.get(symbol)
        if found is None:
            some = ", ".join(list(self._instruments)[:8])
            raise InvalidInput("asset", f"{symbol} is not traded by this account", f"It has {some} and so on")
        return found

    async def subscribe(self, instrument: Instrument) -> None:
        await self._connected().prices.add(instrument.symbol, self._silence_limit)

    async def unsubscribe(self, instrument: Instrument) -> None:
        await self._connected().prices.remove(instrument.symbol, self._silence_limit)

    async def history(self, instrument: Instrument, bar_size: BarSize, start: datetime, end: datetime) -> list[Bar]:
        session = self._connected()
        granularity, parts = words.GRANULARITIES[bar_size]
        step = timedelta(seconds=bar_size.seconds / parts * _CANDLES)
        name, hours = words.v20_name(instrument.symbol), instrument.hours
        day_start = int(hours.day_start.partition(":")[0])
        end = min(end, self._runtime.clock.now())
        found: list[Bar] = []
        while start < end:
            until = min(start + step, end)
            question = endpoints.candles(name, granularity, start, until, hours.timezone, day_start)
            answer = await session.must(session.ask(question))
            found += [words.bar(each, instrument.symbol, bar_size) for each in answer["candles"] if each["complete"]]
            start = until
        return found if parts == 1 else words.merged(found, bar_size, parts)

    # ---- commands ----------------------------------------------------------------------------------------------------

    async def place(self, request: OrderRequest) -> Placed | Rejected:
        failpoint("broker.place.before")
        payload = order_payload(request, self._trade_for(request))
        if isinstance(payload, Rejected):
            return payload
        answer = await self._command(endpoints.create_order(self._account, payload), request.client_order_id)
        failpoint("broker.place.after")
        if isinstance(answer, Rejected):
            return answer
        try:
            return placed(request, answer)
        except UNREADABLE as error:
            raise InDoubt(request.client_order_id, f"an answer that does not tell ({error})") from error

    def _trade_for(self, request: OrderRequest) -> TradeFacts | None:
        """The trade that a protection placed alone belongs to."""
        fold = self._fold
        if request.oca_group is None or request.order_type is OrderType.MARKET or request.attached:
            return None
        return fold.trade_for(request.instrument.symbol, request.side, request.quantity)

    async def modify(self, client_order_id: str, change: OrderChange) -> Placed | Rejected:
        failpoint("broker.modify.before")
        order = await self._pending(client_order_id)
        if isinstance(order, Rejected):
            return order
        body = changed(order, client_order_id, change, self._fold)
        if isinstance(body, Rejected):
            return body
        answer = await self._command(endpoints.replace_order(self._account, str(order["id"]), body), client_order_id)
        failpoint("broker.modify.after")
        return answer if isinstance(answer, Rejected) else replaced(answer)

    async def cancel(self, client_order_id: str) -> Placed | Rejected:
        failpoint("broker.cancel.before")
        holder = await self._asleep_in(client_order_id)
        if holder is not None:
            answer = await self._cancel_asleep(*holder, client_order_id)
        else:
            answer = await self._command(endpoints.cancel_order(self._account, f"@{client_order_id}"), client_order_id)
        failpoint("broker.cancel.after")
        return await self._why_not(client_order_id, answer) if isinstance(answer, Rejected) else replaced(answer)

    async def _asleep_in(self, client_order_id: str) -> tuple[Known, str] | None:
        """The order that waits and in which a protection sleeps, and under which name."""
        session = self._connected()
        if self._fold.parent(client_order_id) is None and self._fold.order(client_order_id) is None:
            await session.must(session.catch_up())  # its answer may have overtaken the stream
        holder = self._fold.parent(client_order_id)
        own = self._fold.order(client_order_id)
        return holder if holder is not None and own is None and holder[0].is_pending else None

    async def _cancel_asleep(self, holder: Known, name: str, client_order_id: str) -> Json | Rejected:
        """A protection that sleeps in its entry: the entry goes on without it."""
        order = await self._pending(str(holder.client_id))
        if isinstance(order, Rejected):
            return order
        endpoint = endpoints.replace_order(self._account, str(order["id"]), replacement(order, {name: None}))
        return await self._command(endpoint, client_order_id)

    async def _pending(self, client_order_id: str) -> Json | Rejected:
        """The order to change, as OANDA has it now: for a protection that sleeps, the order it sleeps in."""
        holder = await self._asleep_in(client_order_id)
        wanted = client_order_id if holder is None else holder[0].client_id
        try:
            answer = await self._connected().ask(endpoints.order(self._account, f"@{wanted}"))
        except Refusal as refusal:
            return await self._why_not(client_order_id, rejected(refusal.code, refusal.text))
        order: Json = answer["order"]
        return order if order["state"] == "PENDING" else Rejected("NOT_WORKING", f"the order is {order['state']}")

    async def _why_not(self, client_order_id: str, answer: Rejected) -> Rejected:
        """OANDA says of an order that has ended that there is none: say which of the two it is."""
        if answer.code != "ORDER_NOT_FOUND":
            return answer
        found = await self.find_order(client_order_id)
        return Rejected("NOT_WORKING", f"the order is {found.order.status}") if isinstance(found, Found) else answer

    async def _command(self, endpoint: Endpoint, client_order_id: str) -> Json | Rejected:
        try:
            return await self._connected().transport.command(endpoint, client_order_id, lambda: self.guard())
        except Refusal as refusal:
            return rejected(refusal.code, refusal.text)

    # ---- questions ---------------------------------------------------------------------------------------------------

    async def find_order(self, client_order_id: str) -> Found | Absent | Unknown:
        session = self._connected()
        try:
            order = await self._asked_for(client_order_id)
            await session.catch_up()
            if order is not None:
                return Found(await self._as_it_is(order))
            found = session.fold.find(client_order_id) or (await session.past()).find(client_order_id)
            if found is not None:
                return Found(found)
        except (Retryable, Refusal, *UNREADABLE) as error:
            return Unknown(f"{type(error).__name__}: {error}")
        return Absent(f"OANDA answers NO_SUCH_ORDER, and no transaction up to {session.fold.applied} tells of it")

    async def _asked_for(self, client_order_id: str) -> Json | None:
        """The order of that id; None where OANDA says that there is none."""
        try:
            answer = await self._connected().ask(endpoints.order(self._account, f"@{client_order_id}"))
        except Refusal as refusal:
            if refusal.status == 404:
                return None
            raise
        order: Json = answer["order"]
        return order

    async def _as_it_is(self, order: Json) -> BrokerOrder:
        """An order of OANDA's answer; what it leaves out comes from its transactions."""
        client_id = (order.get("clientExtensions") or {}).get("id")
        fold = self._fold
        known = fold.order(client_id) if client_id is not None else None
        if known is None or known.id != str(order["id"]):
            fold = await self._connected().replayed(int(order["id"]), fold.applied)
            known = fold.order(client_id) if client_id is not None else None
        if known is None:
            raise Retryable(f"broker {self.name}: the transactions of order {order['id']} cannot be read")
        return fold.told(known, order)

    async def executions_since(self, cursor: str | None) -> tuple[Sequence[Execution], str]:
        session = self._connected()
        await session.must(session.catch_up())
        last = session.fold.applied
        after = session.history.number(cursor, last)
        found = await session.must(session.history.between(after + 1, last, "ORDER_FILL"))
        return executions(found, session.fold.currency), str(last)

    async def open_orders(self) -> Sequence[BrokerOrder]:
        session = self._connected()
        answer = await session.must(session.ask(endpoints.pending_orders(self._account)))
        await session.must(session.catch_up())
        found: list[BrokerOrder] = []
        for order in sorted(answer["orders"], key=lambda order: int(order["id"])):
            has_id = (order.get("clientExtensions") or {}).get("id") is not None
            found.append(await session.must(self._as_it_is(order)) if has_id else self._by_hand(order))
        asked = {str(order["id"]) for order in answer["orders"]}
        for order in session.fold.working():
            holder, is_asleep, _ = order.broker_order_id.partition("/")
            if is_asleep and holder in asked:
                found.append(order)
        return [order for order in found if not order.status.is_terminal]

    def _by_hand(self, order: Json) -> BrokerOrder:
        """An order without a client's id: somebody placed it at OANDA's own screen."""
        trade = self._fold.trades.get(str(order.get("tradeID", "")))
        if trade is not None:
            units, name = -trade.units, trade.instrument
        else:
            units, name = Decimal(order.get("units", "0")), str(order.get("instrument", ""))
        return words.broker_order(
            order,
            quantity=abs(units),
            side=Side.BUY if units > 0 else Side.SELL,
            symbol=words.our_symbol(name),
            filled=Decimal(0),
        )

    async def positions(self) -> Sequence[BrokerPosition]:
        return await self._connected().positions()

    async def account(self) -> Account:
        return await self._connected().account()
