"""An engine as a service on a real MongoDB: it starts over after an outage, and ends when it was replaced."""

import asyncio
import os
import socket
from collections.abc import AsyncIterator, Awaitable, Mapping
from typing import Any, Protocol

import pytest
from pymongo import MongoClient

from live_trading.assembly import EngineService, Phase, Storage, engine_config, restore_ledger
from live_trading.brokers.base import BrokerAdapter, SendGuard
from live_trading.brokers.in_process import InProcessBroker
from live_trading.config import Settings
from live_trading.database import connect
from live_trading.domain.errors import LiveTradingError
from live_trading.journal import Fenced, MongoJournalReader, MongoSnapshots
from live_trading.journal.mongo_store import MongoStore
from live_trading.journal.store import LeaseRecord
from live_trading.models import commands
from live_trading.models.standbys import Standby, standbys
from live_trading.paper_exchange import AccountSettings, SimulatedExchange, default_catalogue
from live_trading.projections import Ledger
from live_trading.projections.checkpoint import Checkpoints
from live_trading.runtime import Runtime, SystemClock
from live_trading.simulation.invariants import fold
from tests.integration.journal.conftest import Network, network

__all__ = ["network"]

TTL = 1.0
PATIENCE = 60.0
CREATE = {
    "asset": "EUR-USD",
    "bar_sizes": ["1 min"],
    "strategy_name": "MomentumStrategy",
    "quantity": "1000",
    "initial_capital": "10000",
}


class House:
    """A service on a database, its exchange, and a way to ask it for something."""

    def __init__(self, storage: Storage, exchange: SimulatedExchange, settings: Settings, standby: bool) -> None:
        def brokers(runtime: Runtime, guard: SendGuard) -> Mapping[str, BrokerAdapter]:
            return {"paper": InProcessBroker(exchange, "PAPER-1", name="paper", runtime=runtime, guard=guard)}

        self.database = storage.database
        self.service = EngineService(settings, storage, brokers, engine_config(settings), standby=standby)
        self.reader = MongoJournalReader(storage.database)
        self.clock = SystemClock()
        self.running = asyncio.ensure_future(self.service.run())

    async def reach(self, *phases: Phase) -> None:
        async with asyncio.timeout(PATIENCE):
            waiting = asyncio.ensure_future(self.service.status.reach(*phases))
            await asyncio.wait((waiting, self.running), return_when=asyncio.FIRST_COMPLETED)
            assert waiting.done(), "the service has ended"

    async def ask(self, kind: str, **arguments: Any) -> commands.CommandRecord:
        record = commands.CommandRecord(
            id=f"{kind} {self.clock.now_ns()}",
            kind=kind,
            arguments=arguments,
            actor="user:test",
            created_at=self.clock.now(),
        )
        stored = await commands.submit(self.database, record)
        answered = await commands.answered(self.database, stored.id, self.clock, PATIENCE)
        assert answered is not None
        assert answered.is_final
        return answered

    async def kinds(self) -> list[str]:
        return [entry.action_type async for entry in self.reader.read()]

    async def stop(self) -> None:
        self.service.request_stop("the test is over")
        async with asyncio.timeout(PATIENCE):
            await self.running


@pytest.fixture
async def exchange() -> AsyncIterator[SimulatedExchange]:
    exchange = SimulatedExchange(
        default_catalogue(), clock=SystemClock(), accounts=(AccountSettings(account="PAPER-1"),), seed=1
    )
    yield exchange
    await exchange.tasks.close()


class Build(Protocol):
    def __call__(self, url: str, *, standby: bool = False) -> Awaitable[House]: ...


@pytest.fixture
async def build(
    exchange: SimulatedExchange, tmp_path: Any, mongo_url: str, request: pytest.FixtureRequest
) -> AsyncIterator[Build]:
    """Makes services on one database, by whatever way they are to reach it."""
    name = f"service_{abs(hash(request.node.name)) % 10**9}"
    houses: list[tuple[House, Any]] = []
    overrides = {"engine.data_dir": tmp_path, "engine.lease_ttl_seconds": TTL, "database.mongodb.db_name": name}
    settings = Settings.load(None, {}, overrides)

    async def make(url: str, *, standby: bool = False) -> House:
        client = connect(url, timeout=1.0)
        house = House(Storage(client, client[name], None, "the test's"), exchange, settings, standby)
        houses.append((house, client))
        return house

    yield make
    for house, client in houses:
        house.service.request_stop()
        house.running.cancel()
        await asyncio.wait([house.running])
        await client.close()
    client = connect(mongo_url)
    await client.drop_database(name)
    await client.close()


