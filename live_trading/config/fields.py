"""The schema read as a flat list of dotted keys, for loading, explaining and rendering it."""

import types
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from pathlib import Path
from typing import Any, Union, get_args, get_origin

from annotated_types import Ge, Gt, Le, MinLen
from pydantic import SecretStr
from pydantic.fields import FieldInfo

from live_trading.config.section import Section

_TYPE_NAMES: dict[Any, str] = {
    bool: "true or false",
    int: "a whole number",
    float: "a number",
    Decimal: "a decimal number",
    str: "text",
    Path: "a path",
    SecretStr: "secret text",
}


_NONSENSE = Decimal(10) ** 9


@dataclass(frozen=True, slots=True)
class Leaf:
    """One setting, described."""

    name: str
    description: str
    unit: str
    env: str
    default: Any
    type: Any
    optional: bool
    bounds: str

    @property
    def secret(self) -> bool:
        return self.type is SecretStr

    @property
    def choices(self) -> str:
        """``PAPER, IBKR or OANDA`` where only certain words may be given; else empty."""
        if not (isinstance(self.type, type) and issubclass(self.type, StrEnum)):
            return ""
        *others, last = [member.value for member in self.type]
        return f"{', '.join(others)} or {last}"

    @property
    def type_name(self) -> str:
        """What may be given, in words: ``a whole number`` or ``PAPER, IBKR or OANDA``."""
        return self.choices or _TYPE_NAMES[self.type]

    @property
    def expected(self) -> str:
        """The type with its bounds: ``a whole number from 1 to 65535, or null``."""
        return f"{self.type_name} {self.bounds}".strip() + (", or null" if self.optional else "")


def section_of(field: FieldInfo) -> type[Section] | None:
    """The section class of a field that is a section; None for a setting."""
    kind = field.annotation
    return kind if isinstance(kind, type) and issubclass(kind, Section) else None


def leaf(name: str, field: FieldInfo) -> Leaf:
    """Describe one setting."""
    extra = field.json_schema_extra if isinstance(field.json_schema_extra, dict) else {}
    kinds = [field.annotation]
    if get_origin(field.annotation) in (types.UnionType, Union):
        kinds = list(get_args(field.annotation))
    return Leaf(
        name=name,
        description=field.description or "",
        unit=str(extra.get("unit", "")),
        env=str(extra.get("env", "")),
        default=field.default,
        type=next(kind for kind in kinds if kind is not type(None)),
        optional=type(None) in kinds,
        bounds=_bounds(field),
    )


def leaves(model: type[Section], prefix: str = "") -> Iterator[tuple[str, Leaf]]:
    """Every setting under ``model`` with its dotted key, in the order of the schema."""
    for name, field in model.model_fields.items():
        inner = section_of(field)
        if inner is not None:
            yield from leaves(inner, f"{prefix}{name}.")
        else:
            yield prefix + name, leaf(name, field)


def keys(model: type[Section], prefix: str = "") -> Iterator[str]:
    """Every dotted key under ``model``, sections too."""
    for name, field in model.model_fields.items():
        yield prefix + name
        inner = section_of(field)
        if inner is not None:
            yield from keys(inner, f"{prefix}{name}.")


def _bounds(field: FieldInfo) -> str:
    """The limits in words: ``from 1 to 300``, ``more than 0, at most 1``, ``of at least 32 characters``.

    Upper limits that only keep nonsense out (a thousand million and more) are checked but not worth the words.
    """
    rules = [rule for rule in field.metadata if not (isinstance(rule, Le) and _number(rule.le) >= _NONSENSE)]
    has_low = any(isinstance(rule, Ge) for rule in rules)
    parts = []
    for rule in rules:
        if isinstance(rule, Ge):
            parts.append(f"from {rule.ge}")
        elif isinstance(rule, Gt):
            parts.append(f"more than {rule.gt}")
        elif isinstance(rule, Le):
            parts.append(f"to {rule.le}" if has_low else f"at most {rule.le}")
        elif isinstance(rule, MinLen) and rule.min_length > 1:
            parts.append(f"of at least {rule.min_length} characters")
    return (" " if has_low else ", ").join(parts)


def _number(bound: Any) -> Decimal:
    return Decimal(str(bound))
