"""The native protocol's stream: one ordered sequence of everything an account must know, for each connected client."""

import asyncio
from collections import deque
from collections.abc import Callable

import msgspec
from starlette.websockets import WebSocket, WebSocketDisconnect, WebSocketState

from live_trading.domain.market import QuoteTick, TradeTick
from live_trading.paper_exchange import core
from live_trading.paper_exchange.exchange import FeedEnded, MarketHeartbeat, Notice, SimulatedExchange
from live_trading.paper_exchange.protocols import native_messages as wire
from live_trading.runtime.tasks import Tasks

_EVENTS_LIMIT = 20_000
_TICKS_LIMIT = 2_000
_WINDOW = 512
_BATCH = 200
_ALIVE_SECONDS = 1.0
_SERVICE_RESTART = 1012

_requests = msgspec.json.Decoder(wire.StreamRequest)
_encode = msgspec.json.encode


class Streams:
    """All connected clients. Listens to the exchange once, encodes each notice once."""

    def __init__(self, exchange: SimulatedExchange, tasks: Tasks, recorded: bool, *, lockstep: bool = False) -> None:
        self._exchange = exchange
        self._tasks = tasks
        self._recorded = recorded
        self._window = 0 if lockstep else _WINDOW
        self._clients: set[_Client] = set()
        exchange.listen(self)

    def deliver(self, notice: Notice) -> None:
        sequence = self._exchange.sequence
        wanted = _audience(notice)
        data: bytes | None = None
        for client in tuple(self._clients):
            if not wanted(client):
                continue
            if data is None:
                data = _encode(_message(notice, sequence))
            client.put(sequence, data, isinstance(notice, QuoteTick | TradeTick))

    def disconnect(self, reason: str) -> None:
        for client in tuple(self._clients):
            client.hang_up(reason)

    def ready(self) -> bool:
        """Whether no client of a recorded market is behind."""
        return not any(client.behind for client in self._clients)

    def subscriptions(self) -> set[str]:
        return {symbol for client in self._clients for symbol in client.symbols}

    async def serve(self, socket: WebSocket, account: str, acknowledge: bool) -> None:
        """Talk to one client until one side has enough."""
        await socket.accept()
        client = _Client(self._exchange, account, acknowledge and self._recorded, self._recorded, self._window)
        hello = wire.HelloMessage(
            account, self._exchange.now_ns, self._recorded, self._window, sequence=self._exchange.sequence
        )
        client.put(self._exchange.sequence, _encode(hello), False)
        self._clients.add(client)
        writer = self._tasks.start(client.write(socket), f"stream to a client of {account}")
        try:
            await client.read(socket)
        finally:
            self._clients.discard(client)
            writer.cancel()
            await asyncio.gather(writer, return_exceptions=True)


