"""Entries that rested at the broker, and opened a position when there was to be no new risk."""

from decimal import Decimal

import pytest

from live_trading.domain.entries import Draft, OperationFailed
from live_trading.domain.ids import Kind, derived_id
from live_trading.domain.values import OrderStatus
from live_trading.simulation import World, run_virtual
from tests.engine.test_entries import STRATEGIES
from tests.regressions.scene import identifier_of, judge
from tests.scenarios.stage import the_operation


@pytest.mark.parametrize("stopped_by", ["kill switch", "pause", "error"])
def test_an_entry_that_rests_at_the_broker_is_taken_away_when_there_is_to_be_no_new_risk(stopped_by: str) -> None:
    async def main() -> None:
        async with World(31) as world:
            engine = await world.start_engine()
            resting = {"strategy_config": {"limit_offset": -0.002}, "entry_valid_bars": 500}
            await world.create_operation(strategy_name=f"{STRATEGIES}:EntersOnce", **resting)
            operation = the_operation(world)
            assert await world.until(lambda: bool(operation.orders), 60)
            entry = next(iter(operation.orders.values()))
            assert await world.until(lambda: entry.status is OrderStatus.PLACED, 5)
            if stopped_by == "kill switch":
                await world.command("trip_kill_switch", reason="enough")
            elif stopped_by == "pause":
                await world.command("pause_operation", operation_id=identifier_of(world))
            else:
                failed = OperationFailed(reason="the strategy failed", detail="told")
                await engine.live.append(Draft(failed, derived_id(Kind.OPERATION, operation.number)))
            await world.clock.sleep(0.5)
            world.move_market("EUR-USD", Decimal("-0.0025"))
            await world.clock.sleep(10)
            assert not operation.fills, "a position was opened all the same"
            assert entry.status is OrderStatus.CANCELLED
            assert not await judge(world)

    run_virtual(main())
