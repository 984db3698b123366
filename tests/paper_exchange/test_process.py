"""The paper exchange as a process: killed under load, adopted, restarted, stopped; its feeds end to end."""

import asyncio
import os
import signal
import sqlite3
import zipfile
from collections.abc import AsyncIterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest
from structlog.testing import capture_logs

from live_trading.brokers.errors import BrokerError, InDoubt, Retryable
from live_trading.brokers.paper import PaperBroker
from live_trading.brokers.types import (
    Absent,
    Degraded,
    ExecutionReport,
    Found,
    MarketTime,
    OrderRequest,
    OrderUpdate,
    Placed,
    Rejected,
    TickEvent,
    Unknown,
)
from live_trading.domain.values import OrderType, Side
from live_trading.paper_exchange.options import READY_FILE, STORE_FILE, PaperExchangeOptions
from live_trading.paper_exchange.process import PaperExchangeFailed, PaperExchangeProcess
from live_trading.runtime import Runtime
from tests.contracts.venues import Tape

D = Decimal


class Manager:
    """Starts processes, and ends each with the test."""

    def __init__(self, runtime: Runtime, directory: Path) -> None:
        self.runtime = runtime
        self.directory = directory
        self.processes: list[PaperExchangeProcess] = []

    def process(self, **options: Any) -> PaperExchangeProcess:
        options.setdefault("history_hours", 0)
        process = PaperExchangeProcess(PaperExchangeOptions(self.directory, **options), self.runtime)
        self.processes.append(process)
        return process

    def broker(self, process: PaperExchangeProcess, **options: Any) -> PaperBroker:
        return PaperBroker(
            process.url, process.account, name="paper", runtime=self.runtime, guard=lambda: None, **options
        )


@pytest.fixture
async def manager(runtime: Runtime, tmp_path: Path) -> AsyncIterator[Manager]:
    manager = Manager(runtime, tmp_path)
    yield manager
    for process in manager.processes:
        await process.stop()


async def wait_for(condition: Any, timeout: float = 20.0) -> None:
    async with asyncio.timeout(timeout):
        while not condition():  # noqa: ASYNC110 - a condition of another process
            await asyncio.sleep(0.02)


@pytest.mark.crash
async def test_killed_under_load_it_has_all_that_it_accepted_and_nothing_twice(manager: Manager) -> None:
    """Five clients place brackets without pause while the process is killed five times; then the books must agree."""
    process = manager.process(ticks_per_second=40, partial_fills=0.5, max_fill=Decimal(400))
    await process.start()
    placed: set[str] = set()
    refused: set[str] = set()
    doubtful: set[str] = set()
    over = asyncio.Event()

    async def client(number: int) -> None:
        broker = manager.broker(process, request_timeout=3.0)
        count = 0
        while not over.is_set():
            try:
                await broker.connect(None)
                instrument = await broker.resolve("EUR-USD")
                while not over.is_set():
                    count += 1
                    name = f"L{number}N{count}"
                    side = Side.BUY if count % 2 else Side.SELL
                    stop = "0.50000" if side is Side.BUY else "2.00000"
                    child = OrderRequest(
                        name + "S", instrument, side.opposite, OrderType.STOP, D(1000), stop_price=D(stop)
                    )
                    request = OrderRequest(name, instrument, side, OrderType.MARKET, D(1000), attached=(child,))
                    try:
                        answer = await broker.place(request)
                    except InDoubt:
                        doubtful.add(name)
                        raise
                    (placed if isinstance(answer, Placed) else refused).add(name)
            except BrokerError:
                await asyncio.sleep(0.05)
        await broker.close()

    clients = [manager.runtime.tasks.start(client(number), f"client {number}") for number in range(5)]
    for kill in range(5):
        before = len(placed)
        await wait_for(lambda before=before: len(placed) >= before + 25)
        os.kill(process.pid, signal.SIGKILL)
        await wait_for(lambda kill=kill: process.restarts == kill + 1)
    over.set()
    await asyncio.gather(*clients)

    assert len(placed) >= 125
    assert refused == set()
    broker = manager.broker(process)
    snapshot = await broker.connect(None)
    for name in sorted(placed):
        assert isinstance(await broker.find_order(name), Found), name
    for name in sorted(doubtful):
        assert isinstance(await broker.find_order(name), Found | Absent)
    ids = [execution.execution_id for execution in snapshot.executions]
    assert len(set(ids)) == len(ids)
    filled = sum((e.quantity * e.side.sign for e in snapshot.executions), D(0))
    assert filled == sum((position.quantity for position in snapshot.positions), D(0))
    await broker.close()
    await process.stop()
    check_books(manager.directory / STORE_FILE)


