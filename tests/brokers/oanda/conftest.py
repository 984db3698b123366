"""OANDA's adapter over the paper exchange's v20 front, in this process: faults and market in the test's hand."""

import asyncio
from collections.abc import AsyncIterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx
import pytest
from pydantic import SecretStr

from live_trading.brokers.oanda import Environment, OandaBroker
from live_trading.domain.instrument import ALWAYS_OPEN
from live_trading.domain.market import QuoteTick
from live_trading.paper_exchange import AccountSettings, Fault, FaultKind, SimulatedExchange, default_catalogue
from live_trading.paper_exchange.protocols.front import FrontPlace
from live_trading.paper_exchange.protocols.oanda import OandaFront
from live_trading.paper_exchange.store import ExchangeStore
from live_trading.runtime import Runtime
from tests.contracts.venues import SYMBOL, D, Tape

ACCOUNT = "PAPER-1"
TOKEN = "5f2a-secret-of-the-account"


class Stage:
    """A front on a port of its own over a store of its own; ``restart`` is its process's death."""

    def __init__(self, runtime: Runtime, directory: Path) -> None:
        self.runtime = runtime
        self.brokers: list[OandaBroker] = []
        self.port = 0
        self.heartbeat = 0.5
        self._directory = directory

    async def start(self) -> None:
        self._store = ExchangeStore(self._directory / "exchange.sqlite")
        accounts = self._store.open_accounts((AccountSettings(account=ACCOUNT), AccountSettings(account="PAPER-2")))
        self.exchange = SimulatedExchange(
            default_catalogue(), clock=self.runtime.clock, accounts=accounts, store=self._store
        )
        self.exchange.restore(self._store.load())
        place = FrontPlace("127.0.0.1", self.port, self._directory, recorded=False)
        self.front = OandaFront(self.exchange, place, heartbeat=self.heartbeat)
        told = await self.front.start(self.runtime.tasks)
        self.port = int(str(told["port"]))
        self._ticking = self.runtime.tasks.start(self._tell_time(), "market time")

    async def _tell_time(self) -> None:
        while True:
            self.exchange.on_time(self.exchange.now_ns)
            await self.runtime.clock.sleep(0.05)

    async def stop(self) -> None:
        self._ticking.cancel()
        await self.front.close()
        await self.exchange.tasks.close()
        self._store.close()

    async def restart(self) -> None:
        await self.stop()
        await self.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def quote(self, bid: str, ask: str, symbol: str = SYMBOL) -> None:
        self.exchange.on_tick(QuoteTick(symbol, self.exchange.now_ns, D(bid), D(ask)))

    def fault(self, kind: FaultKind, **fields: Any) -> int:
        return self.exchange.faults.add(Fault(kind, **fields))

    def broker(self, account: str = ACCOUNT, token: str = TOKEN, **options: Any) -> OandaBroker:
        options = {"request_timeout": 10.0, "silence_limit": 3.0, "poll_seconds": 1.0, "hours": ALWAYS_OPEN, **options}
        broker = OandaBroker(
            account,
            SecretStr(token),
            environment=Environment(self.url, self.url),
            name="oanda",
            runtime=self.runtime,
            guard=lambda: None,
            **options,
        )
        self.brokers.append(broker)
        return broker

    async def connected(self, cursor: str | None = None, **options: Any) -> tuple[OandaBroker, Tape]:
        broker = self.broker(**options)
        await broker.connect(cursor)
        return broker, Tape(broker, self.runtime)

    async def raw(self, method: str, path: str, body: Any = None, token: str = "anybody") -> httpx.Response:
        """A request as any other client would make it."""
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        async with httpx.AsyncClient(base_url=self.url, headers=headers, trust_env=False, timeout=60) as client:
            return await client.request(method, path, json=body)

    def held(self) -> Decimal:
        """What the account holds, by the exchange's own book."""
        return sum((position.quantity for position in self.exchange.positions(ACCOUNT)), Decimal(0))

    async def close(self) -> None:
        for broker in self.brokers:
            await broker.close()
        await self.stop()


@pytest.fixture
async def stage(runtime: Runtime, tmp_path: Path) -> AsyncIterator[Stage]:
    made = Stage(runtime, tmp_path)
    await made.start()
    made.quote("1.10000", "1.10020")
    yield made
    async with asyncio.timeout(60):
        await made.close()
