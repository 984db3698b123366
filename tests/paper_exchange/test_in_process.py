"""The in-process broker in virtual time: the same each run, and an exchange that outlives its clients."""

import asyncio
from decimal import Decimal
from typing import Any

import pytest

from live_trading.brokers.errors import InDoubt
from live_trading.brokers.in_process import InProcessBroker
from live_trading.brokers.types import BrokerEvent, Found, OrderRequest, Placed
from live_trading.domain.values import OrderStatus, OrderType, Side
from live_trading.paper_exchange import Fault, FaultKind, SimulatedExchange
from live_trading.paper_exchange.feeds import Pacer, SyntheticFeed
from live_trading.runtime import Runtime, SeededIds, Tasks
from live_trading.simulation.loop import Incarnation, VirtualClock, run_virtual

D = Decimal


class Scene:
    """An exchange with a synthetic market, in virtual time."""

    def __init__(self, seed: int = 1) -> None:
        self.clock = VirtualClock(asyncio.get_running_loop())
        self.exchange = SimulatedExchange(clock=self.clock, seed=seed)
        feed = SyntheticFeed(self.exchange.catalogue, seed=seed, start_ns=self.clock.now_ns())
        self.exchange.start(Pacer(self.exchange, feed, self.clock).run(), "feed")

    def runtime(self) -> Runtime:
        return Runtime(clock=self.clock, ids=SeededIds(1), tasks=Tasks())

    def broker(self, runtime: Runtime, **options: Any) -> InProcessBroker:
        return InProcessBroker(self.exchange, "PAPER-1", name="paper", runtime=runtime, guard=lambda: None, **options)


def order(broker: InProcessBroker, scene: Scene, name: str, side: Side = Side.BUY) -> OrderRequest:
    instrument = scene.exchange.catalogue["EUR-USD"].instrument
    return OrderRequest(name, instrument, side, OrderType.MARKET, D(1000))


@pytest.mark.parametrize("latency", [0.0, 0.03])
def test_same_seed_gives_the_same_events_at_the_same_times(latency: float) -> None:
    async def run() -> list[tuple[float, BrokerEvent]]:
        scene = Scene()
        runtime = scene.runtime()
        broker = scene.broker(runtime, latency=latency)
        await broker.connect(None)
        await broker.subscribe(scene.exchange.catalogue["EUR-USD"].instrument)
        events: list[tuple[float, BrokerEvent]] = []

        async def listen() -> None:
            async for event in broker.events():
                events.append((scene.clock.monotonic(), event))

        runtime.tasks.start(listen(), "listener")
        for number in range(20):
            await scene.clock.sleep(1.5)
            await broker.place(order(broker, scene, f"A{number}", Side.BUY if number % 3 else Side.SELL))
        await broker.close()
        await runtime.tasks.close()
        await scene.exchange.tasks.close()
        return events

    first = run_virtual(run())
    assert len(first) > 150
    assert first == run_virtual(run())


def test_latency_is_the_way_there_and_back() -> None:
    async def run() -> float:
        scene = Scene()
        runtime = scene.runtime()
        broker = scene.broker(runtime, latency=0.25)
        await broker.connect(None)
        before = scene.clock.monotonic()
        await broker.place(order(broker, scene, "A"))
        await runtime.tasks.close()
        await scene.exchange.tasks.close()
        return scene.clock.monotonic() - before

    assert run_virtual(run()) == pytest.approx(0.5)


def test_order_on_its_way_arrives_though_its_engine_is_dead() -> None:
    async def run() -> OrderStatus:
        scene = Scene()
        dying = Incarnation()
        answered: list[str] = []

        async def engine() -> None:
            broker = scene.broker(scene.runtime(), latency=0.5)
            await broker.connect(None)
            await broker.place(order(broker, scene, "A"))
            answered.append("A")

        task = dying.start(engine(), "engine")
        await scene.clock.sleep(1.2)  # connected after 1.0; the order arrives at 1.5
        dying.stop()
        scene.exchange.disconnect_all("the engine died")
        await scene.clock.sleep(1)
        runtime = scene.runtime()
        broker = scene.broker(runtime)
        snapshot = await broker.connect(None)
        found = await broker.find_order("A")
        assert isinstance(found, Found)
        assert len(snapshot.executions) == 1
        assert answered == []
        dying.thaw()
        await task
        await runtime.tasks.close()
        await scene.exchange.tasks.close()
        return found.order.status

    assert run_virtual(run()) is OrderStatus.FILLED


def test_faults_of_a_seed_strike_the_same_orders() -> None:
    async def run() -> list[str]:
        scene = Scene()
        scene.exchange.faults.add(Fault(FaultKind.DROP_AFTER_ACCEPT, count=None, probability=0.3))
        scene.exchange.faults.add(Fault(FaultKind.DROP_BEFORE_ACCEPT, count=None, probability=0.3))
        runtime = scene.runtime()
        broker = scene.broker(runtime)
        await broker.connect(None)
        fates = []
        for number in range(40):
            await scene.clock.sleep(0.5)
            try:
                answer = await broker.place(order(broker, scene, f"A{number}"))
                assert isinstance(answer, Placed)
                fates.append("placed")
            except InDoubt:
                found = await broker.find_order(f"A{number}")
                fates.append(type(found).__name__)
        await runtime.tasks.close()
        await scene.exchange.tasks.close()
        return fates

    fates = run_virtual(run())
    assert set(fates) == {"placed", "Found", "Absent"}
    assert fates == run_virtual(run())