def check_books(path: Path) -> None:
    """The store, read as an outside checker reads it."""
    database = sqlite3.connect(path)
    orders = database.execute("SELECT order_id, quantity, filled, status, client_order_id FROM orders").fetchall()
    rows = database.execute("SELECT order_id, quantity, side, symbol, number, execution_id FROM executions").fetchall()
    positions = dict(database.execute("SELECT symbol, quantity FROM positions").fetchall())
    database.close()
    names = [order[4] for order in orders]
    assert len(set(names)) == len(names)
    assert sorted(row[4] for row in rows) == list(range(1, len(rows) + 1))
    assert len({row[5] for row in rows}) == len(rows)
    for order_id, quantity, filled, status, _ in orders:
        assert sum((D(row[1]) for row in rows if row[0] == order_id), D(0)) == D(filled)
        assert D(filled) <= D(quantity)
        assert (status == "FILLED") == (D(filled) == D(quantity) and D(quantity) > 0)
    total = sum((D(row[1]) * (1 if row[2] == "BUY" else -1) for row in rows), D(0))
    assert total == sum(map(D, positions.values()), D(0))


async def test_process_left_running_is_adopted_and_a_dead_one_is_replaced_on_its_port(manager: Manager) -> None:
    first = manager.process()
    url = await first.start(watch=False)
    second = manager.process()
    assert await second.start() == url
    assert second.pid == first.pid
    os.kill(first.pid, signal.SIGKILL)
    await wait_for(lambda: second.restarts == 1)
    assert second.url == url
    assert second.pid != first.pid
    await second.stop()
    assert not (manager.directory / READY_FILE).exists()


async def test_restarts_that_fail_are_tried_again_until_one_succeeds(manager: Manager) -> None:
    process = manager.process()
    await process.start()
    log = process.log_path
    log.unlink()
    log.mkdir()  # as good as a full disk: its file cannot be opened
    with capture_logs() as said:
        os.kill(process.pid, signal.SIGKILL)
        await wait_for(lambda: any(entry["log_level"] == "warning" for entry in said))
        log.rmdir()
        await wait_for(lambda: process.restarts == 1)
    assert "cannot be started" in said[0]["event"]


async def test_hung_process_is_ended_before_another_is_started(manager: Manager) -> None:
    first = manager.process()
    await first.start(watch=False)
    os.kill(first.pid, signal.SIGSTOP)
    second = manager.process()
    await second.start()
    assert second.pid != first.pid
    assert not psutil.pid_exists(first.pid) or psutil.Process(first.pid).status() == psutil.STATUS_ZOMBIE


async def test_second_exchange_on_the_same_store_says_why_it_cannot_start(manager: Manager) -> None:
    first = manager.process()
    await first.start(watch=False)
    (manager.directory / READY_FILE).unlink()
    with pytest.raises(PaperExchangeFailed, match="in use by another"):
        await manager.process().start(watch=False)


async def test_nothing_listens_there_is_provably_not_sent(manager: Manager) -> None:
    process = manager.process()
    await process.start(watch=False)
    broker = manager.broker(process)
    await broker.connect(None)
    instrument = await broker.resolve("EUR-USD")
    tape = Tape(broker, manager.runtime)
    os.kill(process.pid, signal.SIGKILL)
    await tape.ended()
    for _ in range(10):  # what goes out over a connection of before is in doubt: each question uses one up
        with pytest.raises(BrokerError):
            await broker.positions()
    with pytest.raises(Retryable):
        await broker.place(OrderRequest("A", instrument, Side.BUY, OrderType.MARKET, D(1)))
    with pytest.raises(Retryable):
        await broker.connect(None)
    await broker.close()


