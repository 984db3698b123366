"""Draws the charts in ``docs/strategies``: a run of each built-in strategy on the project's own made-up market.

    python -m scripts.strategy_charts [--check] [FOLDER]

The market is the paper exchange's synthetic one, from a seed; the signals are the strategy's own, carried out at the
close without stops or costs, so a chart shows when a strategy speaks and not what it earns. The same seed draws the
same file. ``--check`` draws nothing and exits with 1 if a chart is missing.
"""

import sys
import tempfile
from bisect import bisect_left
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import matplotlib as mpl
import numpy as np
import onnx
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from onnx import TensorProto, helper

from live_trading.data import BarAggregator, IndicatorSet, IndicatorSpec
from live_trading.domain.bar_size import BarSize
from live_trading.domain.instrument import US_STOCK_HOURS, Instrument, OptionContract
from live_trading.domain.market import Bar, ns_from_utc
from live_trading.domain.values import AssetClass, OptionRight, SignalType
from live_trading.paper_exchange.catalogue import DEFAULT_LISTINGS
from live_trading.paper_exchange.feeds.synthetic import SyntheticFeed
from live_trading.strategies import SignalAt, load_strategy, parse_parameters, run_strategy
from scripts.sources import ROOT

NEW_YORK = ZoneInfo("America/New_York")
M1, M5, M15, H1 = BarSize.MIN_1, BarSize.MINS_5, BarSize.MINS_15, BarSize.HOUR_1
MONDAY = datetime(2026, 3, 2, 0, 0, tzinfo=NEW_YORK)
UP, DOWN, INK, SOFT = "#2a7f62", "#b5473c", "#222222", "#8a8a8a"
LINES = ("#3465a4", "#c17d11", "#75507b")
MOST_BARS = 260
SECONDS_A_TICK = 6.0

mpl.use("svg")
mpl.rcParams.update({"svg.hashsalt": "live-trading", "svg.fonttype": "none", "font.size": 9, "axes.edgecolor": SOFT})


def market(symbol: str, sizes: Sequence[BarSize], days: int, seed: int) -> list[Bar]:
    """Bars of some days of a made-up market in the instrument's real hours."""
    (listing,) = (each for each in DEFAULT_LISTINGS if each.symbol == symbol)
    start_ns, end_ns = ns_from_utc(MONDAY), ns_from_utc(MONDAY + timedelta(days=days))
    feed = SyntheticFeed([listing], seed=seed, start_ns=start_ns)
    aggregator = BarAggregator(listing.instrument, sizes)
    bars: list[Bar] = []
    tick = feed.next(SECONDS_A_TICK)
    while tick.time_ns < end_ns:
        bars += aggregator.add(tick)
        tick = feed.next(SECONDS_A_TICK)
    return [bar for bar in [*bars, *aggregator.advance(end_ns)] if not bar.filled]


