"""The 5/1 SLOB: each state, each way out of it, several setups at once, and the day from which its rules are told."""

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from live_trading.domain.bar_size import BarSize
from live_trading.domain.errors import InvalidInput
from live_trading.domain.market import Bar, ns_from_utc
from live_trading.domain.values import SignalType
from live_trading.strategies import SignalAt, parse_parameters, run_strategy
from live_trading.strategies.slob import SlobParameters, SlobStrategy
from live_trading.strategies.slob_setups import Setup, SlobDay, SlobState
from tests.strategies.markets import M1, MINUTE_NS, NEW_YORK, future_days

MORNING = datetime(2024, 3, 6, 3, 0, tzinfo=NEW_YORK)  # eight o'clock in London
OPENING = datetime(2024, 3, 6, 9, 30, tzinfo=NEW_YORK)

Candle = tuple[float, float, float, float]


def candles(start: datetime, several: list[Candle]) -> list[Bar]:
    bars = []
    for number, prices in enumerate(several):
        opens, high, low, close = (Decimal(str(price)) for price in prices)
        bars.append(Bar("NQ", M1, ns_from_utc(start) + number * MINUTE_NS, opens, high, low, close))
    return bars


def steady(price: float, count: int, height: float = 2) -> list[Candle]:
    """Candles around a price that are no no-wick candles."""
    return [(price, price + height, price - height, price)] * count


def reference() -> list[Bar]:
    """London's morning: between 25,380 and 25,452."""
    first: list[Candle] = [(25_400, 25_452, 25_380, 25_410)]
    return candles(MORNING, first + steady(25_420, 389))


def story() -> list[Candle]:
    """The setup the rules are told by: 6 January 2026 (docs/strategies/slob.md), minute by minute from the opening."""
    climb = [(25_420.0 + 5 * n, 25_427.0 + 5 * n, 25_418.0 + 5 * n, 25_425.0 + 5 * n) for n in range(31)]
    return [
        *climb,  # through 25,452 on its way: LIQ #1
        (25_575, 25_587, 25_570, 25_579),  # the temporary HIGH
        *steady(25_570, 9),
        (25_560, 25_562, 25_542, 25_550),  # the temporary LOW
        *steady(25_560, 13),
        (25_577.4, 25_586, 25_577, 25_585.5),  # a candle without a lower wick
        (25_583, 25_592, 25_582, 25_586),  # LIQ #2
        *steady(25_582, 4),
        (25_580, 25_581, 25_570, 25_572),  # closes below the no-wick candle
        *steady(25_565, 20),
    ]


def mirrored(bars: list[Bar]) -> list[Bar]:
    """The same day upside down, around 25,000."""
    return [
        bar._replace(open=50_000 - bar.open, high=50_000 - bar.low, low=50_000 - bar.high, close=50_000 - bar.close)
        for bar in bars
    ]


def run(bars: list[Bar], **values: Any) -> list[SignalAt]:
    return run_strategy(SlobStrategy(), parse_parameters(SlobStrategy(), values), bars, M1)


def states(several: list[Candle], **values: Any) -> tuple[list[SlobState], Setup]:
    """The states of the first setup, each once in a row, and the setup at its end."""
    day = SlobDay(SlobParameters(**values).rules())
    for bar in reference():
        day.add_reference(bar)
    seen: list[SlobState] = []
    first: Setup | None = None
    for bar in candles(OPENING, several):
        seen += [day.state] if not seen else []
        day.add(bar)
        for setup in day.setups:
            if setup.number == 1:
                first = setup
        if first is not None and seen[-1] is not first.state:
            seen.append(first.state)
    assert first is not None
    return seen, first


def test_the_day_the_rules_are_told_by() -> None:
    [entry] = run(reference() + candles(OPENING, story()))
    assert entry.signal.type is SignalType.ENTER_SHORT
    assert entry.bar.close == 25_572
    assert entry.signal.stop_loss == Decimal("25592") * Decimal("1.0001")
    assert entry.signal.take_profit == 25_380
    inputs = entry.signal.inputs
    assert (inputs["consolidation_far_end"], inputs["consolidation_near_end"]) == (25_587, 25_542)
    assert inputs["consolidation_range"] == pytest.approx(0.00176, abs=1e-5)
    assert inputs["no_wick"] == 25_577
    assert datetime.fromisoformat(inputs["liq2_at"]) == OPENING + timedelta(minutes=57)
    assert 0 < inputs["quality"] < 1


