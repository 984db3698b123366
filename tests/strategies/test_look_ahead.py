"""No built-in strategy looks ahead, and the test that says so catches the ones that do."""

from collections.abc import Mapping, Sequence
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from live_trading.data import read_bars
from live_trading.domain.bar_size import BarSize
from live_trading.domain.instrument import US_STOCK_HOURS, Instrument, OptionContract
from live_trading.domain.market import Bar
from live_trading.domain.values import AssetClass, OptionRight, SignalType
from live_trading.strategies import (
    BarContext,
    MakeStrategy,
    Signal,
    Strategy,
    StrategyParameters,
    first_look_ahead,
    in_order,
    known_strategies,
    load_strategy,
    parse_parameters,
    run_strategy,
)
from tests.strategies.markets import M1, future_days, larger
from tests.strategies.onnx_models import linear_model

M15, H1 = BarSize.MINS_15, BarSize.HOUR_1
RECORDED = Path(__file__).resolve().parents[3] / "shared" / "data" / "forex_oanda_hour_eurusd.zip"

OWN_CODE = '''
class Crossing:
    """Somebody's back-test, from before there was a live engine."""

    def __init__(self, fast=5, slow=20):
        self.fast, self.slow = fast, slow

    def generate_signals(self, df):
        above = df["close"].rolling(self.fast).mean() > df["close"].rolling(self.slow).mean()
        df["signal"] = above.astype(int).diff().fillna(0)
        return df
'''

PUT = Instrument(
    symbol="NQ-P",
    asset_class=AssetClass.OPTION,
    currency="USD",
    tick_size=Decimal("0.01"),
    quantity_step=Decimal(1),
    multiplier=Decimal(100),
    hours=US_STOCK_HOURS,
    option=OptionContract(underlying="NQ", right=OptionRight.PUT, strike=Decimal(18_000), expiry="2024-04-19"),
)


@pytest.fixture(scope="module")
def configured(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Mapping[str, Any]]:
    """Parameters for each built-in strategy, so that it trades on a few days of minutes."""
    folder = tmp_path_factory.mktemp("strategies")
    (folder / "own.py").write_text(OWN_CODE)
    weights: list[list[float]] = [[0, 300, -300], [0, 0.2, -0.2]]
    model = linear_model(folder / "model.onnx", weights, [0.5, -10.0, 10.0])
    return {
        "DataFrameStrategy": {"source": f"{folder / 'own.py'}:Crossing", "window": 60},
        "ModelStrategy": {"model": str(model), "features": ["return:10", "rsi:14"], "threshold": 0.4},
        "MomentumStrategy": {},
        "MultiTimeframeTrendStrategy": {
            "trend_bar_sizes": ["15 mins", "1 hour"], "trend_fast_period": 5, "trend_slow_period": 15,
        },
        "OpeningRangeBreakoutStrategy": {},
        "SlobStrategy": {"max_range": "0.006", "reference_opening": "09:00"},
        "StraddleStrategy": {"max_moneyness": 1.0, "fast_period": 5, "slow_period": 15, "max_days": 90},
    }  # fmt: skip


@pytest.fixture(scope="module")
def market() -> list[Bar]:
    """Five days around a change of the clock, with larger bars."""
    minutes = future_days(date(2024, 3, 6), 5, seed=3)
    return minutes + larger(minutes, M15) + larger(minutes, H1)


def only(bars: list[Bar], sizes: set[BarSize]) -> list[Bar]:
    return [bar for bar in bars if bar.bar_size in sizes]


def every_built_in() -> list[str]:
    return list(known_strategies())


def test_every_built_in_is_held_to_it(configured: Mapping[str, Any]) -> None:
    assert set(configured) == set(every_built_in())


