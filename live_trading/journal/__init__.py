"""The record: one writer by lease, any number of readers, on MongoDB or in memory."""

from live_trading.journal.base import Head, JournalReader, JournalWriter, OnDurable
from live_trading.journal.codec import EntryCodec
from live_trading.journal.errors import (
    ChainBroken,
    Damaged,
    EntryTooLarge,
    Fenced,
    GapDetected,
    JournalClosed,
    JournalError,
    JournalUnavailable,
    LeaseLost,
    OrderBroken,
    UnknownEntry,
)
from live_trading.journal.memory import MemoryJournal, MemoryJournalReader, MemoryStore
from live_trading.journal.mongo import MongoJournal, MongoJournalReader
from live_trading.journal.opening import Opener
from live_trading.journal.snapshots import Found, MemorySnapshots, MongoSnapshots, Snapshot, Snapshots
from live_trading.journal.verify import Anchor, Report, verify

__all__ = [
    "Anchor",
    "ChainBroken",
    "Damaged",
    "EntryCodec",
    "EntryTooLarge",
    "Fenced",
    "Found",
    "GapDetected",
    "Head",
    "JournalClosed",
    "JournalError",
    "JournalReader",
    "JournalUnavailable",
    "JournalWriter",
    "LeaseLost",
    "MemoryJournal",
    "MemoryJournalReader",
    "MemorySnapshots",
    "MemoryStore",
    "MongoJournal",
    "MongoJournalReader",
    "MongoSnapshots",
    "OnDurable",
    "Opener",
    "OrderBroken",
    "Report",
    "Snapshot",
    "Snapshots",
    "UnknownEntry",
    "verify",
]
