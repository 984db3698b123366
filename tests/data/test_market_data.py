"""Shared subscriptions, last prices, complete bars only, and silent feeds that are noticed."""

from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from live_trading.brokers.errors import Retryable
from live_trading.data import Gap, MarketData, TickRecorder, read_bars, read_ticks
from live_trading.domain.bar_size import BarSize
from live_trading.domain.instrument import Instrument
from live_trading.domain.market import Bar, QuoteTick

SECOND = 1_000_000_000
TEN = 1_399_543_200 * SECOND
M1, S5 = BarSize.MIN_1, BarSize.SECS_5


class Feed:
    """A broker's market-data half that writes down what it is asked, and can be out of order."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.down = False
        self.on_asked: Callable[[], None] = lambda: None

    async def subscribe(self, instrument: Instrument) -> None:
        if self.down:
            raise Retryable("no connection")
        self.asked.append("+" + instrument.symbol)
        self.on_asked()

    async def unsubscribe(self, instrument: Instrument) -> None:
        self.asked.append("-" + instrument.symbol)


@pytest.fixture
def feed() -> Feed:
    return Feed()


def quote(seconds: float, bid: str = "1.1", ask: str = "1.3", symbol: str = "EUR-USD") -> QuoteTick:
    return QuoteTick(symbol, TEN + int(seconds * SECOND), Decimal(bid), Decimal(ask))


def begins(bars: list[Bar]) -> list[tuple[str, int]]:
    return [(bar.bar_size.value, (bar.start_ns - TEN) // SECOND) for bar in bars]


async def test_operations_on_one_symbol_share_one_subscription_until_the_last_leaves(
    feed: Feed, clock: Any, eur_usd: Instrument
) -> None:
    data = MarketData(feed, clock)
    one_bars: list[Bar] = []
    other_bars: list[Bar] = []
    one = await data.subscribe(eur_usd, [S5], one_bars.extend)
    other = await data.subscribe(eur_usd, [S5, M1], other_bars.extend)
    third = await data.subscribe(eur_usd, [S5], one_bars.extend)
    assert feed.asked == ["+EUR-USD"]
    data.on_tick(quote(0))
    data.on_market_time(TEN + 60 * SECOND)
    assert begins(one_bars) == [("5 secs", 0)] * 2
    assert begins(other_bars) == [("5 secs", 0), ("1 min", 0)]
    await one.close()
    await one.close()
    await other.close()
    assert feed.asked == ["+EUR-USD"]
    await third.close()
    assert feed.asked == ["+EUR-USD", "-EUR-USD"]
    assert data.symbols == ()


async def test_what_others_ask_for_never_changes_an_operations_bars(
    feed: Feed, clock: Any, eur_usd: Instrument
) -> None:
    ticks = [quote(0), quote(4), quote(6), quote(3.9, "9", "9"), quote(70)]
    results = []
    for others in ([], [S5]):
        data = MarketData(feed, clock)
        bars: list[Bar] = []
        await data.subscribe(eur_usd, [M1], bars.extend)
        for size in others:
            await data.subscribe(eur_usd, [size], lambda _: None)
        for tick in ticks:
            data.on_tick(tick)
        results.append(bars)
    assert results[0] == results[1] != []


async def test_a_refused_subscription_leaves_nothing_behind(feed: Feed, clock: Any, eur_usd: Instrument) -> None:
    data = MarketData(feed, clock)
    feed.down = True
    with pytest.raises(Retryable):
        await data.subscribe(eur_usd, [M1], lambda _: None)
    assert data.symbols == ()
    feed.down = False
    await data.subscribe(eur_usd, [M1], lambda _: None)
    assert feed.asked == ["+EUR-USD"]


@pytest.mark.parametrize("lost_again", [False, True])
async def test_a_connection_that_is_lost_with_the_answer_to_a_subscription_is_asked_again(
    feed: Feed, clock: Any, eur_usd: Instrument, lost_again: bool
) -> None:
    """The answer may be the last thing that a connection brings, and be looked at after the connection's end."""
    data = MarketData(feed, clock)
    feed.on_asked = data.interrupted
    await data.subscribe(eur_usd, [M1], lambda _: None)
    assert feed.asked == ["+EUR-USD"]
    if lost_again:
        await data.resubscribe()
    feed.on_asked = lambda: None
    await data.resubscribe()
    assert feed.asked == ["+EUR-USD"] * (3 if lost_again else 2)
    await data.resubscribe()
    assert len(feed.asked) == (3 if lost_again else 2)


