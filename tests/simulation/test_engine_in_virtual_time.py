"""The whole engine in virtual time: trading, crashing, recovering; judged by the exchange's own record."""

from collections import Counter
from decimal import Decimal

import pytest

from live_trading.domain.entries import Entry
from live_trading.domain.values import OperationStatus
from live_trading.paper_exchange.faults import Fault, FaultKind
from live_trading.simulation import World, run_virtual
from live_trading.simulation.invariants import broken


async def _judge(world: World) -> list[str]:
    """What is wrong once everything has come to rest."""
    came_to_rest = await world.come_to_rest(300)
    problems = broken(await world.entries(), "paper", world.broker_record())
    return problems if came_to_rest else [*problems, "it did not come to rest"]


def _counts(entries: list[Entry]) -> Counter[str]:
    return Counter(entry.action_type for entry in entries)


async def _trade_for_ten_minutes(seed: int) -> list[bytes]:
    async with World(seed, symbols=("EUR-USD", "ES")) as world:
        await world.start_engine()
        await world.create_operation()
        await world.create_operation(asset="ES", quantity="1", initial_capital="100000")
        await world.clock.sleep(600)
        assert not await _judge(world)
        await world.stop()
        return [entry.hash for entry in await world.entries()]


def test_a_seeded_run_of_the_whole_engine_gives_the_same_journal_byte_for_byte() -> None:
    first, second = run_virtual(_trade_for_ten_minutes(5)), run_virtual(_trade_for_ten_minutes(5))
    assert first == second
    assert len(first) > 50
    assert run_virtual(_trade_for_ten_minutes(6)) != first


async def _crash_after_entry(world: World, mode: str, *, loss: str = "0", **settings: str) -> None:
    """Trade until a position is open, then crash, let the market move against it, and start again."""
    engine = await world.start_engine()
    await world.create_operation(crash_recovery_mode=mode, **settings)
    ledger = engine.live.ledger
    assert await world.until(lambda: any(op.quantity for op in ledger.state.operations.values()), 3600)
    await world.clock.sleep(1)
    (operation,) = ledger.state.operations.values()
    against = -1 if operation.quantity > 0 else 1
    world.crash()
    world.move_market("EUR-USD", Decimal(loss) * against)
    await world.clock.sleep(2)
    await world.start_engine()


def test_close_all_ends_flat_after_a_crash() -> None:
    async def main() -> None:
        async with World(11) as world:
            await _crash_after_entry(world, "CLOSE_ALL")
            assert world.engine is not None
            (operation,) = world.engine.live.ledger.state.operations.values()
            await world.command("pause_operation", operation_id=await _only_id(world))
            assert await world.until(lambda: not operation.quantity, 30)
            assert not await _judge(world)
            counts = _counts(await world.entries())
            assert counts["RECOVERY_DECIDED"] == 1
            assert world.broker_record().positions.get("EUR-USD", Decimal(0)) == 0

    run_virtual(main())


async def _only_id(world: World) -> str:
    entries = await world.entries()
    return next(str(entry.operation_id) for entry in entries if entry.action_type == "OPERATION_CREATED")


def test_resume_keeps_the_position_and_its_protections_and_sends_nothing() -> None:
    async def main() -> None:
        async with World(12) as world:
            await _crash_after_entry(world, "RESUME", emergency_stop_loss_pct="0.5")
            entries = await world.entries()
            started = max(e.sequence_number for e in entries if e.action_type == "RECOVERY_STARTED")
            after = [e for e in entries if e.sequence_number > started]
            assert [e.data.decision for e in after if e.action_type == "RECOVERY_DECIDED"] == ["KEEP"]
            assert "ORDER_REQUESTED" not in _counts(after)
            assert not await _judge(world)

    run_virtual(main())


@pytest.mark.parametrize("mode", ["RESUME", "EMERGENCY_EXIT"])
def test_a_loss_beyond_the_emergency_stop_is_closed_and_the_operation_takes_no_new_risk(mode: str) -> None:
    async def main() -> None:
        async with World(13) as world:
            # A jump of 8 pips: over the emergency stop, under the stop that rests at the exchange.
            await _crash_after_entry(world, mode, loss="0.0008", emergency_stop_loss_pct="0.0003")
            assert world.engine is not None
            (operation,) = world.engine.live.ledger.state.operations.values()
            assert await world.until(lambda: not operation.quantity, 30)
            assert operation.status is OperationStatus.PAUSED
            assert not await _judge(world)

    run_virtual(main())


def test_threshold_modes_wait_for_a_price_and_decide_when_it_comes() -> None:
    async def main() -> None:
        async with World(14) as world:
            engine = await world.start_engine()
            await world.create_operation(crash_recovery_mode="RESUME", emergency_stop_loss_pct="0.0003")
            ledger = engine.live.ledger
            assert await world.until(lambda: any(op.quantity for op in ledger.state.operations.values()), 3600)
            (operation,) = ledger.state.operations.values()
            world.move_market("EUR-USD", Decimal("-0.0008" if operation.quantity > 0 else "0.0008"))
            world.crash()
            world.quiet = True
            await world.clock.sleep(5)
            await world.start_engine()
            decided = [e.data.decision for e in await world.entries() if e.action_type == "RECOVERY_DECIDED"]
            assert decided == ["WAIT"]
            world.quiet = False
            assert world.engine is not None
            (operation,) = world.engine.live.ledger.state.operations.values()
            assert await world.until(lambda: not operation.quantity, 30)
            decided = [e.data.decision for e in await world.entries() if e.action_type == "RECOVERY_DECIDED"]
            assert decided == ["WAIT", "CLOSE"]
            assert not await _judge(world)

    run_virtual(main())


def test_a_clean_stop_keeps_the_position_and_applies_no_policy_afterwards() -> None:
    async def main() -> None:
        async with World(15) as world:
            engine = await world.start_engine()
            await world.create_operation(crash_recovery_mode="CLOSE_ALL")
            ledger = engine.live.ledger
            assert await world.until(lambda: any(op.quantity for op in ledger.state.operations.values()), 3600)
            await world.stop()
            assert (await world.entries())[-1].action_type == "ENGINE_STOPPED"
            await world.start_engine()
            assert "RECOVERY_DECIDED" not in _counts(await world.entries())
            assert not await _judge(world)

    run_virtual(main())


def test_a_broker_that_does_not_answer_questions_ends_no_operation() -> None:
    async def main() -> None:
        async with World(16) as world:
            await world.start_engine()
            await world.create_operation()
            world.crash()
            world.exchange.faults.add(Fault(FaultKind.FAIL_QUERIES, count=3, match="EUR-USD"))
            engine = await world.start_engine()
            (operation,) = engine.live.ledger.state.operations.values()
            assert await world.until(lambda: bool(operation.quantity), 3600)
            assert operation.status is OperationStatus.ACTIVE
            assert not await _judge(world)

    run_virtual(main())
