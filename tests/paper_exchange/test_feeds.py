"""Where ticks come from: the synthetic market and recorded ones, paced in virtual time."""

import asyncio
import math
from collections.abc import Callable, Iterator
from decimal import Decimal
from itertools import pairwise
from pathlib import Path

import pytest

from live_trading.domain.bar_size import BarSize
from live_trading.domain.errors import InvalidInput
from live_trading.domain.market import QuoteTick, Tick, TradeTick
from live_trading.paper_exchange import SimulatedExchange, default_catalogue
from live_trading.paper_exchange.catalogue import read_catalogue
from live_trading.paper_exchange.exchange import FeedEnded, MarketHeartbeat, Notice
from live_trading.paper_exchange.feeds import Feed, Pacer, RecordedFeed, SyntheticFeed
from live_trading.paper_exchange.options import PaperExchangeOptions, parse_options
from live_trading.simulation.loop import VirtualClock, run_virtual

SECOND = 1_000_000_000
OPEN_NS = 1_704_205_800 * SECOND  # 2024-01-02 09:30 in New York


def synthetic(seed: int = 1, start_ns: int = 0) -> SyntheticFeed:
    return SyntheticFeed(default_catalogue(), seed=seed, start_ns=start_ns)


def take(feed: Feed, count: int) -> list[Tick]:
    ticks = [feed.next() for _ in range(count)]
    assert all(tick is not None for tick in ticks)
    return [tick for tick in ticks if tick is not None]


def test_same_seed_gives_the_same_market_and_another_another() -> None:
    assert take(synthetic(), 500) == take(synthetic(), 500)
    assert take(synthetic(), 500) != take(synthetic(2), 500)


def test_restored_market_goes_on_as_if_nothing_had_happened() -> None:
    feed = synthetic()
    take(feed, 333)
    state = feed.state()
    expected = take(feed, 200)
    again = synthetic()
    again.restore(state)
    assert take(again, 200) == expected


def test_synthetic_ticks_come_in_time_order_on_the_grid_several_a_second() -> None:
    catalogue = default_catalogue()
    ticks = take(synthetic(), 9_000)
    assert [tick.time_ns for tick in ticks] == sorted(tick.time_ns for tick in ticks)
    for tick in ticks:
        instrument = catalogue[tick.symbol].instrument
        assert tick.bid % instrument.tick_size == 0
        assert isinstance(tick, TradeTick) == (instrument.quote_kind == "TRADE")
        if isinstance(tick, QuoteTick):
            assert 0 < tick.bid < tick.ask
    seconds = ticks[-1].time_ns / SECOND
    assert 2 < len(ticks) / len(catalogue) / seconds < 8


def test_synthetic_volatility_is_of_the_year_told_and_comes_in_clusters() -> None:
    listing = default_catalogue()["EUR-USD"]
    feed = SyntheticFeed([listing], seed=3, start_ns=0)
    prices = [float(feed.next(60.0).price) for _ in range(20_000)]
    returns = [math.log(after / before) for before, after in pairwise(prices)]
    yearly = math.sqrt(sum(r * r for r in returns) / len(returns) * 365 * 1440)
    assert 0.4 * listing.volatility < yearly < 2.5 * listing.volatility
    sizes = [abs(r) for r in returns]
    mean = sum(sizes) / len(sizes)
    lagged = sum((a - mean) * (b - mean) for a, b in zip(sizes, sizes[5:], strict=False))
    assert lagged / sum((a - mean) ** 2 for a in sizes) > 0.03, "wild minutes should follow wild minutes"


class Recorder:
    """Takes down what an exchange tells."""

    def __init__(self) -> None:
        self.notices: list[Notice] = []
        self.at: list[float] = []

    def deliver(self, notice: Notice) -> None:
        self.notices.append(notice)
        self.at.append(asyncio.get_running_loop().time())

    def disconnect(self, reason: str) -> None: ...


def paced(feed: Feed, seconds: float, *, speed: float = 1.0, ready: Callable[[], bool] = lambda: True) -> Recorder:
    """Run a feed for some virtual seconds."""

    async def run() -> Recorder:
        clock = VirtualClock(asyncio.get_running_loop())
        exchange = SimulatedExchange(
            default_catalogue(always_open=not feed.recorded),
            clock=clock,
            market_time="feed" if feed.recorded else "clock",
        )
        recorder = Recorder()
        exchange.listen(recorder)
        if isinstance(feed, SyntheticFeed):
            feed.go_on_at(clock.now_ns())
        pacer = exchange.start(Pacer(exchange, feed, clock, speed=speed, ready=ready).run(), "feed")
        await asyncio.sleep(seconds)
        assert not pacer.done()
        await exchange.tasks.close()
        return recorder

    return run_virtual(run())


def check_time(recorder: Recorder) -> None:
    told = 0
    for notice in recorder.notices:
        if isinstance(notice, MarketHeartbeat | QuoteTick | TradeTick):
            assert notice.time_ns >= told, "a tick older than the time told"
        if isinstance(notice, MarketHeartbeat):
            told = notice.time_ns


def test_synthetic_market_keeps_the_clocks_time_and_tells_it_each_second() -> None:
    recorder = paced(synthetic(), 30)
    check_time(recorder)
    beats = [
        at for at, notice in zip(recorder.at, recorder.notices, strict=True) if isinstance(notice, MarketHeartbeat)
    ]
    assert max(after - before for before, after in pairwise(beats)) < 1.5
    assert len([n for n in recorder.notices if isinstance(n, QuoteTick | TradeTick)]) > 9 * 30 * 2