async def test_service_trades_answers_commands_and_stops_clean(build: Build, mongo_url: str) -> None:
    house = await build(mongo_url)
    await house.reach(Phase.TRADING)
    created = await house.ask("create_operation", **CREATE)
    assert created.status is commands.CommandStatus.DONE
    refused = await house.ask("create_operation", **{**CREATE, "asset": "NOPE"})
    assert refused.status is commands.CommandStatus.REFUSED
    assert refused.error is not None
    assert refused.error["field"] == "asset"
    await house.stop()
    kinds = await house.kinds()
    assert kinds[:4] == ["ENGINE_STARTED", "RECOVERY_STARTED", "BROKER_CONNECTED", "RECOVERY_COMPLETED"]
    assert kinds[-1] == "ENGINE_STOPPED"
    assert house.service.status.phase is Phase.STOPPED
    checkpoint = await Checkpoints(house.database).read()
    assert checkpoint is not None
    assert checkpoint.sequence_number == len(kinds), "the read models are caught up at a clean end"


async def test_outage_longer_than_the_lease_makes_it_start_over_from_standing_by(
    build: Build, network: Network
) -> None:
    house = await build(network.url)
    await house.reach(Phase.TRADING)
    network.cut()
    await house.reach(Phase.STANDING_BY)
    network.mend()
    await house.reach(Phase.TRADING)
    created = await house.ask("create_operation", **CREATE)
    assert created.status is commands.CommandStatus.DONE
    await house.stop()
    kinds = await house.kinds()
    assert kinds.count("ENGINE_STARTED") == 2
    assert kinds[-1] == "ENGINE_STOPPED"


async def test_service_whose_journal_another_engine_took_over_ends_fenced(build: Build, mongo_url: str) -> None:
    house = await build(mongo_url)
    await house.reach(Phase.TRADING)
    store = MongoStore(house.database)
    seen = await store.lease("default")
    assert seen is not None
    while not await store.swap_lease("default", seen, LeaseRecord(seen.epoch + 1, "another@elsewhere#1 x", 0, TTL)):
        seen = await store.lease("default")
        assert seen is not None
    before = await house.kinds()
    with pytest.raises(Fenced):
        async with asyncio.timeout(PATIENCE):
            await house.running
    assert await house.kinds() == before, "it wrote nothing more"


