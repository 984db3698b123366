"""A strategy sees what had ended, is asked when it should be, and cannot take anything down with it."""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

import pytest

from live_trading.data import IndicatorSpec
from live_trading.domain.bar_size import BarSize
from live_trading.domain.errors import InvalidInput
from live_trading.domain.market import Bar
from live_trading.domain.values import SignalType
from live_trading.strategies import (
    BarContext,
    LiveStrategyAdapter,
    Signal,
    Strategy,
    StrategyFailed,
    StrategyParameters,
    StrategyPosition,
)

M1, M5, M15 = BarSize.MIN_1, BarSize.MINS_5, BarSize.MINS_15


class Nothing(StrategyParameters):
    """No parameters."""


class Witness(Strategy[Nothing]):
    """Keeps every context it is shown, and answers what a test tells it to. (Real strategies are stateless.)"""

    name = "Witness"
    Parameters = Nothing

    def __init__(self, needs: Mapping[BarSize, int] | None = None) -> None:
        self.needs = needs or {M1: 2}
        self.seen: list[BarContext[Nothing]] = []
        self.answer: Any = None

    def warmup(self, parameters: Nothing, primary: BarSize) -> Mapping[BarSize, int]:
        return self.needs

    def indicators(self, parameters: Nothing, primary: BarSize) -> Mapping[BarSize, Sequence[IndicatorSpec]]:
        return {size: (IndicatorSpec("sma", 2),) for size in self.needs}

    def on_bar(self, context: BarContext[Nothing]) -> Signal | None:
        self.seen.append(context)
        if isinstance(self.answer, Exception):
            raise self.answer
        answer: Signal | None = self.answer() if callable(self.answer) else self.answer
        return answer


def adapter(
    witness: Witness, clock: Any, sizes: Sequence[BarSize] = (M1,), primary: BarSize = M1
) -> LiveStrategyAdapter:
    return LiveStrategyAdapter(witness, Nothing(), "EUR-USD", sizes, primary, clock)


def larger(bars: list[Bar], size: BarSize) -> list[Bar]:
    """The larger bars of some smaller ones."""
    count = size.seconds // bars[0].bar_size.seconds
    groups = [bars[at : at + count] for at in range(0, len(bars), count)]
    return [
        Bar("EUR-USD", size, group[0].start_ns, group[0].open, max(b.high for b in group), min(b.low for b in group),
            group[-1].close)
        for group in groups if len(group) == count
    ]  # fmt: skip


def test_only_a_primary_bar_triggers_and_only_after_the_warm_up(clock: Any, make_bars: Any) -> None:
    witness = Witness({M1: 3, M5: 1})
    running = adapter(witness, clock, (M1, M5))
    minutes = make_bars(12)
    for bar in running.in_order(minutes + larger(minutes, M5)):
        running.on_bar(bar)
    assert running.ready
    assert [context.bar for context in witness.seen] == minutes[4:]


def test_a_larger_bar_that_ends_with_the_primary_one_is_seen_and_none_that_ends_later(
    clock: Any, make_bars: Any
) -> None:
    witness = Witness({M1: 1, M5: 1, M15: 1})
    running = adapter(witness, clock, (M1, M5, M15))
    minutes = make_bars(45)
    fives, fifteens = larger(minutes, M5), larger(minutes, M15)
    for bar in running.in_order(fifteens + fives + minutes):
        running.on_bar(bar)
    assert len(witness.seen) == 31
    for context in witness.seen:
        for size, every in ((M1, minutes), (M5, fives), (M15, fifteens)):
            ended = [bar for bar in every if bar.end_ns <= context.bar.end_ns]
            assert context.bars[size][-1] == ended[-1]
        assert context.now == context.bar.end


def test_smaller_bars_come_before_a_larger_primary_one(clock: Any, make_bars: Any) -> None:
    witness = Witness({M5: 1, M1: 1})
    running = adapter(witness, clock, (M1, M5), primary=M5)
    minutes = make_bars(10)
    for bar in running.in_order(minutes + larger(minutes, M5)):
        running.on_bar(bar)
    assert [context.bars[M1][-1] for context in witness.seen] == [minutes[4], minutes[9]]


def test_a_bar_handed_in_too_early_is_not_shown_before_it_ended(clock: Any, make_bars: Any) -> None:
    witness = Witness({M1: 1, M5: 1})
    running = adapter(witness, clock, (M1, M5))
    minutes = make_bars(10)
    first, second = larger(minutes, M5)
    running.on_bar(first)
    running.on_bar(second)
    for bar in minutes:
        running.on_bar(bar)
    assert [context.bars[M5][-1:] for context in witness.seen] == [[]] * 4 + [[first]] * 5 + [[second]]


