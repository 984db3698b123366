"""The order manager: sends what the journal justifies, and journals what the broker answers.

One for each broker account. The rule it lives by: an intent is durable before a byte of it leaves, and afterwards the
order's fate is one of four: placed, refused (positively), provably never sent, or in doubt. Nothing is sent twice.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal

import msgspec

from live_trading.brokers.base import BrokerAdapter
from live_trading.brokers.errors import InDoubt, Retryable
from live_trading.brokers.types import (
    Bracket,
    BrokerOrder,
    CommissionReport,
    Execution,
    OrderChange,
    OrderRequest,
    Placed,
    Rejected,
)
from live_trading.domain.entries import (
    ENGINE,
    PREVIOUS,
    Cause,
    CircuitBreakerOpened,
    Draft,
    Entry,
    EntryData,
    OrderCancelRequested,
    OrderInDoubt,
    OrderModified,
    OrderModifyRequested,
    OrderNotModified,
    OrderNotPlaced,
    OrderPlaced,
    OrderRejected,
    OrderRequested,
    ProtectionMoved,
    ProtectionSet,
)
from live_trading.domain.ids import Kind, client_order_id, derived_id
from live_trading.domain.instrument import Instrument
from live_trading.domain.values import DoubtfulAction, OperationStatus, OrderPurpose, OrderType, Side, TimeInForce
from live_trading.journal.errors import JournalError
from live_trading.orders import facts
from live_trading.orders.gatekeeper import Gatekeeper
from live_trading.orders.trailing import stands_at
from live_trading.orders.watched import cannot_rest, may_watch, watched
from live_trading.projections.live import LiveLedger
from live_trading.projections.state import Operation, Order
from live_trading.runtime import Runtime, failpoint, within

_Numbered = Callable[[int], EntryData]
_NOT_NAMED = "the entry was acknowledged, and not this protection of it"


class OrderPlan(msgspec.Struct, frozen=True):
    """An order that is about to be asked for. ``stop_loss`` and ``take_profit`` make a bracket of it.

    ``oca_group``: join this one-cancels-all group; ``parent``: the order whose position it protects.
    ``trailing_distance``: of a TRAILING_STOP; of an entry, how far its stop loss is to trail at the broker.
    ``command_id``: of the command that asked for it; the order's request alone carries it.
    """

    side: Side
    order_type: OrderType
    quantity: Decimal
    purpose: OrderPurpose
    reason: str
    limit_price: Decimal | None = None
    stop_price: Decimal | None = None
    time_in_force: TimeInForce = TimeInForce.GTC
    reference_price: Decimal | None = None
    stop_loss: Decimal | None = None
    take_profit: Decimal | None = None
    oca_group: str | None = None
    parent: str | None = None
    trailing_distance: Decimal | None = None
    command_id: str | None = None


class OrderManager:
    """Places, changes and cancels the orders of one broker account."""

    def __init__(
        self,
        live: LiveLedger,
        broker: BrokerAdapter,
        gatekeeper: Gatekeeper,
        runtime: Runtime,
        *,
        order_timeout: float,
        on_doubt: Callable[[], None],
    ) -> None:
        self.live = live
        self.broker = broker
        self.gatekeeper = gatekeeper
        self._runtime = runtime
        self._timeout = order_timeout
        self._on_doubt = on_doubt
        self._facts = asyncio.Lock()
        self.sent_at: dict[str, float] = {}
        """When this process last sent an order, on the steady clock: what absence is measured from."""
        self.cursor: str | None = None
        """Up to here the broker's executions are known to be complete."""

    # ---- asking -----------------------------------------------------------------------------------------------------

    async def place(
        self,
        operation: Operation,
        instrument: Instrument,
        plan: OrderPlan,
        *,
        before: Sequence[Draft] = (),
        caused_by: Entry | Cause | None = None,
        actor: str = ENGINE,
    ) -> Order:
        """Journal ``before`` and the intent in one durable append, then send it. Returns the order as it then is.

        ``before`` is what led to it (a signal); without an explicit cause the order follows from the last of it.
        """
        drafts = list(before) + self._intents(operation, plan, caused_by, actor, len(before))
        try:
            entries = await self.live.append(*drafts)
        finally:
            self.gatekeeper.requested(operation)
        asked = [entry.data for entry in entries[len(before) :] if isinstance(entry.data, OrderRequested)]
        ids = [data.client_order_id for data in asked]
        orders = [self.live.ledger.orders[identifier] for identifier in ids]
        if (reason := self._forbids(operation, plan)) is not None:
            evidence = f"never sent: {reason}"
            await self._tell(orders, lambda o: OrderNotPlaced(client_order_id=o.client_order_id, evidence=evidence))
            return orders[0]
        if plan.purpose.reduces_risk:
            await self._wait_for_token()
        if len(orders) > 1 and self.broker.capabilities.bracket is Bracket.NONE:
            orders = await self._without_protections(orders)
        await self._send(orders, instrument)
        return orders[0]

    def _forbids(self, operation: Operation, plan: OrderPlan) -> str | None:
        """What was journaled between the Gatekeeper's yes and the intent, and forbids to send it now."""
        if plan.purpose.reduces_risk:
            return None
        if self.live.ledger.state.kill_switch is not None:
            return "the kill switch was tripped in the same moment"
        if operation.status is not OperationStatus.ACTIVE:
            return f"the operation became {operation.status.value} in the same moment"
        return None

    async def _without_protections(self, orders: list[Order]) -> list[Order]:
        """The entry alone, for a broker without brackets. Where its protections belong stays in the ledger with what
        became of their first requests; they are placed again when the entry fills."""
        entry, *children = orders
        evidence = f"never sent: {self.broker.name} takes no brackets, it is placed when the entry fills"
        await self._tell(children, lambda o: OrderNotPlaced(client_order_id=o.client_order_id, evidence=evidence))
        failpoint("order.place.alone")
        return [entry]

    def _intents(
        self, operation: Operation, plan: OrderPlan, caused_by: Entry | Cause | None, actor: str, before: int
    ) -> list[Draft]:
        operation_id = derived_id(Kind.OPERATION, operation.number)
        deployment = self.live.journal.deployment_id
        numbers: list[int] = []

        def request(plan: OrderPlan, is_child: bool) -> _Numbered:
            def data(number: int) -> EntryData:
                numbers.append(number)
                # Known as being sent from the moment it has a number, so that nobody takes it for an earlier engine's.
                identifier = client_order_id(deployment, operation_id, number)
                self.sent_at[identifier] = self._runtime.clock.monotonic()
                parent = client_order_id(deployment, operation_id, numbers[0]) if is_child else plan.parent
                return OrderRequested(
                    client_order_id=identifier,
                    broker=operation.broker,
                    symbol=operation.symbol,
                    side=plan.side,
                    order_type=plan.order_type,
                    quantity=plan.quantity,
                    purpose=plan.purpose,
                    limit_price=plan.limit_price,
                    stop_price=plan.stop_price,
                    time_in_force=plan.time_in_force,
                    parent_client_order_id=parent,
                    oca_group=parent if is_child else plan.oca_group,
                    reference_price=plan.reference_price,
                    reason=plan.reason,
                    trailing_distance=plan.trailing_distance if plan.order_type is OrderType.TRAILING_STOP else None,
                    command_id=None if is_child else plan.command_id,
                )

            return data

        cause = caused_by if caused_by is not None else (PREVIOUS if before else None)
        drafts = [Draft(request(plan, False), operation_id, actor, cause)]
        children = _children(plan)
        kept = cannot_rest(self.broker.capabilities, [child.purpose for child in children], attached=True)
        resting = [child for child in children if child.purpose not in kept]
        drafts += [Draft(request(child, True), operation_id, actor, PREVIOUS) for child in resting]
        if plan.purpose is OrderPurpose.ENTRY and may_watch(self.broker.capabilities):
            # What is watched is known before anything is sent, and nothing of an entry that was never filled is left.
            levels = ProtectionSet(stop_loss=plan.stop_loss, take_profit=plan.take_profit)
            drafts.append(Draft(levels, operation_id, actor, PREVIOUS))
        return drafts

    async def _wait_for_token(self) -> None:
        while wait := self.gatekeeper.tokens.take(reduces_risk=True):
            await self._runtime.clock.sleep(wait)

    async def _send(self, orders: list[Order], instrument: Instrument) -> None:
        parent, *children = orders
        request = _request(parent, instrument, tuple(_request(child, instrument, ()) for child in children))
        failpoint("order.send.before")
        for order in orders:
            self.sent_at[order.client_order_id] = self._runtime.clock.monotonic()
        try:
            answer = await within(self._timeout, self.broker.place(request))
        except JournalError:
            raise  # the guard refused: nothing was sent, and this engine is over
        except Retryable as error:
            evidence = f"never sent: {error}"
            await self._tell(orders, lambda o: OrderNotPlaced(client_order_id=o.client_order_id, evidence=evidence))
            await self._count_failure()
            return
        except Exception as error:  # bytes may have left, whatever went wrong afterwards
            await self._doubt(orders, DoubtfulAction.PLACE, error)
            return
        failpoint("order.send.after")
        await self._answered(orders, answer)

    async def _answered(self, orders: list[Order], answer: Placed | Rejected) -> None:
        parent, *children = orders
        if isinstance(answer, Rejected):
            code, text = answer.code, answer.text
            await self._tell(orders, lambda o: OrderRejected(client_order_id=o.client_order_id, code=code, text=text))
            await self._count_failure()
            return
        ids = {parent.client_order_id: answer.broker_order_id, **answer.attached}
        actor = f"broker:{self.broker.name}"
        async with self._facts:
            drafts = [
                facts.about(order, OrderPlaced(client_order_id=identifier, broker_order_id=ids[identifier]), actor)
                for order in orders
                if (identifier := order.client_order_id) in ids
                and (order.status.is_uncertain or order.broker_order_id is None)
            ]
            if children:
                drafts.append(protection_set(parent, children, self.watched(parent)))
            if drafts:
                await self.live.append(*drafts)
        unknown = [order for order in children if order.client_order_id not in ids and order.status.is_uncertain]
        if unknown:
            await self._doubt(unknown, DoubtfulAction.PLACE, InDoubt(unknown[0].client_order_id, _NOT_NAMED))

    def watched(self, order: Order) -> Mapping[OrderPurpose, Decimal]:
        """Where the protections of the order's operation are that the broker cannot hold."""
        operation = self.live.ledger.state.operations[order.operation]
        return watched(self.broker.capabilities, operation, self.live.ledger.working_orders(operation))

    async def _tell(self, orders: list[Order], data: Callable[[Order], EntryData]) -> None:
        """Journal the same fact about each order that is still uncertain."""
        actor = f"broker:{self.broker.name}"
        async with self._facts:
            drafts = [facts.about(order, data(order), actor) for order in orders if order.status.is_uncertain]
            if drafts:
                await self.live.append(*drafts)

    async def _doubt(self, orders: list[Order], action: DoubtfulAction, error: Exception) -> None:
        cause = error.cause if isinstance(error, InDoubt) else f"{type(error).__name__}: {error}".rstrip(": ")
        async with self._facts:
            drafts = [
                facts.about(
                    order, OrderInDoubt(client_order_id=order.client_order_id, action=action, cause=cause[:500]), ENGINE
                )
                for order in orders
                if not order.status.is_terminal and (action is not DoubtfulAction.PLACE or order.status.is_uncertain)
            ]
            if drafts:
                await self.live.append(*drafts)
        self._on_doubt()
        await self._count_failure()

    async def missing(self, order: Order, evidence: str) -> None:
        """The broker had this working order and does not know it now: whether it still guards, or opens, anything is in
        doubt."""
        await self._doubt([order], DoubtfulAction.MODIFY, InDoubt(order.client_order_id, f"not found: {evidence}"))

    async def _count_failure(self) -> None:
        limits = self.gatekeeper.limits
        until = self.gatekeeper.breaker.failed(self._runtime.clock.now())
        if until is not None:
            opened = CircuitBreakerOpened(
                failures=limits.circuit_breaker_failures,
                window_seconds=limits.circuit_breaker_window_seconds,
                until=until,
            )
            await self.live.append(Draft(opened))

    async def cancel(self, order: Order, reason: str, *, actor: str = ENGINE, command_id: str | None = None) -> None:
        """Ask the broker to cancel a working order; its end comes as an order update. Asking again is harmless."""
        data = OrderCancelRequested(client_order_id=order.client_order_id, reason=reason, command_id=command_id)
        await self.live.append(facts.about(order, data, actor))
        await self.send_cancel(order)

    async def send_cancel(self, order: Order) -> None:
        """Send a cancel whose intent is in the journal (again, after a doubt: a cancel cannot act twice)."""
        await self._wait_for_token()
        failpoint("order.cancel.before")
        try:
            answer = await within(self._timeout, self.broker.cancel(order.client_order_id))
        except JournalError:
            raise
        except Exception as error:  # bytes may have left, whatever went wrong afterwards
            if order.doubt is not DoubtfulAction.CANCEL:
                await self._doubt([order], DoubtfulAction.CANCEL, error)
            return
        failpoint("order.cancel.after")
        if isinstance(answer, Rejected):
            # Not working any more, most likely: what it came to is asked for, not concluded from the refusal.
            refused = InDoubt(order.client_order_id, f"cancel refused: {answer.code} {answer.text}")
            if order.doubt is not DoubtfulAction.CANCEL:
                await self._doubt([order], DoubtfulAction.CANCEL, refused)

    async def modify(
        self,
        order: Order,
        change: OrderChange,
        reason: str,
        *,
        actor: str = ENGINE,
        command_id: str | None = None,
    ) -> Rejected | None:
        """Change a working order; the change is journaled before it is sent and again when it holds."""
        request = OrderModifyRequested(
            client_order_id=order.client_order_id,
            quantity=change.quantity,
            limit_price=change.limit_price,
            stop_price=change.stop_price,
            reason=reason,
            command_id=command_id,
        )
        before = order.stop_price if order.purpose is OrderPurpose.STOP_LOSS else order.limit_price
        failpoint("order.modify.intent")
        await self.live.append(facts.about(order, request, actor))
        await self._wait_for_token()
        failpoint("order.modify.before")
        try:
            answer = await within(self._timeout, self.broker.modify(order.client_order_id, change))
        except JournalError:
            raise
        except Exception as error:  # bytes may have left, whatever went wrong afterwards
            await self._doubt([order], DoubtfulAction.MODIFY, error)
            return None
        failpoint("order.modify.after")
        if isinstance(answer, Rejected):
            refused = OrderNotModified(client_order_id=order.client_order_id, reason=f"{answer.code}: {answer.text}")
            await self.live.append(facts.about(order, refused, f"broker:{self.broker.name}"))
            return answer
        stop_price = stands_at(order, change.stop_price)
        modified = OrderModified(
            client_order_id=order.client_order_id,
            quantity=change.quantity,
            limit_price=change.limit_price,
            stop_price=stop_price,
        )
        drafts = [facts.about(order, modified, f"broker:{self.broker.name}")]
        after = stop_price if order.purpose is OrderPurpose.STOP_LOSS else change.limit_price
        if order.purpose.is_protection and after is not None:
            moved = ProtectionMoved(
                kind="STOP_LOSS" if order.purpose is OrderPurpose.STOP_LOSS else "TAKE_PROFIT",
                client_order_id=order.client_order_id,
                before=before,
                after=after,
                reason=reason,
            )
            drafts.append(facts.about(order, moved, actor))
        await self.live.append(*drafts)
        failpoint("order.modify.told")
        return None

    def forget_ended(self) -> None:
        """Let go of when orders were sent that have ended."""
        orders = self.live.ledger.orders
        for identifier in [key for key in self.sent_at if key not in orders or orders[key].status.is_terminal]:
            del self.sent_at[identifier]

    # ---- hearing ----------------------------------------------------------------------------------------------------

    async def on_execution(self, execution: Execution, *, recovered: bool = False) -> bool:
        """Journal an execution, once. Returns whether it was news."""
        async with self._facts:
            drafts = facts.from_execution(
                self.live.ledger, self.broker.name, execution, recovered=recovered, cursor=self.cursor
            )
            if drafts:
                await self.live.append(*drafts)
        return bool(drafts)

    async def on_commission(self, report: CommissionReport) -> None:
        """Journal a commission that came apart from its execution."""
        async with self._facts:
            drafts = facts.from_commission(self.live.ledger, self.broker.name, report)
            if drafts:
                await self.live.append(*drafts)

    async def on_order(self, update: BrokerOrder, *, exactly: bool = False) -> bool:
        """Journal what is new about an order. Fills the update knows of and we do not are fetched first.

        ``exactly``: also the small steps of a stop that trails."""
        order = facts.find(self.live.ledger, self.broker.name, update.client_order_id, update.broker_order_id)
        if order is not None and update.filled_quantity > order.filled_quantity:
            await self.catch_up_executions()
        ledger, name = self.live.ledger, self.broker.name
        if not self._facts.locked() and not facts.from_order(ledger, name, update, exactly=exactly):
            return False  # no fact is on its way that could change what is news, and this is none: most updates are not
        async with self._facts:
            drafts = facts.from_order(self.live.ledger, self.broker.name, update, exactly=exactly)
            if drafts:
                await self.live.append(*drafts)
        return bool(drafts)

    async def catch_up_executions(self) -> int:
        """Read the broker's executions since the cursor; journal what is missing. Returns how many were."""
        executions, cursor = await self.broker.executions_since(self.cursor)
        return await self.take_executions(executions, cursor)

    async def take_executions(self, executions: Sequence[Execution], cursor: str) -> int:
        """Journal those of a complete run of executions that are missing, then advance the cursor."""
        missing = 0
        for execution in executions:
            known = self.live.ledger.execution(self.broker.name, execution.execution_id)
            missing += await self.on_execution(execution, recovered=True) and known is None
        self.cursor = cursor
        return missing


