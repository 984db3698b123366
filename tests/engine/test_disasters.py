"""Single disasters, told as what must happen. The exchange's own record is the judge."""

from decimal import Decimal

from live_trading.domain.ids import Kind, derived_id
from live_trading.domain.values import OrderStatus, Side
from live_trading.engine.inbox import Command
from live_trading.paper_exchange.faults import Fault, FaultKind
from live_trading.projections.state import Operation
from live_trading.simulation import World, run_virtual
from live_trading.simulation.invariants import broken

ACCOUNT = "PAPER-1"


async def _operation(world: World, **settings: str) -> Operation:
    await world.create_operation(**settings)
    assert world.engine is not None
    (operation,) = world.engine.live.ledger.state.operations.values()
    return operation


async def _judge(world: World) -> list[str]:
    assert await world.come_to_rest(300)
    return broken(await world.entries(), "paper", world.broker_record())


def test_an_order_accepted_without_an_answer_is_in_doubt_and_found_not_sent_again() -> None:
    async def main() -> None:
        async with World(21) as world:
            await world.start_engine()
            operation = await _operation(world)
            world.exchange.faults.add(Fault(FaultKind.DROP_AFTER_ACCEPT, operation="place"))
            assert await world.until(lambda: bool(operation.quantity), 7200)
            kinds = [e.action_type for e in await world.entries()]
            assert kinds.count("ORDER_IN_DOUBT") == 3, "the entry and its two protections"
            assert kinds.count("ORDER_REQUESTED") == 3
            assert len(world.exchange.orders(ACCOUNT)) == 3
            assert not await _judge(world)

    run_virtual(main())


def test_an_order_dropped_before_it_was_accepted_is_proved_absent_after_the_visibility_delay() -> None:
    async def main() -> None:
        async with World(22) as world:
            engine = await world.start_engine()
            operation = await _operation(world)
            world.exchange.faults.add(Fault(FaultKind.DROP_BEFORE_ACCEPT, operation="place"))
            orders = engine.live.ledger.orders
            assert await world.until(lambda: bool(orders), 7200)
            assert await world.until(lambda: all(o.status is OrderStatus.NOT_PLACED for o in orders.values()), 30)
            entries = await world.entries()
            asked = next(e.timestamp for e in entries if e.action_type == "ORDER_REQUESTED")
            proved = next(e.timestamp for e in entries if e.action_type == "ORDER_NOT_PLACED")
            assert (proved - asked).total_seconds() >= 2.0
            assert await world.until(lambda: bool(operation.quantity), 7200), "it trades on afterwards"
            assert not await _judge(world)

    run_virtual(main())


def test_fills_while_the_engine_was_down_are_read_back_once_each() -> None:
    async def main() -> None:
        async with World(23) as world:
            await world.start_engine()
            operation = await _operation(world, crash_recovery_mode="RESUME", emergency_stop_loss_pct="0.9")
            assert await world.until(lambda: bool(operation.quantity), 7200)
            against = -1 if operation.quantity > 0 else 1
            world.crash()
            world.move_market("EUR-USD", Decimal("0.01") * against)  # the stop at the exchange is hit meanwhile
            await world.clock.sleep(5)
            engine = await world.start_engine()
            (operation,) = engine.live.ledger.state.operations.values()
            assert not operation.quantity
            recovered = [e for e in await world.entries() if e.action_type == "ORDER_FILLED" and e.data.recovered]
            assert len(recovered) == 1
            assert not await _judge(world)

    run_virtual(main())


def test_a_position_without_a_stop_gets_it_again_at_the_next_start() -> None:
    async def main() -> None:
        async with World(24) as world:
            await world.start_engine()
            operation = await _operation(world, crash_recovery_mode="RESUME", emergency_stop_loss_pct="0.9")
            assert await world.until(lambda: bool(operation.quantity), 7200)
            world.crash()
            for order in world.exchange.open_orders(ACCOUNT):  # somebody cancelled the protections by hand
                world.exchange.cancel(ACCOUNT, order.order_id)
            engine = await world.start_engine()
            (operation,) = engine.live.ledger.state.operations.values()
            await world.clock.sleep(5)
            working = [order for order in world.exchange.open_orders(ACCOUNT) if order.stop_price is not None]
            assert operation.position is not None
            assert [order.stop_price for order in working] == [operation.position.stop_loss]
            assert not await _judge(world)

    run_virtual(main())


