"""Made-up markets with the shape of real ones: sessions, trends, calm and wild hours."""

import random
from collections.abc import Iterable, Iterator, Sequence
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

from live_trading.domain.bar_size import BarSize
from live_trading.domain.market import Bar, ns_from_utc

M1 = BarSize.MIN_1
NEW_YORK = ZoneInfo("America/New_York")
TICK = Decimal("0.25")
MINUTE_NS = M1.nanoseconds


def weekdays(first: date, count: int) -> Iterator[date]:
    """The next weekdays from a date on."""
    day = first
    while count:
        if day.weekday() < 5:
            yield day
            count -= 1
        day += timedelta(days=1)


def future_days(first: date, count: int, *, seed: int, opens: time = time(2), closes: time = time(16)) -> list[Bar]:
    """Minute bars of an index future by New York's clock: wild after 9:30, with trends that last some half an hour."""
    chance = random.Random(seed)
    price, bars = Decimal(18_000), []
    for day in weekdays(first, count):
        start = datetime.combine(day, opens, NEW_YORK)
        end = datetime.combine(day, closes, NEW_YORK)
        drift = 0.0
        for minute in range(int((end - start) / timedelta(minutes=1))):
            at = start + timedelta(minutes=minute)
            if minute % 25 == 0:
                drift = chance.choice((-1, -0.4, 0, 0, 0.4, 1))
            wild = 10 if at.time() >= time(9, 30) else 4
            steps = [chance.gauss(drift * wild / 3, wild) for _ in range(4)]
            bars.append(_bar(ns_from_utc(at), price, steps))
            price = bars[-1].close
    return bars


def _bar(start_ns: int, price: Decimal, steps: Sequence[float]) -> Bar:
    path = [price]
    for step in steps:
        path.append(path[-1] + round(step) * TICK)
    return Bar("NQ", M1, start_ns, path[0], max(path), min(path), path[-1], Decimal(100))


def larger(bars: Iterable[Bar], size: BarSize) -> list[Bar]:
    """The larger bars of minutes, counted from midnight UTC; only whole ones."""
    groups: dict[int, list[Bar]] = {}
    for bar in bars:
        groups.setdefault(bar.start_ns - bar.start_ns % size.nanoseconds, []).append(bar)
    return [
        Bar(
            group[0].symbol, size, start, group[0].open, max(b.high for b in group), min(b.low for b in group),
            group[-1].close, sum((b.volume for b in group), Decimal(0)),
        )
        for start, group in sorted(groups.items())
        if group[-1].end_ns == start + size.nanoseconds
    ]  # fmt: skip


def path_bars(start: datetime, closes: Sequence[float], *, wick: float = 0.5, symbol: str = "NQ") -> list[Bar]:
    """Minute bars through these closes, each opening at the close before, with wicks on both sides."""
    bars, before = [], closes[0]
    for number, close in enumerate(closes):
        high, low = max(before, close) + wick, min(before, close) - wick
        opens, highest, lowest, closes_at = (Decimal(str(round(value, 4))) for value in (before, high, low, close))
        start_ns = ns_from_utc(start) + number * MINUTE_NS
        bars.append(Bar(symbol, M1, start_ns, opens, highest, lowest, closes_at, Decimal(100)))
        before = close
    return bars


FRIDAY_MIDNIGHT = datetime(2024, 3, 8, 5, 0, tzinfo=ZoneInfo("UTC"))
