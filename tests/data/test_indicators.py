"""Indicators against their definitions, over longer series than are kept in memory."""

import math
import random
from decimal import Decimal
from itertools import pairwise

import pytest

from live_trading.data import IndicatorSet, IndicatorSpec
from live_trading.domain.bar_size import BarSize
from live_trading.domain.errors import InvalidInput
from live_trading.domain.market import Bar


def walk(count: int, seed: int = 7) -> list[Bar]:
    chance = random.Random(seed)
    bars, price = [], Decimal(100)
    for number in range(count):
        close = price + Decimal(chance.randint(-50, 50)) / 100
        high = max(price, close) + Decimal(chance.randint(0, 20)) / 100
        low = min(price, close) - Decimal(chance.randint(0, 20)) / 100
        bars.append(Bar("X", BarSize.MIN_1, number * 60_000_000_000, price, high, low, close, Decimal(5)))
        price = close
    return bars


def ema(values: list[float], period: int) -> float:
    """Starts as the mean of the first ``period`` values."""
    average = sum(values[:period]) / period
    for value in values[period:]:
        average += 2 / (period + 1) * (value - average)
    return average


def wilder(values: list[float], period: int) -> float:
    average = sum(values[:period]) / period
    for value in values[period:]:
        average = (average * (period - 1) + value) / period
    return average


def true_ranges(bars: list[Bar]) -> list[float]:
    """The first bar has none: there is no close before it."""
    return [float(max(bar.high, before.close) - min(bar.low, before.close)) for before, bar in pairwise(bars)]


@pytest.mark.parametrize("count", [60, 1_000, 3_000])
def test_values_are_those_of_the_definitions_however_long_it_runs(count: int) -> None:
    bars = walk(count)
    specs = [
        IndicatorSpec("ema", 20), IndicatorSpec("sma", 20), IndicatorSpec("rsi", 14), IndicatorSpec("atr", 14),
        IndicatorSpec("roc", 10), IndicatorSpec("macd", 12, 26, 9), IndicatorSpec("bollinger", 20, 2.0),
        IndicatorSpec("donchian", 15),
    ]  # fmt: skip
    indicators = IndicatorSet(specs)
    values = [indicators.update(bar) for bar in bars][-1]

    closes = [float(bar.close) for bar in bars]
    changes = [after - before for before, after in pairwise(closes)]
    gain, loss = (wilder([max(sign * change, 0) for change in changes], 14) for sign in (1, -1))
    mean = sum(closes[-20:]) / 20
    deviation = math.sqrt(sum((close - mean) ** 2 for close in closes[-20:]) / 20)
    # Both averages begin at the slow one's first value.
    macds = (
        [ema(closes[14 : end + 1], 12) - ema(closes[: end + 1], 26) for end in range(25, count)] if count < 2000 else []
    )
    expected = {
        "ema_20": ema(closes, 20),
        "sma_20": mean,
        "rsi_14": 100 - 100 / (1 + gain / loss),
        "atr_14": wilder(true_ranges(bars), 14),
        "roc_10": 100 * (closes[-1] / closes[-11] - 1),
        "bollinger_20_2_lower": mean - 2 * deviation,
        "bollinger_20_2_middle": mean,
        "bollinger_20_2_upper": mean + 2 * deviation,
        "donchian_15_lower": min(float(bar.low) for bar in bars[-15:]),
        "donchian_15_upper": max(float(bar.high) for bar in bars[-15:]),
        "macd_12_26_9": ema(closes[14:], 12) - ema(closes, 26),
    }
    if macds:
        expected["macd_12_26_9_signal"] = ema(macds, 9)
    for name, value in expected.items():
        assert values[name] == pytest.approx(value, rel=1e-9, abs=1e-9), name
    assert tuple(values) == indicators.names


ALL_KINDS = [
    IndicatorSpec("sma", 5), IndicatorSpec("ema", 5), IndicatorSpec("rsi", 5), IndicatorSpec("roc", 5),
    IndicatorSpec("stddev", 5), IndicatorSpec("atr", 5), IndicatorSpec("adx", 14), IndicatorSpec("macd", 3, 6, 4),
    IndicatorSpec("bollinger", 5, 1.5), IndicatorSpec("donchian", 5), IndicatorSpec("stochastic", 5, 3),
]  # fmt: skip


def test_purging_what_is_no_longer_needed_changes_no_value(monkeypatch: pytest.MonkeyPatch) -> None:
    bars = walk(2_000)
    bounded = IndicatorSet(ALL_KINDS)
    monkeypatch.setattr("live_trading.data.indicators._SPARE", 1_000_000)  # never purged
    unbounded = IndicatorSet(ALL_KINDS)
    for bar in bars:
        ours, theirs = bounded.update(bar), unbounded.update(bar)
        for name, value in theirs.items():
            assert ours[name] == (None if value is None else pytest.approx(value, rel=1e-9, abs=1e-9)), name
    held = [add.__self__._held for *_, add in bounded._running if hasattr(add.__self__, "_held")]
    assert held
    assert max(held) < 500


def test_every_kind_has_a_value_after_its_look_back() -> None:
    for spec in ALL_KINDS:
        indicators = IndicatorSet([spec])
        values = [indicators.update(bar) for bar in walk(spec.look_back)]
        assert None in values[0].values()
        assert None not in values[-1].values(), spec


@pytest.mark.parametrize("spec", ALL_KINDS, ids=lambda spec: spec.name)
def test_warmed_up_with_the_settled_count_it_is_as_if_it_had_run_for_ever(spec: IndicatorSpec) -> None:
    bars = walk(3_000)
    ran_on, warmed = IndicatorSet([spec]), IndicatorSet([spec])
    values = [ran_on.update(bar) for bar in bars]
    assert spec.look_back <= spec.settled < 1_500
    recent = [warmed.update(bar) for bar in bars[-spec.settled :]]
    for name, value in values[-1].items():
        assert value is not None
        assert recent[-1][name] == pytest.approx(value, rel=1e-10, abs=1e-10)


def test_a_name_of_ones_own_replaces_the_made_one() -> None:
    assert IndicatorSpec("macd", 3, 6, 4, name="m").names == ("m", "m_signal", "m_histogram")
    assert IndicatorSpec("bollinger", 20, 1.5).names[0] == "bollinger_20_1p5_lower"


@pytest.mark.parametrize(
    ("kind", "parameters", "problem"),
    [
        ("emma", (3,), "not a kind"),
        ("ema", (), "Give period"),
        ("ema", (0,), "out of range"),
        ("ema", (2.5,), "out of"),
        ("macd", (26, 12, 9), "not below slow"),
    ],
)
def test_a_wrong_spec_says_what_would_be_right(kind: str, parameters: tuple[float, ...], problem: str) -> None:
    with pytest.raises(InvalidInput, match=problem):
        IndicatorSpec(kind, *parameters)


def test_two_indicators_cannot_have_one_name() -> None:
    with pytest.raises(InvalidInput, match="x named twice"):
        IndicatorSet([IndicatorSpec("ema", 3, name="x"), IndicatorSpec("ema", 4, name="x")])
