"""Is the record what was written? Numbers, hashes, epochs and times of every entry, and that each can be read."""

from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from pydantic import ValidationError

from live_trading.domain.entries import GENESIS_HASH, Entry, JournalArchived
from live_trading.journal.base import JournalReader
from live_trading.journal.errors import ChainBroken, Damaged, GapDetected, OrderBroken, UnknownEntry


class Anchor(NamedTuple):
    """A head noted outside of the journal earlier (a file, a log line, an alert). It must still be in the chain.

    The chain alone cannot show that entries at its end were cut off, or that all of it was written anew; this does.
    """

    sequence_number: int
    hash: str


@dataclass(frozen=True, slots=True)
class Report:
    """What was found. ``broken`` is the first entry that is wrong; None when all is well.

    ``head_hash`` (hexadecimal) is the hash of the last good entry: note it outside, and give it as an anchor next time.
    """

    entries: int
    first: int
    last: int
    head_hash: str
    first_timestamp: datetime | None
    last_timestamp: datetime | None
    epochs: int
    broken: Damaged | None
    first_previous_hash: str = GENESIS_HASH.hex()
    """What the first entry checked follows from."""
    archived: tuple[JournalArchived, ...] = ()
    """What the entries checked say of archived segments, in order."""

    @property
    def is_sound(self) -> bool:
        return self.broken is None


class _Walk:
    """What is remembered from one entry to the next."""

    def __init__(self, after: int, anchor: Anchor | None) -> None:
        self._anchor = anchor
        self.after = after
        self.count = 0
        self.epochs = 0
        self.first: Entry | None = None
        self.last: Entry | None = None
        self.archived: list[JournalArchived] = []

    def step(self, entry: Entry) -> None:
        _check_facts(entry)
        before = self.last
        if before is None:
            self.first = entry
            self.epochs = 1
        else:
            if entry.epoch < before.epoch:
                raise OrderBroken(entry.sequence_number, f"its epoch {entry.epoch} is under {before.epoch} before it")
            if entry.timestamp < before.timestamp:
                raise OrderBroken(entry.sequence_number, f"its time {entry.timestamp} is before {before.timestamp}")
            self.epochs += entry.epoch != before.epoch
        anchor = self._anchor
        if anchor is not None and entry.sequence_number == anchor.sequence_number and entry.hash.hex() != anchor.hash:
            raise ChainBroken(
                entry.sequence_number, f"its hash is {entry.hash.hex()}, but {anchor.hash} was noted: it was rewritten"
            )
        if isinstance(entry.data, JournalArchived):
            self.archived.append(entry.data)
        self.last = entry
        self.count += 1

    def end(self) -> None:
        reached = self.last.sequence_number if self.last is not None else self.after
        if self._anchor is not None and reached < self._anchor.sequence_number:
            raise GapDetected(reached + 1, None)


def _check_facts(entry: Entry) -> None:
    """In full, as at the time of writing."""
    try:
        type(entry.data).__pydantic_validator__.validate_python(entry.data.__dict__)
    except ValidationError as error:
        raise UnknownEntry(entry.sequence_number, f"the facts do not fit {entry.action_type}: {error}") from error


async def verify(reader: JournalReader, after: int = 0, anchor: Anchor | None = None) -> Report:
    """Read all entries after ``after`` and check them, a batch at a time; stop at the first that is wrong.

    Raises :class:`~live_trading.journal.errors.JournalUnavailable` only: what is wrong with the record is the report's.
    """
    walk = _Walk(after, anchor)
    broken: Damaged | None = None
    try:
        async for batch in reader.read_batches(after):
            for entry in batch:
                walk.step(entry)
        walk.end()
    except Damaged as damage:
        broken = damage
    first, last = walk.first, walk.last
    return Report(
        entries=walk.count,
        first=first.sequence_number if first is not None else 0,
        last=last.sequence_number if last is not None else after,
        head_hash=(last.hash if last is not None else GENESIS_HASH).hex(),
        first_timestamp=first.timestamp if first is not None else None,
        last_timestamp=last.timestamp if last is not None else None,
        epochs=walk.epochs,
        broken=broken,
        first_previous_hash=(first.previous_hash if first is not None else GENESIS_HASH).hex(),
        archived=tuple(walk.archived),
    )
