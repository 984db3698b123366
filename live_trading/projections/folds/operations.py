"""The meaning of the entries of an operation's life."""

from collections.abc import Callable
from functools import wraps
from typing import Any

import msgspec

from live_trading.domain import entries as e
from live_trading.domain.entries import Entry
from live_trading.domain.ids import sequence_of
from live_trading.domain.values import OperationStatus
from live_trading.projections.ledger import Ledger
from live_trading.projections.state import ExitIntent, Operation

Fold = Callable[[Ledger, Entry, Any, Operation], None]


def with_operation(fold: Fold) -> Callable[[Ledger, Entry, Any], None]:
    """Look the entry's operation up, and note that it changed; an unknown one is an anomaly."""

    @wraps(fold)
    def handler(ledger: Ledger, entry: Entry, data: Any) -> None:
        operation = ledger.operation(entry.operation_id)
        if operation is None:
            ledger.note(entry.sequence_number, f"{entry.action_type} for an unknown operation {entry.operation_id}")
            return
        fold(ledger, entry, data, operation)
        touch(ledger, operation, entry)

    return handler


def touch(ledger: Ledger, operation: Operation, entry: Entry) -> None:
    operation.touched = entry.sequence_number
    operation.updated_at = entry.timestamp
    ledger.changed.append(operation)


def _created(ledger: Ledger, entry: Entry, data: e.OperationCreated) -> None:
    number = sequence_of(entry.operation_id) if entry.operation_id is not None else 0
    if not number or number in ledger.state.operations:
        ledger.note(entry.sequence_number, f"an operation under the id {entry.operation_id}: none, or taken already")
        return
    instrument = data.instrument
    operation = Operation(
        number=number,
        settings=data.settings.model_dump(mode="json"),
        instrument=instrument.model_dump(mode="json"),
        symbol=instrument.symbol,
        broker=data.settings.broker,
        currency=instrument.currency,
        multiplier=instrument.multiplier,
        initial_capital=data.settings.initial_capital,
        created_at=entry.timestamp,
        updated_at=entry.timestamp,
    )
    ledger.state.operations[number] = operation
    touch(ledger, operation, entry)


def _updated(ledger: Ledger, entry: Entry, data: e.OperationUpdated, operation: Operation) -> None:
    # Plain values, as in a snapshot: what is folded live must equal what is folded from one.
    operation.settings = {**operation.settings, **msgspec.to_builtins(data.changes, enc_hook=str)}


def _set_status(operation: Operation, status: OperationStatus, reason: str) -> None:
    if operation.status is not OperationStatus.CLOSED:
        operation.status, operation.status_reason = status, reason


def _paused(ledger: Ledger, entry: Entry, data: e.OperationPaused, operation: Operation) -> None:
    _set_status(operation, OperationStatus.PAUSED, data.reason)


def _resumed(ledger: Ledger, entry: Entry, data: e.OperationResumed, operation: Operation) -> None:
    _set_status(operation, OperationStatus.ACTIVE, data.reason)


def _failed(ledger: Ledger, entry: Entry, data: e.OperationFailed, operation: Operation) -> None:
    if operation.status is not OperationStatus.CLOSING:
        _set_status(operation, OperationStatus.ERROR, data.reason)


def _close_requested(ledger: Ledger, entry: Entry, data: e.PositionCloseRequested, operation: Operation) -> None:
    if operation.quantity:
        operation.exit_intent = ExitIntent(entry.sequence_number, entry.correlation_id, data.reason)


def _closing(ledger: Ledger, entry: Entry, data: e.OperationClosing, operation: Operation) -> None:
    _set_status(operation, OperationStatus.CLOSING, data.reason)
    if operation.quantity and operation.exit_intent is None:
        operation.exit_intent = ExitIntent(entry.sequence_number, entry.correlation_id, data.reason or "closing")


def _closed(ledger: Ledger, entry: Entry, data: e.OperationClosed, operation: Operation) -> None:
    operation.status, operation.status_reason = OperationStatus.CLOSED, ""
    operation.closed_at = entry.timestamp


def _nothing(ledger: Ledger, entry: Entry, data: Any, operation: Operation) -> None:
    """Kept in the journal for people; only the operation's ``updated_at`` follows from it."""


HANDLERS: dict[str, Callable[[Ledger, Entry, Any], None]] = {
    "OPERATION_CREATED": _created,
    "OPERATION_UPDATED": with_operation(_updated),
    "OPERATION_PAUSED": with_operation(_paused),
    "OPERATION_RESUMED": with_operation(_resumed),
    "OPERATION_FAILED": with_operation(_failed),
    "POSITION_CLOSE_REQUESTED": with_operation(_close_requested),
    "OPERATION_CLOSING": with_operation(_closing),
    "OPERATION_CLOSED": with_operation(_closed),
    "NOTE_ADDED": with_operation(_nothing),
}
