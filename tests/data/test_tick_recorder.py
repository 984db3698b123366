"""What is recorded is what came, in the order of its time, session by session; a crash loses what was not written."""

import os
import signal
import subprocess
import sys
from datetime import date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from live_trading.data import TickRecorder, read_session, read_ticks
from live_trading.data.tick_recorder import recorded_files
from live_trading.domain.instrument import CME_HOURS, Instrument
from live_trading.domain.market import QuoteTick, Tick, TradeTick, ns_from_utc
from live_trading.runtime import SystemClock

NEW_YORK = ZoneInfo("America/New_York")
SECOND = 1_000_000_000
THURSDAY = datetime(2014, 5, 8, 12, 0, tzinfo=NEW_YORK)


def quote(second: float, start: datetime = THURSDAY, price: str = "1.39") -> QuoteTick:
    at = ns_from_utc(start) + int(second * SECOND)
    return QuoteTick("EUR-USD", at, Decimal(price), Decimal(price) + Decimal("0.0001"), Decimal(3), Decimal(5))


def trade(second: float, start: datetime) -> TradeTick:
    return TradeTick("SPY", ns_from_utc(start) + int(second * SECOND), Decimal("100.25"), Decimal(7))


def session(folder: Path, day: date, asset: str = "EUR-USD") -> list[Tick]:
    return list(read_session(folder, asset, day))


async def test_ticks_come_back_as_they_were(tmp_path: Path, eur_usd: Instrument, spy: Instrument, clock: Any) -> None:
    recorder = TickRecorder(tmp_path, clock)
    recorder.follow(eur_usd)
    recorder.follow(spy)
    quotes: list[Tick] = [quote(second / 7) for second in range(100)]
    trades: list[Tick] = [trade(second, THURSDAY) for second in range(50)]
    for tick in quotes + trades:
        recorder.put(tick)
    await recorder.close()
    assert session(tmp_path, THURSDAY.date()) == quotes
    assert session(tmp_path, THURSDAY.date(), "SPY") == trades
    assert recorder.recorded == 150
    [file] = recorded_files(tmp_path, "SPY", THURSDAY.date())
    assert list(read_ticks(file)) == trades, "the file tells its symbol"


async def test_only_what_waited_for_late_ticks_is_written_and_late_ones_find_their_place(
    tmp_path: Path, eur_usd: Instrument, clock: Any
) -> None:
    recorder = TickRecorder(tmp_path, clock)
    recorder.follow(eur_usd)
    for second in (0, 1, 3, 2.5, 10, 9):
        recorder.put(quote(second))
    await recorder.flush()
    assert session(tmp_path, THURSDAY.date()) == [quote(second) for second in (0, 1, 2.5, 3)]
    recorder.put(quote(8.5))
    recorder.put(quote(2))  # too late: 3 is written
    await recorder.close()
    assert session(tmp_path, THURSDAY.date()) == [quote(second) for second in (0, 1, 2.5, 3, 8.5, 9, 10)]
    assert (recorder.recorded, recorder.late) == (7, 1)


async def test_each_session_is_a_file_named_by_the_day_it_closes_on(
    tmp_path: Path, eur_usd: Instrument, clock: Any
) -> None:
    recorder = TickRecorder(tmp_path, clock)
    recorder.follow(eur_usd)
    evening = THURSDAY.replace(hour=16, minute=59)
    ticks = [quote(second, evening) for second in (0, 30, 59, 61, 90, 200)]
    for tick in ticks:
        recorder.put(tick)
        await recorder.flush(everything=True)
    thursday, friday = THURSDAY.date(), THURSDAY.date() + timedelta(days=1)
    assert session(tmp_path, thursday) == ticks[:3]
    assert session(tmp_path, friday) == ticks[3:]
    assert recorded_files(tmp_path, "EUR-USD", thursday) == [tmp_path / "EUR-USD" / "2014-05-08.parquet"]
    assert not (tmp_path / "EUR-USD" / "2014-05-08").exists()
    assert len(recorded_files(tmp_path, "EUR-USD", friday)) == 3


async def test_a_futures_sunday_evening_is_mondays_session(tmp_path: Path, spy: Instrument, clock: Any) -> None:
    recorder = TickRecorder(tmp_path, clock)
    recorder.follow(spy.model_copy(update={"hours": CME_HOURS}))
    sunday = datetime(2014, 5, 11, 19, 0, tzinfo=NEW_YORK)
    recorder.put(trade(0, sunday))
    await recorder.close()
    assert len(session(tmp_path, date(2014, 5, 12), "SPY")) == 1