async def test_order_that_lay_in_a_frozen_exchange_does_not_come_to_life_when_it_thaws(manager: Manager) -> None:
    process = manager.process()
    await process.start(watch=False)
    broker = manager.broker(process, request_timeout=0.5, silence_limit=1.5)
    await broker.connect(None)
    instrument = await broker.resolve("EUR-USD")
    tape = Tape(broker, manager.runtime)
    psutil.Process(process.pid).suspend()
    sent = manager.runtime.clock.monotonic()
    with pytest.raises(InDoubt):
        await broker.place(OrderRequest("FROZEN", instrument, Side.BUY, OrderType.MARKET, D(1)))
    assert isinstance(await broker.find_order("FROZEN"), Unknown)
    assert "silent" in (await tape.ended()).reason
    definitive = sent + 0.5 + (broker.capabilities.absence_definitive_after or 0)
    await wait_for(lambda: manager.runtime.clock.monotonic() > definitive)
    psutil.Process(process.pid).resume()
    snapshot = await broker.connect(None)
    assert snapshot.executions == ()
    assert isinstance(await broker.find_order("FROZEN"), Absent)
    placed = await broker.place(OrderRequest("WARM", instrument, Side.BUY, OrderType.MARKET, D(1)))
    assert isinstance(placed, Placed)
    assert isinstance(await broker.find_order("FROZEN"), Absent)
    await broker.close()


async def test_faults_are_not_there_unless_asked_for(manager: Manager) -> None:
    process = manager.process()
    await process.start(watch=False)
    async with httpx.AsyncClient(base_url=process.url, trust_env=False) as client:
        assert (await client.post("/v1/faults", json={"kind": "slow"})).status_code == 404
        assert (await client.get("/v1/health")).json()["pid"] == process.pid
        answer = await client.post("/v1/orders", content=b'{"symbol": "EUR-USD"}')
        assert (answer.status_code, answer.json()["code"]) == (400, "INVALID_REQUEST")


async def test_synthetic_market_has_a_past_ticks_at_once_and_goes_on_after_a_restart(manager: Manager) -> None:
    process = manager.process(history_hours=3, instruments=("EUR-USD", "SPY"))
    await process.start(watch=False)
    broker = manager.broker(process)
    await broker.connect(None)
    tape = Tape(broker, manager.runtime)
    for symbol in ("EUR-USD", "SPY"):
        await broker.subscribe(await broker.resolve(symbol))
    ticks = [event.tick for event in await tape.has(TickEvent, 20)]
    assert {tick.symbol for tick in ticks} == {"EUR-USD", "SPY"}
    assert [tick.time_ns for tick in ticks] == sorted(tick.time_ns for tick in ticks)
    await tape.has(MarketTime, 2)
    async with httpx.AsyncClient(base_url=process.url, trust_env=False) as client:
        query = {"symbol": "SPY", "bar_size": "1 min", "start_ns": "0", "end_ns": str(2**62)}
        before = (await client.get("/v1/candles", params=query)).json()
        assert len(before) >= 170
        await broker.close()
        await process.stop()
        await process.start(watch=False)
        again = httpx.AsyncClient(base_url=process.url, trust_env=False)
        after = (await again.get("/v1/candles", params=query)).json()
        await again.aclose()
    known = {row[0]: row for row in after}
    assert [known.get(row[0]) for row in before[:-1]] == before[:-1]


DAY_MS = 9 * 3_600_000 + 1_800_000  # 09:30 in New York


def lean_trades(path: Path, count: int) -> Path:
    """A Lean tick file of one stock: a trade every 100 ms from the opening on, a cent up each."""
    rows = "".join(f"{DAY_MS + n * 100},{5_000_000 + n % 50 * 100},10,Q,,0\n" for n in range(count))
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("20240102_spy_Trade_Tick.csv", rows)
    return path


