"""One connection to TWS or IB Gateway: opening it, asking one question at a time, probing it, losing it."""

import asyncio
import contextlib
from collections.abc import Callable
from typing import Any

import structlog

from live_trading.brokers.errors import RateLimited, Retryable
from live_trading.brokers.ibkr.budget import MessageBudget
from live_trading.brokers.ibkr.codes import Meaning, meaning_of
from live_trading.brokers.ibkr.wrapper import Handler, RequestFailed, TwsWrapper, make_client
from live_trading.runtime import Runtime, failpoint

_log = structlog.get_logger(__name__)

FIRST_REQUEST_ID = 1_000_000_000
"""Requests are numbered far from orders: TWS answers both under one number, and an error must be for one of them."""
_PROBES_A_LIMIT = 4


class Link:
    """A connection that is asked one thing at a time, and given up when it says nothing for ``silence_limit`` seconds.

    ``lost`` is set when it has ended, whoever ended it.
    """

    def __init__(
        self, handler: Handler, runtime: Runtime, *, name: str, request_timeout: float, silence_limit: float
    ) -> None:
        self.wrapper = TwsWrapper(handler)
        self.client = make_client(self.wrapper, self._unreadable)
        self.budget = MessageBudget(runtime.clock)
        self.lost = False
        self._handler = handler
        self._runtime = runtime
        self._name = name
        self._timeout = request_timeout
        self._silence_limit = silence_limit
        self._one_at_a_time = asyncio.Lock()
        self._asked: Any = None
        self._request_id = FIRST_REQUEST_ID
        self._order_id = 1
        self._last_data = runtime.clock.monotonic()
        self._refused: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._probing: asyncio.Task[None] | None = None

    # Opening and ending

    async def open(self, host: str, port: int, client_id: int) -> None:
        """Connect and shake hands; :class:`Retryable` when that does not succeed now."""
        opening = self._runtime.tasks.start(self._connect(host, port, client_id), f"connection to {self._name}")
        await asyncio.wait([opening, self._refused], return_when=asyncio.FIRST_COMPLETED)
        if self._refused.done():
            opening.cancel()
            await asyncio.gather(opening, return_exceptions=True)
            raise Retryable(f"broker {self._name}: client id {client_id} is in use by another connection")
        if (error := opening.result()) is not None:
            reason = str(error) or type(error).__name__
            raise Retryable(f"broker {self._name}: no connection to TWS at {host}:{port} ({reason})")
        self._order_id = max(self._order_id, self.client.getReqId())
        self._last_data = self._runtime.clock.monotonic()
        self._probing = self._runtime.tasks.start(self._probe(), f"probing of {self._name}")

    async def _connect(self, host: str, port: int, client_id: int) -> Exception | None:
        try:
            await self.client.connectAsync(host, port, client_id, max(self._timeout, 2.0))
        except (OSError, TimeoutError) as error:
            return error
        return None

    def end(self, reason: str) -> None:
        """Give it up. Whatever waits for an answer learns that none will come."""
        if self.lost:
            return
        self.lost = True
        self.wrapper.fail_all(Retryable(f"broker {self._name}: {reason}"))
        if self._probing is not None and self._probing is not asyncio.current_task():
            self._probing.cancel()
        with contextlib.suppress(OSError, RuntimeError):
            self.client.disconnect()
        self._handler.on_lost(reason)

    def _unreadable(self, text: str) -> None:
        self.end(f"an unreadable message: {text}")

    async def _probe(self) -> None:
        """A silent peer still looks connected: ask the time, and see whether anything comes."""
        clock = self._runtime.clock
        while not self.lost:
            silent = clock.monotonic() - self._last_data
            if silent > self._silence_limit:
                self.end(f"silent for {silent:.1f} s")
                return
            self.probe()
            await clock.sleep(min(1.0, self._silence_limit / _PROBES_A_LIMIT))

    def probe(self) -> None:
        """Ask for the server's time."""
        if not self.lost:
            self.client.reqCurrentTime()

    def heard(self) -> None:
        """Something came."""
        self._last_data = self._runtime.clock.monotonic()

    # Asking

    def request_id(self) -> int:
        self._request_id += 1
        return self._request_id

    async def ask(self, send: Callable[[int], None], key: str | None = None) -> list[Any]:
        """Ask, and wait for the whole answer. ``send`` is given the request's number; ``key`` is what waits for an
        answer without a number.

        Raises :class:`Retryable` when no answer came, and :class:`RequestFailed` when it is an error.
        """
        failpoint("broker.query.before")
        async with self._one_at_a_time:
            if self.lost:
                raise Retryable(f"broker {self._name}: not connected")
            await self.budget.take(1, order=False)
            number = self.request_id()
            self._asked = waited_for = key or number
            answer = self.wrapper.expect(waited_for)
            try:
                async with asyncio.timeout(self._timeout):
                    send(number)
                    found: list[Any] = await answer
            except TimeoutError as error:
                raise Retryable(f"broker {self._name}: no answer within {self._timeout:g} s") from error
            except ConnectionError as error:
                raise Retryable(f"broker {self._name}: not connected ({error})") from error
            finally:
                self.wrapper.forget(waited_for)
                self._asked = None
        failpoint("broker.query.after")
        return found

    async def question(self, send: Callable[[int], None], key: str | None = None) -> list[Any]:
        """Ask something that changes nothing: every failure is :class:`Retryable`."""
        try:
            return await self.ask(send, key)
        except RequestFailed as error:
            if "pacing" in error.text:
                raise RateLimited(15.0, f"broker {self._name}: {error}") from error
            raise Retryable(f"broker {self._name}: {error}") from error

    def on_message(self, request_id: int, code: int, text: str) -> bool:
        """Take an error that answers a question; whether it did."""
        meaning = meaning_of(code)
        if meaning is Meaning.CLIENT_ID and not self._refused.done():
            self._refused.set_result(None)
            return True
        waited_for = request_id if request_id in self.wrapper.waiting else None
        if waited_for is None and request_id == -1 and meaning is Meaning.FAILED:
            waited_for = self._asked  # a question without a number: there is only one at a time
        future = self.wrapper.waiting.get(waited_for)
        if future is None or meaning is Meaning.NOTICE:
            return False
        if not future.done():
            future.set_exception(RequestFailed(code, text))
        return True

    # Orders' numbers

    def next_order_id(self) -> int:
        """A number above every one seen, whatever TWS offers: after its nightly restart it has offered old ones."""
        self._order_id += 1
        return self._order_id - 1

    def saw_order_id(self, order_id: int) -> None:
        """An order has this number. Those placed by hand may come with the largest integer there is: it means none."""
        if order_id < FIRST_REQUEST_ID:
            self._order_id = max(self._order_id, order_id + 1)
