"""Reading recorded ticks, and being told what is wrong with a file that cannot be read."""

import gzip
import zipfile
from datetime import UTC, date, datetime
from decimal import Decimal
from itertools import islice
from pathlib import Path

import pyarrow as pa  # type: ignore[import-untyped]
import pyarrow.parquet as pq  # type: ignore[import-untyped]
import pytest
from pydantic import ValidationError

from live_trading.data import ColumnMapping, read_bars, read_ticks
from live_trading.domain.bar_size import BarSize
from live_trading.domain.errors import InvalidInput
from live_trading.domain.market import Ohlc, QuoteTick, TradeTick, ns_from_utc

MIDNIGHT = ns_from_utc(datetime(2014, 5, 8, tzinfo=UTC))
LEAN_QUOTES = "forex_oanda_tick_eurusd_20140508_quote.zip"
QUOTES = ColumnMapping(time="t", bid="b", ask="a")


def lean(folder: Path, name: str, *lines: str) -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("inside.csv", "\n".join(lines))
    return path


def csv_file(folder: Path, *lines: str) -> Path:
    path = folder / "ticks.csv"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def test_leans_forex_quotes_are_read_with_their_symbol_and_day_from_the_name(tmp_path: Path) -> None:
    ticks = list(read_ticks(lean(tmp_path, LEAN_QUOTES, "8715,1.39101,1.39114", "15681,1.39102,1.39116")))
    assert ticks[0] == QuoteTick("EUR-USD", MIDNIGHT + 8_715_000_000, Decimal("1.39101"), Decimal("1.39114"))
    assert len(ticks) == 2


def test_leans_folders_name_a_file_as_well_as_its_flat_name(tmp_path: Path) -> None:
    path = lean(tmp_path, "forex/oanda/tick/eurusd/20140508_quote.zip", "0,1,2")
    assert list(read_ticks(path)) == [QuoteTick("EUR-USD", MIDNIGHT, Decimal(1), Decimal(2))]


def test_leans_trades_count_from_midnight_in_new_york_in_ten_thousandths_without_suspicious_ones(
    tmp_path: Path,
) -> None:
    name = "equity_usa_tick_spy_20131008_trade.zip"
    path = lean(tmp_path, name, "34200000,1674200,210,Q,2000,0", "34200001,99,1,Q,0,1", "34200002,1674201,100,P,0,0")
    first, second = read_ticks(path)
    assert first == TradeTick(
        "SPY", ns_from_utc(datetime(2013, 10, 8, 13, 30, tzinfo=UTC)), Decimal("167.42"), Decimal(210)
    )
    assert second.price == Decimal("167.4201")


def test_symbol_and_date_given_take_precedence_over_the_name(tmp_path: Path) -> None:
    [tick] = read_ticks(lean(tmp_path, LEAN_QUOTES, "0,1,2"), "E", date=date(2014, 5, 9))
    assert (tick.symbol, tick.time_ns) == ("E", MIDNIGHT + 86_400_000_000_000)


def test_leans_quote_bars_are_read_by_the_minute_and_the_hour(tmp_path: Path) -> None:
    row = "1.10,1.40,1.00,1.30,0,1.12,1.42,1.02,1.32,0"
    [minute] = read_bars(lean(tmp_path, "forex_oanda_minute_eurusd_20140508_quote.zip", "60000," + row))
    [hour] = read_bars(lean(tmp_path, "forex_oanda_hour_eurusd.zip", "20140508 01:00," + row))
    assert (minute.bar_size, minute.start_ns) == (BarSize.MIN_1, MIDNIGHT + 60_000_000_000)
    assert (hour.bar_size, hour.start_ns) == (BarSize.HOUR_1, MIDNIGHT + 3_600_000_000_000)
    assert minute.bid == Ohlc(*map(Decimal, ("1.10", "1.40", "1.00", "1.30")))
    assert (minute.open, minute.close) == (Decimal("1.11"), Decimal("1.31"))


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("500,1.1", "line 2: it has 2 columns, 3 are needed"),
        ("500,1.1,x", "line 2: 'x' is not a number"),
        ("500,NaN,1.1", "line 2: 'NaN' is not a number"),
        ("now,1.0,1.1", "line 2: 'now' is not a number"),
        ("86400000,1.0,1.1", "line 2: 86400000 is not a time of day"),
        ("-1,1.0,1.1", "line 2: -1 is not a time of day"),
        ("99,1.0,1.1", "line 2: its time is 0.001 s before"),
        ("", "line 2: it has 1 columns"),
        ("500,1.0,é", "after line"),
    ],
)
def test_a_bad_line_of_a_lean_file_is_named_and_what_came_before_was_good(
    tmp_path: Path, line: str, problem: str
) -> None:
    path = lean(tmp_path, LEAN_QUOTES, "100,1.0,1.1", line, "600,1.0,1.1")
    ticks = read_ticks(path)
    if "after" not in problem:
        assert next(ticks).bid == 1
    with pytest.raises(InvalidInput) as caught:
        list(ticks)
    assert caught.value.field == str(path)
    assert problem in caught.value.problem
    assert caught.value.remedy


