"""Gaps are asked of the broker's history; only what belongs there is taken, and the rest is recorded as missing."""

import asyncio
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from bson import ObjectId

from live_trading.brokers.errors import Retryable
from live_trading.data import BarAggregator, Gap, MemoryBarStore, StoredBar
from live_trading.data.back_fill import MOST_REQUESTS, BackFill, gap_between
from live_trading.domain.bar_size import BarSize
from live_trading.domain.instrument import Instrument
from live_trading.domain.market import Bar, QuoteTick, TradeTick, ns_from_utc

M1 = BarSize.MIN_1
NOON = ns_from_utc(datetime(2014, 5, 8, 12, tzinfo=UTC))
OPERATION = ObjectId()


def bar(minute: int, symbol: str = "EUR-USD", **changes: Any) -> Bar:
    price = Decimal("1.39") + Decimal(minute) / 10_000
    made = Bar(symbol, M1, NOON + minute * M1.nanoseconds, price, price, price, price)
    return made._replace(**changes)


def gap(start: int, end: int) -> Gap:
    return Gap("EUR-USD", M1, NOON + start * M1.nanoseconds, NOON + end * M1.nanoseconds, end - start)


class Broker:
    """A broker's history: what it has, or how it fails."""

    def __init__(self, *bars: Bar, error: Exception | None = None) -> None:
        self.bars = list(bars)
        self.error = error
        self.asked: list[tuple[datetime, datetime]] = []

    async def history(self, instrument: Instrument, bar_size: BarSize, start: datetime, end: datetime) -> list[Bar]:
        self.asked.append((start, end))
        if self.error is not None:
            raise self.error
        return self.bars


async def test_what_the_broker_has_is_stored_and_given_back(clock: Any, eur_usd: Instrument) -> None:
    store = MemoryBarStore()
    broker = Broker(*(bar(minute) for minute in range(3, 8)))
    found = await BackFill(broker.history, store, clock).fill(OPERATION, eur_usd, gap(3, 8))
    assert found == [bar(minute) for minute in range(3, 8)]
    assert await store.last(OPERATION, M1, 10) == [StoredBar(each, from_history=True) for each in found]
    assert await store.missing(OPERATION, M1) == []
    assert broker.asked == [(bar(3).start, bar(7).end)]


async def test_what_stays_missing_is_recorded_in_runs(clock: Any, eur_usd: Instrument) -> None:
    store = MemoryBarStore()
    broker = Broker(bar(4), bar(7))
    await BackFill(broker.history, store, clock).fill(OPERATION, eur_usd, gap(3, 10))
    missing = [((each.start_ns - NOON) // M1.nanoseconds, each.missing) for each in await store.missing(OPERATION, M1)]
    assert missing == [(3, 1), (5, 2), (8, 2)]
    assert {each.reason for each in await store.missing(OPERATION, M1)} == {"the broker has no bars for it"}


async def test_nothing_that_does_not_belong_into_the_gap_is_taken(clock: Any, eur_usd: Instrument) -> None:
    store = MemoryBarStore()
    broker = Broker(
        bar(2), bar(8), bar(4, filled=True), bar(5, symbol="EUR-CHF"), bar(6, bar_size=BarSize.MINS_5),
        bar(7, start_ns=bar(7).start_ns + 30_000_000_000), bar(3), bar(3, close=Decimal(2)),
    )  # fmt: skip
    found = await BackFill(broker.history, store, clock).fill(OPERATION, eur_usd, gap(3, 8))
    assert [each.start_ns for each in found] == [bar(3).start_ns]
    [missing] = await store.missing(OPERATION, M1)
    assert missing.missing == 4


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (Retryable("busy"), "the broker's history failed: Retryable: busy"),
        (ConnectionResetError("gone"), "the broker's history failed: ConnectionResetError: gone"),
    ],
)
async def test_a_broker_that_fails_leaves_the_gap_recorded(
    clock: Any, eur_usd: Instrument, error: Exception, reason: str
) -> None:
    store = MemoryBarStore()
    assert await BackFill(Broker(error=error).history, store, clock).fill(OPERATION, eur_usd, gap(3, 8)) == []
    [missing] = await store.missing(OPERATION, M1)
    assert (missing.missing, missing.reason) == (5, reason)


