"""Runs existing back-testing code, ``generate_signals(df)``, unchanged.

What such code gets and must give is told in ``docs/strategies/data_frame.md``. It is run at every close on the last
``window`` bars, and only its last row counts: what it makes of earlier rows is the past, and what it would make of
later ones it cannot know, because they are not there.
"""

import importlib
import math
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field

from live_trading.domain.bar_size import BarSize
from live_trading.domain.errors import InvalidInput
from live_trading.domain.market import Bar
from live_trading.domain.values import SignalType
from live_trading.strategies.base import BarContext, Signal, Strategy, StrategyParameters
from live_trading.strategies.registry import load_file

if TYPE_CHECKING:
    import pandas as pd

_FIELD = "strategy_config.source"
_WORDS = {
    "BUY": 1, "LONG": 1, "ENTER_LONG": 1, "SELL": -1, "SHORT": -1, "ENTER_SHORT": -1,
    "EXIT": 0, "CLOSE": 0, "FLAT": 0, "HOLD": None, "NONE": None, "": None,
}  # fmt: skip

Generate = Callable[..., Any]


class DataFrameParameters(StrategyParameters):
    """Where the code is, and what its numbers mean."""

    source: str = Field(
        min_length=3,
        max_length=500,
        description="path/to/file.py:Name or package.module:Name of a function, or a class with generate_signals(df)",
    )
    config: dict[str, Any] = Field(default_factory=dict, description="keyword arguments the class is made with")
    window: int = Field(default=500, ge=2, le=100_000, description="closed bars the table holds")
    time_frames: tuple[BarSize, ...] = Field(
        default=(), max_length=7, description="other bar sizes, given as a second argument: a dict of tables by name"
    )
    column: str = Field(default="signal", min_length=1, max_length=64, description="column that holds the signal")
    meaning: Literal["event", "position"] = Field(
        default="event", description="event: 1 buys, -1 sells, 0 is nothing; position: 1 long, -1 short, 0 flat"
    )
    column_names: Literal["lower", "title"] = Field(default="lower", description="open, high, … or Open, High, …")
    allow_short: bool = Field(default=True, description="whether -1 may open a short position; else it only sells")


class DataFrameStrategy(Strategy[DataFrameParameters]):
    """Adapts a function of a table of bars to the contract of strategies."""

    name = "DataFrameStrategy"
    Parameters = DataFrameParameters
    heavy = True

    def __init__(self) -> None:
        self._generate: Generate | None = None

    def warmup(self, parameters: DataFrameParameters, primary: BarSize) -> Mapping[BarSize, int]:
        return {**dict.fromkeys(parameters.time_frames, 1), primary: parameters.window}

    def on_bar(self, context: BarContext[DataFrameParameters]) -> Signal | None:
        parameters = context.parameters
        if self._generate is None:
            self._generate = _load(parameters)
        table = bars_table(context.bars[context.primary][-parameters.window :], parameters.column_names)
        others = {
            size.value: bars_table(context.bars[size], parameters.column_names) for size in parameters.time_frames
        }
        last = table.index[-1]
        answer = self._generate(table, others) if others else self._generate(table)
        row = _last_row(table if answer is None else answer, last, parameters)
        wanted = _wanted(row[parameters.column], parameters)
        kind = _signal_type(wanted, context)
        if kind is None:
            return None
        inputs = {name: _plain(value) for name, value in row.items() if _plain(value) is not None}
        prices = {name: _price(row.get(name)) for name in ("stop_loss", "take_profit")}
        return Signal(kind, f"{parameters.column} is {row[parameters.column]} at the close", inputs, **prices)


def bars_table(bars: Sequence[Bar], column_names: str = "lower") -> "pd.DataFrame":
    """Bars as a table of floats: open, high, low, close, volume; indexed by their starts in UTC."""
    import pandas as pd

    index = pd.DatetimeIndex([bar.start_ns for bar in bars], name="timestamp", dtype="datetime64[ns]").tz_localize(
        "UTC"
    )
    columns = {name: [float(getattr(bar, name)) for bar in bars] for name in ("open", "high", "low", "close", "volume")}
    if column_names == "title":
        columns = {name.title(): values for name, values in columns.items()}
    return pd.DataFrame(columns, index=index)


def _load(parameters: DataFrameParameters) -> Generate:
    """What the source names, ready to be called with a table."""
    place, separator, name = parameters.source.rpartition(":")
    if not separator:
        raise InvalidInput(_FIELD, f"{parameters.source!r} names no class or function", "Add :Name after the file")
    if place.endswith(".py"):
        module = load_file(Path(place), _FIELD)
    else:
        try:
            module = importlib.import_module(place)
        except ImportError as error:
            raise InvalidInput(_FIELD, f"{place} cannot be imported: {error}", "Install it, or give a file") from error
    found = getattr(module, name, None)
    made = found(**parameters.config) if isinstance(found, type) else found
    generate = getattr(made, "generate_signals", made)
    if not callable(generate):
        raise InvalidInput(_FIELD, f"{place} has no class or function {name!r}", "Name one with generate_signals(df)")
    return generate  # type: ignore[no-any-return]


def _last_row(answer: Any, last: Any, parameters: DataFrameParameters) -> dict[str, Any]:
    """The answer's row of the bar that triggered."""
    import pandas as pd

    table = answer.to_frame(parameters.column) if isinstance(answer, pd.Series) else answer
    if not isinstance(table, pd.DataFrame):
        raise TypeError(f"generate_signals gave {type(answer).__name__}; it must give a DataFrame or a Series")
    if parameters.column not in table.columns:
        raise ValueError(f"generate_signals gave no column {parameters.column!r}, but {', '.join(map(str, table))}")
    if not len(table) or table.index[-1] != last:
        raise ValueError("generate_signals gave rows that do not end with the last bar; it must keep the index")
    return {str(name): value for name, value in table.iloc[-1].items()}


def _wanted(value: Any, parameters: DataFrameParameters) -> int | None:
    """1 for long, -1 for short, 0 for flat; None for nothing."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return None
    if isinstance(value, str):
        if value.strip().upper() not in _WORDS:
            raise ValueError(f"the signal {value!r} is not a word known: {', '.join(filter(None, _WORDS))}")
        return _WORDS[value.strip().upper()]
    number = float(value)
    if number not in (-1, 0, 1):
        raise ValueError(f"the signal {value!r} is not 1, -1 or 0")
    return int(number) if number or parameters.meaning == "position" else None


def _signal_type(wanted: int | None, context: BarContext[DataFrameParameters]) -> SignalType | None:
    parameters, position = context.parameters, context.position
    if wanted is None:
        return None
    if wanted == 0:
        return None if position.is_flat else SignalType.EXIT
    held = int(position.is_long) - int(position.is_short)
    if held == wanted:
        return None
    if parameters.meaning == "event" and held:
        return SignalType.EXIT  # selling what was bought, or buying back what was sold
    if wanted > 0:
        return SignalType.ENTER_LONG
    if parameters.allow_short:
        return SignalType.ENTER_SHORT
    return SignalType.EXIT if held else None


def _price(value: Any) -> Decimal | None:
    if value is None or (isinstance(value, float) and not math.isfinite(value)):
        return None
    return Decimal(repr(float(value)))


def _plain(value: Any) -> float | str | bool | None:
    """A value as the journal can keep it; None for what it cannot, and for what is not there."""
    if isinstance(value, str | bool):
        return value
    try:
        number = float(value)
    except (TypeError, ValueError):
        return None
    return number if math.isfinite(number) else None
