"""Fixtures of the contracts' tests: exchanges to hold the adapters to."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from live_trading.paper_exchange.options import PaperExchangeOptions
from live_trading.paper_exchange.process import PaperExchangeProcess
from live_trading.runtime import Runtime
from tests.contracts.venues import ACCOUNTS, InProcessVenue, OandaVenue, ProcessVenue, TwsVenue, Venue


@pytest.fixture(scope="session")
def exchange_process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PaperExchangeProcess]:
    """One paper exchange process without a feed; each test has an account of its own."""
    options = PaperExchangeOptions(
        data_dir=tmp_path_factory.mktemp("paper"),
        accounts=tuple(f"T{number}" for number in range(1, 200)),
        quiet=True,
        enable_faults=True,
        fronts=("tws", "oanda"),
    )
    process = PaperExchangeProcess(options, Runtime())
    with ThreadPoolExecutor(max_workers=1) as thread:
        thread.submit(lambda: asyncio.run(process.start(watch=False))).result()
        yield process
        thread.submit(lambda: asyncio.run(process.stop())).result()


@pytest.fixture(params=["in process", "paper", "ibkr", "oanda"])
async def venue(request: pytest.FixtureRequest, runtime: Runtime, tmp_path: Path) -> AsyncIterator[Venue]:
    """An account at each kind of exchange that has an adapter."""
    if request.param == "in process":
        venue: Venue = InProcessVenue(runtime, tmp_path)
    elif request.param == "ibkr":
        venue = TwsVenue(runtime, request.getfixturevalue("exchange_process"), next(ACCOUNTS))
    else:
        kind = OandaVenue if request.param == "oanda" else ProcessVenue
        venue = kind(runtime, request.getfixturevalue("exchange_process"), next(ACCOUNTS))
    await venue.quote("1.10000", "1.10020")
    yield venue
    await venue.close()
