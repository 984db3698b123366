"""What the momentum strategy does, and that it never looks ahead."""

from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from live_trading.data import read_bars
from live_trading.domain.bar_size import BarSize
from live_trading.domain.market import Bar
from live_trading.domain.values import SignalType
from live_trading.runtime import SystemClock
from live_trading.strategies import FLAT, LiveStrategyAdapter, Signal, StrategyPosition
from live_trading.strategies.momentum import MomentumParameters, MomentumStrategy

M1 = BarSize.MIN_1
RECORDED = Path(__file__).resolve().parents[3] / "shared" / "data" / "forex_oanda_hour_eurusd.zip"


def trade(bars: list[Bar], parameters: MomentumParameters | None = None) -> list[tuple[int, Signal]]:
    """The signals on bars, each carried out at the close; with the number of the bar."""
    chosen = parameters or MomentumParameters()
    size = bars[0].bar_size
    running = LiveStrategyAdapter(MomentumStrategy(), chosen, "EUR-USD", [size], size, SystemClock())
    position, signals = FLAT, []
    for number, bar in enumerate(bars):
        signal = running.on_bar(bar, position)
        if signal is None:
            continue
        signals.append((number, signal))
        quantity = {SignalType.ENTER_LONG: 1, SignalType.ENTER_SHORT: -1, SignalType.EXIT: 0}[signal.type]
        position = StrategyPosition(Decimal(quantity), bar.close if quantity else None)
    return signals


def along(closes: list[float]) -> list[Bar]:
    """Bars with these closes."""
    prices = [Decimal(str(round(close, 5))) for close in closes]
    return [
        Bar("EUR-USD", M1, number * M1.nanoseconds, price, price, price, price) for number, price in enumerate(prices)
    ]


def wave(rise: float) -> list[float]:
    """Sixty flat bars with a ripple, a move of thirty bars, and thirty bars back."""
    flat = [1.1 + 0.0002 * (-1) ** number for number in range(60)]
    up = [1.1 + rise * number / 30 + 0.0003 * (-1) ** number for number in range(1, 31)]
    return flat + up + up[::-1]


@pytest.mark.parametrize(("rise", "entry"), [(0.01, SignalType.ENTER_LONG), (-0.01, SignalType.ENTER_SHORT)])
def test_a_move_is_entered_near_its_beginning_and_left_when_it_turns(rise: float, entry: SignalType) -> None:
    parameters = MomentumParameters(min_momentum=0.05, overbought=100)
    signals = [(number, signal.type) for number, signal in trade(along(wave(rise)), parameters)]
    assert [kind for _, kind in signals[:2]] == [entry, SignalType.EXIT]
    assert 60 <= signals[0][0] < 70
    assert 90 <= signals[1][0] < 115


def test_without_short_selling_a_falling_market_is_left_alone() -> None:
    signals = trade(along(wave(-0.01)), MomentumParameters(min_momentum=0.05, overbought=100, allow_short=False))
    assert all(signal.type is not SignalType.ENTER_SHORT for _, signal in signals)


def test_no_entry_into_an_overbought_market() -> None:
    rising = along(wave(0.01)[:90])
    assert trade(rising, MomentumParameters(min_momentum=0.05, overbought=100))
    assert not trade(rising, MomentumParameters(min_momentum=0.05, overbought=51))


def test_after_a_stop_the_same_move_is_not_entered_again() -> None:
    bars = along(wave(0.01)[:90])
    parameters = MomentumParameters(min_momentum=0.05, overbought=100)
    running = LiveStrategyAdapter(MomentumStrategy(), parameters, "EUR-USD", [M1], M1, SystemClock())
    entries = [number for number, bar in enumerate(bars) if running.on_bar(bar, FLAT) is not None]
    assert entries
    assert max(entries) - min(entries) <= parameters.entry_window


def test_a_signal_says_why(make_bars: Any) -> None:
    for _, signal in trade(make_bars(400)):
        assert signal.reason
        assert set(signal.inputs) == {"fast", "slow", "momentum", "rsi"}
        assert all(isinstance(value, float) for value in signal.inputs.values())


def test_it_trades_reasonably_often(make_bars: Any) -> None:
    for seed in range(5):
        assert len(trade(make_bars(500, seed=seed))) >= 10


@settings(max_examples=40, deadline=None)
@given(st.lists(st.integers(-30, 30), min_size=60, max_size=160), st.integers(1, 150), st.integers(-300, 300))
def test_signals_on_a_prefix_are_the_prefix_of_the_signals(steps: list[int], cut: int, shock: int) -> None:
    closes = [1.1 + sum(steps[: number + 1]) / 10_000 for number in range(len(steps))]
    bars = along(closes)
    signals = trade(bars)
    assert trade(bars[:cut]) == [each for each in signals if each[0] < cut] if cut <= len(bars) else True
    # Whatever comes afterwards, what was signalled before stands.
    other = along(closes[:cut] + [close + shock / 10_000 for close in closes[cut:]])
    assert [each for each in trade(other) if each[0] < cut] == [each for each in signals if each[0] < cut]


@pytest.mark.skipif(not RECORDED.is_file(), reason="no recorded data")
def test_no_look_ahead_on_the_venues_bars() -> None:
    bars = list(read_bars(RECORDED))[20_000:21_500]
    signals = trade(bars)
    assert len(signals) > 50
    for cut in range(50, len(bars), 97):
        assert trade(bars[:cut]) == [each for each in signals if each[0] < cut]


def test_the_same_bars_give_the_same_signals(make_bars: Any) -> None:
    bars = make_bars(300)
    assert trade(bars) == trade(bars)
    assert trade([bar._replace(volume=Decimal(3)) for bar in bars]) == [
        (number, replace(signal)) for number, signal in trade(bars)
    ]
