"""Keeping the journal for good: archived segments, whole journals in one file, backups and their restoring."""

from live_trading.archive.errors import (
    ArchiveBusy,
    ArchiveDamaged,
    ArchiveMissing,
    FileDamaged,
    NotEmpty,
    NotProved,
)
from live_trading.archive.files import JournalFile
from live_trading.archive.folder import JournalArchive, Segment
from live_trading.archive.reader import ArchivedJournalReader, ArchivedSnapshots
from live_trading.archive.sealing import Archived, Record, Retention

__all__ = [
    "ArchiveBusy",
    "ArchiveDamaged",
    "ArchiveMissing",
    "Archived",
    "ArchivedJournalReader",
    "ArchivedSnapshots",
    "FileDamaged",
    "JournalArchive",
    "JournalFile",
    "NotEmpty",
    "NotProved",
    "Record",
    "Retention",
    "Segment",
]
