"""Answers that could not be read, and orders that a broker no longer knows: unknown is never taken for an answer."""

from decimal import Decimal
from typing import Any

import pytest

from live_trading.brokers.types import Degraded, Restored
from live_trading.domain.values import DoubtfulAction, OperationStatus, OrderPurpose, OrderStatus
from live_trading.engine.inbox import Command
from live_trading.paper_exchange.catalogue import default_catalogue
from live_trading.paper_exchange.core import Catalogue, LiquidityModel
from live_trading.paper_exchange.faults import Fault, FaultKind
from live_trading.simulation import World, run_virtual
from tests.regressions.scene import broker_of, forgets, id_at_exchange, identifier_of, is_answered, judge, lose
from tests.scenarios.stage import HOLD, counts, holding, of, the_operation

_IN_PARTS = Catalogue(
    tuple(each.model_copy(update={"liquidity": LiquidityModel(max_fill=Decimal(400))}) for each in default_catalogue())
)


@pytest.mark.parametrize("error", [KeyError("orderTransaction"), AttributeError("price"), RuntimeError("closed")])
def test_whatever_placing_raises_after_the_order_left_puts_it_in_doubt(error: Exception) -> None:
    async def main() -> None:
        async with World(1) as world:
            await world.start_engine()
            await world.create_operation(**HOLD)
            broker = broker_of(world)
            place = broker.place

            async def unreadable(request: Any) -> Any:
                await place(request)
                broker.place = place
                raise error

            broker.place = unreadable
            assert await world.until(lambda: bool(the_operation(world).quantity), 300)
            assert (await counts(world))["ORDER_IN_DOUBT"]
            await world.clock.sleep(10)
            operation = the_operation(world)
            assert operation.status is OperationStatus.ACTIVE
            assert [o.status for o in of(operation, OrderPurpose.STOP_LOSS)] == [OrderStatus.PLACED]
            assert not await judge(world)

    run_virtual(main())


@pytest.mark.parametrize("what", ["modify", "cancel"])
def test_whatever_a_change_or_a_cancel_raises_puts_it_in_doubt(what: str) -> None:
    async def main() -> None:
        async with World(1) as world:
            operation = await holding(world)
            (stop,) = of(operation, OrderPurpose.STOP_LOSS)
            broker = broker_of(world)
            real = getattr(broker, what)

            async def unreadable(*given: Any) -> Any:
                await real(*given)
                setattr(broker, what, real)
                raise KeyError("orderTransaction")

            setattr(broker, what, unreadable)
            if what == "cancel":
                asked = Command("x", "cancel_order", {"client_order_id": stop.client_order_id})
            else:
                assert stop.stop_price is not None
                price = stop.stop_price - Decimal("0.001") * (1 if operation.quantity > 0 else -1)
                arguments = {"operation_id": identifier_of(world), "kind": "STOP_LOSS", "price": str(price)}
                asked = Command("x", "move_protection", arguments)
            assert await is_answered(world, asked)
            assert not world.inbox.outcomes["x"].refused
            if what == "modify":  # of a cancel the order's end may have been told already
                assert (await counts(world))["ORDER_IN_DOUBT"] == 1
            assert await world.until(lambda: stop.doubt is None and stop.modify_requested is None, 30)
            assert not await judge(world)

    run_virtual(main())


def test_doubts_are_asked_about_again_after_a_connection_that_was_impaired_is_restored() -> None:
    async def main() -> None:
        async with World(1) as world:
            operation = await holding(world)
            session = world.engine.context.sessions["paper"]  # type: ignore[union-attr]
            broker = broker_of(world)
            (stop,) = of(operation, OrderPurpose.STOP_LOSS)
            # A cancel is swallowed; before it is asked about, the connection is impaired, and restored later.
            world.exchange.faults.add(Fault(FaultKind.DROP_BEFORE_ACCEPT, operation="cancel"))
            world.exchange.faults.add(Fault(FaultKind.DROP_BEFORE_ACCEPT, operation="cancel"))
            await world.command("cancel_order", client_order_id=stop.client_order_id)
            assert stop.doubt is DoubtfulAction.CANCEL
            broker._connection.tell(Degraded("1100"))
            assert await world.until(lambda: not session.ready.is_set(), 5)
            await world.clock.sleep(5)
            broker._connection.tell(Restored(data_lost=True))
            assert await world.until(session.ready.is_set, 5)
            assert await world.until(lambda: stop.doubt is None, 20), "it is asked about, and cancelled after all"

    run_virtual(main())


def test_a_stop_that_the_broker_has_no_more_is_not_taken_to_guard_the_position() -> None:
    async def main() -> None:
        async with World(1) as world:
            operation = await holding(world)
            (stop,) = of(operation, OrderPurpose.STOP_LOSS)
            await lose(world, stop)
            assert await world.until(lambda: operation.status is OperationStatus.ERROR, 300), "nobody hears of it"
            assert "ORDER_NEEDS_OPERATOR" in await counts(world)
            # Somebody looks at the broker's screen: it is not there. So the position gets its stop again.
            looked = await world.command(
                "resolve_order", client_order_id=stop.client_order_id, resolution="not_placed", note="not on the screen"
            )
            assert not looked.refused, looked.result
            assert stop.status is OrderStatus.CANCELLED
            assert await world.until(lambda: of(operation, OrderPurpose.STOP_LOSS)[-1].status is OrderStatus.PLACED, 30)
            assert not await judge(world)

    run_virtual(main())


def test_a_stop_that_the_broker_did_not_show_for_a_while_guards_the_position_again() -> None:
    async def main() -> None:
        async with World(1) as world:
            operation = await holding(world)
            (stop,) = of(operation, OrderPurpose.STOP_LOSS)
            remember = forgets(world, stop.client_order_id)
            world.exchange._hidden_until[id_at_exchange(world, stop)] = world.clock.monotonic() + 60
            assert await world.until(lambda: stop.doubt is not None, 90)
            remember()
            assert await world.until(lambda: stop.doubt is None, 60)
            assert (stop.status, operation.status) == (OrderStatus.PLACED, OperationStatus.ACTIVE)
            assert not await judge(world)

    run_virtual(main())


def test_a_part_filled_order_in_doubt_that_the_broker_has_no_more_waits_for_a_person_visibly() -> None:
    async def main() -> None:
        async with World(1, catalogue=_IN_PARTS) as world:
            operation = await holding(world)
            assert await world.until(lambda: abs(operation.quantity) == 1000, 30)
            world.move_market("EUR-USD", Decimal("0.1") * (-1 if operation.quantity > 0 else 1))
            stop = of(operation, OrderPurpose.STOP_LOSS)[-1]
            assert await world.until(lambda: stop.status is OrderStatus.PARTIALLY_FILLED, 30, 0.001)
            world.quiet = True
            await lose(world, stop)
            assert await world.until(lambda: operation.status is OperationStatus.ERROR, 300), "nobody hears of it"
            assert "ORDER_NEEDS_OPERATOR" in await counts(world)

    run_virtual(main())
