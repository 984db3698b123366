"""Deliberate bugs: each is one that trading systems have had, put into the engine while a block runs.

A laboratory that has never failed shows nothing. Each of these must make it fail; ``docs/crash-laboratory.md`` says
which check caught which, after how many seeds.
"""

import secrets
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Final
from unittest.mock import patch

from live_trading.brokers.errors import BrokerError
from live_trading.brokers.in_process import InProcessBroker
from live_trading.brokers.types import Absent, BrokerPosition, Execution, OrderRequest, Placed, Unknown
from live_trading.domain.entries import (
    GENESIS_HASH,
    Draft,
    OrderCancelled,
    OrderModified,
    OrderNotPlaced,
    OrderRejected,
    RecoveryDecided,
)
from live_trading.domain.ids import Kind, client_order_id, derived_id
from live_trading.domain.instrument import Instrument
from live_trading.domain.values import DoubtfulAction, RecoveryDecision
from live_trading.engine import convergence, trading_engine
from live_trading.engine.commands import CommandDesk
from live_trading.engine.convergence import Convergence
from live_trading.journal.codec import EntryCodec
from live_trading.journal.lease import Lease
from live_trading.journal.writer import Writer
from live_trading.orders import facts, order_manager, rules
from live_trading.orders.order_manager import OrderManager
from live_trading.projections import fold
from live_trading.recovery.doubts import DoubtResolver
from live_trading.recovery.policies import decide
from live_trading.recovery.reconcile import Reconciler
from live_trading.runtime import Tasks
from live_trading.simulation import world
from live_trading.simulation.trouble import TroubledStore

Apply = Callable[[ExitStack], None]


@dataclass(frozen=True, slots=True)
class Mutant:
    """One bug. ``apply`` puts patches on a stack; closing the stack takes them off."""

    name: str
    apply: Apply

    @property
    def what(self) -> str:
        """The bug in a sentence."""
        return " ".join((self.apply.__doc__ or "").split())


@contextmanager
def mutated(mutant: Mutant) -> Iterator[None]:
    """The engine has this bug inside the block."""
    with ExitStack() as stack:
        mutant.apply(stack)
        yield


def _set(stack: ExitStack, owner: Any, name: str, value: Any) -> None:
    stack.enter_context(patch.object(owner, name, value))


# ---- the journal ----------------------------------------------------------------------------------------------------


def _acknowledged_before_durable(stack: ExitStack) -> None:
    """The writer acknowledges at once and writes a moment later (``j: false``)."""
    insert, tasks = TroubledStore.insert, Tasks()

    async def behind(self: TroubledStore, documents: Sequence[bytes]) -> None:
        tasks.start(insert(self, documents), "a write that was acknowledged already")

    _set(stack, TroubledStore, "insert", behind)


def _doubt_taken_for_done(stack: ExitStack) -> None:
    """A write whose answer was lost is taken for done."""

    async def settle(self: Writer, batch: Any, doubt: Any) -> None:
        return None

    _set(stack, Writer, "_settle", settle)


def _numbers_not_given_back(stack: ExitStack) -> None:
    """A batch whose answer was lost is given up, and the next one takes the numbers after it."""
    settle = Writer._settle

    async def skip(self: Writer, batch: Any, doubt: Any) -> None:
        if len(batch.entries) > 1:
            await settle(self, batch, doubt)

    _set(stack, Writer, "_settle", skip)


def _no_fence(stack: ExitStack) -> None:
    """A new engine does not fence the old one, and nobody minds its lease."""

    async def fence(self: TroubledStore, epoch: int) -> None:
        return None

    _set(stack, TroubledStore, "fence", fence)
    _no_lease_check(stack)


def _no_lease_check(stack: ExitStack) -> None:
    """An engine whose lease ran out goes on sending."""
    _set(stack, Lease, "check", lambda self: None)
    _set(stack, Writer, "check_may_act", lambda self: None)


def _chain_not_linked(stack: ExitStack) -> None:
    """An entry does not carry the hash of the one before it."""
    encode = EntryCodec.encode

    def unlinked(self: EntryCodec, **fields: Any) -> Any:
        return encode(self, **(fields | {"previous_hash": GENESIS_HASH}))

    _set(stack, EntryCodec, "encode", unlinked)


def _clock_believed(stack: ExitStack) -> None:
    """Entries take the wall clock as it is, also when it was set back."""
    number = Writer._number

    def believing(self: Writer, drafts: Any) -> Any:
        self._time_given = None
        return number(self, drafts)

    _set(stack, Writer, "_number", believing)


# ---- orders ---------------------------------------------------------------------------------------------------------


