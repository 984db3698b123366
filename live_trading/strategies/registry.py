"""Finding strategies: by the name of an entry point, or by a file path and a class name.

A package of one's own registers strategies under the entry-point group ``live_trading.strategies``; a single file is
named as ``path/to/file.py:ClassName``. A file is executed when it is loaded: let only people who may change the
configuration name one.
"""

import hashlib
import importlib.util
import sys
from collections.abc import Mapping
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from types import ModuleType
from typing import Any

from pydantic import BaseModel, ValidationError

from live_trading.domain.errors import InvalidInput
from live_trading.strategies.base import Strategy
from live_trading.strategies.manual import MANUAL_STRATEGY, ManualStrategy

ENTRY_POINT_GROUP = "live_trading.strategies"
_FIELD = "strategy_name"


def known_strategies() -> dict[str, EntryPoint]:
    """The registered strategies by name. Nothing is imported yet."""
    return {point.name: point for point in sorted(entry_points(group=ENTRY_POINT_GROUP), key=lambda each: each.name)}


def load_strategy(name: str) -> Strategy[Any]:
    """The strategy of that registered name, or of ``path/to/file.py:ClassName``.

    :class:`InvalidInput` lists the known names, or says what is wrong with the file.
    """
    path, separator, class_name = name.rpartition(":")
    if separator and path.endswith(".py"):
        return _instance(getattr(load_file(Path(path)), class_name, None), name)
    if name == MANUAL_STRATEGY:
        return ManualStrategy()
    known = known_strategies()
    if name not in known:
        raise InvalidInput(
            _FIELD, f"there is no strategy {name!r}", f"Known are {', '.join(known)}; or give path/to/file.py:ClassName"
        )
    try:
        loaded = known[name].load()
    except Exception as error:
        raise InvalidInput(
            _FIELD, f"{name} ({known[name].value}) cannot be imported: {type(error).__name__}: {error}", "Mend it"
        ) from error
    return _instance(loaded, name)


def parse_parameters(strategy: Strategy[Any], values: Mapping[str, Any]) -> BaseModel:
    """The strategy's parameters from what a person gave; :class:`InvalidInput` names the first wrong field."""
    model: type[BaseModel] = strategy.Parameters
    try:
        return model.model_validate(dict(values))
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        place = ".".join(str(part) for part in first["loc"])
        field = "strategy_config" + (f".{place}" if place else "")
        if first["type"] == "extra_forbidden":
            raise InvalidInput(
                field, f"{strategy.name} has no such parameter", f"It has {', '.join(model.model_fields)}"
            ) from None
        described = model.model_fields.get(str(first["loc"][0])) if first["loc"] else None
        remedy = f"It is: {described.description}" if described is not None and described.description else ""
        raise InvalidInput(field, f"{first['msg']} (given: {first['input']!r})", remedy) from None


def load_file(path: Path, field: str = _FIELD) -> ModuleType:
    """The module in a file, executed. :class:`InvalidInput` names ``field`` and what is wrong."""
    file = path.expanduser().resolve()
    if not file.is_file():
        raise InvalidInput(field, f"there is no file {file}", "Give the path of a Python file, and :ClassName after it")
    module_name = "live_trading_strategy_" + hashlib.sha256(str(file).encode()).hexdigest()[:16]
    spec = importlib.util.spec_from_file_location(module_name, file)
    if spec is None or spec.loader is None:
        raise InvalidInput(field, f"{file} cannot be loaded as Python", "Give the path of a .py file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[module_name] = module  # dataclasses and pydantic look their own module up here
    try:
        spec.loader.exec_module(module)
    except (Exception, SystemExit) as error:  # a script run by mistake may end with sys.exit
        del sys.modules[module_name]
        raise InvalidInput(field, f"{file} failed to load: {type(error).__name__}: {error}", "Mend the file") from error
    return module


def _instance(loaded: object, name: str) -> Strategy[Any]:
    if not isinstance(loaded, type) or not issubclass(loaded, Strategy):
        raise InvalidInput(_FIELD, f"{name} is not a strategy class", f"Derive it from {Strategy.__module__}.Strategy")
    missing = [part for part in ("name", "Parameters") if not hasattr(loaded, part)]
    missing += sorted(getattr(loaded, "__abstractmethods__", ()))
    if missing:
        raise InvalidInput(_FIELD, f"{name} lacks {', '.join(missing)}", "Define it on the class")
    try:
        return loaded()
    except Exception as error:
        raise InvalidInput(_FIELD, f"{name} cannot be made: {type(error).__name__}: {error}", "Mend it") from error
