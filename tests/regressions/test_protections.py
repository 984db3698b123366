"""Positions whose protections the broker does not keep as they were asked for."""

from decimal import Decimal
from typing import Any

import pytest

from live_trading.brokers.errors import Retryable
from live_trading.domain.values import OperationStatus, OrderPurpose, OrderStatus
from live_trading.paper_exchange.faults import Fault, FaultKind
from live_trading.simulation import World, run_virtual
from live_trading.simulation.world import ACCOUNT
from tests.regressions.scene import broker_of, id_at_exchange, identifier_of, judge
from tests.scenarios.stage import counts, holding, of


def test_a_stop_thought_never_placed_and_found_working_does_not_stay_beside_the_one_placed_since(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def main() -> None:
        async with World(1) as world:
            operation = await holding(world)
            (stop,) = of(operation, OrderPurpose.STOP_LOSS)
            world.exchange.cancel(ACCOUNT, id_at_exchange(world, stop))  # by hand; it is placed anew
            await world.until(lambda: stop.status.is_terminal, 5, 0.001)
            # That one gets through; all news of it is lost, and the broker does not show it for too long.
            world.exchange.faults.add(Fault(FaultKind.DROP_AFTER_ACCEPT, operation="place"))
            world.exchange.faults.add(Fault(FaultKind.HIDE_ORDERS, seconds=10))
            place = world.exchange.place

            def cut_off(*given: Any) -> Any:
                monkeypatch.undo()
                answer = place(*given)
                world.exchange.disconnect_all("the network is away")
                return answer

            monkeypatch.setattr(world.exchange, "place", cut_off)
            assert await world.until(
                lambda: any(o.status is OrderStatus.NOT_PLACED for o in operation.orders.values()), 60
            )
            await world.clock.sleep(120)
            assert len([o for o in world.exchange.open_orders(ACCOUNT) if o.stop_price is not None]) == 1
            # That an absence was believed which was none is the broker's broken promise, and the story itself.
            assert [told for told in await judge(world) if "was not placed, and the broker has it" not in told] == []

    run_virtual(main())


def test_protections_that_the_broker_takes_and_ends_at_once_again_and_again_close_the_position(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def main() -> None:
        async with World(1) as world:
            operation = await holding(world)
            place = world.exchange.place

            def ends_stops(account: str, new: Any, *given: Any) -> Any:
                answer = place(account, new, *given)
                if new.stop_price is not None:
                    world.exchange.cancel(account, answer.order.order_id, "not allowed today")  # type: ignore[union-attr]
                return answer

            monkeypatch.setattr(world.exchange, "place", ends_stops)
            (stop,) = of(operation, OrderPurpose.STOP_LOSS)
            world.exchange.cancel(ACCOUNT, id_at_exchange(world, stop), "not allowed today")
            assert await world.until(lambda: not operation.quantity, 120), "it goes on for ever, unguarded"
            assert operation.status is OperationStatus.ERROR
            assert len(of(operation, OrderPurpose.STOP_LOSS)) <= 6
            assert not await judge(world)

    run_virtual(main())


def test_a_stop_that_cannot_be_sent_is_not_asked_for_as_fast_as_the_journal_can_write() -> None:
    async def main() -> None:
        async with World(1) as world:
            operation = await holding(world)
            broker = broker_of(world)
            place = broker.place

            async def unsendable(request: Any) -> Any:
                if request.stop_price is not None:
                    raise Retryable("429: come back later")
                return await place(request)

            broker.place = unsendable
            (stop,) = of(operation, OrderPurpose.STOP_LOSS)
            world.exchange.cancel(ACCOUNT, id_at_exchange(world, stop), "by hand")
            await world.clock.sleep(60)
            assert len(of(operation, OrderPurpose.STOP_LOSS)) < 20
            broker.place = place
            assert await world.until(
                lambda: (
                    not operation.quantity or of(operation, OrderPurpose.STOP_LOSS)[-1].status is OrderStatus.PLACED
                ),
                60,
            )
            assert not await judge(world)

    run_virtual(main())


def test_a_move_that_cannot_be_sent_is_not_sent_again_as_fast_as_it_can_be() -> None:
    async def main() -> None:
        async with World(1) as world:
            operation = await holding(world)
            broker = broker_of(world)
            modify = broker.modify

            async def unsendable(*_: object) -> None:
                raise Retryable("429: come back later")

            broker.modify = unsendable
            assert operation.stop_loss is not None
            price = operation.stop_loss - Decimal("0.001") * (1 if operation.quantity > 0 else -1)
            await world.command(
                "move_protection", operation_id=identifier_of(world), kind="STOP_LOSS", price=str(price)
            )
            await world.clock.sleep(60)
            assert (await counts(world))["ORDER_MODIFY_REQUESTED"] < 12
            broker.modify = modify
            assert await world.until(lambda: operation.stop_loss == price, 120), "it is not forgotten either"
            assert not operation.moves
            assert not await judge(world)

    run_virtual(main())
