"""The seam to ``oandapyV20``: the only module that knows it. It blocks, so it runs in threads.

Errors are ours: a refusal of OANDA's is :class:`Refusal`, everything else one of :mod:`live_trading.brokers.errors`.
"""

import asyncio
import json
import logging
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Final

import requests
from pydantic import SecretStr

from live_trading.brokers.base import SendGuard
from live_trading.brokers.errors import AuthExpired, InDoubt, RateLimited, Retryable
from live_trading.brokers.oanda.connections import Connections, Journey, Pace
from live_trading.brokers.oanda.library import API, TRADING_ENVIRONMENTS, APIRequest, V20Error
from live_trading.runtime import Clock

Json = dict[str, Any]

logging.getLogger("oandapyV20").setLevel(logging.CRITICAL + 1)  # it tells every request; what matters is told by us

_THREADS: Final = 4
_CONNECT_SECONDS: Final = 5.0
_RATE_PAUSE: Final = 1.0


@dataclass(frozen=True, slots=True)
class Environment:
    """Where OANDA's interface is: the address of REST and that of streams."""

    rest: str
    stream: str

    @property
    def name(self) -> str:
        """Under which ``oandapyV20`` knows it; made known to it here, for it knows only OANDA's own two."""
        name = f"{self.rest}|{self.stream}"
        TRADING_ENVIRONMENTS.setdefault(name, {"api": self.rest.rstrip("/"), "stream": self.stream.rstrip("/")})
        return name


PRACTICE: Final = Environment("https://api-fxpractice.oanda.com", "https://stream-fxpractice.oanda.com")
LIVE: Final = Environment("https://api-fxtrade.oanda.com", "https://stream-fxtrade.oanda.com")


class Refusal(Exception):  # noqa: N818 - what happened
    """OANDA answered 4xx: nothing was done. ``code`` is its ``errorCode`` or reject reason, ``body`` its answer."""

    def __init__(self, status: int, body: Json) -> None:
        rejected = body.get("orderRejectTransaction") or body.get("orderCancelRejectTransaction") or {}
        self.status = status
        self.code = str(body.get("errorCode") or rejected.get("rejectReason") or f"HTTP_{status}")
        self.text = str(body.get("errorMessage") or f"status {status}")
        self.body = body
        super().__init__(f"{self.code}: {self.text}")


