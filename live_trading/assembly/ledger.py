"""The ledger at start: the newest snapshot that holds good, and every entry after it."""

from typing import NamedTuple

import msgspec
import structlog

from live_trading.journal import ChainBroken, Head, JournalReader, Snapshots
from live_trading.projections import FOLD_VERSION, Ledger, apply
from live_trading.runtime import collector_paused

_log = structlog.get_logger(__name__)


class Restored(NamedTuple):
    """The ledger as of the journal's head; ``snapshot_at`` is the snapshot it began from, 0 for none."""

    ledger: Ledger
    snapshot_at: int


async def restore_ledger(reader: JournalReader, snapshots: Snapshots, head: Head) -> Restored:
    """Fold the journal up to ``head``. Snapshots that do not hold good are left aside, with the reason logged.

    Raises a :class:`~live_trading.journal.errors.Damaged` when the journal is not sound: then nothing may trade on it.
    """
    ledger, chain_hash = await _from_snapshot(reader, snapshots, head.sequence_number)
    began = ledger.sequence_number
    if began < head.sequence_number:
        with collector_paused():
            await _fold(ledger, chain_hash, reader, head.sequence_number)
    return Restored(ledger, began)


async def _fold(ledger: Ledger, chain_hash: bytes, reader: JournalReader, to: int) -> None:
    began = ledger.sequence_number
    async for entries in reader.read_batches(began, to):
        first = entries[0]
        if first.sequence_number == began + 1 and began and first.previous_hash != chain_hash:
            raise ChainBroken(first.sequence_number, f"it does not follow from entry {began}, as of the snapshot")
        for entry in entries:
            apply(ledger, entry)
        ledger.forget_changes()


async def _from_snapshot(reader: JournalReader, snapshots: Snapshots, at_most: int) -> tuple[Ledger, bytes]:
    while at_most > 0:
        found = await snapshots.load(FOLD_VERSION, at_most=at_most, reader=reader)
        for reason in found.ignored:
            _log.warning("a snapshot is left aside", reason=reason)
        snapshot = found.snapshot
        if snapshot is None:
            break
        try:
            return Ledger.from_bytes(snapshot.state), snapshot.chain_hash
        except msgspec.DecodeError as error:
            _log.warning("a snapshot is left aside", reason=f"snapshot {snapshot.sequence_number}: {error}")
            at_most = snapshot.sequence_number - 1
    return Ledger(), bytes(32)
