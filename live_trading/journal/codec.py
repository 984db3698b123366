"""Entries to bytes and back.

A document's **canonical bytes** are its BSON without the length in front, without the ``hash`` element and the final
NUL; ``hash`` is the SHA-256 of those. ``previous_hash`` and ``hash`` are the last two elements, both of fixed size, so
the chain is checked over slices of what the server sent, before anything is decoded::

    int32 length | _id … causation_id | previous_hash (20 + 32 bytes) | hash (11 + 32 bytes) | NUL
                 └──────────────── canonical bytes ──────────────────┘

An entry is encoded once, when it is numbered; the same bytes are sent again when MongoDB's answer was lost.
"""

import hashlib
import struct
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from functools import lru_cache
from struct import Struct
from typing import Any, Final

import bson
from bson import Int64, ObjectId
from bson.codec_options import CodecOptions, TypeDecoder, TypeRegistry
from bson.errors import BSONError
from pydantic import ValidationError

from live_trading.domain.entries import CATALOGUE, Entry, EntryData
from live_trading.domain.entries.upcasting import UPCASTERS, NoUpcaster, Upcaster, upcast
from live_trading.domain.errors import InvalidInput
from live_trading.journal.decimals import DecimalCodec
from live_trading.journal.envelope import canonical_bytes
from live_trading.journal.envelope_reader import DATA, Row, read_envelopes
from live_trading.journal.errors import ChainBroken, Damaged, EntryTooLarge, GapDetected, UnknownEntry
from live_trading.journal.facts_reader import reader_of
from live_trading.journal.facts_writer import NotFlat, writer_of
from live_trading.journal.shapes import dump, has_models, has_open_values, nulls_that_matter, plain

MAX_ENTRY_BYTES: Final = 256 * 1024

_HASH_ELEMENT: Final = b"\x05hash\x00\x20\x00\x00\x00\x00"
_SMALLEST: Final = 128  # no entry is as small as this
_LENGTH: Final = Struct("<i")
_AROUND_CANONICAL: Final = _LENGTH.size + len(_HASH_ELEMENT) + 32 + 1  # the length, the hash element, the final NUL
_pack_length: Final = _LENGTH.pack
_LENGTH_AND_ID: Final = Struct("<i5sq")  # int32 length, type and name of _id, int64 _id
_ID: Final = b"\x12_id\x00"
_FIELDS: Final = ("_id", *("action_data" if name == "data" else name for name in Entry._fields[1:]))
_sha256 = hashlib.sha256
_combine = datetime.combine


class _UtcDecoder(TypeDecoder):
    """BSON's dates as aware UTC times: a third of the cost of the driver's own ``tz_aware``."""

    bson_type = datetime

    def transform_bson(self, value: Any) -> datetime:
        # The same as ``value.replace(tzinfo=UTC)``, which takes five times as long.
        return _combine(value, value.time(), UTC)


class _IntDecoder(TypeDecoder):
    """BSON's 64-bit integers as plain ones."""

    bson_type = Int64
    transform_bson = staticmethod(int)  # type: ignore[assignment]


OPTIONS: Final[CodecOptions[dict[str, Any]]] = CodecOptions(
    type_registry=TypeRegistry([DecimalCodec(), _UtcDecoder(), _IntDecoder()])
)
"""How entries' documents are read and written: exact decimals, aware times, byte strings as they are."""


_is_open = lru_cache(maxsize=1024)(has_open_values)


@lru_cache(maxsize=1024)
def _is_nested(data: type[EntryData]) -> bool:
    return any(has_models(field.annotation) for field in data.model_fields.values())


