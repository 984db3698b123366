"""What recovery would do now, without doing it: who would be asked about, what differs, what each policy decides. Pure.

A plan is made from the ledger and from what the broker answers to questions. It follows the same functions that
recovery itself uses; what will be different when it runs is the market.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from live_trading.brokers.types import Absent, AccountSnapshot, Found, Unknown
from live_trading.domain.entries import RecoveryDecided
from live_trading.domain.ids import Kind, derived_id
from live_trading.domain.operation import OperationSettings
from live_trading.domain.values import OperationStatus, OrderStatus
from live_trading.projections.ledger import Ledger
from live_trading.projections.state import Operation, Order
from live_trading.recovery.policies import TrustedPrice, decide
from live_trading.recovery.reconcile import Difference, differences

Answer = Found | Absent | Unknown


@dataclass(frozen=True, slots=True)
class Doubt:
    """An order whose fate recovery would find out; ``answer`` is what the broker says now."""

    order: Order
    answer: str


@dataclass(slots=True)
class RecoveryPlan:
    """What would be done. ``broker_error`` says why the broker's side is missing, where it is."""

    sequence_number: int
    after_crash: bool
    broker_error: str | None = None
    doubts: list[Doubt] = field(default_factory=list)
    missing_fills: list[str] = field(default_factory=list)
    gone_orders: list[str] = field(default_factory=list)
    external_orders: list[str] = field(default_factory=list)
    differences: list[Difference] = field(default_factory=list)
    standing_intents: list[Operation] = field(default_factory=list)
    decisions: list[tuple[Operation, RecoveryDecided]] = field(default_factory=list)

    @property
    def is_quiet(self) -> bool:
        """Whether recovery would only connect and go on."""
        return not (
            self.doubts
            or self.missing_fills
            or self.gone_orders
            or self.external_orders
            or self.differences
            or self.standing_intents
            or self.decisions
        )


def doubtful_orders(ledger: Ledger, broker: str) -> list[Order]:
    """The orders recovery would ask about: without an answer in the journal, or with a doubt."""
    return [
        order
        for order in ledger.orders.values()
        if order.broker == broker
        and (order.status.is_uncertain or order.doubt or order.cancel_requested or order.modify_requested)
    ]


def open_operations(ledger: Ledger, broker: str) -> list[Operation]:
    """The broker's operations that a crash policy applies to: they hold something and nothing has been decided about
    it."""
    return [
        operation
        for operation in ledger.state.operations.values()
        if operation.broker == broker
        if operation.quantity and operation.exit_intent is None and operation.status is not OperationStatus.CLOSED
    ]


def make_plan(
    ledger: Ledger,
    broker: str,
    snapshot: AccountSnapshot | None,
    answers: Mapping[str, Answer],
    prices: Mapping[str, TrustedPrice],
) -> RecoveryPlan:
    """``snapshot``: the broker's state with all executions after the ledger's cursor; None when it cannot be had."""
    plan = RecoveryPlan(ledger.sequence_number, after_crash=not ledger.state.stopped)
    for order in doubtful_orders(ledger, broker):
        plan.doubts.append(Doubt(order, _told(answers.get(order.client_order_id))))
    if snapshot is not None:
        _compare(plan, ledger, broker, snapshot)
    plan.standing_intents = [
        operation
        for operation in ledger.state.operations.values()
        if operation.broker == broker
        if operation.exit_intent is not None or operation.status is OperationStatus.CLOSING
    ]
    if plan.after_crash:
        for operation in open_operations(ledger, broker):
            settings = OperationSettings.model_validate(operation.settings)
            plan.decisions.append((operation, decide(operation, settings, prices.get(operation.symbol))))
    return plan


def _told(answer: Answer | None) -> str:
    match answer:
        case Found(order):
            return f"the broker has it: {order.status.value}, filled {order.filled_quantity:f} of {order.quantity:f}"
        case Absent(evidence):
            return f"the broker does not have it ({evidence}); asked again until that is proof"
        case Unknown(reason):
            return f"not settled: {reason}"
        case None:
            return "the broker cannot be asked now"


def _compare(plan: RecoveryPlan, ledger: Ledger, broker: str, snapshot: AccountSnapshot) -> None:
    for execution in snapshot.executions:
        known = ledger.execution(broker, execution.execution_id) is not None
        seen = f"{broker}|{execution.execution_id}" in ledger.state.external_fills
        if not known and not seen:
            plan.missing_fills.append(
                f"{execution.execution_id}: {execution.side} {execution.quantity:f} {execution.symbol} "
                f"at {execution.price:f} (order {execution.client_order_id or 'of somebody else'})"
            )
    working = {order.client_order_id for order in snapshot.orders}
    plan.gone_orders = [
        f"{order.client_order_id}: {order.purpose.value} {order.side} {order.quantity:f} {order.symbol}"
        for order in ledger.orders.values()
        if order.broker == broker
        and order.status in (OrderStatus.PLACED, OrderStatus.PARTIALLY_FILLED)
        and order.client_order_id not in working
    ]
    plan.external_orders = [
        f"{order.broker_order_id}: {order.side} {order.quantity:f} {order.symbol}"
        for order in snapshot.orders
        if order.client_order_id is None or ledger.order(order.client_order_id) is None
    ]
    plan.differences = differences(ledger, broker, snapshot.positions)


def plan_fields(plan: RecoveryPlan) -> dict[str, Any]:
    """A plan as plain values."""
    return {
        "sequence_number": plan.sequence_number,
        "after_crash": plan.after_crash,
        "broker_error": plan.broker_error,
        "in_doubt": [
            {
                "client_order_id": doubt.order.client_order_id,
                "symbol": doubt.order.symbol,
                "status": doubt.order.status.value,
                "answer": doubt.answer,
            }
            for doubt in plan.doubts
        ],
        "missing_fills": plan.missing_fills,
        "orders_no_longer_working": plan.gone_orders,
        "external_orders": plan.external_orders,
        "position_differences": [
            {"symbol": each.symbol, "journal": f"{each.ledger_quantity:f}", "broker": f"{each.broker_quantity:f}"}
            for each in plan.differences
        ],
        "intents_carried_on": [
            {"operation_id": _id(operation), "symbol": operation.symbol, "reason": _intent(operation)}
            for operation in plan.standing_intents
        ],
        "decisions": [_decision_fields(operation, decided) for operation, decided in plan.decisions],
    }


def _id(operation: Operation) -> str:
    return str(derived_id(Kind.OPERATION, operation.number))


def _intent(operation: Operation) -> str:
    return operation.exit_intent.reason if operation.exit_intent is not None else "the operation is closing"


def _decision_fields(operation: Operation, decided: RecoveryDecided) -> dict[str, Any]:
    return {"operation_id": _id(operation), **decided.model_dump(mode="json")}
