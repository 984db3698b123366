"""Commands: each acts once or is refused with a code, a field and a remedy, and nothing is changed by a refusal."""

import itertools
from typing import Any

import pytest

from live_trading.engine.inbox import Command, Outcome
from live_trading.simulation import World, run_virtual


async def _refused(world: World, kind: str, /, **arguments: Any) -> Outcome:
    assert world.engine is not None
    before = world.engine.live.ledger.state.operations.keys() | set()
    outcome = await world.command(kind, **arguments)
    assert outcome.refused, outcome
    assert world.engine.live.ledger.state.operations.keys() == before
    entry = (await world.entries())[outcome.sequence_number - 1]
    assert entry.action_type == "COMMAND_REFUSED"
    return outcome


GOOD = {
    "asset": "EUR-USD",
    "bar_sizes": ["1 min"],
    "strategy_name": "MomentumStrategy",
    "quantity": "1000",
    "initial_capital": "10000",
}


@pytest.mark.parametrize(
    ("changes", "field", "says"),
    [
        ({"asset": "XYZ"}, "asset", "Use one of"),
        ({"strategy_name": "NoSuchStrategy"}, "strategy", "MomentumStrategy"),
        ({"bar_sizes": ["7 mins"]}, "bar_sizes", "1 min"),
        ({"bar_sizes": []}, "bar_sizes", "at least 1"),
        ({"primary_bar_size": "1 hour"}, None, "primary_bar_size must be one of bar_sizes"),
        ({"strategy_config": {"no_such_parameter": 1}}, "strategy_config", "no_such_parameter"),
        ({"quantity": "-5"}, "quantity", "greater than 0"),
        ({"quantity": "0"}, "quantity", "greater than 0"),
        ({"quantity": "1e30"}, "quantity", "less than or equal to"),
        ({"quantity": "many"}, "quantity", "valid decimal"),
        ({"quantity": "0.001"}, "quantity", "multiple of"),
        ({"quantity": "NaN"}, "quantity", "finite"),
        ({"stop_loss_type": "PERCENTAGE", "stop_loss_value": "2"}, None, "fraction of the price"),
        ({"stop_loss_type": "ATR"}, None, "go together"),
        ({"crash_recovery_mode": "HOPE"}, "crash_recovery_mode", "CLOSE_ALL"),
        ({"broker": "nobody"}, "broker", "paper"),
        ({"colour": "red"}, "colour", "not permitted"),
    ],
)
def test_nonsense_is_refused_with_its_field_and_the_remedy(
    changes: dict[str, Any], field: str | None, says: str
) -> None:
    async def main() -> None:
        async with World(1) as world:
            await world.start_engine()
            outcome = await _refused(world, "create_operation", **{**GOOD, **changes})
            assert outcome.result["code"] == "INVALID_INPUT"
            assert says in outcome.result["detail"]
            if field is not None:
                assert str(outcome.result["field"]).startswith(field)

    run_virtual(main())


def test_unknown_things_are_not_found_and_wrong_states_are_said() -> None:
    async def main() -> None:
        async with World(1) as world:
            await world.start_engine()
            assert (await _refused(world, "fly_to_the_moon")).result["code"] == "UNKNOWN_COMMAND"
            nowhere = await _refused(world, "pause_operation", operation_id="6f706e000000000000000063")
            assert nowhere.result["code"] == "NOT_FOUND"
            no_id = await _refused(world, "pause_operation", operation_id="x")
            assert (no_id.result["code"], no_id.result["field"]) == ("INVALID_INPUT", "operation_id")
            operation_id = await world.create_operation()
            assert (await _refused(world, "resume_operation", operation_id=operation_id)).result[
                "code"
            ] == "WRONG_STATUS"
            assert (await _refused(world, "close_position", operation_id=operation_id)).result["code"] == "NO_POSITION"
            fixed = await _refused(world, "update_operation", operation_id=operation_id, asset="ES")
            assert (fixed.result["code"], fixed.result["field"]) == ("INVALID_INPUT", "asset")
            assert (await _refused(world, "reset_kill_switch")).result["code"] == "WRONG_STATUS"
            no_order = await _refused(world, "cancel_order", client_order_id="NOPE")
            assert no_order.result["code"] == "NOT_FOUND"

    run_virtual(main())


def test_a_command_found_again_after_a_crash_acts_once_and_gives_the_same_answer() -> None:
    async def main() -> None:
        async with World(3) as world:
            await world.start_engine()
            command = Command("the-same-command", "create_operation", GOOD, "user:ann")
            world.inbox.submit(command)
            first = await world.inbox.outcome(command.id)
            # The engine died after the entry was durable and before the outcome was written down.
            world.crash()
            del world.inbox.outcomes[command.id]
            world.inbox.submit(command)
            await world.start_engine()
            assert await world.inbox.outcome(command.id) == first
            created = [e for e in await world.entries() if e.action_type == "OPERATION_CREATED"]
            assert [entry.actor for entry in created] == ["user:ann"]

    run_virtual(main())


