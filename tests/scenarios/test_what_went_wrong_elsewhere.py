"""What went wrong for users of other trading systems, and what happens here instead.

Each test is one of those stories, told at the level of the broker contract, in virtual time, on the whole engine.
"""

from decimal import Decimal

from live_trading.brokers.types import Execution
from live_trading.domain.values import OperationStatus, OrderPurpose, OrderStatus, Side
from live_trading.orders import facts
from live_trading.paper_exchange.faults import Fault, FaultKind
from live_trading.projections.documents import trade_document
from live_trading.simulation import World, run_virtual
from live_trading.simulation.effects import Death, Way
from live_trading.simulation.invariants import fold
from live_trading.simulation.world import ACCOUNT
from tests.scenarios.stage import HOLD, counts, fills, holding, of, resting, tell, the_operation


def test_01_fills_during_an_outage_are_read_back_once_each() -> None:
    async def story(world: World) -> None:
        operation = await holding(world)
        world.exchange.faults.add(Fault(FaultKind.STOP_ANSWERING, count=None, seconds=3600))
        world.exchange.disconnect_all("1100: connectivity lost")
        world.move_market("EUR-USD", Decimal("-0.01"))
        await world.clock.sleep(20)
        assert operation.quantity, "nothing is known of the stop's fill"
        world.exchange.faults.remove()
        assert await world.until(lambda: not operation.quantity, 60)
        told = await fills(world)
        assert [entry.data.recovered for entry in told] == [False, True]
        assert len({entry.data.execution_id for entry in told}) == 2

    tell(story)


def test_02_a_broker_id_that_is_used_again_attributes_nothing_to_the_wrong_order() -> None:
    async def story(world: World) -> None:
        operation = await holding(world)
        assert world.engine is not None
        ledger = world.engine.live.ledger
        (entry,) = of(operation, OrderPurpose.ENTRY)
        (stop,) = of(operation, OrderPurpose.STOP_LOSS)
        rolled_back = Execution(
            execution_id="after-the-restart",
            client_order_id=stop.client_order_id,
            broker_order_id=str(entry.broker_order_id),
            symbol="EUR-USD",
            side=Side.SELL,
            price=Decimal("1.08"),
            quantity=Decimal(1000),
            executed_at=world.clock.now(),
        )
        drafts = facts.from_execution(ledger, "paper", rolled_back)
        named = {draft.data.client_order_id for draft in drafts if not callable(draft.data)}  # type: ignore[attr-defined]
        assert named == {stop.client_order_id}

    tell(story)


def test_03_an_order_that_is_never_answered_is_in_doubt_and_found_and_the_engine_lives() -> None:
    async def story(world: World) -> None:
        await world.start_engine()
        world.exchange.faults.add(Fault(FaultKind.DROP_AFTER_ACCEPT, operation="place"))
        await world.create_operation(**HOLD)
        assert await world.until(lambda: bool(the_operation(world).quantity), 300)
        seen = await counts(world)
        assert seen["ORDER_IN_DOUBT"]
        assert not seen["ORDER_REJECTED"]
        assert seen["ENGINE_STARTED"] == 1

    tell(story)


def test_04_the_nightly_reset_is_an_ordinary_disconnection() -> None:
    async def story(world: World) -> None:
        operation = await holding(world)
        world.exchange.faults.add(Fault(FaultKind.STOP_ANSWERING, count=None, seconds=3600))
        world.exchange.disconnect_all("the gateway restarts")
        await world.clock.sleep(180)
        world.exchange.faults.remove()
        await world.clock.sleep(60)
        seen = await counts(world)
        assert seen["BROKER_DISCONNECTED"] >= 1
        assert seen["BROKER_CONNECTED"] >= 2
        assert seen["ENGINE_STARTED"] == 1
        assert operation.status is OperationStatus.ACTIVE

    tell(story)


def test_05_a_fill_of_an_order_whose_id_nobody_wrote_down_is_matched_by_our_own_id() -> None:
    async def story(world: World) -> None:
        await world.start_engine()
        await world.create_operation(**HOLD)
        placed = len(world.effects.names)
        assert await world.until(lambda: "place" in world.effects.names[placed:], 300)
        assert await world.until(lambda: world.is_down, 30), "it died after the broker had the order"
        await world.clock.sleep(5)
        await world.start_engine()
        assert await world.until(lambda: bool(the_operation(world).quantity), 60)
        (entry,) = of(the_operation(world), OrderPurpose.ENTRY)
        assert entry.status is OrderStatus.FILLED

    tell(story, deaths=[Death(_effect_of_first_order(), Way.UNACKNOWLEDGED)])


def _effect_of_first_order() -> int:
    async def main() -> int:
        async with World(1) as world:
            await holding(world)
            return world.effects.names.index("place")

    return run_virtual(main())


def test_06_a_failed_question_about_positions_is_not_taken_for_flat() -> None:
    async def story(world: World) -> None:
        operation = await holding(world)
        before = operation.quantity
        world.exchange.faults.add(Fault(FaultKind.FAIL_QUERIES, count=None))
        await world.clock.sleep(200)
        world.exchange.faults.remove()
        seen = await counts(world)
        assert not seen["POSITION_DISCREPANCY_FOUND"]
        assert not seen["ORDER_CANCEL_REQUESTED"]
        assert operation.quantity == before

    tell(story)