def protection_set(parent: Order, children: Sequence[Order], watched: Mapping[OrderPurpose, Decimal]) -> Draft:
    """The entry that says what guards the position that ``parent`` opens: orders, or levels that are watched."""
    stop = next((child for child in children if child.purpose is OrderPurpose.STOP_LOSS), None)
    target = next((child for child in children if child.purpose is OrderPurpose.TAKE_PROFIT), None)
    data = ProtectionSet(
        stop_loss=stop.stop_price if stop else watched.get(OrderPurpose.STOP_LOSS),
        take_profit=target.limit_price if target else watched.get(OrderPurpose.TAKE_PROFIT),
        stop_loss_client_order_id=stop.client_order_id if stop else None,
        take_profit_client_order_id=target.client_order_id if target else None,
    )
    return facts.about(parent, data, ENGINE)


def _children(plan: OrderPlan) -> list[OrderPlan]:
    children = []
    side, why = plan.side.opposite, "protection"
    if plan.stop_loss is not None:
        kind = OrderType.STOP if plan.trailing_distance is None else OrderType.TRAILING_STOP
        children.append(
            OrderPlan(
                side,
                kind,
                plan.quantity,
                OrderPurpose.STOP_LOSS,
                why,
                stop_price=plan.stop_loss,
                trailing_distance=plan.trailing_distance,
            )
        )
    if plan.take_profit is not None:
        children.append(
            OrderPlan(
                side,
                OrderType.LIMIT,
                plan.quantity,
                OrderPurpose.TAKE_PROFIT,
                "protection",
                limit_price=plan.take_profit,
            )
        )
    return children


def _request(order: Order, instrument: Instrument, attached: tuple[OrderRequest, ...]) -> OrderRequest:
    return OrderRequest(
        client_order_id=order.client_order_id,
        instrument=instrument,
        side=order.side,
        order_type=order.order_type,
        quantity=order.quantity,
        limit_price=order.limit_price,
        stop_price=order.stop_price,
        time_in_force=order.time_in_force,
        oca_group=order.oca_group,
        parent_client_order_id=order.parent_client_order_id,
        attached=attached,
        trailing_distance=order.trailing_distance,
    )
