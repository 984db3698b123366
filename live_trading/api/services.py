"""What every route and socket of one api process works with."""

from dataclasses import dataclass
from typing import Any, cast

from pymongo.asynchronous.database import AsyncDatabase
from starlette.requests import HTTPConnection

from live_trading.api.asking import Asker
from live_trading.api.auth.accounts import Accounts
from live_trading.api.auth.rates import Rates
from live_trading.api.auth.tokens import Tokens
from live_trading.api.metrics import Metrics
from live_trading.api.problems import unavailable
from live_trading.api.websocket.hub import Hub
from live_trading.archive import ArchivedJournalReader, ArchivedSnapshots
from live_trading.config import Settings
from live_trading.projections.checkpoint import Checkpoints
from live_trading.runtime import Runtime


@dataclass(frozen=True, slots=True)
class Services:
    """One process's parts. All that lasts is in the database."""

    settings: Settings
    database: AsyncDatabase[dict[str, Any]]
    reader: ArchivedJournalReader
    snapshots: ArchivedSnapshots
    runtime: Runtime
    tokens: Tokens
    accounts: Accounts
    rates: Rates
    asker: Asker
    hub: Hub
    metrics: Metrics

    async def seq(self) -> int:
        """How far the read models are: whatever is read from them after this is at least as new."""
        checkpoint = await Checkpoints(self.database).read()
        return 0 if checkpoint is None else checkpoint.sequence_number


def services(connection: HTTPConnection) -> Services:
    """The process's services. Before it is ready, and after, requests are asked to come again."""
    found = getattr(connection.app.state, "services", None)
    if found is None:
        raise unavailable("the api is starting, or stopping: try again")
    return cast(Services, found)
