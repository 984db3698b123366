"""A model sees exactly the declared features, and its numbers mean what the parameters say."""

import importlib.util
import math
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import talib

from live_trading.domain.errors import InvalidInput
from live_trading.domain.market import Bar
from live_trading.domain.values import SignalType
from live_trading.runtime import SystemClock
from live_trading.strategies import LiveStrategyAdapter, SignalAt, StrategyFailed, parse_parameters, run_strategy
from live_trading.strategies.features import Feature
from live_trading.strategies.model import ModelStrategy
from live_trading.strategies.models import load_model
from tests.strategies.markets import M1, future_days, path_bars
from tests.strategies.onnx_models import linear_model

START = datetime(2024, 3, 6, 14, 30, tzinfo=UTC)
CLOSES = [100.0, 101, 102, 103, 102, 101, 100, 99, 98, 99, 100, 101]


def run(bars: list[Bar], model: Path, features: list[str], **values: Any) -> list[SignalAt]:
    strategy = ModelStrategy()
    parameters = parse_parameters(strategy, {"model": str(model), "features": features, **values})
    return run_strategy(strategy, parameters, bars, M1)


def kinds(signals: list[SignalAt]) -> list[tuple[float, SignalType]]:
    return [(float(each.bar.close), each.signal.type) for each in signals]


def rises(path: Path) -> Path:
    """Long when the last return is above zero, short when below."""
    return linear_model(path / "rises.onnx", [[0, 1000, -1000]], [0, 0, 0])


def test_classes_become_signals(tmp_path: Path) -> None:
    signals = run(path_bars(START, CLOSES), rises(tmp_path), ["return:1"])
    assert kinds(signals) == [
        (102, SignalType.ENTER_LONG), (102, SignalType.ENTER_SHORT), (99, SignalType.ENTER_LONG),
    ]  # fmt: skip
    inputs = signals[0].signal.inputs
    assert inputs["return:1"] == pytest.approx(102 / 101 - 1)
    assert len(inputs["model"]) == 16
    assert [float(number) for number in inputs["numbers"].split(",")] == pytest.approx([0, 1, 0], abs=1e-3)


def test_without_short_selling_it_only_leaves(tmp_path: Path) -> None:
    signals = run(path_bars(START, CLOSES), rises(tmp_path), ["return:1"], allow_short=False)
    assert kinds(signals)[1] == (102, SignalType.EXIT)


def test_below_the_threshold_it_holds(tmp_path: Path) -> None:
    weak = linear_model(tmp_path / "weak.onnx", [[0, 10, -10]], [0, 0, 0])
    assert run(path_bars(START, CLOSES), weak, ["return:1"], threshold=0.9) == []


def test_a_score_has_levels(tmp_path: Path) -> None:
    model = linear_model(tmp_path / "score.onnx", [[1.0]], [-100.0], softmax=False, output="score")
    common = {"meaning": "score", "long_above": 2, "short_below": -1}
    assert kinds(run(path_bars(START, CLOSES), model, ["close"], **common)) == [
        (103, SignalType.ENTER_LONG), (102, SignalType.EXIT), (98, SignalType.ENTER_SHORT), (99, SignalType.EXIT),
    ]  # fmt: skip
    holds = run(path_bars(START, CLOSES), model, ["close"], **common, flat_between=False)
    assert kinds(holds) == [(103, SignalType.ENTER_LONG), (98, SignalType.ENTER_SHORT)]


def test_several_rows_go_in_oldest_first(tmp_path: Path) -> None:
    # The model takes the newest row less the oldest one.
    model = linear_model(tmp_path / "rows.onnx", [[-1.0], [0.0], [1.0]], [0.0], rows=3, softmax=False)
    signals = run(path_bars(START, CLOSES), model, ["close"], rows=3, meaning="score", long_above=1.9, short_below=-1.9)
    assert kinds(signals)[:2] == [(103, SignalType.ENTER_LONG), (102, SignalType.EXIT)]


def test_features_equal_their_definitions(tmp_path: Path) -> None:
    bars = future_days(START.date(), 1, seed=1)[:300]
    opens, high, low, close, volume = (
        np.array([float(getattr(bar, name)) for bar in bars]) for name in ("open", "high", "low", "close", "volume")
    )
    upper, middle, lower = talib.BBANDS(close, 20, 2.0, 2.0)
    minute = bars[-1].start.hour * 60 + bars[-1].start.minute
    expected = {
        "open": opens[-1], "volume": volume[-1], "body": (close[-1] - opens[-1]) / close[-1],
        "range": (high[-1] - low[-1]) / close[-1],
        "return:5": close[-1] / close[-6] - 1, "log_return:3": math.log(close[-1] / close[-4]),
        "volume_ratio:10": 1.0, "sma_ratio:20": close[-1] / talib.SMA(close, 20)[-1] - 1,
        "ema_ratio:20": close[-1] / talib.EMA(close, 20)[-1] - 1,
        "zscore:20": (close[-1] - middle[-1]) / talib.STDDEV(close, 20)[-1],
        "rsi:14": talib.RSI(close, 14)[-1], "adx:14": talib.ADX(high, low, close, 14)[-1],
        "atr_ratio:14": talib.ATR(high, low, close, 14)[-1] / close[-1], "roc:10": talib.ROC(close, 10)[-1],
        "macd_ratio:12:26:9": talib.MACD(close, 12, 26, 9)[2][-1] / close[-1],
        "bollinger:20": (close[-1] - lower[-1]) / (upper[-1] - lower[-1]),
        "stochastic:14:3": talib.STOCHF(high, low, close, 14, 3)[0][-1],
        "hour_sin": math.sin(2 * math.pi * minute / 1440), "hour_cos": math.cos(2 * math.pi * minute / 1440),
        "weekday": 2.0, "position": 0.0,
    }  # fmt: skip
    names = list(expected)
    model = linear_model(tmp_path / "all.onnx", [[0.0]] * len(names), [1.0], softmax=False)
    told = {each.bar.start_ns: each.signal.inputs for each in _every_bar(bars, model, names)}[bars[-1].start_ns]
    for name, value in expected.items():
        assert told[name] == pytest.approx(value, rel=1e-8, abs=1e-9), name


