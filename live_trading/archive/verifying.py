"""Verifying a journal whose beginning was archived: the collection alone, or files and collection as one chain."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from typing import NamedTuple

from live_trading.archive.errors import ArchiveDamaged, FileDamaged
from live_trading.archive.folder import Segment
from live_trading.archive.reader import ArchivedJournalReader
from live_trading.domain.entries import JournalArchived
from live_trading.journal.errors import ChainBroken, Damaged, GapDetected
from live_trading.journal.verify import Anchor, Report, verify


class SegmentReport(NamedTuple):
    """One file of the archive. ``recorded``: the journal vouches for it; else its archiving was cut short, and its
    entries are still in the database."""

    segment: Segment
    entries: int
    sha256: str
    recorded: bool


async def verify_collection(reader: ArchivedJournalReader, anchor: Anchor | None = None) -> Report:
    """Check what the collection has. Where its first entries are gone, the journal must say that they were archived,
    and the first that is left must follow from the last that was."""
    first = await reader.source.first_number() or 1
    report = await verify(reader, first - 1, anchor)
    if first == 1 or report.broken is not None:
        return report
    return replace(report, broken=_unexplained(report, first))


def _unexplained(report: Report, first: int) -> Damaged | None:
    vouching = [facts for facts in report.archived if facts.last_sequence_number >= first - 1]
    if not vouching:
        return GapDetected(1, first)
    exact = [facts for facts in vouching if facts.last_sequence_number == first - 1]
    if exact and exact[0].last_hash != report.first_previous_hash:
        return ChainBroken(first, "it does not follow from the last archived entry: one of the two was replaced")
    return None


async def verify_with_archive(
    reader: ArchivedJournalReader, anchor: Anchor | None = None, on_segment: Callable[[Segment], None] | None = None
) -> tuple[Report, list[SegmentReport]]:
    """Check the whole chain from entry 1 over files and collection, and that every file is the one that the journal
    vouches for. The first thing that is wrong is the report's ``broken``."""
    reader.archive.forget()
    report = await verify(reader, 0, anchor)
    files: list[SegmentReport] = []
    if report.broken is not None:
        return report, files
    stored_from = await reader.source.first_number() or 1
    vouched = {facts.segment: facts for facts in report.archived}
    for segment in await reader.archive.segments():
        if on_segment is not None:
            on_segment(segment)
        try:
            files.append(await _checked(reader, segment, vouched.get(segment.path.name), stored_from))
        except Damaged as damage:
            return replace(report, broken=damage), files
    return report, files


async def _checked(
    reader: ArchivedJournalReader, segment: Segment, facts: JournalArchived | None, stored_from: int
) -> SegmentReport:
    file = await reader.archive.open(segment)
    try:
        sha256 = await asyncio.to_thread(file.check)
    except FileDamaged as error:
        raise ArchiveDamaged(segment.first, error) from error
    if facts is None:
        if segment.last < stored_from:
            raise ArchiveDamaged(segment.first, FileDamaged(segment.path, "no entry of the journal vouches for it"))
        return SegmentReport(segment, file.trailer.entries, sha256, recorded=False)
    if facts.segment_sha256 != sha256 or facts.last_hash != file.trailer.last_hash.hex():
        raise ArchiveDamaged(segment.first, FileDamaged(segment.path, "its SHA-256 is not the one in the journal"))
    return SegmentReport(segment, file.trailer.entries, sha256, recorded=True)
