"""Orders in doubt: asking the broker until their fate is known, or a person is needed. Never guessing, never sending
again.

An order is proved absent only when the broker says so *after* its visibility delay, counted from the last moment at
which the order could have been sent. For orders of an earlier engine that moment is before this process took the lease
over: a holder's sends end with its lease.

A cancel or a change that an earlier engine asked for, and whose answer is not in the journal, is in doubt as well: it
may never have left.
"""

import asyncio
from dataclasses import dataclass, field

from live_trading.brokers.errors import BrokerError
from live_trading.brokers.types import Absent, BrokerOrder, Found, Unknown
from live_trading.domain.entries import (
    Draft,
    OperationFailed,
    OrderInDoubt,
    OrderModified,
    OrderNeedsOperator,
    OrderNotPlaced,
)
from live_trading.domain.values import DoubtfulAction, OrderStatus
from live_trading.orders.facts import about, operation_id_of
from live_trading.orders.order_manager import OrderManager
from live_trading.projections.state import Order
from live_trading.runtime import Runtime


@dataclass(slots=True)
class DoubtResolver:
    """Resolves what is in doubt at one broker account.

    ``patience``: seconds after which an answer that does not settle it becomes a question for a person; it is asked on
    even then, and an answer still counts.
    """

    orders: OrderManager
    runtime: Runtime
    patience: float
    started_at: float = 0.0
    started_after: int = 0
    """The last entry of before this engine."""
    resolved: int = 0
    _first_asked: dict[str, float] = field(default_factory=dict)
    _told: set[str] = field(default_factory=set)
    _asking: asyncio.Lock = field(default_factory=asyncio.Lock)

    def __post_init__(self) -> None:
        self.started_at = self.runtime.clock.monotonic()
        self.started_after = self.orders.live.ledger.sequence_number

    def in_doubt(self) -> list[Order]:
        """The account's orders whose fate, or whose change's or cancel's fate, is unknown.

        One that this engine asks for itself is not: it may be on its way to be sent in this very moment."""
        broker = self.orders.broker.name
        return [
            order
            for order in self.orders.live.ledger.orders.values()
            if order.broker == broker
            and (
                order.doubt is not None
                or order.status in (OrderStatus.IN_DOUBT, OrderStatus.NEEDS_OPERATOR)
                or (order.status is OrderStatus.PENDING and order.number <= self.started_after)
                or self._left_behind(order) is not None
            )
            and (not order.status.is_terminal or order.doubt is not None)
        ]

    def _left_behind(self, order: Order) -> DoubtfulAction | None:
        """What an earlier engine asked for of an order, without writing down what came of it."""
        if order.cancel_requested is not None and order.cancel_requested <= self.started_after:
            return DoubtfulAction.CANCEL
        if order.modify_requested is not None and order.modify_requested <= self.started_after:
            return DoubtfulAction.MODIFY
        return None

    async def ask_all(self) -> int:
        """Ask once about each order in doubt. Returns how many are still in doubt."""
        async with self._asking:  # reconciling and resolving both ask; one at a time is enough
            for order in self.in_doubt():
                await self._ask(order)
        return len(self.in_doubt())

    async def _ask(self, order: Order) -> None:
        identifier = order.client_order_id
        action = DoubtfulAction.PLACE if order.status is OrderStatus.PENDING else self._left_behind(order)
        if action is not None and order.doubt is None:
            cause = "no answer was recorded before a restart"
            doubt = OrderInDoubt(client_order_id=identifier, action=action, cause=cause)
            await self.orders.live.append(about(order, doubt, "recovery"))
        self._first_asked.setdefault(identifier, self.runtime.clock.monotonic())
        try:
            answer = await self.orders.broker.find_order(identifier)
        except BrokerError as error:
            answer = Unknown(str(error))
        if isinstance(answer, Found):
            await self._found(order, answer.order)
        elif isinstance(answer, Absent):
            await self._absent(order, answer)
        else:
            await self._unsettled(order, answer.reason)
        if order.status.is_terminal or (order.doubt is None and not order.status.is_uncertain):
            self._first_asked.pop(identifier, None)
            self._told.discard(identifier)

    async def _found(self, order: Order, found: BrokerOrder) -> None:
        doubt = order.doubt
        await self.orders.on_order(found)
        self.resolved += 1
        if order.status.is_terminal:
            return
        if doubt is DoubtfulAction.CANCEL:
            await self.orders.send_cancel(order)
        elif doubt is DoubtfulAction.MODIFY and order.doubt is DoubtfulAction.MODIFY:
            holds = OrderModified(
                client_order_id=order.client_order_id,
                quantity=found.quantity or None,
                limit_price=found.limit_price,
                stop_price=found.stop_price,
            )
            await self.orders.live.append(about(order, holds, f"broker:{self.orders.broker.name}"))

    async def _absent(self, order: Order, answer: Absent) -> None:
        delay = self.orders.broker.capabilities.absence_definitive_after
        if delay is None or (order.broker_order_id is not None and order.filled_quantity == 0):
            # A broker that had the order and now does not know it is no proof of anything.
            await self._unsettled(order, f"not found: {answer.evidence}")
            return
        since = self.runtime.clock.monotonic() - self.orders.sent_at.get(order.client_order_id, self.started_at)
        if since < delay:
            return
        await self.orders.catch_up_executions()
        evidence = f"absent {since:.1f} s after the last possible send (needed: {delay:g} s): {answer.evidence}"
        not_placed = OrderNotPlaced(client_order_id=order.client_order_id, evidence=evidence)
        if order.status.is_uncertain and not order.filled_quantity:
            await self.orders.live.append(about(order, not_placed, f"broker:{self.orders.broker.name}"))
            self.resolved += 1
        elif order.doubt is not None:
            # Filled in part, so the broker had it: what became of the rest it does not say.
            await self._unsettled(order, f"not found: {answer.evidence}")

    async def _unsettled(self, order: Order, reason: str) -> None:
        waited = self.runtime.clock.monotonic() - self._first_asked[order.client_order_id]
        told = order.status is OrderStatus.NEEDS_OPERATOR or order.client_order_id in self._told
        if told or waited < self.patience:
            return
        self._told.add(order.client_order_id)
        evidence = f"asked for {waited:.0f} s: {reason}"
        needs = OrderNeedsOperator(client_order_id=order.client_order_id, evidence=evidence)
        failed = OperationFailed(reason="an order in doubt needs a person", detail=f"{order.client_order_id}: {reason}")
        await self.orders.live.append(
            about(order, needs, "recovery"), Draft(failed, operation_id_of(order), "recovery")
        )
