"""Pages of the journal: by number, in either direction, of one operation or of some types.

Whatever is still in the database is found through its indexes. What was archived is read from the archive, by number
only. A page looks at a bounded number of entries: of a rare type it may hold fewer than asked for, or none, and a
cursor to go on from.
"""

from collections.abc import AsyncIterator
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any, Final

from bson import Int64, ObjectId
from bson.codec_options import CodecOptions
from bson.raw_bson import RawBSONDocument
from pymongo import ASCENDING, DESCENDING
from pymongo.read_concern import ReadConcern

from live_trading.api.problems import invalid
from live_trading.api.services import Services
from live_trading.domain.entries import Entry
from live_trading.journal.codec import EntryCodec
from live_trading.journal.mongo_store import JOURNAL
from live_trading.models.queries import entry_fields

_RAW: Final[CodecOptions[RawBSONDocument]] = CodecOptions(document_class=RawBSONDocument)

LOOKED_AT: Final = 20_000
"""Entries one page looks at where no index helps."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which entries. None: all of them."""

    operation_id: ObjectId | None = None
    types: frozenset[str] | None = None
    correlations: frozenset[int] | None = None
    causes: frozenset[int] | None = None
    actor: str | None = None

    def takes(self, entry: Entry) -> bool:
        return (
            (self.operation_id is None or entry.operation_id == self.operation_id)
            and (self.types is None or entry.action_type in self.types)
            and (self.correlations is None or entry.correlation_id in self.correlations)
            and (self.causes is None or entry.causation_id in self.causes)
            and (self.actor is None or entry.actor == self.actor)
        )

    def criteria(self) -> dict[str, Any]:
        """The same for the database."""
        found: dict[str, Any] = {}
        if self.operation_id is not None:
            found["operation_id"] = self.operation_id
        if self.types is not None:
            found["action_type"] = {"$in": sorted(self.types)}
        if self.correlations is not None:
            found["correlation_id"] = {"$in": [Int64(number) for number in sorted(self.correlations)]}
        if self.causes is not None:
            found["causation_id"] = {"$in": [Int64(number) for number in sorted(self.causes)]}
        if self.actor is not None:
            found["actor"] = {"$eq": self.actor}
        return found


@dataclass(frozen=True, slots=True)
class EntriesPage:
    """Entries in the order asked for."""

    entries: list[Entry]
    next_cursor: str | None
    head: int

    def content(self) -> dict[str, Any]:
        items = [entry_fields(entry) for entry in self.entries]
        return {"items": items, "next_cursor": self.next_cursor, "head": self.head}


async def entries_page(
    service: Services,
    wanted: Wanted,
    *,
    limit: int,
    cursor: str | None,
    newest_first: bool,
    first: int = 1,
    last: int | None = None,
) -> EntriesPage:
    """A page of the entries from ``first`` to ``last``. The cursor is the number of the last entry looked at."""
    head = (await service.reader.head()).sequence_number
    last = head if last is None else min(last, head)
    if cursor is not None:
        reached = _number(cursor)
        first, last = (first, min(last, reached - 1)) if newest_first else (max(first, reached + 1), last)
    if first > last:
        return EntriesPage([], None, head)
    lowest, highest = first, last
    if wanted.operation_id is None and wanted != Wanted():
        # Nothing but the numbers is indexed: look at so many only.
        if newest_first:
            first = max(first, last - LOOKED_AT + 1)
        else:
            last = min(last, first + LOOKED_AT - 1)
    found = await _found(service, wanted, first, last, limit + 1, newest_first)
    more = len(found) > limit
    found = found[:limit]
    if more:
        return EntriesPage(found, str(found[-1].sequence_number), head)
    is_at_end = first <= lowest if newest_first else last >= highest
    return EntriesPage(found, None if is_at_end else str(first if newest_first else last), head)


async def _found(
    service: Services, wanted: Wanted, first: int, last: int, limit: int, newest_first: bool
) -> list[Entry]:
    """At most ``limit`` of the entries between the two, both included."""
    journal = service.database.get_collection(JOURNAL, read_concern=ReadConcern("majority"))
    beginning = await service.reader.source.first_number()
    found: list[Entry] = []
    if beginning is None or beginning > first:
        archived_to = last if beginning is None else min(last, beginning - 1)
        archived = await _archived(service, wanted, first, archived_to, limit, newest_first)
        if not newest_first:
            found = archived
    else:
        archived = []
    if beginning is not None and len(found) < limit and last >= beginning:
        numbers = {"_id": {"$gte": Int64(max(first, beginning)), "$lte": Int64(last)}}
        stored = journal.with_options(codec_options=_RAW).find({**numbers, **wanted.criteria()})
        stored = stored.sort("_id", DESCENDING if newest_first else ASCENDING).limit(limit - len(found))
        codec = EntryCodec()
        found += [codec.decode(bytes(document.raw)) async for document in stored]
    if newest_first:
        found += archived[: limit - len(found)]
    return found


async def _archived(
    service: Services, wanted: Wanted, first: int, last: int, limit: int, newest_first: bool
) -> list[Entry]:
    """From the archive: in steps of what one page may look at."""
    found: list[Entry] = []
    if newest_first:
        first = max(first, last - LOOKED_AT + 1)
    last = min(last, first + LOOKED_AT - 1)
    async for entry in matching(service, wanted, first - 1, last):
        found.append(entry)
        if not newest_first and len(found) >= limit:
            break
    return found[::-1][:limit] if newest_first else found


async def matching(service: Services, wanted: Wanted, after: int, to: int | None) -> AsyncIterator[Entry]:
    """The entries after ``after`` up to ``to`` that are wanted, oldest first, checked as they are read."""
    batches: Any = service.reader.read_batches(after, to)
    async with aclosing(batches):
        async for entries in batches:
            for entry in entries:
                if wanted.takes(entry):
                    yield entry


def _number(cursor: str) -> int:
    if not cursor.isascii() or not cursor.isdigit() or len(cursor) > 18:
        raise invalid("cursor", "is not one of ours: leave it out to begin anew")
    return int(cursor)
