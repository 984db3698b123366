"""What the tests of the archive share."""

from pathlib import Path

import pytest

from live_trading.runtime import Runtime
from tests.integration.archive.worlds import Database, World


@pytest.fixture
def world(database: Database, tmp_path: Path, runtime: Runtime) -> World:
    """An empty database and an empty archive."""
    return World(database, tmp_path / "archive", runtime)