async def test_a_restart_goes_on_where_the_last_process_stopped(
    tmp_path: Path, eur_usd: Instrument, clock: Any
) -> None:
    for process in range(3):
        recorder = TickRecorder(tmp_path, clock)
        recorder.follow(eur_usd)
        for second in range(process * 10 - (5 if process else 0), process * 10 + 10):  # some are told again
            recorder.put(quote(second))
        await recorder.close()
    found = [tick.time_ns for tick in session(tmp_path, THURSDAY.date())]
    assert found == sorted(found)
    assert set(found) == {quote(second).time_ns for second in range(30)}
    # A tick of the very time that was written last may be a new one: it is kept, once for each restart.
    assert len(found) == 32
    assert recorder.late == 4


async def test_memory_is_bounded_and_what_is_dropped_is_counted(
    tmp_path: Path, eur_usd: Instrument, clock: Any
) -> None:
    recorder = TickRecorder(tmp_path, clock, capacity=10)
    recorder.follow(eur_usd)
    for second in range(15):
        recorder.put(quote(second))
    assert recorder.dropped == 5
    await recorder.close()
    recorder.put(quote(20))
    await recorder.close()
    assert len(session(tmp_path, THURSDAY.date())) == 11


async def test_others_ticks_and_those_of_the_other_kind_are_left_out(
    tmp_path: Path, eur_usd: Instrument, clock: Any
) -> None:
    recorder = TickRecorder(tmp_path, clock)
    recorder.follow(eur_usd)
    recorder.put(trade(0, THURSDAY))
    recorder.put(TradeTick("EUR-USD", 5, Decimal(1)))
    await recorder.close()
    assert recorder.recorded == 0


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(st.integers(0, 40), st.booleans()), max_size=60))
async def test_whatever_comes_when_nothing_is_written_out_of_order_or_twice(
    tmp_path_factory: pytest.TempPathFactory, eur_usd: Instrument, steps: list[tuple[int, bool]]
) -> None:
    folder = tmp_path_factory.mktemp("ticks")
    recorder = TickRecorder(folder, SystemClock())
    recorder.follow(eur_usd)
    start = THURSDAY.replace(hour=16, minute=59, second=45)
    for number, (second, flush) in enumerate(steps):
        recorder.put(quote(second, start, price=f"1.{number + 1:04}"))
        if flush:
            await recorder.flush()
    await recorder.close()
    found = [tick for day in (8, 9) for tick in session(folder, date(2014, 5, day))]
    assert [tick.time_ns for tick in found] == sorted(tick.time_ns for tick in found)
    assert len({tick.bid for tick in found}) == len(found) == recorder.recorded
    assert recorder.recorded + recorder.late == len(steps)


_RECORDING = """
import asyncio, sys
from datetime import datetime
from pathlib import Path
from live_trading.data import TickRecorder
from live_trading.domain.instrument import Instrument
from live_trading.runtime import SystemClock
sys.path.insert(0, sys.argv[2])
from tests.data.test_tick_recorder import quote, THURSDAY
async def main():
    recorder = TickRecorder(Path(sys.argv[1]), SystemClock())
    recorder.follow(Instrument.model_validate_json(sys.argv[3]))
    start = THURSDAY.replace(hour=16, minute=59)
    for part in range(6):  # the fourth is of the next session
        for second in range(part * 20, part * 20 + 20):
            recorder.put(quote(second, start))
        await recorder.flush(everything=True)
asyncio.run(main())
"""


@pytest.mark.crash
@pytest.mark.parametrize(
    ("point", "written"),
    [
        ("ticks.part.rename.before=kill@3", 40), ("ticks.part.rename.after=kill@3", 60),
        ("ticks.session.rename.before=kill@1", 80), ("ticks.session.rename.after=kill@1", 80),
    ],
)  # fmt: skip
def test_a_killed_process_loses_only_what_was_not_written(
    tmp_path: Path, eur_usd: Instrument, point: str, written: int
) -> None:
    root = str(Path(__file__).resolve().parents[2])
    arguments = [sys.executable, "-c", _RECORDING, str(tmp_path), root, eur_usd.model_dump_json()]
    armed = os.environ | {"LIVE_TRADING_FAILPOINTS": point}
    assert subprocess.run(arguments, env=armed, timeout=60).returncode == -signal.SIGKILL
    start = THURSDAY.replace(hour=16, minute=59)

    def found() -> list[Tick]:
        return [tick for day in (8, 9) for tick in session(tmp_path, date(2014, 5, day))]

    assert found() == [quote(second, start) for second in range(written)]
    # The next process records what came after, and tidies up.
    assert subprocess.run(arguments, timeout=60).returncode == 0
    assert [tick.time_ns for tick in found()] == sorted(tick.time_ns for tick in found())
    assert {tick.time_ns for tick in found()} == {quote(second, start).time_ns for second in range(120)}
    assert not list(tmp_path.rglob("*.new"))