async def test_service_whose_lease_ran_out_while_it_opened_the_journal_stands_by_for_it_again(
    build: Build, mongo_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    fence, slow = MongoStore.fence, [TTL + 0.2]

    async def fence_slowly(store: MongoStore, epoch: int) -> None:
        if slow:
            await asyncio.sleep(slow.pop())
        await fence(store, epoch)

    monkeypatch.setattr(MongoStore, "fence", fence_slowly)
    house = await build(mongo_url)
    await house.reach(Phase.TRADING)
    assert not slow
    await house.stop()


async def test_service_asked_to_stop_while_it_stands_by_leaves_at_once(build: Build, mongo_url: str) -> None:
    first = await build(mongo_url)
    await first.reach(Phase.TRADING)
    second = await build(mongo_url)
    await second.reach(Phase.STANDING_BY)
    await second.stop()
    assert (await first.kinds()).count("ENGINE_STARTED") == 1
    await first.stop()


async def _folded_up_to(house: House, number: int) -> Standby:
    """Wait until the one standby says that it has folded an entry."""
    async with asyncio.timeout(PATIENCE):
        while True:
            found = await standbys(house.database, "default")
            if found and found[0].said.sequence_number >= number:
                (standby,) = found
                return standby
            await house.clock.sleep(0.05)


async def test_warm_standby_follows_says_so_and_takes_over_from_an_engine_that_was_cut_off(
    build: Build, network: Network, mongo_url: str
) -> None:
    first = await build(network.url)
    await first.reach(Phase.TRADING)
    second = await build(mongo_url, standby=True)
    await second.reach(Phase.STANDING_BY)
    await first.ask("create_operation", **CREATE)
    standby = await _folded_up_to(second, len(await first.kinds()))
    assert standby.is_there
    assert (standby.said.process_id, standby.said.host) == (os.getpid(), socket.gethostname())
    network.cut()
    await second.reach(Phase.TRADING)
    network.mend()
    with pytest.raises(Fenced):
        async with asyncio.timeout(PATIENCE):
            await first.running
    entries = [entry async for entry in second.reader.read()]
    (one, two) = [entry for entry in entries if entry.action_type == "ENGINE_STARTED"]
    assert one.data.took_over_from == ""
    assert two.data.took_over_from.startswith(f"{one.data.instance}@{one.data.host}#{one.data.process_id} ")
    (start,) = [e for e in entries[two.sequence_number :] if e.action_type == "RECOVERY_STARTED"]
    assert start.data.after_crash
    assert start.data.ledger_sequence_number == two.sequence_number
    engine = second.service.status.engine
    assert engine is not None
    head = engine.live.ledger.sequence_number
    entries = [entry async for entry in second.reader.read(to=head)]
    assert engine.live.ledger.to_bytes() == fold(entries).to_bytes(), "what it followed is the whole fold"
    assert await standbys(second.database, "default") == [], "it stands by no longer"
    await second.stop()


async def test_service_that_was_replaced_while_it_could_not_ask_ends_fenced_as_soon_as_it_can(
    build: Build, network: Network, mongo_url: str
) -> None:
    first = await build(network.url)
    await first.reach(Phase.TRADING)
    second = await build(mongo_url)
    await second.reach(Phase.STANDING_BY)
    network.cut()
    await second.reach(Phase.TRADING)
    await first.reach(Phase.STANDING_BY)
    network.mend()
    with pytest.raises(Fenced):
        async with asyncio.timeout(PATIENCE):
            await first.running
    await second.stop()


async def test_standby_takes_over_at_once_from_an_engine_that_ends_in_order_and_one_that_leaves_is_forgotten(
    build: Build, mongo_url: str
) -> None:
    first = await build(mongo_url)
    await first.reach(Phase.TRADING)
    second, third = await build(mongo_url, standby=True), await build(mongo_url, standby=True)
    await second.reach(Phase.STANDING_BY)
    await third.reach(Phase.STANDING_BY)
    async with asyncio.timeout(PATIENCE):
        while len(await standbys(first.database, "default")) < 2:
            await first.clock.sleep(0.05)
    before = await first.kinds()
    await third.stop()
    assert len(await standbys(first.database, "default")) == 1
    assert await first.kinds() == before, "a standby that ends changes nothing"
    await first.stop()
    await second.reach(Phase.TRADING)
    await second.stop()
    started = [entry async for entry in second.reader.read() if entry.action_type == "ENGINE_STARTED"]
    recovery = [entry async for entry in second.reader.read() if entry.action_type == "RECOVERY_STARTED"]
    assert [entry.data.took_over_from for entry in started] == ["", ""]
    assert [entry.data.after_crash for entry in recovery][1:] == [False]


async def test_standby_that_followed_an_altered_journal_never_trades_on_it(
    build: Build, network: Network, mongo_url: str
) -> None:
    first = await build(network.url)
    await first.reach(Phase.TRADING)
    with MongoClient[dict[str, Any]](mongo_url) as client:
        database = client[first.database.name]
        fence = database.command("listCollections", filter={"name": "journal"})["cursor"]["firstBatch"][0]
        database.command({"collMod": "journal", "validator": {}})
        database.journal.update_one({"_id": 2}, {"$set": {"actor": "user:forger"}})
        database.command({"collMod": "journal", "validator": fence["options"]["validator"]})
    second = await build(mongo_url, standby=True)
    await second.reach(Phase.STANDING_BY)
    network.cut()
    with pytest.raises(LiveTradingError, match="entry 2"):
        async with asyncio.timeout(PATIENCE):
            await second.running
    network.mend()
    with pytest.raises(Fenced):
        async with asyncio.timeout(PATIENCE):
            await first.running


async def test_journal_that_was_altered_is_never_traded_on(build: Build, mongo_url: str) -> None:
    first = await build(mongo_url)
    await first.reach(Phase.TRADING)
    await first.stop()
    with MongoClient[dict[str, Any]](mongo_url) as client:
        database = client[first.database.name]
        database.command({"collMod": "journal", "validator": {}})
        database.journal.update_one({"_id": 2}, {"$set": {"actor": "user:forger"}})
        database.snapshots.delete_many({})
    second = await build(mongo_url)
    with pytest.raises(LiveTradingError, match="entry 2"):
        async with asyncio.timeout(PATIENCE):
            await second.running


async def test_start_from_a_snapshot_equals_a_full_fold_and_a_damaged_snapshot_is_left_aside(
    build: Build, mongo_url: str
) -> None:
    house = await build(mongo_url)
    await house.reach(Phase.TRADING)
    await house.ask("create_operation", **CREATE)
    await house.stop()
    head = await house.reader.head()
    snapshots = MongoSnapshots(house.database)
    from_snapshot = await restore_ledger(house.reader, snapshots, head)
    assert from_snapshot.snapshot_at == head.sequence_number
    await house.database["snapshot_chunks"].update_many({}, {"$set": {"data": b"nonsense"}})
    folded = await restore_ledger(house.reader, snapshots, head)
    assert folded.snapshot_at == 0
    assert folded.ledger.state_hash() == from_snapshot.ledger.state_hash() != Ledger().state_hash()


async def test_command_asked_while_no_engine_ran_is_carried_out_at_the_next_start(build: Build, mongo_url: str) -> None:
    first = await build(mongo_url)
    await first.reach(Phase.TRADING)
    await first.stop()
    waiting = asyncio.ensure_future(first.ask("trip_kill_switch", reason="while you were out"))
    second = await build(mongo_url)
    answered = await waiting
    assert answered.status is commands.CommandStatus.DONE
    await second.stop()
    assert "KILL_SWITCH_TRIPPED" in await second.kinds()
