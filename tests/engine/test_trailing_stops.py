"""Stops that trail: at the broker where it can, else moved by the engine; in virtual time against the exchange."""

from dataclasses import replace
from decimal import Decimal
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from live_trading.brokers.types import Bracket
from live_trading.domain.entries import Entry
from live_trading.domain.ids import Kind, derived_id
from live_trading.domain.values import OrderPurpose, OrderType
from live_trading.engine.context import EngineConfig
from live_trading.orders.trailing import MATERIAL_STEP
from live_trading.paper_exchange import Fault, FaultKind
from live_trading.paper_exchange.core import Order
from live_trading.projections.state import Operation
from live_trading.simulation import World, run_virtual
from live_trading.simulation.invariants import broken

STRATEGIES = Path(__file__).with_name("strategies_for_tests.py")
BY_ENGINE = EngineConfig(trailing_stops_at_broker=False)


async def _hold(world: World, *, cannot_trail: bool = False, **settings: Any) -> Operation:
    """An operation that holds a position, with a stop that trails by 0.2 % and nothing else."""
    engine = await world.start_engine()
    if cannot_trail:
        broker = engine.context.sessions["paper"].broker
        broker.capabilities = replace(broker.capabilities, trailing_stops=False)
    trailing = {"stop_loss_type": "TRAILING", "stop_loss_value": "0.002", "crash_recovery_mode": "RESUME"}
    no_target = {"take_profit_type": None, "take_profit_value": None}
    await world.create_operation(strategy_name=f"{STRATEGIES}:EntersOnce", **{**trailing, **no_target, **settings})
    (operation,) = engine.live.ledger.state.operations.values()
    assert await world.until(lambda: bool(operation.quantity and _stops(world)), 60)
    return operation


def _stops(world: World) -> list[Order]:
    return [order for order in world.exchange.open_orders("PAPER-1") if order.stop_price is not None]


def _stop(world: World) -> Order:
    """The one stop that works at the exchange."""
    (stop,) = _stops(world)
    return stop


def _operation(world: World) -> Operation:
    """The operation as the living engine has it."""
    assert world.engine is not None
    (operation,) = world.engine.live.ledger.state.operations.values()
    return operation


async def _told(world: World, action_type: str) -> list[Entry]:
    return [entry for entry in await world.entries() if entry.action_type == action_type]


async def _judge(world: World) -> list[str]:
    assert await world.come_to_rest(300)
    return broken(await world.entries(), "paper", world.broker_record())


# At the broker


@pytest.mark.parametrize("bracket", Bracket)
def test_a_broker_that_can_trails_the_stop_and_the_journal_has_its_larger_steps(bracket: Bracket) -> None:
    async def main() -> None:
        async with World(37, bracket=bracket) as world:
            operation = await _hold(world)
            assert await world.until(lambda: _stop(world).remaining == operation.quantity, 30)
            begun = _stop(world)
            assert begun.order_type is OrderType.TRAILING_STOP
            distance = begun.trailing_distance
            assert distance is not None
            stands: list[Decimal] = []
            for jump in ("0.001", "0.0001", "-0.0015", "0.0035"):
                world.move_market("EUR-USD", Decimal(jump))
                await world.clock.sleep(11)
                price = _stop(world).stop_price
                assert price is not None
                stands.append(price)
                assert operation.stop_loss is not None
                assert 0 <= price - operation.stop_loss < distance * MATERIAL_STEP
            assert stands == sorted(stands)
            assert stands[-1] > stands[0]
            moved = [entry.data for entry in await _told(world, "PROTECTION_MOVED")]
            assert 2 <= len(moved) <= (stands[-1] - moved[0].before) / (distance * MATERIAL_STEP)
            assert all(data.after - data.before >= distance * MATERIAL_STEP for data in moved)
            assert all(one.after == other.before for one, other in pairwise(moved))
            asked = [entry.data.stop_price for entry in await _told(world, "ORDER_MODIFY_REQUESTED")]
            assert not [price for price in asked if price is not None], "the engine does not move it"
            assert not await _judge(world)

    run_virtual(main())


