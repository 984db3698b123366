"""Bugs in protections, exits, recovery and what keeps state."""

from contextlib import ExitStack
from decimal import Decimal
from typing import Any
from unittest.mock import patch

from msgspec import structs

from live_trading.brokers.types import Placed
from live_trading.domain.entries import (
    RecoveryDecided,
)
from live_trading.domain.values import RecoveryDecision
from live_trading.engine import convergence, trading_engine
from live_trading.engine.commands import CommandDesk
from live_trading.engine.convergence import Convergence
from live_trading.orders import rules
from live_trading.orders.order_manager import OrderManager
from live_trading.projections import fold
from live_trading.recovery.policies import decide
from live_trading.runtime import SystemClock
from live_trading.simulation import world
from live_trading.simulation.mutants.base import put


def stop_not_placed_again(stack: ExitStack) -> None:
    """A stop that is missing after a restart is not placed again."""

    async def left(self: Convergence, operation: Any, protections: Any) -> bool:
        return True

    put(stack, Convergence, "_protect", left)


def orphans_left(stack: ExitStack) -> None:
    """A stop or an exit that is left when the position is gone stays at the broker, and exits leave stops alone."""

    async def left(self: Convergence, orphans: Any) -> None:
        return None

    put(stack, Convergence, "_cancel_orphans", left)
    put(stack, convergence, "_common_group", lambda protections: "a-group-of-its-own")


def exit_of_the_whole_quantity(stack: ExitStack) -> None:
    """Exits close what the settings say and not what is open."""
    place = OrderManager.place

    async def whole(self: OrderManager, operation: Any, instrument: Any, plan: Any, **rest: Any) -> Any:
        if plan.purpose.reduces_risk and not plan.purpose.is_protection:
            plan = structs.replace(plan, quantity=Decimal(str(operation.settings["quantity"])) * 2)
        return await place(self, operation, instrument, plan, **rest)

    put(stack, OrderManager, "place", whole)


def policy_not_applied(stack: ExitStack) -> None:
    """Recovery decides nothing about open positions."""

    def kept(*given: Any, **rest: Any) -> RecoveryDecided:
        decided = decide(*given, **rest)
        return decided.model_copy(update={"decision": RecoveryDecision.KEEP, "quantity": Decimal(0)})

    put(stack, trading_engine, "decide", kept)


def command_forgotten(stack: ExitStack) -> None:
    """What a command came to is not remembered over a restart: it acts again."""
    put(stack, CommandDesk, "entry_of", lambda self, command: None)


def kill_switch_in_memory(stack: ExitStack) -> None:
    """The kill switch is forgotten at a restart."""
    rebuilt = world.World._rebuilt

    async def forgetting(self: world.World, head: int) -> Any:
        ledger, snapshot_at = await rebuilt(self, head)
        ledger.state.kill_switch = None
        return ledger, snapshot_at

    put(stack, world.World, "_rebuilt", forgetting)


def paused_operations_trade(stack: ExitStack) -> None:
    """The Gatekeeper lets entries of paused operations pass, and nobody looks again before they are sent."""
    put(stack, rules.OperationNotActive, "refusal", lambda *_: None)
    put(stack, OrderManager, "_forbids", lambda *_: None)


def snapshot_of_another_moment(stack: ExitStack) -> None:
    """A snapshot is kept under a number that it is not the state of."""
    save = world._Keeper.save_snapshot

    async def late(self: Any, ledger: Any, entry_hash: bytes) -> None:
        other = type(ledger).from_bytes(ledger.to_bytes())
        for operation in other.state.operations.values():
            operation.signals += 1
        await save(self, other, entry_hash)

    put(stack, world._Keeper, "save_snapshot", late)


def fold_looks_at_the_clock(stack: ExitStack) -> None:
    """The fold takes a time from the machine's clock and not from the entry."""
    placed = fold._HANDLERS["ORDER_PLACED"]

    def looking(ledger: Any, entry: Any, data: Any) -> None:
        placed(ledger, entry, data)
        order = ledger.orders.get(data.client_order_id)
        if order is not None:
            order.placed_at = SystemClock().now()

    stack.enter_context(patch.dict(fold._HANDLERS, {"ORDER_PLACED": looking}))


def placing_not_told(stack: ExitStack) -> None:
    """An order that the broker has taken is not marked as placed when its answer comes."""

    async def silent(self: OrderManager, orders: Any, answer: Any) -> None:
        if not isinstance(answer, Placed):
            await answered(self, orders, answer)

    answered = OrderManager._answered
    put(stack, OrderManager, "_answered", silent)
