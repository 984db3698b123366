"""A position that differs at the broker is a person's to decide: somebody else's, an operation's, or to be closed."""

from decimal import Decimal
from typing import Any

import pytest

from live_trading.domain.ids import Kind, derived_id, is_adopted
from live_trading.domain.values import Side
from live_trading.projections.state import Operation
from live_trading.simulation import World, run_virtual
from live_trading.simulation.invariants import broken
from live_trading.simulation.world import ACCOUNT


async def _differing(world: World, by: Decimal, operations: int = 1) -> list[Operation]:
    """Operations on one symbol, the first with a position, of which the broker has ``by`` times as much."""
    engine = await world.start_engine()
    for _ in range(operations):
        await world.create_operation(
            crash_recovery_mode="RESUME", emergency_stop_loss_pct="0.9", stop_loss_value="0.02"
        )
    state = engine.live.ledger.state
    (first, *_) = state.operations.values()
    assert await world.until(lambda: bool(first.quantity), 7200)
    for other in list(state.operations.values())[1:]:
        await world.command("pause_operation", operation_id=_id(other))
    change = engine.live.ledger.net_quantity("paper", "EUR-USD") * (by - 1)
    side = Side.BUY if change > 0 else Side.SELL
    world.exchange.adjust_position(ACCOUNT, "EUR-USD", side, abs(change), Decimal("1.08"))
    world.crash()
    engine = await world.start_engine()
    assert await world.until(lambda: bool(engine.live.ledger.state.discrepancies), 120)
    await world.clock.sleep(5)
    return list(engine.live.ledger.state.operations.values())


def _id(operation: Operation) -> str:
    return str(derived_id(Kind.OPERATION, operation.number))


async def _resolve(world: World, resolution: str, **more: Any) -> Any:
    return await world.command("resolve_discrepancy", broker="paper", symbol="EUR-USD", resolution=resolution, **more)


async def _judge(world: World) -> list[str]:
    assert await world.come_to_rest(300)
    return broken(await world.entries(), "paper", world.broker_record(), watched=world.watched)


def test_a_position_closed_by_hand_is_adopted_as_closed_at_the_price_that_is_given_and_trading_goes_on() -> None:
    async def main() -> None:
        async with World(91) as world:
            (operation,) = await _differing(world, Decimal(0))
            held = operation.quantity
            position = operation.position
            assert position is not None
            outcome = await _resolve(world, "adopt", price="1.07", note="closed on the phone")
            assert not outcome.refused
            assert not operation.quantity
            expected = (Decimal("1.07") - position.entry_price) * held
            assert operation.totals.gross_pnl == expected
            assert is_adopted(operation.fills[-1].execution_id)
            assert world.engine is not None
            assert not world.engine.live.ledger.state.discrepancies
            await world.clock.sleep(120)
            assert not world.broker_record().positions.get("EUR-USD"), "nothing was sent for what was booked"
            assert not (await world.command("resume_operation", operation_id=_id(operation))).refused
            assert await world.until(lambda: bool(operation.quantity), 7200)
            assert not await _judge(world)

    run_virtual(main())


@pytest.mark.parametrize(
    ("by", "resolution"),
    [("3", "adopt"), ("0.5", "adopt"), ("-1", "adopt"), ("3", "flatten"), ("-1", "flatten"), ("0", "flatten")],
)
def test_what_the_broker_has_more_less_or_the_other_way_is_taken_over(by: str, resolution: str) -> None:
    async def main() -> None:
        async with World(92) as world:
            (operation,) = await _differing(world, Decimal(by))
            outcome = await _resolve(world, resolution)
            assert not outcome.refused, outcome.result
            if resolution == "flatten":
                assert await world.until(lambda: not operation.quantity, 60)
            assert world.broker_record().positions.get("EUR-USD", Decimal(0)) == operation.quantity
            assert operation.status == "error", "a person says when it trades again"
            assert not (await world.command("resume_operation", operation_id=_id(operation))).refused
            assert not await _judge(world)

    run_virtual(main())


@pytest.mark.parametrize("resolution", ["ignore", "adopt", "flatten"])
def test_what_our_own_orders_traded_since_it_was_found_is_no_part_of_the_difference(resolution: str) -> None:
    async def main() -> None:
        async with World(91) as world:
            (operation,) = await _differing(world, Decimal(3))
            held = operation.quantity
            world.move_market("EUR-USD", Decimal("-0.1") * held / abs(held))
            assert await world.until(lambda: not operation.quantity, 20), "its stop is hit while nobody has decided"
            assert not (await _resolve(world, resolution)).refused
            assert world.engine is not None
            ledger = world.engine.live.ledger
            foreign = ledger.state.foreign_quantities.get("paper|EUR-USD", Decimal(0))
            assert foreign == (2 * held if resolution == "ignore" else 0)
            assert sum(f.quantity * f.side.sign for f in operation.fills if is_adopted(f.execution_id)) == (
                0 if resolution == "ignore" else 2 * held
            )
            await world.clock.sleep(120)
            assert not ledger.state.discrepancies
            assert not await _judge(world)

    run_virtual(main())


def test_which_operation_takes_it_must_be_said_where_there_are_two() -> None:
    async def main() -> None:
        async with World(93) as world:
            operations = await _differing(world, Decimal(2), operations=2)
            outcome = await _resolve(world, "adopt")
            assert outcome.refused
            assert outcome.result["field"] == "operation_id"
            assert all(_id(operation) in outcome.result["detail"] for operation in operations)
            before = operations[1].quantity
            assert not (await _resolve(world, "adopt", operation_id=_id(operations[1]))).refused
            assert operations[1].quantity != before

    run_virtual(main())


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"resolution": "forget"}, "resolution"),
        ({"resolution": "adopt", "price": "-1"}, "price"),
        ({"resolution": "adopt", "price": "NaN"}, "price"),
        ({"resolution": "adopt", "price": "dear"}, "price"),
        ({"resolution": "flatten", "operation_id": "nobody"}, "operation_id"),
        ({"resolution": "adopt", "symbol": "GBP-USD"}, "symbol"),
    ],
)
def test_nonsense_is_refused_with_the_field_and_changes_nothing(given: dict[str, str], field: str) -> None:
    async def main() -> None:
        async with World(94) as world:
            (operation,) = await _differing(world, Decimal(2))
            held = operation.quantity
            arguments = {"broker": "paper", "symbol": "EUR-USD", **given}
            outcome = await world.command("resolve_discrepancy", **arguments)
            assert outcome.refused
            assert outcome.result["field"] == field
            assert operation.quantity == held
            assert world.engine is not None
            assert world.engine.live.ledger.state.discrepancies

    run_virtual(main())
