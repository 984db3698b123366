"""A stop and a target that only the signal names guard the position as those of the settings do, whatever the broker
can hold and whatever becomes of them there."""

from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from live_trading.brokers.types import Bracket
from live_trading.domain.values import OrderPurpose
from live_trading.projections.state import Operation
from live_trading.simulation import World, run_virtual
from live_trading.simulation.invariants import broken
from live_trading.simulation.world import ACCOUNT

STRATEGIES = Path(__file__).with_name("strategies_for_tests.py")
NONE_BY_SETTINGS = dict.fromkeys(("stop_loss_type", "stop_loss_value", "take_profit_type", "take_profit_value"))
BROKERS: dict[str, dict[str, Any]] = {
    "holds everything": {},
    "no brackets": {"bracket": Bracket.NONE},
    "no brackets, no links": {"bracket": Bracket.NONE, "oca": False},
    "no stops": {"stops": False},
}


async def _held(world: World, **offsets: float) -> Operation:
    engine = await world.start_engine()
    settings = {"crash_recovery_mode": "RESUME", "emergency_stop_loss_pct": "0.9", **NONE_BY_SETTINGS}
    await world.create_operation(strategy_name=f"{STRATEGIES}:EntersOnce", strategy_config=offsets, **settings)
    (operation,) = engine.live.ledger.state.operations.values()
    assert await world.until(lambda: bool(operation.quantity), 120)
    await world.clock.sleep(5)
    return operation


async def _judge(world: World) -> list[str]:
    assert await world.come_to_rest(300)
    return broken(await world.entries(), "paper", world.broker_record(), watched=world.watched)


@pytest.mark.parametrize("broker", BROKERS)
@pytest.mark.parametrize("offsets", [{"loss_offset": -0.01}, {"loss_offset": -0.01, "profit_offset": 0.02}], ids=str)
def test_a_stop_that_only_the_signal_named_closes_the_position(broker: str, offsets: dict[str, float]) -> None:
    async def main() -> None:
        async with World(81, **BROKERS[broker]) as world:
            operation = await _held(world, **offsets)
            stop = operation.stop_loss
            assert stop is not None
            resting = {order.stop_price for order in world.exchange.open_orders(ACCOUNT)} - {None}
            assert resting == (set() if broker == "no stops" else {stop})
            assert (operation.take_profit is not None) == ("profit_offset" in offsets)
            first = operation.position
            world.move_market("EUR-USD", Decimal("-0.012"))
            assert await world.until(lambda: operation.position is not first, 30)
            assert not await _judge(world)

    run_virtual(main())


@pytest.mark.parametrize("purpose", [OrderPurpose.STOP_LOSS, OrderPurpose.TAKE_PROFIT])
def test_one_that_somebody_cancels_at_the_broker_is_placed_again_where_it_was(purpose: OrderPurpose) -> None:
    async def main() -> None:
        async with World(82) as world:
            operation = await _held(world, loss_offset=-0.01, profit_offset=0.02)
            before = (operation.stop_loss, operation.take_profit)
            (order,) = (o for o in operation.orders.values() if o.purpose is purpose and not o.status.is_terminal)
            assert order.broker_order_id is not None
            world.exchange.cancel(ACCOUNT, int(order.broker_order_id))
            assert await world.until(lambda: order.status.is_terminal, 30)
            await world.clock.sleep(10)
            working = {o.purpose: o for o in operation.orders.values() if not o.status.is_terminal}
            assert set(working) == {OrderPurpose.STOP_LOSS, OrderPurpose.TAKE_PROFIT}
            assert (operation.stop_loss, operation.take_profit) == before
            assert not await _judge(world)

    run_virtual(main())


def test_a_position_after_it_has_none_when_its_own_signal_names_none() -> None:
    async def main() -> None:
        async with World(83) as world:
            operation = await _held(world)
            assert not [order for order in operation.orders.values() if order.purpose.is_protection]
            assert not await _judge(world)

    run_virtual(main())
