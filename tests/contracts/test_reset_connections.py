"""A forwarder whose target is away accepts connections and resets them at once. On the event loop that the engine runs
on, that once surfaced as an ``AttributeError`` which ended the engine."""

import asyncio
import socket
import struct
from collections.abc import Iterator
from contextlib import suppress
from threading import Thread

import httpx
import pytest
import uvloop

from live_trading.brokers.http_transport import BrokerTransport

REQUESTS = 300


@pytest.fixture
def resetting_port() -> Iterator[int]:
    """Where whoever connects is reset, from a thread of its own: as quick as another process would be."""
    listening = socket.create_server(("127.0.0.1", 0), backlog=128)

    def reset() -> None:
        with suppress(OSError):  # it is closed at the end
            while True:
                accepted, _ = listening.accept()
                accepted.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                accepted.close()

    thread = Thread(target=reset, daemon=True)
    thread.start()
    yield int(listening.getsockname()[1])
    listening.shutdown(socket.SHUT_RDWR)
    listening.close()
    thread.join(5)


async def _failures(port: int, transport: httpx.AsyncHTTPTransport) -> set[str]:
    """The kinds of error that requests end in."""
    kinds = set()
    async with httpx.AsyncClient(transport=transport, trust_env=False) as client:
        for _ in range(REQUESTS):
            try:
                await client.get(f"http://127.0.0.1:{port}/")
            except Exception as error:
                kinds.add("HTTPError" if isinstance(error, httpx.HTTPError) else type(error).__name__)
    return kinds


def test_a_connection_that_is_reset_as_it_is_made_is_an_error_of_the_network(resetting_port: int) -> None:
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        assert runner.run(_failures(resetting_port, BrokerTransport())) == {"HTTPError"}
