"""Reading, checking, decoding and folding a whole journal, beside the driver's fastest bare read of it."""

import gc
import os
from collections.abc import Callable
from datetime import datetime
from itertools import islice, pairwise
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import Any
from uuid import UUID

import bson
import psutil
from beanie import Document, PydanticObjectId, init_beanie
from bson.raw_bson import RawBSONDocument
from pymongo.asynchronous.database import AsyncDatabase
from pymongo.cursor_shared import CursorType
from pymongo.write_concern import WriteConcern

from benchmarks.measuring import Result
from benchmarks.place import Place
from benchmarks.workload import journal
from live_trading.domain.entries import Entry
from live_trading.journal import EntryCodec, MongoJournalReader, MongoSnapshots, Snapshot
from live_trading.journal.mongo_store import JOURNAL, MongoSource, MongoStore
from live_trading.projections import FOLD_VERSION, Ledger, apply
from live_trading.runtime import collector_paused

Database = AsyncDatabase[dict[str, Any]]
TAIL = 1000
SEGMENTS = 20


async def run(place: Place) -> list[Result]:
    """Replay, restart, memory, and others' replays for comparison."""
    count = 60_000 if place.is_quick else 1_000_000
    database = place.client["bench_replay"]
    await MongoStore(database).prepare()
    await _fill(database, count)
    gc.collect()
    gc.freeze()
    results, per_entry = await _replay(database, count)
    return [
        *results,
        await _restart(database, count, per_entry * count),
        await _beanie(database, min(count, 50_000), per_entry),
        _eventsourcing(2_000 if place.is_quick else 20_000, per_entry),
    ]


async def _fill(database: Database, count: int) -> None:
    collection = database.get_collection(JOURNAL, write_concern=WriteConcern(1))
    documents = journal(count, EntryCodec())
    while chunk := [RawBSONDocument(document) for _, document in islice(documents, 5000)]:
        await collection.insert_many(chunk, ordered=False)


# ------------------------------------------------------------- the driver, bare


async def _to_list(database: Database, after: int, to: int, size: int) -> int:
    cursor = database[JOURNAL].find(
        {"_id": {"$gt": after, "$lte": to}}, sort=[("_id", 1)], batch_size=size, cursor_type=CursorType.EXHAUST
    )
    count = 0
    while found := await cursor.to_list(size):
        count += len(found)
    return count


async def _raw_batches(database: Database, after: int, to: int, size: int) -> int:
    count = 0
    async for batch in MongoSource(database, batch_size=size).batches(after, to):
        count += len(bson.decode_all(batch))
    return count


Bare = Callable[[Database, int, int, int], Any]
WAYS: list[tuple[str, Bare, int]] = [
    (f"{name}, batches of {size}", way, size)
    for name, way in (("find().to_list", _to_list), ("find_raw_batches and decode_all", _raw_batches))
    for size in (250, 1000, 5000)
]


async def _best_way(database: Database, count: int) -> tuple[str, Bare, int]:
    span = min(count, 20_000)
    times: dict[int, float] = dict.fromkeys(range(len(WAYS)), float("inf"))
    for _ in range(3):
        for index, (_, way, size) in enumerate(WAYS):
            began = perf_counter()
            await way(database, 0, span, size)
            times[index] = min(times[index], perf_counter() - began)
    return WAYS[min(times, key=lambda index: times[index])]


# ------------------------------------------------------------------------ ours