async def test_a_subscription_made_while_the_connection_is_lost_is_made_again_on_the_next(
    feed: Feed, clock: Any, eur_usd: Instrument
) -> None:
    """The adapter may not have noticed yet, or be connected again before it is reconciled with."""
    data = MarketData(feed, clock)
    data.interrupted()
    await data.subscribe(eur_usd, [M1], lambda _: None)
    await data.resubscribe()
    assert feed.asked == ["+EUR-USD"] * 2


async def test_the_last_price_comes_with_its_age(feed: Feed, clock: Any, eur_usd: Instrument) -> None:
    data = MarketData(feed, clock)
    await data.subscribe(eur_usd, [M1], lambda _: None)
    assert data.last_price("EUR-USD") is None
    data.on_tick(quote(1))
    data.on_tick(quote(1, symbol="GBP-USD"))
    clock.seconds += 2.5
    price = data.last_price("EUR-USD")
    assert price is not None
    assert (price.price, price.bid, price.ask) == (Decimal("1.2"), Decimal("1.1"), Decimal("1.3"))
    assert (price.age, price.market_ns) == (2.5, TEN + SECOND)
    assert data.last_price("GBP-USD") is None
    assert data.unknown_ticks == 1


async def test_bars_begun_before_listening_are_withheld_also_for_those_who_join_later(
    feed: Feed, clock: Any, eur_usd: Instrument
) -> None:
    data = MarketData(feed, clock)
    first: list[Bar] = []
    later: list[Bar] = []
    await data.subscribe(eur_usd, [M1], first.extend)
    for second in (10, 61):
        data.on_tick(quote(second))
    await data.subscribe(eur_usd, [M1, S5], later.extend)
    for second in (63, 121, 181):
        data.on_tick(quote(second))
    assert begins(first) == [("1 min", 60), ("1 min", 120)]
    assert [begin for begin in begins(later) if begin[0] == "1 min"] == [("1 min", 120)]


async def test_after_a_lost_connection_the_bars_that_lack_ticks_are_a_gap(
    feed: Feed, clock: Any, eur_usd: Instrument
) -> None:
    data = MarketData(feed, clock)
    bars: list[Bar] = []
    gaps: list[Gap] = []
    await data.subscribe(eur_usd, [M1], bars.extend, on_gap=gaps.append)
    data.on_market_time(TEN)
    for second in (1, 61):
        data.on_tick(quote(second))
    data.interrupted()
    data.on_tick(quote(62))
    data.on_market_time(TEN + 150 * SECOND)
    assert begins(bars) == [("1 min", 0)]
    feed.down = True
    with pytest.raises(Retryable):
        await data.resubscribe()
    feed.down = False
    await data.resubscribe()
    await data.resubscribe()
    assert feed.asked == ["+EUR-USD"] * 2
    for second in (170, 190):
        data.on_tick(quote(second))
    data.on_market_time(TEN + 240 * SECOND)
    assert begins(bars) == [("1 min", 0), ("1 min", 180)]
    assert [(gap.start_ns - TEN, gap.end_ns - TEN) for gap in gaps] == [(60 * SECOND, 180 * SECOND)]


async def test_a_subscriber_that_fails_keeps_nobody_else_from_their_bars(
    feed: Feed, clock: Any, eur_usd: Instrument
) -> None:
    data = MarketData(feed, clock)
    bars: list[Bar] = []

    def fail(_: list[Bar]) -> None:
        raise ZeroDivisionError

    await data.subscribe(eur_usd, [M1], fail)
    await data.subscribe(eur_usd, [M1], bars.extend)
    data.on_tick(quote(0))
    with pytest.raises(ExceptionGroup):
        data.on_market_time(TEN + 60 * SECOND)
    assert begins(bars) == [("1 min", 0)]


