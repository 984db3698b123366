"""Entries of every type, in virtual time against the exchange."""

from decimal import Decimal
from pathlib import Path
from typing import Any

from live_trading.domain.values import OrderStatus
from live_trading.projections.state import Operation, Order
from live_trading.simulation import World, run_virtual
from live_trading.simulation.invariants import broken

STRATEGIES = Path(__file__).with_name("strategies_for_tests.py")


async def _enter(world: World, **settings: Any) -> tuple[Operation, Order]:
    """An operation that asks for an entry on its first bars; its entry order."""
    engine = await world.start_engine()
    await world.create_operation(strategy_name=f"{STRATEGIES}:EntersOnce", **settings)
    (operation,) = engine.live.ledger.state.operations.values()
    assert await world.until(lambda: bool(operation.orders), 60)
    return operation, next(iter(operation.orders.values()))


async def _judge(world: World) -> list[str]:
    assert await world.come_to_rest(300)
    return broken(await world.entries(), "paper", world.broker_record())


def test_a_limit_entry_rests_and_fills_when_the_market_comes() -> None:
    async def main() -> None:
        async with World(31) as world:
            operation, order = await _enter(world, strategy_config={"limit_offset": -0.002}, entry_valid_bars=500)
            await world.clock.sleep(2)
            assert (order.order_type, order.status) == ("LIMIT", OrderStatus.PLACED)
            world.move_market("EUR-USD", Decimal("-0.0025"))
            assert await world.until(lambda: order.status is OrderStatus.FILLED, 10)
            assert order.limit_price is not None
            assert order.filled_value / order.filled_quantity <= order.limit_price
            assert operation.quantity
            assert not await _judge(world)

    run_virtual(main())


def test_a_stop_entry_rests_and_fills_beyond_its_price() -> None:
    async def main() -> None:
        async with World(32) as world:
            _, order = await _enter(world, strategy_config={"stop_offset": 0.002}, entry_valid_bars=500)
            await world.clock.sleep(2)
            assert (order.order_type, order.status) == ("STOP", OrderStatus.PLACED)
            world.move_market("EUR-USD", Decimal("0.0025"))
            assert await world.until(lambda: order.status is OrderStatus.FILLED, 10)
            assert not await _judge(world)

    run_virtual(main())


def test_a_stop_limit_entry_has_both_prices() -> None:
    async def main() -> None:
        async with World(33) as world:
            config = {"stop_offset": 0.002, "limit_offset": 0.003}
            _, order = await _enter(world, strategy_config=config, entry_valid_bars=500)
            assert order.order_type == "STOP_LIMIT"
            assert None not in (order.stop_price, order.limit_price)
            world.move_market("EUR-USD", Decimal("0.0025"))
            assert await world.until(lambda: order.status is OrderStatus.FILLED, 20)
            assert not await _judge(world)

    run_virtual(main())


def test_an_entry_that_is_not_filled_in_its_bars_is_cancelled_with_its_protections() -> None:
    async def main() -> None:
        async with World(34) as world:
            operation, order = await _enter(world, strategy_config={"limit_offset": -0.02}, entry_valid_bars=3)
            assert await world.until(lambda: order.status is OrderStatus.CANCELLED, 30)
            assert all(each.status is OrderStatus.CANCELLED for each in operation.orders.values())
            assert not await _judge(world)

    run_virtual(main())


def test_an_absurd_limit_is_refused_by_price_sanity() -> None:
    async def main() -> None:
        async with World(35) as world:
            engine = await world.start_engine()
            config = {"limit_offset": -0.5}
            await world.create_operation(strategy_name=f"{STRATEGIES}:EntersOnce", strategy_config=config)
            (operation,) = engine.live.ledger.state.operations.values()
            assert await world.until(lambda: operation.refusals > 0, 60)
            refused = [e.data for e in await world.entries() if e.action_type == "SIGNAL_REFUSED"]
            assert refused[0].rule == "PRICE_SANITY"
            assert refused[0].numbers.keys() == {"limit_price", "last_price"}

    run_virtual(main())


def test_risk_per_trade_sizes_the_entry_by_the_stop() -> None:
    async def main() -> None:
        async with World(36) as world:
            sizing = {"position_sizing": "RISK_PER_TRADE", "position_sizing_value": "0.001", "quantity": "1000000"}
            _, order = await _enter(world, stop_loss_type="FIXED", stop_loss_value="0.002", **sizing)
            assert order.quantity == 5000  # 10 of 10,000 over 0.002 a unit

    run_virtual(main())
