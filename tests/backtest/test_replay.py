"""A strategy run again over the bars it saw: what a live journal says, and where it parts from a changed strategy."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import pytest
from bson import ObjectId

from live_trading.backtest.replay import DifferenceKind, History, ReplayReport, history_of, replay
from live_trading.backtest.replay_bars import stored_bars
from live_trading.data import StoredBar
from live_trading.domain.bar_size import BarSize
from live_trading.domain.entries import Entry
from live_trading.domain.errors import InvalidInput
from live_trading.domain.market import ns_from_utc
from live_trading.simulation import World, run_virtual

S5 = BarSize.SECS_5
Bars = dict[BarSize, list[StoredBar]]


@dataclass
class Lived:
    """What a simulated engine left behind."""

    entries: Sequence[Entry]
    operation_id: ObjectId
    bars: Bars

    @property
    def history(self) -> History:
        return history_of(self.entries, self.operation_id)

    def replayed(self, **rest: Any) -> ReplayReport:
        return replay(self.history, self.bars, **rest)


async def _live(crashes: int, update: bool, retention: int) -> Lived:
    async with World(31) as world:
        await world.start_engine()
        settings = {"fast_period": 5, "slow_period": 12, "momentum_period": 3, "rsi_period": 7}
        identifier = await world.create_operation(
            bar_sizes=["5 secs", "1 min"],
            strategy_config=settings,
            crash_recovery_mode="RESUME",
            emergency_stop_loss_pct="0.5",
            data_retention_bars=retention,
        )
        await world.clock.sleep(2400)
        for _ in range(crashes):
            world.crash()
            await world.clock.sleep(60)
            await world.start_engine()
            await world.clock.sleep(1200)
        if update:
            changed = {**settings, "fast_period": 4}
            await world.command("update_operation", operation_id=identifier, strategy_config=changed)
        await world.clock.sleep(1800)
        await world.stop()
        entries = await world.entries()
        operation_id = ObjectId(identifier)
        bars = await stored_bars(world.bars, history_of(entries, operation_id))
        return Lived(entries, operation_id, bars)


def live(*, crashes: int = 0, update: bool = False, retention: int = 1_000) -> Lived:
    return run_virtual(_live(crashes, update, retention))


@pytest.fixture(scope="module")
def lived() -> Lived:
    return live()


def test_replay_of_a_live_run_finds_no_difference(lived: Lived) -> None:
    report = lived.replayed()
    assert report.is_equal, report.differences[0]
    assert report.matched == report.signals_then == report.signals_now > 20
    assert report.bars > 600


def test_bars_that_went_to_the_archive_are_found_there(lived: Lived) -> None:
    short = live(retention=60)
    assert sum(map(len, short.bars.values())) == sum(map(len, lived.bars.values()))
    assert short.replayed().is_equal


def test_crashes_restarts_and_changed_parameters_leave_no_difference() -> None:
    report = live(crashes=2, update=True).replayed()
    assert report.is_equal, report.differences[0]
    assert report.matched > 20


def test_a_parameter_changed_by_hand_shows_where_they_part_with_both_sides(lived: Lived) -> None:
    report = lived.replayed(parameters={"fast_period": 3})
    first = report.differences[0]
    assert first.bar is not None
    assert first.values.keys() >= {"fast", "slow"}
    earlier = [entry for entry in lived.history.signals if ns_from_utc(entry.data.bar_start) < first.bar.start_ns]
    assert report.matched < report.signals_then
    if first.kind is DifferenceKind.DIFFERENT:
        assert "inputs.fast" in first.fields
    assert len(earlier) <= report.matched


def test_a_signal_that_was_altered_is_the_only_difference(lived: Lived) -> None:
    at, entry = next((n, e) for n, e in enumerate(lived.entries) if e.action_type == "SIGNAL_GENERATED" and n > 200)
    inputs = {**entry.data.inputs, "rsi": entry.data.inputs["rsi"] + 0.001}
    altered = entry._replace(data=entry.data.model_copy(update={"inputs": inputs}))
    entries = [*lived.entries[:at], altered, *lived.entries[at + 1 :]]
    report = replay(history_of(entries, lived.operation_id), lived.bars)
    (difference,) = report.differences
    assert (difference.kind, difference.sequence_number) == (DifferenceKind.DIFFERENT, entry.sequence_number)
    assert difference.fields == ("inputs.rsi",)


def _without(bars: Bars, is_gone: Callable[[StoredBar], bool]) -> Bars:
    return {size: [stored for stored in several if not is_gone(stored)] for size, several in bars.items()}


def test_signals_of_bars_that_are_gone_are_told_apart_from_signals_that_changed(lived: Lived) -> None:
    gone = lived.history.signals[-1]
    bars = _without(lived.bars, lambda stored: stored.bar.start == gone.data.bar_start and stored.bar.bar_size is S5)
    report = replay(lived.history, bars)
    kinds = [(each.kind, each.sequence_number) for each in report.differences]
    assert kinds[0] == (DifferenceKind.NO_BAR, gone.sequence_number)


def test_from_a_number_on_only_later_signals_are_compared(lived: Lived) -> None:
    signals = lived.history.signals
    middle = signals[len(signals) // 2].sequence_number
    report = lived.replayed(from_sequence=middle)
    assert report.is_equal
    assert report.signals_then == report.signals_now == len(signals) - len(signals) // 2


def test_bars_from_the_brokers_history_are_read_and_not_asked_about(lived: Lived) -> None:
    quiet = {ns_from_utc(entry.data.bar_start) for entry in lived.history.signals}
    marked = {
        size: [stored._replace(from_history=stored.bar.start_ns not in quiet) for stored in several]
        for size, several in lived.bars.items()
    }
    report = replay(lived.history, marked)
    assert report.is_equal
    assert report.bars == len(quiet)


def test_an_unknown_operation_is_named(lived: Lived) -> None:
    with pytest.raises(InvalidInput, match="no operation"):
        history_of(lived.entries, ObjectId())


def test_a_strategy_that_fails_now_is_told(lived: Lived) -> None:
    history = lived.history
    path = "tests/engine/strategies_for_tests.py:RaisesWhenHolding"
    changes = [change._replace(parameters={}) for change in history.changes]
    broken = replace(history, settings=history.settings.model_copy(update={"strategy_name": path}), changes=changes)
    report = replay(broken, lived.bars)
    assert report.failures
    assert "an honest mistake" in report.failures[0]
