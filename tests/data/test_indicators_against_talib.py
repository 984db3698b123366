"""Every indicator equals TA-Lib's on real bars, from its first value on, and in a market that does not move."""

from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import talib

from live_trading.data import IndicatorSet, IndicatorSpec, read_bars
from live_trading.domain.bar_size import BarSize
from live_trading.domain.market import Bar

SPECS = [
    IndicatorSpec("sma", 20), IndicatorSpec("ema", 20), IndicatorSpec("rsi", 14), IndicatorSpec("roc", 10),
    IndicatorSpec("stddev", 20), IndicatorSpec("atr", 14), IndicatorSpec("adx", 14), IndicatorSpec("macd", 12, 26, 9),
    IndicatorSpec("bollinger", 20, 2.0), IndicatorSpec("donchian", 15), IndicatorSpec("stochastic", 14, 3),
    IndicatorSpec("atr", 5), IndicatorSpec("adx", 7), IndicatorSpec("rsi", 3), IndicatorSpec("macd", 3, 10, 16),
]  # fmt: skip

EARLIER = {"macd_12_26_9": 8, "macd_3_10_16": 15, "stochastic_14_3_k": 2, "donchian_15_middle": 0}
"""Bars by which ours has a value before TA-Lib's, which gives all outputs from where the last of them begins."""


def theirs(bars: list[Bar]) -> dict[str, Any]:
    high, low, close = (np.array([float(getattr(bar, name)) for bar in bars]) for name in ("high", "low", "close"))
    found = {
        "sma_20": talib.SMA(close, 20), "ema_20": talib.EMA(close, 20), "rsi_14": talib.RSI(close, 14),
        "rsi_3": talib.RSI(close, 3), "roc_10": talib.ROC(close, 10), "stddev_20": talib.STDDEV(close, 20),
        "donchian_15_lower": talib.MIN(low, 15), "donchian_15_upper": talib.MAX(high, 15),
        "donchian_15_middle": talib.MIDPRICE(high, low, 15),
    }  # fmt: skip
    for period in (5, 14):
        found[f"atr_{period}"] = talib.ATR(high, low, close, period)
    for period in (7, 14):
        found[f"adx_{period}"] = talib.ADX(high, low, close, period)
        found[f"adx_{period}_plus"] = talib.PLUS_DI(high, low, close, period)
        found[f"adx_{period}_minus"] = talib.MINUS_DI(high, low, close, period)
    for periods in ((12, 26, 9), (3, 10, 16)):
        name = "macd_" + "_".join(map(str, periods))
        found[name], found[f"{name}_signal"], found[f"{name}_histogram"] = talib.MACD(close, *periods)
    upper, middle, lower = talib.BBANDS(close, 20, 2.0, 2.0)
    found |= {"bollinger_20_2_upper": upper, "bollinger_20_2_middle": middle, "bollinger_20_2_lower": lower}
    found["stochastic_14_3_k"], found["stochastic_14_3_d"] = talib.STOCHF(high, low, close, 14, 3)
    return found


def compare(bars: list[Bar], within: float = 1e-9) -> None:
    indicators = IndicatorSet(SPECS)
    rows = [indicators.update(bar) for bar in bars]
    expected = theirs(bars)
    assert set(indicators.names) == set(expected)
    for name, values in expected.items():
        ours = np.array([np.nan if row[name] is None else row[name] for row in rows], dtype=float)
        begins, they_begin = (int(np.flatnonzero(~np.isnan(series))[0]) for series in (ours, values))
        assert begins == they_begin - EARLIER.get(name, 0), name
        assert not np.isnan(ours[begins:]).any(), name
        assert np.abs(ours[they_begin:] - values[they_begin:]).max() <= within, name


@pytest.mark.parametrize(("start", "count"), [(0, 300), (40_000, 20_000)])
def test_on_real_hour_bars(recorded: Path, start: int, count: int) -> None:
    compare(list(read_bars(recorded / "forex_oanda_hour_eurusd.zip"))[start : start + count])


def test_on_real_minute_bars(recorded: Path) -> None:
    compare(list(read_bars(recorded / "forex_oanda_minute_eurusd_20140508_quote.zip")))


def test_in_a_market_that_stands_still_and_then_moves(recorded: Path) -> None:
    moving = list(read_bars(recorded / "forex_oanda_hour_eurusd.zip"))[:200]
    price = moving[0].open
    still = [Bar("EUR-USD", BarSize.HOUR_1, number, price, price, price, price) for number in range(80)]
    # TA-Lib's deviation is the root of a difference of sums, of which 1e-16 is noise.
    compare([*still, *moving, *still, *moving], within=1e-7)


def test_a_difference_as_large_as_talipps_seeds_make_would_be_seen(recorded: Path) -> None:
    bars = list(read_bars(recorded / "forex_oanda_hour_eurusd.zip"))[:300]
    shifted = [bars[0]._replace(high=bars[0].high + Decimal("0.00001")), *bars[1:]]
    rows = [IndicatorSet(SPECS), IndicatorSet(SPECS)]
    values = [[each.update(bar) for bar in series][14] for each, series in zip(rows, (bars, shifted), strict=True)]
    assert values[0]["atr_14"] == values[1]["atr_14"], "the first bar's own range is not counted"