def _sent_before_journal(stack: ExitStack) -> None:
    """An order is sent first and journaled afterwards."""
    place = OrderManager.place

    async def sent_first(self: OrderManager, operation: Any, instrument: Any, plan: Any, **rest: Any) -> Any:
        number = self.live.journal.head.sequence_number + len(rest.get("before", ())) + 1
        identifier = client_order_id(
            self.live.journal.deployment_id, derived_id(Kind.OPERATION, operation.number), number
        )
        request = OrderRequest(
            client_order_id=identifier,
            instrument=instrument,
            side=plan.side,
            order_type=plan.order_type,
            quantity=plan.quantity,
            limit_price=plan.limit_price,
            stop_price=plan.stop_price,
            oca_group=plan.oca_group,
        )
        answer = await self.broker.place(request)

        async def told(_: Any) -> Any:
            return answer

        with patch.object(self.broker, "place", told):
            return await place(self, operation, instrument, plan, **rest)

    _set(stack, OrderManager, "place", sent_first)


def _timeout_taken_for(data: Callable[[Any], Any]) -> Apply:
    def apply(stack: ExitStack) -> None:
        doubt = OrderManager._doubt

        async def concluded(self: OrderManager, orders: Any, action: DoubtfulAction, error: Exception) -> None:
            if action is DoubtfulAction.PLACE:
                await self._tell(orders, data)
            else:
                await doubt(self, orders, action, error)

        _set(stack, OrderManager, "_doubt", concluded)

    return apply


def _timeout_taken_for_rejection(stack: ExitStack) -> None:
    """No answer to an order is taken for a refusal."""
    _timeout_taken_for(lambda o: OrderRejected(client_order_id=o.client_order_id, code="TIMEOUT", text="no answer"))(
        stack
    )


def _timeout_taken_for_nothing(stack: ExitStack) -> None:
    """No answer to an order is taken for never sent."""
    _timeout_taken_for(lambda o: OrderNotPlaced(client_order_id=o.client_order_id, evidence="no answer"))(stack)


def _sent_again_on_doubt(stack: ExitStack) -> None:
    """An order that nobody answered is sent again under a new id."""
    doubt = OrderManager._doubt

    async def again(self: OrderManager, orders: Any, action: DoubtfulAction, error: Exception) -> None:
        await doubt(self, orders, action, error)
        if action is DoubtfulAction.PLACE:
            parent = orders[0]
            renamed = replace(
                order_manager._request(parent, _instrument(self, parent), ()),
                client_order_id=_another(parent.client_order_id),
            )
            await self.broker.place(renamed)

    _set(stack, OrderManager, "_doubt", again)


def _another(identifier: str) -> str:
    return identifier[:-1] + ("Y" if identifier.endswith("Z") else "Z")


def _instrument(manager: OrderManager, order: Any) -> Any:
    return Instrument.model_validate(manager.live.ledger.state.operations[order.operation].instrument)


def _cancel_taken_for_done(stack: ExitStack) -> None:
    """A cancel that nobody answered is taken for done."""
    doubt = OrderManager._doubt

    async def done(self: OrderManager, orders: Any, action: DoubtfulAction, error: Exception) -> None:
        if action is DoubtfulAction.CANCEL:
            for order in orders:
                await self.live.append(facts.about(order, OrderCancelled(client_order_id=order.client_order_id), "x"))
        else:
            await doubt(self, orders, action, error)

    _set(stack, OrderManager, "_doubt", done)


def _change_taken_for_done(stack: ExitStack) -> None:
    """A change that nobody answered, or that was asked for before a crash, is taken for done."""

    async def done(self: DoubtResolver, order: Any, found: Any) -> None:
        if order.doubt is DoubtfulAction.MODIFY:
            holds = OrderModified(client_order_id=order.client_order_id, stop_price=Decimal(1))
            await self.orders.live.append(facts.about(order, holds, "x"))
        else:
            await found_of(self, order, found)

    found_of = DoubtResolver._found
    _set(stack, DoubtResolver, "_found", done)


def _random_ids(stack: ExitStack) -> None:
    """Orders' ids are drawn by chance and not derived from what is journaled."""

    def drawn(deployment_id: str, operation_id: Any, sequence_number: int) -> str:
        return client_order_id(deployment_id, operation_id, sequence_number)[:10] + secrets.token_hex(5).upper()

    _set(stack, order_manager, "client_order_id", drawn)


# ---- what the broker tells ------------------------------------------------------------------------------------------