def test_while_the_engine_is_dead_the_stop_trails_on_and_the_next_engine_knows_where_it_is() -> None:
    async def main() -> None:
        async with World(38) as world:
            await _hold(world)
            before = _stop(world)
            world.crash()
            world.move_market("EUR-USD", Decimal("0.003"))
            await world.clock.sleep(30)
            meanwhile = _stop(world)
            assert meanwhile.order_id == before.order_id
            assert meanwhile.stop_price is not None
            assert before.stop_price is not None
            assert meanwhile.stop_price > before.stop_price + Decimal("0.002")
            world.quiet = True
            await world.start_engine()
            operation = _operation(world)
            (known,) = [order for order in operation.orders.values() if order.client_order_id == before.client_order_id]
            assert known.stop_price == operation.stop_loss == _stop(world).stop_price
            assert not await _judge(world)
            assert _stop(world).order_id == before.order_id

    run_virtual(main())


def test_connecting_again_tells_also_the_step_that_is_too_small_otherwise() -> None:
    async def main() -> None:
        async with World(42) as world:
            operation = await _hold(world)
            distance = _stop(world).trailing_distance
            known = operation.stop_loss
            assert distance is not None
            assert known is not None
            world.crash()
            while _stop(world).stop_price == known:
                world.move_market("EUR-USD", Decimal("0.00003"))
                await world.clock.sleep(0.25)
            world.quiet = True
            stands = _stop(world).stop_price
            assert stands is not None
            assert 0 < stands - known < distance * MATERIAL_STEP
            await world.start_engine()
            assert _operation(world).stop_loss == stands

    run_virtual(main())


def test_hit_while_the_engine_is_dead_the_position_is_closed_where_it_had_trailed_to() -> None:
    async def main() -> None:
        async with World(39) as world:
            operation = await _hold(world)
            assert operation.position is not None
            entered = operation.position.entry_price
            world.crash()
            for jump in ("0.006", "-0.004"):
                world.move_market("EUR-USD", Decimal(jump))
                await world.clock.sleep(5)
            await world.start_engine()
            (first, *_) = await _told(world, "PROTECTION_TRIGGERED")
            assert first.data.price > entered, "the stop had come beyond the entry"
            assert not await _judge(world)

    run_virtual(main())


@pytest.mark.parametrize("bracket", [Bracket.ATOMIC, Bracket.NONE])
def test_placed_anew_the_stop_trails_on_from_where_it_stood(bracket: Bracket) -> None:
    async def main() -> None:
        async with World(40, bracket=bracket) as world:
            operation = await _hold(world, take_profit_type="PERCENTAGE", take_profit_value="0.05")
            assert await world.until(lambda: _stop(world).remaining == operation.quantity, 30)
            world.move_market("EUR-USD", Decimal("0.0020"))
            await world.clock.sleep(6)
            world.move_market("EUR-USD", Decimal("-0.0010"))
            await world.clock.sleep(6)
            before = _stop(world)
            targets = [o for o in operation.orders.values() if o.purpose is OrderPurpose.TAKE_PROFIT and o.is_working]
            await world.command("cancel_order", client_order_id=targets[-1].client_order_id)
            assert await world.until(lambda: bool(_stops(world)) and _stop(world).order_id != before.order_id, 30)
            anew = _stop(world)
            assert anew.order_type is OrderType.TRAILING_STOP
            assert anew.trailing_distance == before.trailing_distance
            assert before.stop_price is not None
            assert anew.stop_price is not None
            assert anew.stop_price >= before.stop_price
            assert not await _judge(world)

    run_virtual(main())


def test_by_hand_it_is_moved_nearer_and_trails_on_and_never_back() -> None:
    async def main() -> None:
        async with World(41) as world:
            operation = await _hold(world)
            identifier = str(derived_id(Kind.OPERATION, operation.number))
            at = _stop(world).stop_price
            assert at is not None
            asked = {"operation_id": identifier, "kind": "STOP_LOSS"}
            back = await world.command("move_protection", price=str(at - Decimal("0.0005")), **asked)
            assert back.refused
            assert "nearer to the market" in back.result["detail"]
            nearer = await world.command("move_protection", price=str(at + Decimal("0.0005")), **asked)
            assert not nearer.refused
            moved = _stop(world)
            assert (moved.stop_price, moved.order_type) == (at + Decimal("0.0005"), OrderType.TRAILING_STOP)
            world.move_market("EUR-USD", Decimal("0.003"))
            await world.clock.sleep(2)
            trailed = _stop(world).stop_price
            assert trailed is not None
            assert trailed > at + Decimal("0.002")
            assert not await _judge(world)

    run_virtual(main())


