"""Operations that could not begin."""

import pytest
from pymongo.errors import AutoReconnect

from live_trading.domain.entries import Draft
from live_trading.domain.ids import Kind, derived_id
from live_trading.domain.values import OperationStatus
from live_trading.engine.inbox import Command
from live_trading.simulation import World, run_virtual
from tests.regressions.scene import is_answered
from tests.scenarios.stage import HOLD, the_operation


def test_operations_of_a_broker_that_is_not_configured_any_more_end_no_engine() -> None:
    async def main() -> None:
        async with World(1) as world:
            engine = await world.start_engine()
            await world.create_operation(**HOLD)
            ours = the_operation(world)
            data = next(e.data for e in await world.entries() if e.action_type == "OPERATION_CREATED")
            settings = data.settings.model_copy(update={"broker": "elsewhere"})
            other = data.model_copy(update={"settings": settings, "command_id": None})
            await engine.live.append(Draft(other, lambda number: derived_id(Kind.OPERATION, number)))
            world.crash()
            engine = await world.start_engine()
            await world.clock.sleep(30)
            assert not world.failures
            assert world.engine is engine
            ours, theirs = engine.live.ledger.state.operations.values()
            assert ours.status is OperationStatus.ACTIVE
            assert theirs.status is OperationStatus.ERROR
            assert theirs.status_reason == "its broker is not configured"
            identifier = str(derived_id(Kind.OPERATION, theirs.number))
            for kind in ("pause_operation", "resume_operation", "close_operation"):
                await world.command(kind, operation_id=identifier)
            assert await is_answered(world, Command("switch", "trip_kill_switch", {}))
            await world.clock.sleep(30)
            assert not world.failures

    run_virtual(main())


def test_bars_that_cannot_be_stored_end_no_operation(monkeypatch: pytest.MonkeyPatch) -> None:
    async def main() -> None:
        async with World(1) as world:
            await world.start_engine()
            await world.clock.sleep(120)

            async def unwritable(*_: object) -> None:
                raise AutoReconnect("connection closed")

            monkeypatch.setattr(world.bars, "write", unwritable)
            await world.create_operation(**HOLD)
            await world.clock.sleep(10)
            monkeypatch.undo()
            assert the_operation(world).status is OperationStatus.ACTIVE
            assert await world.until(lambda: bool(the_operation(world).quantity), 1200)

    run_virtual(main())


def test_bars_that_nobody_expected_not_to_be_stored_end_their_operation_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    async def main() -> None:
        async with World(1) as world:
            engine = await world.start_engine()
            await world.create_operation(**HOLD)

            async def unwritable(*_: object) -> None:
                raise ValueError("Unable to encode Decimal to Decimal128")

            monkeypatch.setattr(world.bars, "write", unwritable)
            operation = the_operation(world)
            assert await world.until(lambda: operation.status is OperationStatus.ERROR or world.is_down, 30)
            assert not world.failures
            assert world.engine is engine
            assert await is_answered(world, Command("switch", "trip_kill_switch", {}))

    run_virtual(main())
