"""One WebSocket connection to the paper exchange: its messages into the contract's events, in order."""

import asyncio
from collections import deque

import msgspec
from websockets.asyncio.client import ClientConnection
from websockets.exceptions import ConnectionClosed

from live_trading.brokers.errors import Retryable
from live_trading.brokers.event_queue import EventQueue
from live_trading.brokers.paper_types import wire_account, wire_execution, wire_order, wire_position
from live_trading.brokers.types import (
    AccountUpdate,
    BrokerEvent,
    CommissionReport,
    Connected,
    Degraded,
    ExecutionReport,
    MarketTime,
    OrderUpdate,
    PositionUpdate,
    TickEvent,
)
from live_trading.domain.errors import InvalidInput
from live_trading.paper_exchange.protocols import native_messages as wire
from live_trading.runtime import Runtime

_ACKNOWLEDGE_EVERY = 32
_EARLY_LIMIT = 20_000

_messages = msgspec.json.Decoder(wire.StreamMessage)


class PaperStream:
    """The stream of one epoch. What comes before the snapshot is known is kept, and told from there on."""

    def __init__(
        self,
        socket: ClientConnection,
        runtime: Runtime,
        *,
        name: str,
        epoch: int,
        silence_limit: float,
        queue_limit: int,
    ) -> None:
        self.queue = EventQueue(queue_limit, taken=self._caught_up)
        self.market_time_ns: int | None = None
        self._socket = socket
        self._name = name
        self._epoch = epoch
        self._silence_limit = silence_limit
        self._hello = asyncio.Event()
        self._begun = False
        self._early: deque[wire.StreamMessage] = deque(maxlen=_EARLY_LIMIT)
        self._from_sequence = 0
        self._last_seen = 0
        self._acknowledged = 0
        self._acknowledge_every = _ACKNOWLEDGE_EVERY
        self._to_acknowledge = asyncio.Event()
        self._confirmations: deque[asyncio.Future[wire.SubscribedMessage]] = deque()
        self._tasks = [
            runtime.tasks.start(self._read(), f"stream of broker {name}, epoch {epoch}"),
            runtime.tasks.start(self._acknowledge(), f"acknowledgements to broker {name}, epoch {epoch}"),
        ]

    async def greeted(self) -> None:
        """Wait for the exchange's first word; ``Retryable`` when it does not come."""
        try:
            async with asyncio.timeout(self._silence_limit):
                await self._hello.wait()
        except TimeoutError as error:
            raise Retryable(f"broker {self._name}: the stream says nothing") from error
        if self.queue.closed:
            raise Retryable(f"broker {self._name}: the stream was closed at once")

    def begin(self, sequence: int) -> None:
        """Tell what is not in the snapshot taken at ``sequence``."""
        self.queue.put(Connected(self._epoch))
        self._from_sequence = sequence
        self._begun = True
        while self._early:
            self._tell(self._early.popleft())
        self._caught_up()

    async def close(self) -> None:
        """Hang up; what waits to be taken can still be."""
        self._end("closed by us")
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._socket.close()

    async def subscribe(self, symbol: str, timeout: float) -> None:
        answer = await self._ask(wire.SubscribeRequest(symbol), timeout)
        if symbol not in answer.symbols:
            raise InvalidInput("asset", answer.error or f"{symbol} cannot be subscribed to", "Use a symbol it trades")

    async def unsubscribe(self, symbol: str, timeout: float) -> None:
        await self._ask(wire.UnsubscribeRequest(symbol), timeout)

    async def _ask(self, request: wire.StreamRequest, timeout: float) -> wire.SubscribedMessage:
        """Send a request and wait for its confirmation; they come in the order of the requests."""
        answer: asyncio.Future[wire.SubscribedMessage] = asyncio.get_running_loop().create_future()
        self._confirmations.append(answer)
        try:
            async with asyncio.timeout(timeout):
                await self._socket.send(msgspec.json.encode(request).decode())
                return await answer
        except (ConnectionClosed, TimeoutError) as error:
            raise Retryable(f"broker {self._name}: the subscription was not confirmed ({error})") from error

    async def _read(self) -> None:
        """Read until the connection ends, or says nothing for too long."""
        reason = "the stream ended"
        try:
            while not self.queue.closed:
                async with asyncio.timeout(self._silence_limit):
                    frame = await self._socket.recv()
                for line in frame.splitlines():
                    self._take(_messages.decode(line))
                self._caught_up()
        except TimeoutError:
            reason = f"silent for {self._silence_limit:g} s"
        except ConnectionClosed as error:
            reason = f"the connection was lost ({error})"
        except msgspec.DecodeError as error:
            reason = f"an unreadable message ({error})"
        finally:
            self._end(reason)
        await self._socket.close()

    def _end(self, reason: str) -> None:
        self.queue.close(reason)
        self._hello.set()
        while self._confirmations:
            waiting = self._confirmations.popleft()
            if not waiting.done():
                waiting.set_exception(Retryable(f"broker {self._name}: {reason}"))

    def _take(self, message: wire.StreamMessage) -> None:
        match message:
            case wire.HelloMessage():
                self.market_time_ns = message.market_time_ns or None
                self._acknowledged = self._last_seen = message.sequence
                self._acknowledge_every = min(_ACKNOWLEDGE_EVERY, message.window + 1)
                self._hello.set()
            case wire.AliveMessage():
                pass
            case wire.SubscribedMessage():
                answer = self._confirmations.popleft()
                if not answer.done():
                    answer.set_result(message)
            case _ if self._begun:
                self._tell(message)
            case _:
                self._early.append(message)

    def _tell(self, message: wire.StreamMessage) -> None:
        self._last_seen = message.sequence
        if message.sequence <= self._from_sequence:
            return  # already in the snapshot
        event = _event(message)
        if isinstance(event, MarketTime):
            self.market_time_ns = event.time_ns
        elif isinstance(event, TickEvent):
            self.market_time_ns = max(event.tick.time_ns, self.market_time_ns or 0)
        self.queue.put(event)

    def _caught_up(self) -> None:
        """Acknowledge, if there is something to and the consumer is through with all of it."""
        through = not len(self.queue) and not self.queue.busy
        if through and self._last_seen - self._acknowledged >= self._acknowledge_every:
            self._to_acknowledge.set()

    async def _acknowledge(self) -> None:
        """Tell a recorded market how far we have come, so that it does not run ahead of us."""
        try:
            while True:
                await self._to_acknowledge.wait()
                self._to_acknowledge.clear()
                self._acknowledged = self._last_seen
                await self._socket.send(msgspec.json.encode(wire.AckRequest(self._acknowledged)).decode())
        except ConnectionClosed:
            return  # the reader says why


def _event(message: wire.StreamMessage) -> BrokerEvent:
    match message:
        case wire.OrderMessage():
            return OrderUpdate(wire_order(message))
        case wire.ExecutionMessage():
            return ExecutionReport(wire_execution(message))
        case wire.CommissionMessage():
            return CommissionReport(message.execution_id, message.commission, message.currency)
        case wire.PositionMessage():
            return PositionUpdate(wire_position(message))
        case wire.AccountMessage():
            return AccountUpdate(wire_account(message))
        case wire.QuoteMessage() | wire.TradeMessage():
            return TickEvent(message.tick())
        case wire.TimeMessage():
            return MarketTime(message.time_ns)
        case wire.EndedMessage():
            return Degraded("the recorded feed has ended: the market is closed")
    raise AssertionError(f"{type(message).__name__} is no event")
