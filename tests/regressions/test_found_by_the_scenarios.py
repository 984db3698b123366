"""What the stories to die in found wrong."""

from decimal import Decimal

import pytest

from live_trading.brokers.types import Bracket
from live_trading.simulation import World, run_virtual
from live_trading.simulation.invariants import broken
from live_trading.simulation.scripted import SCRIPTED
from live_trading.simulation.world import ACCOUNT


@pytest.mark.parametrize("bracket", Bracket)
def test_protections_of_a_fill_that_the_broker_took_back_in_part_do_not_open_a_position(bracket: Bracket) -> None:
    """They went on covering all of it: a stop that was hit would have sold more than there was."""

    async def main() -> None:
        async with World(1, bracket=bracket) as world:
            engine = await world.start_engine()
            holds = {"strategy_config": {"script": "L" + "." * 40}, "stop_loss_value": "0.002"}
            await world.create_operation(strategy_name=SCRIPTED, **holds)
            (operation,) = engine.live.ledger.state.operations.values()
            assert await world.until(lambda: operation.quantity == 1000, 300)
            await world.clock.sleep(3)
            (execution,) = world.exchange.executions_after(ACCOUNT, 0)[0]
            world.exchange.correct_execution(ACCOUNT, execution.execution_id, quantity=Decimal(900))
            assert await world.until(lambda: operation.quantity == 900, 5)
            await world.clock.sleep(3)
            assert {order.remaining for order in world.exchange.open_orders(ACCOUNT)} == {Decimal(900)}
            world.move_market("EUR-USD", Decimal("-0.01"))
            assert await world.until(lambda: not operation.quantity, 5)
            assert await world.come_to_rest()
            assert not broken(await world.entries(), "paper", world.broker_record())

    run_virtual(main())