@dataclass
class Picture:
    """What one chart shows: bars of the primary size, and the signals on them."""

    title: str
    primary: BarSize
    bars: list[Bar]
    signals: list[SignalAt]
    lines: Mapping[str, IndicatorSpec] = field(default_factory=dict)
    around: int = 0
    """Which signal is in the middle."""
    decorate: Callable[[Axes, list[Bar]], None] | None = None

    def window(self) -> list[Bar]:
        """The bars that are shown."""
        shown = [bar for bar in self.bars if bar.bar_size is self.primary]
        middle = shown.index(self.signals[self.around].bar)
        first = max(0, min(middle - MOST_BARS // 3, len(shown) - MOST_BARS))
        return shown[first : first + MOST_BARS]


def draw(picture: Picture, path: Path) -> None:
    """Write a chart."""
    bars = picture.window()
    figure = Figure(figsize=(9, 4.2), layout="constrained")
    axes = figure.add_subplot()
    _candles(axes, bars)
    for number, (label, spec) in enumerate(picture.lines.items()):
        _line(axes, picture, bars, spec, label, LINES[number % len(LINES)])
    if picture.decorate is not None:
        picture.decorate(axes, bars)
    _signals(axes, bars, picture.signals)
    axes.set_title(picture.title, loc="left", color=INK)
    places = range(0, len(bars), len(bars) // 7)
    axes.set_xticks(list(places), [bars[at].start.astimezone(NEW_YORK).strftime("%d %b %H:%M") for at in places])
    lowest, highest = float(min(bar.low for bar in bars)), float(max(bar.high for bar in bars))
    room = (highest - lowest) * 0.12
    axes.set_ylim(lowest - room, highest + room)
    axes.tick_params(colors=SOFT)
    axes.grid(color="#eeeeee", linewidth=0.6)
    axes.set_axisbelow(True)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    figure.savefig(path, format="svg", metadata={"Date": None, "Creator": None})


def place(bars: Sequence[Bar], at: datetime) -> int:
    """The number of the bar at a time: bars stand side by side, whatever time the market was closed between them."""
    return min(bisect_left(bars, ns_from_utc(at), key=lambda bar: bar.start_ns), len(bars) - 1)


def _candles(axes: Axes, bars: Sequence[Bar]) -> None:
    for rising, colour in ((True, UP), (False, DOWN)):
        chosen = [(at, bar) for at, bar in enumerate(bars) if (bar.close >= bar.open) is rising]
        places = [at for at, _ in chosen]
        low, high, opens, closes = (
            [float(getattr(bar, name)) for _, bar in chosen] for name in ("low", "high", "open", "close")
        )
        axes.vlines(places, low, high, color=colour, linewidth=0.5)
        axes.vlines(places, opens, closes, color=colour, linewidth=1.8)


def _line(axes: Axes, picture: Picture, bars: list[Bar], spec: IndicatorSpec, label: str, colour: str) -> None:
    indicators = IndicatorSet([spec])
    primary = [bar for bar in picture.bars if bar.bar_size is picture.primary]
    values = {bar.start_ns: indicators.update(bar)[spec.name] for bar in primary}
    shown = [(at, value) for at, bar in enumerate(bars) if (value := values[bar.start_ns]) is not None]
    axes.plot([at for at, _ in shown], [value for _, value in shown], color=colour, linewidth=1, label=label)
    axes.legend(loc="upper left", frameon=False, fontsize=8)


def _signals(axes: Axes, bars: Sequence[Bar], signals: Sequence[SignalAt]) -> None:
    begin, end = bars[0].start_ns, bars[-1].end_ns
    marks = {SignalType.ENTER_LONG: ("^", UP), SignalType.ENTER_SHORT: ("v", DOWN), SignalType.EXIT: ("x", INK)}
    for each, following in zip(signals, [*signals[1:], None], strict=True):
        if not begin <= each.bar.start_ns < end:
            continue
        marker, colour = marks[each.signal.type]
        at = place(bars, each.bar.start)
        axes.plot([at], [float(each.bar.close)], marker, color=colour, markersize=8, zorder=5)
        until = len(bars) - 1 if following is None else place(bars, following.bar.start)
        for price, style in ((each.signal.stop_loss, ":"), (each.signal.take_profit, "--")):
            if price is not None:
                axes.hlines(float(price), at, until, color=colour, linestyle=style, linewidth=1)


def run(
    name: str, bars: list[Bar], primary: BarSize, instrument: Instrument | None = None, **values: Any
) -> list[SignalAt]:
    """A strategy's signals on bars."""
    strategy = load_strategy(name)
    sizes = set(strategy.warmup(parse_parameters(strategy, values), primary)) | {primary}
    chosen = [bar for bar in bars if bar.bar_size in sizes]
    signals = run_strategy(strategy, parse_parameters(strategy, values), chosen, primary, instrument=instrument)
    if not signals:
        raise SystemExit(f"{name} gave no signal on the made-up market: choose another seed")
    return signals


# -- one picture a strategy


def momentum() -> Picture:
    bars = market("NQ", [M5], 3, seed=4)
    lines = {"EMA 8": IndicatorSpec("ema", 8), "EMA 21": IndicatorSpec("ema", 21)}
    signals = run("MomentumStrategy", bars, M5, min_momentum=0.15)
    return Picture("MomentumStrategy · NQ · 5 mins", M5, bars, signals, lines, around=6)


def multi_timeframe_trend() -> Picture:
    bars = market("NQ", [M5, M15, H1], 8, seed=7)
    values: dict[str, Any] = {
        "trend_bar_sizes": ["15 mins", "1 hour"],
        "trend_fast_period": 10,
        "trend_slow_period": 30,
    }
    lines = {"EMA 9": IndicatorSpec("ema", 9), "EMA 21": IndicatorSpec("ema", 21)}
    signals = run("MultiTimeframeTrendStrategy", bars, M5, **values)
    title = "MultiTimeframeTrendStrategy · NQ · 5 mins in the trends of 15 mins and 1 hour"
    return Picture(title, M5, bars, signals, lines)


def opening_range_breakout() -> Picture:
    bars = market("NQ", [M1], 2, seed=3)
    signals = run("OpeningRangeBreakoutStrategy", bars, M1)
    inputs = signals[0].signal.inputs

    def opening(axes: Axes, shown: list[Bar]) -> None:
        start = place(shown, signals[0].bar.start.astimezone(NEW_YORK).replace(hour=9, minute=30))
        low, high = inputs["range_low"], inputs["range_high"]
        axes.fill_between([start, start + 15], low, high, color="#dde6f0", zorder=0)
        axes.hlines([low, high], start, start + 120, color=LINES[0], linewidth=0.8)

    return Picture(
        "OpeningRangeBreakoutStrategy · NQ · 1 min · range 9:30 to 9:45", M1, bars, signals, decorate=opening
    )


def slob() -> Picture:
    bars = market("NQ", [M1], 12, seed=11)
    signals = run("SlobStrategy", bars, M1, target="risk_multiple")
    inputs = signals[0].signal.inputs

    def setup(axes: Axes, shown: list[Bar]) -> None:
        first, second = (datetime.fromisoformat(inputs[name]) for name in ("liq1_at", "liq2_at"))
        near, far = inputs["consolidation_near_end"], inputs["consolidation_far_end"]
        axes.fill_between([place(shown, first), place(shown, second)], near, far, color="#efe7d6", zorder=0)
        for at, label in ((first, "LIQ #1"), (second, "LIQ #2")):
            axes.annotate(label, (place(shown, at), inputs["extreme"]), color=INK, ha="right", fontsize=8)

    return Picture("SlobStrategy · NQ · 1 min", M1, bars, signals, decorate=setup)


def model() -> Picture:
    bars = market("NQ", [M5], 10, seed=2)
    features = ["return:3", "ema_ratio:20", "rsi:14", "bollinger:20"]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.onnx"
        _fit(bars[: len(bars) // 2], path)
        values: dict[str, Any] = {
            "model": str(path),
            "features": features,
            "meaning": "score",
            "long_above": 0.6,
            "short_below": -0.6,
        }
        signals = run("ModelStrategy", bars[len(bars) // 2 :], M5, **values)
    title = "ModelStrategy · NQ · 5 mins · a straight line fitted to the days before"
    return Picture(title, M5, bars[len(bars) // 2 :], signals, around=4)


def _fit(bars: list[Bar], path: Path) -> None:
    """A least-squares fit of the next twelve bars' return to the features, in units of its deviation."""
    specs = [IndicatorSpec("ema", 20), IndicatorSpec("rsi", 14), IndicatorSpec("bollinger", 20, 2.0)]
    indicators = IndicatorSet(specs)
    rows, targets = [], []
    values = [indicators.update(bar) for bar in bars]
    closes = [float(bar.close) for bar in bars]
    for at in range(60, len(bars) - 12):
        now, close = values[at], closes[at]
        lower, upper = now["bollinger_20_2_lower"] or 0.0, now["bollinger_20_2_upper"] or 0.0
        rows.append([close / closes[at - 3] - 1, close / (now["ema_20"] or 1) - 1, now["rsi_14"] or 0.0,
                     (close - lower) / (upper - lower), 1.0])  # fmt: skip
        targets.append(closes[at + 12] / close - 1)
    matrix, wanted = np.array(rows), np.array(targets)
    weights, *_ = np.linalg.lstsq(matrix, wanted, rcond=None)
    weights /= (matrix @ weights).std()
    nodes = [helper.make_node("Gemm", ["features", "weights", "bias"], ["score"])]
    graph = helper.make_graph(
        nodes,
        "line",
        [helper.make_tensor_value_info("features", TensorProto.FLOAT, [1, 4])],
        [helper.make_tensor_value_info("score", TensorProto.FLOAT, [1, 1])],
        [
            helper.make_tensor("weights", TensorProto.FLOAT, [4, 1], weights[:4].tolist()),
            helper.make_tensor("bias", TensorProto.FLOAT, [1], weights[4:].tolist()),
        ],
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), str(path))


def straddle() -> Picture:
    bars = market("SPY", [M1], 4, seed=5)
    strike, expiry = bars[0].close.quantize(Decimal(5)), (MONDAY + timedelta(days=18)).date().isoformat()
    signals: list[SignalAt] = []
    for right in OptionRight:
        leg = Instrument(
            symbol=f"SPY-{right.value}",
            asset_class=AssetClass.OPTION,
            currency="USD",
            tick_size=Decimal("0.01"),
            quantity_step=Decimal(1),
            multiplier=Decimal(100),
            hours=US_STOCK_HOURS,
            option=OptionContract(underlying="SPY", right=right, strike=strike, expiry=expiry),
        )
        signals += run("StraddleStrategy", bars, M1, leg, max_moneyness=0.1)
    signals.sort(key=lambda each: each.bar.start_ns)

    def legs(axes: Axes, shown: list[Bar]) -> None:
        for each in signals:
            if shown[0].start_ns <= each.bar.start_ns <= shown[-1].start_ns:
                sold, right = each.signal.type is SignalType.ENTER_SHORT, each.signal.inputs["right"]
                label = f"{right.lower()} {'sold' if sold else 'bought back'}"
                point, below = (
                    (place(shown, each.bar.start), float(each.bar.close)),
                    (0, 14 if right == "CALL" else -18),
                )
                axes.annotate(label, point, xytext=below, textcoords="offset points", ha="center", fontsize=7)

    lines = {"EMA 20": IndicatorSpec("ema", 20), "EMA 50": IndicatorSpec("ema", 50)}
    title = "StraddleStrategy · SPY · 1 min · entries and exits of its put and its call"
    return Picture(title, M1, bars, signals, lines, decorate=legs)


def data_frame() -> Picture:
    bars = market("NQ", [M5], 3, seed=8)
    code = (
        "def generate_signals(df):\n"
        "    fast, slow = df['close'].rolling(10).mean(), df['close'].rolling(40).mean()\n"
        "    df['signal'] = (fast > slow).astype(int) - (fast < slow).astype(int)\n"
        "    return df\n"
    )
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "own.py"
        path.write_text(code, encoding="utf-8")
        source = f"{path}:generate_signals"
        signals = run("DataFrameStrategy", bars, M5, source=source, window=60, meaning="position")
    lines = {"mean of 10": IndicatorSpec("sma", 10), "mean of 40": IndicatorSpec("sma", 40)}
    title = "DataFrameStrategy · NQ · 5 mins · a crossing of two means, in pandas"
    return Picture(title, M5, bars, signals, lines, around=2)


PICTURES: dict[str, Callable[[], Picture]] = {
    "data_frame": data_frame,
    "model": model,
    "momentum": momentum,
    "multi_timeframe_trend": multi_timeframe_trend,
    "opening_range_breakout": opening_range_breakout,
    "slob": slob,
    "straddle": straddle,
}


def main(arguments: Sequence[str]) -> int:
    """Draw or check; the exit status."""
    folders = [argument for argument in arguments if argument != "--check"]
    folder = Path(folders[0]) if folders else ROOT / "docs" / "strategies"
    if "--check" in arguments:
        missing = [name for name in PICTURES if not (folder / f"{name}.svg").is_file()]
        print(f"Charts: {', '.join(missing) or 'none'} missing")
        return 1 if missing else 0
    for name, make in PICTURES.items():
        draw(make(), folder / f"{name}.svg")
        print(f"drew {folder / name}.svg")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