def lean_file(manager: Manager, count: int) -> Path:
    folder = manager.directory / "equity" / "usa" / "tick" / "spy"
    folder.mkdir(parents=True)
    return lean_trades(folder / "20240102_trade.zip", count)


async def test_recorded_market_at_full_speed_waits_for_its_subscriber_and_drops_nothing(manager: Manager) -> None:
    count = 5_000
    process = manager.process(ticks=(lean_file(manager, count),), speed=0, wait_for_subscribers=1)
    await process.start(watch=False)
    broker = manager.broker(process)
    await broker.connect(None)
    tape = Tape(broker, manager.runtime)
    await tape.has(MarketTime)
    assert tape.all(TickEvent) == []
    await broker.subscribe(await broker.resolve("SPY"))
    await tape.has(Degraded, timeout=60)
    times = [event.tick.time_ns for event in tape.all(TickEvent)]
    assert len(times) == count
    assert broker.dropped_ticks == 0
    check_market_time(tape)
    last = broker.market_time_ns()
    assert last is not None
    assert last >= times[-1] + 240 * 1_000_000_000
    spy = await broker.resolve("SPY")
    closed = await broker.place(OrderRequest("LATE", spy, Side.BUY, OrderType.MARKET, D(1)))
    assert isinstance(closed, Rejected)
    await broker.close()


def check_market_time(tape: Tape) -> None:
    """The market's time never goes back, and no tick is older than a time told before it."""
    told = 0
    for event in tape.events:
        if isinstance(event, MarketTime):
            assert event.time_ns >= told
            told = event.time_ns
        elif isinstance(event, TickEvent):
            assert event.tick.time_ns >= told


async def test_slow_client_holds_a_recorded_market_back(manager: Manager) -> None:
    process = manager.process(ticks=(lean_file(manager, 5_000),), speed=0, wait_for_subscribers=1)
    await process.start(watch=False)
    broker = manager.broker(process)
    await broker.connect(None)
    await broker.subscribe(await broker.resolve("SPY"))
    async with httpx.AsyncClient(base_url=process.url, trust_env=False) as client:

        async def sequence() -> int:
            return int((await client.get("/v1/health")).json()["sequence"])

        seen = [-1, await sequence()]
        while seen[-1] != seen[-2] or seen[-1] < 100:  # it comes to a stand
            await asyncio.sleep(0.2)
            seen.append(await sequence())
        assert seen[-1] < 2_000
        tape = Tape(broker, manager.runtime)
        await tape.has(Degraded, timeout=60)
        assert len(tape.all(TickEvent)) == 5_000
    await broker.close()


async def test_recorded_market_killed_on_the_way_goes_on_and_fills_once(manager: Manager) -> None:
    process = manager.process(ticks=(lean_file(manager, 2_000),), speed=100, wait_for_subscribers=1)
    await process.start(watch=False)
    broker = manager.broker(process)
    await broker.connect(None)
    spy = await broker.resolve("SPY")
    tape = Tape(broker, manager.runtime)
    await broker.subscribe(spy)
    await tape.has(TickEvent, 20)
    placed = await broker.place(OrderRequest("A", spy, Side.BUY, OrderType.LIMIT, D(10), limit_price=D("500.05")))
    assert isinstance(placed, Placed)
    await tape.has(ExecutionReport)
    await tape.has(OrderUpdate, client_order_id="A")
    os.kill(process.pid, signal.SIGKILL)
    await tape.ended()
    await broker.close()
    await process.start(watch=False)
    again = manager.broker(process)
    snapshot = await again.connect(None)
    assert len(snapshot.executions) == 1
    assert snapshot.positions[0].quantity == 10
    tape = Tape(again, manager.runtime)
    await again.subscribe(spy)
    last = (await tape.has(TickEvent))[0].tick.time_ns
    assert last >= int(snapshot.executions[0].executed_at.timestamp() * 1e9)
    await tape.has(Degraded, timeout=60)
    await again.close()
