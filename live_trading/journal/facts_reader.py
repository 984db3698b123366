"""Facts read back from a document whose hash is right, made into their class without being validated again.

The hash shows that these are the bytes a writer wrote, and a writer writes only what pydantic has validated. So on the
way back it is enough that the fields are those of the class and that words are in its closed sets; that is half the
time of validating. Whatever is not so simple (models inside, tuples, another set of fields, an unknown word) is left to
pydantic, which then says what is wrong. :func:`live_trading.journal.verify.verify` validates every entry in full.
"""

from collections.abc import Callable
from datetime import datetime
from decimal import Decimal
from enum import Enum
from functools import lru_cache
from types import NoneType
from typing import Any, Final, Literal, cast, get_args, get_origin

from pydantic import BaseModel

from live_trading.domain.entries import EntryData
from live_trading.journal.shapes import alternatives

Facts = dict[str, Any]
Read = Callable[[Facts], EntryData]

_AS_THEY_ARE: Final = (str, int, float, bool, Decimal, datetime, NoneType, Any)
_MISSING: Final = object()

# What pydantic's own ``model_construct`` sets, without the detour through its ``__setattr__``.
_set_values = cast(Any, BaseModel.__dict__["__dict__"]).__set__
_set_fields_set = cast(Any, BaseModel.__dict__["__pydantic_fields_set__"]).__set__
_set_extra = cast(Any, BaseModel.__dict__["__pydantic_extra__"]).__set__
_set_private = cast(Any, BaseModel.__dict__["__pydantic_private__"]).__set__


@lru_cache(maxsize=256)  # every engine that starts asks for it
def reader_of(kind: type[EntryData]) -> Read:
    """What makes stored facts into ``kind``. It raises pydantic's ``ValidationError`` when they do not fit."""
    validate: Read = kind.__pydantic_validator__.validate_python
    fields = kind.model_fields
    if not all(_is_simple(field.annotation) for field in fields.values()):
        return validate
    blank: Facts = {}
    fresh: list[tuple[str, Any]] = []
    for name, field in fields.items():
        default = _MISSING if field.is_required() else field.get_default(call_default_factory=True, validated_data={})
        blank[name] = default
        if isinstance(default, (dict, list)):
            fresh.append((name, default))
    words = [(name, members) for name, field in fields.items() if (members := _members(field.annotation))]
    required = frozenset(name for name, field in fields.items() if field.is_required())
    names, count = set(fields), len(fields)
    make = object.__new__

    def read(facts: Facts) -> EntryData:
        values = {**blank, **facts}
        if len(values) != count or not required.issubset(facts):
            return validate(facts)
        try:
            for name, members in words:
                values[name] = members[values[name]]
        except (KeyError, TypeError):
            return validate(facts)
        for name, default in fresh:
            if values[name] is default:
                values[name] = default.copy()
        data = make(kind)
        _set_values(data, values)
        _set_fields_set(data, names)  # shared: the models are frozen, and a copy of one copies the set
        _set_extra(data, None)
        _set_private(data, None)
        return data

    return read


def _is_enum(part: Any) -> bool:
    return isinstance(part, type) and issubclass(part, Enum)


def _is_simple(annotation: Any) -> bool:
    parts = alternatives(annotation)
    if not all(
        part in _AS_THEY_ARE or _is_enum(part) or get_origin(part) is Literal or part == dict[str, Any]
        for part in parts
    ):
        return False
    # A word of one set among other possibilities would need to be told from them.
    return all(_is_enum(part) or part is NoneType for part in parts) or not any(map(_is_enum, parts))


def _members(annotation: Any) -> dict[Any, Any]:
    """What stands in the document, and what it means: for closed sets of words."""
    parts = alternatives(annotation)
    members: dict[Any, Any] = {}
    for part in parts:
        if _is_enum(part):
            members.update({member.value: member for member in part} | {member: member for member in part})
        elif get_origin(part) is Literal:
            members.update({word: word for word in get_args(part)})
        elif part is NoneType:
            continue
        else:
            return {}
    if members and NoneType in parts:
        members[None] = None
    return members