def _fills_counted_twice(stack: ExitStack) -> None:
    """A fill that is told twice is counted twice."""
    from_execution = facts.from_execution

    def counted(ledger: Any, broker: str, execution: Execution, **rest: Any) -> list[Draft]:
        if ledger.execution(broker, execution.execution_id) is not None and not execution.revision:
            execution = replace(execution, execution_id=f"{execution.execution_id}/{ledger.sequence_number}")
        return from_execution(ledger, broker, execution, **rest)

    _set(stack, facts, "from_execution", counted)


def _late_fills_dropped(stack: ExitStack) -> None:
    """A fill of an order that was thought over is dropped."""
    from_execution = facts.from_execution

    def dropped(ledger: Any, broker: str, execution: Execution, **rest: Any) -> list[Draft]:
        order = facts.find(ledger, broker, execution.client_order_id, execution.broker_order_id)
        if order is not None and order.status.is_terminal and ledger.execution(broker, execution.execution_id) is None:
            return []
        return from_execution(ledger, broker, execution, **rest)

    _set(stack, facts, "from_execution", dropped)


def _commissions_dropped(stack: ExitStack) -> None:
    """A commission that comes after its fill is dropped."""
    _set(stack, facts, "from_commission", lambda *_: [])


def _commissions_in_floats(stack: ExitStack) -> None:
    """Commissions pass through binary floating point on their way."""
    from_commission = facts.from_commission

    def rounded(ledger: Any, broker: str, report: Any) -> list[Draft]:
        inexact = Decimal(float(report.commission) + 1e-9).quantize(Decimal("1e-12"))
        return from_commission(ledger, broker, replace(report, commission=inexact))

    _set(stack, facts, "from_commission", rounded)


def _corrections_dropped(stack: ExitStack) -> None:
    """A correction of a fill that is known is dropped."""
    _set(stack, facts, "_news_of", lambda *_: [])


def _fills_while_down_not_asked_for(stack: ExitStack) -> None:
    """Executions of the time while the engine was down, or not connected, are not read back."""

    async def skipped(self: OrderManager, executions: Any, cursor: str) -> int:
        self.cursor = cursor
        return 0

    _set(stack, OrderManager, "take_executions", skipped)


def _absence_at_once(stack: ExitStack) -> None:
    """An order that the broker does not find is taken for absent at once, before its visibility delay."""

    async def concluded(self: DoubtResolver, order: Any, answer: Absent) -> None:
        if order.status.is_uncertain and not order.filled_quantity:
            not_placed = OrderNotPlaced(client_order_id=order.client_order_id, evidence=answer.evidence)
            await self.orders.live.append(facts.about(order, not_placed, "x"))

    _set(stack, DoubtResolver, "_absent", concluded)


def _unknown_taken_for_absent(stack: ExitStack) -> None:
    """A question that failed is taken for the answer "there is none"."""
    find_order = InProcessBroker.find_order

    async def emptied(self: InProcessBroker, identifier: str) -> Any:
        try:
            answer = await find_order(self, identifier)
        except BrokerError as error:
            return Absent(str(error))
        return Absent(answer.reason) if isinstance(answer, Unknown) else answer

    _set(stack, InProcessBroker, "find_order", emptied)
    _absence_at_once(stack)


def _failed_positions_taken_for_flat(stack: ExitStack) -> None:
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
    _set(stack, InProcessBroker, "positions", flat)
    _set(stack, Reconciler, "_disagree", adopted)


async def _forget(reconciler: Reconciler, symbol: str) -> None:
    """Take every operation on a symbol for flat: cancel what guards it."""
    live = reconciler._orders.live
    for operation in live.ledger.state.operations.values():
        if operation.symbol == symbol:
            for order in live.ledger.working_orders(operation):
                await reconciler._orders.cancel(order, "the broker is flat")
            operation.position, operation.lots = None, []


def _differences_ignored(stack: ExitStack) -> None:
    """A position at the broker that is not ours is not noticed."""

    async def ignored(self: Reconciler, difference: Any) -> None:
        return None

    _set(stack, Reconciler, "_disagree", ignored)


# ---- protections, exits, recovery -----------------------------------------------------------------------------------


def _stop_not_placed_again(stack: ExitStack) -> None:
    """A stop that is missing after a restart is not placed again."""

    async def left(self: Convergence, operation: Any, protections: Any) -> bool:
        return True

    _set(stack, Convergence, "_protect", left)


def _orphans_left(stack: ExitStack) -> None:
    """A stop or an exit that is left when the position is gone stays at the broker, and exits leave stops alone."""

    async def left(self: Convergence, orphans: Any) -> None:
        return None

    _set(stack, Convergence, "_cancel_orphans", left)
    _set(stack, convergence, "_common_group", lambda protections: "a-group-of-its-own")