def test_a_position_changed_by_hand_at_the_broker_is_shown_held_and_never_traded_against() -> None:
    async def main() -> None:
        async with World(25) as world:
            await world.start_engine()
            operation = await _operation(world, crash_recovery_mode="CLOSE_ALL")
            assert await world.until(lambda: bool(operation.quantity), 7200)
            held = operation.quantity
            world.crash()
            side = Side.SELL if held > 0 else Side.BUY
            world.exchange.adjust_position(ACCOUNT, "EUR-USD", side, abs(held), Decimal("1.08"))
            engine = await world.start_engine()
            (operation,) = engine.live.ledger.state.operations.values()
            await world.clock.sleep(120)
            assert operation.status == "error"
            found = [e for e in await world.entries() if e.action_type == "POSITION_DISCREPANCY_FOUND"]
            assert [(e.data.ledger_quantity, e.data.broker_quantity) for e in found] == [(held, Decimal(0))]
            assert not world.broker_record().positions.get("EUR-USD"), "nothing was sent against the other's trade"
            resolved = await world.command(
                "resolve_discrepancy", broker="paper", symbol="EUR-USD", resolution="ignore", note="hedged elsewhere"
            )
            assert not resolved.refused
            assert not engine.live.ledger.state.discrepancies

    run_virtual(main())


def test_a_silent_peer_is_noticed_and_the_connection_made_anew() -> None:
    async def main() -> None:
        async with World(26) as world:
            await world.start_engine()
            await _operation(world)
            await world.clock.sleep(30)
            world.exchange.faults.add(Fault(FaultKind.STOP_ANSWERING, seconds=20))
            at = world.clock.monotonic()
            assert world.engine is not None
            session = world.engine.context.sessions["paper"]
            assert await world.until(lambda: not session.ready.is_set(), 10)
            assert world.clock.monotonic() - at <= 10
            assert await world.until(session.ready.is_set, 60)
            kinds = [e.action_type for e in await world.entries()]
            assert kinds.count("BROKER_DISCONNECTED") == 1
            assert kinds.count("BROKER_CONNECTED") == 2
            assert "MARKET_DATA_STALE" in kinds
            assert not await _judge(world)

    run_virtual(main())


def test_a_corrected_execution_corrects_the_ledger_and_a_late_commission_is_booked() -> None:
    async def main() -> None:
        async with World(27, commission_delay=5) as world:
            engine = await world.start_engine()
            operation = await _operation(world, crash_recovery_mode="RESUME", emergency_stop_loss_pct="0.9")
            assert await world.until(lambda: bool(operation.quantity), 7200)
            await world.clock.sleep(10)
            (fill,) = operation.fills
            assert fill.commission > 0
            world.exchange.correct_execution(ACCOUNT, fill.execution_id, price=fill.price + Decimal("0.0001"))
            await world.clock.sleep(1)
            assert "FILL_CORRECTED" in [e.action_type for e in await world.entries()]
            assert engine.live.ledger.executions[f"paper|{fill.execution_id}"].price == fill.price
            assert not await _judge(world)

    run_virtual(main())


def test_a_strategy_that_raises_ends_its_operation_only_and_leaves_the_protections() -> None:
    async def main() -> None:
        async with World(28) as world:
            engine = await world.start_engine()
            strategy = f"{__file__.rsplit('/', 1)[0]}/strategies_for_tests.py:RaisesWhenHolding"
            await world.create_operation(strategy_name=strategy)
            await world.create_operation()
            assert await world.until(
                lambda: any(op.status == "error" for op in engine.live.ledger.state.operations.values()), 7200
            )
            failed, other = engine.live.ledger.state.operations.values()
            assert failed.status_reason == "the strategy failed"
            assert other.status == "active"
            assert failed.quantity
            stops = [order for order in world.exchange.open_orders(ACCOUNT) if order.stop_price is not None]
            assert stops
            assert not await _judge(world)

    run_virtual(main())


async def _held(world: World, **settings: str) -> Operation:
    await world.start_engine()
    plain = {"crash_recovery_mode": "RESUME", "emergency_stop_loss_pct": "0.9", "stop_loss_value": "0.01"}
    operation = await _operation(world, **{**plain, **settings})
    assert await world.until(lambda: bool(operation.quantity), 7200)
    await world.clock.sleep(1)
    return operation


def _operation_id(operation: Operation) -> str:
    return str(derived_id(Kind.OPERATION, operation.number))


def _wider(operation: Operation, by: str = "0.002") -> Decimal:
    """Where a person moves the stop to: away from the market."""
    assert operation.stop_loss is not None
    return operation.stop_loss - Decimal(by) * (1 if operation.quantity > 0 else -1)


def _stops(world: World) -> list[Decimal]:
    return [o.stop_price for o in world.exchange.open_orders(ACCOUNT) if o.stop_price is not None]


