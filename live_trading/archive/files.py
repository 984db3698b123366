"""A stretch of the journal in one file: an archive's segment, or a whole journal.

The file is gzip, and what it holds is BSON: ``gunzip -c FILE | bsondump`` shows it without this program. In order:

* a header: what this is, the first entry's number and the hash it follows from, whose journal it is;
* the entries' documents, byte for byte as the database had them, so that their hashes can be checked;
* a trailer: the last entry's number, how many there are, the first and last hash, and the SHA-256 of every byte of the
  file before the trailer. A file without one was cut short.

Each of these is a gzip member of its own (RFC 1952), entries some hundreds at a time. A member's extra field tells its
size and its first entry, so that any entry is found without unpacking those before it. Methods block on the disk: call
them in a thread where others wait.
"""

import hashlib
import os
import struct
import zlib
from bisect import bisect_right
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any, BinaryIO, Final, NamedTuple, Self

import bson
from bson.codec_options import CodecOptions
from bson.errors import BSONError

from live_trading.archive.errors import FileDamaged
from live_trading.domain.errors import InvalidInput
from live_trading.journal.codec import document_hash
from live_trading.runtime import failpoint

FORMAT: Final = "live-trading journal"
FORMAT_VERSION: Final = 1
ASIDE: Final = ".new"
"""What is added to the name of a file that is being written. One that a crash left is overwritten."""

MEMBER_BYTES: Final = 128 * 1024
"""How much a member holds at most, unpacked, unless one batch of entries is more: little enough to be unpacked between
two steps of an engine, enough to be packed well."""

_HEADER, _ENTRIES, _TRAILER = 0, 1, 2
_FIXED: Final = b"\x1f\x8b\x08\x04\x00\x00\x00\x00\x00\xff"  # deflate, an extra field, no time, no system
_EXTRA: Final = struct.Struct("<H2sHBIQI")  # XLEN, "LT", its length, kind, member's size, first number, count
_EXTRA_LENGTH: Final = 21
_OWN_LENGTH: Final = 17
_END: Final = struct.Struct("<II")  # CRC-32, unpacked size
_START: Final = len(_FIXED) + _EXTRA.size
_READ_BYTES: Final = 1024 * 1024
_UTC: Final[CodecOptions[dict[str, Any]]] = CodecOptions(tz_aware=True)


class Header(NamedTuple):
    """What a file says of itself. ``kind`` is ``segment`` or ``journal``; ``program`` the version that wrote it."""

    kind: str
    first: int
    previous_hash: bytes
    engine_id: str
    deployment_id: str
    program: str
    made_at: datetime


class Trailer(NamedTuple):
    """The end of a file that is whole. ``sha256`` is of every byte before it."""

    last: int
    entries: int
    first_hash: bytes
    last_hash: bytes
    sha256: bytes


class Member(NamedTuple):
    """Where some entries are in a file."""

    first: int
    entries: int
    offset: int
    size: int


class JournalFileWriter:
    """Writes a file aside, and puts it in its place when it is whole and durable.

    ``name`` begins the names of its failpoints. Leaving the block without :meth:`finish` leaves no file.
    """

    def __init__(self, path: Path, header: Header, name: str) -> None:
        self._path = path
        self._aside = path.with_name(path.name + ASIDE)
        self._header = header
        self._name = name
        self._digest = hashlib.sha256()
        self._whole = hashlib.sha256()
        self._file: BinaryIO | None = None
        self._waiting: list[bytes] = []
        self._waiting_bytes = 0
        self._waiting_count = 0
        self._count = 0
        self._first_hash = b""
        self._last_hash = header.previous_hash

    def __enter__(self) -> Self:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self._file = self._aside.open("wb")
        self._put(_HEADER, bson.encode({"format": FORMAT, "format_version": FORMAT_VERSION, **self._header._asdict()}))
        return self

    def __exit__(self, *_: object) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None
            self._aside.unlink(missing_ok=True)

    def add(self, documents: bytes, count: int) -> None:
        """Add entries' documents, laid end to end, checked by the caller."""
        if not self._first_hash:
            (length,) = struct.unpack_from("<i", documents)
            self._first_hash = document_hash(documents[:length])
        self._last_hash = document_hash(documents)
        self._waiting.append(documents)
        self._waiting_bytes += len(documents)
        self._waiting_count += count
        if self._waiting_bytes >= MEMBER_BYTES:
            self._put_waiting()

    def finish(self) -> str:
        """Make the file whole and durable and put it in its place; the SHA-256 of all of it, in hexadecimal."""
        assert self._file is not None
        self._put_waiting()
        last = self._header.first + self._count - 1
        trailer = Trailer(last, self._count, self._first_hash, self._last_hash, self._digest.digest())
        self._put(_TRAILER, bson.encode(trailer._asdict()))
        self._file.flush()
        os.fsync(self._file.fileno())
        self._file.close()
        self._file = None
        failpoint(f"{self._name}.rename.before")
        self._aside.replace(self._path)
        sync_folder(self._path.parent)
        failpoint(f"{self._name}.rename.after")
        return self._whole.hexdigest()

    def _put_waiting(self) -> None:
        if not self._waiting_count:
            return
        first = self._header.first + self._count
        self._put(_ENTRIES, b"".join(self._waiting), first, self._waiting_count)
        self._count += self._waiting_count
        self._waiting.clear()
        self._waiting_bytes = self._waiting_count = 0

    def _put(self, kind: int, data: bytes, first: int = 0, count: int = 0) -> None:
        assert self._file is not None
        member = _packed(kind, data, first, count)
        if kind != _TRAILER:
            self._digest.update(member)
        self._whole.update(member)
        self._file.write(member)


