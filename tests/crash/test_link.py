"""The link that fails on purpose fails as it says."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress

import pytest

from live_trading.runtime import SystemClock
from tests.crash.link import Link


@pytest.fixture
async def link() -> AsyncIterator[Link]:
    """To a server that says everything back."""

    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError):
            while data := await reader.read(100):
                writer.write(data)
        writer.transport.abort()

    server = await asyncio.start_server(echo, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with Link(SystemClock(), lambda: ("127.0.0.1", port)) as link:
        yield link
    server.close()


async def test_what_is_said_in_silence_arrives_afterwards_and_nothing_breaks(link: Link) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", link.port)
    writer.write(b"one")
    assert await reader.readexactly(3) == b"one"
    link.silence()
    writer.write(b"two")
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.1):
            await reader.readexactly(1)
    link.mend()
    assert await reader.readexactly(3) == b"two"
    writer.transport.abort()


async def test_a_cut_breaks_connections_and_refuses_new_ones_until_it_is_mended(link: Link) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", link.port)
    writer.write(b"one")
    assert await reader.readexactly(3) == b"one"
    async with asyncio.timeout(5):
        link.cut()
        with pytest.raises(ConnectionError):
            await reader.read(1)
        with pytest.raises(ConnectionError):
            await _talk(link)
        link.mend()
        assert await _talk(link) == b"hello"
    writer.transport.abort()


async def test_a_slow_link_delays_both_directions(link: Link) -> None:
    link.slow(0.05)
    clock = SystemClock()
    began = clock.monotonic()
    assert await _talk(link) == b"hello"
    assert clock.monotonic() - began >= 0.1


async def _talk(link: Link) -> bytes:
    """Say something and hear it back; ``ConnectionError`` where nobody says it back."""
    reader, writer = await asyncio.open_connection("127.0.0.1", link.port)
    try:
        writer.write(b"hello")
        await writer.drain()
        heard = await reader.read(5)
        if not heard:
            raise ConnectionResetError
        return heard
    finally:
        writer.transport.abort()
