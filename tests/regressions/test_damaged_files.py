"""Damaged files beside the journal: whoever records and archives goes on, and trading with them."""

from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path

import pytest
from bson import ObjectId

from live_trading.data import ArchivedBar, StoredBar, TickRecorder
from live_trading.data.bar_archive import BarArchive, folder_name
from live_trading.domain.bar_size import BarSize
from live_trading.domain.market import Bar, QuoteTick, ns_from_utc
from live_trading.runtime import SystemClock
from tests.stories import instrument

NOON = datetime(2026, 3, 3, 12, tzinfo=UTC)


async def test_a_damaged_file_of_ticks_stops_the_recording_and_nothing_else(tmp_path: Path) -> None:
    damaged = tmp_path / folder_name("EUR-USD") / "2026-03-02.parquet"
    damaged.parent.mkdir()
    damaged.write_bytes(b"PAR1 and not much else")
    recorder = TickRecorder(tmp_path, SystemClock())
    recorder.follow(instrument())
    price = Decimal("1.1")
    recorder.put(QuoteTick("EUR-USD", ns_from_utc(NOON), price, price, Decimal(1), Decimal(1)))
    with pytest.raises(OSError, match="damaged") as told:  # what its task tells in the log, and goes on after
        await recorder.flush(everything=True)
    assert told.value.filename == str(damaged)


def test_a_damaged_file_of_bars_keeps_what_was_to_be_archived_where_it_is(tmp_path: Path) -> None:
    archive = BarArchive(tmp_path)
    damaged = archive.path("EUR-USD", BarSize.HOUR_1, date(2026, 3, 3))
    damaged.parent.mkdir(parents=True)
    damaged.write_bytes(b"")
    price = Decimal("1.1")
    bar = Bar("EUR-USD", BarSize.HOUR_1, ns_from_utc(NOON), price, price, price, price, Decimal(1))
    with pytest.raises(OSError, match="damaged") as told:  # what the operation tells in the log, and trades on after
        archive.add([ArchivedBar(ObjectId(), StoredBar(bar))])
    assert told.value.filename == str(damaged)
