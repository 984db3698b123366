"""From pydantic's errors to one line a problem: where it stands, which key, what is wrong, what would be right."""

import difflib
from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from live_trading.config.errors import Problem
from live_trading.config.fields import Leaf, keys, leaves, section_of
from live_trading.config.section import Section

_NOT_OF_TYPE = ("_type", "_parsing", "_from_float")
"""How the names of pydantic's errors end that mean: this is no number, no text, …"""


def explain(
    error: ValidationError, model: type[Section], origins: Mapping[str, str], default_origin: str
) -> list[Problem]:
    """Every error as a :class:`Problem`. Values of secrets are never repeated."""
    known = dict(leaves(model))
    return [_problem(detail, model, known, origins, default_origin) for detail in error.errors(include_url=False)]


def _problem(
    detail: ErrorDetails, model: type[Section], known: Mapping[str, Leaf], origins: Mapping[str, str], source: str
) -> Problem:
    names = [str(part) for part in detail["loc"] if isinstance(part, str)]
    key = ".".join(names)
    while names and ".".join(names) not in origins:
        names.pop()
    origin = origins.get(".".join(names), source)
    if detail["type"] == "extra_forbidden":
        return Problem(origin, key, "there is no such setting", _closest(key, model))
    if detail["type"] == "model_type":
        inner = _section(key, model)
        return Problem(origin, key, "must be a section", f"Its keys are {', '.join(inner.model_fields)}")
    leaf = known.get(key)
    if leaf is None:
        return Problem(origin, key, _plain(detail), "Change one of them")
    if detail["input"] is None:
        problem = "must not be null (is an environment variable it names unset?)"
    elif detail["type"].endswith(_NOT_OF_TYPE) or detail["type"] in ("enum", "wrong_kind"):
        problem = f"{_shown(detail['input'], leaf)} is not {leaf.type_name}"
    else:
        problem = f"{_shown(detail['input'], leaf)} {_plain(detail)}"
    default = "" if leaf.default is None or leaf.secret else f"; the default is {_text(leaf.default)}"
    unit = f" ({leaf.unit})" if leaf.unit else ""
    return Problem(origin, key, problem, f"Give {leaf.expected}{unit}{default}")


def _plain(detail: ErrorDetails) -> str:
    message = detail["msg"].removeprefix("Value error, ")
    for prefix in ("Input should be", "Value should have", "String should"):
        if message.startswith(prefix):
            return "must" + message.partition(" should")[2]
    return message


def _shown(value: Any, leaf: Leaf) -> str:
    if leaf.secret:
        return "the value (hidden)"
    text = repr(value) if not isinstance(value, str) else f'"{value}"'
    return text if len(text) <= 60 else text[:57] + "…"


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _section(key: str, model: type[Section]) -> type[Section]:
    for name in filter(None, key.split(".")):
        inner = section_of(model.model_fields[name])
        assert inner is not None
        model = inner
    return model


def _closest(key: str, model: type[Section]) -> str:
    """The known key that was probably meant: a near spelling, or the same name in another section."""
    every = list(keys(model))
    section, _, last = key.rpartition(".")
    siblings = list(_section(section, model).model_fields)
    if near := difflib.get_close_matches(last, siblings, n=1, cutoff=0.6):
        return f'Did you mean "{section}.{near[0]}"?' if section else f'Did you mean "{near[0]}"?'
    same_name = [candidate for candidate in every if candidate.rpartition(".")[2] == last]
    close = same_name or difflib.get_close_matches(key, every, n=1, cutoff=0.7)
    if not close:
        by_name = {candidate.rpartition(".")[2]: candidate for candidate in reversed(every)}
        close = [by_name[name] for name in difflib.get_close_matches(last, by_name, n=1, cutoff=0.7)]
    if close:
        return f'Did you mean "{close[0]}"?'
    return f"Known here: {', '.join(siblings)}"