def test_07_a_change_during_a_connection_loss_leaves_one_live_order() -> None:
    async def story(world: World) -> None:
        operation = await holding(world)
        (stop,) = of(operation, OrderPurpose.STOP_LOSS)
        assert stop.stop_price is not None
        world.exchange.faults.add(Fault(FaultKind.DROP_AFTER_ACCEPT, operation="modify"))
        price = stop.stop_price + Decimal("0.0005")
        identifier = next(iter(world.inbox.outcomes.values())).result["operation_id"]
        await world.command("move_protection", operation_id=identifier, kind="STOP_LOSS", price=str(price))
        assert await world.until(lambda: operation.stop_loss == price and stop.doubt is None, 60)
        resting = [o for o in world.exchange.open_orders(ACCOUNT) if o.stop_price is not None]
        assert [(o.client_order_id, o.stop_price) for o in resting] == [(stop.client_order_id, price)]
        assert (await counts(world))["ORDER_IN_DOUBT"] == 1

    tell(story)


def test_08_an_execution_without_our_id_is_matched_by_the_brokers_or_held_as_external() -> None:
    async def story(world: World) -> None:
        operation = await holding(world)
        assert world.engine is not None
        ledger = world.engine.live.ledger
        (stop,) = of(operation, OrderPurpose.STOP_LOSS)
        known = Execution(
            execution_id="no-client-id",
            client_order_id=None,
            broker_order_id=str(stop.broker_order_id),
            symbol="EUR-USD",
            side=Side.SELL,
            price=Decimal("1.08"),
            quantity=Decimal(1000),
            executed_at=world.clock.now(),
        )
        assert facts.from_execution(ledger, "paper", known)[0].data.client_order_id == stop.client_order_id  # type: ignore[union-attr]
        orders = len(ledger.orders)
        world.exchange.external_fill(ACCOUNT, "EUR-USD", Side.BUY, Decimal(1000), Decimal("1.085"))
        await world.clock.sleep(5)
        assert len(ledger.orders) == orders, "nothing was made into an order of ours"
        assert (await counts(world))["EXTERNAL_FILL_SEEN"] == 1
        await world.clock.sleep(70)
        assert (await counts(world))["POSITION_DISCREPANCY_FOUND"] == 1, "and a person is asked what it means"

    tell(story)


def test_09_working_orders_of_an_earlier_session_are_adopted_and_can_be_managed() -> None:
    async def story(world: World) -> None:
        operation = await holding(world)
        identifier = next(iter(world.inbox.outcomes.values())).result["operation_id"]
        (stop,) = of(operation, OrderPurpose.STOP_LOSS)
        world.crash()
        await world.start_engine()
        operation = the_operation(world)
        assert await world.until(lambda: operation.orders[stop.client_order_id].status is OrderStatus.PLACED, 30)
        price = (stop.stop_price or Decimal(0)) + Decimal("0.0003")
        moved = await world.command("move_protection", operation_id=identifier, kind="STOP_LOSS", price=str(price))
        assert not moved.refused
        assert await world.until(lambda: operation.stop_loss == price, 30)
        cancelled = await world.command("cancel_order", client_order_id=stop.client_order_id)
        assert not cancelled.refused
        assert await world.until(lambda: operation.orders[stop.client_order_id].status is OrderStatus.CANCELLED, 30)
        assert await world.until(lambda: len(resting(world, "stop_price")) == 1, 30), "and the stop is placed anew"

    tell(story)


def test_10_restarts_send_nothing_twice() -> None:
    async def story(world: World) -> None:
        await holding(world)
        orders = len(world.exchange.orders(ACCOUNT))
        for _ in range(3):
            world.crash()
            await world.clock.sleep(3)
            await world.start_engine()
            await world.clock.sleep(20)
        assert len(world.exchange.orders(ACCOUNT)) == orders

    tell(story)


def test_11_a_warm_restart_makes_up_no_fill() -> None:
    async def story(world: World) -> None:
        operation = await holding(world)
        quantity, told = operation.quantity, len(await fills(world))
        await world.stop()
        await world.clock.sleep(60)
        await world.start_engine()
        await world.clock.sleep(60)
        assert the_operation(world).quantity == quantity
        assert len(await fills(world)) == told
        assert len(world.exchange.executions_after(ACCOUNT, 0)[0]) == told

    tell(story)


def test_12_trades_have_the_same_ids_after_every_restart() -> None:
    async def story(world: World) -> None:
        operation = await holding(world, strategy_config={"script": "L...X..."})
        assert await world.until(lambda: operation.totals.trades >= 3, 600)

        async def ids() -> list[object]:
            ledger = fold(await world.entries())
            return [
                trade_document(piece, operation)["_id"]
                for operation in ledger.state.operations.values()
                for fill in operation.fills
                for piece in fill.pieces
                if piece.related_entry is not None
            ][:3]

        first = await ids()
        for _ in range(2):
            world.crash()
            await world.start_engine()
            assert await ids() == first

    tell(story)


def test_13_an_ambiguous_answer_is_not_a_rejection() -> None:
    async def story(world: World) -> None:
        await world.start_engine()
        world.exchange.faults.add(Fault(FaultKind.ACCEPTED_504, operation="place"))
        await world.create_operation(**HOLD)
        assert await world.until(lambda: bool(the_operation(world).quantity), 300)
        seen = await counts(world)
        assert seen["ORDER_IN_DOUBT"]
        assert not seen["ORDER_REJECTED"]

    tell(story)