def trades(*offsets: float) -> Callable[[], Iterator[Tick]]:
    def source() -> Iterator[Tick]:
        for offset in offsets:
            yield TradeTick("SPY", OPEN_NS + int(offset * SECOND), Decimal("470.00"), Decimal(10))

    return source


def test_recorded_market_at_its_own_speed_brings_each_tick_at_its_time() -> None:
    recorder = paced(RecordedFeed([trades(0, 2, 2.5, 10)]), 400)
    check_time(recorder)
    times = [at for at, n in zip(recorder.at, recorder.notices, strict=True) if isinstance(n, TradeTick)]
    assert [round(at - times[0], 6) for at in times] == [0, 2, 2.5, 10]
    beats = [at for at, n in zip(recorder.at, recorder.notices, strict=True) if isinstance(n, MarketHeartbeat)]
    assert max(after - before for before, after in pairwise(beats)) <= 1.001
    assert any(isinstance(notice, FeedEnded) for notice in recorder.notices)


def test_recorded_market_runs_on_for_minutes_so_that_last_bars_close() -> None:
    recorder = paced(RecordedFeed([trades(0, 1)]), 10, speed=float("inf"))
    ended = next(i for i, notice in enumerate(recorder.notices) if isinstance(notice, FeedEnded))
    beat = [n for n in recorder.notices[:ended] if isinstance(n, MarketHeartbeat)][-1]
    assert beat.time_ns == OPEN_NS + 301 * SECOND


def test_long_silence_of_an_open_market_is_told_in_steps_of_five_seconds_at_most() -> None:
    recorder = paced(RecordedFeed([trades(0, 100)]), 1, speed=float("inf"))
    check_time(recorder)
    beats = [n.time_ns for n in recorder.notices if isinstance(n, MarketHeartbeat)]
    assert all(after - before <= 5 * SECOND for before, after in pairwise(beats))


def test_closed_night_is_told_in_steps_of_a_minute() -> None:
    recorder = paced(RecordedFeed([trades(0, 6.5 * 3600 + 1, 24 * 3600)]), 1, speed=float("inf"))
    check_time(recorder)
    beats = [n.time_ns for n in recorder.notices if isinstance(n, MarketHeartbeat)]
    assert any(after - before == 60 * SECOND for before, after in pairwise(beats))
    assert len(beats) < 8_000


def test_sources_are_merged_in_time_order_and_taken_up_again_where_they_stood() -> None:
    feed = RecordedFeed([trades(0, 2, 4), trades(1, 3)])
    assert [(tick.time_ns - OPEN_NS) / SECOND for tick in take(feed, 3)] == [0, 1, 2]
    again = RecordedFeed([trades(0, 2, 4), trades(1, 3)])
    again.restore(feed.state())
    assert [(tick.time_ns - OPEN_NS) / SECOND for tick in take(again, 2)] == [3, 4]
    assert again.next() is None


def test_recording_without_a_tick_is_refused() -> None:
    with pytest.raises(InvalidInput, match="no tick"):
        RecordedFeed([trades()])


def test_market_waits_while_a_listener_is_behind() -> None:
    behind = iter([True, True, False] * 1000)
    recorder = paced(RecordedFeed([trades(*range(10))]), 5, speed=float("inf"), ready=lambda: not next(behind, False))
    assert len([n for n in recorder.notices if isinstance(n, TradeTick)]) == 10


def test_bars_of_the_history_are_aligned_to_the_trading_day() -> None:
    async def run() -> list[int]:
        exchange = SimulatedExchange(
            default_catalogue(always_open=False),
            clock=VirtualClock(asyncio.get_running_loop()),
            market_time="feed",
        )
        for tick in trades(*range(0, 7_300, 10))():
            exchange.on_tick(tick)
        bars = exchange.candles.history("SPY", BarSize.HOUR_1, 0, 2**62, exchange.now_ns)
        assert exchange.candles.history("SPY", BarSize.DAY_1, 0, 2**62, exchange.now_ns) == []
        assert [bar.tick_count for bar in bars] == [360, 360]
        return [bar.start_ns for bar in bars]

    assert run_virtual(run()) == [OPEN_NS, OPEN_NS + 3600 * SECOND]


def test_options_are_said_on_a_command_line_and_read_back() -> None:
    options = PaperExchangeOptions(
        Path("var"),
        accounts=("A", "B"),
        ticks=(Path("a.zip"), Path("b.parquet")),
        speed=0.0,
        commission_rate=Decimal("0.001"),
        enable_faults=True,
    )
    assert parse_options(options.arguments()) == options
    assert parse_options(["--data-dir", "var"]) == PaperExchangeOptions(Path("var"))


def test_catalogue_of_a_file_takes_the_place_of_the_defaults_of_its_symbols(tmp_path: Path) -> None:
    path = tmp_path / "instruments.yaml"
    path.write_text(
        "- reference_price: '42'\n"
        "  instrument: {symbol: SPY, asset_class: STOCK, currency: USD, tick_size: '0.01', quantity_step: '1'}\n"
    )
    catalogue = read_catalogue(path)
    assert catalogue["SPY"].reference_price == 42
    assert len(catalogue) == len(default_catalogue())
    path.write_text("- {reference_price: -1}\n")
    with pytest.raises(InvalidInput, match="instruments"):
        read_catalogue(path)
