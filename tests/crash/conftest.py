"""What the crash tests share: a market on file, and a nursery for processes."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.crash.nursery import Nursery
from tests.crash.tape import write_tape
from tests.crash.worlds import Worlds


@pytest.fixture(scope="session")
def tape(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The recorded market, as a Parquet file."""
    path = tmp_path_factory.mktemp("tape") / "tape.parquet"
    write_tape(path)
    return path


@pytest.fixture(scope="session")
def calm_tape(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same market, four times slower: what is held when an engine dies is still held when the next has started."""
    path = tmp_path_factory.mktemp("tape") / "calm.parquet"
    write_tape(path, stretch=4)
    return path


@pytest.fixture
async def nursery() -> AsyncIterator[Nursery]:
    """Where processes come from; none outlives the test."""
    async with Nursery() as nursery:
        yield nursery


@pytest.fixture
async def worlds(nursery: Nursery, mongo_url: str, tmp_path: Path) -> AsyncIterator[Worlds]:
    """Worlds on the run's mongod."""
    worlds = Worlds(nursery, mongo_url, tmp_path)
    yield worlds
    await worlds.close()