def test_a_setup_goes_through_its_states_in_order() -> None:
    told = story()
    seen, setup = states(told[:54] + steady(25_560, 3) + told[54:])  # a few minutes more before LIQ #2
    assert seen == [
        SlobState.WATCHING_LIQ1, SlobState.WATCHING_CONSOL, SlobState.WATCHING_LIQ2, SlobState.WAITING_ENTRY,
        SlobState.SETUP_COMPLETE,
    ]  # fmt: skip
    assert setup.way == 1


def test_upside_down_it_buys() -> None:
    [entry] = run(mirrored(reference() + candles(OPENING, story())))
    assert entry.signal.type is SignalType.ENTER_LONG
    assert entry.bar.close == 24_428
    stop, target = entry.signal.stop_loss, entry.signal.take_profit
    assert stop is not None
    assert Decimal("24405") < stop < 24_408
    assert target == 24_620


def changed(at: int, *instead: Candle, cut: int = 0) -> list[Candle]:
    """The story with some candles put in place of as many (or of ``cut``) others."""
    told = story()
    return told[:at] + list(instead) + told[at + (cut or len(instead)) :]


FALL: Candle = (25_560, 25_562, 25_500, 25_510)
TALL: Candle = (25_583, 25_700, 25_582, 25_690)
WICKED: Candle = (25_583, 25_586, 25_577, 25_585)


@pytest.mark.parametrize(
    ("several", "reason"),
    [
        (changed(45, FALL), "the range is too wide for a consolidation"),
        (changed(56, TALL), "LIQ #2 went too far for a sweep"),
        (changed(59, TALL), "LIQ #2 went too far for a sweep"),
        (changed(55, WICKED), "no candle without a wick before LIQ #2"),
        (changed(57, *steady(25_582, 30)), "no entry came in time after LIQ #2"),
        (changed(43, *steady(25_562, 140), cut=0), "the consolidation took too long"),
    ],
)
def test_what_ends_a_setup(several: list[Candle], reason: str) -> None:
    seen, setup = states(several)
    assert seen[-1] is SlobState.INVALIDATED
    assert setup.reason == reason


def test_a_consolidation_below_the_wanted_quality_is_no_setup() -> None:
    _, setup = states(story())
    quality = setup.consolidation.quality
    assert states(story(), min_quality=quality - 0.01)[0][-1] is SlobState.SETUP_COMPLETE
    _, refused = states(story(), min_quality=quality + 0.01)
    assert refused.reason == "the consolidation's quality is too low"


def test_a_new_low_in_the_range_is_confirmed_anew() -> None:
    lower: Candle = (25_555, 25_556, 25_530, 25_550)
    told = changed(54, lower, *steady(25_560, 20), cut=1)  # a minute before LIQ #2 might have come
    before, setup = states(told[:72])
    assert (setup.state, setup.consolidation.low) == (SlobState.WATCHING_LIQ2, Decimal(25_530))
    assert states(told)[0][-1] is SlobState.SETUP_COMPLETE
    assert before == [SlobState.WATCHING_LIQ1, SlobState.WATCHING_CONSOL, SlobState.WATCHING_LIQ2]
    # LIQ #2 before the new LOW held long enough is but a new HIGH.
    seen, setup = states(changed(54, lower)[:60])
    assert seen[-1] is SlobState.WATCHING_CONSOL
    assert setup.consolidation.high == 25_592


def test_a_break_too_early_moves_the_high() -> None:
    early: Candle = (25_580, 25_589, 25_575, 25_580)
    _, setup = states(changed(48, early))
    assert setup.consolidation.high >= 25_589
    assert setup.state is not SlobState.SETUP_COMPLETE


