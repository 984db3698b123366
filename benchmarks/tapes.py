"""Seeded markets, the same on every machine, and the real one where its file is at hand."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

from live_trading.backtest import open_recording
from live_trading.data.trading_days import TradingCalendar
from live_trading.domain.bar_size import BarSize
from live_trading.domain.instrument import FX_HOURS
from live_trading.domain.market import Bar, Ohlc, QuoteTick, ns_from_utc
from live_trading.runtime import SeededIds

SYMBOL = "EUR-USD"
DATA = "LIVE_TRADING_BENCH_DATA"
"""The environment variable that names the folder of recorded markets, where no option does."""

_BEGIN_NS = ns_from_utc(datetime(2024, 1, 1, 22, tzinfo=UTC))
_MINUTE_NS = BarSize.MIN_1.nanoseconds
_MILLISECOND_NS = 1_000_000
_TICK = Decimal("0.00001")
_HALF_SPREAD = Decimal("0.00005")
HOURS = "forex_oanda_hour_eurusd.zip"


def _ohlc(prices: tuple[int, int, int, int], side: Decimal) -> Ohlc:
    return Ohlc(*(price * _TICK + side for price in prices))


def minute_bars(count: int, seed: int = 1) -> list[Bar]:
    """A random walk of quotes in one-minute bars of the hours in which it trades: steps of some ticks, a spread of one
    pip."""
    ids = SeededIds(seed)
    calendar = TradingCalendar(FX_HOURS)
    price, start_ns = 108_000, _BEGIN_NS
    bars: list[Bar] = []
    while len(bars) < count:
        start_ns += _MINUTE_NS
        if not calendar.is_open(start_ns):
            continue
        steps = [round(ids.uniform(-12, 12)) for _ in range(4)]
        path = [price := price + step for step in steps]
        prices = (path[0], max(path), min(path), path[-1])
        mids = _ohlc(prices, Decimal(0))
        bid, ask = _ohlc(prices, -_HALF_SPREAD), _ohlc(prices, _HALF_SPREAD)
        bars.append(Bar(SYMBOL, BarSize.MIN_1, start_ns, *mids, tick_count=4, bid=bid, ask=ask))
    return bars


def quotes(count: int, seed: int = 1, *, a_second: float = 20.0) -> Iterator[QuoteTick]:
    """A random walk of quotes, irregular in time."""
    ids = SeededIds(seed)
    price, time_ns = 108_000, _BEGIN_NS
    longest = 2_000 / a_second
    for _ in range(count):
        price += round(ids.uniform(-2, 2))
        time_ns += round(ids.uniform(0, longest)) * _MILLISECOND_NS
        bid = price * _TICK
        yield QuoteTick(SYMBOL, time_ns, bid, bid + _TICK * 8)


def real_hours(folder: Path | None) -> Sequence[Bar] | None:
    """Eleven years of OANDA's EUR/USD hours (74,439 bars); None where there is no such file."""
    if folder is None or not (folder / HOURS).is_file():
        return None
    recording = open_recording([folder / HOURS])
    assert recording.bars is not None
    return list(recording.bars())
