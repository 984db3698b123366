"""Bugs in what is made of what the broker tells, and of what it does not."""

from collections.abc import Sequence
from contextlib import ExitStack
from decimal import Decimal
from typing import Any

from msgspec import structs

from live_trading.brokers.errors import BrokerError
from live_trading.brokers.in_process import InProcessBroker
from live_trading.brokers.types import Absent, BrokerPosition, Execution, Unknown
from live_trading.domain.entries import (
    Draft,
    OrderNotPlaced,
)
from live_trading.orders import facts
from live_trading.orders.order_manager import OrderManager
from live_trading.recovery.doubts import DoubtResolver
from live_trading.recovery.reconcile import Reconciler
from live_trading.simulation.mutants.base import put


def fills_counted_twice(stack: ExitStack) -> None:
    """A fill that is told twice is counted twice."""
    from_execution = facts.from_execution

    def counted(ledger: Any, broker: str, execution: Execution, **rest: Any) -> list[Draft]:
        if ledger.execution(broker, execution.execution_id) is not None and not execution.revision:
            execution = structs.replace(execution, execution_id=f"{execution.execution_id}/{ledger.sequence_number}")
        return from_execution(ledger, broker, execution, **rest)

    put(stack, facts, "from_execution", counted)


def late_fills_dropped(stack: ExitStack) -> None:
    """A fill of an order that was thought over is dropped."""
    from_execution = facts.from_execution

    def dropped(ledger: Any, broker: str, execution: Execution, **rest: Any) -> list[Draft]:
        order = facts.find(ledger, broker, execution.client_order_id, execution.broker_order_id)
        if order is not None and order.status.is_terminal and ledger.execution(broker, execution.execution_id) is None:
            return []
        return from_execution(ledger, broker, execution, **rest)

    put(stack, facts, "from_execution", dropped)


def commissions_dropped(stack: ExitStack) -> None:
    """A commission that comes after its fill is dropped."""
    put(stack, facts, "from_commission", lambda *_: [])


def commissions_in_floats(stack: ExitStack) -> None:
    """Commissions pass through binary floating point on their way."""
    from_commission = facts.from_commission

    def rounded(ledger: Any, broker: str, report: Any) -> list[Draft]:
        inexact = Decimal(float(report.commission) + 1e-9).quantize(Decimal("1e-12"))
        return from_commission(ledger, broker, structs.replace(report, commission=inexact))

    put(stack, facts, "from_commission", rounded)


def corrections_dropped(stack: ExitStack) -> None:
    """A correction of a fill that is known is dropped."""
    put(stack, facts, "_news_of", lambda *_: [])


def fills_while_down_not_asked_for(stack: ExitStack) -> None:
    """Executions of the time while the engine was down, or not connected, are not read back."""

    async def skipped(self: OrderManager, executions: Any, cursor: str) -> int:
        self.cursor = cursor
        return 0

    put(stack, OrderManager, "take_executions", skipped)


def absence_at_once(stack: ExitStack) -> None:
    """An order that the broker does not find is taken for absent at once, before its visibility delay."""

    async def concluded(self: DoubtResolver, order: Any, answer: Absent) -> None:
        if order.status.is_uncertain and not order.filled_quantity:
            not_placed = OrderNotPlaced(client_order_id=order.client_order_id, evidence=answer.evidence)
            await self.orders.live.append(facts.about(order, not_placed, "x"))

    put(stack, DoubtResolver, "_absent", concluded)


def unknown_taken_for_absent(stack: ExitStack) -> None:
    """A question that failed is taken for the answer "there is none"."""
    find_order = InProcessBroker.find_order

    async def emptied(self: InProcessBroker, identifier: str) -> Any:
        try:
            answer = await find_order(self, identifier)
        except BrokerError as error:
            return Absent(str(error))
        return Absent(answer.reason) if isinstance(answer, Unknown) else answer

    put(stack, InProcessBroker, "find_order", emptied)
    absence_at_once(stack)


def failed_positions_taken_for_flat(stack: ExitStack) -> None:
    """A question about positions that failed is taken for "flat"."""
    positions = InProcessBroker.positions

    async def flat(self: InProcessBroker) -> Sequence[BrokerPosition]:
        try:
            return await positions(self)
        except BrokerError:
            return []

    async def adopted(self: Reconciler, difference: Any) -> None:
        if not difference.broker_quantity:
            await _forget(self, difference.symbol)
        else:
            await disagree(self, difference)

    disagree = Reconciler._disagree
    put(stack, InProcessBroker, "positions", flat)
    put(stack, Reconciler, "_disagree", adopted)


async def _forget(reconciler: Reconciler, symbol: str) -> None:
    """Take every operation on a symbol for flat: cancel what guards it."""
    live = reconciler._orders.live
    for operation in live.ledger.state.operations.values():
        if operation.symbol == symbol:
            for order in live.ledger.working_orders(operation):
                await reconciler._orders.cancel(order, "the broker is flat")
            operation.position, operation.lots = None, []


def differences_ignored(stack: ExitStack) -> None:
    """A position at the broker that is not ours is not noticed."""

    async def ignored(self: Reconciler, difference: Any) -> None:
        return None

    put(stack, Reconciler, "_disagree", ignored)
