"""Fixtures: a gateway for each test."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from live_trading.runtime import Runtime
from tests.brokers.ibkr.gateways import Gateway


@pytest.fixture
async def gateway(runtime: Runtime, tmp_path: Path) -> AsyncIterator[Gateway]:
    made = Gateway(runtime, tmp_path / "exchange")
    await made.start()
    yield made
    await made.close()