async def test_a_broker_that_does_not_answer_is_waited_for_only_so_long(clock: Any, eur_usd: Instrument) -> None:
    async def silent(*_: object) -> list[Bar]:
        await asyncio.Event().wait()
        return []

    store = MemoryBarStore()
    assert await BackFill(silent, store, clock, patience=0.01).fill(OPERATION, eur_usd, gap(3, 8)) == []
    [missing] = await store.missing(OPERATION, M1)
    assert missing.reason.startswith("the broker's history failed: TimeoutError")


async def test_without_history_the_gap_is_recorded_at_once(clock: Any, eur_usd: Instrument) -> None:
    store = MemoryBarStore()
    await BackFill(None, store, clock).fill(OPERATION, eur_usd, gap(3, 4))
    [missing] = await store.missing(OPERATION, M1)
    assert missing.reason == "the broker gives no history"


async def test_a_market_silent_all_night_does_not_use_up_the_brokers_patience(clock: Any, eur_usd: Instrument) -> None:
    store = MemoryBarStore()
    broker = Broker()
    filling = BackFill(broker.history, store, clock)
    for number in range(MOST_REQUESTS + 2):
        await filling.fill(OPERATION, eur_usd, gap(number * 10, number * 10 + 4))
    assert len(broker.asked) == filling.asked == MOST_REQUESTS
    reasons = [each.reason for each in await store.missing(OPERATION, M1)]
    assert reasons[-2:] == ["not asked: too many gaps at once"] * 2
    clock.seconds += 61
    await filling.fill(OPERATION, eur_usd, gap(200, 204))
    assert filling.asked == MOST_REQUESTS + 1


async def test_the_gap_of_a_lost_connection_is_what_is_asked_for(clock: Any, eur_usd: Instrument) -> None:
    """From the aggregator's own report to complete bars: none twice, none missing."""
    gaps: list[Gap] = []
    aggregator = BarAggregator(eur_usd, [M1], on_gap=gaps.append)
    live: list[Bar] = []

    def tick(second: int) -> None:
        price = Decimal("1.39")
        live.extend(aggregator.add(QuoteTick("EUR-USD", NOON + second * 10**9, price, price)))

    for second in range(0, 200, 20):
        tick(second)
    aggregator.resume_from(NOON + 545 * 10**9)
    for second in range(550, 800, 20):
        tick(second)
    [found] = gaps
    store = MemoryBarStore()
    broker = Broker(*(bar(minute) for minute in range(20)))
    filled = await BackFill(broker.history, store, clock).fill(OPERATION, eur_usd, found)
    minutes = sorted((each.start_ns - NOON) // M1.nanoseconds for each in [*live, *filled])
    assert minutes == list(range(13))


def test_the_gap_between_the_last_known_bar_and_the_first_live_one(eur_usd: Instrument, spy: Instrument) -> None:
    assert gap_between(eur_usd, bar(2), bar(3)) is None
    assert gap_between(eur_usd, bar(2), bar(6)) == gap(3, 6)
    closing = ns_from_utc(datetime(2013, 11, 27, 20, 59, tzinfo=UTC))
    opening = ns_from_utc(datetime(2013, 11, 29, 14, 30, tzinfo=UTC))
    before, after = (Bar("SPY", M1, at, *(Decimal(1),) * 4) for at in (closing, opening))
    assert gap_between(spy, before, after) is None, "Thanksgiving is between them"
    later = after._replace(start_ns=opening + 2 * M1.nanoseconds)
    found = gap_between(spy, before, later)
    assert found is not None
    assert (found.start_ns, found.missing) == (opening, 2)
    assert TradeTick("SPY", opening, Decimal(1)).at == after.start