def test_an_answer_to_a_move_by_hand_that_comes_late_takes_back_no_step_of_the_broker() -> None:
    async def main() -> None:
        async with World(43) as world:
            operation = await _hold(world)
            at = _stop(world).stop_price
            assert at is not None
            world.exchange.faults.add(Fault(FaultKind.SLOW, operation="modify", seconds=1.5))
            world.move_market("EUR-USD", Decimal("0.004"))
            price = str(at + Decimal("0.0002"))
            identifier = str(derived_id(Kind.OPERATION, operation.number))
            world.quiet = True
            moving = world.tasks.start(
                world.command("move_protection", operation_id=identifier, kind="STOP_LOSS", price=price), "by hand"
            )
            await world.clock.sleep(0.1)
            assert _stop(world).stop_price == Decimal(price)
            world.quiet = False
            assert not (await moving).refused
            stands = _stop(world).stop_price
            assert stands is not None
            assert stands > at + Decimal("0.003")
            assert operation.stop_loss is not None
            assert operation.stop_loss > at + Decimal("0.003")
            (known,) = [o for o in operation.orders.values() if o.purpose is OrderPurpose.STOP_LOSS and o.is_working]
            assert known.stop_price == operation.stop_loss
            assert not await _judge(world)

    run_virtual(main())


# By the engine


def test_at_a_broker_that_cannot_trail_the_engine_moves_the_stop() -> None:
    async def main() -> None:
        async with World(37) as world:
            operation = await _hold(world, cannot_trail=True)
            assert _stop(world).order_type is OrderType.STOP
            world.move_market("EUR-USD", Decimal("0.003"))
            await world.clock.sleep(11)
            assert await _told(world, "ORDER_MODIFY_REQUESTED")
            assert operation.stop_loss == _stop(world).stop_price
            assert not await _judge(world)

    run_virtual(main())


def test_a_stop_that_the_engine_moves_follows_the_market_and_never_goes_back() -> None:
    async def main() -> None:
        async with World(37, config=BY_ENGINE) as world:
            await _hold(world)
            stops: list[Decimal] = []
            for jump in ("0.001", "0.001", "-0.0015", "0.0035"):
                world.move_market("EUR-USD", Decimal(jump))
                await world.clock.sleep(11)
                stop = _stop(world)
                assert (stop.order_type, stop.trailing_distance) == (OrderType.STOP, None)
                assert stop.stop_price is not None
                stops.append(stop.stop_price)
            assert stops == sorted(stops)
            assert stops[-1] > stops[0]
            moved = [e.data for e in await world.entries() if e.action_type == "PROTECTION_MOVED"]
            assert [data.after for data in moved][-1] == stops[-1]
            assert not await _judge(world)

    run_virtual(main())


def test_killed_with_a_stop_that_the_engine_moves_half_moved_the_stop_stands_where_the_exchange_has_it() -> None:
    async def main(die_after: float) -> None:
        async with World(38, config=BY_ENGINE) as world:
            operation = await _hold(world)
            world.move_market("EUR-USD", Decimal("0.003"))
            orders = operation.orders.values()
            assert await world.until(lambda: any(order.modify_requested for order in orders), 30, 0.001)
            await world.clock.sleep(die_after)
            world.crash()
            await world.start_engine()
            assert not await _judge(world)
            assert world.engine is not None
            ours = [o for op in world.engine.live.ledger.state.operations.values() for o in op.orders.values()]
            for theirs in world.exchange.open_orders("PAPER-1"):
                (mine,) = [order for order in ours if order.client_order_id == theirs.client_order_id]
                assert (mine.stop_price, mine.modify_requested) == (theirs.stop_price, None)

    for die_after in (0.0, 0.003, 0.006, 0.009, 0.012):
        run_virtual(main(die_after))
