"""Are the read models what the journal says? hash(fold(journal)) == hash(read models), a collection at a time.

The journal is folded from its beginning and each document it leads to is kept as a digest of its bytes (some 200 bytes
of memory a document); then the collections are read through and compared, byte for byte. A projector may be writing
all the while: what differs from the fold as of the checkpoint is compared with what the entries after it make of it.
"""

import hashlib
from dataclasses import dataclass, field
from typing import Any, Final, Literal, NamedTuple

import bson
from bson import ObjectId
from bson.codec_options import CodecOptions
from bson.raw_bson import RawBSONDocument
from pymongo import ASCENDING
from pymongo.asynchronous.collection import AsyncCollection
from pymongo.read_concern import ReadConcern

from live_trading.domain.errors import InvalidInput, LiveTradingError
from live_trading.journal.base import JournalReader
from live_trading.projections.checkpoint import Checkpoint, Checkpoints, State
from live_trading.projections.documents import DOCUMENTS_VERSION, Changes, Document, take_changes
from live_trading.projections.fold import apply
from live_trading.projections.ledger import Ledger
from live_trading.projections.read_models import COLLECTIONS, Database

MAX_DIFFERENCES: Final = 1000
_ATTEMPTS: Final = 5
_BATCH: Final = 1000
_LOCAL: Final = ReadConcern("local")
"""Documents are written without waiting for a majority: read at once, they may not be among a majority's yet."""
_RAW: Final[CodecOptions[RawBSONDocument]] = CodecOptions(document_class=RawBSONDocument)


class Stamp(NamedTuple):
    """A document's ``sequence_number`` and the digest of its bytes."""

    sequence_number: int
    digest: bytes


class Difference(NamedTuple):
    """One document that is not what the journal says. Numbers are those of the entries that made either one."""

    collection: str
    id: ObjectId
    kind: Literal["altered", "missing", "extra"]
    expected: int | None
    stored: int | None

    def __str__(self) -> str:
        return (
            f"{self.collection} {self.id} is {self.kind}: the journal's is of entry {self.expected or 'none'}, "
            f"the stored one of entry {self.stored or 'none'}"
        )


@dataclass(frozen=True, slots=True)
class CollectionReport:
    """One collection. ``fold_hash`` is the hash of all its documents as the journal has them, in order of their ids."""

    collection: str
    documents: int
    fold_hash: str
    differences: tuple[Difference, ...]

    @property
    def is_equal(self) -> bool:
        return not self.differences


@dataclass(frozen=True, slots=True)
class ReadModelsReport:
    """What was found as of entry ``sequence_number``."""

    sequence_number: int
    version: int
    collections: tuple[CollectionReport, ...] = field(default_factory=tuple)

    @property
    def is_equal(self) -> bool:
        return all(report.is_equal for report in self.collections)

    @property
    def first_difference(self) -> Difference | None:
        """The first document that differs, by collection and id."""
        return next((difference for report in self.collections for difference in report.differences), None)


class ReadModelsDiffer(LiveTradingError):  # noqa: N818 - it tells what was found
    """The read models are not what the journal says. The journal is right: rebuild them."""

    def __init__(self, difference: Difference) -> None:
        super().__init__(f"{difference}. Rebuild the read models")
        self.difference = difference


class Digests:
    """The documents that a journal folds to, as stamps."""

    def __init__(self) -> None:
        self.stamps: dict[str, dict[bytes, Stamp]] = {name: {} for name in COLLECTIONS}

    def take(self, changes: Changes) -> None:
        """Follow what a run of entries did."""
        for collection, document in changes.replacements:
            self.stamps[collection][document["_id"].binary] = stamp(document)
        for collection, identifier, number in changes.deletions:
            stored = self.stamps[collection].get(identifier.binary)
            if stored is not None and stored.sequence_number < number:
                del self.stamps[collection][identifier.binary]

    def hash(self, collection: str) -> str:
        """SHA-256 over ids and digests in order of the ids, in hexadecimal."""
        total = hashlib.sha256()
        stamps = self.stamps[collection]
        for identifier in sorted(stamps):
            total.update(identifier + stamps[identifier].digest)
        return total.hexdigest()

    async def compare(self, database: Database, collection: str, suffix: str = "") -> dict[bytes, Stamp | None]:
        """The ids of documents that differ from what is stored, with what is stored (None: nothing)."""
        expected = self.stamps[collection]
        differing: dict[bytes, Stamp | None] = {}
        met = 0
        stored: AsyncCollection[RawBSONDocument] = database[collection + suffix].with_options(
            codec_options=_RAW, read_concern=_LOCAL
        )
        async for document in stored.find(sort=[("_id", ASCENDING)], batch_size=_BATCH):
            identifier = document["_id"].binary
            found = _stamp_of_raw(document)
            met += identifier in expected
            if expected.get(identifier) != found:
                differing[identifier] = found
                if len(differing) >= MAX_DIFFERENCES:
                    return differing
        if met < len(expected):
            differing.update(await self._missing(database, collection, suffix))
        return differing

    async def _missing(self, database: Database, collection: str, suffix: str) -> dict[bytes, Stamp | None]:
        absent = set(self.stamps[collection])
        stored = database.get_collection(collection + suffix, read_concern=_LOCAL)
        async for document in stored.find({}, {"_id": 1}, batch_size=_BATCH * 10):
            absent.discard(document["_id"].binary)
        return dict.fromkeys(sorted(absent)[:MAX_DIFFERENCES])

    def difference(self, collection: str, identifier: bytes, stored: Stamp | None) -> Difference:
        expected = self.stamps[collection].get(identifier)
        kind: Literal["altered", "missing", "extra"] = (
            "extra" if expected is None else "missing" if stored is None else "altered"
        )
        return Difference(
            collection,
            ObjectId(identifier),
            kind,
            expected.sequence_number if expected is not None else None,
            stored.sequence_number if stored is not None else None,
        )