def _exit_of_the_whole_quantity(stack: ExitStack) -> None:
    """Exits close what the settings say and not what is open."""
    place = OrderManager.place

    async def whole(self: OrderManager, operation: Any, instrument: Any, plan: Any, **rest: Any) -> Any:
        if plan.purpose.reduces_risk and not plan.purpose.is_protection:
            plan = replace(plan, quantity=Decimal(str(operation.settings["quantity"])) * 2)
        return await place(self, operation, instrument, plan, **rest)

    _set(stack, OrderManager, "place", whole)


def _policy_not_applied(stack: ExitStack) -> None:
    """Recovery decides nothing about open positions."""

    def kept(*given: Any, **rest: Any) -> RecoveryDecided:
        decided = decide(*given, **rest)
        return decided.model_copy(update={"decision": RecoveryDecision.KEEP, "quantity": Decimal(0)})

    _set(stack, trading_engine, "decide", kept)


def _command_forgotten(stack: ExitStack) -> None:
    """What a command came to is not remembered over a restart: it acts again."""
    _set(stack, CommandDesk, "entry_of", lambda self, command: None)


def _kill_switch_in_memory(stack: ExitStack) -> None:
    """The kill switch is forgotten at a restart."""
    rebuilt = world.World._rebuilt

    async def forgetting(self: world.World, head: int) -> Any:
        ledger, snapshot_at = await rebuilt(self, head)
        ledger.state.kill_switch = None
        return ledger, snapshot_at

    _set(stack, world.World, "_rebuilt", forgetting)


def _paused_operations_trade(stack: ExitStack) -> None:
    """The Gatekeeper lets entries of paused operations pass."""
    _set(stack, rules.OperationNotActive, "refusal", lambda *_: None)


def _snapshot_of_another_moment(stack: ExitStack) -> None:
    """A snapshot is kept under a number that it is not the state of."""
    save = world._Keeper.save_snapshot

    async def late(self: Any, ledger: Any, entry_hash: bytes) -> None:
        other = type(ledger).from_bytes(ledger.to_bytes())
        for operation in other.state.operations.values():
            operation.signals += 1
        await save(self, other, entry_hash)

    _set(stack, world._Keeper, "save_snapshot", late)


def _fold_looks_at_the_clock(stack: ExitStack) -> None:
    """The fold takes a time from the machine's clock and not from the entry."""
    placed = fold._HANDLERS["ORDER_PLACED"]

    def looking(ledger: Any, entry: Any, data: Any) -> None:
        placed(ledger, entry, data)
        order = ledger.orders.get(data.client_order_id)
        if order is not None:
            order.placed_at = datetime.now(UTC)  # noqa: RUF100 - the bug itself

    stack.enter_context(patch.dict(fold._HANDLERS, {"ORDER_PLACED": looking}))


def _placed_is_filled(stack: ExitStack) -> None:
    """An order that the broker has taken is not marked as placed when its answer comes."""

    async def silent(self: OrderManager, orders: Any, answer: Any) -> None:
        if not isinstance(answer, Placed):
            await answered(self, orders, answer)

    answered = OrderManager._answered
    _set(stack, OrderManager, "_answered", silent)


_ALL: Final[tuple[Apply, ...]] = (
    _acknowledged_before_durable,
    _doubt_taken_for_done,
    _numbers_not_given_back,
    _no_fence,
    _no_lease_check,
    _chain_not_linked,
    _clock_believed,
    _sent_before_journal,
    _timeout_taken_for_rejection,
    _timeout_taken_for_nothing,
    _sent_again_on_doubt,
    _cancel_taken_for_done,
    _change_taken_for_done,
    _random_ids,
    _fills_counted_twice,
    _late_fills_dropped,
    _commissions_dropped,
    _commissions_in_floats,
    _corrections_dropped,
    _fills_while_down_not_asked_for,
    _absence_at_once,
    _unknown_taken_for_absent,
    _failed_positions_taken_for_flat,
    _differences_ignored,
    _stop_not_placed_again,
    _orphans_left,
    _exit_of_the_whole_quantity,
    _policy_not_applied,
    _command_forgotten,
    _kill_switch_in_memory,
    _paused_operations_trade,
    _snapshot_of_another_moment,
    _fold_looks_at_the_clock,
    _placed_is_filled,
)
MUTANTS: Final = {apply.__name__.strip("_"): Mutant(apply.__name__.strip("_"), apply) for apply in _ALL}
"""Every mutant, by name."""
