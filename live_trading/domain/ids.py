"""Ids that are functions of sequence numbers.

A rebuild must give the same documents byte for byte, and an order must be found again by an id that was known before
it was sent. So nothing here is random: the same journal gives the same ids, and a sequence number is never reused.
"""

import hashlib
from enum import StrEnum
from functools import lru_cache

from bson import ObjectId

_ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
_PAIRS = tuple(high + low for high in _ALPHABET for low in _ALPHABET)
_DEPLOYMENT_LENGTH = 6
_OPERATION_LENGTH = 4
_SEQUENCE_LENGTH = 10  # 36**10 = 3.6e15 entries

CLIENT_ORDER_ID_LENGTH = _DEPLOYMENT_LENGTH + _OPERATION_LENGTH + _SEQUENCE_LENGTH
"""20 characters: the shortest client id field of the brokers we know (Kite's ``tag``)."""

ADOPTED = "adopted-"
"""How the id of an execution begins that a person booked for what the broker had and the journal had not."""


class Kind(StrEnum):
    """What a derived id names; three letters that make up the id's first bytes."""

    OPERATION = "opn"
    ORDER = "ord"
    TRANSACTION = "txn"
    POSITION = "pos"
    TRADE = "trd"
    NOTE = "nte"


@lru_cache(maxsize=4096)  # an order's way asks for its operation's id a dozen times
def derived_id(kind: Kind, sequence_number: int, part: int = 0) -> ObjectId:
    """The id of what the entry ``sequence_number`` brought about; ``part`` tells several apart.

    12 bytes: three letters of ``kind``, seven bytes sequence number (big-endian), two bytes ``part``, so ids of a kind
    sort by the entry that made them. ``part`` over 65,535 raises ``OverflowError``.
    """
    return ObjectId(kind.value.encode() + sequence_number.to_bytes(7) + part.to_bytes(2))


def sequence_of(identifier: ObjectId) -> int:
    """The sequence number inside a derived id."""
    return int.from_bytes(identifier.binary[3:10])


def _base36(number: int, length: int) -> str:
    """``length`` digits, an even number of them: two at a time."""
    text = ""
    for _ in range(length // 2):
        number, pair = divmod(number, 1296)
        text = _PAIRS[pair] + text
    if number:
        raise OverflowError("the number does not fit")
    return text


@lru_cache(maxsize=64)
def deployment_tag(deployment_id: str) -> str:
    """The first six characters of every client order id of one journal. Others' orders do not begin with it."""
    digest = hashlib.sha256(deployment_id.encode()).digest()
    return _base36(int.from_bytes(digest[:8]) % 36**_DEPLOYMENT_LENGTH, _DEPLOYMENT_LENGTH)


def client_order_id(deployment_id: str, operation_id: ObjectId, sequence_number: int) -> str:
    """Our name for an order, known before it is sent: 20 upper-case letters and digits.

    A function of the deployment (a journal's own id, made at its birth), the operation and the sequence number of the
    ``ORDER_REQUESTED`` entry that is the intent. Never random, never reused.
    """
    operation = _base36(sequence_of(operation_id) % 36**_OPERATION_LENGTH, _OPERATION_LENGTH)
    return deployment_tag(deployment_id) + operation + _base36(sequence_number, _SEQUENCE_LENGTH)


def intent_sequence_number(client_id: str) -> int:
    """The sequence number of the ``ORDER_REQUESTED`` entry that a client order id names."""
    return int(client_id[-_SEQUENCE_LENGTH:], 36)


def is_ours(deployment_id: str, client_id: str | None) -> bool:
    """Whether a client order id was made by this journal."""
    return (
        client_id is not None
        and len(client_id) == CLIENT_ORDER_ID_LENGTH
        and client_id.startswith(deployment_tag(deployment_id))
    )


def is_adopted(execution_id: str) -> bool:
    """Whether an execution was booked by a person, so that the broker has none under this id."""
    return execution_id.startswith(ADOPTED)
