"""Is everything in order? Each thing an engine needs, looked at from outside, with what to do where it is not.

Nothing is started but what a look needs, and nothing is changed. The order is that of dependence: what a failed check
stands on comes before it.
"""

import json
import os
import platform
import shutil
from collections.abc import AsyncIterator
from datetime import UTC, timedelta
from enum import StrEnum
from pathlib import Path
from typing import NamedTuple

from pymongo.errors import PyMongoError

from live_trading.archive import ArchivedJournalReader, ArchivedSnapshots
from live_trading.assembly.brokers import broker_kind
from live_trading.assembly.exchange import exchange_directory, exchange_health, needs_exchange
from live_trading.assembly.inspection import broker_to_look_at
from live_trading.brokers.errors import BrokerError
from live_trading.config import Settings
from live_trading.database import DatabaseError, check_requirements
from live_trading.database.mongod import find_mongod
from live_trading.domain.errors import LiveTradingError
from live_trading.journal import JournalError, JournalReader, Snapshots
from live_trading.models.presence import engine_presence
from live_trading.models.queries import freshness
from live_trading.models.standbys import standbys
from live_trading.orders.watched import stop_held_by_nobody
from live_trading.paper_exchange.options import READY_FILE, STORE_FILE
from live_trading.projections.time_travel import ledger_at
from live_trading.runtime import Runtime
from live_trading.storage import Storage, archive_directory, has_data, open_storage, said

_GIGABYTE = 2**30
_ENOUGH_DISK, _LITTLE_DISK = 5 * _GIGABYTE, _GIGABYTE
_TOLERATED_LAG = 1000
_MOST_CLOCK_DIFFERENCE = timedelta(seconds=2)


class Level(StrEnum):
    OK = "ok"
    WARN = "warn"
    FAIL = "fail"


class Check(NamedTuple):
    """One thing looked at. ``remedy`` says what to do; empty where nothing is."""

    name: str
    level: Level
    text: str
    remedy: str = ""


def _fine(name: str, text: str) -> Check:
    return Check(name, Level.OK, text)


async def check_everything(settings: Settings, runtime: Runtime) -> AsyncIterator[Check]:
    """Look at each thing in turn. Those that cannot be looked at because of an earlier one are left out."""
    yield _python()
    yield _directory(settings)
    yield _disk(settings)
    yield _mongod(settings)
    if not has_data(settings):
        yield Check("database", Level.WARN, "nothing is kept here yet", "Start with live-trading run")
        if not needs_exchange(settings):
            yield await _broker(settings, runtime)
        return
    try:
        async with open_storage(settings, runtime, watch=False, check=False) as storage:
            async for check in _in_database(settings, storage, runtime):
                yield check
    except DatabaseError as error:
        yield Check("database", Level.FAIL, str(error))
    yield await (_exchange(settings) if needs_exchange(settings) else _broker(settings, runtime))


def _python() -> Check:
    text = f"{platform.python_version()} on {platform.system()} {platform.machine()}"
    if platform.system() != "Linux":
        return Check("python", Level.WARN, text, "Only Linux is tested")
    return _fine("python", text)


def _directory(settings: Settings) -> Check:
    """Writable, or where it could be made."""
    directory = settings.engine.data_dir.absolute()
    place = directory
    while not place.exists() and place != place.parent:
        place = place.parent
    if not place.is_dir():
        return Check("data directory", Level.FAIL, f"{place} is no directory", "Set engine.data_dir to a directory")
    if not os.access(place, os.W_OK | os.X_OK):
        return Check(
            "data directory", Level.FAIL, f"{place} cannot be written by this user", "Use --data-dir, or its owner"
        )
    return _fine("data directory", str(directory) if directory.exists() else f"{directory} (will be made)")


def _disk(settings: Settings) -> Check:
    place = settings.engine.data_dir.absolute()
    while not place.exists() and place != place.parent:
        place = place.parent
    free = shutil.disk_usage(place).free
    text = f"{free / _GIGABYTE:.1f} GB free"
    if free < _LITTLE_DISK:
        return Check("disk", Level.FAIL, text, "Free some: a full disk stops the journal, and with it trading")
    if free < _ENOUGH_DISK:
        return Check("disk", Level.WARN, text, "Free some before it runs full")
    return _fine("disk", text)


def _mongod(settings: Settings) -> Check:
    if settings.database.mongodb.url is not None:
        return _fine("mongod", "not needed: MONGODB_URL is set")
    try:
        return _fine("mongod", str(find_mongod(settings.engine.data_dir / "mongodb")))
    except DatabaseError as error:
        return Check("mongod", Level.FAIL, str(error))


async def _in_database(settings: Settings, storage: Storage, runtime: Runtime) -> AsyncIterator[Check]:
    database, name = storage.database, "database"
    try:
        await storage.client.admin.command("ping")
        yield _fine(name, storage.where)
        if storage.mongo is None:
            await check_requirements(storage.client, settings.database.mongodb.db_name)
            yield _fine("rights", "replica set, majority writes and every right are there")
        yield await _clock(storage, runtime)
        yield await _engine(settings, storage, runtime)
        reader = ArchivedJournalReader(database, archive_directory(settings), runtime.clock)
        head = await reader.head()
        async for check in _standbys(settings, storage, head.sequence_number):
            yield check
        when = f", {head.timestamp:%Y-%m-%d %H:%M:%S} UTC" if head.timestamp is not None else ""
        yield _fine("journal", f"{head.sequence_number:,} entries{when}")
        yield await _read_models(storage, reader)
        yield await _state(reader, ArchivedSnapshots(database, reader.archive))
    except (PyMongoError, JournalError, DatabaseError) as error:
        yield Check(name, Level.FAIL, said(error)[:300], "Check that MongoDB runs and is reachable")