class Watch:
    """What was told about silence."""

    def __init__(self) -> None:
        self.told: list[tuple[str, str, float]] = []

    def data(self, feed: Feed, clock: Any) -> MarketData:
        return MarketData(
            feed,
            clock,
            on_stale=lambda symbol, age: self.told.append(("stale", symbol, age)),
            on_resumed=lambda symbol, gap: self.told.append(("resumed", symbol, gap)),
        )


async def test_five_silent_seconds_of_an_open_market_are_told_once_and_so_is_their_end(
    feed: Feed, clock: Any, eur_usd: Instrument
) -> None:
    watch = Watch()
    data = watch.data(feed, clock)
    await data.subscribe(eur_usd, [M1], lambda _: None)
    assert data.is_stale("EUR-USD")
    data.on_tick(quote(0))
    for seconds in (2.0, 5.0, 5.5, 7.0):
        clock.seconds = seconds
        data.check()
        assert data.is_stale("EUR-USD") == (seconds > 5)
    data.on_tick(quote(8))
    assert not data.is_stale("EUR-USD")
    assert watch.told == [("stale", "EUR-USD", 5.5), ("resumed", "EUR-USD", 7.0)]


async def test_a_feed_that_never_starts_is_stale_too(feed: Feed, clock: Any, eur_usd: Instrument) -> None:
    watch = Watch()
    data = watch.data(feed, clock)
    await data.subscribe(eur_usd, [M1], lambda _: None)
    clock.seconds = 6.0
    data.check()
    assert watch.told == [("stale", "EUR-USD", 6.0)]


@pytest.mark.parametrize("heartbeats", ["on and on", "until the close", "none"])
async def test_silence_after_the_close_is_no_fault(
    feed: Feed, clock: Any, eur_usd: Instrument, heartbeats: str
) -> None:
    watch = Watch()
    data = watch.data(feed, clock)
    await data.subscribe(eur_usd, [M1], lambda _: None)
    close = 1_399_669_200  # Friday, 21:00 UTC
    data.on_tick(quote(close - 1_399_543_200 - 2))
    for seconds in range(1, 600):
        clock.seconds = float(seconds)
        if heartbeats == "on and on" or (heartbeats == "until the close" and seconds < 2):
            data.on_market_time((close - 2 + seconds) * SECOND)
        data.check()
    assert watch.told == []


async def test_a_recorded_day_through_the_service_is_the_venues_day(
    recorded: Path, feed: Feed, clock: Any, eur_usd: Instrument
) -> None:
    data = MarketData(feed, clock)
    bars: list[Bar] = []
    await data.subscribe(eur_usd, [M1, BarSize.MINS_15], bars.extend)
    data.on_market_time(TEN - 36_000 * SECOND)
    for tick in read_ticks(recorded / "forex_oanda_tick_eurusd_20140508_quote.zip"):
        data.on_tick(tick)
    data.on_market_time(TEN + 50_400 * SECOND)
    venue = [bar.bid for bar in read_bars(recorded / "forex_oanda_minute_eurusd_20140508_quote.zip")]
    assert [bar.bid for bar in bars if bar.bar_size is M1 and not bar.filled] == venue


async def test_the_longest_filled_silence_is_a_setting(feed: Feed, clock: Any, eur_usd: Instrument) -> None:
    for minutes, filled, missing in ((0, 0, 1), (3, 1, 0)):
        market = MarketData(feed, clock, max_filled_ns=minutes * 60 * SECOND)
        bars: list[Bar] = []
        gaps: list[Gap] = []
        subscription = await market.subscribe(eur_usd, [M1], bars.extend, on_gap=gaps.append)
        market.on_market_time(TEN)
        for second in (10, 130, 190):
            market.on_tick(quote(second))
        assert sum(bar.filled for bar in bars) == filled
        assert sum(gap.missing for gap in gaps) == missing
        await subscription.close()


async def test_what_is_subscribed_to_is_recorded(feed: Feed, clock: Any, eur_usd: Instrument, tmp_path: Path) -> None:
    recorder = TickRecorder(tmp_path, clock)
    market = MarketData(feed, clock, recorder=recorder)
    recorder.put(quote(0))
    await market.subscribe(eur_usd, [M1], lambda bars: None)
    recorder.put(quote(1))
    await recorder.close()
    assert recorder.recorded == 1
