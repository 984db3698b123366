"""A gateway in the test's own process: the paper exchange behind its TWS front, with its market in the test's hand."""

import asyncio
import itertools
import struct
from decimal import Decimal
from pathlib import Path
from typing import Any

from live_trading.brokers.base import BrokerAdapter
from live_trading.brokers.ibkr import IbkrBroker, IbkrOptions
from live_trading.domain.market import QuoteTick
from live_trading.paper_exchange import Fault, FaultKind
from live_trading.paper_exchange.options import PaperExchangeOptions
from live_trading.paper_exchange.server import PaperExchangeServer
from live_trading.runtime import Runtime
from tests.contracts.venues import Tape

ACCOUNT = "DU1000001"
D = Decimal
_clients = itertools.count(10)


class Gateway:
    """An exchange with one account, and the brokers and bare sockets that are connected to it."""

    def __init__(self, runtime: Runtime, directory: Path, **options: Any) -> None:
        self.runtime = runtime
        self._server_runtime = Runtime()
        settings = {"accounts": (ACCOUNT,), "quiet": True, "fronts": ("tws",), **options}
        self._options = PaperExchangeOptions(data_dir=directory, **settings)
        self.server = PaperExchangeServer(self._options, self._server_runtime)
        self.brokers: list[IbkrBroker] = []
        self._plain: list[PlainClient] = []
        self.port = 0

    @property
    def exchange(self) -> Any:
        return self.server.exchange

    async def start(self) -> None:
        await self.server.start()
        self.port = int(str(self.server.fronts["tws"]["port"]))
        self.quote("1.10000", "1.10020")

    async def close(self) -> None:
        for broker in self.brokers:
            await broker.close()
        for client in self._plain:
            client.close()
        await self.server.close()

    def quote(self, bid: str, ask: str, symbol: str = "EUR-USD") -> None:
        self.exchange.on_tick(QuoteTick(symbol, self.exchange.now_ns, D(bid), D(ask)))

    def fault(self, kind: FaultKind, **fields: Any) -> int:
        return int(self.exchange.faults.add(Fault(kind, **fields)))

    def broker(self, client_id: int | None = None, *, guard: Any = lambda: None, **options: Any) -> IbkrBroker:
        own = {
            name: options.pop(name) for name in ("request_timeout", "silence_limit", "queue_limit") if name in options
        }
        where = IbkrOptions(port=self.port, client_id=client_id or next(_clients), **{"account": ACCOUNT, **options})
        broker = IbkrBroker(
            where,
            name="ibkr",
            runtime=self.runtime,
            guard=guard,
            **{"request_timeout": 5.0, "silence_limit": 5.0, **own},
        )
        self.brokers.append(broker)
        return broker

    async def connected(self, client_id: int | None = None, **options: Any) -> tuple[IbkrBroker, Tape]:
        broker = self.broker(client_id, **options)
        await broker.connect(None)
        return broker, Tape(broker, self.runtime)

    async def plain(self, client_id: int | None = None, versions: str = "v157..178") -> "PlainClient":
        """A bare socket that has shaken hands."""
        client = await self.socket()
        await client.greet(client_id or next(_clients), versions)
        return client

    async def socket(self) -> "PlainClient":
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        client = PlainClient(reader, writer)
        self._plain.append(client)
        return client


class PlainClient:
    """A socket, and the frames that came on it."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self.frames: list[list[str]] = []
        self.version = 0

    async def greet(self, client_id: int, versions: str) -> None:
        self.raw(b"API\0" + frame(versions, end=""))
        self.version = int((await self._next())[0])
        self.send(71, 2, client_id, "")
        await self.until("9")

    def send(self, *fields: object) -> None:
        self._writer.write(frame(*fields))

    def raw(self, data: bytes) -> None:
        self._writer.write(data)

    async def _next(self) -> list[str]:
        async with asyncio.timeout(20):
            (length,) = struct.unpack(">I", await self._reader.readexactly(4))
            fields = (await self._reader.readexactly(length)).decode().split("\0")[:-1]
        self.frames.append(fields)
        return fields

    async def until(self, kind: str, *parts: str) -> list[str]:
        """The next message of this kind in which these fields are."""
        while True:
            fields = await self._next()
            if fields[0] == kind and all(part in fields for part in parts):
                return fields

    async def error(self, code: int) -> str:
        """The text of the next message with this code."""
        return (await self.until("4", str(code)))[4]

    async def closed(self) -> None:
        """Wait for the other side to hang up."""
        async with asyncio.timeout(20):
            try:
                while await self._reader.read(65536):
                    pass
            except ConnectionError:
                return

    def close(self) -> None:
        self._writer.close()


def frame(*fields: object, end: str = "\0") -> bytes:
    content = "".join(f"{field}{end}" for field in fields).encode()
    return struct.pack(">I", len(content)) + content


async def fills(broker: BrokerAdapter) -> list[str | None]:
    """Whose orders the account's executions are."""
    return [execution.client_order_id for execution in (await broker.executions_since(None))[0]]
