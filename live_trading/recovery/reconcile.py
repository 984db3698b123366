"""Reconciling one account: what the broker says happened against what the journal says.

Only the broker's own executions move the ledger; nothing synthetic is ever written to make two numbers agree. What
differs in the end is shown, the operations concerned are held, and a person decides.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal

from live_trading.brokers.types import Absent, AccountSnapshot, BrokerOrder, BrokerPosition, Found
from live_trading.domain.entries import (
    Draft,
    OperationFailed,
    PositionDiscrepancyFound,
    PositionDiscrepancyResolved,
)
from live_trading.domain.ids import Kind, derived_id
from live_trading.domain.values import OperationStatus, OrderStatus
from live_trading.orders.order_manager import OrderManager
from live_trading.projections.ledger import Ledger
from live_trading.projections.state import ZERO, Order
from live_trading.recovery.doubts import DoubtResolver
from live_trading.runtime import Runtime

_LOOKS = 4
_PAUSE = 0.5
"""Positions are compared up to four times, half a second apart, before a difference counts: fills may be on their
way."""


@dataclass(slots=True)
class Reconciliation:
    """What one pass found."""

    fills_recovered: int = 0
    orders_in_doubt: int = 0
    discrepancies: int = 0


@dataclass(frozen=True, slots=True)
class Difference:
    """One instrument whose position differs."""

    symbol: str
    ledger_quantity: Decimal
    broker_quantity: Decimal


def differences(ledger: Ledger, broker: str, positions: Iterable[BrokerPosition]) -> list[Difference]:
    """Where the broker's positions are not the ledger's. Pure."""
    theirs = {position.symbol: position.quantity for position in positions}
    ours = {op.symbol for op in ledger.state.operations.values() if op.broker == broker}
    foreign = {key.split("|", 1)[1] for key in ledger.state.foreign_quantities if key.startswith(f"{broker}|")}
    result = []
    for symbol in sorted(ours | foreign | set(theirs)):
        expected, found = ledger.net_quantity(broker, symbol), theirs.get(symbol, ZERO)
        if expected != found:
            result.append(Difference(symbol, expected, found))
    return result


class Reconciler:
    """Reconciles one broker account, at connecting and from time to time."""

    def __init__(self, orders: OrderManager, doubts: DoubtResolver, runtime: Runtime) -> None:
        self._orders = orders
        self._doubts = doubts
        self._runtime = runtime
        self._broker = orders.broker

    async def at_connecting(self, snapshot: AccountSnapshot) -> Reconciliation:
        """Take in a fresh snapshot: executions first, then orders, then doubts, then positions."""
        result = Reconciliation()
        result.fills_recovered = await self._orders.take_executions(snapshot.executions, snapshot.cursor)
        await self._take_orders(snapshot.orders, exactly=True)
        result.orders_in_doubt = await self._doubts.ask_all()
        result.discrepancies = await self._compare_positions(snapshot.positions)
        return result

    async def again(self) -> Reconciliation:
        """The same while running: whatever a healthy-looking stream left out is found here."""
        result = Reconciliation()
        result.fills_recovered = await self._orders.catch_up_executions()
        await self._take_orders(await self._broker.open_orders())
        result.orders_in_doubt = await self._doubts.ask_all()
        result.discrepancies = await self._compare_positions(await self._broker.positions())
        self._orders.forget_ended()
        return result

    async def _take_orders(self, open_orders: Sequence[BrokerOrder], *, exactly: bool = False) -> None:
        """Working orders of the broker; then those of ours that it no longer works: what became of them?"""
        seen = {order.client_order_id for order in open_orders}
        before = self._orders.live.ledger.sequence_number
        for update in open_orders:
            await self._orders.on_order(update, exactly=exactly)
        for order in list(self._orders.live.ledger.orders.values()):
            is_ours = order.broker == self._broker.name and order.client_order_id not in seen
            was_working = order.status in (OrderStatus.PLACED, OrderStatus.PARTIALLY_FILLED)
            if is_ours and was_working and order.number <= before:
                answer = await self._broker.find_order(order.client_order_id)
                if isinstance(answer, Found):
                    await self._orders.on_order(answer.order)
                elif isinstance(answer, Absent) and order.doubt is None and self._is_visible(order):
                    await self._orders.missing(order, answer.evidence)

    def _is_visible(self, order: Order) -> bool:
        """Whether the broker had the time to show an order that this engine sent."""
        sent = self._orders.sent_at.get(order.client_order_id)
        delay = self._broker.capabilities.absence_definitive_after or 0.0
        return sent is None or self._runtime.clock.monotonic() - sent >= delay

    async def _compare_positions(self, positions: Sequence[BrokerPosition]) -> int:
        live, broker = self._orders.live, self._broker
        found = differences(live.ledger, broker.name, positions)
        for _ in range(_LOOKS - 1):
            if not found or self._explained(found):
                break
            await self._runtime.clock.sleep(_PAUSE)
            await self._orders.catch_up_executions()
            found = differences(live.ledger, broker.name, await broker.positions())
        await self._agree(found)
        if self._explained(found):
            return 0
        for difference in found:
            await self._disagree(difference)
        return len(found)

    def _explained(self, found: list[Difference]) -> bool:
        """Differences are not judged while orders are in doubt: they may be what makes the difference."""
        symbols = {difference.symbol for difference in found}
        return any(
            order.symbol in symbols and order.status.is_uncertain and order.status is not OrderStatus.NEEDS_OPERATOR
            for order in self._orders.live.ledger.orders.values()
            if order.broker == self._broker.name
        )

    async def _agree(self, found: list[Difference]) -> None:
        """Discrepancies of before that are gone."""
        live, differing = self._orders.live, {difference.symbol for difference in found}
        gone = [
            Draft(
                PositionDiscrepancyResolved(broker=known.broker, symbol=known.symbol, resolution="agreed"),
                actor="recovery",
            )
            for known in live.ledger.state.discrepancies.values()
            if known.broker == self._broker.name and known.symbol not in differing
        ]
        if gone:
            await live.append(*gone)

    async def _disagree(self, difference: Difference) -> None:
        live, name = self._orders.live, self._broker.name
        known = live.ledger.state.discrepancies.get(f"{name}|{difference.symbol}")
        if known is not None and (
            (known.ledger_quantity, known.broker_quantity) == (difference.ledger_quantity, difference.broker_quantity)
        ):
            return
        data = PositionDiscrepancyFound(
            broker=name,
            symbol=difference.symbol,
            ledger_quantity=difference.ledger_quantity,
            broker_quantity=difference.broker_quantity,
        )
        drafts = [Draft(data, actor="recovery")]
        for operation in live.ledger.state.operations.values():
            is_concerned = operation.broker == name and operation.symbol == difference.symbol
            if is_concerned and operation.status in (OperationStatus.ACTIVE, OperationStatus.PAUSED):
                detail = f"the broker holds {difference.broker_quantity:f}, the journal {difference.ledger_quantity:f}"
                failed = OperationFailed(reason="position discrepancy", detail=detail)
                drafts.append(Draft(failed, derived_id(Kind.OPERATION, operation.number), "recovery"))
        await live.append(*drafts)
