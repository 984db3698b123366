"""A network that fails on purpose, between the driver and a real MongoDB."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from enum import Enum, auto
from urllib.parse import urlsplit

import pytest


class Fault(Enum):
    """What happens to the next insert into the journal."""

    NONE = auto()
    REQUEST_LOST = auto()
    """The connection breaks before the server gets it."""
    REPLY_LOST = auto()
    """The server carries it out, the connection breaks before its answer comes."""
    HELD = auto()
    """It is kept back until :meth:`Network.let_go`; its connection to the driver breaks then."""


class Network:
    """A loopback TCP proxy in front of MongoDB that knows where one message ends and which one is an insert."""

    def __init__(self, host: str, port: int) -> None:
        self._upstream = (host, port)
        self._server: asyncio.Server | None = None
        self._released = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()
        self._next_insert = Fault.NONE
        self._open = asyncio.Event()
        self._open.set()
        self.fault_met = asyncio.Event()
        """Set when the insert that was to fail has come."""
        self.held_reply: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        """What the server said to the insert that was held."""

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)

    @property
    def url(self) -> str:
        assert self._server is not None
        host, port = self._server.sockets[0].getsockname()
        return f"mongodb://{host}:{port}/?directConnection=true"

    def fail_next_insert(self, fault: str) -> None:
        """Let the next insert into the journal meet the :class:`Fault` of that name."""
        self.fault_met.clear()
        self._next_insert = Fault[fault]

    def cut(self) -> None:
        """From now on nothing goes through in either direction, and no connection breaks."""
        self._open.clear()

    def mend(self) -> None:
        self._open.set()

    def let_go(self) -> None:
        """Send the insert that is held on to the server, long after its sender gave up."""
        self._released.set()

    async def close(self) -> None:
        assert self._server is not None
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.ensure_future(self._serve(reader, writer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        up_reader, up_writer = await asyncio.open_connection(*self._upstream)
        answers = asyncio.ensure_future(self._copy_answers(up_reader, writer))
        try:
            while True:
                message = await self._message(reader)
                await self._open.wait()
                fault = self._next_insert if b"insert\x00\x08\x00\x00\x00journal\x00" in message[:64] else Fault.NONE
                if fault is Fault.NONE:
                    up_writer.write(message)
                    continue
                self.fault_met.set()
                self._next_insert = Fault.NONE
                if fault is Fault.REQUEST_LOST:
                    return
                answers.cancel()
                if fault is Fault.HELD:
                    await self._released.wait()
                up_writer.write(message)
                answer = await self._message(up_reader)
                if fault is Fault.HELD:
                    self.held_reply.set_result(answer)
                return
        except (asyncio.IncompleteReadError, ConnectionError):
            return
        finally:
            answers.cancel()
            for closing in (writer, up_writer):
                closing.close()
                with suppress(ConnectionError):
                    await closing.wait_closed()

    async def _copy_answers(self, up_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                message = await self._message(up_reader)
                await self._open.wait()
                writer.write(message)

    @staticmethod
    async def _message(reader: asyncio.StreamReader) -> bytes:
        length = await reader.readexactly(4)
        return length + await reader.readexactly(int.from_bytes(length, "little") - 4)


@pytest.fixture
async def network(mongo_url: str) -> AsyncIterator[Network]:
    """A network between the test and MongoDB that can be told to fail."""
    address = urlsplit(mongo_url)
    assert address.hostname is not None
    assert address.port is not None
    network = Network(address.hostname, address.port)
    await network.start()
    yield network
    await network.close()
