"""An order's life in the ledger, also where the entries come in an order nobody would wish for."""

from decimal import Decimal
from typing import Any

import pytest
from bson import ObjectId

from live_trading.domain import entries as e
from live_trading.domain.ids import Kind, derived_id
from live_trading.domain.values import (
    CrashRecoveryMode,
    DoubtfulAction,
    OperationStatus,
    OrderStatus,
    RecoveryDecision,
    Side,
    SignalType,
)
from live_trading.journal.errors import GapDetected, UnknownEntry
from live_trading.projections import Ledger, apply
from live_trading.projections.state import Operation, Order
from tests.stories import BROKER, START, D, Story, fold, shelve


class Case:
    """A story with one operation and one order of 10, and the order as it ends."""

    def __init__(self) -> None:
        self.story = Story()
        self.operation = self.story.operation()
        self.id = self.story.order(self.operation, Side.BUY, "10")

    def then(self, *facts: e.EntryData) -> "Case":
        for fact in facts:
            self.story.about(self.id, fact)
        return self

    def fill(self, quantity: str, **rest: Any) -> "Case":
        self.story.fill(self.id, "100", quantity, **rest)
        return self

    @property
    def ledger(self) -> Ledger:
        return self.story.ledger()

    @property
    def order(self) -> Order:
        return self.ledger.orders[self.id]

    @property
    def state(self) -> Operation:
        return next(iter(self.ledger.state.operations.values()))

    def placed(self) -> e.OrderPlaced:
        return e.OrderPlaced(client_order_id=self.id, broker_order_id="B1")

    def doubt(self, action: DoubtfulAction = DoubtfulAction.PLACE) -> e.OrderInDoubt:
        return e.OrderInDoubt(client_order_id=self.id, action=action, cause="timeout")

    def not_placed(self) -> e.OrderNotPlaced:
        return e.OrderNotPlaced(client_order_id=self.id, evidence="the broker never had it")

    def cancelled(self) -> e.OrderCancelled:
        return e.OrderCancelled(client_order_id=self.id, reason="asked")

    def cancel(self) -> e.OrderCancelRequested:
        return e.OrderCancelRequested(client_order_id=self.id)


@pytest.fixture
def case() -> Case:
    return Case()


def test_order_is_pending_then_placed_then_partially_and_wholly_filled(case: Case) -> None:
    assert case.order.status is OrderStatus.PENDING
    assert case.then(case.placed()).order.status is OrderStatus.PLACED
    assert case.order.broker_order_id == "B1"
    assert case.fill("4").order.status is OrderStatus.PARTIALLY_FILLED
    assert case.order.remaining == 6
    assert case.fill("6").order.status is OrderStatus.FILLED
    assert not case.ledger.working_orders(case.state)


def test_order_in_doubt_that_the_broker_has_is_placed(case: Case) -> None:
    assert case.then(case.doubt()).order.status is OrderStatus.IN_DOUBT
    order = case.then(case.placed()).order
    assert (order.status, order.doubt, order.detail) == (OrderStatus.PLACED, None, "")


def test_order_in_doubt_that_is_filled_is_in_doubt_no_more(case: Case) -> None:
    order = case.then(case.doubt()).fill("4").order
    assert (order.status, order.doubt) == (OrderStatus.PARTIALLY_FILLED, None)


def test_doubt_that_comes_after_the_answer_is_none(case: Case) -> None:
    order = case.then(case.placed(), case.doubt()).order
    assert (order.status, order.doubt) == (OrderStatus.PLACED, None)
    order = case.fill("10").then(case.doubt(DoubtfulAction.CANCEL)).order
    assert (order.status, order.doubt) == (OrderStatus.FILLED, None)


def test_order_that_needs_an_operator_is_resolved_by_whatever_is_found(case: Case) -> None:
    case.then(case.doubt(), e.OrderNeedsOperator(client_order_id=case.id, evidence="asked five times"))
    assert case.order.status is OrderStatus.NEEDS_OPERATOR
    assert case.then(case.not_placed()).order.status is OrderStatus.NOT_PLACED


def test_fill_arriving_after_not_placed_is_applied_and_the_rest_may_still_fill(case: Case) -> None:
    case.then(case.doubt(), case.not_placed()).fill("4")
    assert case.order.status is OrderStatus.PARTIALLY_FILLED
    assert case.state.quantity == 4
    assert case.ledger.working_orders(case.state)
    assert case.then(case.not_placed()).order.status is OrderStatus.PARTIALLY_FILLED


