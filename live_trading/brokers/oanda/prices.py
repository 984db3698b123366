"""The price stream: one for all instruments subscribed to, replaced by the next one when they change.

It has a watchdog of its own: prices can be dead while the transaction stream's heartbeats live
(QuantConnect/Lean#4045).
"""

import asyncio
from collections.abc import Callable
from typing import Final

import structlog

from live_trading.brokers.errors import Retryable
from live_trading.brokers.oanda import endpoints
from live_trading.brokers.oanda.transport import Json, OandaTransport, StreamReader
from live_trading.brokers.oanda.words import v20_name
from live_trading.runtime import Runtime

_log = structlog.get_logger(__name__)

_BACKOFF_MIN, _BACKOFF_MAX = 0.5, 5.0
_LOOK_SECONDS: Final = 0.25


class PriceStream:
    """Keeps the prices of ``symbols`` coming. ``take`` gets every message."""

    def __init__(
        self,
        transport: OandaTransport,
        account: str,
        name: str,
        runtime: Runtime,
        silence_limit: float,
        take: Callable[[Json], None],
    ) -> None:
        self.reconnections = 0
        self._transport = transport
        self._account = account
        self._name = name
        self._runtime = runtime
        self._silence_limit = silence_limit
        self._take = take
        self._symbols: frozenset[str] = frozenset()
        self._served: frozenset[str] = frozenset()
        self._changed = asyncio.Event()
        self._settled = asyncio.Condition()
        self._reader: StreamReader | None = None
        self._heard = 0.0
        self._end: asyncio.Event = asyncio.Event()
        self._task = runtime.tasks.start(self._keep(), f"prices of broker {name}")

    async def add(self, symbol: str, timeout: float) -> None:
        """Have its prices come; ``Retryable`` when the stream cannot be had in time."""
        await self._want(self._symbols | {symbol}, timeout)

    async def remove(self, symbol: str, timeout: float) -> None:
        """Stop them."""
        await self._want(self._symbols - {symbol}, timeout)

    async def _want(self, symbols: frozenset[str], timeout: float) -> None:
        self._symbols = symbols
        self._changed.set()
        try:
            async with asyncio.timeout(timeout), self._settled:
                await self._settled.wait_for(lambda: self._served == self._symbols)
        except TimeoutError as error:
            raise Retryable(f"broker {self._name}: the price stream does not come") from error

    async def close(self) -> None:
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)
        if self._reader is not None:
            self._reader.close()
            await self._reader.join()
            self._reader = None

    async def _keep(self) -> None:
        """Have a stream of what is wanted, and a new one whenever it has ended or says nothing."""
        backoff = _BACKOFF_MIN
        while True:
            if self._symbols == self._served and (not self._symbols or self._is_well()):
                backoff = _BACKOFF_MIN
                await self._news()
                continue
            if self._symbols == self._served:
                self.reconnections += 1
                _log.warning("the price stream is dead; opening another", broker=self._name)
                self._served = frozenset()
            if not await self._replace(self._symbols):
                await self._runtime.clock.sleep(backoff)
                backoff = min(backoff * 2, _BACKOFF_MAX)

    async def _news(self) -> None:
        self._changed.clear()
        try:
            async with asyncio.timeout(_LOOK_SECONDS):
                await self._changed.wait()
        except TimeoutError:
            return

    def _is_well(self) -> bool:
        silent = self._runtime.clock.monotonic() - self._heard
        return self._reader is not None and not self._end.is_set() and silent < self._silence_limit

    async def _replace(self, symbols: frozenset[str]) -> bool:
        """Open the next stream, and only then close the one before, so that no price is missed in between."""
        before, self._reader = self._reader, None
        first, end = asyncio.Event(), asyncio.Event()

        def take(message: Json) -> None:
            first.set()
            self._heard = self._runtime.clock.monotonic()
            self._take(message)

        def ended(reason: str) -> None:
            _log.debug("a price stream has ended", broker=self._name, reason=reason)
            end.set()
            first.set()

        try:
            if symbols:
                endpoint = endpoints.price_stream(self._account, sorted(v20_name(symbol) for symbol in symbols))
                self._reader = self._transport.open_stream(endpoint, self._silence_limit, take, ended)
                try:
                    async with asyncio.timeout(self._silence_limit):
                        await first.wait()
                except TimeoutError:
                    end.set()
        finally:
            if before is not None:
                before.close()
        if before is not None:
            await before.join()
        self._end = end
        if end.is_set():
            return False
        async with self._settled:
            self._served = symbols
            self._settled.notify_all()
        return True
