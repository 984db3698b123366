"""A whole installation in one process: engine, paper exchange and api on a real MongoDB, and users of every role.

It runs on an event loop of its own in a thread, so that tests talk to it over real sockets, as anybody would.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from concurrent.futures import Future
from contextlib import AsyncExitStack
from itertools import count
from pathlib import Path
from threading import Thread
from typing import Any, TypeVar

import httpx
from pymongo.asynchronous.database import AsyncDatabase

from live_trading.api.auth.accounts import Accounts
from live_trading.api.auth.roles import Role
from live_trading.api.server import beside
from live_trading.assembly import EngineService, Phase, Storage, engine_config
from live_trading.brokers.base import BrokerAdapter, SendGuard
from live_trading.brokers.in_process import InProcessBroker
from live_trading.config import Settings
from live_trading.database import connect
from live_trading.domain.market import QuoteTick, TradeTick
from live_trading.paper_exchange import AccountSettings, SimulatedExchange, default_catalogue
from live_trading.runtime import Runtime, SystemClock

T = TypeVar("T")

PATIENCE = 60.0
SECRET_KEY = "a key for these tests alone, 0123456789, as long as the longest algorithm wants it"
PASSWORD = "correct horse battery staple"
NAMES = {Role.VIEWER: "vera", Role.TRADER: "tom", Role.ADMIN: "ada"}

OPERATION = {
    "asset": "EUR-USD",
    "bar_sizes": ["5 secs", "1 min"],
    "strategy_name": "MomentumStrategy",
    "quantity": "1000",
    "initial_capital": "10000",
}


def until(condition: Callable[[], T], patience: float = PATIENCE) -> T:
    """Wait for a condition to be true, and return what it gave."""
    deadline = time.monotonic() + patience
    while not (found := condition()):
        assert time.monotonic() < deadline, f"{condition} never came true"
        time.sleep(0.02)
    return found


async def _market(exchange: SimulatedExchange, clock: SystemClock) -> None:
    """Prices of everything that is listed, up and down by a tick at a time, twice a second."""
    for step in count():
        for listing in default_catalogue():
            instrument = listing.instrument
            away = instrument.tick_size * (step % 20 if step // 20 % 2 else 20 - step % 20)
            price = instrument.round_price(listing.reference_price) + away
            now = clock.now_ns()
            if instrument.quote_kind == "QUOTE":
                exchange.on_tick(QuoteTick(listing.symbol, now, price, price + instrument.tick_size * 2))
            else:
                exchange.on_tick(TradeTick(listing.symbol, now, price))
        await clock.sleep(0.5)


class Stack:
    """One installation. ``url`` is its api's."""

    def __init__(
        self,
        mongo_url: str,
        name: str,
        directory: Path,
        *,
        engine: bool = True,
        overrides: dict[str, Any] | None = None,
    ) -> None:
        self.mongo_url = mongo_url
        self.name = name
        self.settings = Settings.load(
            None,
            {},
            {
                "engine.data_dir": directory,
                "engine.lease_ttl_seconds": 5,
                "database.mongodb.db_name": name,
                "api.port": 0,
                "api.secret_key": SECRET_KEY,
                "api.logins_per_minute": 1_000,
                "api.requests_per_minute": 1_000_000,
                "api.commands_per_minute": 1_000_000,
                "broker.secrets_key": "another key for these tests alone 0123456789",
                **(overrides or {}),
            },
        )
        self.url = ""
        self.service: EngineService | None = None
        self.tokens: dict[Role, dict[str, Any]] = {}
        self._with_engine = engine
        self._loop = asyncio.new_event_loop()
        self._ready: Future[None] = Future()
        self._stop = asyncio.Event()
        self._thread = Thread(target=self._run, name=f"stack {name}", daemon=True)
        self._thread.start()
        self._ready.result(PATIENCE)

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        try:
            self._loop.run_until_complete(self._live())
        except BaseException as error:
            if not self._ready.done():
                self._ready.set_exception(error)
            raise
        finally:
            self._loop.close()

    async def _live(self) -> None:
        client = connect(self.mongo_url)
        database: AsyncDatabase[dict[str, Any]] = client[self.name]
        self.database = database
        runtime = Runtime()
        clock = SystemClock()
        exchange = SimulatedExchange(
            default_catalogue(), clock=clock, accounts=(AccountSettings(account="PAPER-1"),), seed=1
        )

        def brokers(runtime: Runtime, guard: SendGuard) -> Mapping[str, BrokerAdapter]:
            return {"paper": InProcessBroker(exchange, "PAPER-1", name="paper", runtime=runtime, guard=guard)}

        async with AsyncExitStack() as stack:
            stack.push_async_callback(client.close)
            stack.push_async_callback(client.drop_database, self.name)
            stack.push_async_callback(exchange.tasks.close)
            stack.push_async_callback(runtime.tasks.close)
            runtime.tasks.start(_market(exchange, clock), "market")
            self.accounts = Accounts(database, self.settings.api, None, runtime)
            await self.accounts.prepare()
            for role, name in NAMES.items():
                await self.accounts.add(name, role, PASSWORD, "user:test")
            if self._with_engine:
                storage = Storage(client, database, None, "the test's")
                self.service = EngineService(self.settings, storage, brokers, engine_config(self.settings))
                running = runtime.tasks.start(self.service.run(), "engine")
                async with asyncio.timeout(PATIENCE):
                    await self.service.status.reach(Phase.TRADING)
            self.url = await stack.enter_async_context(beside(self.settings, database, runtime))
            self._ready.set_result(None)
            await self._stop.wait()
            if self.service is not None:
                self.service.request_stop("the tests are over")
                async with asyncio.timeout(PATIENCE):
                    await asyncio.wait([running])

    def call(self, work: Coroutine[Any, Any, T] | Callable[[], Awaitable[T]]) -> T:
        """Do something on the installation's own event loop."""
        coroutine: Any = work if asyncio.iscoroutine(work) else _awaited(work)
        result: T = asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(PATIENCE)
        return result

    def close(self) -> None:
        """End in order."""
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(PATIENCE)
        assert not self._thread.is_alive()

    # ---- asking ------------------------------------------------------------------------------------------------------

    def client(self, role: Role | None = None, **options: Any) -> httpx.Client:
        """A client that is logged in as the user of that role."""
        client = httpx.Client(base_url=self.url, timeout=PATIENCE, trust_env=False, **options)
        if role is not None:
            client.headers["Authorization"] = f"Bearer {self.token(role)}"
        return client

    def token(self, role: Role) -> str:
        """An access token of that role's user; one log-in for all tests."""
        if role not in self.tokens:
            self.tokens[role] = self.log_in(NAMES[role])
        return str(self.tokens[role]["access_token"])

    def log_in(self, name: str, password: str = PASSWORD) -> dict[str, Any]:
        """A fresh log-in."""
        answer = httpx.post(
            f"{self.url}/api/login", json={"name": name, "password": password}, timeout=PATIENCE, trust_env=False
        )
        assert answer.status_code == 200, answer.text
        result: dict[str, Any] = answer.json()
        return result

    def entries(self, *kinds: str) -> list[dict[str, Any]]:
        """The journal's entries (of some kinds), oldest first."""
        with self.client(Role.ADMIN) as client:
            found: list[dict[str, Any]] = []
            cursor: str | None = ""
            while cursor is not None:
                page = client.get(
                    "/api/journal",
                    params={"type": list(kinds), "limit": 1000, **({"cursor": cursor} if cursor else {})},
                ).json()
                found += page["items"]
                cursor = page["next_cursor"]
            return found


async def _awaited(work: Callable[[], Awaitable[T]]) -> T:
    return await work()
