"""What went wrong for users of other trading systems, and what happens here instead: the rest.

Each test is one of those stories, told at the level of the broker contract, in virtual time, on the whole engine.
"""

from decimal import Decimal
from typing import Any

import pytest

from live_trading.domain.values import OrderPurpose
from live_trading.paper_exchange.core.types import Executed
from live_trading.paper_exchange.exchange import SimulatedExchange
from live_trading.paper_exchange.faults import Fault, FaultKind
from live_trading.simulation import World, run_virtual
from live_trading.simulation.invariants import broken
from live_trading.simulation.world import ACCOUNT
from tests.scenarios.stage import HOLD, counts, fills, holding, of, resting, tell, the_operation


def test_14_a_time_out_that_was_a_fill_ends_in_the_ledger_with_its_protections() -> None:
    async def story(world: World) -> None:
        await world.start_engine()
        world.exchange.faults.add(Fault(FaultKind.SLOW, operation="place", seconds=30))
        await world.create_operation(**HOLD)
        assert await world.until(lambda: bool(the_operation(world).quantity), 300)
        assert await world.until(lambda: len(resting(world, "stop_price")) == 1, 60)
        assert not (await counts(world))["ORDER_REJECTED"]

    tell(story)


def test_15_what_is_acknowledged_is_durable_and_no_timer_is_waited_for() -> None:
    async def main() -> None:
        async with World(1, write_seconds=0.25) as world:
            engine = await world.start_engine()
            before = world.clock.monotonic()
            outcome = await world.command("trip_kill_switch", reason="a test")
            assert not outcome.refused
            assert world.store.last_number() >= outcome.sequence_number
            assert world.clock.monotonic() - before < 2 * 0.25
            assert engine.live.ledger.sequence_number >= outcome.sequence_number

    run_virtual(main())


def test_16_a_crash_between_a_stops_fill_and_its_siblings_cancel_leaves_no_orphan() -> None:
    async def story(world: World) -> None:
        await holding(world)
        world.crash()
        world.move_market("EUR-USD", Decimal("-0.01"))
        await world.clock.sleep(5)
        assert world.exchange.open_orders(ACCOUNT) == [], "one cancels all at the broker, with nobody there"
        await world.start_engine()
        assert await world.until(lambda: not the_operation(world).quantity, 30)

    tell(story)


def test_17_orders_in_an_outage_of_the_network_are_kept_and_reconciled(monkeypatch: pytest.MonkeyPatch) -> None:
    place = SimulatedExchange.place

    def placed_and_cut_off(self: SimulatedExchange, *given: Any, **rest: Any) -> Any:
        answer = place(self, *given, **rest)
        self.faults.add(Fault(FaultKind.STOP_ANSWERING, count=None, seconds=3600))
        self.disconnect_all("no such host")
        return answer

    async def story(world: World) -> None:
        await world.start_engine()
        await world.create_operation(**HOLD)
        with monkeypatch.context() as cut:
            cut.setattr(SimulatedExchange, "place", placed_and_cut_off)
            assert await world.until(lambda: bool(world.exchange.orders(ACCOUNT)), 300)
        await world.clock.sleep(90)
        operation = the_operation(world)
        assert not operation.quantity
        assert not any(order.status.is_terminal for order in of(operation, OrderPurpose.ENTRY))
        world.exchange.faults.remove()
        assert await world.until(lambda: bool(operation.quantity), 120)

    tell(story)


def test_18_a_position_without_a_stop_gets_it_again_at_the_next_start() -> None:
    async def story(world: World) -> None:
        await holding(world)
        world.crash()
        for order in world.exchange.open_orders(ACCOUNT):
            world.exchange.cancel(ACCOUNT, order.order_id)
        await world.start_engine()
        assert await world.until(lambda: len(resting(world, "stop_price")) == 1, 60)

    tell(story)


def test_19_a_close_that_was_filled_unnoticed_is_found_and_not_sent_again() -> None:
    async def story(world: World) -> None:
        operation = await holding(world)
        identifier = next(iter(world.inbox.outcomes.values())).result["operation_id"]
        world.exchange.faults.add(Fault(FaultKind.DROP_AFTER_ACCEPT, operation="place"))
        await world.command("close_position", operation_id=identifier)
        assert await world.until(lambda: not operation.quantity, 60)
        await world.clock.sleep(30)
        assert len(of(operation, OrderPurpose.EXIT)) == 1

    tell(story)


