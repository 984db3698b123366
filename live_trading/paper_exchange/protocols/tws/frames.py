"""The TWS socket protocol's frames: a length of four bytes, big endian, and text fields that each end with a NUL.

Sources: ib_async's ``client.py`` and the official ``ibapi`` (``comm.py``, ``connection.py``).
"""

import asyncio
import struct
from collections.abc import Sequence
from decimal import Decimal, InvalidOperation

LARGEST_FRAME = 65_536
"""Bytes of a client's frame. The longest placeOrder there is has some thousands."""
GREETING = b"API\0"
UNSET_DOUBLE = Decimal("1.7976931348623157E+308")
UNSET_INTEGER = 2**31 - 1

Value = str | int | bool | Decimal | float | None


class BadFrame(Exception):  # noqa: N818 - it tells what came
    """Bytes that are not of the protocol. The connection they came on is of no more use."""


class BadField(Exception):  # noqa: N818
    """A message's field that is missing or cannot be read."""


async def read_frame(reader: asyncio.StreamReader) -> bytes:
    """The next frame's content; :class:`BadFrame` when its length cannot be."""
    (length,) = struct.unpack(">I", await reader.readexactly(4))
    if not 0 < length <= LARGEST_FRAME:
        raise BadFrame(f"a frame of {length} bytes")
    return await reader.readexactly(length)


def fields_of(frame: bytes) -> list[str]:
    """A frame's fields."""
    text = frame.decode("utf-8", errors="backslashreplace")
    return text.removesuffix("\0").split("\0")


def encode(*values: Value) -> bytes:
    """One message as a frame."""
    content = "".join(f"{_text(value)}\0" for value in values).encode()
    return struct.pack(">I", len(content)) + content


def _text(value: Value) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "1" if value else "0"
    if isinstance(value, Decimal):
        return number(value)
    return str(value).replace("\0", " ")


def number(value: Decimal) -> str:
    """A number without an exponent and without zeros that say nothing."""
    text = f"{value:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


class Fields:
    """A message's fields, taken from the front."""

    def __init__(self, fields: Sequence[str]) -> None:
        self._fields = fields
        self._next = 0

    @property
    def left(self) -> int:
        return len(self._fields) - self._next

    def text(self) -> str:
        if self._next >= len(self._fields):
            raise BadField(f"field {self._next} is missing")
        self._next += 1
        return self._fields[self._next - 1]

    def skip(self, count: int) -> None:
        for _ in range(count):
            self.text()

    def integer(self, default: int = 0) -> int:
        text = self.text()
        if not text:
            return default
        try:
            value = int(text)
        except ValueError:
            value = int(self._decimal(text))
        return default if value == UNSET_INTEGER else value

    def peek_integer(self) -> int:
        """The next field as a number, left where it is."""
        here = self._next
        value = self.integer()
        self._next = here
        return value

    def decimal(self) -> Decimal | None:
        """None where it is not set: empty, or the largest double."""
        text = self.text()
        if not text:
            return None
        value = self._decimal(text)
        return None if value >= UNSET_DOUBLE else value

    def flag(self) -> bool:
        text = self.text()
        return text not in ("", "0", "False", "false")

    def count(self, most: int = 100) -> int:
        """How many items follow."""
        value = self.integer()
        if not 0 <= value <= most:
            raise BadField(f"a count of {value}")
        return value

    def _decimal(self, text: str) -> Decimal:
        try:
            value = Decimal(text)
        except InvalidOperation:
            raise BadField(f"{text[:40]!r} is not a number") from None
        if not value.is_finite():
            raise BadField(f"{text[:40]!r} is not a number")
        return value
