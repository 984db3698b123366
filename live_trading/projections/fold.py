"""The fold: ``apply(ledger, entry)``, the one function that changes state.

A live engine and a rebuild run it over the same entries and end equal, byte for byte. It is total: a well-formed entry
that does not fit the state it meets (a commission for an execution nobody knows) is noted in ``anomalies`` and changes
nothing else, because a record that cannot be changed must never be able to stop the engine. An entry of a type this
program does not know, and a gap, raise instead: state computed past them would be wrong.
"""

import hashlib
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final

from live_trading.domain.entries import Entry
from live_trading.journal.errors import GapDetected, UnknownEntry
from live_trading.projections.book import crosses_zero
from live_trading.projections.folds import operations, orders, system
from live_trading.projections.ledger import Ledger
from live_trading.projections.state import Operation, Seen

RETAIN_FOR: Final = timedelta(days=8)
RETAIN_ENTRIES: Final = 10_000
"""What has ended stays in the ledger for at least so long and so many entries: a day longer than any broker's
look-back, so that a fill, a commission or a correction that comes late still finds what it belongs to."""

_SWEEP_EVERY: Final = 8_192

Handler = Callable[[Ledger, Entry, Any], None]
_HANDLERS: Final[dict[str, Handler]] = {**system.HANDLERS, **operations.HANDLERS, **orders.HANDLERS}


def apply(ledger: Ledger, entry: Entry) -> Ledger:
    """Fold one entry into the ledger, in place, and return it.

    Raises :class:`GapDetected` unless the entry is the next one, :class:`UnknownEntry` for a type without a meaning.
    """
    state = ledger.state
    number = entry.sequence_number
    if number != state.sequence_number + 1:
        raise GapDetected(state.sequence_number + 1, number)
    handler = _HANDLERS.get(entry.action_type)
    if handler is None:
        raise UnknownEntry(number, f"no meaning is known for {entry.action_type!r}")
    state.sequence_number = number
    state.timestamp = entry.timestamp
    state.epoch = entry.epoch
    if entry.timestamp.toordinal() != state.day:
        _begin_day(ledger, entry.timestamp.toordinal())
    data = entry.data
    handler(ledger, entry, data)
    # Not getattr: pydantic searches long for an attribute that is not there, which was a quarter of a rebuild's time.
    command_id = data.__dict__.get("command_id")
    if command_id is not None:
        state.commands.setdefault(command_id, Seen(number, entry.timestamp))
    if number % _SWEEP_EVERY == 0:
        _sweep(ledger, entry.timestamp)
    return ledger


def _begin_day(ledger: Ledger, day: int) -> None:
    """A new day, UTC: from here the day's loss is counted."""
    ledger.state.day = day
    for operation in ledger.state.operations.values():
        operation.day_start_pnl = operation.total_pnl


def _sweep(ledger: Ledger, now: datetime) -> None:
    """Let go of what ended long ago. Its read models stay; only the engine no longer needs it."""
    state = ledger.state
    oldest_time, oldest_number = now - RETAIN_FOR, state.sequence_number - RETAIN_ENTRIES

    def is_old(number: int, at: datetime) -> bool:
        return number < oldest_number and at < oldest_time

    for operation in state.operations.values():
        _retire_fills(ledger, operation, is_old)
        kept = {fill.client_order_id for fill in operation.fills}
        gone = [
            order.client_order_id
            for order in operation.orders.values()
            if order.status.is_terminal
            and order.client_order_id not in kept
            and is_old(order.touched, order.filled_at or order.cancelled_at or order.requested_at)
        ]
        for client_order_id in gone:
            del operation.orders[client_order_id], ledger.orders[client_order_id]
    for command_id in [key for key, seen in state.commands.items() if is_old(seen.number, seen.at)]:
        del state.commands[command_id]
    for external in (state.external_orders, state.external_fills):
        for key in [key for key, seen in external.items() if is_old(seen.number, seen.at)]:
            del external[key]


def _retire_fills(ledger: Ledger, operation: Operation, is_old: Callable[[int, datetime], bool]) -> None:
    """Let go of fills up to the last point that is old enough where the operation was flat or crossed zero."""
    count = 0
    for index, fill in enumerate(operation.fills):
        if not is_old(fill.number, fill.at):
            break
        if fill.flat_after:
            count = index + 1
        elif index and crosses_zero(fill):
            count = index
    if not count:
        return
    for fill in ledger.book(operation).retire(count):
        del ledger.executions[f"{fill.broker}|{fill.execution_id}"]


_PACKAGE = Path(__file__).parent.parent
_SOURCES = sorted(
    path for folder in ("projections/folds", "domain", "domain/entries") for path in (_PACKAGE / folder).glob("*.py")
) + [_PACKAGE / "projections" / name for name in ("state.py", "book.py", "ledger.py", "fold.py")]
FOLD_VERSION: Final = hashlib.sha256(b"".join(path.read_bytes() for path in _SOURCES)).hexdigest()[:16]
"""Changes with any change to the source of the fold or of what it folds, so that a snapshot made by other code is never
taken for one of this code's."""
