"""What ended long ago leaves the ledger, and nothing that counts goes with it."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from decimal import Decimal
from itertools import cycle, islice

import pytest
from bson import ObjectId
from hypothesis import given, settings
from hypothesis import strategies as st

import live_trading.projections.fold as fold_module
from live_trading.domain import entries as e
from live_trading.domain.values import Side
from live_trading.projections import Ledger
from live_trading.projections.documents import take_changes
from live_trading.projections.state import ZERO
from tests.stories import Shelf, Story, fold, shelve

PERIOD = timedelta(minutes=1)
ENTRIES = 33_000  # 23 days of one a minute: well over both limits, and sweeps in between
MOST_KEPT = max(fold_module.RETAIN_ENTRIES, fold_module.RETAIN_FOR // PERIOD) + fold_module._SWEEP_EVERY


@contextmanager
def short_memory() -> Iterator[None]:
    """Retire what is a handful of entries old, every few entries."""
    before = fold_module.RETAIN_FOR, fold_module.RETAIN_ENTRIES, fold_module._SWEEP_EVERY
    vars(fold_module).update(RETAIN_FOR=timedelta(0), RETAIN_ENTRIES=6, _SWEEP_EVERY=5)
    try:
        yield
    finally:
        vars(fold_module).update(RETAIN_FOR=before[0], RETAIN_ENTRIES=before[1], _SWEEP_EVERY=before[2])


def round_trips(story: Story, operation: ObjectId) -> None:
    """Buy, sell, and again; each costs something."""
    for index, side in enumerate(islice(cycle((Side.BUY, Side.SELL)), ENTRIES // 2)):
        story.trade(operation, side, str(100 + index % 7), "1", commission=Decimal("0.1"), commission_currency="USD")


def reversals(story: Story, operation: ObjectId) -> None:
    """Never flat: each order closes what is open and opens the same the other way."""
    story.trade(operation, Side.BUY, "100", "1")
    for index, side in enumerate(islice(cycle((Side.SELL, Side.BUY)), ENTRIES // 2)):
        story.trade(operation, side, str(100 + index % 7), "2", commission=Decimal("0.1"), commission_currency="USD")


@pytest.mark.parametrize("tell", [round_trips, reversals])
def test_memory_stays_bounded_and_the_totals_are_those_of_all_trades(tell: Callable[[Story, ObjectId], None]) -> None:
    story = Story(step=PERIOD)
    operation_id = story.operation()
    tell(story, operation_id)
    ledger, shelf = Ledger(), Shelf()
    for start in range(0, len(story.entries), 1000):
        shelf.write(take_changes(fold(story.entries[start : start + 1000], ledger)))
    (operation,) = ledger.state.operations.values()
    for kept in (operation.fills, operation.orders, ledger.orders, ledger.executions):
        assert len(kept) < MOST_KEPT / 2 + 10 < ENTRIES / 2 - 1000
    assert len(ledger.transactions) < MOST_KEPT + 10
    assert len(operation.closed_positions) < MOST_KEPT / 2 + 10
    trades = shelf.of("trades")
    assert operation.totals.trades == len(trades)
    assert operation.totals.gross_pnl == sum((trade["pnl"].to_decimal() for trade in trades), ZERO)
    net = sum((trade["net_pnl"].to_decimal() for trade in trades), ZERO)
    assert operation.totals.net_profit + operation.totals.net_loss == net
    assert operation.totals.commission == sum((t["commission"].to_decimal() for t in shelf.of("transactions")), ZERO)

    first = next(entry.data for entry in story.entries if isinstance(entry.data, e.OrderFilled))
    before = operation.total_pnl
    story.commission(first.execution_id, "50")
    story.correct(first.execution_id, "1", "1")
    fold(story.entries[-2:], ledger)
    assert operation.total_pnl == before
    assert [anomaly.number for anomaly in ledger.state.anomalies] == [story.number - 2, story.number - 1]


moves = st.tuples(
    st.sampled_from(Side),
    st.decimals(min_value="1", max_value="50", places=1),
    st.sampled_from(["1", "1", "2", "3"]).map(Decimal),
    st.decimals(min_value="0", max_value="3", places=2),
    st.sampled_from(["USD", "JPY"]),
    st.sampled_from([None, None, 1, 0]),
)


@settings(max_examples=150)
@given(st.lists(moves, min_size=4, max_size=40))
def test_letting_go_changes_no_document(
    history: list[tuple[Side, Decimal, Decimal, Decimal, str, int | None]],
) -> None:
    story = Story()
    operation = story.operation()
    for side, price, quantity, amount, currency, correction in history:
        execution = story.trade(operation, side, price, quantity)
        story.commission(execution, amount, currency)
        if correction is not None:
            story.correct(execution, price + 1, quantity * correction)
    remembering = shelve(story.entries)
    with short_memory():
        forgetful = shelve(story.entries)
        kept = len(next(iter(story.ledger().state.operations.values())).orders)
    assert kept <= len(history)
    assert forgetful.documents == remembering.documents


def test_fill_of_which_only_the_entry_is_kept_is_too_old_to_be_corrected() -> None:
    story = Story()
    operation = story.operation()
    story.trade(operation, Side.BUY, "100", "1")
    crossing = story.trade(operation, Side.SELL, "110", "3")
    for _ in range(20):
        story.tell(e.NoteAdded(text="time goes by"), operation)
    story.correct(crossing, "120", "3")
    story.trade(operation, Side.BUY, "105", "2")
    with short_memory():
        ledger = story.ledger()
    (state,) = ledger.state.operations.values()
    assert [anomaly.text for anomaly in ledger.state.anomalies] == [
        f"a correction of execution {crossing}, which is too old to be counted anew"
    ]
    assert state.totals.gross_pnl == 10 + 10
    assert state.totals.volume == 6


def test_order_that_still_works_is_never_let_go_of() -> None:
    story = Story()
    operation = story.operation()
    order = story.order(operation, Side.BUY, "1")
    for _ in range(30):
        story.tell(e.NoteAdded(text="time goes by"), operation)
    with short_memory():
        ledger = story.ledger()
    assert order in ledger.orders


def test_exit_that_was_cancelled_by_the_broker_is_no_point_to_let_go_at() -> None:
    story = Story()
    operation = story.operation()
    story.trade(operation, Side.BUY, "100", "1")
    execution = story.trade(operation, Side.SELL, "110", "1")
    story.correct(execution, "110", "0")
    for _ in range(20):
        story.tell(e.NoteAdded(text="time goes by"), operation)
    story.trade(operation, Side.SELL, "120", "1")
    with short_memory():
        (state,) = story.ledger().state.operations.values()
    assert state.totals.gross_pnl == 20
    assert state.position is None