def test_several_setups_are_followed_at_once_up_to_a_limit() -> None:
    back_and_forth: list[Candle] = []
    for _ in range(8):
        back_and_forth += [(25_440, 25_455, 25_438, 25_454), (25_454, 25_454, 25_436, 25_440)]
    day = SlobDay(SlobParameters(max_setups=3).rules())
    for bar in reference():
        day.add_reference(bar)
    most = 0
    for bar in candles(OPENING, back_and_forth):
        day.add(bar)
        most = max(most, len(day.setups))
    assert most == day.begun == 3
    assert [setup.number for setup in day.setups] == [1, 2, 3]


def test_setups_of_both_sides_live_side_by_side() -> None:
    day = SlobDay(SlobParameters().rules())
    for bar in reference():
        day.add_reference(bar)
    day.add(candles(OPENING, [(25_420, 25_460, 25_370, 25_420)])[0])
    assert {setup.way for setup in day.setups} == {1, -1}


def test_without_the_whole_reference_session_there_is_no_setup() -> None:
    whole = reference() + candles(OPENING, story())
    assert run(whole[1:]) == []
    assert len(run(whole)) == 1


def test_a_position_is_left_at_the_end_of_the_session() -> None:
    bars = reference() + candles(OPENING, story() + steady(25_560, 320))
    assert [each.signal.type for each in run(bars)] == [SignalType.ENTER_SHORT, SignalType.EXIT]
    leave = run(bars)[-1].bar.end.astimezone(NEW_YORK)
    assert (leave.hour, leave.minute) == (15, 55)
    assert run(bars, entry_until="10:30") == [], "the entry came at 10:32"


def test_the_target_may_be_a_multiple_of_the_risk() -> None:
    [entry] = run(reference() + candles(OPENING, story()), target="risk_multiple", target_multiple="2")
    stop, target = entry.signal.stop_loss, entry.signal.take_profit
    assert stop is not None
    assert target == entry.bar.close - 2 * (stop - entry.bar.close)


def test_following_bar_by_bar_and_from_the_window_are_the_same() -> None:
    bars = future_days(MORNING.date(), 3, seed=8)

    class Forgetful(SlobStrategy):
        def on_bar(self, context: Any) -> Any:
            self._followed = None
            return super().on_bar(context)

    parameters = SlobParameters(max_range=Decimal("0.006"))
    chosen = bars[: 840 + 700]
    kept = run_strategy(SlobStrategy(), parameters, chosen, M1)
    assert run_strategy(Forgetful(), parameters, chosen, M1) == kept
    assert kept


def test_a_bar_size_in_which_no_sweep_can_be_seen_is_refused() -> None:
    with pytest.raises(InvalidInput, match="too long to see a sweep in"):
        SlobStrategy().warmup(SlobParameters(), BarSize.MINS_15)
    with pytest.raises(InvalidInput, match="min_range must be below"):
        parse_parameters(SlobStrategy(), {"min_range": "0.01"})


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 100_000))
def test_whatever_comes_the_rules_hold(seed: int) -> None:
    rules = SlobParameters(max_range=Decimal("0.006")).rules()
    day = SlobDay(rules)
    ended: set[int] = set()
    for bar in future_days(MORNING.date(), 1, seed=seed):
        if bar.start < OPENING:
            day.add_reference(bar)
            continue
        day.add(bar)
        for setup in day.setups:
            assert setup.number not in ended
            consolidation = setup.consolidation
            assert consolidation.low is None or consolidation.low <= consolidation.high
            assert 0 <= consolidation.quality <= 1
            if setup.state is SlobState.SETUP_COMPLETE:
                assert rules.min_range <= consolidation.range <= rules.max_range
                assert (
                    setup.liq1_ns < consolidation.high_ns < setup.liq2_ns < bar.end_ns or setup.liq1_ns <= setup.liq2_ns
                )
                assert (setup.stop - bar.close) * setup.way > 0
            if setup.state.is_over:
                ended.add(setup.number)
        assert sum(not setup.state.is_over for setup in day.setups) <= 2 * rules.max_setups
