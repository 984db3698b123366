"""Brokers that cannot hold every protection: the engine watches what does not rest there.

That it may die at every moment meanwhile is tried with every other story, in ``test_exhaustive_deaths``.
"""

from decimal import Decimal
from typing import Any

import pytest

from live_trading.brokers.types import Bracket
from live_trading.domain.entries import Entry
from live_trading.domain.ids import Kind, derived_id
from live_trading.domain.operation import OperationSettings
from live_trading.domain.values import OrderPurpose, OrderStatus
from live_trading.projections.state import Operation
from live_trading.recovery.policies import TrustedPrice, decide, pauses_afterwards
from live_trading.simulation import World, run_virtual
from live_trading.simulation.invariants import broken
from live_trading.simulation.world import ACCOUNT

BROKERS: dict[str, dict[str, Any]] = {
    "no links": {"bracket": Bracket.NONE, "oca": False},
    "brackets, no links": {"bracket": Bracket.ATOMIC, "oca": False},
    "no stops": {"bracket": Bracket.ATOMIC, "stops": False},
    "no stops, no links": {"bracket": Bracket.NONE, "oca": False, "stops": False},
}


async def _held(world: World, **settings: str) -> Operation:
    engine = await world.start_engine()
    plain = {"crash_recovery_mode": "RESUME", "emergency_stop_loss_pct": "0.9", "stop_loss_value": "0.01"}
    await world.create_operation(**{**plain, **settings})
    (operation,) = engine.live.ledger.state.operations.values()
    assert await world.until(lambda: bool(operation.quantity), 7200)
    await world.clock.sleep(2)
    return operation


def _against(world: World, operation: Operation, by: str) -> None:
    world.move_market("EUR-USD", -Decimal(by) if operation.quantity > 0 else Decimal(by))


async def _of(world: World, action_type: str) -> list[Entry]:
    return [entry for entry in await world.entries() if entry.action_type == action_type]


async def _judge(world: World) -> list[str]:
    assert await world.come_to_rest(300)
    return broken(await world.entries(), "paper", world.broker_record(), watched=world.watched)


def test_without_links_only_the_stop_rests_and_a_reached_target_closes_the_position_once() -> None:
    async def main() -> None:
        async with World(71, **BROKERS["no links"]) as world:
            operation = await _held(world)
            resting = world.exchange.open_orders(ACCOUNT)
            assert [order.stop_price for order in resting] == [operation.stop_loss]
            assert operation.take_profit is not None
            (created,) = await _of(world, "OPERATION_CREATED")
            assert "cannot link two orders" in created.data.warning
            _against(world, operation, "-0.05")
            assert await world.until(lambda: not operation.quantity, 10)
            (triggered,) = await _of(world, "PROTECTION_TRIGGERED")
            assert (triggered.data.kind, triggered.data.client_order_id) == (OrderPurpose.TAKE_PROFIT, None)
            (intent,) = await _of(world, "POSITION_CLOSE_REQUESTED")
            exits = [o for o in operation.orders.values() if o.purpose is OrderPurpose.EXIT]
            assert [order.status for order in exits] == [OrderStatus.FILLED]
            assert triggered.sequence_number < intent.sequence_number < exits[0].number
            assert operation.totals.winning == 1
            assert not await _judge(world)

    run_virtual(main())


def test_without_stop_orders_the_engine_closes_at_the_stop_and_said_so_before() -> None:
    async def main() -> None:
        async with World(72, **BROKERS["no stops"]) as world:
            operation = await _held(world)
            (created,) = await _of(world, "OPERATION_CREATED")
            assert "has no stop orders: the stop loss does not rest there" in created.data.warning
            assert not any(order.stop_price for order in world.exchange.orders(ACCOUNT))
            stop = operation.stop_loss
            _against(world, operation, "0.02")
            assert await world.until(lambda: not operation.quantity, 5)
            (triggered,) = await _of(world, "PROTECTION_TRIGGERED")
            assert (triggered.data.kind, triggered.data.client_order_id) == (OrderPurpose.STOP_LOSS, None)
            (intent,) = await _of(world, "POSITION_CLOSE_REQUESTED")
            assert f"the stop loss at {stop:f} is reached" in intent.data.reason
            assert not await _judge(world)

    run_virtual(main())


