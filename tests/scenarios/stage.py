"""What the stories of these tests are told with."""

from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Any

from live_trading.domain.entries import Entry
from live_trading.domain.values import OrderPurpose
from live_trading.projections.state import Operation, Order
from live_trading.simulation import World, run_virtual
from live_trading.simulation.invariants import broken
from live_trading.simulation.scripted import SCRIPTED
from live_trading.simulation.world import ACCOUNT

LONG = "." * 123 + "L" + "." * 76
"""Enters on the fourth bar of a world's time, and then not for a quarter of an hour."""
HOLD = {
    "strategy_name": SCRIPTED,
    "strategy_config": {"script": LONG},
    "crash_recovery_mode": "RESUME",
    "emergency_stop_loss_pct": "0.9",
    "stop_loss_value": "0.002",
}
Story = Callable[[World], Awaitable[None]]


def tell(story: Story, **world: Any) -> None:
    """Live through a story, let it come to rest, and judge what is left."""

    async def main() -> None:
        async with World(1, **world) as stage:
            await story(stage)
            assert await stage.come_to_rest()
            assert broken(await stage.entries(), "paper", stage.broker_record()) == []

    run_virtual(main())


def the_operation(world: World) -> Operation:
    assert world.engine is not None
    (operation,) = world.engine.live.ledger.state.operations.values()
    return operation


async def holding(world: World, **settings: Any) -> Operation:
    """An engine that trades, and a position with its stop and target at the broker."""
    await world.start_engine()
    await world.create_operation(**HOLD | settings)
    assert await world.until(lambda: bool(the_operation(world).quantity), 300)
    assert await world.until(lambda: the_operation(world).stop_loss is not None, 30)
    return the_operation(world)


async def counts(world: World) -> Counter[str]:
    return Counter(entry.action_type for entry in await world.entries())


async def fills(world: World) -> list[Entry]:
    return [entry for entry in await world.entries() if entry.action_type == "ORDER_FILLED"]


def of(operation: Operation, purpose: OrderPurpose) -> list[Order]:
    return [order for order in operation.orders.values() if order.purpose is purpose]


def resting(world: World, price: str) -> list[Any]:
    return [o for o in world.exchange.open_orders(ACCOUNT) if getattr(o, price) is not None and not o.dormant]
