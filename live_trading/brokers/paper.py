"""The adapter for the paper exchange in a process of its own: HTTP for commands and questions, a WebSocket for events.

Whether bytes of a command may have left is seen where they are written (``_Journey``): before that a failure is
``Retryable``, after it everything but a readable answer is ``InDoubt``. Nothing is ever sent twice.
"""

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any, TypeVar
from urllib.parse import quote, urlsplit

import httpx
import msgspec
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import WebSocketException

from live_trading.brokers.base import BrokerAdapter, SendGuard
from live_trading.brokers.errors import Fatal, InDoubt, Retryable
from live_trading.brokers.http_transport import BrokerTransport
from live_trading.brokers.lesser import as_lesser
from live_trading.brokers.linked_bracket import place_linked
from live_trading.brokers.paper_stream import PaperStream
from live_trading.brokers.paper_types import (
    PAPER_CAPABILITIES,
    nanoseconds,
    order_body,
    wire_account,
    wire_execution,
    wire_order,
    wire_position,
)
from live_trading.brokers.types import (
    Absent,
    Account,
    AccountSnapshot,
    Bracket,
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
from live_trading.paper_exchange.protocols import native_messages as wire
from live_trading.runtime import Runtime, failpoint

_CONNECT_SECONDS = 2.0
_FRAME_LIMIT = 64 * 1024 * 1024
assert PAPER_CAPABILITIES.absence_definitive_after is not None
_LIFETIME_NS = int(PAPER_CAPABILITIES.absence_definitive_after * 1_000_000_000)
"""How long a command may be on its way: the exchange carries out nothing older, so later absence is definitive."""

_T = TypeVar("_T")


class PaperBroker(BrokerAdapter):
    """A connection to one account of the paper exchange at ``url``.

    ``request_timeout`` is how long an answer is waited for; ``silence_limit`` how long the stream, which says something
    every second, may say nothing before it counts as dead. ``bracket`` is how protections are sent: the exchange takes
    them all at once, and one by one like brokers that cannot. Without ``oca`` or ``stops`` it acts as a broker that
    cannot link orders, or has no stop orders.
    """

    def __init__(
        self,
        url: str,
        account: str,
        *,
        name: str,
        runtime: Runtime,
        guard: SendGuard,
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
        self._url = url.rstrip("/")
        self._account = account
        self._runtime = runtime
        self._request_timeout = request_timeout
        self._silence_limit = silence_limit
        self._queue_limit = queue_limit
        self._epoch = 0
        self._http: httpx.AsyncClient | None = None
        self._stream: PaperStream | None = None
        self._dropped_before = 0

    # Connection and events

    async def connect(self, cursor: str | None) -> AccountSnapshot:
        await self.close()
        self._http = httpx.AsyncClient(
            base_url=self._url,
            timeout=httpx.Timeout(self._request_timeout, connect=_CONNECT_SECONDS),
            transport=BrokerTransport(limits=httpx.Limits(max_connections=16, keepalive_expiry=30.0)),
            trust_env=False,
        )
        self._epoch += 1
        try:
            self._stream = PaperStream(
                await self._open_stream(),
                self._runtime,
                name=self.name,
                epoch=self._epoch,
                silence_limit=self._silence_limit,
                queue_limit=self._queue_limit,
            )
            await self._stream.greeted()
            response = await self._get("/v1/snapshot", after=cursor or "0")
            if response.status_code == 409:
                raise Fatal(f"broker {self.name}: {self._problem(response)}. Restore its store, or start a new journal")
            snapshot = self._read(response, wire.Snapshot)
        except BaseException:
            await self.close()
            raise
        self._stream.begin(snapshot.sequence)
        return AccountSnapshot(
            orders=tuple(wire_order(order) for order in snapshot.orders),
            positions=tuple(wire_position(position) for position in snapshot.positions),
            executions=tuple(wire_execution(execution) for execution in snapshot.executions),
            account=wire_account(snapshot.account),
            cursor=str(snapshot.cursor),
            epoch=self._epoch,
        )

    async def _open_stream(self) -> ClientConnection:
        address = f"ws://{urlsplit(self._url).netloc}/v1/stream?account={quote(self._account)}&acknowledge=true"
        try:
            return await connect(
                address,
                open_timeout=_CONNECT_SECONDS,
                close_timeout=1.0,
                ping_interval=None,
                compression=None,
                max_size=_FRAME_LIMIT,
                max_queue=64,
                proxy=None,
            )
        except (OSError, TimeoutError, WebSocketException) as error:
            raise Retryable(f"broker {self.name}: no stream from {self._url} ({_said(error)})") from error

    async def close(self) -> None:
        if self._stream is not None:
            self._dropped_before += self._stream.queue.dropped_ticks
            await self._stream.close()
            self._stream = None
        if self._http is not None:
            await self._http.aclose()
            self._http = None

    def events(self) -> AsyncIterator[BrokerEvent]:
        return self._connected().queue.stream()

    def market_time_ns(self) -> int | None:
        return None if self._stream is None else self._stream.market_time_ns

    @property
    def dropped_ticks(self) -> int:
        """Ticks dropped because they were not taken fast enough."""
        return self._dropped_before + (0 if self._stream is None else self._stream.queue.dropped_ticks)

    def _connected(self) -> PaperStream:
        if self._stream is None:
            raise Retryable(f"broker {self.name}: not connected")
        return self._stream

    # Market data

    async def resolve(self, symbol: str) -> Instrument:
        response = await self._get(f"/v1/instruments/{quote(symbol, safe='')}")
        if response.status_code == 404:
            raise InvalidInput("asset", self._problem(response), "Use one that the broker trades")
        self._expect_ok(response)
        return Instrument.model_validate_json(response.content)

    async def subscribe(self, instrument: Instrument) -> None:
        await self._connected().subscribe(instrument.symbol, self._request_timeout)

    async def unsubscribe(self, instrument: Instrument) -> None:
        if self._stream is not None:
            await self._stream.unsubscribe(instrument.symbol, self._request_timeout)

    async def history(self, instrument: Instrument, bar_size: BarSize, start: datetime, end: datetime) -> list[Bar]:
        response = await self._get(
            "/v1/candles",
            symbol=instrument.symbol,
            bar_size=bar_size.value,
            start_ns=str(nanoseconds(start)),
            end_ns=str(nanoseconds(end)),
        )
        rows = self._read(response, list[wire.CandleMessage])
        return [
            Bar(
                instrument.symbol, bar_size, row.start_ns, row.open, row.high, row.low, row.close,
                row.volume, row.tick_count, row.bid, row.ask,
            )
            for row in rows
        ]  # fmt: skip

    # Orders

    async def place(self, request: OrderRequest) -> Placed | Rejected:
        lesser = as_lesser(request, self.capabilities)
        if isinstance(lesser, Rejected):
            return lesser
        request = lesser
        if self.capabilities.bracket is Bracket.LINKED and request.attached:
            return await place_linked(self.place, request)
        return await self._command("place", request.client_order_id, "POST", "/v1/orders", order_body(request))

    async def modify(self, client_order_id: str, change: OrderChange) -> Placed | Rejected:
        body = wire.ChangeMessage(change.quantity, change.limit_price, change.stop_price)
        return await self._command("modify", client_order_id, "PATCH", _order_path(client_order_id), body)

    async def cancel(self, client_order_id: str) -> Placed | Rejected:
        return await self._command("cancel", client_order_id, "DELETE", _order_path(client_order_id), None)

    async def _command(
        self, operation: str, client_order_id: str, method: str, path: str, body: Any
    ) -> Placed | Rejected:
        failpoint(f"broker.{operation}.before")
        self._connected()
        assert self._http is not None
        journey = _Journey(self.guard)
        try:
            async with asyncio.timeout(self._request_timeout):
                response = await self._http.request(
                    method,
                    path,
                    params={"account": self._account},
                    headers={wire.SEND_BY_HEADER: str(self._runtime.clock.now_ns() + _LIFETIME_NS)},
                    content=b"" if body is None else msgspec.json.encode(body),
                    extensions={"trace": journey.trace},
                )
        except (httpx.HTTPError, OSError, TimeoutError) as error:
            if journey.left:
                raise InDoubt(client_order_id, _said(error)) from error
            raise Retryable(f"broker {self.name}: {operation} was not sent ({_said(error)})") from error
        answer = _answer(client_order_id, response)
        failpoint(f"broker.{operation}.after")
        return answer

    # Questions

    async def find_order(self, client_order_id: str) -> Found | Absent | Unknown:
        try:
            response = await self._get(_order_path(client_order_id))
            if response.status_code == 404:
                error = msgspec.json.decode(response.content, type=wire.ErrorMessage)
                if error.code == "ORDER_NOT_FOUND":
                    return Absent(f"the exchange answered: {error.text}")
            return Found(wire_order(self._read(response, wire.OrderMessage)))
        except (Retryable, msgspec.DecodeError) as error:
            return Unknown(str(error))

    async def executions_since(self, cursor: str | None) -> tuple[Sequence[Execution], str]:
        answer = self._read(await self._get("/v1/executions", after=cursor or "0"), wire.Executions)
        return [wire_execution(execution) for execution in answer.executions], str(answer.cursor)

    async def open_orders(self) -> Sequence[BrokerOrder]:
        orders = self._read(await self._get("/v1/orders", status="working"), list[wire.OrderMessage])
        return [wire_order(order) for order in orders]

    async def positions(self) -> Sequence[BrokerPosition]:
        positions = self._read(await self._get("/v1/positions"), list[wire.PositionMessage])
        return [wire_position(position) for position in positions]

    async def account(self) -> Account:
        return wire_account(self._read(await self._get("/v1/account"), wire.AccountMessage))

    async def _get(self, path: str, **parameters: str) -> httpx.Response:
        """Ask; a question that was not answered is ``Retryable``."""
        if self._http is None:
            raise Retryable(f"broker {self.name}: not connected")
        failpoint("broker.query.before")
        try:
            async with asyncio.timeout(self._request_timeout):
                response = await self._http.get(path, params={"account": self._account, **parameters})
        except (httpx.HTTPError, OSError, TimeoutError) as error:
            raise Retryable(f"broker {self.name}: no answer to {path} ({_said(error)})") from error
        failpoint("broker.query.after")
        return response

    def _read(self, response: httpx.Response, shape: type[_T]) -> _T:
        """A good answer in its shape; anything else is ``Retryable``, never empty."""
        self._expect_ok(response)
        try:
            return msgspec.json.decode(response.content, type=shape)
        except msgspec.DecodeError as error:
            raise Retryable(f"broker {self.name}: unreadable answer to {response.url.path} ({error})") from error

    def _expect_ok(self, response: httpx.Response) -> None:
        if response.status_code != 200:
            problem = self._problem(response)
            if "UNKNOWN_ACCOUNT" in problem:
                raise Fatal(f"broker {self.name}: {problem}")
            raise Retryable(f"broker {self.name}: {problem}")

    @staticmethod
    def _problem(response: httpx.Response) -> str:
        try:
            error = msgspec.json.decode(response.content, type=wire.ErrorMessage)
        except msgspec.DecodeError:
            return f"status {response.status_code} to {response.url.path}"
        return f"{error.code}: {error.text}"


class _Journey:
    """Sees the moment a request's first byte is written (httpcore's trace events), and asks the guard right then."""

    def __init__(self, guard: SendGuard) -> None:
        self._guard = guard
        self.left = False

    async def trace(self, event: str, info: dict[str, Any]) -> None:
        if event.endswith("send_request_headers.started"):
            self._guard()
            self.left = True


def _order_path(client_order_id: str) -> str:
    return f"/v1/orders/{quote(client_order_id, safe='')}"


def _answer(client_order_id: str, response: httpx.Response) -> Placed | Rejected:
    """What the exchange said to a command. Only a 4xx with a code is a refusal; what cannot be read is in doubt."""
    try:
        if response.status_code in (200, 201):
            placed = msgspec.json.decode(response.content, type=wire.PlacedMessage)
            return Placed(placed.order_id, placed.attached)
        if 400 <= response.status_code < 500:
            error = msgspec.json.decode(response.content, type=wire.ErrorMessage)
            return Rejected(error.code, error.text)
    except msgspec.DecodeError as error:
        raise InDoubt(client_order_id, f"unreadable answer, status {response.status_code}") from error
    raise InDoubt(client_order_id, f"status {response.status_code}")


def _said(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
