"""What these stories are told with."""

from collections.abc import Callable
from typing import Any

from live_trading.brokers.types import Absent
from live_trading.domain.ids import Kind, derived_id
from live_trading.engine.inbox import Command
from live_trading.projections.state import Order
from live_trading.simulation import World
from live_trading.simulation.invariants import broken
from live_trading.simulation.world import ACCOUNT
from tests.scenarios.stage import the_operation


async def judge(world: World) -> list[str]:
    assert await world.come_to_rest()
    return broken(await world.entries(), "paper", world.broker_record())


def broker_of(world: World) -> Any:
    assert world.engine is not None
    return world.engine.context.sessions["paper"].broker


async def is_answered(world: World, command: Command, within: float = 60) -> bool:
    """Whether a command is answered in time."""
    world.inbox.submit(command)
    return await world.until(lambda: command.id in world.inbox.outcomes, within)


def identifier_of(world: World) -> str:
    return str(derived_id(Kind.OPERATION, the_operation(world).number))


def working_orders(world: World) -> list[Order]:
    assert world.engine is not None
    return world.engine.live.ledger.working_orders(the_operation(world))


def id_at_exchange(world: World, order: Order) -> int:
    found = world.exchange.find(ACCOUNT, order.client_order_id)
    assert found is not None
    return found.order_id


def forgets(world: World, *forgotten: str) -> Callable[[], None]:
    """Have the broker know nothing any more of some orders, as those whose lists of ended orders are of one day."""
    broker = broker_of(world)
    find = broker.find_order

    async def find_order(identifier: str) -> Any:
        return Absent("in none of its lists") if identifier in forgotten else await find(identifier)

    broker.find_order = find_order
    return lambda: setattr(broker, "find_order", find)


async def lose(world: World, order: Order) -> None:
    """The order ends while the connection is lost, and is in none of the broker's lists afterwards."""
    assert world.engine is not None
    session = world.engine.context.sessions["paper"]
    forgets(world, order.client_order_id)
    world.exchange.disconnect_all("overnight")
    assert await world.until(lambda: not session.ready.is_set(), 5)
    theirs = world.exchange.find(ACCOUNT, order.client_order_id)
    assert theirs is not None
    world.exchange.cancel(ACCOUNT, theirs.order_id)
    assert await world.until(session.ready.is_set, 60)
