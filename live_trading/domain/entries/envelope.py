"""The envelope: what every journal entry has, whatever it says."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Annotated, Any, ClassVar, Final, NamedTuple

import msgspec
from bson import ObjectId
from pydantic import AfterValidator, BaseModel, ConfigDict

GENESIS_HASH: Final = bytes(32)
"""``previous_hash`` of entry 1."""

ENGINE: Final = "engine"
RECOVERY: Final = "recovery"


def _to_the_millisecond(value: datetime) -> datetime:
    if value.tzinfo is None:
        raise ValueError("the time has no time zone; times here are aware UTC")
    if value.tzinfo is not UTC:
        value = value.astimezone(UTC)
    microsecond = value.microsecond
    return value.replace(microsecond=microsecond - microsecond % 1000) if microsecond % 1000 else value


UtcTime = Annotated[datetime, AfterValidator(_to_the_millisecond)]
"""An aware time in UTC, cut to the millisecond, so that what is folded live equals what BSON gives back."""


class EntryData(BaseModel):
    """The facts of one entry (``action_data``). Subclasses are past-tense facts, one class an ``action_type``."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    ACTION_TYPE: ClassVar[str]
    ACTION_VERSION: ClassVar[int] = 1


class CommandEntryData(EntryData):
    """Facts that a person's command brought about: the command's id makes it act exactly once."""

    command_id: str | None = None


class Entry(NamedTuple):
    """One record of the journal. Immutable; its ``sequence_number`` is its identity and its place in time."""

    sequence_number: int
    operation_id: ObjectId | None
    action_type: str
    action_version: int
    data: Any
    """The :class:`EntryData` of ``action_type``. Typed ``Any`` for the sake of folds that switch on the type's name."""
    timestamp: datetime
    epoch: int
    actor: str
    correlation_id: int
    causation_id: int | None
    previous_hash: bytes
    hash: bytes


class Previous:
    """Marks a draft as caused by the draft before it in the same append."""


PREVIOUS: Final = Previous()


class Draft(msgspec.Struct, frozen=True):
    """An entry not yet numbered.

    ``data`` (and ``operation_id``) may be a function of the sequence number the entry gets, for facts that name
    themselves by it, such as an order's client id. ``caused_by`` is the entry that directly caused this one,
    ``PREVIOUS`` for the draft before it in the same append, or None for the first of a chain; the correlation id is
    the cause's, so a whole chain is found by the number of the entry that began it.
    """

    data: EntryData | Callable[[int], EntryData]
    operation_id: ObjectId | Callable[[int], ObjectId] | None = None
    actor: str = ENGINE
    caused_by: "Entry | Cause | Previous | None" = None


class Cause(NamedTuple):
    """A cause known by its numbers only (as the ledger keeps them)."""

    sequence_number: int
    correlation_id: int