def test_pause_resume_update_note_and_close() -> None:
    async def main() -> None:
        async with World(4) as world:
            engine = await world.start_engine()
            identifier = await world.create_operation()
            (operation,) = engine.live.ledger.state.operations.values()
            await world.command("pause_operation", operation_id=identifier, reason="lunch")
            assert (operation.status, operation.status_reason) == ("paused", "lunch")
            await world.clock.sleep(900)
            assert not operation.orders, "a paused operation does not enter"
            await world.command("resume_operation", operation_id=identifier)
            await world.command("update_operation", operation_id=identifier, quantity="2000")
            await world.command("add_note", operation_id=identifier, text="doubled the size")
            assert await world.until(lambda: bool(operation.quantity), 7200)
            assert abs(operation.quantity) == 2000
            await world.command("close_operation", operation_id=identifier)
            assert await world.until(lambda: operation.status == "closed", 60)
            assert not operation.quantity
            assert not world.broker_record().positions.get("EUR-USD")
            assert all(order.status.is_terminal for order in operation.orders.values())

    run_virtual(main())


def test_the_first_bar_after_a_change_of_parameters_is_asked_about() -> None:
    async def main() -> None:
        async with World(4) as world:
            await world.start_engine()
            identifier = await world.create_operation(
                strategy_name="tests/engine/strategies_for_tests.py:EntersOnce",
                strategy_config={"limit_offset": -0.05},
                bar_sizes=["5 secs", "1 min"],
            )
            await world.clock.sleep(122)
            # The broker's history has the next bar before the feed has closed it: it is read to warm up with.
            await world.command("update_operation", operation_id=identifier, strategy_config={"limit_offset": -0.04})
            await world.clock.sleep(120)
            asked = [e.data.bar_start for e in await world.entries() if e.action_type == "SIGNAL_GENERATED"]
            steps = {(later - earlier).total_seconds() for earlier, later in itertools.pairwise(asked)}
            assert len(asked) > 40
            assert steps == {5}

    run_virtual(main())


def test_closing_a_position_by_hand_leaves_the_operation_trading() -> None:
    async def main() -> None:
        async with World(5) as world:
            engine = await world.start_engine()
            identifier = await world.create_operation()
            (operation,) = engine.live.ledger.state.operations.values()
            assert await world.until(lambda: bool(operation.quantity), 7200)
            await world.command("close_position", operation_id=identifier)
            assert await world.until(lambda: not operation.quantity, 10)
            assert operation.status == "active"

    run_virtual(main())


def test_a_stop_moved_by_hand_moves_at_the_exchange() -> None:
    async def main() -> None:
        async with World(6) as world:
            engine = await world.start_engine()
            identifier = await world.create_operation(take_profit_type=None, take_profit_value=None)
            (operation,) = engine.live.ledger.state.operations.values()
            assert await world.until(lambda: bool(operation.quantity), 7200)
            await world.clock.sleep(0.5)
            position = operation.position
            assert position is not None
            assert position.stop_loss is not None
            price = position.stop_loss * 2 - position.entry_price  # twice as far
            stop = {"operation_id": identifier, "kind": "STOP_LOSS"}
            outcome = await world.command("move_protection", **stop, price=str(price))
            assert not outcome.refused, outcome.result
            assert position.stop_loss == price
            (order,) = [order for order in world.exchange.open_orders("PAPER-1") if order.stop_price is not None]
            assert order.stop_price == price
            bad = await _refused(world, "move_protection", **stop, price="-1")
            assert bad.result["field"] == "price"

    run_virtual(main())


def test_the_kill_switch_stops_entries_until_it_is_reset_and_survives_a_crash() -> None:
    async def main() -> None:
        async with World(7) as world:
            await world.start_engine()
            await world.create_operation()
            await world.command("trip_kill_switch", reason="news")
            world.crash()
            engine = await world.start_engine()
            (operation,) = engine.live.ledger.state.operations.values()
            assert await world.until(lambda: operation.refusals > 0, 7200)
            refused = [e for e in await world.entries() if e.action_type == "SIGNAL_REFUSED"]
            assert {entry.data.rule for entry in refused} == {"KILL_SWITCH"}
            assert not operation.orders
            await world.command("reset_kill_switch")
            assert await world.until(lambda: bool(operation.quantity), 7200)

    run_virtual(main())