def test_a_filled_bar_moves_the_indicators_but_does_not_trigger(clock: Any, make_bars: Any) -> None:
    witness = Witness()
    running = adapter(witness, clock)
    bars = make_bars(4)
    bars[2] = bars[2]._replace(filled=True, open=Decimal(9), close=Decimal(9))
    for bar in bars:
        running.on_bar(bar)
    assert [context.bar for context in witness.seen] == [bars[1], bars[3]]
    assert witness.seen[-1].bars[M1] == bars[2:]
    assert witness.seen[-1].value("sma_2") == pytest.approx(float(9 + bars[3].close) / 2)
    assert witness.seen[-1].value("sma_2", back=1) == pytest.approx(float(bars[1].close + 9) / 2)
    assert witness.seen[-1].value("sma_2", back=2) is None


def test_a_bar_told_twice_triggers_once(clock: Any, make_bars: Any) -> None:
    witness = Witness()
    running = adapter(witness, clock)
    bars = make_bars(5)
    for bar in [*bars, bars[4], bars[1]]:
        running.on_bar(bar)
    assert len(witness.seen) == 4


def test_warming_up_asks_for_nothing_and_then_everything_is_as_if_it_had_run_on(clock: Any, make_bars: Any) -> None:
    bars = make_bars(300)
    ran_on, warmed = Witness({M1: 20}), Witness({M1: 20})
    one, other = adapter(ran_on, clock), adapter(warmed, clock)
    for bar in bars[:250]:
        one.on_bar(bar)
    other.on_bar(bars[7])
    other.warm_up({M1: bars[:250]})
    assert warmed.seen == []
    assert other.indicators == one.indicators
    for bar in bars[250:]:
        one.on_bar(bar)
        other.on_bar(bar)
    assert warmed.seen == ran_on.seen[-50:]
    assert all(len(context.bars[M1]) == 20 for context in warmed.seen)


def test_the_strategy_sees_the_position(clock: Any, make_bars: Any) -> None:
    witness = Witness()
    running = adapter(witness, clock)
    held = StrategyPosition(Decimal(-3), Decimal("1.1"))
    witness.answer = Signal(SignalType.EXIT, "enough")
    signals = [running.on_bar(bar, held) for bar in make_bars(2)]
    assert signals == [None, witness.answer]
    assert witness.seen[0].position.is_short


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (KeyError("x"), "KeyError: 'x'"),
        ("BUY", "it answered str"),
        (Signal(SignalType.EXIT, "", stop_loss=Decimal("NaN")), "its stop_loss"),
        (Signal(SignalType.EXIT, "", take_profit=1.5), "its take_profit 1.5"),  # type: ignore[arg-type]
    ],
)
def test_a_strategy_that_fails_is_named_with_its_bar(clock: Any, make_bars: Any, answer: Any, reason: str) -> None:
    witness = Witness()
    running = adapter(witness, clock)
    first, second = make_bars(2)
    running.on_bar(first)
    witness.answer = answer
    with pytest.raises(StrategyFailed) as caught:
        running.on_bar(second)
    assert caught.value.strategy_name == "Witness"
    assert caught.value.bar == second
    assert reason in str(caught.value)


def test_a_strategy_over_its_time_budget_fails_and_its_signal_is_void(clock: Any, make_bars: Any) -> None:
    witness = Witness()
    running = adapter(witness, clock)
    first, second = make_bars(2)
    running.on_bar(first)

    def slow() -> Signal:
        clock.seconds += 1.5
        return Signal(SignalType.EXIT, "late")

    witness.answer = slow
    with pytest.raises(StrategyFailed, match=r"took 1\.500 s, its time budget is 1 s"):
        running.on_bar(second)
    assert running.last_duration == 1.5


def test_a_bar_size_the_operation_lacks_is_refused_at_once(clock: Any) -> None:
    with pytest.raises(InvalidInput, match=r"bar_sizes: Witness looks at 5 mins"):
        adapter(Witness({M1: 1, M5: 1}), clock)


def test_memory_is_bounded(clock: Any, make_bars: Any) -> None:
    running = adapter(Witness({M1: 10}), clock)
    for bar in make_bars(500):
        running.on_bar(bar)
    series = running._series[M1]
    assert len(series.bars) == len(series.values) <= 20
