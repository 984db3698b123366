"""The envelope read from its bytes: the way back of :mod:`~live_trading.journal.envelope`.

The writer lays an entry's elements out in one way only. So everything around ``action_data`` is found by its place, the
hash is checked in the same pass, and the driver decodes the facts alone: a decoder that walks the whole document makes
a string of each element's name and a dictionary of them all, to be taken apart at once.

This is the fast way for what is sound and laid out as the writer does it. About anything else it says nothing but None,
and the caller goes the slow way, element by element, which tells what is wrong and where.
"""

import hashlib
import struct
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from struct import Struct
from typing import Any, Final

import bson
from bson import ObjectId
from bson.errors import BSONError

from live_trading.journal.envelope import (
    CAUSATION,
    CORRELATION,
    FACTS,
    HASH,
    ID,
    NO_CAUSATION,
    NO_OPERATION,
    OPERATION,
    PREVIOUS_HASH,
    TIMESTAMP,
)

Row = list[Any]
"""An entry's fields in their order, ``action_data`` still to be put in its place (:data:`DATA`)."""

DATA: Final = 4

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_TYPE_AT: Final = len(b"\x02action_type\x00")
_BEHIND_TYPE: Final = _TYPE_AT + 4 + len(b"\x10action_version\x00") + 4 + len(FACTS)
"""From ``action_type`` to the facts, but for the type's name."""

_START: Final = Struct("<i5sq14s")  # the length, _id, the type and name of operation_id
_LENGTH: Final = Struct("<i")
_TIME: Final = Struct("<11sq")
_CAUSED: Final = Struct("<16sq14sq20s32s11s32sB")  # correlation_id to the final NUL
_UNCAUSED: Final = Struct("<16sq14s20s32s11s32sB")
_AFTER_CANONICAL: Final = len(HASH) + 32 + 1
_sha256 = hashlib.sha256

_operation = lru_cache(maxsize=4096)(ObjectId)  # an operation has many entries


@lru_cache(maxsize=1024)
def _kind(header: bytes) -> tuple[str, int]:
    """``action_type`` and ``action_version`` from their elements' bytes, the head of ``action_data`` behind them.
    Raises ``ValueError`` for any others."""
    if not header.endswith(FACTS):
        raise ValueError("no action_data in its place")
    action_type, version = _pair(header[: -len(FACTS)], "action_type", "action_version")
    return action_type, int(version)


@lru_cache(maxsize=1024)
def _origin(elements: bytes) -> tuple[int, str]:
    """``epoch`` and ``actor`` from their elements' bytes. Raises ``ValueError`` for any others."""
    epoch, actor = _pair(elements, "epoch", "actor")
    return int(epoch), actor


def _pair(elements: bytes, first: str, second: str) -> tuple[Any, Any]:
    found = bson.decode(_LENGTH.pack(len(elements) + 5) + elements + b"\x00")
    if list(found) != [first, second]:
        raise ValueError(f"not {first} and {second}")
    return found[first], found[second]


def read_envelopes(documents: bytes, after: int, previous_hash: bytes | None) -> tuple[list[Row], bytes] | None:
    """The envelopes of documents laid end to end, and their facts' documents laid end to end.

    They are numbered from ``after + 1`` without a gap, every hash is right, and each follows from the one before it,
    the first from ``previous_hash`` (None: that link is taken on trust). None where that is not so, or where the layout
    is not the writer's.
    """
    try:
        return _read(documents, after, previous_hash)
    except (BSONError, ValueError, OverflowError, IndexError, struct.error):
        return None


def _read(documents: bytes, after: int, previous_hash: bytes | None) -> tuple[list[Row], bytes] | None:
    rows: list[Row] = []
    facts: list[bytes] = []
    start, caused, time_at, length_at = _START.unpack_from, _CAUSED.unpack_from, _TIME.unpack_from, _LENGTH.unpack_from
    position, end, number = 0, len(documents), after
    while position < end:
        number += 1
        length, name, found, operation = start(documents, position)
        past = position + length
        if past > end or name != ID or found != number:
            return None
        tail = past - _CAUSED.size
        correlated, correlation, causes, causation, follows, before, hashes, digest, last = caused(documents, tail)
        if causes != CAUSATION:
            tail = past - _UNCAUSED.size
            causation = None
            correlated, correlation, causes, follows, before, hashes, digest, last = _UNCAUSED.unpack_from(
                documents, tail
            )
            if causes != NO_CAUSATION:
                return None
        if (
            correlated != CORRELATION
            or follows != PREVIOUS_HASH
            or hashes != HASH
            or last != 0
            or _sha256(documents[position + 4 : past - _AFTER_CANONICAL]).digest() != digest
            or (before != previous_hash and previous_hash is not None)
        ):
            return None
        previous_hash = digest
        operation_id, at = None, position + 31
        if operation == OPERATION:
            operation_id, at = _operation(documents[at : at + 12]), at + 12
        elif operation != NO_OPERATION:
            return None
        facts_at = at + _BEHIND_TYPE + documents[at + _TYPE_AT]  # no type's name is as long as 255 bytes
        action_type, version = _kind(documents[at:facts_at])
        timed_at = facts_at + length_at(documents, facts_at)[0]
        timed, milliseconds = time_at(documents, timed_at)
        if timed != TIMESTAMP or timed_at < facts_at:
            return None
        facts.append(documents[facts_at:timed_at])
        epoch, actor = _origin(documents[timed_at + 19 : tail])
        timestamp = _EPOCH + timedelta(0, 0, 0, milliseconds)
        rows.append(
            [
                number,
                operation_id,
                action_type,
                version,
                None,
                timestamp,
                epoch,
                actor,
                correlation,
                causation,
                before,
                digest,
            ]
        )
        position = past
    return rows, b"".join(facts)
