"""Code written for a table of bars runs as it is, and what it may not do is said."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from live_trading.domain.bar_size import BarSize
from live_trading.domain.errors import InvalidInput
from live_trading.domain.market import Bar
from live_trading.domain.values import SignalType
from live_trading.strategies import SignalAt, StrategyFailed, parse_parameters, run_strategy
from live_trading.strategies.data_frame import DataFrameStrategy, bars_table
from tests.strategies.markets import M1, larger, path_bars

START = datetime(2024, 3, 6, 14, 30, tzinfo=UTC)
CLOSES = [100.0, 101, 102, 103, 102, 101, 100, 99, 98, 99, 100, 101]


def run(folder: Path, code: str, closes: list[float] | None = None, **values: Any) -> list[SignalAt]:
    path = folder / "own.py"
    path.write_text(code)
    name = "Own" if "class Own" in code else "generate_signals"
    strategy = DataFrameStrategy()
    parameters = parse_parameters(strategy, {"source": f"{path}:{name}", "window": 3, **values})
    bars: list[Bar] = path_bars(START, closes or CLOSES)
    sizes = values.get("time_frames", [])
    return run_strategy(strategy, parameters, bars + [b for s in sizes for b in larger(bars, BarSize(s))], M1)


def kinds(signals: list[SignalAt]) -> list[tuple[float, SignalType]]:
    return [(float(each.bar.close), each.signal.type) for each in signals]


CROSSING = '''
class Own:
    """Long while the close is above the one before."""
    def __init__(self, step=1):
        self.step = step
    def generate_signals(self, df):
        change = df["close"].diff(self.step)
        df["signal"] = (change > 0).astype(int) - (change < 0).astype(int)
        return df
'''


def test_a_class_runs_unchanged_and_its_events_open_and_close(tmp_path: Path) -> None:
    signals = run(tmp_path, CROSSING)
    assert kinds(signals) == [
        (102, SignalType.ENTER_LONG), (102, SignalType.EXIT), (101, SignalType.ENTER_SHORT),
        (99, SignalType.EXIT), (100, SignalType.ENTER_LONG),
    ]  # fmt: skip
    assert signals[0].signal.inputs["close"] == 102.0
    assert signals[0].signal.reason == "signal is 1.0 at the close"


def test_positions_reverse_at_once(tmp_path: Path) -> None:
    assert kinds(run(tmp_path, CROSSING, meaning="position")) == [
        (102, SignalType.ENTER_LONG), (102, SignalType.ENTER_SHORT), (99, SignalType.ENTER_LONG),
    ]  # fmt: skip


def test_without_short_selling_minus_one_only_sells(tmp_path: Path) -> None:
    assert kinds(run(tmp_path, CROSSING, meaning="position", allow_short=False)) == [
        (102, SignalType.ENTER_LONG), (102, SignalType.EXIT), (99, SignalType.ENTER_LONG),
    ]  # fmt: skip


def test_a_class_is_made_with_its_configuration(tmp_path: Path) -> None:
    assert kinds(run(tmp_path, CROSSING, config={"step": 2}, meaning="position"))[1] == (102, SignalType.EXIT)


@pytest.mark.parametrize(
    "code",
    [
        "def generate_signals(df):\n    return (df['close'].diff() > 0).map({True: 'BUY', False: 'HOLD'})\n",
        "def generate_signals(df):\n    df['signal'] = (df.close.diff() > 0).map({True: 1.0, False: float('nan')})\n",
        "def generate_signals(df):\n    return df.assign(signal=(df.close.diff() > 0).astype('int8'))\n",
    ],
    ids=["a series of words", "the table changed in place", "a new table"],
)
def test_all_the_usual_ways_to_answer_are_understood(tmp_path: Path, code: str) -> None:
    assert kinds(run(tmp_path, code))[0] == (102, SignalType.ENTER_LONG)


def test_a_word_for_leaving_leaves(tmp_path: Path) -> None:
    code = "def generate_signals(df):\n    return df['close'].diff().map(lambda c: 'BUY' if c > 0 else 'EXIT')\n"
    assert kinds(run(tmp_path, code))[:2] == [(102, SignalType.ENTER_LONG), (102, SignalType.EXIT)]


def test_a_zero_is_flat_for_positions_and_nothing_for_events(tmp_path: Path) -> None:
    code = "def generate_signals(df):\n    return (df['close'].diff() > 0).astype(int)\n"
    assert kinds(run(tmp_path, code, meaning="position"))[:2] == [(102, SignalType.ENTER_LONG), (102, SignalType.EXIT)]
    assert kinds(run(tmp_path, code)) == [(102, SignalType.ENTER_LONG)]


def test_prices_for_stop_and_target_are_taken_from_their_columns(tmp_path: Path) -> None:
    code = (
        "def generate_signals(df):\n"
        "    df['signal'], df['stop_loss'], df['take_profit'] = 1, df['low'] - 2, float('nan')\n    return df\n"
    )
    signal = run(tmp_path, code)[0].signal
    assert str(signal.stop_loss) == "98.5"
    assert signal.take_profit is None


def test_the_table_is_what_back_tests_expect(tmp_path: Path) -> None:
    bars = path_bars(START, CLOSES)
    table = bars_table(bars)
    assert list(table.columns) == ["open", "high", "low", "close", "volume"]
    assert table.index[0] == pd.Timestamp(START)
    assert list(table["close"]) == CLOSES
    assert all(str(kind) == "float64" for kind in table.dtypes)
    assert list(bars_table(bars, "title").columns) == ["Open", "High", "Low", "Close", "Volume"]


def test_other_time_frames_come_as_tables_of_closed_bars(tmp_path: Path) -> None:
    code = (
        "def generate_signals(df, frames):\n"
        "    fives = frames['5 mins']\n"
        "    assert fives.index[-1] + __import__('datetime').timedelta(minutes=5) <= df.index[-1] + "
        "__import__('datetime').timedelta(minutes=1)\n"
        "    df['signal'] = int(len(fives) and fives['close'].iloc[-1] > 101)\n    return df\n"
    )
    # The five minutes of 14:30 end at 102; they are seen at their end, not before.
    assert kinds(run(tmp_path, code, time_frames=["5 mins"]))[0] == (102, SignalType.ENTER_LONG)


@pytest.mark.parametrize(
    ("code", "problem"),
    [
        ("def generate_signals(df):\n    return df\n", "gave no column 'signal', but open, high"),
        ("def generate_signals(df):\n    return 1\n", "gave int; it must give a DataFrame"),
        ("def generate_signals(df):\n    return df.assign(signal=7)\n", "signal 7.* is not 1, -1 or 0"),
        ("def generate_signals(df):\n    return df.assign(signal='PERHAPS')\n", "'PERHAPS' is not a word known: BUY"),
        ("def generate_signals(df):\n    return df.assign(signal=1)[:-1]\n", "do not end with the last bar"),
        ("def generate_signals(df):\n    raise RuntimeError('broken')\n", "RuntimeError: broken"),
        ("Own = 3\nclass Owner: pass\n", "InvalidInput: strategy_config.source: .* no class or function"),
        ("import nothing_of_that_name\n", "failed to load"),
    ],
)
def test_what_the_code_does_wrong_ends_its_operation_and_is_said(tmp_path: Path, code: str, problem: str) -> None:
    with pytest.raises(StrategyFailed, match=problem):
        run(tmp_path, code)


def test_a_source_must_name_something() -> None:
    strategy = DataFrameStrategy()
    bars = path_bars(START, CLOSES)
    for source, problem in (("own.py", "names no class"), ("no.such.module:X", "cannot be imported")):
        parameters = parse_parameters(strategy, {"source": source, "window": 2})
        with pytest.raises(StrategyFailed, match=problem):
            run_strategy(strategy, parameters, bars, M1)
    with pytest.raises(InvalidInput, match=r"strategy_config\.window"):
        parse_parameters(strategy, {"source": "x:y", "window": 0})
