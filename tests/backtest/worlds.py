"""Markets for tests of backtests: seeded, short, and written to files where a process must read them."""

from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pyarrow as pa  # type: ignore[import-untyped]
import pyarrow.parquet as pq  # type: ignore[import-untyped]

from live_trading.domain.bar_size import BarSize
from live_trading.domain.market import Bar, Ohlc, QuoteTick, Tick, ns_from_utc
from live_trading.runtime import SeededIds

SYMBOL = "EUR-USD"
BEGIN = ns_from_utc(datetime(2024, 3, 5, 9, 0, tzinfo=UTC))
SECOND = 1_000_000_000
STEP = Decimal("0.00001")


def walk(count: int, seed: int, *, seconds: float = 2.0, begin: int = BEGIN) -> list[Tick]:
    """Quotes of a random walk with turning drift, irregular in time, with silences of minutes now and then."""
    ids = SeededIds(seed)
    price, drift, time_ns = 108_000.0, 0.0, begin + SECOND // 2
    ticks: list[Tick] = []
    for _ in range(count):
        if ids.uniform(0, 1) < 0.01:
            drift = ids.uniform(-1.2, 1.2)
        price += ids.uniform(-3, 3) + drift
        bid = Decimal(round(price)) * STEP
        ticks.append(QuoteTick(SYMBOL, time_ns, bid, bid + STEP * round(ids.uniform(1, 4))))
        pause = ids.uniform(0.05, 2 * seconds)
        time_ns += int((pause if ids.uniform(0, 1) > 0.003 else 90 * pause) * 1000) * SECOND // 1000
    return ticks


def bars_of(ticks: Sequence[Tick], size: BarSize) -> list[Bar]:
    """Their bars, by a definition of its own: grouped by whole multiples of the size since 1970."""
    groups: dict[int, list[Tick]] = {}
    for tick in ticks:
        groups.setdefault(tick.time_ns // size.nanoseconds * size.nanoseconds, []).append(tick)
    bars = []
    for start, several in sorted(groups.items()):
        bid = Ohlc(several[0].bid, max(t.bid for t in several), min(t.bid for t in several), several[-1].bid)
        ask = Ohlc(several[0].ask, max(t.ask for t in several), min(t.ask for t in several), several[-1].ask)
        mids = [tick.price for tick in several]
        bars.append(
            Bar(SYMBOL, size, start, mids[0], max(mids), min(mids), mids[-1], tick_count=len(several), bid=bid, ask=ask)
        )
    return bars


def write_ticks(path: Path, ticks: Sequence[Tick]) -> Path:
    """As Parquet, in our schema."""
    columns = {
        "time_ns": [tick.time_ns for tick in ticks],
        "bid": [str(tick.bid) for tick in ticks],
        "ask": [str(tick.ask) for tick in ticks],
    }
    pq.write_table(pa.table(columns), path)
    return path
