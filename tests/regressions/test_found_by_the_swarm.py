"""What random worlds found wrong, each as the shortest story of it."""

from decimal import Decimal
from typing import Any

import pytest

from live_trading.domain.entries import Draft, OperationPaused
from live_trading.domain.ids import Kind, derived_id
from live_trading.domain.values import OperationStatus, OrderPurpose, OrderStatus
from live_trading.orders.order_manager import OrderManager
from live_trading.simulation import World, run_virtual
from live_trading.simulation.invariants import broken
from live_trading.simulation.scripted import SCRIPTED
from live_trading.simulation.world import ACCOUNT

HOLDS = {"strategy_name": SCRIPTED, "strategy_config": {"script": "L" + "." * 40}}


async def _judge(world: World) -> list[str]:
    assert await world.come_to_rest()
    return broken(await world.entries(), "paper", world.broker_record())


def test_an_operation_whose_exit_the_broker_takes_back_after_it_was_closed_is_closed_again() -> None:
    async def main() -> None:
        async with World(1) as world:
            engine = await world.start_engine()
            identifier = await world.create_operation(**HOLDS)
            (operation,) = engine.live.ledger.state.operations.values()
            assert await world.until(lambda: bool(operation.quantity), 300)
            await world.command("close_operation", operation_id=identifier)
            assert await world.until(lambda: operation.status is OperationStatus.CLOSED, 60)
            exit_fill = operation.fills[-1]
            world.exchange.correct_execution(ACCOUNT, exit_fill.execution_id, quantity=Decimal(0))
            assert await world.until(lambda: bool(operation.quantity), 5)
            assert operation.status is OperationStatus.CLOSING
            assert await world.until(lambda: operation.status is OperationStatus.CLOSED, 60)
            assert not operation.quantity
            assert not await _judge(world)

    run_virtual(main())


def test_an_entry_is_not_sent_when_its_operation_is_paused_in_the_same_moment(monkeypatch: pytest.MonkeyPatch) -> None:
    place = OrderManager.place

    async def paused_meanwhile(self: OrderManager, operation: Any, *given: Any, **rest: Any) -> Any:
        if operation.status is OperationStatus.ACTIVE:
            await self.live.append(Draft(OperationPaused(), derived_id(Kind.OPERATION, operation.number)))
        return await place(self, operation, *given, **rest)

    async def main() -> None:
        async with World(1) as world:
            engine = await world.start_engine()
            await world.create_operation(**HOLDS)
            monkeypatch.setattr(OrderManager, "place", paused_meanwhile)
            (operation,) = engine.live.ledger.state.operations.values()
            assert await world.until(lambda: bool(operation.orders), 300)
            await world.clock.sleep(5)
            assert {o.status for o in operation.orders.values()} == {OrderStatus.NOT_PLACED}
            assert {o.purpose for o in operation.orders.values()} >= {OrderPurpose.ENTRY}
            assert world.exchange.orders(ACCOUNT) == []
            assert not await _judge(world)

    run_virtual(main())
