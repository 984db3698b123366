"""The venue's own recordings: bars made of its ticks are its bars. Skipped where the recordings are not."""

from decimal import Decimal
from pathlib import Path

from live_trading.data import BarAggregator, read_bars, read_ticks
from live_trading.domain.bar_size import BarSize
from live_trading.domain.instrument import Instrument
from live_trading.domain.market import Bar, Ohlc, TradeTick

DAY_NS = 86_400_000_000_000
TICKS = "forex_oanda_tick_eurusd_20140508_quote.zip"
MINUTES = "forex_oanda_minute_eurusd_20140508_quote.zip"


def real_bars(instrument: Instrument, sizes: list[BarSize], folder: Path) -> list[Bar]:
    aggregator = BarAggregator(instrument, sizes)
    bars = [bar for tick in read_ticks(folder / TICKS) for bar in aggregator.add(tick)]
    bars += aggregator.advance(bars[0].start_ns + DAY_NS)
    assert aggregator.late_ticks == aggregator.outside_ticks == aggregator.other_ticks == 0
    return [bar for bar in bars if not bar.filled]


def merged(minutes: list[Bar], size: BarSize) -> dict[int, tuple[Ohlc, Ohlc]]:
    """Larger bars from the venue's minutes, aligned to midnight UTC (what 15 minutes are in New York, too)."""
    groups: dict[int, list[Bar]] = {}
    for bar in minutes:
        groups.setdefault(bar.start_ns // size.nanoseconds * size.nanoseconds, []).append(bar)

    def ohlc(parts: list[Ohlc]) -> Ohlc:
        return Ohlc(parts[0].open, max(p.high for p in parts), min(p.low for p in parts), parts[-1].close)

    return {
        start: (ohlc([b.bid for b in group if b.bid]), ohlc([b.ask for b in group if b.ask]))
        for start, group in groups.items()
    }


def test_minute_bars_of_the_venues_ticks_equal_the_venues_minute_bars(recorded: Path, eur_usd: Instrument) -> None:
    venue = {bar.start_ns: (bar.bid, bar.ask) for bar in read_bars(recorded / MINUTES)}
    bars = real_bars(eur_usd, list(BarSize), recorded)
    ours = {bar.start_ns: (bar.bid, bar.ask) for bar in bars if bar.bar_size is BarSize.MIN_1}
    assert len(venue) == 1419
    assert ours == venue


def test_larger_bars_of_the_venues_ticks_equal_those_of_its_minutes(recorded: Path, eur_usd: Instrument) -> None:
    minutes = list(read_bars(recorded / MINUTES))
    sizes = [BarSize.MINS_3, BarSize.MINS_15, BarSize.HOUR_1]
    bars = real_bars(eur_usd, sizes, recorded)
    for size in sizes:
        ours = {bar.start_ns: (bar.bid, bar.ask) for bar in bars if bar.bar_size is size}
        assert ours == merged(minutes, size)


def test_a_day_of_trades_is_as_its_trades_are(recorded: Path, spy: Instrument) -> None:
    aggregator = BarAggregator(spy, [BarSize.MIN_1, BarSize.DAY_1])
    bars: list[Bar] = []
    session: list[TradeTick] = []
    for tick in read_ticks(recorded / "equity_usa_tick_spy_20131008_trade.zip"):
        assert isinstance(tick, TradeTick)
        bars += aggregator.add(tick)
        if spy.hours.is_open(tick.at):
            session.append(tick)
    [day] = [bar for bar in bars if bar.bar_size is BarSize.DAY_1]
    prices = [tick.price for tick in session]
    assert (day.open, day.high, day.low, day.close) == (prices[0], max(prices), min(prices), prices[-1])
    assert day.volume == sum((tick.size for tick in session), Decimal(0))
    assert day.tick_count == len(session) == 451_545 - aggregator.outside_ticks
    assert sum(bar.bar_size is BarSize.MIN_1 for bar in bars) == 390
