"""From what the ledger says is wanted to what the broker has: one step at a time, each safe to repeat.

The order of the questions matters: nothing is sent while an order's fate is unknown, or while the broker's position is
not ours; entries are cancelled before a position is closed; an exit is never sent beside another; protections without a
position are cancelled first.
"""

from collections.abc import Collection
from datetime import timedelta
from decimal import Decimal
from itertools import takewhile
from typing import TYPE_CHECKING

import structlog

from live_trading.brokers.types import OrderChange, Rejected
from live_trading.domain.entries import (
    Cause,
    Draft,
    OperationClosed,
    OperationFailed,
    OperationPaused,
    PositionCloseRequested,
    ProtectionMoved,
    ProtectionSet,
)
from live_trading.domain.errors import InvalidInput
from live_trading.domain.values import (
    OperationStatus,
    OrderPurpose,
    OrderStatus,
    OrderType,
    RecoveryDecision,
    Side,
)
from live_trading.engine.context import EngineContext
from live_trading.engine.moves import Resending, settle_moves
from live_trading.orders.order_manager import OrderPlan, protection_set
from live_trading.orders.protections import Protection, given_purposes, last_price, last_protection, protection_prices
from live_trading.orders.trailing import trailing_distance
from live_trading.orders.watched import cannot_rest, watched
from live_trading.projections.state import Discrepancy, ExitIntent, Operation, Order
from live_trading.recovery.policies import decide, pauses_afterwards
from live_trading.runtime import failpoint

if TYPE_CHECKING:
    from live_trading.engine.operation_runner import OperationRunner

_log = structlog.get_logger(__name__)

RESTING_ENTRY = "resting entry"
"""The reason of an entry order that waits for its price; others are meant to be filled at once."""

_MAX_BACKOFF = 60.0
_GROUP_GRACE = 1.0
"""Seconds that a broker gets to cancel the rest of a one-cancels-all group before we ask for it."""
_MOST_TRIES = 5
_KEPT_SECONDS = 60.0
"""Protections that had to be placed anew so often, each time within so many seconds of the last, cannot be placed."""


