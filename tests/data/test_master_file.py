"""The master file: every bar once, the better of two, the same file again, and proof of what it was made of."""

import hashlib
import os
import signal
import subprocess
import sys
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pandas as pd
import pytest
from bson import ObjectId

from live_trading.data.bar_archive import BarArchive
from live_trading.data.bar_store import ArchivedBar, StoredBar
from live_trading.data.master_file import main, master_path, merge_master, proof_of, read_master
from live_trading.domain.bar_size import BarSize
from live_trading.domain.errors import InvalidInput
from live_trading.domain.market import Bar, Ohlc, ns_from_utc

H1 = BarSize.HOUR_1
START = ns_from_utc(datetime(2014, 5, 8, 18, tzinfo=UTC))
ONE, OTHER = ObjectId(b"opn\0" + (1).to_bytes(8)), ObjectId(b"opn\0" + (2).to_bytes(8))


def hour(number: int, close: str = "1.5", *, ticks: int = 10, filled: bool = False) -> Bar:
    side = Ohlc(*(Decimal("1.50"),) * 4)
    prices = [Decimal(text) for text in ("1.50", "2.0", "1.0", close)]
    start_ns = START + number * H1.nanoseconds
    opens, high, low, closes = prices
    return Bar("EUR-USD", H1, start_ns, opens, high, low, closes, Decimal(0), ticks, side, side, filled)


def archived(*bars: Bar, operation: ObjectId = ONE, from_history: bool = False) -> list[ArchivedBar]:
    return [ArchivedBar(operation, StoredBar(bar, {"ema": 1.0}, from_history)) for bar in bars]


@pytest.fixture
def archive(tmp_path: Path) -> BarArchive:
    return BarArchive(tmp_path / "archive")


def merged(archive: BarArchive) -> list[Bar]:
    return list(read_master(master_path(archive, "EUR-USD", H1)))


def test_the_days_become_one_file_with_each_bar_once(archive: BarArchive) -> None:
    bars = [hour(number) for number in range(60)]
    archive.add(archived(*bars))
    archive.add(archived(*bars[:30], operation=OTHER))
    made = merge_master(archive, "EUR-USD", H1)
    assert merged(archive) == bars
    assert (made.bars, made.duplicates, made.conflicts) == (60, 30, 0)
    assert [source.name for source in made.sources] == [f"2014-05-{day:02}.parquet" for day in (8, 9, 10, 11)]


def test_merging_again_changes_no_bar_and_days_may_be_deleted_after_it(archive: BarArchive) -> None:
    archive.add(archived(*(hour(number) for number in range(30))))
    merge_master(archive, "EUR-USD", H1)
    first = merged(archive)
    again = merge_master(archive, "EUR-USD", H1)
    assert merged(archive) == first
    assert (again.bars, again.duplicates, again.conflicts) == (30, 30, 0)
    for day in archive.folder("EUR-USD", H1).glob("2014-*.parquet"):
        day.unlink()
    archive.add(archived(*(hour(number) for number in range(30, 40))))
    assert merge_master(archive, "EUR-USD", H1).bars == 40
    assert merged(archive) == [hour(number) for number in range(40)]


def test_of_two_bars_the_better_one_is_kept_whatever_the_order(archive: BarArchive) -> None:
    archive.add(archived(hour(0, filled=True), hour(1, "1.1", ticks=3), hour(2, "1.2"), hour(3, "1.3")))
    archive.add(archived(hour(2, "1.25"), operation=OTHER, from_history=False))
    archive.add(archived(hour(0, "1.4"), hour(1, "1.6", ticks=5), operation=OTHER))
    archive.add(archived(hour(3, "1.7"), operation=ObjectId(bytes(12)), from_history=True))
    made = merge_master(archive, "EUR-USD", H1)
    assert merged(archive) == [hour(0, "1.4"), hour(1, "1.6", ticks=5), hour(2, "1.2"), hour(3, "1.3")]
    assert made.conflicts == 4
    merge_master(archive, "EUR-USD", H1)
    assert [str(bar.close) for bar in merged(archive)] == ["1.4", "1.6", "1.2", "1.3"]