class EntryCodec:
    """Encodes and decodes entries of a catalogue."""

    def __init__(
        self,
        catalogue: Mapping[str, type[EntryData]] = CATALOGUE,
        upcasters: Mapping[tuple[str, int], Upcaster] = UPCASTERS,
    ) -> None:
        self._catalogue = catalogue
        self._upcasters = upcasters
        self._readers = {name: (data.ACTION_VERSION, reader_of(data)) for name, data in catalogue.items()}
        self._nulls = {data: nulls_that_matter(data) for data in catalogue.values()}
        self._nested = {data for data in catalogue.values() if _is_nested(data)}
        self._open = {data for data in catalogue.values() if _is_open(data)}
        self._writers = {data: write for data in catalogue.values() if (write := writer_of(data)) is not None}

    def encode(
        self,
        *,
        sequence_number: int,
        operation_id: ObjectId | None,
        data: EntryData,
        timestamp: datetime,
        epoch: int,
        actor: str,
        correlation_id: int,
        causation_id: int | None,
        previous_hash: bytes,
    ) -> tuple[Entry, bytes]:
        """The entry and its document's bytes. Raises :class:`InvalidInput` for a value BSON cannot keep exactly, and
        :class:`EntryTooLarge`."""
        kind = type(data)
        action_type, action_version = kind.ACTION_TYPE, kind.ACTION_VERSION
        write = self._writers.get(kind)
        encoded: bytes | None = None
        try:
            if write is not None:
                try:  # noqa: SIM105 - this is done for every entry, and costs nothing where nothing is raised
                    encoded = write(data.__dict__)
                except NotFlat:
                    pass
            if encoded is None:
                facts = self._facts(data)
                encoded = bson.encode(facts, codec_options=OPTIONS)
                if kind in self._open:
                    # What is folded live must be what a rebuild reads: lists for tuples, plain strings for enums. The
                    # facts are plain by now, and so the same as what their bytes would be read as.
                    data = self.decode_facts(sequence_number, action_type, action_version, facts)
            canonical = canonical_bytes(
                sequence_number,
                operation_id,
                action_type,
                action_version,
                encoded,
                timestamp,
                epoch,
                actor,
                correlation_id,
                causation_id,
                previous_hash,
            )
        except (BSONError, OverflowError, ValueError, TypeError, AttributeError, KeyError, struct.error) as error:
            raise InvalidInput(action_type, f"cannot be kept: {error}") from error
        digest = _sha256(canonical).digest()
        size = len(canonical) + _AROUND_CANONICAL
        if size > MAX_ENTRY_BYTES:
            raise EntryTooLarge(action_type, size, MAX_ENTRY_BYTES)
        fields = (
            sequence_number,
            operation_id,
            action_type,
            action_version,
            data,
            timestamp,
            epoch,
            actor,
            correlation_id,
            causation_id,
            previous_hash,
            digest,
        )
        entry = tuple.__new__(Entry, fields)
        return entry, b"".join((_pack_length(size), canonical, _HASH_ELEMENT, digest, b"\x00"))

    def _facts(self, data: EntryData) -> dict[str, Any]:
        kind = type(data)
        keep = self._nulls.get(kind)
        if keep is None:
            raise InvalidInput("data", f"{kind.__name__} is not an entry of the catalogue")
        facts: dict[str, Any]
        if kind in self._nested:
            facts = dump(data)
        else:
            facts = {name: value for name, value in data.__dict__.items() if value is not None or name in keep}
        if kind in self._open:
            return {name: plain(value, f"{kind.ACTION_TYPE}.{name}") for name, value in facts.items()}
        return facts

    def decode_facts(self, sequence_number: int, action_type: str, version: int, facts: dict[str, Any]) -> EntryData:
        """``action_data`` as its class, upcast where it is of an older version. Raises :class:`UnknownEntry`."""
        known = self._readers.get(action_type)
        if known is None:
            raise UnknownEntry(
                sequence_number,
                f"this program knows no action_type {action_type!r}; run the version that wrote it, or a newer one",
            )
        current, read = known
        try:
            if version != current:
                facts = upcast(action_type, version, current, facts, self._upcasters)
            return read(facts)
        except NoUpcaster as error:
            raise UnknownEntry(sequence_number, f"{action_type}: {error}") from error
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False)[0]
            where = ".".join(map(str, (action_type, *first["loc"])))
            raise UnknownEntry(sequence_number, f"the facts do not fit: {where}: {first['msg']}") from error

    def decode(self, document: bytes) -> Entry:
        """One document's entry, its hash checked. Raises a :class:`Damaged`."""
        claimed = claimed_sequence_number(document)
        return self.decode_batch(document, claimed - 1, None)[0]

    def decode_batch(self, documents: bytes, after: int, previous_hash: bytes | None) -> list[Entry]:
        """The entries of documents laid end to end, as a raw batch of the driver has them.

        They must be numbered from ``after + 1`` without a gap, and the first must follow from ``previous_hash`` (None
        takes that one link on trust). Raises a :class:`Damaged` that names the first entry that is wrong.
        """
        read = read_envelopes(documents, after, previous_hash)
        if read is None:
            rows, decoded = read_slowly(documents, after, previous_hash)
        else:
            rows, raw = read
            try:
                decoded = bson.decode_all(raw, OPTIONS)
            except (BSONError, ValueError):
                rows, decoded = read_slowly(documents, after, previous_hash)
        readers = self._readers
        entries: list[Entry] = []
        add = entries.append
        make = tuple.__new__
        for row, facts in zip(rows, decoded, strict=True):
            action_type, version = row[2], row[3]
            known = readers.get(action_type)
            if known is not None and known[0] == version:
                try:
                    row[DATA] = known[1](facts)
                except ValidationError:
                    row[DATA] = self.decode_facts(row[0], action_type, version, facts)
            else:
                row[DATA] = self.decode_facts(row[0], action_type, version, facts)
            add(make(Entry, row))
        return entries


