"""Entries of an operation's life."""

from typing import Any, ClassVar

from live_trading.domain.entries.envelope import CommandEntryData, EntryData
from live_trading.domain.instrument import Instrument
from live_trading.domain.operation import OperationSettings


class OperationCreated(CommandEntryData):
    """A person started an operation. It carries all settings and the instrument as the broker described it.

    ``warning``: what the broker cannot hold of its protections, told to whoever created it.
    """

    ACTION_TYPE: ClassVar[str] = "OPERATION_CREATED"
    settings: OperationSettings
    instrument: Instrument
    warning: str | None = None


class OperationUpdated(CommandEntryData):
    """Settings were changed; ``changes`` holds the new values only, in their JSON form."""

    ACTION_TYPE: ClassVar[str] = "OPERATION_UPDATED"
    changes: dict[str, Any]


class OperationPaused(CommandEntryData):
    """Data goes on, the strategy no longer enters; protections and exits stay."""

    ACTION_TYPE: ClassVar[str] = "OPERATION_PAUSED"
    reason: str = ""


class OperationResumed(CommandEntryData):
    """Trading goes on after a pause or an error."""

    ACTION_TYPE: ClassVar[str] = "OPERATION_RESUMED"
    reason: str = ""


class PositionCloseRequested(CommandEntryData):
    """The open position is to be closed at market; the operation goes on afterwards.

    Whatever happens to the engine now, the position ends flat: the intent is part of the ledger until it is.
    """

    ACTION_TYPE: ClassVar[str] = "POSITION_CLOSE_REQUESTED"
    reason: str


class OperationClosing(CommandEntryData):
    """The operation is to end: working orders cancelled, position closed at market, then OPERATION_CLOSED."""

    ACTION_TYPE: ClassVar[str] = "OPERATION_CLOSING"
    reason: str = ""


class OperationClosed(EntryData):
    """The operation is flat, has no working order, and has ended."""

    ACTION_TYPE: ClassVar[str] = "OPERATION_CLOSED"


class OperationFailed(EntryData):
    """The operation is held in status ``error`` until a person resumes or closes it. Protections stay at the broker."""

    ACTION_TYPE: ClassVar[str] = "OPERATION_FAILED"
    reason: str
    detail: str = ""


class NoteAdded(CommandEntryData):
    """A person wrote something down."""

    ACTION_TYPE: ClassVar[str] = "NOTE_ADDED"
    text: str
