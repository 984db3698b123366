"""The broker of a data directory: the paper exchange beside the engine, or the one that ``broker.paper.url`` names."""

import asyncio
import os
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import httpx
import psutil
import structlog

from live_trading.brokers.errors import Fatal
from live_trading.brokers.http_transport import BrokerTransport
from live_trading.config import BrokerType, Settings
from live_trading.journal import Fenced
from live_trading.paper_exchange.options import PaperExchangeOptions
from live_trading.paper_exchange.process import PaperExchangeFailed, PaperExchangeProcess
from live_trading.runtime import Runtime

_log = structlog.get_logger(__name__)

FRONTS = {BrokerType.IBKR: "tws", BrokerType.OANDA: "oanda"}
"""The front of the paper exchange that stands for each broker."""

_NEVER = 1_000_000_000
"""A feed that waits for so many subscribed instruments stands still."""
_HEALTH_SECONDS = 5.0
_RETRY_SECONDS = 1.5


@dataclass(frozen=True, slots=True)
class Exchange:
    """A paper exchange that answers. ``process`` is None where it is somebody else's.

    ``fronts``: how the clients of each further protocol connect, as the exchange tells it."""

    url: str
    account: str
    process: PaperExchangeProcess | None
    fronts: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    async def feed_ended(self) -> bool:
        """Whether its recorded ticks are over."""
        return bool((await exchange_health(self.url))["feed_ended"])


def exchange_directory(settings: Settings) -> Path:
    """Where the paper exchange of a data directory keeps its store."""
    return settings.engine.data_dir.absolute() / "paper-exchange"


def exchange_options(settings: Settings) -> PaperExchangeOptions:
    """How the paper exchange is set up by the settings."""
    paper = settings.broker.paper
    front = FRONTS.get(settings.broker.type)
    return PaperExchangeOptions(
        data_dir=exchange_directory(settings),
        port=paper.port,
        currency=paper.currency,
        initial_balance=paper.initial_balance,
        ticks=(paper.ticks,) if paper.ticks is not None else (),
        speed=paper.speed,
        seed=paper.seed,
        catalogue=paper.instruments,
        fronts=(front,) if front is not None else (),
    )


def needs_exchange(settings: Settings) -> bool:
    """Whether orders go to the paper exchange, in its own protocol or in a broker's."""
    return settings.broker.type is BrokerType.PAPER or settings.broker.simulated


@asynccontextmanager
async def open_exchange(
    settings: Settings, runtime: Runtime, options: PaperExchangeOptions | None = None, *, still: bool = False
) -> AsyncIterator[Exchange | None]:
    """A paper exchange for as long as the block lasts: the one of the URL, the one that runs already, or a new one.
    None where orders go to a real broker.

    ``still``: only look. One that has to be started for it makes no prices (so nothing can be filled), is not started
    again when it dies, and is ended with the block. An engine's goes on over its death, and is ended with the block
    unless another engine uses it: one that is its parent, or one that has just taken the journal over.

    Raises :class:`PaperExchangeFailed` or :class:`~live_trading.brokers.errors.Fatal`.
    """
    if not needs_exchange(settings):
        yield None
        return
    if settings.broker.paper.url is not None:
        url = settings.broker.paper.url.rstrip("/")
        health = await exchange_health(url)
        front = FRONTS.get(settings.broker.type)
        if front is not None and front not in health.get("fronts", {}):
            raise Fatal(
                f"broker.paper.url: the exchange at {url} does not serve {front}. Start it with --fronts {front}"
            )
        yield Exchange(url, str(health["accounts"][0]), None, health.get("fronts", {}))
        return
    options = options or exchange_options(settings)
    process = PaperExchangeProcess(replace(options, wait_for_subscribers=_NEVER) if still else options, runtime)
    await _start(process, runtime, watch=not still)
    in_use_elsewhere = False
    try:
        yield Exchange(process.url, process.account, process, process.fronts)
    except Fenced:
        in_use_elsewhere = True
        raise
    finally:
        # Asked at the end, not at the start: the engine whose child it was may be gone meanwhile.
        if not in_use_elsewhere and _is_ours(process.pid, only_children=still):
            await process.stop()
        else:
            await process.release()


async def _start(process: PaperExchangeProcess, runtime: Runtime, *, watch: bool) -> None:
    try:
        await process.start(watch=watch)
    except PaperExchangeFailed as error:
        # One that a killed engine had just started holds the store, but could not be found yet.
        _log.info("the paper exchange did not start; trying once more", reason=str(error))
        await runtime.clock.sleep(_RETRY_SECONDS)
        await process.start(watch=watch)


def _is_ours(pid: int, *, only_children: bool) -> bool:
    """Whether the process is ours to end: our child, or (for an engine) one whose engine is gone."""
    try:
        parent = psutil.Process(pid).parent()
        if parent is None or parent.pid == os.getpid():
            return parent is not None or not only_children
        return not only_children and not any("live" in word for word in parent.cmdline())
    except psutil.Error:
        return not only_children


async def exchange_health(url: str) -> dict[str, Any]:
    """What the exchange at ``url`` says of itself; :class:`Fatal` when there is none."""
    try:
        transport = BrokerTransport()
        async with asyncio.timeout(_HEALTH_SECONDS), httpx.AsyncClient(transport=transport, trust_env=False) as client:
            response = await client.get(f"{url}/v1/health")
            response.raise_for_status()
            health = response.json()
    except (httpx.HTTPError, OSError, TimeoutError, ValueError) as error:
        raise Fatal(
            f"broker.paper.url: no paper exchange answers at {url} ({type(error).__name__}). "
            "Start it, correct the address, or leave it out to have one started"
        ) from error
    if not isinstance(health, dict) or not health.get("accounts"):
        raise Fatal(f"broker.paper.url: what answers at {url} is no paper exchange. Correct the address")
    return health