@pytest.mark.parametrize("at", [0.3, 0.6, 0.95])
def test_a_damaged_zip_is_one_error_that_names_it(tmp_path: Path, at: float) -> None:
    path = lean(tmp_path, LEAN_QUOTES, *(f"{i},1.{i % 977},1.{i % 983}" for i in range(5_000)))
    content = bytearray(path.read_bytes())
    middle = int(len(content) * at)
    content[middle : middle + 40] = bytes(40) if at < 0.9 else b""
    path.write_bytes(content if at < 0.9 else content[:middle])
    with pytest.raises(InvalidInput, match=r"line \d+|cannot be read") as caught:
        list(read_ticks(path))
    assert caught.value.field == str(path)


def test_a_zip_of_another_name_asks_for_a_mapping(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="column mapping"):
        read_ticks(lean(tmp_path, "ticks.zip", "0,1,2"))


def test_bars_are_no_ticks_and_ticks_are_no_bars(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="read_bars"):
        read_ticks(lean(tmp_path, "forex_oanda_hour_eurusd.zip", ""))
    with pytest.raises(InvalidInput, match="quote bars"):
        read_bars(lean(tmp_path, LEAN_QUOTES, ""))


def test_a_file_that_is_not_there_is_said_so(tmp_path: Path) -> None:
    for read in (read_ticks, read_bars):
        with pytest.raises(InvalidInput, match="no such file"):
            read(tmp_path / LEAN_QUOTES)


@pytest.mark.parametrize(
    ("time_format", "text"),
    [
        ("iso", "2014-05-08T10:00:00.123456789Z"),
        ("iso", "2014-05-08 12:00:00.123456789+02:00"),
        ("s", "1399543200.123456789"),
        ("ms", "1399543200123.456789"),
        ("us", "1399543200123456.789"),
        ("ns", "1399543200123456789"),
    ],
)
def test_times_of_every_format_are_exact_to_the_nanosecond(tmp_path: Path, time_format: str, text: str) -> None:
    mapping = QUOTES.model_copy(update={"time_format": time_format})
    [tick] = read_ticks(csv_file(tmp_path, "t,b,a", f"{text},1.1,1.2"), "X", mapping=mapping)
    assert tick == QuoteTick("X", 1_399_543_200_123_456_789, Decimal("1.1"), Decimal("1.2"))


def test_a_time_without_a_zone_is_in_the_mappings_zone(tmp_path: Path) -> None:
    mapping = ColumnMapping(time="t", time_format="%d.%m.%Y %H:%M", timezone="America/New_York", price="p", size="s")
    [tick] = read_ticks(csv_file(tmp_path, "t,p,s,x", "08.05.2014 06:00,1.5,3,"), "X", mapping=mapping)
    assert tick == TradeTick("X", MIDNIGHT + 36_000_000_000_000, Decimal("1.5"), Decimal(3))


def test_columns_go_by_position_where_there_is_no_header(tmp_path: Path) -> None:
    mapping = ColumnMapping(
        time="2", time_format="ns", bid="0", ask="1", bid_size="3", ask_size="4", header=False, delimiter=";"
    )
    [tick] = read_ticks(csv_file(tmp_path, "1;2;5;6;7"), "X", mapping=mapping)
    assert tick == QuoteTick("X", 5, *map(Decimal, (1, 2, 6, 7)))


