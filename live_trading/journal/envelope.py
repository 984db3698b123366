"""The envelope's BSON, written directly.

Every element but ``action_data`` has a fixed name, type and place (https://bsonspec.org/spec.html), so the bytes around
the facts are put together from a few constants, at a third of what the driver's encoder takes for them. They are, byte
for byte, what that encoder makes of the same document; the tests compare the two.
"""

from datetime import UTC, datetime
from functools import lru_cache
from struct import Struct
from typing import Final

from bson import ObjectId

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_INT32_LIMIT: Final = 1 << 31

# The elements' types and names; those of the hashes with their length too.
ID: Final = b"\x12_id\x00"
OPERATION: Final = b"\x07operation_id\x00"
NO_OPERATION: Final = b"\x0aoperation_id\x00"
FACTS: Final = b"\x03action_data\x00"
TIMESTAMP: Final = b"\x09timestamp\x00"
CORRELATION: Final = b"\x12correlation_id\x00"
CAUSATION: Final = b"\x12causation_id\x00"
NO_CAUSATION: Final = b"\x0acausation_id\x00"
PREVIOUS_HASH: Final = b"\x05previous_hash\x00\x20\x00\x00\x00\x00"
HASH: Final = b"\x05hash\x00\x20\x00\x00\x00\x00"
_int64: Final = Struct("<q").pack


def _integer(name: bytes, value: int) -> bytes:
    """An integer as the driver writes it: 32 bits where it fits, else 64."""
    if value < _INT32_LIMIT:
        return b"\x10" + name + b"\x00" + value.to_bytes(4, "little")
    return b"\x12" + name + b"\x00" + value.to_bytes(8, "little")


def _string(name: bytes, value: str) -> bytes:
    text = value.encode() + b"\x00"
    return b"\x02" + name + b"\x00" + len(text).to_bytes(4, "little") + text


@lru_cache(maxsize=1024)
def _type(action_type: str, action_version: int) -> bytes:
    return _string(b"action_type", action_type) + _integer(b"action_version", action_version) + FACTS


@lru_cache(maxsize=1024)
def _origin(epoch: int, actor: str) -> bytes:
    return _integer(b"epoch", epoch) + _string(b"actor", actor)


def date_bytes(value: datetime) -> bytes:
    """An aware time as BSON keeps it: milliseconds since 1970, signed, 8 bytes."""
    since = value - _EPOCH
    return _int64((since.days * 86_400 + since.seconds) * 1000 + since.microseconds // 1000)


_timestamp = lru_cache(maxsize=64)(date_bytes)  # many entries are of one moment


def canonical_bytes(
    sequence_number: int,
    operation_id: ObjectId | None,
    action_type: str,
    action_version: int,
    facts: bytes,
    timestamp: datetime,
    epoch: int,
    actor: str,
    correlation_id: int,
    causation_id: int | None,
    previous_hash: bytes,
) -> bytes:
    """An entry's elements ``_id`` to ``previous_hash``; ``facts`` is the whole BSON document of ``action_data``.

    ``timestamp`` is aware and cut to the millisecond, ``epoch`` is not negative, ``previous_hash`` has 32 bytes.
    """
    return b"".join(
        (
            ID,
            _int64(sequence_number),
            NO_OPERATION if operation_id is None else OPERATION + operation_id.binary,
            _type(action_type, action_version),
            facts,
            TIMESTAMP,
            _timestamp(timestamp),
            _origin(epoch, actor),
            CORRELATION,
            _int64(correlation_id),
            NO_CAUSATION if causation_id is None else CAUSATION + _int64(causation_id),
            PREVIOUS_HASH,
            previous_hash,
        )
    )