async def _clock(storage: Storage, runtime: Runtime) -> Check:
    """Ours beside the database's: times of entries are ours, and people compare them with others'."""
    before = runtime.clock.now()
    hello = await storage.client.admin.command("hello")
    difference = abs(hello["localTime"].replace(tzinfo=UTC) - before)
    text = f"{difference.total_seconds():.1f} s from the database's"
    if difference > _MOST_CLOCK_DIFFERENCE:
        return Check("clock", Level.WARN, text, "Synchronise the clocks of both machines (NTP)")
    return _fine("clock", text)


async def _engine(settings: Settings, storage: Storage, runtime: Runtime) -> Check:
    presence = await engine_presence(storage.database, settings.engine.id, runtime.clock)
    if presence.holder is None:
        return Check("engine", Level.WARN, presence.text, "Start one: live-trading run")
    if presence.alive is False:
        return Check("engine", Level.FAIL, presence.text, "Start it again: it recovers what was left open")
    return _fine("engine", presence.text)


async def _standbys(settings: Settings, storage: Storage, head: int) -> AsyncIterator[Check]:
    """Who would take over, and how far each has folded the journal."""
    name = "standby"
    found = await standbys(storage.database, settings.engine.id)
    for standby in found:
        behind = max(0, head - standby.said.sequence_number)
        text = f"{standby.text} ({behind:,} behind)" if standby.is_there else standby.text
        if not standby.is_there:
            yield Check(name, Level.WARN, text, "Start it again: live-trading engine --standby")
        elif behind > _TOLERATED_LAG:
            yield Check(name, Level.WARN, text, "It is not warm yet: taking over would take longer")
        else:
            yield _fine(name, text)
    if not found:
        yield _fine(name, "none stands by (live-trading engine --standby)")


async def _read_models(storage: Storage, reader: JournalReader) -> Check:
    fresh = await freshness(storage.database, reader)
    text = f"as of entry {fresh['read_models']:,}, {fresh['lag']:,} behind"
    if fresh["state"] == "halted":
        return Check("read models", Level.FAIL, f"{text}; halted: {fresh['reason']}", "live-trading rebuild")
    if fresh["lag"] > _TOLERATED_LAG:
        return Check("read models", Level.WARN, text, "Start an engine, or live-trading rebuild")
    return _fine("read models", text)


async def _state(reader: JournalReader, snapshots: Snapshots) -> Check:
    """What waits for a person."""
    state = (await ledger_at(reader, snapshots)).state
    waiting = []
    if state.kill_switch is not None:
        waiting.append(f"the kill switch is on ({state.kill_switch.reason}): live-trading kill-switch off")
    if state.discrepancies:
        waiting.append(f"{len(state.discrepancies)} positions differ: live-trading discrepancies list")
    asked = sum(order.status == "NEEDS_OPERATOR" for op in state.operations.values() for order in op.orders.values())
    if asked:
        waiting.append(f"{asked} orders in doubt wait for a person: live-trading orders list --status NEEDS_OPERATOR")
    held = sum(operation.status == "error" for operation in state.operations.values())
    if held:
        waiting.append(f"{held} operations are held in error: live-trading operations list --status error")
    watched = sum(stop_held_by_nobody(operation) is not None for operation in state.operations.values())
    if watched:
        waiting.append(f"{watched} positions have a stop that no order holds: only a running engine watches it")
    if not waiting:
        return _fine("state", "nothing waits for a person")
    return Check("state", Level.WARN, "; ".join(text.partition(":")[0] for text in waiting), "; ".join(waiting))


async def _broker(settings: Settings, runtime: Runtime) -> Check:
    """The real broker, asked for the account's state through a connection that only looks."""
    name = f"broker {settings.broker.name}"
    try:
        broker_kind(settings)
        broker = broker_to_look_at(settings, None, runtime)
        try:
            snapshot = await broker.connect(None)
        finally:
            await broker.close()
    except (BrokerError, LiveTradingError) as error:
        return Check(name, Level.FAIL, str(error), "Check that it can be reached, and section broker of the settings")
    held = f"{len(snapshot.positions)} positions, {len(snapshot.orders)} working orders"
    return _fine(name, f"account {snapshot.account.account_id}, {held}")


async def _exchange(settings: Settings) -> Check:
    name = "paper exchange"
    url = settings.broker.paper.url or _noted_url(exchange_directory(settings))
    if url is None:
        store = exchange_directory(settings) / STORE_FILE
        return _fine(name, "not running; its store is there" if store.exists() else "not started yet")
    try:
        health = await exchange_health(url.rstrip("/"))
    except (BrokerError, LiveTradingError) as error:
        return Check(name, Level.FAIL, f"none answers at {url}", str(error))
    kind = "recorded market, ended" if health["feed_ended"] else "recorded" if health["recorded"] else "synthetic"
    return _fine(name, f"{url}, accounts {', '.join(health['accounts'])}, {kind}")


def _noted_url(directory: Path) -> str | None:
    """Where the one of this data directory says it listens."""
    try:
        return str(json.loads((directory / READY_FILE).read_bytes())["url"])
    except (OSError, ValueError, KeyError):
        return None
