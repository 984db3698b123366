"""Whole engines under limits: entries are refused with the rule and its numbers, and nothing else is in the way."""

from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from live_trading.domain.entries import Entry
from live_trading.domain.values import OrderPurpose
from live_trading.engine.context import EngineConfig
from live_trading.orders.gatekeeper import Limits
from live_trading.paper_exchange.faults import Fault, FaultKind
from live_trading.simulation import World, run_virtual
from live_trading.simulation.invariants import broken

STRATEGIES = Path(__file__).with_name("strategies_for_tests.py")
CALM = Limits(max_loss_pct=None, max_orders_per_second=1000, max_order_burst=1000)
UNITS = Decimal(1000)
"""Of each entry; EUR-USD is worth a little more than a dollar, so each is worth between 1000 and 1500."""


def _world(seed: int, **limits: Any) -> World:
    return World(seed, config=EngineConfig(limits=replace(CALM, **limits)))


async def _operations(world: World, count: int, **settings: Any) -> None:
    """Operations that all ask to go long at the close of the same bars, while they are flat."""
    for _ in range(count):
        await world.create_operation(strategy_name=f"{STRATEGIES}:EntersOnce", quantity=str(UNITS), **settings)


async def _entries(world: World, action_type: str) -> list[Entry]:
    return [entry for entry in await world.entries() if entry.action_type == action_type]


async def _entered(world: World) -> int:
    return sum(entry.data.purpose is OrderPurpose.ENTRY for entry in await _entries(world, "ORDER_REQUESTED"))


@pytest.mark.parametrize(
    ("limit", "rule", "numbers"),
    [
        ({"max_position_size": Decimal(999)}, "MAX_POSITION_SIZE", {"size": "1000", "limit": "999"}),
        ({"max_order_notional": Decimal(900)}, "MAX_ORDER_NOTIONAL", {"limit": "900"}),
        ({"max_operation_exposure": Decimal(900)}, "MAX_EXPOSURE", {"scope": "operation", "limit": "900"}),
        ({"max_account_exposure": Decimal(900)}, "MAX_EXPOSURE", {"scope": "account", "limit": "900"}),
        ({"max_total_exposure": Decimal(900)}, "MAX_EXPOSURE", {"scope": "all", "limit": "900"}),
        ({"max_orders_per_second": 0.001, "max_order_burst": 1}, None, {}),
    ],
)
def test_an_entry_over_a_limit_is_refused_and_told_by_how_much(
    limit: dict[str, Any], rule: str | None, numbers: dict[str, str]
) -> None:
    async def main() -> None:
        async with _world(51, **limit) as world:
            await world.start_engine()
            await _operations(world, 2 if rule is None else 1)
            assert await world.until(lambda: world.store.last_number() > 12, 120)
            refused = await _entries(world, "SIGNAL_REFUSED")
            assert refused
            assert {entry.data.rule for entry in refused} == {rule or "RATE_LIMIT"}
            assert refused[0].data.numbers.items() >= numbers.items()
            assert await _entered(world) == (1 if rule is None else 0)

    run_virtual(main())


@pytest.mark.parametrize("scope", ["account", "total"])
def test_operations_that_ask_on_the_same_bar_do_not_both_get_what_is_left_of_a_common_limit(scope: str) -> None:
    async def main() -> None:
        async with _world(52, **{f"max_{scope}_exposure": Decimal(2500)}) as world:
            await world.start_engine()
            await _operations(world, 4)
            assert await world.until(lambda: world.store.last_number() > 30, 120)
            assert await _entered(world) == 2
            refused = await _entries(world, "SIGNAL_REFUSED")
            assert {entry.data.rule for entry in refused} == {"MAX_EXPOSURE"}
            assert all(Decimal(entry.data.numbers["exposure"]) > 2500 for entry in refused)
            assert await world.come_to_rest(300)
            assert not broken(await world.entries(), "paper", world.broker_record())

    run_virtual(main())


def test_an_operation_over_its_own_limit_leaves_the_others_alone() -> None:
    async def main() -> None:
        async with _world(53, max_operation_exposure=Decimal(2000)) as world:
            engine = await world.start_engine()
            await _operations(world, 1)
            await world.create_operation(strategy_name=f"{STRATEGIES}:EntersOnce", quantity="3000")
            small, large = engine.live.ledger.state.operations.values()
            assert await world.until(lambda: bool(small.quantity and large.refusals), 120)
            assert not large.orders

    run_virtual(main())


def test_exits_and_protections_pass_while_every_entry_is_refused() -> None:
    async def main() -> None:
        async with _world(54) as world:
            engine = await world.start_engine()
            await _operations(world, 1)
            (operation,) = engine.live.ledger.state.operations.values()
            assert await world.until(lambda: bool(operation.quantity), 120)
            identifier = next(str(e.operation_id) for e in await _entries(world, "OPERATION_CREATED"))
            await world.command("trip_kill_switch", reason="enough")
            position = operation.position
            assert position is not None
            price = str(position.entry_price * Decimal("0.95"))
            moved = await world.command("move_protection", operation_id=identifier, kind="STOP_LOSS", price=price)
            assert not moved.refused
            assert await world.until(lambda: bool(operation.stop_loss and operation.stop_loss < Decimal(price) + 1), 5)
            await world.command("close_position", operation_id=identifier)
            assert await world.until(lambda: not operation.quantity, 10)
            assert await world.until(lambda: operation.refusals > 0, 60)
            assert {e.data.rule for e in await _entries(world, "SIGNAL_REFUSED")} == {"KILL_SWITCH"}

    run_virtual(main())


