"""Commands that nobody answered, or that ended the engine which took them."""

from decimal import Decimal
from pathlib import Path

import pytest

from live_trading.brokers.types import Rejected
from live_trading.domain.values import OperationStatus, OrderPurpose, Side
from live_trading.engine.inbox import Command
from live_trading.paper_exchange.faults import Fault, FaultKind
from live_trading.simulation import World, run_virtual
from live_trading.simulation.world import ACCOUNT
from tests.regressions.scene import broker_of, identifier_of, is_answered, judge, working_orders
from tests.scenarios.stage import holding, of

RAISES = """
from live_trading.strategies import Strategy, StrategyParameters

class Parameters(StrategyParameters):
    pass

class RaisesWhenMade(Strategy[Parameters]):
    name = "RaisesWhenMade"
    Parameters = Parameters

    def __init__(self):
        raise RuntimeError("no licence")

    def warmup(self, parameters, primary):
        return {primary: 1}

    def on_bar(self, context):
        return None

class RaisesWhenAsked(Strategy[Parameters]):
    name = "RaisesWhenAsked"
    Parameters = Parameters

    def warmup(self, parameters, primary):
        raise KeyError("periods")

    def on_bar(self, context):
        return None
"""


@pytest.mark.parametrize(
    ("strategy", "told"), [("RaisesWhenMade", "RuntimeError: no licence"), ("RaisesWhenAsked", "KeyError: 'periods'")]
)
def test_a_strategy_that_raises_as_it_is_made_is_refused_and_ends_no_engine(
    tmp_path: Path, strategy: str, told: str
) -> None:
    file = tmp_path / "mine.py"
    file.write_text(RAISES)

    async def main() -> None:
        async with World(1) as world:
            engine = await world.start_engine()
            arguments = {"asset": "EUR-USD", "bar_sizes": ["1 min"], "quantity": "1000", "initial_capital": "10000"}
            bad = Command("bad", "create_operation", {**arguments, "strategy_name": f"{file}:{strategy}"})
            assert await is_answered(world, bad)
            assert world.inbox.outcomes["bad"].refused
            assert told in str(world.inbox.outcomes["bad"].result["detail"])
            assert world.engine is engine
            assert not world.failures

    run_virtual(main())


def test_a_strategys_file_that_ends_the_program_is_refused_and_ends_no_engine(tmp_path: Path) -> None:
    file = tmp_path / "script.py"
    file.write_text("import sys\nsys.exit('usage: script.py FILE')\n")

    async def main() -> None:
        async with World(1) as world:
            await world.start_engine()
            arguments = {"asset": "EUR-USD", "bar_sizes": ["1 min"], "quantity": "1000", "initial_capital": "10000"}
            bad = Command("bad", "create_operation", {**arguments, "strategy_name": f"{file}:Mine"})
            assert await is_answered(world, bad)
            assert "usage: script.py FILE" in str(world.inbox.outcomes["bad"].result)

    run_virtual(main())


def test_a_command_about_an_order_whose_operation_closes_in_the_same_moment_is_answered() -> None:
    async def main() -> None:
        async with World(1) as world:
            operation = await holding(world)
            assert world.engine is not None
            (entry,) = of(operation, OrderPurpose.ENTRY)
            late = Command("late", "cancel_order", {"client_order_id": entry.client_order_id})

            def ask_in_the_last_moment(_: object) -> None:
                if operation.status is OperationStatus.CLOSING and not operation.quantity and not working_orders(world):
                    world.inbox.submit(late)

            world.engine.live.listen(ask_in_the_last_moment)
            await world.command("close_operation", operation_id=identifier_of(world))
            assert await world.until(lambda: operation.status is OperationStatus.CLOSED, 60)
            assert await world.until(lambda: "late" in world.inbox.outcomes, 60), "nobody answers commands any more"
            assert world.inbox.outcomes["late"].result["code"] == "WRONG_STATUS"

    run_virtual(main())


def test_commands_are_answered_while_a_broker_is_away_before_an_operation_has_begun() -> None:
    async def main() -> None:
        async with World(1) as world:
            operation = await holding(world)
            (stop,) = of(operation, OrderPurpose.STOP_LOSS)
            await world.stop()
            await world.start_engine()
            world.exchange.faults.add(Fault(FaultKind.STOP_ANSWERING, seconds=600))
            world.inbox.submit(Command("cancel", "cancel_order", {"client_order_id": stop.client_order_id}))
            assert await is_answered(world, Command("switch", "trip_kill_switch", {}), 60), "the kill switch waits"
            began = world.clock.monotonic()
            await world.stop()
            assert world.clock.monotonic() - began < 6, "a clean end does not wait for the broker"

    run_virtual(main())


@pytest.mark.parametrize("price", ["1e400", "1e30", "1e-30"])
def test_a_protection_that_was_not_moved_is_not_told_to_have_been(price: str) -> None:
    async def main() -> None:
        async with World(1) as world:
            operation = await holding(world)
            before = operation.stop_loss
            outcome = await world.command(
                "move_protection", operation_id=identifier_of(world), kind="STOP_LOSS", price=price
            )
            assert outcome.refused, outcome.result
            assert outcome.result["field"] == "price"
            assert (operation.stop_loss, operation.moves) == (before, {})
            assert not await judge(world)

    run_virtual(main())


def test_a_move_that_the_broker_refuses_is_told_as_refused() -> None:
    async def main() -> None:
        async with World(1) as world:
            operation = await holding(world)
            (target,) = of(operation, OrderPurpose.TAKE_PROFIT)
            broker = broker_of(world)

            async def refuses(*_: object) -> Rejected:
                return Rejected("PRICE_TOO_FAR", "not within 20 % of the market")

            broker.modify = refuses
            outcome = await world.command(
                "move_protection", operation_id=identifier_of(world), kind="TAKE_PROFIT", price="9"
            )
            assert outcome.refused, "the person believes that it was moved"
            assert "PRICE_TOO_FAR" in outcome.result["detail"]
            assert target.limit_price == operation.take_profit
            assert not operation.moves
            assert not await judge(world)

    run_virtual(main())


def test_a_position_is_not_booked_at_a_price_that_is_none() -> None:
    async def main() -> None:
        async with World(1) as world:
            operation = await holding(world)
            held = operation.quantity
            world.exchange.adjust_position(ACCOUNT, "EUR-USD", Side.BUY, Decimal(10), Decimal("1.08"))
            assert world.engine is not None
            await world.engine.context.sessions["paper"].reconcile()
            named = {"broker": "paper", "symbol": "EUR-USD", "resolution": "adopt"}
            for price in ("1e400", "1e6000", "1e30"):
                outcome = await world.command("resolve_discrepancy", **named, price=price)
                assert outcome.refused, outcome.result
                assert outcome.result["field"] == "price"
            assert operation.quantity == held

    run_virtual(main())