def test_csv_is_unpacked(tmp_path: Path) -> None:
    packed = tmp_path / "ticks.csv.gz"
    packed.write_bytes(gzip.compress(b"t,b,a\n2014-05-08T00:00:00Z,1,2\n"))
    zipped = lean(tmp_path, "any.zip", "t,b,a", "2014-05-08T00:00:00Z,1,2")
    expected = [QuoteTick("X", MIDNIGHT, Decimal(1), Decimal(2))]
    assert list(read_ticks(packed, "X", mapping=QUOTES)) == expected
    assert list(read_ticks(zipped, "X", mapping=QUOTES)) == expected


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("yesterday,1,2", "line 3: time: 'yesterday' is not an ISO 8601 time"),
        ("2014-05-08T11:00:00Z,,2", "line 3: bid: '' is not a number"),
        ("2014-05-08T11:00:00Z,1", "line 3: it has 2 columns, ask is missing"),
        ("2014-05-08T09:00:00Z,1,2", "line 3: its time is 3600 s before"),
        ('2014-05-08T11:00:00Z,"1,2', "cannot be read"),
    ],
)
def test_a_bad_line_of_a_csv_file_is_named(tmp_path: Path, line: str, problem: str) -> None:
    path = csv_file(tmp_path, "t,b,a", "2014-05-08T10:00:00Z,1,2", line)
    with pytest.raises(InvalidInput) as caught:
        list(read_ticks(path, "X", mapping=QUOTES))
    assert (caught.value.field, problem in caught.value.problem) == (str(path), True), str(caught.value)


def test_a_column_that_is_not_there_is_named_with_those_that_are(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match=r"mapping\.ask: .* no column 'a'.*It has t, b, offer"):
        list(read_ticks(csv_file(tmp_path, "t,b,offer", ""), "X", mapping=QUOTES))


@pytest.mark.parametrize("columns", [{"bid": "b"}, {}, {"bid": "b", "ask": "a", "price": "p"}])
def test_a_mapping_is_of_quotes_or_of_trades(columns: dict[str, str]) -> None:
    with pytest.raises(ValidationError, match="give bid and ask for quotes, or price for trades"):
        ColumnMapping(time="t", **columns)


def parquet(folder: Path, **columns: object) -> Path:
    path = folder / "ticks.parquet"
    pq.write_table(pa.table(columns), path)
    return path


def test_our_parquet_holds_strings_or_decimals(tmp_path: Path) -> None:
    strings = parquet(tmp_path, time_ns=[1, 2], bid=["1.10", "1.2"], ask=["1.3", "1.4"], bid_size=["5", "6"])
    assert next(read_ticks(strings, "X")) == QuoteTick("X", 1, Decimal("1.10"), Decimal("1.3"), Decimal(5))
    decimals = parquet(tmp_path, time_ns=[1], price=pa.array([Decimal("1.25")], pa.decimal128(10, 5)), size=[0.1])
    assert list(read_ticks(decimals, "X")) == [TradeTick("X", 1, Decimal("1.25"), Decimal("0.1"))]


@pytest.mark.parametrize(
    ("columns", "problem"),
    [
        ({"time_ns": [1], "bid": ["1"]}, "its columns are bid, time_ns"),
        ({"time_ns": ["1"], "price": ["1"]}, "integer"),
        ({"time_ns": [1, None], "price": ["1", "1"]}, "row 2: time_ns is null"),
        ({"time_ns": [1, 2], "price": ["1", None]}, "row 2: price None is not a number"),
        ({"time_ns": [1, 2], "price": ["1", "inf"]}, "row 2: price 'inf' is not a number"),
        ({"time_ns": [2, 1], "price": ["1", "1"]}, "row 2: its time is 1e-09 s before"),
    ],
)
def test_bad_parquet_is_named(tmp_path: Path, columns: dict[str, object], problem: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        list(read_ticks(parquet(tmp_path, **columns), "X"))
    assert problem in caught.value.problem


def test_something_else_called_parquet_is_named(tmp_path: Path) -> None:
    path = tmp_path / "x.parquet"
    path.write_text("no parquet at all")
    with pytest.raises(InvalidInput, match="cannot be read as Parquet"):
        list(read_ticks(path, "X"))


def test_reading_is_lazy(tmp_path: Path) -> None:
    path = lean(tmp_path, LEAN_QUOTES, *(f"{i},1.1,1.2" for i in range(50_000)), "broken")
    assert len(list(islice(read_ticks(path), 10))) == 10


def test_a_csv_file_without_mapping_or_symbol_says_what_is_needed(tmp_path: Path) -> None:
    path = csv_file(tmp_path, "t,b,a")
    with pytest.raises(InvalidInput, match="Give a mapping"):
        read_ticks(path, "X")
    with pytest.raises(InvalidInput, match="symbol"):
        read_ticks(path)
