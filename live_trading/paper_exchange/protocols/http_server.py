"""An HTTP server inside our own event loop, whose connections can be cut without an answer."""

import asyncio
import contextlib
import socket
from collections.abc import Generator
from typing import Any

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from live_trading.domain.errors import InvalidInput
from live_trading.runtime.tasks import Tasks

_SHUTDOWN_SECONDS = 2
_KEEP_ALIVE_SECONDS = 75  # longer than clients keep theirs, so that no request meets a closing connection


class HttpServer:
    """Serves an ASGI application on one address, until ``close``. Signals are its owner's business."""

    def __init__(self, application: Any, host: str, port: int) -> None:
        self._transports: dict[tuple[str, int], asyncio.Transport] = {}
        self._host = host
        self._socket = _listen(host, port)
        config = uvicorn.Config(
            application,
            http=_protocol(self._transports),
            lifespan="off",
            log_config=None,
            access_log=False,
            timeout_keep_alive=_KEEP_ALIVE_SECONDS,
            timeout_graceful_shutdown=_SHUTDOWN_SECONDS,
        )
        self._server = _Server(config)
        self._task: asyncio.Task[Any] | None = None

    @property
    def port(self) -> int:
        return int(self._socket.getsockname()[1])

    async def start(self, tasks: Tasks) -> None:
        """Begin to serve; connections are accepted when this returns."""
        self._task = tasks.start(self._server.serve(sockets=[self._socket]), f"http server {self._host}:{self.port}")
        await self._server.listening.wait()

    async def close(self) -> None:
        """Stop accepting, give what is in flight two seconds, and end."""
        self._server.should_exit = True
        if self._task is not None:
            await asyncio.gather(self._task, return_exceptions=True)

    async def cut(self, client: Any) -> None:
        """Close the connection of a request's ``client`` (host and port) at once, without a word."""
        transport = self._transports.get((client.host, client.port))
        if transport is not None:
            transport.abort()
        await asyncio.sleep(0.01)  # let the server see that it is gone, before the request's own answer goes nowhere


class _Server(uvicorn.Server):
    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.listening = asyncio.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.listening.set()

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        """Leave the process's signals alone."""
        yield


def _protocol(transports: dict[tuple[str, int], asyncio.Transport]) -> type[asyncio.Protocol]:
    """uvicorn's HTTP protocol, remembering the transport of each peer."""

    class Cuttable(H11Protocol):
        def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
            super().connection_made(transport)
            self._peer = transport.get_extra_info("peername")[:2]
            transports[self._peer] = transport

        def connection_lost(self, exc: Exception | None) -> None:
            transports.pop(self._peer, None)
            super().connection_lost(exc)

    return Cuttable


def _listen(host: str, port: int) -> socket.socket:
    listener = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except OSError as error:
        listener.close()
        raise InvalidInput(
            "port", f"cannot listen on {host}:{port}: {error.strerror}", "Give a free one, or 0"
        ) from error
    listener.listen(128)
    return listener
