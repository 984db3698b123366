"""What the tests of market data share: a clock set by hand, instruments, and where the recorded data is."""

from datetime import datetime
from decimal import Decimal
from pathlib import Path

import pytest

from live_trading.domain.instrument import FX_HOURS, US_STOCK_HOURS, Instrument
from live_trading.domain.values import AssetClass
from live_trading.runtime import Clock, utc_from_ns

RECORDED = Path(__file__).resolve().parents[3] / "shared" / "data"


class HandClock(Clock):
    """Stands still until a test moves it."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self.start_ns = 1_399_543_200_000_000_000  # 8 May 2014, 10:00 UTC, a Thursday

    def now_ns(self) -> int:
        return self.start_ns + int(self.seconds * 1e9)

    def now(self) -> datetime:
        return utc_from_ns(self.now_ns())

    def monotonic(self) -> float:
        return self.seconds


@pytest.fixture
def clock() -> HandClock:
    return HandClock()


@pytest.fixture
def eur_usd() -> Instrument:
    return Instrument(
        symbol="EUR-USD",
        asset_class=AssetClass.FX,
        currency="USD",
        tick_size=Decimal("0.00001"),
        quantity_step=Decimal(1),
        hours=FX_HOURS,
    )


@pytest.fixture
def spy() -> Instrument:
    return Instrument(
        symbol="SPY",
        asset_class=AssetClass.STOCK,
        currency="USD",
        tick_size=Decimal("0.01"),
        quantity_step=Decimal(1),
        quote_kind="TRADE",
        hours=US_STOCK_HOURS,
    )


@pytest.fixture
def recorded() -> Path:
    """The folder of the recorded data; the test is skipped where it is not."""
    if not RECORDED.is_dir():
        pytest.skip(f"no recorded data in {RECORDED}")
    return RECORDED