def _packed(kind: int, data: bytes, first: int, count: int) -> bytes:
    packer = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    body = packer.compress(data) + packer.flush()
    size = _START + len(body) + _END.size
    extra = _EXTRA.pack(_EXTRA_LENGTH, b"LT", _OWN_LENGTH, kind, size, first, count)
    return b"".join((_FIXED, extra, body, _END.pack(zlib.crc32(data), len(data) & 0xFFFFFFFF)))


class JournalFile:
    """A file that is there. Opening reads its header, its trailer and where its members are.

    Raises :class:`InvalidInput` when there is no such file, or it is of another kind or a newer format, and
    :class:`FileDamaged`.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.members: list[Member] = []
        self._trailer_at = 0
        try:
            with path.open("rb") as file:
                self.header = self._read_header(file)
                self.trailer = self._read_members(file)
        except FileNotFoundError as error:
            raise InvalidInput("FILE", f"there is no {path}", "Give a file that journal export wrote") from error
        except IsADirectoryError as error:
            raise InvalidInput("FILE", f"{path} is a directory", "Give a file that journal export wrote") from error
        if self.trailer.entries != sum(member.entries for member in self.members):
            raise FileDamaged(path, "it does not hold as many entries as its end says")
        self._firsts = [member.first for member in self.members]

    @property
    def first(self) -> int:
        return self.header.first

    @property
    def last(self) -> int:
        return self.trailer.last

    def _read_header(self, file: BinaryIO) -> Header:
        start = file.read(_START)
        if len(start) < _START or not start.startswith(_FIXED) or start[12:14] != b"LT":
            raise InvalidInput("FILE", f"{self.path} is not a journal's file", "Give one that journal export wrote")
        fields = self._decode(self._unpack(file, 0, start))
        if fields.get("format") != FORMAT:
            raise InvalidInput("FILE", f"{self.path} is not a journal's file", "Give one that journal export wrote")
        if fields["format_version"] > FORMAT_VERSION:
            raise InvalidInput(
                "FILE",
                f"{self.path} is of format {fields['format_version']}, this program knows up to {FORMAT_VERSION}",
                "Use the version of the program that wrote it, or a newer one",
            )
        return Header(**{name: fields[name] for name in Header._fields})

    def _read_members(self, file: BinaryIO) -> Trailer:
        offset = file.tell()
        while start := file.read(_START):
            if len(start) < _START or not start.startswith(_FIXED):
                raise FileDamaged(self.path, f"nothing that belongs there follows byte {offset}")
            _, _, _, kind, size, first, count = _EXTRA.unpack_from(start, len(_FIXED))
            if kind == _TRAILER:
                self._trailer_at = offset
                fields = self._decode(self._unpack(file, offset, start))
                if file.read(1):
                    raise FileDamaged(self.path, "something follows its end")
                return Trailer(**{name: fields[name] for name in Trailer._fields})
            expected = self.members[-1].first + self.members[-1].entries if self.members else self.header.first
            if first != expected:
                raise FileDamaged(self.path, f"entry {expected} is missing: the next one in it is {first}")
            self.members.append(Member(first, count, offset, size))
            offset += size
            file.seek(offset)
        raise FileDamaged(self.path, "it was cut short: it has no end")

    def _unpack(self, file: BinaryIO, offset: int, start: bytes) -> bytes:
        size = _EXTRA.unpack_from(start, len(_FIXED))[4]
        rest = file.read(size - _START) if size > _START else b""
        if len(rest) != size - _START:
            raise FileDamaged(self.path, "it was cut short")
        try:
            data = zlib.decompress(rest[: -_END.size], wbits=-zlib.MAX_WBITS)
        except zlib.error as error:
            raise FileDamaged(self.path, f"it cannot be unpacked at byte {offset}: {error}") from error
        if _END.unpack(rest[-_END.size :]) != (zlib.crc32(data), len(data) & 0xFFFFFFFF):
            raise FileDamaged(self.path, f"its check sum does not match at byte {offset}")
        return data

    def _decode(self, data: bytes) -> dict[str, Any]:
        try:
            return bson.decode(data, _UTC)
        except BSONError as error:
            raise FileDamaged(self.path, f"its header or end cannot be read: {error}") from error

    def documents(self, member: Member) -> bytes:
        """The documents of one member, laid end to end, its check sum checked."""
        with self.path.open("rb") as file:
            file.seek(member.offset)
            return self._unpack(file, member.offset, file.read(_START))

    def member_of(self, number: int) -> int:
        """The index of the member that has an entry of the file."""
        return bisect_right(self._firsts, number) - 1

    def check(self) -> str:
        """Read all of it and compare it with the SHA-256 at its end; that of the whole file, in hexadecimal."""
        digest, whole, left = hashlib.sha256(), hashlib.sha256(), self._trailer_at
        for data in _pieces(self.path):
            digest.update(data[:left])
            whole.update(data)
            left = max(left - len(data), 0)
        if digest.digest() != self.trailer.sha256:
            raise FileDamaged(self.path, "its bytes are not those whose SHA-256 is at its end: it was altered")
        return whole.hexdigest()


def _pieces(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while data := file.read(_READ_BYTES):
            yield data


def file_sha256(path: Path) -> str:
    """The SHA-256 of a file, in hexadecimal."""
    digest = hashlib.sha256()
    for data in _pieces(path):
        digest.update(data)
    return digest.hexdigest()


def sync_folder(folder: Path) -> None:
    """Make the names in a folder durable."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
