"""What the tests of the archive share."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from live_trading.database import connect
from live_trading.runtime import Runtime
from tests.integration.archive.worlds import Database, World


@pytest.fixture
def world(database: Database, tmp_path: Path, runtime: Runtime) -> World:
    """An empty database and an empty archive."""
    return World(database, tmp_path / "archive", runtime)


@pytest.fixture
async def other(database: Database, mongo_url: str, tmp_path: Path, runtime: Runtime) -> AsyncIterator[World]:
    """Another empty database, with an archive directory of its own: another machine."""
    client = connect(mongo_url)
    name = f"{database.name}_other"
    yield World(client[name], tmp_path / "other" / "archive", runtime)
    await client.drop_database(name)
    await client.close()
