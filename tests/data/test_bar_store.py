"""One suite for every store of bars, and the archive under a process that is killed."""

import os
import signal
import subprocess
import sys
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from bson import Decimal128, ObjectId
from pymongo.asynchronous.database import AsyncDatabase

from live_trading.data import BarStore, MemoryBarStore, MissingBars, MongoBarStore, StoredBar
from live_trading.data.bar_archive import BarArchive
from live_trading.domain.bar_size import BarSize
from live_trading.domain.market import Bar, Ohlc, ns_from_utc

ONE, OTHER = ObjectId(b"opn\0" + (1).to_bytes(8)), ObjectId(b"opn\0" + (2).to_bytes(8))
H1 = BarSize.HOUR_1
START = ns_from_utc(datetime(2014, 5, 8, 18, tzinfo=UTC))


def hour(number: int, close: str = "1.39105", filled: bool = False) -> StoredBar:
    side = Ohlc(*map(Decimal, ("1.39100", "1.4", "1.3", "1.39105")))
    bar = Bar(
        "EUR-USD", H1, START + number * H1.nanoseconds, Decimal("1.39101"), Decimal("1.40"), Decimal("1.3"),
        Decimal(close), Decimal(0), 17, side, side, filled,
        START + (number + 1) * H1.nanoseconds - 1_000_000_000 if number == 2 else None,
    )  # fmt: skip
    return StoredBar(bar, {"ema_20": 1.25 + number, "rsi_14": None})


