"""v20's streams: prices and transactions, a line of JSON each, and a heartbeat whenever five seconds have gone."""

import asyncio
import json
from collections import deque
from collections.abc import AsyncIterator, Callable

from live_trading.paper_exchange.exchange import SimulatedExchange
from live_trading.paper_exchange.faults import FaultKind
from live_trading.paper_exchange.protocols.oanda.words import Json, stamp
from live_trading.runtime import Clock

_LIMIT = 20_000
_END = b""


class Stream:
    """One client's stream. ``instruments`` is None for transactions; ``beat`` makes a heartbeat."""

    def __init__(self, account: str, instruments: frozenset[str] | None, beat: Callable[[], Json]) -> None:
        self.account = account
        self.instruments = instruments
        self.beat = beat
        self.ended = False
        self._lines: deque[bytes] = deque()
        self._something = asyncio.Event()

    def put(self, message: Json) -> None:
        """Queue a line. A client too slow for its limit is cut off."""
        if len(self._lines) >= _LIMIT:
            self.end()
            return
        self._lines.append(json.dumps(message).encode() + b"\n")
        self._something.set()

    def end(self) -> None:
        self.ended = True
        self._something.set()

    async def next(self, patience: float) -> bytes:
        """The next lines, or a heartbeat when there are none for ``patience`` seconds; ``b""`` at the end."""
        if not self._lines and not self.ended:
            self._something.clear()
            try:
                async with asyncio.timeout(patience):
                    await self._something.wait()
            except TimeoutError:
                return json.dumps(self.beat()).encode() + b"\n"
        if not self._lines:
            return _END
        lines = b"".join(self._lines)
        self._lines.clear()
        return lines


class Streams:
    """All streams of the front."""

    def __init__(self, exchange: SimulatedExchange, clock: Clock, heartbeat: float) -> None:
        self._exchange = exchange
        self._clock = clock
        self._heartbeat = heartbeat
        self._streams: set[Stream] = set()

    def subscriptions(self) -> set[str]:
        """The instruments whose prices somebody gets."""
        return {name for stream in self._streams for name in stream.instruments or ()}

    def price(self, instrument: str, message: Callable[[str], Json]) -> None:
        """Send a price to whoever wants it."""
        for stream in tuple(self._streams):
            if stream.instruments is not None and instrument in stream.instruments:
                stream.put(message(stream.account))

    def transaction(self, account: str, transaction: Json) -> None:
        for stream in tuple(self._streams):
            if stream.instruments is None and stream.account == account:
                stream.put(transaction)

    def end(self) -> None:
        """Hang up on everybody."""
        for stream in tuple(self._streams):
            stream.end()

    def price_beat(self) -> Json:
        return {"type": "HEARTBEAT", "time": stamp(self._exchange.now_ns)}

    async def serve(self, stream: Stream, first: list[Json]) -> AsyncIterator[bytes]:
        """The stream's body, until one side has enough. A heartbeat comes at once, then the ``first`` messages."""
        self._streams.add(stream)
        stream.put(stream.beat())
        for message in first:
            stream.put(message)
        try:
            while True:
                lines = await stream.next(self._heartbeat)
                await self._until_speaking(stream)
                if lines == _END:
                    return
                yield lines
        finally:
            self._streams.discard(stream)

    async def _until_speaking(self, stream: Stream) -> None:
        await self._exchange.until_answering()
        while stream.instruments is not None and self._exchange.faults.standing(FaultKind.SILENT_PRICES) is not None:
            await self._clock.sleep(0.02)
