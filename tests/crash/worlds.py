"""Worlds for tests that need many: each with a directory and a database of its own on the run's one mongod."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from itertools import count
from pathlib import Path

from live_trading.database import connect
from live_trading.paper_exchange.options import PaperExchangeOptions
from tests.crash.harness import CrashWorld, crash_world
from tests.crash.nursery import Nursery

_numbers = count(1)


class Worlds:
    """Makes worlds on the mongod at ``url``. Close it at the end."""

    def __init__(self, nursery: Nursery, url: str, directory: Path) -> None:
        self._nursery = nursery
        self._url = url
        self._directory = directory
        self._client = connect(url)

    @asynccontextmanager
    async def world(self, options: Callable[[Path], PaperExchangeOptions]) -> AsyncIterator[CrashWorld]:
        """A new one; its files and database stay when the block fails, to be looked into."""
        name = f"crash_{next(_numbers)}"
        directory = self._directory / name
        try:
            async with crash_world(self._nursery, self._client[name], self._url, directory, options) as world:
                yield world
        except Exception as error:
            error.add_note(f"[{directory}]")
            raise

    async def close(self) -> None:
        await self._client.close()
