"""A network link that fails on purpose: a loopback TCP proxy between a program and a server.

It can be cut (connections break, none can be made), fall silent (nothing passes, nothing breaks: what is said meanwhile
arrives afterwards, perhaps from somebody who has long given up), or be slow.
"""

import asyncio
import socket
import struct
from collections.abc import Callable
from contextlib import suppress
from typing import Self

from live_trading.runtime import Clock, Tasks

_CHUNK = 65_536

Address = tuple[str, int]


class Link:
    """``async with Link(clock, target) as link``: programs connect to ``link.port``, and reach ``target()``."""

    def __init__(self, clock: Clock, target: Callable[[], Address]) -> None:
        """``target`` is asked for each connection: the server may listen elsewhere after a restart."""
        self.port = 0
        self._clock = clock
        self._target = target
        self._server: asyncio.Server | None = None
        self._tasks = Tasks()
        self._open = asyncio.Event()
        self._open.set()
        self._is_cut = False
        self._delay = 0.0
        self._ends: set[asyncio.StreamWriter] = set()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        self.port = int(self._server.sockets[0].getsockname()[1])
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.close()
        self._break()
        await self._tasks.close()

    def cut(self) -> None:
        """Every connection breaks, and none can be made."""
        self._is_cut = True
        self._break()

    def silence(self) -> None:
        """Nothing passes, in either direction, and nothing breaks."""
        self._open.clear()

    def slow(self, seconds: float) -> None:
        """Whatever is said arrives so much later."""
        self._delay = seconds

    def mend(self) -> None:
        """As good as new. What was held back arrives."""
        self._is_cut = False
        self._delay = 0.0
        self._open.set()

    def _break(self) -> None:
        for end in list(self._ends):
            _reset(end)
        self._ends.clear()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._is_cut:
            _reset(writer)
            return
        self._tasks.start(self._serve(reader, writer), "link")

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            there, back = await asyncio.open_connection(*self._target())
        except OSError:
            _reset(writer)  # as where nobody listens
            return
        ends = {writer, back}
        self._ends |= ends
        try:
            await asyncio.gather(self._pass_on(reader, back), self._pass_on(there, writer))
        finally:
            self._ends -= ends
            for end in ends:
                end.transport.abort()

    async def _pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One direction, until its speaker has no more to say or the link is cut."""
        with suppress(ConnectionError, RuntimeError):
            while data := await reader.read(_CHUNK):
                if self._delay:
                    await self._clock.sleep(self._delay)
                await self._open.wait()
                writer.write(data)
                await writer.drain()
            await self._open.wait()
            writer.write_eof()


def _reset(end: asyncio.StreamWriter) -> None:
    """Break a connection with a reset: its other end is told that it is broken, not that all was said."""
    if not end.transport.is_closing():
        end.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    end.transport.abort()
