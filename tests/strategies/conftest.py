"""What the tests of strategies share: a clock set by hand, and bars made from a seed."""

import random
from collections.abc import Callable
from datetime import datetime
from decimal import Decimal

import pytest

from live_trading.domain.bar_size import BarSize
from live_trading.domain.market import Bar
from live_trading.runtime import Clock, utc_from_ns

MakeBars = Callable[..., list[Bar]]


class HandClock(Clock):
    """Stands still until a test moves it."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def now_ns(self) -> int:
        return 1_399_543_200_000_000_000

    def now(self) -> datetime:
        return utc_from_ns(self.now_ns())

    def monotonic(self) -> float:
        return self.seconds


@pytest.fixture
def clock() -> HandClock:
    return HandClock()


@pytest.fixture
def make_bars() -> MakeBars:
    """Bars of a random walk with trends in it, starting at ten o'clock."""

    def make(count: int, bar_size: BarSize = BarSize.MIN_1, seed: int = 1) -> list[Bar]:
        chance = random.Random(seed)
        bars, price, drift = [], Decimal("1.1000"), 0
        for number in range(count):
            if number % 40 == 0:
                drift = chance.choice((-4, 0, 4))
            close = price + Decimal(drift + chance.randint(-8, 8)) / 10_000
            high, low = max(price, close) + Decimal("0.0002"), min(price, close) - Decimal("0.0002")
            start_ns = 1_399_543_200_000_000_000 + number * bar_size.nanoseconds
            bars.append(Bar("EUR-USD", bar_size, start_ns, price, high, low, close))
            price = close
        return bars

    return make
