"""What an entry's class looks like, and plain values for its open dictionaries."""

from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from enum import Enum
from functools import lru_cache
from types import UnionType
from typing import Any, Union, get_args, get_origin

from bson import ObjectId
from pydantic import BaseModel

from live_trading.domain.errors import InvalidInput

_MAX_INT64 = (1 << 63) - 1
_MAX_DEPTH = 32


@lru_cache(maxsize=1024)
def nulls_that_matter(model: type[BaseModel]) -> frozenset[str]:
    """The fields for which None is not what a reader would assume when they are left out."""
    return frozenset(
        name
        for name, field in model.model_fields.items()
        if type(None) in get_args(field.annotation)
        and (field.is_required() or field.get_default(call_default_factory=True, validated_data={}) is not None)
    )


def alternatives(annotation: Any) -> tuple[Any, ...]:
    """The alternatives of a union, or the one thing it is."""
    return get_args(annotation) if get_origin(annotation) in (Union, UnionType) else (annotation,)


def has_models(annotation: Any) -> bool:
    """Whether a model is inside."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return True
    return any(has_models(part) for part in get_args(annotation))


def dump(value: Any) -> Any:
    """Models as dictionaries of their fields, without the nulls that go without saying."""
    if isinstance(value, BaseModel):
        keep = nulls_that_matter(type(value))
        return {name: dump(inner) for name, inner in value.__dict__.items() if inner is not None or name in keep}
    if isinstance(value, dict):
        return {key: dump(inner) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [dump(inner) for inner in value]
    return value


def has_open_values(annotation: Any) -> bool:
    """Whether something of any shape (``dict[str, Any]``) can be inside."""
    if annotation is Any:
        return True
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return any(has_open_values(field.annotation) for field in annotation.model_fields.values())
    return any(has_open_values(part) for part in get_args(annotation))


def plain(value: Any, path: str, depth: int = 0) -> Any:
    """``value`` as BSON keeps it and gives it back: dictionaries, lists, strings, numbers, times, None.

    Raises :class:`InvalidInput` that names the place of anything else, and of keys MongoDB gives a meaning of its own.
    """
    if value is None or type(value) in (str, bool, float, Decimal, ObjectId, bytes):
        return value
    if isinstance(value, Enum):
        return plain(value.value, path, depth)
    if isinstance(value, int):
        if not -_MAX_INT64 - 1 <= value <= _MAX_INT64:
            raise InvalidInput(path, "the integer is over 64 bits", "Give it as a decimal or a string")
        return int(value)
    if isinstance(value, datetime):
        if value.tzinfo is None:
            raise InvalidInput(path, "the time has no time zone", "Give an aware time")
        return _to_the_millisecond(value)
    if depth == _MAX_DEPTH:
        raise InvalidInput(path, f"is nested more than {_MAX_DEPTH} deep")
    if isinstance(value, (dict, Mapping)):  # dict first: a look at an abstract class takes long
        return {_key(key, path): plain(inner, f"{path}.{key}", depth + 1) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(inner, f"{path}[{index}]", depth + 1) for index, inner in enumerate(value)]
    if isinstance(value, (str, float)):
        return str(value) if isinstance(value, str) else float(value)
    raise InvalidInput(path, f"a {type(value).__name__} cannot be kept", "Use numbers, strings, lists, dictionaries")


def _to_the_millisecond(value: datetime) -> datetime:
    """A time as BSON gives it back."""
    if value.tzinfo is not UTC:
        value = value.astimezone(UTC)
    below = value.microsecond % 1000
    return value.replace(microsecond=value.microsecond - below) if below else value


def _key(key: Any, path: str) -> str:
    if not isinstance(key, str) or key.startswith("$") or "\x00" in key:
        raise InvalidInput(path, f"{key!r} cannot be a key", "Keys are strings that do not begin with $")
    return key