class Convergence:
    """The steps for one operation, on behalf of its runner."""

    def __init__(self, context: EngineContext, runner: "OperationRunner") -> None:
        self._context = context
        self._runner = runner
        self.rests = False
        """Nothing is to be done until the ledger, the connection or a person says something new."""
        self._failed_exits = 0
        self._retry_at = 0.0
        self._orphaned_since: float | None = None
        self._resending = Resending(context.runtime.clock)
        self._tries = 0
        self._tried_at = 0.0
        self._tried_for: int | None = None

    async def step(self) -> None:
        """Look at the ledger and do what is next, if anything is and can be done now."""
        self.rests = False
        operation = self._runner.operation
        session = self._context.session(operation)
        if not session.ready.is_set() or operation.status is OperationStatus.CLOSED:
            return
        await self._runner.watch.act()
        if operation.moves and self._context.trading:
            await settle_moves(self._context, operation, self._resending)
        ledger = self._context.live.ledger
        working, discrepancies = ledger.working_orders(operation), ledger.state.discrepancies
        if not (working or discrepancies or operation.position) and operation.status is not OperationStatus.CLOSING:
            # Most bars find it so: flat, with nothing on its way.
            self._failed_exits, self._orphaned_since = 0, None
            self.rests = not self._runner.is_reversing
            if not self.rests:
                await self._runner.after_reversal()
            return
        if any(order.status.is_uncertain or order.doubt is not None for order in working):
            return
        discrepancy = discrepancies.get(f"{operation.broker}|{operation.symbol}") if discrepancies else None
        if discrepancy is not None:
            await self._stand_down(operation, discrepancy, working)
            return
        if operation.recovery is not None:
            await self._decide_what_waited(operation)
        entries = [order for order in working if order.purpose is OrderPurpose.ENTRY]
        exits = [order for order in working if order.purpose is OrderPurpose.EXIT]
        protections = [order for order in working if order.purpose.is_protection]
        wants_flat = operation.exit_intent is not None or operation.status is OperationStatus.CLOSING
        if entries and (reason := self._no_new_risk(operation)) is not None:
            await self._cancel(entries, reason)
        if wants_flat and entries:
            await self._cancel(entries, "the position is to be closed")
        elif not operation.quantity:
            await self._flat(operation, entries, exits, protections)
        elif wants_flat:
            if not exits:
                await self._exit(operation, protections)
        else:
            await self._cancel_stale(entries)
            if not exits:
                is_protected = await self._protect(operation, protections)
                self.rests = is_protected and not entries and operation.recovery is None

    async def _stand_down(self, operation: Operation, discrepancy: Discrepancy, working: list[Order]) -> None:
        """The broker's position is not ours: sizes would be wrong, so nothing is sent until a person has decided.

        Orders that rest there are taken away where they could only make things worse: entries, and the protections of
        a position that the broker does not have (closed by hand, most likely), which would open one the other way.
        """
        await self._cancel([order for order in working if order.purpose is OrderPurpose.ENTRY], "position discrepancy")
        others = self._context.live.ledger.state.operations.values()
        is_alone = not any(
            op.quantity and op is not operation and (op.broker, op.symbol) == (operation.broker, operation.symbol)
            for op in others
        )
        is_gone = operation.quantity * discrepancy.broker_quantity <= 0
        if operation.quantity and is_alone and is_gone:
            await self._cancel([o for o in working if o.purpose.reduces_risk], "the broker has no such position")

    async def _cancel(self, orders: list[Order], reason: str) -> None:
        manager = self._context.session(self._runner.operation).orders
        for order in orders:
            if order.cancel_requested is None:
                await manager.cancel(order, reason)

    def _no_new_risk(self, operation: Operation) -> str | None:
        """Why an entry that rests at the broker must not be filled any more; one that is asked for now is refused."""
        if self._context.live.ledger.state.kill_switch is not None:
            return "the kill switch is tripped"
        is_active = operation.status is OperationStatus.ACTIVE
        return None if is_active else f"the operation is {operation.status.value}"

    async def _cancel_stale(self, entries: list[Order]) -> None:
        if not entries:
            return
        settings, now = self._runner.settings, self._context.runtime.clock.now()
        resting = timedelta(seconds=settings.primary_bar_size.seconds * settings.entry_valid_bars)
        at_market = timedelta(seconds=self._context.config.entry_patience)
        stale = [
            order
            for order in entries
            if now - order.requested_at > (resting if order.reason.endswith(RESTING_ENTRY) else at_market)
        ]
        await self._cancel(stale, "not filled in time")

    async def _decide_what_waited(self, operation: Operation) -> None:
        """A recovery decision that waited for a price is made when there is one."""
        recovery = operation.recovery
        if recovery is None or recovery.decision is not RecoveryDecision.WAIT or not operation.quantity:
            return
        quote = self._context.quote(operation)
        if quote is None or operation.exit_intent is not None:
            return
        decided = decide(operation, self._runner.settings, quote)
        drafts = [Draft(decided, self._runner.operation_id, "recovery")]
        if pauses_afterwards(decided):
            drafts.append(Draft(OperationPaused(reason=decided.reason), self._runner.operation_id, "recovery"))
        await self._context.live.append(*drafts)

    # ---- flat -------------------------------------------------------------------------------------------------------

    async def _flat(
        self, operation: Operation, entries: list[Order], exits: list[Order], protections: list[Order]
    ) -> None:
        self._failed_exits = 0
        guarded = {order.client_order_id for order in entries}
        orphans = [order for order in protections if order.parent_client_order_id not in guarded]
        orphans += [order for order in entries if order.filled_quantity]  # what was filled of it is closed again
        if orphans or exits:
            await self._cancel_orphans(orphans + exits)
        else:
            self._orphaned_since = None
        await self._cancel_stale(entries)
        if entries or exits or protections:
            return
        assert not self._context.live.ledger.working_orders(operation)
        if operation.status is OperationStatus.CLOSING:
            await self._context.live.append(Draft(OperationClosed(), self._runner.operation_id))
        else:
            await self._runner.after_reversal()

    async def _cancel_orphans(self, orphans: list[Order]) -> None:
        """Orders that would open a position. A broker with one-cancels-all groups gets a moment to do it itself."""
        now = self._context.runtime.clock.monotonic()
        if self._orphaned_since is None:
            self._orphaned_since = now
        has_groups = self._context.session(self._runner.operation).broker.capabilities.oca
        if not has_groups or now - self._orphaned_since >= _GROUP_GRACE:
            await self._cancel(orphans, "there is no position")

    # ---- closing ----------------------------------------------------------------------------------------------------

    async def _exit(self, operation: Operation, protections: list[Order]) -> None:
        """Close what is open, once. Sizes come from the ledger, so that it can end flat and never flipped."""
        clock = self._context.runtime.clock
        if not self._context.market_open(operation, self._runner.instrument) or clock.monotonic() < self._retry_at:
            return
        intent = operation.exit_intent
        if intent is None:
            intent = ExitIntent(operation.touched, operation.touched, "closing")
        failed = self._count_failed(operation, intent)
        if failed > self._failed_exits:
            self._failed_exits = failed
            self._retry_at = clock.monotonic() + min(_MAX_BACKOFF, 0.5 * 2**failed)
            return
        session = self._context.session(operation)
        group = _common_group(protections)
        if protections and (not session.broker.capabilities.oca or group is None or failed > 2):
            await self._cancel(protections, "making way for the exit")
            return
        if group is None and self._wanted_purposes(operation) and not await self._is_sure(operation):
            return
        plan = OrderPlan(
            side=Side.SELL if operation.quantity > 0 else Side.BUY,
            order_type=OrderType.MARKET,
            quantity=abs(operation.quantity),
            purpose=OrderPurpose.EXIT,
            reason=intent.reason,
            oca_group=group,
        )
        cause = Cause(intent.number, intent.correlation_id)
        actor = "recovery" if intent.recovery else "engine"
        await session.orders.place(operation, self._runner.instrument, plan, caused_by=cause, actor=actor)

    def _count_failed(self, operation: Operation, intent: ExitIntent) -> int:
        ended = (OrderStatus.REJECTED, OrderStatus.NOT_PLACED, OrderStatus.CANCELLED, OrderStatus.EXPIRED)
        since = takewhile(lambda order: order.number > intent.number, reversed(operation.orders.values()))
        return sum(order.purpose is OrderPurpose.EXIT and order.status in ended for order in since)

    def _wanted_purposes(self, operation: Operation) -> frozenset[OrderPurpose]:
        """What guards the open position: what the settings ask for, and what its entry's signal or a person gave it."""
        return self._runner.settings.protections | given_purposes(operation)

    async def _is_sure(self, operation: Operation) -> bool:
        """Whether the broker, asked now, has nothing to tell about the operation that the ledger does not know.

        Events come one after the other and are journaled one after the other, and answers overtake them. So there are
        moments in which the ledger knows of a protection's end and not yet of the fill behind it; what is sent for a
        position that is not there any more would open one.
        """
        before = self._known_of(operation)
        found = await self._context.session(operation).reconcile()
        return found is not None and self._known_of(operation) == before

    def _known_of(self, operation: Operation) -> tuple[object, ...]:
        """What matters: an entry that goes on filling does not, or its position would wait for protection until it has
        stopped. Whoever sends something reads the quantity afterwards."""
        working = self._context.live.ledger.working_orders(operation)
        side = (operation.quantity > 0) - (operation.quantity < 0)
        return side, operation.status, operation.exit_intent, [
            (order.client_order_id, order.status, order.quantity, order.filled_quantity, order.doubt)
            for order in working
            if order.purpose is not OrderPurpose.ENTRY
        ]  # fmt: skip

    # ---- protecting -------------------------------------------------------------------------------------------------

    async def _protect(self, operation: Operation, protections: list[Order]) -> bool:
        """A position whose stop or target is missing gets it again; where that cannot be, the position is closed.

        Whether none was missing."""
        if surplus := _surplus(protections):
            await self._cancel(surplus, "the position is guarded already")
            return False
        wanted = self._wanted_purposes(operation)
        kept = cannot_rest(self._context.session(operation).broker.capabilities, wanted, attached=False)
        has = {order.purpose for order in protections}
        shown = {OrderPurpose.STOP_LOSS: operation.stop_loss, OrderPurpose.TAKE_PROFIT: operation.take_profit}
        if has.issuperset(wanted - {purpose for purpose in kept if shown[purpose] is not None}):
            return await self._cover(operation, protections) and await self._show(operation, protections)
        if any(order.cancel_requested for order in protections) or not self._may_try(operation):
            return False
        if not await self._is_sure(operation):
            return False
        if self._tries >= _MOST_TRIES:
            await self._give_up(f"the broker does not keep the protections: placed {self._tries} times, and gone again")
            return False
        if protections and not has.issuperset(wanted - kept):
            # One of two: take it away, and place both in a group of their own.
            await self._cancel(protections, "protections are placed anew")
            return False
        try:
            levels = self._wanted(operation, kept)
            if any(shown[purpose] is None for purpose in kept):
                await self._tell_watched(protections, levels)
            await self._place_protections(operation, levels, kept | has)
        except InvalidInput as error:
            await self._give_up(f"protections cannot be placed: {error}")
        return False

    def _may_try(self, operation: Operation) -> bool:
        """Whether protections may be placed anew now: at once, and after those that came to nothing later and later."""
        assert operation.position is not None
        since = self._context.runtime.clock.monotonic() - self._tried_at
        if self._tried_for != operation.position.number or since > _KEPT_SECONDS:
            self._tries, self._tried_for = 0, operation.position.number
        return not self._tries or since >= 0.5 * 2 ** (self._tries - 1)

    async def _cover(self, operation: Operation, protections: list[Order]) -> bool:
        """Protections placed apart from their entry are made as large as the position is by now; those of a bracket
        the broker keeps so until the entry has ended. Then a position is smaller only where the broker took back a part
        of a fill, and what guards too much of it would open one the other way. Whether all were as large."""

        def unlike() -> list[Order]:
            size = abs(operation.quantity)
            return [
                order
                for order in protections
                if order.remaining != size and (order.parent_client_order_id is None or self._guards_too_much(order))
            ]

        if not unlike():
            return True
        is_changing = any(order.cancel_requested or order.modify_requested for order in protections)
        if is_changing or not await self._is_sure(operation) or not unlike():
            return False
        (order, *_) = unlike()
        change = OrderChange(quantity=order.filled_quantity + abs(operation.quantity))
        manager = self._context.session(operation).orders
        failpoint("protect.grow")
        refused = await manager.modify(order, change, "as large as the position")
        if refused is not None:
            await self._cancel(protections, f"protections are placed anew: {refused.text}")
        return False

    def _guards_too_much(self, order: Order) -> bool:
        """Whether a bracket's protection would trade more than its entry, which has ended, has filled."""
        entry = self._runner.operation.orders.get(order.parent_client_order_id or "")
        return entry is not None and entry.status is OrderStatus.FILLED and order.quantity > entry.filled_quantity

    async def _show(self, operation: Operation, protections: list[Order]) -> bool:
        """Tell where the protections stand if the ledger shows something else: an engine died between a change and what
        it would have said of it, or somebody changed them at the broker. Whether nothing was to be told."""
        stands = [(order.purpose, order.stop_price or order.limit_price) for order in protections]
        shown = {OrderPurpose.STOP_LOSS: operation.stop_loss, OrderPurpose.TAKE_PROFIT: operation.take_profit}
        if all(shown[purpose] == price for purpose, price in stands):
            return True
        watched = self._context.session(operation).orders.watched(protections[0])
        await self._context.live.append(protection_set(protections[0], protections, watched))
        return False

    def _wanted(self, operation: Operation, kept: Collection[OrderPurpose]) -> Protection:
        """Where the stop and target were, else where the settings put them now. ``kept``: those without an order."""
        settings, position = self._runner.settings, operation.position
        assert position is not None
        stop = last_price(operation, OrderPurpose.STOP_LOSS)
        target = last_price(operation, OrderPurpose.TAKE_PROFIT)
        if OrderPurpose.STOP_LOSS in kept:
            stop = operation.stop_loss or stop
        if OrderPurpose.TAKE_PROFIT in kept:
            target = operation.take_profit or target
        lacks_stop = stop is None and settings.stop_loss_type is not None
        lacks_target = target is None and settings.take_profit_type is not None
        if lacks_stop or lacks_target:
            side = Side.BUY if operation.quantity > 0 else Side.SELL
            entry_price = self._runner.instrument.round_price(position.entry_price)
            fresh = protection_prices(settings, self._runner.instrument, side, entry_price, self._runner.atr)
            stop, target = stop or fresh.stop_loss, target or fresh.take_profit
        return Protection(stop, target)

    async def _tell_watched(self, protections: list[Order], levels: Protection) -> None:
        """Set the prices that are to be watched; from then on they are."""
        stop, target = levels.stop_loss, levels.take_profit
        if protections:
            both = {OrderPurpose.STOP_LOSS: stop, OrderPurpose.TAKE_PROFIT: target}
            known = {purpose: price for purpose, price in both.items() if price is not None}
            await self._context.live.append(protection_set(protections[0], protections, known))
        else:
            data = ProtectionSet(stop_loss=stop, take_profit=target)
            await self._context.live.append(Draft(data, self._runner.operation_id))

    def _distance(self, operation: Operation) -> Decimal | None:
        """How far the stop is to trail at the broker: as it did, else as the settings say; None: it is not to."""
        if not self._context.trails_at_broker(operation):
            return None
        settings, position = self._runner.settings, operation.position
        assert position is not None
        wanted = trailing_distance(settings, self._runner.instrument, position.entry_price)
        before = last_protection(operation, OrderPurpose.STOP_LOSS)
        return wanted if wanted is None or before is None else before.trailing_distance or wanted

    async def _place_protections(
        self, operation: Operation, wanted: Protection, left_out: Collection[OrderPurpose]
    ) -> None:
        """Place those that are not ``left_out``."""
        session = self._context.session(operation)
        manager = session.orders
        side = Side.SELL if operation.quantity > 0 else Side.BUY
        assert operation.position is not None
        group = None
        if session.broker.capabilities.oca:
            group = f"P{operation.position.number}X{self._context.live.ledger.sequence_number}"
        self._tries, self._tried_at = self._tries + 1, self._context.runtime.clock.monotonic()
        placed = []
        distance = self._distance(operation)
        stop = OrderType.STOP if distance is None else OrderType.TRAILING_STOP
        for purpose, kind, price in (
            (OrderPurpose.STOP_LOSS, stop, wanted.stop_loss),
            (OrderPurpose.TAKE_PROFIT, OrderType.LIMIT, wanted.take_profit),
        ):
            if price is None or purpose in left_out:
                continue
            failpoint("protect.place")
            plan = OrderPlan(
                side=side,
                order_type=kind,
                quantity=abs(operation.quantity),
                purpose=purpose,
                reason="protection placed anew",
                stop_price=price if kind is stop else None,
                limit_price=price if kind is OrderType.LIMIT else None,
                oca_group=group,
                trailing_distance=distance if kind is stop else None,
            )
            order = await manager.place(operation, self._runner.instrument, plan)
            if order.status is OrderStatus.REJECTED:
                if not await self._is_sure(operation) or not operation.quantity:
                    return  # the one placed before it has just been hit, most likely: look again
                await self._give_up(f"the broker refused the {purpose.value.lower()}: {order.detail}")
                return
            placed.append(order)
            if order.status.is_uncertain or not operation.quantity:
                return
        if placed:
            await self._context.live.append(protection_set(placed[0], placed, manager.watched(placed[0])))

    async def _give_up(self, reason: str) -> None:
        _log.error("position closed for want of protection", operation=self._runner.number, reason=reason)
        operation = self._runner.operation
        drafts = [Draft(PositionCloseRequested(reason=reason[:500]), self._runner.operation_id)]
        if operation.status is OperationStatus.ACTIVE:
            failed = OperationFailed(reason="protections could not be placed", detail=reason[:1000])
            drafts.append(Draft(failed, self._runner.operation_id))
        await self._context.live.append(*drafts)

    async def move_stop(self, price: Decimal, *, only_if_better: bool, reason: str) -> Rejected | None:
        """Change the working stop's price, or where the engine watches."""
        operation, session = self._runner.operation, self._context.session(self._runner.operation)
        working = self._context.live.ledger.working_orders(operation)
        stops = [
            order
            for order in working
            if order.purpose is OrderPurpose.STOP_LOSS and not order.status.is_uncertain and order.doubt is None
        ]
        before = watched(session.broker.capabilities, operation, working).get(OrderPurpose.STOP_LOSS)
        if stops:
            before = stops[0].stop_price
        if before is None or not session.ready.is_set():
            return None
        better = (price - before) * (1 if operation.quantity > 0 else -1)
        is_the_brokers = bool(stops) and stops[0].order_type is OrderType.TRAILING_STOP
        if better == 0 or (only_if_better and (better < 0 or is_the_brokers)):
            return None
        if not stops:
            moved = ProtectionMoved(kind="STOP_LOSS", before=before, after=price, reason=reason)
            await self._context.live.append(Draft(moved, self._runner.operation_id))
            return None
        (stop, *_) = stops
        return await self._context.session(operation).orders.modify(stop, OrderChange(stop_price=price), reason)


def _surplus(protections: list[Order]) -> list[Order]:
    """Protections beside one of their kind: an older one that was thought never placed, and is there after all. Both
    together would close more than there is."""
    kept: dict[OrderPurpose, Order] = {}
    for order in protections:
        if order.cancel_requested is None:
            kept[order.purpose] = order
    return [order for order in protections if kept.get(order.purpose, order) is not order]


def _common_group(protections: list[Order]) -> str | None:
    groups = {order.oca_group for order in protections}
    return groups.pop() if len(groups) == 1 else None
