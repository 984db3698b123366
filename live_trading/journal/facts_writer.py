"""Facts to BSON: for each class of simple fields a function of its own, made when the catalogue is read.

The driver's encoder walks a dictionary and asks of every value what it is, and of every ``Decimal`` how it is to be
kept. A class says all that once. So its function is put together from a line or two a field (as ``dataclasses`` puts
together an ``__init__``), and takes half the driver's time. What it writes is, byte for byte, what the driver would
write of the same facts (https://bsonspec.org/spec.html); the tests compare the two.
"""

from collections.abc import Callable, Iterator
from datetime import datetime
from decimal import Decimal
from enum import Enum
from functools import lru_cache
from struct import Struct
from types import NoneType
from typing import Any, Final, Literal, NamedTuple, get_args, get_origin

from live_trading.domain.entries import EntryData
from live_trading.journal.decimals import bid_bytes
from live_trading.journal.envelope import date_bytes
from live_trading.journal.shapes import alternatives, nulls_that_matter

Write = Callable[[dict[str, Any]], bytes]
"""A model's ``__dict__`` to the BSON document of its facts."""

_NULL: Final = 0x0A
_int32: Final = Struct("<i").pack


class _Lengths(dict[int, bytes]):
    """The length in front of a string, by the number of its bytes without the final NUL. Most strings are short: to
    look one up takes half the time of packing it."""

    def __missing__(self, count: int) -> bytes:
        return _int32(count + 1)


_LENGTHS: Final = _Lengths({count: _int32(count + 1) for count in range(256)})


def _string(value: str) -> bytes:
    text = value.encode()
    return _LENGTHS[len(text)] + text + b"\x00"


class NotFlat(Exception):  # noqa: N818 - it says what the value is not
    """An open dictionary holds something that only :func:`live_trading.journal.shapes.plain` knows what to make of."""


_float64: Final = Struct("<d").pack


@lru_cache(maxsize=1024)
def _key(element: int, key: str) -> bytes:
    if key.startswith("$") or "\x00" in key:
        raise NotFlat
    return _header(element, key)


def _flat_document(values: dict[str, Any]) -> bytes:
    """An open dictionary of the values strategies look at: texts, floats, decimals, yes and no, nothing. They are plain
    already, so what is read back is what is there. Raises :class:`NotFlat` for any other."""
    parts: list[bytes] = []
    for key, value in values.items():
        kind = type(value)
        if type(key) is not str:
            raise NotFlat
        if kind is float:
            parts += (_key(0x01, key), _float64(value))
        elif kind is str:
            parts += (_key(0x02, key), _string(value))
        elif kind is Decimal:
            parts += (_key(0x13, key), bid_bytes(str(value)))
        elif kind is bool:
            parts += (_key(0x08, key), b"\x01" if value else b"\x00")
        elif value is None:
            parts.append(_key(_NULL, key))
        else:
            raise NotFlat
    body = b"".join(parts)
    return _int32(len(body) + 5) + body + b"\x00"


class _Way(NamedTuple):
    """How a kind of value is written: the element's type, and the expression for the bytes of a value ``{v}``."""

    element: int
    expression: str


_WAYS: Final = {
    str: _Way(0x02, "lengths[len(v := {v}.encode())] + v + b'\\x00'"),
    Decimal: _Way(0x13, "bid_bytes(str({v}))"),
    datetime: _Way(0x09, "date_bytes({v})"),
    bool: _Way(0x08, "b'\\x01' if {v} else b'\\x00'"),
}
_OPEN: Final = _Way(0x03, "flat_document({v})")
_SCOPE: Final = {
    "int32": _int32,
    "lengths": _LENGTHS,
    "bid_bytes": bid_bytes,
    "date_bytes": date_bytes,
    "flat_document": _flat_document,
}
_TEXT: Final = "lengths[len(v := {v}.encode())], v, b'\\x00'"  # the same in parts, which are joined anyway


@lru_cache(maxsize=256)  # every engine that starts asks for it
def writer_of(kind: type[EntryData]) -> Write | None:
    """What writes ``kind``'s facts; None when a field is of a shape that only the driver's encoder knows. Of facts with
    an open dictionary it raises :class:`NotFlat` where those do too."""
    keep = nulls_that_matter(kind)
    scope: dict[str, Any] = dict(_SCOPE)
    parts: list[str] = []
    for number, (field, info) in enumerate(kind.model_fields.items()):
        name, null, value = f"name{number}", f"null{number}", f"values[{field!r}]"
        kinds = alternatives(info.annotation)
        way = _way_of([part for part in kinds if part is not NoneType], scope, f"words{number}")
        if way is None:
            return None
        scope[name] = _header(way.element, field)
        scope[null] = _header(_NULL, field) if field in keep else b""
        if NoneType in kinds:
            parts.append(f"{null} if (v := {value}) is None else {name} + ({way.expression.format(v='v')}),")
        else:
            expression = _TEXT if way is _WAYS[str] else way.expression
            parts.append(f"{name}, {expression.format(v=value)},")
    lines = (
        "def write(values):",
        f"    body = b''.join(({' '.join(parts)}))",
        "    return int32(len(body) + 5) + body + b'\\x00'",
    )
    exec("\n".join(lines), scope)  # noqa: S102 - nothing in it but the names of a class's own fields
    write: Write = scope["write"]
    return write


def _header(element: int, name: str) -> bytes:
    return bytes((element,)) + name.encode() + b"\x00"


def _way_of(kinds: list[Any], scope: dict[str, Any], words: str) -> _Way | None:
    if len(kinds) == 1 and kinds[0] in _WAYS:
        return _WAYS[kinds[0]]
    if kinds == [dict[str, Any]]:
        return _OPEN
    if not kinds or not all(_words(kind) for kind in kinds):
        return None
    scope[words] = {word: _string(word) for kind in kinds for word in _words(kind)}
    return _Way(0x02, words + "[{v}]")


def _words(kind: Any) -> tuple[str, ...]:
    """The words of a closed set; nothing for any other kind."""
    if get_origin(kind) is Literal:
        members: Iterator[Any] = iter(get_args(kind))
    elif isinstance(kind, type) and issubclass(kind, str) and issubclass(kind, Enum):
        members = (member.value for member in kind)
    else:
        return ()
    words = tuple(members)
    return words if all(type(word) is str for word in words) else ()