@pytest.mark.parametrize("status", ["CANCELLED", "EXPIRED", "REJECTED"])
def test_fill_arriving_after_the_end_is_applied_and_the_rest_stays_ended(case: Case, status: str) -> None:
    ends: dict[str, e.EntryData] = {
        "CANCELLED": case.cancelled(),
        "EXPIRED": e.OrderExpired(client_order_id=case.id),
        "REJECTED": e.OrderRejected(client_order_id=case.id, code="201", text="margin"),
    }
    case.then(case.placed(), ends[status]).fill("4")
    assert case.order.status == status
    assert case.order.filled_quantity == 4
    assert case.state.quantity == 4
    assert case.fill("6").order.status is OrderStatus.FILLED


def test_second_end_changes_nothing(case: Case) -> None:
    case.then(case.placed()).fill("10").then(case.cancelled(), case.not_placed())
    assert case.order.status is OrderStatus.FILLED
    assert case.order.cancelled_at is None


def test_cancel_is_under_way_until_the_order_ends(case: Case) -> None:
    case.then(case.placed(), case.cancel(), case.doubt(DoubtfulAction.CANCEL))
    assert case.order.cancel_requested is not None
    assert (case.order.status, case.order.doubt) == (OrderStatus.PLACED, DoubtfulAction.CANCEL)
    order = case.then(case.cancelled()).order
    assert (order.status, order.doubt, order.cancel_requested) == (OrderStatus.CANCELLED, None, None)


def test_modification_to_what_is_filled_already_ends_the_order(case: Case) -> None:
    case.then(case.placed()).fill("4").then(
        e.OrderModifyRequested(client_order_id=case.id, quantity=D(4)),
        case.doubt(DoubtfulAction.MODIFY),
        e.OrderModified(client_order_id=case.id, quantity=D(4)),
    )
    order = case.order
    assert (order.status, order.doubt, order.modify_requested) == (OrderStatus.FILLED, None, None)


def test_execution_told_twice_is_counted_once(case: Case) -> None:
    case.fill("4", execution_id="same").fill("4", execution_id="same")
    assert case.order.filled_quantity == case.state.quantity == 4
    assert "second time" in case.ledger.state.anomalies[0].text


def test_fill_under_another_operations_id_is_counted_where_its_order_belongs(case: Case) -> None:
    other = case.story.operation()
    case.story.fill(case.id, "100", "4")
    last = case.story.entries[-1]
    case.story.entries[-1] = last._replace(operation_id=other)
    assert case.state.quantity == 4
    assert case.ledger.operation(other).quantity == 0  # type: ignore[union-attr]


def test_order_requested_twice_is_one_order(case: Case) -> None:
    case.fill("4")
    request = next(entry for entry in case.story.entries if isinstance(entry.data, e.OrderRequested))
    case.story.tell(request.data, request.operation_id)
    assert case.order.filled_quantity == 4
    assert "second time" in case.ledger.state.anomalies[0].text


UNKNOWN = derived_id(Kind.OPERATION, 999)
NOBODY = "A" * 20


@pytest.mark.parametrize(
    "fact",
    [
        e.OrderPlaced(client_order_id=NOBODY, broker_order_id="1"),
        e.OrderCancelled(client_order_id=NOBODY),
        e.OrderFilled(
            client_order_id=NOBODY,
            execution_id="x",
            broker=BROKER,
            symbol="EUR-USD",
            side=Side.BUY,
            price=D(1),
            quantity=D(1),
            executed_at=START,
        ),
        e.FillCorrected(execution_id="x", revision="1", price=D(1), quantity=D(1)),
        e.CommissionReported(execution_id="x", commission=D(1), currency="USD"),
        e.OperationPaused(),
        e.ProtectionSet(),
        e.RecoveryDecided(
            mode=CrashRecoveryMode.RESUME,
            symbol="EUR-USD",
            quantity=D(1),
            decision=RecoveryDecision.KEEP,
            reason="kept",
        ),
    ],
    ids=lambda fact: type(fact).__name__,
)
@pytest.mark.parametrize("operation_id", [None, UNKNOWN])
def test_what_fits_nothing_is_noted_and_changes_nothing(fact: e.EntryData, operation_id: ObjectId | None) -> None:
    story = Story()
    story.operation()
    before = story.ledger()
    story.tell(fact, operation_id)
    ledger = story.ledger()
    assert [anomaly.number for anomaly in ledger.state.anomalies] == [3]
    assert ledger.state.operations == before.state.operations
    assert len(shelve(story.entries).documents) == 1


