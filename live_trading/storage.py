"""The database of a data directory: the bundled one, or the one MONGODB_URL names."""

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pymongo import AsyncMongoClient
from pymongo.asynchronous.database import AsyncDatabase

from live_trading.config import Settings
from live_trading.database import EmbeddedMongo, check_requirements, connect, redact
from live_trading.journal import Fenced
from live_trading.runtime import Runtime

BUNDLED_CACHE_GIGABYTES = 0.25

_INNER_LIFE = re.compile(r" \(configured timeouts:[^)]*\)(?:, Timeout: .*>\]>)?")

Client = AsyncMongoClient[dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Storage:
    """A database that can be used. ``where`` says which, for people: never with a password."""

    client: Client
    database: AsyncDatabase[dict[str, Any]]
    mongo: EmbeddedMongo | None
    where: str


@asynccontextmanager
async def open_storage(
    settings: Settings, runtime: Runtime, *, watch: bool = True, check: bool = True
) -> AsyncIterator[Storage]:
    """The database, for as long as the block lasts.

    Without ``MONGODB_URL`` the bundled server is started in the data directory, or joined where it runs already, and
    stopped at the end if it was started. ``watch``: start it again whenever it dies (for an engine, not for a short
    command). ``check``: refuse a server of one's own that cannot keep a journal. Raises
    :class:`~live_trading.database.DatabaseError` with one line that says what to do.
    """
    options = settings.database.mongodb
    if options.url is not None:
        address = options.url.get_secret_value()
        async with _client(settings, address, watch) as client:
            if check:
                await check_requirements(client, options.db_name)
            yield Storage(client, client[options.db_name], None, f"{redact(address)} ({options.db_name})")
        return
    mongo = EmbeddedMongo(settings.engine.data_dir, runtime, cache_gigabytes=BUNDLED_CACHE_GIGABYTES)
    address = await mongo.start(watch=watch)
    in_use_elsewhere = False
    try:
        async with _client(settings, address, watch) as client:
            where = f"{settings.engine.data_dir / 'mongodb'} ({options.db_name})"
            yield Storage(client, client[options.db_name], mongo, where)
    except Fenced:
        in_use_elsewhere = True  # the engine that took over owns it as soon as this process has ended
        raise
    finally:
        if not in_use_elsewhere:
            await mongo.stop()


@asynccontextmanager
async def _client(settings: Settings, address: str, keep_ready: bool) -> AsyncIterator[Client]:
    options = settings.database.mongodb
    client = connect(
        address,
        maxPoolSize=options.max_pool_size,
        minPoolSize=options.min_pool_size if keep_ready else 0,
    )
    try:
        yield client
    finally:
        await client.close()


def archive_directory(settings: Settings) -> Path:
    """Where the journal's archive is."""
    return settings.logging.journal_archive_dir or settings.engine.data_dir / "journal-archive"


def has_data(settings: Settings) -> bool:
    """Whether anything was ever kept here; always assumed of a server of one's own."""
    if settings.database.mongodb.url is not None:
        return True
    return (settings.engine.data_dir / "mongodb" / "mongod.json").exists()


def said(error: BaseException) -> str:
    """An error on one line, without what only the driver's authors understand."""
    return _INNER_LIFE.sub("", " ".join(str(error).split()))