def test_the_file_proves_what_it_was_made_of(archive: BarArchive) -> None:
    archive.add(archived(*(hour(number) for number in range(30))))
    made = merge_master(archive, "EUR-USD", H1)
    path = master_path(archive, "EUR-USD", H1)
    assert proof_of(path) == made
    for source in made.sources:
        content = (path.parent / source.name).read_bytes()
        assert source.sha256 == hashlib.sha256(content).hexdigest()
    assert sum(source.bars for source in made.sources) == 30
    day = next(archive.folder("EUR-USD", H1).glob("2014-*.parquet"))
    with pytest.raises(InvalidInput, match="it is no master file"):
        proof_of(day)


def test_older_history_of_ones_own_is_merged_in(archive: BarArchive, tmp_path: Path) -> None:
    archive.add(archived(*(hour(number) for number in range(3))))
    index = pd.date_range("2014-05-08 14:00", periods=5, freq="h", tz="UTC")
    own = pd.DataFrame({"timestamp": index, "open": 1.1, "high": 1.2, "low": 1.0, "close": 1.15, "volume": 7})
    own.to_parquet(tmp_path / "own.parquet")
    made = merge_master(archive, "EUR-USD", H1, history=tmp_path / "own.parquet")
    bars = merged(archive)
    assert len(bars) == made.bars == 7
    assert (bars[0].open, bars[0].volume) == (Decimal("1.1"), Decimal(7))
    assert bars[4] == hour(0), "what was recorded live is kept"
    assert made.conflicts == 1


def test_pandas_reads_it(archive: BarArchive) -> None:
    archive.add(archived(*(hour(number) for number in range(3))))
    merge_master(archive, "EUR-USD", H1)
    table = pd.read_parquet(master_path(archive, "EUR-USD", H1))
    assert list(table["close"].astype(float)) == [1.5, 1.5, 1.5]
    assert str(table["timestamp"].iloc[0]) == "2014-05-08 18:00:00+00:00"


def test_what_cannot_be_merged_is_said_and_nothing_is_written(archive: BarArchive, tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="no archived bars of EUR-USD by 1 hour"):
        merge_master(archive, "EUR-USD", H1)
    archive.add(archived(hour(0)))
    (tmp_path / "broken.parquet").write_bytes(b"no")
    with pytest.raises(InvalidInput, match="cannot be read as Parquet"):
        merge_master(archive, "EUR-USD", H1, history=tmp_path / "broken.parquet")
    pd.DataFrame({"time": [1], "open": [1.0]}).to_parquet(tmp_path / "lacking.parquet")
    with pytest.raises(InvalidInput, match="it has no column close, high, low, timestamp"):
        merge_master(archive, "EUR-USD", H1, history=tmp_path / "lacking.parquet")
    assert not master_path(archive, "EUR-USD", H1).exists()


def test_it_is_merged_from_the_command_line(archive: BarArchive, capsys: pytest.CaptureFixture[str]) -> None:
    archive.add(archived(*(hour(number) for number in range(30))))
    assert main([str(archive.directory), "EUR-USD", "1 hour"]) == 0
    assert "master.parquet: 30 bars of 2 files, 0 twice" in capsys.readouterr().out
    assert main([str(archive.directory), "EUR-CHF", "1 hour"]) == 2
    assert "no archived bars of EUR-CHF" in capsys.readouterr().err


_MERGING = """
import sys
from pathlib import Path
from live_trading.data.bar_archive import BarArchive
from live_trading.data.master_file import merge_master
from live_trading.domain.bar_size import BarSize
merge_master(BarArchive(Path(sys.argv[1])), "EUR-USD", BarSize.HOUR_1)
"""


@pytest.mark.crash
@pytest.mark.parametrize(("point", "bars"), [("bars.master.rename.before", 30), ("bars.master.rename.after", 50)])
def test_a_process_killed_while_merging_leaves_a_whole_file(archive: BarArchive, point: str, bars: int) -> None:
    archive.add(archived(*(hour(number) for number in range(30))))
    merge_master(archive, "EUR-USD", H1)
    archive.add(archived(*(hour(number) for number in range(30, 50))))
    arguments = [sys.executable, "-c", _MERGING, str(archive.directory)]
    armed = os.environ | {"LIVE_TRADING_FAILPOINTS": f"{point}=kill@1"}
    assert subprocess.run(arguments, env=armed, timeout=60).returncode == -signal.SIGKILL
    assert len(merged(archive)) == bars
    assert merge_master(archive, "EUR-USD", H1).bars == 50