def stamp(document: Document) -> Stamp:
    """A document's stamp, from the bytes that MongoDB would store."""
    return Stamp(document["sequence_number"], _digest(bson.encode(document)))


def _stamp_of_raw(document: RawBSONDocument) -> Stamp:
    number: Any = document.get("sequence_number")
    return Stamp(number if isinstance(number, int) else 0, _digest(bytes(document.raw)))


def _digest(data: bytes) -> bytes:
    return hashlib.blake2b(data, digest_size=16).digest()


async def verify_read_models(database: Database, reader: JournalReader) -> ReadModelsReport:
    """Compare the read models with the journal, as of the checkpoint; a projector may be writing meanwhile.

    Raises :class:`InvalidInput` where there are none yet, or none of this program's version; a
    :class:`~live_trading.journal.errors.Damaged` when the journal itself is wrong.
    """
    checkpoints = Checkpoints(database)
    for _ in range(_ATTEMPTS):
        checkpoint = await checkpoints.read()
        if checkpoint is None:
            raise InvalidInput("read models", "there are none yet", "Start the engine once, or rebuild them")
        if checkpoint.fold_version != DOCUMENTS_VERSION:
            raise InvalidInput(
                "read models",
                f"were written by version {checkpoint.fold_version} of the fold, ours is {DOCUMENTS_VERSION}",
                "Rebuild them, or run the version that wrote them",
            )
        report = await _compare(database, reader, checkpoint)
        now = await checkpoints.read()
        if now is not None and now.version == checkpoint.version and now.state is not State.SWAPPING:
            return report
    raise InvalidInput("read models", "are being rebuilt again and again", "Compare them when that is over")


async def _compare(database: Database, reader: JournalReader, checkpoint: Checkpoint) -> ReadModelsReport:
    ledger, digests = Ledger(), Digests()
    if checkpoint.sequence_number:
        async for entries in reader.read_batches(0, checkpoint.sequence_number):
            for entry in entries:
                apply(ledger, entry)
            digests.take(take_changes(ledger))
    differing = {name: await digests.compare(database, name) for name in COLLECTIONS}
    if any(differing.values()):
        later = await _later_stamps(reader, ledger)
        for name, ids in differing.items():
            differing[name] = {key: found for key, found in ids.items() if found not in later.get((name, key), ())}
    reports = [
        CollectionReport(
            name,
            len(digests.stamps[name]),
            digests.hash(name),
            tuple(digests.difference(name, key, found) for key, found in sorted(differing[name].items())),
        )
        for name in COLLECTIONS
    ]
    return ReadModelsReport(checkpoint.sequence_number, checkpoint.version, tuple(reports))


async def _later_stamps(reader: JournalReader, ledger: Ledger) -> dict[tuple[str, bytes], set[Stamp | None]]:
    """What each document becomes after the checkpoint, entry by entry; None where it is deleted."""
    later: dict[tuple[str, bytes], set[Stamp | None]] = {}
    async for entries in reader.read_batches(ledger.sequence_number):
        for entry in entries:
            apply(ledger, entry)
            changes = take_changes(ledger)
            for name, document in changes.replacements:
                later.setdefault((name, document["_id"].binary), set()).add(stamp(document))
            for name, identifier, _ in changes.deletions:
                later.setdefault((name, identifier.binary), set()).add(None)
    return later