def _every_bar(bars: list[Bar], model: Path, names: list[str]) -> list[SignalAt]:
    """A signal on every bar: the model always wants to be long, and the position never is."""
    strategy = ModelStrategy()
    values = {"model": str(model), "features": names, "meaning": "score", "long_above": 0.5}
    parameters = parse_parameters(strategy, values)
    running = LiveStrategyAdapter(strategy, parameters, "NQ", [M1], M1, SystemClock())
    return [SignalAt(bar, signal) for bar in bars if (signal := running.on_bar(bar)) is not None]


@pytest.mark.parametrize(
    ("values", "problem"),
    [
        ({"features": ["rsi"]}, "'rsi' is not a feature. Known are .*rsi:N"),
        ({"features": ["speed:3"]}, "'speed:3' is not a feature"),
        ({"features": ["return:0"]}, "'return:0' is not a feature"),
        ({"features": ["sma_ratio:9999"]}, "9999 is out of range"),
        ({"features": ["close"], "long_above": -2.0}, "short_below must not be above"),
    ],
)
def test_wrong_parameters_are_named(tmp_path: Path, values: dict[str, Any], problem: str) -> None:
    with pytest.raises(InvalidInput, match=problem):
        parse_parameters(ModelStrategy(), {"model": str(rises(tmp_path)), **values})


def test_a_model_that_is_not_there_or_is_none_is_refused(tmp_path: Path) -> None:
    bars = path_bars(START, CLOSES)
    with pytest.raises(InvalidInput, match="there is no file"):
        run(bars, tmp_path / "none.onnx", ["close"])
    with pytest.raises(InvalidInput, match="neither ONNX nor TorchScript"):
        run(bars, tmp_path / "model.pickle", ["close"])
    (tmp_path / "broken.onnx").write_bytes(b"not a model")
    with pytest.raises(StrategyFailed, match="cannot be loaded"):
        run(bars, tmp_path / "broken.onnx", ["close"])
    with pytest.raises(InvalidInput, match=r"has no 'other'. It has probabilities"):
        load_model(rises(tmp_path), "other")


def test_a_model_that_does_not_fit_its_features_or_classes_ends_the_operation(tmp_path: Path) -> None:
    bars = path_bars(START, CLOSES)
    with pytest.raises(StrategyFailed, match="gave 3 numbers for 2 classes"):
        run(bars, rises(tmp_path), ["return:1"], classes=["HOLD", "LONG"])
    with pytest.raises(StrategyFailed, match="ModelStrategy failed"):
        run(bars, rises(tmp_path), ["return:1", "close"])


def test_the_same_numbers_give_the_same_answer(tmp_path: Path) -> None:
    one, other = (load_model(rises(tmp_path)) for _ in range(2))
    assert one.digest == other.digest
    assert one.predict([[0.001]]) == other.predict([[0.001]]) == one.predict([[0.001]])


@pytest.mark.skipif(importlib.util.find_spec("torch") is not None, reason="torch is installed")
def test_torch_script_without_torch_says_what_to_install(tmp_path: Path) -> None:
    (tmp_path / "model.pt").write_bytes(b"")
    with pytest.raises(InvalidInput, match=r"pip install 'live-trading\[torch\]'"):
        load_model(tmp_path / "model.pt")


@pytest.mark.skipif(importlib.util.find_spec("torch") is None, reason="torch, an extra, is not installed")
@pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::DeprecationWarning")  # torch calls TorchScript old
def test_torch_script_is_the_same_function_as_onnx(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    layer = torch.nn.Linear(1, 3)
    with torch.no_grad():
        layer.weight.copy_(torch.tensor([[0.0], [1000.0], [-1000.0]]))
        layer.bias.zero_()
    torch.jit.script(torch.nn.Sequential(layer, torch.nn.Softmax(dim=1))).save(str(tmp_path / "model.pt"))
    bars = path_bars(START, CLOSES)
    theirs = run(bars, tmp_path / "model.pt", ["return:1"])
    assert kinds(theirs) == kinds(run(bars, rises(tmp_path), ["return:1"]))


def test_a_feature_needs_as_many_bars_as_it_looks_at() -> None:
    assert Feature("return:5").needed == 6
    assert Feature("close").needed == 1
    assert Feature("rsi:14").needed >= 15
