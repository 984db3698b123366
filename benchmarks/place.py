"""Where a benchmark runs: a MongoDB of its own on this machine's disk, and a clean event loop."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from pymongo import AsyncMongoClient

from live_trading.database import EmbeddedMongo, connect
from live_trading.runtime import Runtime


@dataclass(frozen=True, slots=True)
class Place:
    """What a benchmark needs. ``is_quick``: fewer repetitions, rougher figures."""

    url: str
    client: AsyncMongoClient[dict[str, Any]]
    runtime: Runtime
    is_quick: bool


@asynccontextmanager
async def own_mongo(is_quick: bool) -> AsyncIterator[Place]:
    """Start a ``mongod`` in a directory that is thrown away afterwards."""
    runtime = Runtime()
    with TemporaryDirectory(prefix="live-trading-bench-") as directory:
        mongo = EmbeddedMongo(Path(directory), runtime, cache_gigabytes=1.0)
        client = connect(await mongo.start(watch=False))
        try:
            yield Place(mongo.url, client, runtime, is_quick)
        finally:
            await client.close()
            await mongo.stop()
            await runtime.tasks.close()
