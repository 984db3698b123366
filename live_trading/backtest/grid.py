"""The combinations of a sweep: lists and ranges of values, and the product of them all."""

import difflib
import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from random import Random
from typing import Any

from live_trading.domain.errors import InvalidInput
from live_trading.domain.operation import OperationSettings
from live_trading.strategies import load_strategy

OPTION = "--sweep"
MAX_VALUES = 10_000
MAX_RUNS = 100_000
_FIXED = frozenset({"asset", "broker", "bar_sizes", "primary_bar_size", "strategy_name", "strategy_config"})
_FORM = "Such as --sweep fast_period=5,8,13 or --sweep slow_period=20:60:10"

Values = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Grid:
    """Some values for each of some names. A name with a dot in front is a setting of the operation.

    Combinations are numbered; the last name's value changes fastest.
    """

    axes: Mapping[str, tuple[Any, ...]]

    def __len__(self) -> int:
        return math.prod(map(len, self.axes.values()))

    def __getitem__(self, number: int) -> dict[str, Any]:
        """The combination of that number, from 0."""
        if not 0 <= number < len(self):
            raise IndexError(number)
        found: dict[str, Any] = {}
        for name, values in reversed(list(self.axes.items())):
            number, place = divmod(number, len(values))
            found[name] = values[place]
        return {name: found[name] for name in self.axes}

    def chosen(self, count: int | None = None, seed: int = 0) -> list[int]:
        """All numbers, or ``count`` of them by chance, in order. Raises :class:`InvalidInput` where they are too many.

        The same seed chooses the same ones.
        """
        wanted = len(self) if count is None else min(count, len(self))
        if wanted > MAX_RUNS:
            raise InvalidInput(
                OPTION if count is None else "--random",
                f"that would be {wanted:,} runs, more than {MAX_RUNS:,}",
                "Try fewer values, or fewer of the combinations by chance: --random 1000",
            )
        return list(range(wanted)) if wanted == len(self) else sorted(Random(seed).sample(range(len(self)), wanted))  # noqa: S311


def parse_grid(texts: Iterable[str], strategy: str, given: Iterable[str] = ()) -> Grid:
    """A grid from texts such as ``fast_period=5,8,13``, ``slow_period=20:60:10``, ``.stop_loss_value=1:2:0.5``.

    Names are checked against the strategy's parameters and the operation's settings. ``given``: names that have one
    value already. Raises :class:`InvalidInput`.
    """
    axes: dict[str, tuple[Any, ...]] = {}
    once = set(given)
    for text in texts:
        name, separator, values = text.partition("=")
        name = name.strip()
        if not (separator and name and values.strip()):
            raise InvalidInput(OPTION, f'"{text}" is not of the form name=values', _FORM)
        _check_name(name, strategy)
        if name in axes or name in once:
            raise InvalidInput(OPTION, f"{name} is given twice", "Give it once, with all of its values")
        axes[name] = _values(name, values)
    return Grid(axes)


def _check_name(name: str, strategy: str) -> None:
    if name.startswith("."):
        known = [f".{each}" for each in OperationSettings.model_fields if each not in _FIXED]
        owner = "an operation has no such setting that can be swept"
    else:
        parameters = load_strategy(strategy).Parameters
        if parameters.model_config.get("extra") == "allow":
            return
        known, owner = list(parameters.model_fields), f"{strategy} has no such parameter"
    if name in known:
        return
    near = difflib.get_close_matches(name, known, 1)
    remedy = f"Did you mean {near[0]}? " if near else ""
    raise InvalidInput(OPTION, f"{name}: {owner}", f"{remedy}Known are {', '.join(known) or 'none'}")


def _values(name: str, text: str) -> tuple[Any, ...]:
    values = [value for part in text.split(",") for value in _part(name, part.strip())]
    if len(values) > MAX_VALUES:
        raise InvalidInput(OPTION, f"{name} has {len(values):,} values, more than {MAX_VALUES:,}", "Take larger steps")
    seen: set[str] = set()
    for value in values:
        key = json.dumps(value)
        if key in seen:
            raise InvalidInput(OPTION, f"{name} is to be {key} twice", "Give each value once")
        seen.add(key)
    return tuple(values)


def _part(name: str, text: str) -> list[Any]:
    """A value, as JSON has it (what is no JSON is text), or the values of a range."""
    if not text:
        raise InvalidInput(OPTION, f"{name} has an empty value", _FORM)
    bounds = _numbers(text)
    if bounds is not None:
        return _range(name, text, bounds)
    try:
        value = json.loads(text)
    except ValueError:
        return [text]
    if isinstance(value, float) and not math.isfinite(value):
        raise InvalidInput(OPTION, f"{name}: {text} is not a number to compute with", _FORM)
    return [value]


def _numbers(text: str) -> list[Decimal] | None:
    parts = text.split(":")
    if len(parts) not in (2, 3):
        return None
    try:
        numbers = [Decimal(part.strip()) for part in parts]
    except InvalidOperation:
        return None
    return numbers if all(number.is_finite() for number in numbers) else None


def _range(name: str, text: str, bounds: list[Decimal]) -> list[Any]:
    """From the first to the last bound, both included where the steps come to it."""
    are_whole = all(bound == bound.to_integral_value() for bound in bounds)
    if len(bounds) == 2 and not are_whole:
        raise InvalidInput(OPTION, f"{name}: {text} has no step", f"Add one: {text}:0.1")
    begin, end, step = [*bounds, Decimal(1)][:3]
    if step <= 0 or end < begin:
        raise InvalidInput(OPTION, f"{name}: {text} goes nowhere", "A range is low:high:step, the step over 0")
    count = int((end - begin) / step) + 1
    if count > MAX_VALUES:
        raise InvalidInput(
            OPTION, f"{name}: {text} has {count:,} values, more than {MAX_VALUES:,}", "Take larger steps"
        )
    values = [begin + step * number for number in range(count)]
    return [int(value) if are_whole else float(value) for value in values]