@pytest.mark.parametrize("name", every_built_in())
def test_signals_on_every_prefix_are_the_prefix_of_the_signals(
    name: str, configured: Mapping[str, Any], market: list[Bar]
) -> None:
    strategy = load_strategy(name)
    parameters = parse_parameters(strategy, configured[name])
    sizes = set(strategy.warmup(parameters, M1))
    bars = only(market, sizes)[: 600 if strategy.heavy else None]
    every = run_strategy(load_strategy(name), parameters, bars, M1, instrument=PUT)
    assert len(every) >= (2 if name == "SlobStrategy" else 4), "a market in which nothing is signalled proves nothing"
    cuts = [
        *range(200, len(bars), len(bars) // 4),
        *(bars.index(each.bar) + more for each in every[:3] for more in (0, 1, 2)),
    ]
    assert first_look_ahead(lambda _: load_strategy(name), parameters, bars, M1, cuts, instrument=PUT) is None


@pytest.mark.parametrize("name", ["MomentumStrategy", "MultiTimeframeTrendStrategy", "ModelStrategy"])
def test_none_looks_ahead_on_the_venues_bars(name: str, configured: Mapping[str, Any]) -> None:
    if not RECORDED.is_file():
        pytest.skip("no recorded data")
    hours = list(read_bars(RECORDED))[20_000:21_000]
    bars = hours + larger(hours, BarSize.HOURS_4)
    strategy = load_strategy(name)
    values = dict(configured[name])
    if "trend_bar_sizes" in values:
        values["trend_bar_sizes"] = ["4 hours"]
    parameters = parse_parameters(strategy, values)
    chosen = in_order(only(bars, set(strategy.warmup(parameters, H1))), H1)[-700:]
    assert len(run_strategy(strategy, parameters, chosen, H1)) > 10
    cuts = range(200, len(chosen), 131)
    assert first_look_ahead(lambda _: load_strategy(name), parameters, chosen, H1, cuts) is None


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 10_000), cut=st.integers(100, 700))
def test_nothing_that_comes_later_changes_a_breakout(seed: int, cut: int) -> None:
    bars = future_days(date(2024, 3, 6), 1, seed=seed)
    strategy = load_strategy("OpeningRangeBreakoutStrategy")
    parameters = parse_parameters(strategy, {"both_ways": True})
    signals = run_strategy(strategy, parameters, bars, M1)
    moved = [bar._replace(close=bar.close + 50, high=bar.high + 60) for bar in bars[cut:]]
    others = run_strategy(load_strategy("OpeningRangeBreakoutStrategy"), parameters, bars[:cut] + moved, M1)
    last = bars[cut].start_ns
    assert [each for each in others if each.bar.start_ns < last] == [
        each for each in signals if each.bar.start_ns < last
    ]


# -- strategies that do look ahead


class Nothing(StrategyParameters):
    """No parameters."""


class Peeking(Strategy[Nothing]):
    """Has read the file it is tested on, and buys when the next bar will rise."""

    name = "Peeking"
    Parameters = Nothing

    def __init__(self, every: Sequence[Bar]) -> None:
        self.closes = {bar.start_ns: bar.close for bar in every if bar.bar_size is M1}

    def warmup(self, parameters: Nothing, primary: BarSize) -> Mapping[BarSize, int]:
        return {primary: 1}

    def on_bar(self, context: BarContext[Nothing]) -> Signal | None:
        bar = context.bar
        rises = self.closes.get(bar.start_ns + M1.nanoseconds, bar.close) > bar.close
        if context.position.is_flat:
            return Signal(SignalType.ENTER_LONG, "it will rise") if rises else None
        return None if rises else Signal(SignalType.EXIT, "it will fall")


class Scaled(Peeking):
    """Measures prices by the highest one of all: a look ahead that no single line shows."""

    name = "Scaled"

    def on_bar(self, context: BarContext[Nothing]) -> Signal | None:
        near_the_top = context.bar.close >= max(self.closes.values()) * Decimal("0.9985")
        if context.position.is_flat:
            return None if near_the_top else Signal(SignalType.ENTER_LONG, "far from the highest")
        return Signal(SignalType.EXIT, "near the highest") if near_the_top else None


class Unclosed(Peeking):
    """Aligns larger bars by their start, as a careless join does: an hour is known when it begins."""

    name = "Unclosed"

    def __init__(self, every: Sequence[Bar]) -> None:
        super().__init__(every)
        self.hours = [bar for bar in every if bar.bar_size is H1]

    def warmup(self, parameters: Nothing, primary: BarSize) -> Mapping[BarSize, int]:
        return {primary: 1, H1: 1}

    def on_bar(self, context: BarContext[Nothing]) -> Signal | None:
        current = [hour for hour in self.hours if hour.start_ns <= context.bar.start_ns < hour.end_ns]
        wanted = bool(current) and current[0].close > context.bar.close
        if wanted is not context.position.is_flat:
            return None
        return Signal(SignalType.ENTER_LONG if wanted else SignalType.EXIT, "the hour will end higher")


@pytest.mark.parametrize("cheat", [Peeking, Scaled])
def test_a_strategy_that_looks_ahead_is_caught(cheat: MakeStrategy, market: list[Bar]) -> None:
    minutes = only(market, {M1})[:1_500]
    found = first_look_ahead(cheat, Nothing(), minutes, M1, range(100, 1_500, 100))
    assert found is not None
    assert found.with_future != found.without


def test_a_strategy_that_sees_larger_bars_before_they_end_is_caught(market: list[Bar]) -> None:
    chosen = [bar for bar in only(market, {M1, H1}) if bar.end_ns <= market[600].end_ns]
    assert first_look_ahead(Unclosed, Nothing(), chosen, M1, range(130, 600, 10)) is not None


def test_code_of_ones_own_that_shifts_the_future_back_gets_none(tmp_path: Path, market: list[Bar]) -> None:
    """Its last row is all that counts, and what would have to be known for it is not there."""
    (tmp_path / "own.py").write_text(
        "def generate_signals(df):\n"
        "    df['signal'] = (df['close'].shift(-1) > df['close']).astype(int)\n"
        "    return df\n"
    )
    strategy = load_strategy("DataFrameStrategy")
    parameters = parse_parameters(strategy, {"source": f"{tmp_path / 'own.py'}:generate_signals", "window": 10})
    assert run_strategy(strategy, parameters, only(market, {M1})[:300], M1) == []