class _Client:
    """One connection: what it wants, and what waits to be written to it. Bounded: see ``put``."""

    def __init__(
        self, exchange: SimulatedExchange, account: str, acknowledge: bool, lossless: bool, window: int
    ) -> None:
        self.account = account
        self.symbols: set[str] = set()
        self._exchange = exchange
        self._acknowledge = acknowledge
        self._window = window
        self._ticks_limit = _EVENTS_LIMIT if lossless else _TICKS_LIMIT
        self._outbox: deque[tuple[int, bytes, bool]] = deque()
        self._ticks = 0
        self._something = asyncio.Event()
        self._reason: str | None = None
        self._queued = self._acknowledged = exchange.sequence

    @property
    def behind(self) -> bool:
        return self._acknowledge and self._queued - self._acknowledged > self._window

    def put(self, sequence: int, data: bytes, tick: bool) -> None:
        """Queue a message. Too many ticks: the oldest goes. Too many messages all the same: the client is cut off."""
        if tick and self._ticks >= self._ticks_limit:
            oldest = next(index for index, waiting in enumerate(self._outbox) if waiting[2])
            del self._outbox[oldest]
            self._ticks -= 1
        if len(self._outbox) >= _EVENTS_LIMIT:
            self.hang_up(f"too slow: {_EVENTS_LIMIT} messages are waiting")
            return
        self._outbox.append((sequence, data, tick))
        self._ticks += tick
        self._queued = sequence
        self._something.set()

    def hang_up(self, reason: str) -> None:
        self._reason = reason
        self._something.set()

    async def write(self, socket: WebSocket) -> None:
        """Write what waits, in frames of several lines; when nothing does for a second, say so."""
        try:
            while True:
                frame = await self._frame()
                await self._exchange.until_answering()
                if self._reason is not None:
                    await socket.close(_SERVICE_RESTART, self._reason[:100])
                    return
                await socket.send_text(frame)
        except (WebSocketDisconnect, RuntimeError):
            if socket.client_state is WebSocketState.CONNECTED and socket.application_state is WebSocketState.CONNECTED:
                raise  # not the end of the connection: a fault of ours

    async def _frame(self) -> str:
        if not self._outbox and self._reason is None:
            self._something.clear()
            try:
                async with asyncio.timeout(_ALIVE_SECONDS):
                    await self._something.wait()
            except TimeoutError:
                return _encode(wire.AliveMessage()).decode()
        lines: list[bytes] = []
        while self._outbox and len(lines) < _BATCH:
            _, data, tick = self._outbox.popleft()
            self._ticks -= tick
            lines.append(data)
        return b"\n".join(lines).decode()

    async def read(self, socket: WebSocket) -> None:
        """Take requests until the client goes."""
        try:
            while True:
                text = await socket.receive_text()
                await self._exchange.until_answering()
                self._take(text)
        except WebSocketDisconnect:
            return

    def _take(self, text: str) -> None:
        try:
            request = _requests.decode(text)
        except msgspec.DecodeError as error:
            self.hang_up(f"unreadable request: {error}")
            return
        match request:
            case wire.AckRequest():
                self._acknowledged = max(self._acknowledged, request.sequence)
            case wire.SubscribeRequest() if request.symbol not in self._exchange.catalogue:
                self._confirm(f"{request.symbol} is not traded here")
            case wire.SubscribeRequest():
                self.symbols.add(request.symbol)
                self._confirm(None)
            case wire.UnsubscribeRequest():
                self.symbols.discard(request.symbol)
                self._confirm(None)

    def _confirm(self, error: str | None) -> None:
        sequence = self._exchange.sequence
        self.put(sequence, _encode(wire.SubscribedMessage(sorted(self.symbols), error, sequence=sequence)), False)


def _audience(notice: Notice) -> Callable[[_Client], bool]:
    """Who is told."""
    match notice:
        case QuoteTick() | TradeTick():
            return lambda client: notice.symbol in client.symbols
        case MarketHeartbeat() | FeedEnded():
            return lambda client: True
        case core.OrderChanged():
            account = notice.order.account
        case core.Executed():
            account = notice.execution.account
        case core.CommissionTold():
            account = notice.row.account
        case core.PositionChanged():
            account = notice.position.account
        case core.AccountChanged():
            account = notice.view.account
    return lambda client: client.account == account


def _message(notice: Notice, sequence: int) -> wire.StreamMessage:
    match notice:
        case QuoteTick() | TradeTick():
            return wire.tick_message(notice, sequence)
        case MarketHeartbeat():
            return wire.TimeMessage(notice.time_ns, sequence=sequence)
        case FeedEnded():
            return wire.EndedMessage(sequence=sequence)
        case core.OrderChanged():
            return wire.order_message(notice.order, sequence)
        case core.Executed():
            return wire.execution_message(notice.execution, sequence)
        case core.CommissionTold():
            return wire.commission_message(notice.row, sequence)
        case core.PositionChanged():
            return wire.position_message(notice.position, sequence)
        case core.AccountChanged():
            return wire.account_message(notice.view, sequence)