def test_a_price_that_only_touched_the_stop_for_one_tick_closes_the_position() -> None:
    async def main() -> None:
        async with World(73, **BROKERS["no stops"]) as world:
            operation = await _held(world)
            _against(world, operation, "0.02")
            await world.clock.sleep(0.25)
            _against(world, operation, "-0.02")
            assert await world.until(lambda: not operation.quantity, 5)
            assert len(await _of(world, "PROTECTION_TRIGGERED")) == 1
            assert not await _judge(world)

    run_virtual(main())


@pytest.mark.parametrize("mode", ["RESUME", "EMERGENCY_EXIT"])
def test_a_stop_that_the_price_passed_while_the_engine_was_down_is_acted_on_at_once(mode: str) -> None:
    async def main() -> None:
        async with World(74, **BROKERS["no stops"]) as world:
            operation = await _held(world, crash_recovery_mode=mode)
            world.crash()
            _against(world, operation, "0.02")
            await world.clock.sleep(30)
            assert world.broker_record().positions["EUR-USD"], "nobody was there to close it"
            before = world.clock.monotonic()
            engine = await world.start_engine()
            (operation,) = engine.live.ledger.state.operations.values()
            assert await world.until(lambda: not operation.quantity, 5)
            assert world.clock.monotonic() - before < 10
            assert operation.status == "active", "a stop is no emergency"
            assert not await _judge(world)

    run_virtual(main())


def test_a_watched_stop_moves_by_hand_and_trails_without_an_order() -> None:
    async def main() -> None:
        async with World(75, **BROKERS["no stops"]) as world:
            trailing = {"stop_loss_type": "TRAILING", "take_profit_type": None, "take_profit_value": None}
            operation = await _held(world, **trailing)  # type: ignore[arg-type]
            first, sign = operation.stop_loss, 1 if operation.quantity > 0 else -1
            assert first is not None
            _against(world, operation, "-0.01")
            assert await world.until(lambda: (operation.stop_loss or first) != first, 30)
            assert ((operation.stop_loss or first) - first) * sign > 0
            wanted = first - Decimal("0.001") * sign
            identifier = str(derived_id(Kind.OPERATION, operation.number))
            moved = await world.command("move_protection", operation_id=identifier, kind="STOP_LOSS", price=str(wanted))
            assert not moved.refused
            entry = (await world.entries())[moved.sequence_number - 1]
            assert (entry.action_type, entry.data.after, entry.actor) == ("PROTECTION_MOVED", wanted, "user:simulation")
            assert not world.exchange.open_orders(ACCOUNT)
            assert not await _judge(world)

    run_virtual(main())


def test_what_an_unfilled_entry_left_guards_no_later_position() -> None:
    async def main() -> None:
        async with World(76, **BROKERS["no stops"]) as world:
            operation = await _held(world, stop_loss_value="0.02")
            identifier = str(derived_id(Kind.OPERATION, operation.number))
            await world.command("close_position", operation_id=identifier)
            assert await world.until(lambda: not operation.quantity, 10)
            assert operation.stop_loss is None
            assert await world.until(lambda: bool(operation.quantity), 7200)
            position = operation.position
            assert position is not None
            assert operation.stop_loss is not None
            assert (position.entry_price - operation.stop_loss) * (1 if operation.quantity > 0 else -1) > 0

    run_virtual(main())


@pytest.mark.parametrize(("mid", "decision"), [("0.0101", "CLOSE"), ("0.0099", "KEEP")])
def test_the_policies_close_what_has_passed_a_stop_that_no_order_holds_and_pause_nothing(
    mid: str, decision: str
) -> None:
    async def main() -> None:
        async with World(77, **BROKERS["no stops"]) as world:
            operation = await _held(world)
            position, stop = operation.position, operation.stop_loss
            assert position is not None
            assert stop is not None
            settings = OperationSettings.model_validate(operation.settings)
            against = -1 if operation.quantity > 0 else 1
            quote = TrustedPrice(position.entry_price * (1 + Decimal(mid) * against), 0.1)
            decided = decide(operation, settings, quote)
            assert decided.decision == decision
            assert (f"has passed the stop loss at {stop:f}" in decided.reason) == (decision == "CLOSE")
            assert not pauses_afterwards(decided)

    run_virtual(main())
