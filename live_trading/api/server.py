"""uvicorn, as a process of its own or beside an engine on the same event loop."""

import socket
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import structlog
import uvicorn
from pymongo.asynchronous.database import AsyncDatabase

from live_trading.api.app import create_app
from live_trading.api.opening import open_services, services_on
from live_trading.config import Settings
from live_trading.domain.errors import InvalidInput
from live_trading.runtime import Runtime

_log = structlog.get_logger(__name__)

_GRACE_SECONDS = 3
_SEND_BUFFER = 128 * 1024


class Server(uvicorn.Server):
    """Leaves signals to whoever runs it."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def server_config(app: Any, host: str, port: int) -> uvicorn.Config:
    """uvicorn as this interface needs it. A proxy on this machine is believed about where requests come from."""
    return uvicorn.Config(
        app,
        host=host,
        port=port,
        ws="websockets-sansio",
        ws_max_size=4096,
        ws_per_message_deflate=False,  # it would be done anew for every client
        ws_ping_interval=20.0,
        ws_ping_timeout=20.0,
        loop="none",
        log_config=None,
        access_log=False,
        server_header=False,
        date_header=True,
        proxy_headers=True,
        forwarded_allow_ips="127.0.0.1",
        timeout_keep_alive=65,
        timeout_graceful_shutdown=_GRACE_SECONDS,
        backlog=2048,
        lifespan="on",
    )


def listen(host: str, port: int) -> socket.socket:
    """A socket that listens; :class:`InvalidInput` where it cannot."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_STREAM)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    # What is accepted has it too: a client that does not read costs so much of the system's memory, not megabytes.
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SEND_BUFFER)
    try:
        sock.bind((host, port))
    except OSError as error:
        sock.close()
        raise InvalidInput(
            "api.port", f"{host}:{port} cannot be listened on: {error.strerror}", "Set API_PORT to a free one, or 0"
        ) from None
    sock.setblocking(False)
    return sock


def address_of(sock: socket.socket) -> str:
    """The address of the interface at a listening socket."""
    host, port = sock.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


async def serve(settings: Settings, stopped: Callable[[], Any], runtime: Runtime) -> None:
    """A process of its own, until ``stopped()`` returns."""
    sock = listen(settings.api.host, settings.api.port)
    try:
        server = Server(server_config(create_app(lambda: open_services(settings)), "", 0))
        watch = runtime.tasks.start(_pass_on(stopped, server), "stop watch")
        _log.info("api listens", address=address_of(sock))
        await server.serve(sockets=[sock])
        watch.cancel()
    finally:
        sock.close()
    if not server.started:
        raise InvalidInput("api", "did not start", "The log says why")


async def _pass_on(stopped: Callable[[], Any], server: uvicorn.Server) -> None:
    await stopped()
    server.should_exit = True


@asynccontextmanager
async def beside(settings: Settings, database: AsyncDatabase[dict[str, Any]], runtime: Runtime) -> AsyncIterator[str]:
    """An api on the event loop and the database of an engine, for as long as the block lasts. Gives its address."""
    sock = listen(settings.api.host, settings.api.port)
    server = Server(server_config(create_app(lambda: services_on(settings, database, runtime)), "", 0))
    serving = runtime.tasks.start(server.serve(sockets=[sock]), "api")
    try:
        while not server.started and not serving.done():
            await runtime.clock.sleep(0.01)
        if serving.done():
            serving.result()
            raise InvalidInput("api", "did not start", "The log says why")
        _log.info("api listens", address=address_of(sock))
        yield address_of(sock)
    finally:
        server.should_exit = True
        if not serving.done():
            await serving
        sock.close()
