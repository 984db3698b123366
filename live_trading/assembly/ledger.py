"""The ledger at start: the newest snapshot that holds good, and every entry after it."""

from collections.abc import Sequence
from typing import NamedTuple

import msgspec
import structlog

from live_trading.domain.entries import Entry
from live_trading.journal import ChainBroken, Head, JournalReader, Snapshots
from live_trading.projections import FOLD_VERSION, Ledger, apply
from live_trading.runtime import collector_paused

_log = structlog.get_logger(__name__)


class Restored(NamedTuple):
    """The ledger as of the journal's head; ``snapshot_at`` is the snapshot it began from, 0 for none."""

    ledger: Ledger
    snapshot_at: int


class Folded(NamedTuple):
    """A ledger, and the hash of the last entry in it: what the next one must follow from."""

    ledger: Ledger
    chain_hash: bytes


async def restore_ledger(
    reader: JournalReader, snapshots: Snapshots, head: Head, folded: Folded | None = None, snapshot_at: int = 0
) -> Restored:
    """Fold the journal up to ``head``. Snapshots that do not hold good are left aside, with the reason logged.

    ``folded`` is what a standby has folded already, beginning from ``snapshot_at``: then only the rest is read. Raises
    a :class:`~live_trading.journal.errors.Damaged` when the journal is not sound: then nothing may trade on it.
    """
    if folded is None or folded.ledger.sequence_number > head.sequence_number:
        folded = await _from_snapshot(reader, snapshots, head.sequence_number)
        snapshot_at = folded.ledger.sequence_number
    if folded.ledger.sequence_number < head.sequence_number:
        with collector_paused():
            async for entries in reader.read_batches(folded.ledger.sequence_number, head.sequence_number):
                folded = fold_entries(folded, entries)
    return Restored(folded.ledger, snapshot_at)


def fold_entries(folded: Folded, entries: Sequence[Entry]) -> Folded:
    """Fold the entries that come next. Raises :class:`ChainBroken` where they do not follow."""
    ledger, first, last = folded.ledger, entries[0], folded.ledger.sequence_number
    if last and first.sequence_number == last + 1 and first.previous_hash != folded.chain_hash:
        raise ChainBroken(first.sequence_number, f"it does not follow from entry {last}, as folded before")
    for entry in entries:
        apply(ledger, entry)
    ledger.forget_changes()
    return Folded(ledger, entries[-1].hash)


async def _from_snapshot(reader: JournalReader, snapshots: Snapshots, at_most: int) -> Folded:
    while at_most > 0:
        found = await snapshots.load(FOLD_VERSION, at_most=at_most, reader=reader)
        for reason in found.ignored:
            _log.warning("a snapshot is left aside", reason=reason)
        snapshot = found.snapshot
        if snapshot is None:
            break
        try:
            return Folded(Ledger.from_bytes(snapshot.state), snapshot.chain_hash)
        except msgspec.DecodeError as error:
            _log.warning("a snapshot is left aside", reason=f"snapshot {snapshot.sequence_number}: {error}")
            at_most = snapshot.sequence_number - 1
    return Folded(Ledger(), bytes(32))
