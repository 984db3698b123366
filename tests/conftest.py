"""Fixtures for every test: one real MongoDB for the whole run, a fresh database for each test."""

import asyncio
import logging
import os
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from typing import Any

import hypothesis
import pytest
from pymongo.asynchronous.database import AsyncDatabase

from live_trading.database import EmbeddedMongo, connect
from live_trading.runtime import Runtime

# Programs that are started listen on any free port: several runs of the tests may share a machine.
os.environ.setdefault("API_PORT", "0")

_numbers = count(1)

# How long an example takes says how busy the machine is, nothing else; pytest's own time limit ends what hangs.
hypothesis.settings.register_profile("untimed", deadline=None)
hypothesis.settings.load_profile("untimed")


def pytest_configure(config: pytest.Config) -> None:
    # The driver leaves a socket to the garbage collector when connecting is cancelled, as happens whenever a client is
    # closed, or a wait for MongoDB is given up, while mongod is away.
    config.addinivalue_line("filterwarnings", r"ignore:unclosed <socket\.socket .*proto=6:ResourceWarning")


@pytest.fixture(scope="session")
def mongo_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of a real ``mongod`` (a replica set of one), started once for the whole run."""
    directory = tmp_path_factory.mktemp("mongo")

    async def start() -> EmbeddedMongo:
        mongo = EmbeddedMongo(directory, Runtime())
        await mongo.start(watch=False)
        return mongo

    async def stop() -> None:
        await mongo.stop()

    # On a thread of its own: the fixture may be asked for from inside a running event loop.
    with ThreadPoolExecutor(max_workers=1) as thread:
        mongo = thread.submit(lambda: asyncio.run(start())).result()
        yield mongo.url
        thread.submit(lambda: asyncio.run(stop())).result()


@pytest.fixture
async def database(mongo_url: str) -> AsyncIterator[AsyncDatabase[dict[str, Any]]]:
    """An empty database of the test's own."""
    client = connect(mongo_url)
    name = f"test_{next(_numbers)}"
    yield client[name]
    await client.drop_database(name)
    await client.close()


class _Undecoded(logging.Handler):
    """Keeps what ib_async's decoder could not read: the library only logs it."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.said: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.said.append(record.getMessage())


@pytest.fixture(autouse=True)
def _everything_decoded() -> Iterator[None]:
    """No message of TWS may be unreadable, in any test that does not mean it to be."""
    kept, logger = _Undecoded(), logging.getLogger("ib_async.Decoder")
    logger.addHandler(kept)
    yield
    logger.removeHandler(kept)
    assert kept.said == []


@pytest.fixture
async def runtime() -> AsyncIterator[Runtime]:
    """The machine's clock and ids, and tasks that end with the test."""
    runtime = Runtime()
    yield runtime
    await runtime.tasks.close()