async def _replay(database: Database, count: int) -> tuple[list[Result], float]:
    reader = MongoJournalReader(database)
    snapshots = MongoSnapshots(database)
    process = psutil.Process(os.getpid())
    ledger = Ledger()
    ours = theirs = 0.0
    memory: list[float] = []
    with collector_paused():
        name, bare, size = await _best_way(database, count)
        bounds = [(count - TAIL) * step // SEGMENTS for step in range(SEGMENTS + 1)]
        for after, to in pairwise(bounds):
            began = perf_counter()
            assert await bare(database, after, to, size) == to - after
            theirs += perf_counter() - began
            began = perf_counter()
            last = await _fold(reader, ledger, after, to)
            ours += perf_counter() - began
            memory.append(process.memory_info().rss / 2**20)
    await snapshots.save(Snapshot(last.sequence_number, last.hash, FOLD_VERSION, ledger.to_bytes()))
    read = bounds[-1]
    early, late = memory[SEGMENTS // 4], memory[-1]
    results = [
        Result(
            "replay: bare read into dictionaries ÷ read, checked, decoded and folded",
            theirs / ours,
            "×",
            0.3,
            "higher",
            f"{read:,} entries in {ours:.2f} s and {theirs:.2f} s (the fastest of {len(WAYS)} ways: {name})",
        ),
        Result(
            "memory after all of it ÷ after a quarter",
            late / early,
            "×",
            1.1,
            detail=f"{late:,.0f} MB and {early:,.0f} MB resident",
        ),
    ]
    return results, ours / read


async def _fold(reader: MongoJournalReader, ledger: Ledger, after: int, to: int | None) -> Entry:
    last: Entry | None = None
    async for batch in reader.read_batches(after, to):
        for entry in batch:
            apply(ledger, entry)
        ledger.forget_changes()
        last = batch[-1]
    assert last is not None
    return last


async def _restart(database: Database, count: int, full: float) -> Result:
    reader = MongoJournalReader(database)
    began = perf_counter()
    with collector_paused():
        found = await MongoSnapshots(database).load(FOLD_VERSION, reader=reader)
        assert found.snapshot is not None
        ledger = Ledger.from_bytes(found.snapshot.state)
        await _fold(reader, ledger, found.snapshot.sequence_number, None)
    taken = perf_counter() - began
    assert ledger.sequence_number == count
    return Result(
        f"restart: snapshot and {TAIL:,} entries ÷ a full fold",
        taken / full,
        "×",
        0.1 if count >= 1_000_000 else None,
        detail=f"{taken:.3f} s and {full:.2f} s; the state is {len(found.snapshot.state) / 2**20:.1f} MB",
    )


# ---------------------------------------------------------------------- others


class _BeanieEntry(Document):
    """The journal's document as Beanie would have it."""

    id: int  # type: ignore[assignment]
    operation_id: PydanticObjectId | None
    action_type: str
    action_version: int
    action_data: dict[str, Any]
    timestamp: datetime
    epoch: int
    actor: str
    correlation_id: int
    causation_id: int | None
    previous_hash: bytes
    hash: bytes

    class Settings:
        name = JOURNAL


async def _beanie(database: Database, count: int, ours: float) -> Result:
    await init_beanie(database=database, document_models=[_BeanieEntry], skip_indexes=True)
    began = perf_counter()
    with collector_paused():
        found = await _BeanieEntry.find(_BeanieEntry.id <= count).to_list()
    taken = (perf_counter() - began) / len(found)
    return Result(
        "Beanie's read alone (no check, no fold) ÷ our replay",
        taken / ours,
        "×",
        None,
        "higher",
        f"{taken * 1e6:.1f} µs and {ours * 1e6:.1f} µs an entry; Beanie's over {len(found):,} entries",
    )


def _eventsourcing(count: int, ours: float) -> Result:
    """An aggregate of as many events, replayed from SQLite by the library ``eventsourcing``."""
    from eventsourcing.application import Application
    from eventsourcing.domain import Aggregate, event

    class Account(Aggregate):
        @event("Opened")
        def __init__(self) -> None:
            self.quantity = 0

        @event("Filled")
        def fill(
            self, client_order_id: str, execution_id: str, symbol: str, side: str, price: str, quantity: int
        ) -> None:
            self.quantity += quantity

    class Accounts(Application[UUID]):
        pass

    with TemporaryDirectory() as directory:
        app = Accounts(
            env={"PERSISTENCE_MODULE": "eventsourcing.sqlite", "SQLITE_DBNAME": str(Path(directory) / "events.db")}
        )
        account = Account()
        for number in range(count):
            account.fill("ABCDEF000100000000Z1", f"0000e0d5.{number:08x}.01.01", "EUR-USD", "BUY", "1.08432", 10_000)
            if number % 1000 == 0:
                app.save(account)
        app.save(account)
        began = perf_counter()
        with collector_paused():
            again: Any = app.repository.get(account.id)
        taken = (perf_counter() - began) / count
        assert again.quantity == count * 10_000
        app.close()
    return Result(
        "eventsourcing's replay from SQLite ÷ our replay",
        taken / ours,
        "×",
        None,
        "higher",
        f"{taken * 1e6:.1f} µs and {ours * 1e6:.1f} µs an entry; theirs over {count:,} events of one aggregate",
    )