def test_20_a_dead_price_stream_is_noticed_though_the_broker_goes_on_talking() -> None:
    async def story(world: World) -> None:
        await holding(world)
        world.quiet = True
        await world.clock.sleep(8)
        seen = await counts(world)
        assert seen["MARKET_DATA_STALE"] == 1
        assert not seen["BROKER_DISCONNECTED"]
        world.quiet = False
        await world.clock.sleep(5)
        assert (await counts(world))["MARKET_DATA_RESUMED"] == 1

    tell(story)


def test_21_a_fill_that_a_healthy_stream_left_out_is_found_within_a_minute(monkeypatch: pytest.MonkeyPatch) -> None:
    tell_it = SimulatedExchange._tell
    left_out: list[str] = []

    def forgetful(self: SimulatedExchange, effect: Any, now: float) -> None:
        if isinstance(effect, Executed) and effect.execution.client_order_id and not left_out:
            left_out.append(effect.execution.execution_id)
            return
        tell_it(self, effect, now)

    async def story(world: World) -> None:
        monkeypatch.setattr(SimulatedExchange, "_tell", forgetful)
        await world.start_engine()
        await world.create_operation(**HOLD)
        assert await world.until(lambda: bool(left_out), 300)
        assert await world.until(lambda: bool(the_operation(world).quantity), 65)
        assert [entry.data.execution_id for entry in await fills(world)] == left_out

    tell(story)


def test_22_a_stale_feed_refuses_entries() -> None:
    async def story(world: World) -> None:
        await world.start_engine()
        await world.create_operation(**HOLD | {"strategy_config": {"script": "L"}, "asset": "EUR-USD"})
        world.quiet = True
        await world.clock.sleep(20)
        seen = await counts(world)
        assert seen["MARKET_DATA_STALE"] == 1
        refused = [e.data.rule for e in await world.entries() if e.action_type == "SIGNAL_REFUSED"]
        assert set(refused) <= {"STALE_DATA"}
        asked = [e for e in await world.entries() if e.action_type == "ORDER_REQUESTED"]
        stale_at = next(e.timestamp for e in await world.entries() if e.action_type == "MARKET_DATA_STALE")
        assert all(e.timestamp < stale_at for e in asked if e.data.purpose is OrderPurpose.ENTRY)
        world.quiet = False
        await world.clock.sleep(30)

    tell(story)


def test_23_the_kill_switch_survives_restarts() -> None:
    async def story(world: World) -> None:
        await world.start_engine()
        await world.command("trip_kill_switch", reason="enough")
        await world.create_operation(**HOLD | {"strategy_config": {"script": "L"}})
        for _ in range(2):
            world.crash()
            await world.start_engine()
            await world.clock.sleep(20)
        seen = await counts(world)
        assert seen["SIGNAL_REFUSED"]
        assert not seen["ORDER_REQUESTED"]

    tell(story)


def test_24_an_engine_that_closes_sends_nothing_new() -> None:
    async def main() -> None:
        async with World(1) as world:
            await world.start_engine()
            await world.create_operation(**HOLD | {"strategy_config": {"script": "LX"}})
            assert await world.until(lambda: the_operation(world).totals.trades >= 2, 600)
            await world.stop()
            orders = len(world.exchange.orders(ACCOUNT))
            entries = await world.entries()
            await world.clock.sleep(60)
            assert len(world.exchange.orders(ACCOUNT)) == orders
            assert entries[-1].action_type == "ENGINE_STOPPED"
            assert await world.entries() == entries
            assert broken(entries, "paper", world.broker_record(), at_rest=False) == []

    run_virtual(main())


def test_25_an_order_that_is_not_found_for_a_moment_is_not_taken_for_absent() -> None:
    async def story(world: World) -> None:
        await world.start_engine()
        world.exchange.faults.add(Fault(FaultKind.DROP_AFTER_ACCEPT, operation="place"))
        world.exchange.faults.add(Fault(FaultKind.HIDE_ORDERS, seconds=1.0))
        await world.create_operation(**HOLD)
        assert await world.until(lambda: bool(the_operation(world).quantity), 300)
        seen = await counts(world)
        assert seen["ORDER_IN_DOUBT"]
        assert not seen["ORDER_NOT_PLACED"]

    tell(story)