class OandaTransport:
    """Requests to one environment under one token. ``timeout``: how long an answer is waited for, in seconds."""

    def __init__(self, environment: Environment, token: SecretStr, name: str, clock: Clock, timeout: float) -> None:
        self._environment = environment.name
        self._token = token
        self._name = name
        self._timeout = timeout
        self.pace = Pace(clock)
        self._connections = Connections(self.pace)
        self._executor = ThreadPoolExecutor(_THREADS, thread_name_prefix=f"oanda-{name}")
        self._own = threading.local()
        self._apis: list[API] = []
        self._closed = False

    async def ask(self, endpoint: APIRequest) -> Json:
        """Put a question. Raises :class:`Refusal`, ``Retryable``, ``RateLimited``, ``AuthExpired``."""
        try:
            return await self._run(endpoint, None)
        except (requests.RequestException, OSError, ValueError, TimeoutError) as error:
            raise Retryable(f"broker {self._name}: no answer to {endpoint} ({_said(error)})") from error

    async def command(self, endpoint: APIRequest, client_order_id: str, guard: SendGuard) -> Json:
        """Give a command, once. Raises :class:`Refusal` (nothing was done), ``Retryable`` (it never left), ``InDoubt``,
        and whatever ``guard`` raises."""
        journey = Journey(guard)
        try:
            return await self._run(endpoint, journey)
        except _Unwell as unwell:
            raise InDoubt(client_order_id, f"status {unwell.status}") from unwell
        except Refusal as refusal:
            if refusal.status == 408 or not refusal.body:
                raise InDoubt(client_order_id, f"unreadable answer, status {refusal.status}") from refusal
            raise
        except (requests.RequestException, OSError, ValueError, TimeoutError) as error:
            if journey.left:
                raise InDoubt(client_order_id, _said(error)) from error
            raise Retryable(f"broker {self._name}: {endpoint} was not sent ({_said(error)})") from error

    async def _run(self, endpoint: APIRequest, journey: Journey | None) -> Json:
        if self._closed:
            raise Retryable(f"broker {self._name}: not connected")
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(self._timeout):
                return await loop.run_in_executor(self._executor, self._request, endpoint, journey)
        finally:
            if journey is not None:
                journey.give_up()

    def _request(self, endpoint: APIRequest, journey: Journey | None) -> Json:
        self._connections.travelling(journey)
        try:
            answer = self._api().request(endpoint)
        except V20Error as error:
            raise self._explained(error, journey) from None
        finally:
            self._connections.travelling(None)
        if not isinstance(answer, dict):
            raise ValueError("the answer is no JSON object")
        return answer

    def _api(self) -> API:
        """This thread's own session."""
        api: API | None = getattr(self._own, "api", None)
        if api is None:
            api = self._own.api = self.session(self._connections, self._timeout)
            self._apis.append(api)
        return api

    def session(self, connections: Connections, read_timeout: float) -> API:
        """A session of ``oandapyV20`` over connections of ours."""
        patience = {"timeout": (min(_CONNECT_SECONDS, read_timeout), read_timeout)}
        api = API(access_token=self._token.get_secret_value(), environment=self._environment, request_params=patience)
        api.client.trust_env = False
        for scheme in ("http://", "https://"):
            api.client.mount(scheme, connections.adapter())
        return api

    def _explained(self, error: V20Error, journey: Journey | None) -> Exception:
        status = int(error.code)
        if status == 401:
            return AuthExpired(f"broker {self._name}: OANDA refuses the access token. Make a new one and set it")
        if status == 429:
            return RateLimited(_RATE_PAUSE, f"broker {self._name}: too many requests")
        if status >= 500:
            return _Unwell(self._name, status) if journey is not None else Retryable(_unwell(self._name, status))
        try:
            body = json.loads(error.msg)
        except (ValueError, TypeError):
            body = {}
        return Refusal(status, body if isinstance(body, dict) else {})

    def open_stream(
        self, endpoint: APIRequest, read_timeout: float, take: Callable[[Json], None], ended: Callable[[str], None]
    ) -> "StreamReader":
        """Read a stream in a thread of its own. ``take`` and ``ended`` are called in the event loop's thread."""
        return StreamReader(self, endpoint, read_timeout, take, ended, f"oanda-{self._name}-stream")

    async def close(self) -> None:
        """Cut every connection; what waits for an answer learns that it is not coming."""
        self._closed = True
        self._connections.cut()
        self._executor.shutdown(wait=False, cancel_futures=True)
        await asyncio.to_thread(self._executor.shutdown)
        for api in self._apis:
            api.close()


class StreamReader:
    """A thread that reads one stream, line by line, until it ends, is silent for too long, or is closed."""

    def __init__(
        self,
        transport: OandaTransport,
        endpoint: APIRequest,
        read_timeout: float,
        take: Callable[[Json], None],
        ended: Callable[[str], None],
        name: str,
    ) -> None:
        self._connections = Connections(transport.pace)
        self._api = transport.session(self._connections, read_timeout)
        self._endpoint = endpoint
        self._read_timeout = read_timeout
        self._take = take
        self._ended = ended
        self._loop = asyncio.get_running_loop()
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._read, name=name, daemon=True)
        self._thread.start()

    def _read(self) -> None:
        reason = "the stream ended"
        try:
            for line in self._api.request(self._endpoint):
                if self._closed.is_set():
                    break
                self._tell(self._take, line)
        except V20Error as error:
            reason = f"the stream was refused: status {error.code}"
        except (requests.RequestException, OSError) as error:
            silent = "timed out" in str(error).lower()
            reason = f"silent for {self._read_timeout:g} s" if silent else f"the connection was lost ({_said(error)})"
        except ValueError as error:
            reason = f"an unreadable message ({error})"
        finally:
            self._api.close()
            self._tell(self._ended, reason)

    def _tell(self, callback: Callable[[Any], None], what: Any) -> None:
        try:
            self._loop.call_soon_threadsafe(callback, what)
        except RuntimeError:
            self._closed.set()  # the loop is gone

    def close(self) -> None:
        """Stop reading, now: the connection is cut."""
        self._closed.set()
        self._connections.cut()

    async def join(self) -> None:
        """Wait until the thread has ended."""
        await asyncio.to_thread(self._thread.join)


class _Unwell(Exception):  # noqa: N818 - how OANDA is
    """5xx to a command: what became of it is not known."""

    def __init__(self, name: str, status: int) -> None:
        super().__init__(_unwell(name, status))
        self.status = status


def _unwell(name: str, status: int) -> str:
    return f"broker {name}: OANDA answers with status {status}"


def _said(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
