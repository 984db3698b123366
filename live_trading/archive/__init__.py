"""Keeping the journal for good: archived segments, whole journals in one file, backups and their restoring."""

from live_trading.archive.backup import Backup, make_backup, read_manifest
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
from live_trading.archive.restoring import Restored, TakenIn, import_journal, restore_backup
from live_trading.archive.sealing import Archived, Record, Retention
from live_trading.archive.verifying import SegmentReport, verify_collection, verify_with_archive
from live_trading.archive.whole import Whole, check_journal_file, export_journal

__all__ = [
    "ArchiveBusy",
    "ArchiveDamaged",
    "ArchiveMissing",
    "Archived",
    "ArchivedJournalReader",
    "ArchivedSnapshots",
    "Backup",
    "FileDamaged",
    "JournalArchive",
    "JournalFile",
    "NotEmpty",
    "NotProved",
    "Record",
    "Restored",
    "Retention",
    "Segment",
    "SegmentReport",
    "TakenIn",
    "Whole",
    "check_journal_file",
    "export_journal",
    "import_journal",
    "make_backup",
    "read_manifest",
    "restore_backup",
    "verify_collection",
    "verify_with_archive",
]
