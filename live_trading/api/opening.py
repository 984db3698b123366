"""What an api process needs, put together: on a database of its own, or on one that is open already."""

import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import structlog
from pymongo.asynchronous.database import AsyncDatabase

from live_trading.api.asking import Asker
from live_trading.api.auth.accounts import FIRST_ADMIN, Accounts
from live_trading.api.auth.live import check_live
from live_trading.api.auth.rates import Rates
from live_trading.api.auth.tokens import Tokens, signing_key
from live_trading.api.metrics import Metrics
from live_trading.api.services import Services
from live_trading.api.websocket.hub import Hub
from live_trading.archive import ArchivedJournalReader, ArchivedSnapshots
from live_trading.config import Settings
from live_trading.models.broker_configurations import first_live
from live_trading.runtime import Runtime
from live_trading.storage import archive_directory, open_storage

_log = structlog.get_logger(__name__)

_BATCH_BESIDE_TRADING = 100
"""Entries decoded at a time, so that an engine in the same process never waits for long."""


@asynccontextmanager
async def open_services(settings: Settings) -> AsyncIterator[Services]:
    """The services of a process of its own, with its own connection to the database."""
    check_live(settings)
    runtime = Runtime()
    try:
        async with (
            open_storage(settings, runtime, watch=False) as storage,
            services_on(settings, storage.database, runtime) as services,
        ):
            yield services
    finally:
        await runtime.tasks.close()


@asynccontextmanager
async def services_on(
    settings: Settings, database: AsyncDatabase[dict[str, Any]], runtime: Runtime
) -> AsyncIterator[Services]:
    """The services on an open database. A first admin is made where there is no user; the password is shown once."""
    check_live(settings, await first_live(database))
    reader = ArchivedJournalReader(database, archive_directory(settings), runtime.clock, _BATCH_BESIDE_TRADING)
    tokens = Tokens(signing_key(settings, runtime.ids), settings.api.access_token_minutes, runtime.clock, runtime.ids)
    accounts = Accounts(database, settings.api, tokens, runtime)
    await accounts.prepare()
    password = await accounts.first_admin()
    if password is not None:
        # To the person at the terminal, not through the log, where it would stay.
        sys.stderr.write(f"\nThe first user is {FIRST_ADMIN}, the password {password}\nIt is shown this once.\n\n")
        sys.stderr.flush()
    yield Services(
        settings=settings,
        database=database,
        reader=reader,
        snapshots=ArchivedSnapshots(database, reader.archive),
        runtime=runtime,
        tokens=tokens,
        accounts=accounts,
        rates=Rates(settings.api, runtime.clock),
        asker=Asker(database, runtime, settings.api.answer_seconds),
        hub=Hub(database, reader, runtime),
        metrics=Metrics(),
    )
