"""What a durable append costs over the driver's bare inserts of the same documents, and what group commit gains."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from decimal import Decimal
from time import perf_counter
from typing import Any

import bson
from pymongo import AsyncMongoClient
from pymongo.asynchronous.collection import AsyncCollection

from benchmarks.measuring import Result, percentile
from benchmarks.place import Place
from benchmarks.workload import filled
from live_trading.database import connect
from live_trading.domain.entries import Draft
from live_trading.domain.ids import Kind, derived_id
from live_trading.domain.values import Side
from live_trading.journal import JournalWriter, MongoJournal, Opener
from live_trading.journal.mongo_store import JOURNAL, MongoStore
from live_trading.runtime import settle_collector

Documents = Sequence[dict[str, Any]]


class _Bare:
    """The same documents into a collection made in the same way, by the driver alone."""

    def __init__(self, client: AsyncMongoClient[dict[str, Any]], database: str) -> None:
        self.database = client[database]
        self.collection: AsyncCollection[dict[str, Any]] = self.database[JOURNAL]
        self._next = 1

    def documents(self, like: dict[str, Any], count: int) -> Documents:
        """Copies of a document, numbered on."""
        first, self._next = self._next, self._next + count
        return [like | {"_id": bson.Int64(number)} for number in range(first, first + count)]


def _drafts(count: int) -> list[Draft]:
    operation = derived_id(Kind.OPERATION, 1)
    one = filled(7, "ABCDEF000100000000Z1", Side.BUY, Decimal("1.08432"))
    return [Draft(one, operation_id=operation, actor="broker:paper") for _ in range(count)]


async def run(place: Place) -> list[Result]:
    """Latency alone, then throughput with many producers."""
    # The driver's own retry of a write costs the server another write; the bare side is measured without it, which is
    # the harder comparison.
    once = connect(place.url, retryWrites=False)
    bare = _Bare(once, "bench_bare")
    await MongoStore(bare.database).prepare()
    database = place.client["bench_append"]
    writer = await MongoJournal.open_writer(database, Opener("bench", "bench", "1"), place.runtime)
    try:
        (entry,) = await writer.append(*_drafts(1))
        like = await database[JOURNAL].find_one({"_id": entry.sequence_number})
        assert like is not None
        settle_collector()  # as in an engine that trades; the bare side has the same
        results = await _latency(place, writer, bare, like)
        for producers in (10, 100, 1000):
            results += await _throughput(place, writer, bare, like, producers)
        return results
    finally:
        await writer.close()
        await once.close()


async def _latency(place: Place, writer: JournalWriter, bare: _Bare, like: dict[str, Any]) -> list[Result]:
    count = 300 if place.is_quick else 3000
    ours: list[float] = []
    theirs: list[float] = []
    drafts = _drafts(count)
    for draft, document in zip(drafts, bare.documents(like, count), strict=True):
        ours.append(await _seconds(writer.append(draft)))
        theirs.append(await _seconds(bare.collection.insert_one(document)))
    warm = count // 10
    ours, theirs = ours[warm:], theirs[warm:]
    return [
        Result(
            f"one durable append ÷ a bare insert_one, {name}",
            percentile(ours, fraction) / percentile(theirs, fraction),
            "×",
            target,
            detail=f"{percentile(ours, fraction) * 1e6:,.0f} µs and {percentile(theirs, fraction) * 1e6:,.0f} µs",
        )
        for name, fraction, target in (("p50", 0.5, 1.15), ("p99", 0.99, 1.25))
    ]


async def _seconds(work: Awaitable[Any]) -> float:
    began = perf_counter()
    await work
    return perf_counter() - began


async def _throughput(
    place: Place, writer: JournalWriter, bare: _Bare, like: dict[str, Any], producers: int
) -> list[Result]:
    """Each way in turn, several times over, so that a slow spell of the machine meets all of them."""
    each = max(10, (4_000 if place.is_quick else 12_000) // producers)
    count = each * producers
    single = min(count, 1000)
    rounds = 2 if place.is_quick else 3
    taken = {"ours": 0.0, "batches": 0.0, "single": 0.0}
    for _ in range(rounds):
        drafts = _drafts(count)
        taken["ours"] += await _producers(producers, lambda draft: writer.append(draft), drafts)
        documents = bare.documents(like, count)
        taken["batches"] += await _seconds(_in_batches(bare, documents, producers))
        documents = bare.documents(like, single)
        taken["single"] += await _producers(producers, bare.collection.insert_one, documents)
    rate = {"ours": count, "batches": count, "single": single}
    per_second = {name: rate[name] * rounds / seconds for name, seconds in taken.items()}
    return [
        Result(
            f"{producers} producers ÷ bare insert_many of {producers} at a time",
            per_second["ours"] / per_second["batches"],
            "×",
            0.7,
            "higher",
            f"{per_second['ours']:,.0f} and {per_second['batches']:,.0f} entries/s",
        ),
        Result(
            f"{producers} producers ÷ as many independent insert_one",
            per_second["ours"] / per_second["single"],
            "×",
            10.0 if producers > 10 else None,
            "higher",
            f"{per_second['ours']:,.0f} and {per_second['single']:,.0f} entries/s",
        ),
    ]


async def _producers(producers: int, insert: Callable[[Any], Awaitable[Any]], items: Sequence[Any]) -> float:
    async def produce(mine: Sequence[Any]) -> None:
        for item in mine:
            await insert(item)

    shares = [items[start::producers] for start in range(producers)]
    began = perf_counter()
    await asyncio.gather(*(produce(share) for share in shares))
    return perf_counter() - began


async def _in_batches(bare: _Bare, documents: Documents, size: int) -> None:
    for start in range(0, len(documents), size):
        await bare.collection.insert_many(documents[start : start + size], ordered=True)
