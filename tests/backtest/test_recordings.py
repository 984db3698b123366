"""Which files a backtest reads, and what it says of those it cannot."""

import gzip
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from bson import ObjectId

from live_trading.backtest import BacktestRequest, Span, open_recording, recording_of, run_backtest
from live_trading.data import ArchivedBar, StoredBar
from live_trading.data.bar_archive import BarArchive
from live_trading.domain.bar_size import BarSize
from live_trading.domain.errors import InvalidInput
from live_trading.domain.market import Bar
from tests.backtest.worlds import BEGIN, SECOND, SYMBOL, bars_of, walk, write_ticks

TICKS = walk(400, 1)
BARS = bars_of(TICKS, BarSize.MIN_1)


def csv_of(bars: list[Bar], *, sided: bool) -> str:
    names = ["time", "open", "high", "low", "close"]
    if sided:
        names += [f"{side}_{name}" for side in ("bid", "ask") for name in ("open", "high", "low", "close")]
    lines = [",".join(names)]
    for bar in bars:
        values = [bar.start.isoformat(), *bar[3:7]]
        if sided:
            assert bar.bid is not None
            assert bar.ask is not None
            values += [*bar.bid, *bar.ask]
        lines.append(",".join(map(str, values)))
    return "\n".join(lines) + "\n"


def read(path: Path, symbol: str | None = SYMBOL, span: Span = Span()) -> list[Any]:  # noqa: B008
    recording = open_recording([path], symbol, span)
    if recording.bars is not None:
        return list(recording.bars())
    assert recording.ticks is not None
    return list(recording.ticks())


def test_recorded_ticks_in_parquet(tmp_path: Path) -> None:
    assert read(write_ticks(tmp_path / "t.parquet", TICKS)) == TICKS


def test_ticks_and_bars_in_csv_are_told_apart_by_their_columns(tmp_path: Path) -> None:
    ticks, bars = tmp_path / "t.csv", tmp_path / "b.csv.gz"
    rows = "".join(f"{tick.time_ns},{tick.bid},{tick.ask}\n" for tick in TICKS)
    ticks.write_text("time_ns,bid,ask\n" + rows, encoding="utf-8")
    with gzip.open(bars, "wt", encoding="utf-8") as file:
        file.write(csv_of(BARS, sided=False))
    assert read(ticks) == TICKS
    found = read(bars)
    assert [each.bar_size for each in found] == [BarSize.MIN_1] * len(BARS)
    assert [(each.start_ns, *each[3:7]) for each in found] == [(each.start_ns, *each[3:7]) for each in BARS]


def test_bars_in_csv_with_bid_and_ask_are_of_their_middle(tmp_path: Path) -> None:
    path = tmp_path / "b.csv"
    path.write_text(csv_of(BARS, sided=True), encoding="utf-8")
    for found, bar in zip(read(path), BARS, strict=True):
        assert (found.bid, found.ask) == (bar.bid, bar.ask)
        assert found.close == (bar.bid.close + bar.ask.close) / 2  # type: ignore[union-attr]


def test_a_folder_of_the_archive_is_read_day_by_day_without_filled_bars(tmp_path: Path) -> None:
    later = [bar._replace(start_ns=bar.start_ns + 86_400 * SECOND) for bar in BARS]
    flat = BARS[-1]._replace(start_ns=BARS[-1].start_ns + 60 * SECOND, filled=True)
    archive = BarArchive(tmp_path)
    archive.add(ArchivedBar(ObjectId(), StoredBar(bar)) for bar in [*BARS, flat, *later])
    folder = archive.path(SYMBOL, BarSize.MIN_1, BARS[0].start.date()).parent
    assert read(folder, None) == [*BARS, *later]


def test_a_span_leaves_out_what_is_before_and_after(tmp_path: Path) -> None:
    path = write_ticks(tmp_path / "t.parquet", TICKS)
    first, end = datetime(2024, 3, 5, 9, 2, tzinfo=UTC), datetime(2024, 3, 5, 9, 5, tzinfo=UTC)
    found = read(path, SYMBOL, Span.between(first, end))
    assert found == [tick for tick in TICKS if first <= tick.at < end]
    assert 0 < len(found) < len(TICKS)


