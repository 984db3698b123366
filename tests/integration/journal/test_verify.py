"""Whoever alters, deletes or inserts one entry in the database is found out, and the entry is named."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from bson import Int64
from bson.raw_bson import RawBSONDocument
from pymongo.asynchronous.database import AsyncDatabase

from live_trading.domain.entries import Draft, NoteAdded
from live_trading.journal import (
    Anchor,
    ChainBroken,
    Damaged,
    EntryCodec,
    GapDetected,
    JournalReader,
    MongoJournal,
    MongoJournalReader,
    Opener,
    OrderBroken,
    UnknownEntry,
    verify,
)
from live_trading.journal.codec import OPTIONS
from live_trading.runtime import Runtime

Database = AsyncDatabase[dict[str, Any]]
COUNT = 5000
MIDDLE = 3210


@pytest.fixture
async def journal(database: Database, runtime: Runtime) -> Any:
    """The collection of a journal of 5,000 entries that its validator no longer guards."""
    writer = await MongoJournal.open_writer(database, Opener("main", "a", "1"), runtime)
    await writer.append(*(Draft(NoteAdded(text=f"note {number}")) for number in range(2, COUNT + 1)))
    await writer.close()
    await database.command({"collMod": "journal", "validator": {}})
    return database.get_collection("journal", codec_options=OPTIONS)


@pytest.fixture
def reader(database: Database) -> JournalReader:
    return MongoJournalReader(database)


async def test_a_sound_journal_is_reported_with_its_head(journal: Any, reader: JournalReader) -> None:
    report = await verify(reader)
    head = await reader.head()
    assert report.is_sound
    assert (report.entries, report.first, report.last, report.epochs) == (COUNT, 1, COUNT, 1)
    assert report.head_hash == head.hash.hex()
    assert report.last_timestamp == head.timestamp
    assert (await verify(reader, after=MIDDLE)).entries == COUNT - MIDDLE
    assert (await verify(reader, anchor=Anchor(COUNT, report.head_hash))).is_sound


async def alter(journal: Any) -> None:
    await journal.update_one({"_id": MIDDLE}, {"$set": {"action_data.text": "note 0000"}})


async def delete(journal: Any) -> None:
    await journal.delete_one({"_id": MIDDLE})


async def swap_time(journal: Any) -> None:
    await journal.update_one({"_id": MIDDLE}, {"$currentDate": {"timestamp": True}})


async def add_a_field(journal: Any) -> None:
    await journal.update_one({"_id": MIDDLE}, {"$set": {"remark": "x"}})


@pytest.mark.parametrize(
    ("damage", "error", "words"),
    [
        (alter, ChainBroken, "altered"),
        (delete, GapDetected, "missing"),
        (swap_time, ChainBroken, "altered"),
        (add_a_field, ChainBroken, "altered"),
    ],
)
async def test_one_damaged_entry_is_found_and_named(
    journal: Any, reader: JournalReader, damage: Callable[[Any], Any], error: type[Damaged], words: str
) -> None:
    await damage(journal)
    report = await verify(reader)
    assert isinstance(report.broken, error)
    assert report.broken.sequence_number == MIDDLE
    assert words in str(report.broken)
    assert report.entries == report.last == MIDDLE - 1


async def test_an_inserted_entry_is_found_even_when_the_rest_was_moved_up(journal: Any, reader: JournalReader) -> None:
    last = await journal.find_one({"_id": COUNT})
    await journal.insert_one(last | {"_id": Int64(COUNT + 1)})
    report = await verify(reader)
    assert isinstance(report.broken, ChainBroken)
    assert report.broken.sequence_number == COUNT + 1


async def rewrite(journal: Any, number: int, **changes: Any) -> None:
    """A forger who knows how hashes are made."""
    entry = await journal.find_one({"_id": number})
    fields = {
        "sequence_number": number,
        "operation_id": None,
        "data": NoteAdded(**entry["action_data"]),
        "timestamp": entry["timestamp"],
        "epoch": entry["epoch"],
        "actor": entry["actor"],
        "correlation_id": int(entry["correlation_id"]),
        "causation_id": None,
        "previous_hash": entry["previous_hash"],
    }
    _, forged = EntryCodec().encode(**fields | changes)
    await journal.replace_one({"_id": number}, RawBSONDocument(forged))


async def test_an_entry_forged_with_a_right_hash_breaks_the_next_ones_link(journal: Any, reader: JournalReader) -> None:
    await rewrite(journal, MIDDLE, data=NoteAdded(text="forged"))
    report = await verify(reader)
    assert isinstance(report.broken, ChainBroken)
    assert report.broken.sequence_number == MIDDLE + 1


async def test_a_forged_last_entry_and_a_cut_tail_are_found_by_the_anchor(journal: Any, reader: JournalReader) -> None:
    noted = Anchor(COUNT, (await verify(reader)).head_hash)
    await rewrite(journal, COUNT, data=NoteAdded(text="forged"))
    assert (await verify(reader)).is_sound
    forged = await verify(reader, anchor=noted)
    assert isinstance(forged.broken, ChainBroken)
    assert forged.broken.sequence_number == COUNT
    await journal.delete_many({"_id": {"$gt": COUNT - 10}})
    assert (await verify(reader)).is_sound
    cut = await verify(reader, anchor=noted)
    assert isinstance(cut.broken, GapDetected)
    assert cut.broken.sequence_number == COUNT - 9


@pytest.mark.parametrize("field", ["epoch", "timestamp"])
async def test_epoch_and_time_going_back_are_found(journal: Any, reader: JournalReader, field: str) -> None:
    last = await journal.find_one({"_id": COUNT})
    value = 0 if field == "epoch" else last["timestamp"] - timedelta(hours=1)
    await rewrite(journal, COUNT, **{field: value})
    report = await verify(reader)
    assert isinstance(report.broken, OrderBroken)
    assert report.broken.sequence_number == COUNT
    assert report.entries == COUNT - 1


async def test_an_entry_this_program_cannot_read_is_named(journal: Any, reader: JournalReader) -> None:
    class Strange(NoteAdded):
        ACTION_TYPE = "STRANGE_THING"

    last = await journal.find_one({"_id": COUNT})
    _, strange = EntryCodec({"STRANGE_THING": Strange}).encode(
        sequence_number=COUNT, operation_id=None, data=Strange(text="x"), timestamp=last["timestamp"], epoch=1,
        actor="engine", correlation_id=COUNT, causation_id=None, previous_hash=last["previous_hash"],
    )  # fmt: skip
    await journal.replace_one({"_id": COUNT}, RawBSONDocument(strange))
    report = await verify(reader)
    assert isinstance(report.broken, UnknownEntry)
    assert (report.broken.sequence_number, report.entries) == (COUNT, COUNT - 1)