async def _submit_and_die_before_the_change_is_sent(world: World, operation: Operation, price: Decimal) -> None:
    """The change is journaled, and the engine is gone before a byte of it leaves."""
    arguments = {"operation_id": _operation_id(operation), "kind": "STOP_LOSS", "price": str(price)}
    world.inbox.submit(Command("by hand", "move_protection", arguments, "user:ann"))
    assert world.engine is not None
    ledger, bucket = world.engine.live.ledger, world.engine.context.gatekeeper.tokens
    while not bucket.take(reduces_risk=True):
        pass  # the change waits for a token
    assert await world.until(lambda: bool(operation.moves), 10, 0.001)
    assert ledger.orders[next(iter(operation.moves))].modify_requested is not None
    world.crash()
    assert price not in _stops(world)


def test_a_stop_moved_by_hand_whose_change_never_left_is_moved_by_the_next_engine() -> None:
    async def main() -> None:
        async with World(31) as world:
            operation = await _held(world)
            price = _wider(operation)
            await _submit_and_die_before_the_change_is_sent(world, operation, price)
            engine = await world.start_engine()
            (operation,) = engine.live.ledger.state.operations.values()
            assert await world.until(lambda: _stops(world) == [price], 30)
            await world.clock.sleep(1)
            assert (operation.stop_loss, operation.moves) == (price, {})
            moved = [e for e in await world.entries() if e.action_type == "PROTECTION_MOVED"]
            assert [e.data.after for e in moved] == [price]
            assert "sent again" in moved[0].data.reason
            assert not await _judge(world)

    run_virtual(main())


def test_a_stop_moved_by_hand_and_hit_before_it_moved_is_written_down_as_not_moved() -> None:
    async def main() -> None:
        async with World(32) as world:
            operation = await _held(world)
            price = _wider(operation)
            against = -1 if operation.quantity > 0 else 1
            await _submit_and_die_before_the_change_is_sent(world, operation, price)
            world.move_market("EUR-USD", Decimal("0.02") * against)
            await world.clock.sleep(5)
            engine = await world.start_engine()
            (operation,) = engine.live.ledger.state.operations.values()
            assert await world.until(lambda: not operation.moves, 30)
            (told,) = [e.data for e in await world.entries() if e.action_type == "ORDER_NOT_MODIFIED"]
            assert told.reason == "asked for in entry {}: the order is FILLED".format(
                next(e.sequence_number for e in await world.entries() if e.action_type == "ORDER_MODIFY_REQUESTED")
            )
            assert not await _judge(world)

    run_virtual(main())


def test_a_stop_moved_by_hand_is_not_moved_when_the_policy_closes_the_position() -> None:
    async def main() -> None:
        async with World(33) as world:
            operation = await _held(world, crash_recovery_mode="CLOSE_ALL")
            await _submit_and_die_before_the_change_is_sent(world, operation, _wider(operation))
            engine = await world.start_engine()
            (operation,) = engine.live.ledger.state.operations.values()
            assert await world.until(lambda: not operation.moves and not operation.quantity, 30)
            told = [e.data.reason for e in await world.entries() if e.action_type == "ORDER_NOT_MODIFIED"]
            assert len(told) == 1
            assert not await _judge(world)

    run_virtual(main())


def test_a_change_by_hand_that_the_connection_swallowed_is_sent_again() -> None:
    async def main() -> None:
        async with World(34) as world:
            operation = await _held(world)
            price = _wider(operation)
            world.exchange.faults.add(Fault(FaultKind.DROP_BEFORE_ACCEPT, operation="modify"))
            moved = await world.command(
                "move_protection", operation_id=_operation_id(operation), kind="STOP_LOSS", price=str(price)
            )
            assert not moved.refused
            assert await world.until(lambda: _stops(world) == [price], 30)
            assert not await _judge(world)

    run_virtual(main())


def test_a_change_by_hand_that_the_broker_refuses_is_written_down_and_not_tried_again() -> None:
    async def main() -> None:
        async with World(35) as world:
            operation = await _held(world)
            before = operation.stop_loss
            (stop,) = [o for o in world.exchange.open_orders(ACCOUNT) if o.stop_price is not None]
            moving = world.tasks.start(
                world.command(
                    "move_protection",
                    operation_id=_operation_id(operation),
                    kind="STOP_LOSS",
                    price=str(_wider(operation)),
                ),
                "a move",
            )
            await world.clock.sleep(0.003)
            world.exchange.cancel(ACCOUNT, stop.order_id)  # by hand, at the broker, in the same moment
            await moving
            assert await world.until(lambda: _stops(world) == [before], 10), "placed anew where it was"
            told = [e.data for e in await world.entries() if e.action_type == "ORDER_NOT_MODIFIED"]
            assert (len(told), operation.stop_loss, operation.moves) == (1, before, {})
            assert told[0].client_order_id == stop.client_order_id
            assert not await _judge(world)

    run_virtual(main())