@pytest.mark.parametrize("kind", [FaultKind.MARKET_CLOSED, FaultKind.DROP_BEFORE_ACCEPT])
def test_orders_that_are_refused_or_not_answered_open_the_breaker_and_it_outlives_the_engine(kind: FaultKind) -> None:
    async def main() -> None:
        limits = {"circuit_breaker_failures": 2, "circuit_breaker_pause_seconds": 60.0, "slippage_protection": False}
        async with _world(55, **limits) as world:
            engine = await world.start_engine()
            await _operations(world, 2)
            world.exchange.faults.add(Fault(kind, count=None, seconds=0))
            assert await world.until(lambda: engine.live.ledger.state.breaker is not None, 120)
            world.exchange.faults.remove()
            (opened,) = await _entries(world, "CIRCUIT_BREAKER_OPENED")
            world.crash()
            engine = await world.start_engine()
            operations = engine.live.ledger.state.operations.values()
            refusals = sum(op.refusals for op in operations)
            assert await world.until(lambda: sum(op.refusals for op in operations) > refusals, 30)
            told = (await _entries(world, "SIGNAL_REFUSED"))[-1].data
            assert (told.rule, told.numbers) == (
                "CIRCUIT_BREAKER",
                {"failures": 2, "until": opened.data.until.isoformat()},
            )
            assert await world.until(lambda: any(op.quantity for op in operations), 120)
            filled = await _entries(world, "ORDER_FILLED")
            assert filled[0].timestamp > opened.data.until
            assert await _entries(world, "CIRCUIT_BREAKER_CLOSED")

    run_virtual(main())


def _fall(world: World, by: str) -> None:
    world.move_market("EUR-USD", -Decimal(by))


def test_a_reset_acknowledges_the_loss_so_far_and_the_limit_counts_anew_over_a_restart() -> None:
    async def main() -> None:
        wide = {"stop_loss_type": "FIXED", "stop_loss_value": "0.5", "take_profit_type": None}
        resume = {"crash_recovery_mode": "RESUME", "emergency_stop_loss_pct": "0.9"}
        async with _world(56, max_daily_loss=Decimal(10)) as world:
            engine = await world.start_engine()
            await _operations(world, 1, **wide, take_profit_value=None, **resume)
            (operation,) = engine.live.ledger.state.operations.values()
            assert await world.until(lambda: bool(operation.quantity), 120)
            _fall(world, "0.02")  # 20 dollars
            assert await world.until(lambda: engine.live.ledger.state.kill_switch is not None, 10)

            reset = await world.command("reset_kill_switch", note="seen, it may go on")
            assert not reset.refused
            (entry,) = await _entries(world, "KILL_SWITCH_RESET")
            known = entry.data.acknowledged["USD"]
            assert 18 < known < 22
            assert reset.result["acknowledged"] == {"USD": f"{known:f}"}
            await world.clock.sleep(10)
            assert engine.live.ledger.state.kill_switch is None, "the loss that was acknowledged trips nothing"

            world.crash()
            engine = await world.start_engine()
            await world.clock.sleep(10)
            assert engine.live.ledger.state.kill_switch is None, "nor does it after a restart"
            identifier = next(str(e.operation_id) for e in await _entries(world, "OPERATION_CREATED"))
            await world.command("close_position", operation_id=identifier)
            (operation,) = engine.live.ledger.state.operations.values()
            assert await world.until(lambda: bool(operation.totals.trades and operation.quantity), 60)
            assert engine.live.ledger.state.kill_switch is None, "nor when it is realised; entries pass"

            _fall(world, "0.02")
            assert await world.until(lambda: engine.live.ledger.state.kill_switch is not None, 10)
            trip = (await _entries(world, "KILL_SWITCH_TRIPPED"))[-1].data
            assert 10 < trip.loss < 30, "what was lost since, not the day's 40"
            assert f"beyond the {known:f} acknowledged" in trip.reason

    run_virtual(main())


def test_a_reset_is_refused_while_the_loss_to_acknowledge_is_not_known() -> None:
    async def main() -> None:
        async with _world(58, max_daily_loss=Decimal(10)) as world:
            engine = await world.start_engine()
            resume = {"crash_recovery_mode": "RESUME", "emergency_stop_loss_pct": "0.9", "stop_loss_value": "0.2"}
            await _operations(world, 1, **resume)
            (operation,) = engine.live.ledger.state.operations.values()
            assert await world.until(lambda: bool(operation.quantity), 120)
            await world.command("trip_kill_switch", reason="enough")
            world.crash()
            world.quiet = True
            await world.start_engine()
            refused = await world.command("reset_kill_switch")
            assert refused.result["code"] == "STALE_DATA"
            assert "EUR-USD is held and has no price yet" in refused.result["detail"]
            world.quiet = False
            await world.clock.sleep(2)
            assert not (await world.command("reset_kill_switch")).refused

    run_virtual(main())