def read_slowly(documents: bytes, after: int, previous_hash: bytes | None) -> tuple[list[Row], list[dict[str, Any]]]:
    """The envelopes and the facts, element by element, whatever their layout. Raises a :class:`Damaged`."""
    check_chain(documents, after, previous_hash)
    rows: list[Row] = []
    decoded: list[dict[str, Any]] = []
    for number, document in enumerate(_decode_one_by_one(documents, after), after + 1):
        if tuple(document) != _FIELDS:
            raise Damaged(number, "does not have the fields of an entry")
        row = list(document.values())
        decoded.append(row[DATA])
        rows.append(row)
    return rows, decoded


def _decode_one_by_one(documents: bytes, after: int) -> list[dict[str, Any]]:
    """Slower, and says which one is unreadable."""
    decoded: list[dict[str, Any]] = []
    for document in split(documents):
        try:
            decoded.append(bson.decode(document, OPTIONS))
        except (BSONError, ValueError) as error:
            raise Damaged(after + len(decoded) + 1, f"cannot be read: {error}") from error
    return decoded


def split(documents: bytes) -> Iterator[bytes]:
    """The documents that were laid end to end, as far as they are whole."""
    position = 0
    while position + 4 <= len(documents):
        (length,) = _LENGTH.unpack_from(documents, position)
        if length < 5 or position + length > len(documents):
            return
        yield documents[position : position + length]
        position += length


def claimed_sequence_number(document: bytes) -> int:
    """The ``_id`` a document gives itself; 0 when it has none in the right place."""
    if len(document) < 17 or document[4:9] != _ID:
        return 0
    return int.from_bytes(document[9:17], "little", signed=True)


def document_hash(document: bytes) -> bytes:
    """The ``hash`` a document carries (unchecked)."""
    return document[-33:-1]


def check_chain(documents: bytes, after: int, previous_hash: bytes | None) -> int:
    """Check numbers and hashes over raw documents laid end to end; return how many there are.

    Raises :class:`GapDetected` or :class:`ChainBroken` for the first that is wrong.
    """
    position, end, number = 0, len(documents), after
    head_at = _LENGTH_AND_ID.unpack_from
    while position < end:
        number += 1
        if end - position < _SMALLEST:
            raise Damaged(number, "the document is cut short")
        length, name, found = head_at(documents, position)
        past = position + length
        if length < _SMALLEST or past > end:
            raise Damaged(number, "the document is cut short")
        if name != _ID:
            raise ChainBroken(number, "it has no 64-bit _id in front: the entry was replaced")
        if found != number:
            if found > number:
                raise GapDetected(number, found)
            raise ChainBroken(number, f"numbers go back: {found} was found in its place")
        body_end = past - 44
        digest = documents[past - 33 : past - 1]
        if (
            documents[body_end : body_end + 11] != _HASH_ELEMENT
            or _sha256(documents[position + 4 : body_end]).digest() != digest
        ):
            raise ChainBroken(number, "its hash is not that of its bytes: the entry was altered")
        if previous_hash is not None and documents[body_end - 32 : body_end] != previous_hash:
            raise ChainBroken(number, "it does not follow from the entry before it: one of the two was replaced")
        previous_hash = digest
        position = past
    return number - after