@pytest.mark.parametrize(
    ("name", "text", "problem"),
    [
        ("none.csv", None, "no file"),
        ("x.txt", "a", "no kind that is known"),
        ("x.csv", "when,price\n1,2\n", "named time"),
        ("x.csv", "time,volume\n2024-01-01,2\n", "bid and ask, or price, or open"),
        ("x.csv", "time,open,high,low,close\n2024-01-01T00:00,1,1,1,1\n2024-01-01T00:07,1,1,1,1\n", "420 s apart"),
        ("x.csv", "time,open,high,low,close\n2024-01-01T00:00,1,1,1,1\n2024-01-01T00:01,1,1,one,1\n", "line 3: low"),
        ("x.csv", "time,open,high,low,close\n2024-01-01T00:00,1,1,1,1\n2024-01-01T00:01,1\n", "line 3"),
    ],
)
def test_what_cannot_be_read_is_named_with_its_line(tmp_path: Path, name: str, text: str | None, problem: str) -> None:
    path = tmp_path / name
    if text is not None:
        path.write_text(text, encoding="utf-8")
    with pytest.raises(InvalidInput, match=problem):
        read(path)


def test_files_in_the_wrong_order_and_of_different_kinds_are_refused(tmp_path: Path) -> None:
    early, late = write_ticks(tmp_path / "a.parquet", TICKS[:200]), write_ticks(tmp_path / "b.parquet", TICKS[200:])
    joined = open_recording([early, late], SYMBOL)
    assert joined.ticks is not None
    assert list(joined.ticks()) == TICKS
    wrong = open_recording([late, early], SYMBOL)
    assert wrong.ticks is not None
    with pytest.raises(InvalidInput, match="order of their times"):
        list(wrong.ticks())
    bars = tmp_path / "b.csv"
    bars.write_text(csv_of(BARS, sided=False), encoding="utf-8")
    with pytest.raises(InvalidInput, match="bars of"):
        open_recording([early, bars], SYMBOL)


OPERATION = {"strategy_name": "MomentumStrategy", "quantity": "1000", "initial_capital": "10000"}


@pytest.mark.parametrize(
    ("settings", "problem"),
    [
        ({}, "--bar-size"),
        ({"bar_sizes": ["1 min"], "asset": "ES"}, "the data is of EUR-USD"),
        ({"bar_sizes": ["1 min"], "strategy_name": "None"}, "None"),
        ({"bar_sizes": ["1 min"], "quantity": "0.5"}, "quantity"),
        ({"bar_sizes": ["1 min"], "strategy_config": {"fast_period": 30}}, "fast_period"),
    ],
)
def test_settings_that_are_wrong_are_refused_as_the_engine_refuses_them(settings: dict[str, Any], problem: str) -> None:
    with pytest.raises(InvalidInput, match=problem):
        run_backtest(BacktestRequest((), {**OPERATION, **settings}), recording_of("ticks", TICKS))


def test_bars_cannot_be_made_of_larger_ones() -> None:
    request = BacktestRequest((), {**OPERATION, "bar_sizes": ["30 secs"]})
    with pytest.raises(InvalidInput, match='cannot be made of bars of "1 min"'):
        run_backtest(request, recording_of("bars", BARS))


def test_an_empty_span_says_so(tmp_path: Path) -> None:
    path = write_ticks(tmp_path / "t.parquet", TICKS)
    request = BacktestRequest((path,), OPERATION, symbol=SYMBOL, first=datetime(2030, 1, 1, tzinfo=UTC))
    with pytest.raises(InvalidInput, match="holds nothing"):
        run_backtest(request)


def test_the_begin_of_the_worlds_is_where_it_says() -> None:
    assert TICKS[0].time_ns == BEGIN + SECOND // 2
    assert BARS[0].start_ns == BEGIN
    assert isinstance(BARS[0].close, Decimal)