@pytest.mark.parametrize("operation_id", [None, derived_id(Kind.OPERATION, 2)])
def test_operation_without_an_id_of_its_own_is_noted(operation_id: ObjectId | None) -> None:
    story = Story()
    first = story.operation()
    story.trade(first, Side.BUY, "100", "1")
    created = next(entry.data for entry in story.entries if isinstance(entry.data, e.OperationCreated))
    story.tell(created, operation_id)
    ledger = story.ledger()
    assert len(ledger.state.anomalies) == 1
    assert [operation.quantity for operation in ledger.state.operations.values()] == [1]


def test_unknown_entry_and_a_gap_stop_the_fold() -> None:
    story = Story()
    story.operation()
    strange = story.entries[1]._replace(action_type="TEA_SERVED")
    with pytest.raises(UnknownEntry, match="TEA_SERVED"):
        fold([story.entries[0], strange])
    with pytest.raises(GapDetected):
        apply(Ledger(), story.entries[1])


def test_exit_intent_stands_until_the_position_is_flat() -> None:
    story = Story()
    operation = story.operation()
    story.trade(operation, Side.BUY, "100", "2")
    story.tell(e.PositionCloseRequested(reason="a person"), operation)
    exit_ = story.order(operation, Side.SELL, "2")
    story.fill(exit_, "101", "1")
    assert shelve(story.entries).of("trading_operations")[0]["exit_intent"]["reason"] == "a person"
    story.fill(exit_, "101", "1")
    assert shelve(story.entries).of("trading_operations")[0]["exit_intent"] is None


def test_signal_to_exit_is_an_intent_only_while_a_position_is_open() -> None:
    story = Story()
    operation = story.operation()
    signal = e.SignalGenerated(
        signal=SignalType.EXIT,
        symbol="EUR-USD",
        strategy_name="MomentumStrategy",
        bar_size="1 hour",
        bar_start=START,
        price=D(1),
        reason="cross",
    )
    story.tell(signal, operation)
    assert next(iter(story.ledger().state.operations.values())).exit_intent is None
    story.trade(operation, Side.BUY, "100", "2")
    story.tell(signal, operation)
    assert next(iter(story.ledger().state.operations.values())).exit_intent is not None


def test_recovery_decision_is_shown_by_the_operation() -> None:
    story = Story()
    operation = story.operation()
    story.trade(operation, Side.BUY, "100", "2")
    decided = e.RecoveryDecided(
        mode=CrashRecoveryMode.CLOSE_ALL,
        symbol="EUR-USD",
        quantity=D(2),
        decision=RecoveryDecision.CLOSE,
        reason="crashed",
    )
    story.tell(decided, operation)
    (document,) = shelve(story.entries, [4]).of("trading_operations")
    assert document["last_recovery"]["decision"] == "CLOSE"
    assert document["exit_intent"]["recovery"] is True
    assert document["sequence_number"] == 5


def test_updated_settings_fold_to_the_same_bytes_from_a_snapshot() -> None:
    story = Story()
    operation = story.operation()
    story.tell(e.OperationUpdated(changes={"quantity": Decimal("5.50"), "strategy_config": {"n": 3}}), operation)
    ledger = story.ledger()
    assert Ledger.from_bytes(ledger.to_bytes()).state == ledger.state
    assert shelve(story.entries).of("trading_operations")[0]["quantity"].to_decimal() == D("5.5")


def test_paused_failed_and_closing_operations_end_as_they_should() -> None:
    story = Story()
    operation = story.operation()

    def status() -> OperationStatus:
        return next(iter(story.ledger().state.operations.values())).status

    story.tell(e.OperationPaused(reason="lunch"), operation)
    assert status() is OperationStatus.PAUSED
    story.tell(e.OperationFailed(reason="strategy"), operation)
    assert status() is OperationStatus.ERROR
    story.tell(e.OperationResumed(), operation)
    assert status() is OperationStatus.ACTIVE
    story.tell(e.OperationClosing(), operation)
    story.tell(e.OperationFailed(reason="late"), operation)
    assert status() is OperationStatus.CLOSING
    story.tell(e.OperationClosed(), operation)
    story.tell(e.OperationResumed(), operation)
    assert status() is OperationStatus.CLOSED