@pytest.fixture(params=["memory", "mongo"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> BarStore:
    if request.param == "memory":
        return MemoryBarStore()
    return MongoBarStore(request.getfixturevalue("database"), tmp_path / "archive")


async def test_the_last_bars_come_back_as_they_were_oldest_first(store: BarStore) -> None:
    await store.write(ONE, [hour(2), hour(0), hour(1)])
    await store.write(ONE, [hour(3)])
    assert await store.last(ONE, H1, 3) == [hour(1), hour(2), hour(3)]
    assert await store.last(ONE, H1, 10) == [hour(number) for number in range(4)]
    assert await store.last(ONE, H1, 0) == []


async def test_operations_and_sizes_do_not_mix(store: BarStore) -> None:
    day = StoredBar(hour(0).bar._replace(bar_size=BarSize.DAY_1))
    await store.write(ONE, [hour(0), day])
    await store.write(OTHER, [hour(1)])
    assert await store.last(ONE, H1, 5) == [hour(0)]
    assert await store.last(ONE, BarSize.DAY_1, 5) == [day]
    assert await store.last(OTHER, H1, 5) == [hour(1)]


async def test_a_bar_written_again_after_a_crash_is_one_bar(store: BarStore) -> None:
    await store.write(ONE, [hour(0, filled=True), hour(1)])
    await store.write(ONE, [hour(0, close="1.5"), hour(1)])
    assert await store.last(ONE, H1, 5) == [hour(0, close="1.5"), hour(1)]


async def test_only_the_last_bars_are_kept_and_older_ones_are_in_the_archive_by_day(store: BarStore) -> None:
    moved = 0
    for number in range(130):
        await store.write(ONE, [hour(number)])
        moved += await store.retain(ONE, H1, 50)
        assert len(await store.last(ONE, H1, 1000)) <= 50 + 10
    kept = await store.last(ONE, H1, 1000)
    assert kept == [hour(number) for number in range(moved, 130)]
    days = [date(2014, 5, day) for day in range(8, 15)]
    archived = [each for day in days for each in await store.archived("EUR-USD", H1, day)]
    assert [each.stored for each in archived] == [hour(number) for number in range(moved)]
    assert {each.operation_id for each in archived} == {ONE}
    assert len(await store.archived("EUR-USD", H1, days[0])) == 6  # 18:00 to 23:00


async def test_operations_on_one_asset_share_its_archive(store: BarStore) -> None:
    for operation in (ONE, OTHER):
        await store.write(operation, [hour(number) for number in range(70)])
        assert await store.retain(operation, H1, 50) == 20
    archived = await store.archived("EUR-USD", H1, date(2014, 5, 8))
    assert [each.operation_id for each in archived] == [ONE] * 6 + [OTHER] * 6


async def test_where_a_bar_came_from_is_kept_also_in_the_archive(store: BarStore) -> None:
    given = [hour(number)._replace(from_history=number % 3 == 0) for number in range(70)]
    await store.write(ONE, given)
    await store.retain(ONE, H1, 50)
    archived = [each for day in (8, 9) for each in await store.archived("EUR-USD", H1, date(2014, 5, day))]
    assert [each.stored for each in archived] + await store.last(ONE, H1, 100) == given


async def test_what_is_missing_is_kept_apart_from_the_bars(store: BarStore) -> None:
    def missing(number: int, count: int, reason: str) -> MissingBars:
        start_ns = START + number * H1.nanoseconds
        return MissingBars("EUR-USD", H1, start_ns, start_ns + count * H1.nanoseconds, count, reason)

    await store.record_missing(ONE, missing(5, 2, "none"))
    await store.record_missing(ONE, missing(1, 1, "none"))
    await store.record_missing(ONE, missing(5, 1, "asked again"))
    await store.record_missing(OTHER, missing(7, 1, "none"))
    assert await store.missing(ONE, H1) == [missing(1, 1, "none"), missing(5, 1, "asked again")]
    assert await store.missing(ONE, BarSize.MIN_1) == []
    assert await store.last(ONE, H1, 10) == []


async def test_few_bars_too_many_are_left_until_it_is_worth_it(store: BarStore) -> None:
    await store.write(ONE, [hour(number) for number in range(59)])
    assert await store.retain(ONE, H1, 50) == 0
    assert await store.archived("EUR-USD", H1, date(2014, 5, 8)) == []


async def test_a_document_has_the_collections_field_names(
    database: AsyncDatabase[dict[str, Any]], tmp_path: Path
) -> None:
    await MongoBarStore(database, tmp_path).write(ONE, [hour(0)])
    document = await database["market_data_1hour"].find_one()
    assert document is not None
    side = {
        name: Decimal128(text)
        for name, text in (("open", "1.39100"), ("high", "1.4"), ("low", "1.3"), ("close", "1.39105"))
    }
    document.pop("_id")
    assert document == {
        "operation_id": ONE, "asset": "EUR-USD", "bar_size": "1 hour",
        "timestamp": datetime(2014, 5, 8, 18, tzinfo=UTC),
        "open": Decimal128("1.39101"), "high": Decimal128("1.40"), "low": Decimal128("1.3"),
        "close": Decimal128("1.39105"), "volume": Decimal128("0"), "tick_count": 17, "filled": False,
        "from_history": False, "indicators": {"ema_20": 1.25, "rsi_14": None}, "bid": side, "ask": side,
    }  # fmt: skip
    indexes = await database["market_data_1hour"].index_information()
    assert indexes["operation_id_1_timestamp_1"]["unique"] is True


@pytest.mark.parametrize("asset", ["EUR/USD", "..", "BRK.B", "a b"])
def test_no_asset_name_leads_out_of_the_archive(tmp_path: Path, asset: str) -> None:
    path = BarArchive(tmp_path).path(asset, H1, date(2014, 5, 8)).resolve()
    assert path.relative_to(tmp_path.resolve()).parts[1:] == ("1hour", "2014-05-08.parquet")


_ARCHIVING = """
import asyncio, sys
from pathlib import Path
from live_trading.data import MongoBarStore
from live_trading.database import connect
from bson import ObjectId
from live_trading.domain.bar_size import BarSize

async def main():
    url, name, folder, operation = sys.argv[1:]
    client = connect(url)
    print(await MongoBarStore(client[name], Path(folder)).retain(ObjectId(operation), BarSize.HOUR_1, 50))
    await client.close()

asyncio.run(main())
"""


@pytest.mark.crash
@pytest.mark.parametrize(
    "point",
    ["bars.archive.rename.before=kill@1", "bars.archive.rename.before=kill@2", "bars.archive.rename.after=kill@1",
     "bars.archive.delete.before=kill@1"],
)  # fmt: skip
async def test_a_process_killed_while_archiving_loses_no_bar(
    database: AsyncDatabase[dict[str, Any]], mongo_url: str, tmp_path: Path, point: str
) -> None:
    store = MongoBarStore(database, tmp_path)
    written = [hour(number) for number in range(100)]
    await store.write(ONE, written)

    def archive(**environment: str) -> int:
        arguments = [sys.executable, "-c", _ARCHIVING, mongo_url, database.name, str(tmp_path), str(ONE)]
        return subprocess.run(arguments, env=os.environ | environment, timeout=60, capture_output=True).returncode

    assert archive(LIVE_TRADING_FAILPOINTS=point) == -signal.SIGKILL
    assert {stored.bar for stored in written} == await _everything(store)
    assert archive() == 0
    assert await store.last(ONE, H1, 1000) == written[50:]
    days = [await store.archived("EUR-USD", H1, date(2014, 5, day)) for day in range(8, 12)]
    assert [each.stored for bars in days for each in bars] == written[:50]
    assert not [name for _, _, names in os.walk(tmp_path) for name in names if name.endswith(".new")]


async def _everything(store: BarStore) -> set[Bar]:
    days = [await store.archived("EUR-USD", H1, date(2014, 5, day)) for day in range(8, 14)]
    kept = await store.last(ONE, H1, 1000)
    return {each.stored.bar for bars in days for each in bars} | {stored.bar for stored in kept}
