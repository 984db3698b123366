"""Verifying an archived journal: the collection alone, and the files with it; whatever is not as sealed is named."""

from collections.abc import Callable
from pathlib import Path

import pytest

from live_trading.archive import ArchiveDamaged, ArchiveMissing, JournalFile, verify_collection, verify_with_archive
from live_trading.archive.files import JournalFileWriter
from live_trading.domain.entries import Draft, NoteAdded
from live_trading.journal import Anchor, ChainBroken, GapDetected
from tests.integration.archive.worlds import World


@pytest.fixture
async def archived(world: World) -> World:
    """A journal of which three segments are archived, 1 to 380."""
    await world.fill()
    await world.archive(380)
    await world.database.command({"collMod": "journal", "validator": {}})
    return world


async def test_both_ways_find_a_sound_journal_sound(archived: World) -> None:
    alone = await verify_collection(archived.reader)
    assert alone.is_sound
    assert alone.first == 381
    report, segments = await verify_with_archive(archived.reader)
    assert report.is_sound
    assert (report.first, report.last, report.head_hash) == (1, alone.last, alone.head_hash)
    assert [(each.segment.first, each.segment.last, each.entries, each.recorded) for each in segments] == [
        (1, 150, 150, True), (151, 300, 150, True), (301, 380, 80, True),
    ]  # fmt: skip


async def test_anchor_in_the_archive_is_held_to(archived: World) -> None:
    entry = await archived.reader.entry(100)
    assert entry is not None
    report, _ = await verify_with_archive(archived.reader, Anchor(100, entry.hash.hex()))
    assert report.is_sound
    report, _ = await verify_with_archive(archived.reader, Anchor(100, "0" * 64))
    assert isinstance(report.broken, ChainBroken)
    assert report.broken.sequence_number == 100


async def test_entries_deleted_behind_the_archives_back_are_missed(archived: World) -> None:
    await archived.database["journal"].delete_many({"_id": {"$lt": 385}})
    report = await verify_collection(archived.reader)
    assert isinstance(report.broken, GapDetected)
    assert (report.broken.expected, report.broken.found) == (1, 385)
    report, _ = await verify_with_archive(archived.reader)
    assert report.broken is not None
    assert report.broken.sequence_number == 381


async def test_beginning_deleted_from_a_journal_that_was_never_archived_is_missed(world: World) -> None:
    await world.fill(rounds=10)
    await world.database["journal"].delete_many({"_id": {"$lt": 10}})
    report = await verify_collection(world.reader)
    assert isinstance(report.broken, GapDetected)
    report, _ = await verify_with_archive(world.reader)
    assert isinstance(report.broken, GapDetected)


Harm = Callable[[list[Path]], object]


@pytest.mark.parametrize(
    ("harm", "kind", "number", "words"),
    [
        (lambda files: files[1].unlink(), ArchiveMissing, 151, "logging.journal_archive_dir"),
        (lambda files: files[1].write_bytes(files[1].read_bytes()[:-50]), ArchiveDamaged, 151, "cut short"),
        (lambda files: files[2].write_bytes(files[2].read_bytes() + b"x"), ArchiveDamaged, 301, "follows its end"),
        (lambda files: files[0].rename(files[0].with_name(files[1].name)), ArchiveMissing, 1, "no file"),
    ],
    ids=["lost", "cut short", "longer", "renamed"],
)
async def test_harm_to_a_file_is_named(
    archived: World, harm: Harm, kind: type[Exception], number: int, words: str
) -> None:
    harm(archived.files("journal-*"))
    report, _ = await verify_with_archive(archived.reader)
    assert isinstance(report.broken, kind)
    assert report.broken.sequence_number == number
    assert words in str(report.broken)
    assert (await verify_collection(archived.reader)).is_sound, "the collection alone is what it was"


async def test_segment_sealed_anew_with_the_same_entries_is_not_the_one_in_the_journal(archived: World) -> None:
    first, *_ = archived.files("journal-*")
    file = JournalFile(first)
    documents = [(file.documents(member), member.entries) for member in file.members]
    with JournalFileWriter(first, file.header._replace(program="another"), "test") as writer:
        for run, count in documents:
            writer.add(run, count)
        writer.finish()
    report, _ = await verify_with_archive(archived.reader)
    assert isinstance(report.broken, ArchiveDamaged)
    assert "its SHA-256 is not the one in the journal" in str(report.broken)


async def test_file_that_the_journal_does_not_vouch_for_is_named(archived: World) -> None:
    first, *_ = archived.files("journal-*")
    first.with_name("journal-000000000001-000000000007.bson.gz").write_bytes(first.read_bytes())
    report, _ = await verify_with_archive(archived.reader)
    assert isinstance(report.broken, ArchiveDamaged)
    assert "it holds the entries 1 to 150" in str(report.broken)


async def test_collection_verifies_half_way_through_a_deletion(world: World) -> None:
    await world.fill()
    await world.archive(100)
    writer = await world.open_writer()
    retention = world.retention(writer)

    async def stop_here(*_: object) -> None:
        await writer.append(Draft(NoteAdded(text="a deletion is under way")))
        raise RuntimeError

    retention._delete = stop_here  # type: ignore[assignment]
    with pytest.raises(RuntimeError):
        await retention.run(200)
    await world.database["journal"].delete_many({"_id": {"$lte": 150}})
    await writer.close()
    assert (await verify_collection(world.reader)).is_sound
    report, segments = await verify_with_archive(world.reader)
    assert report.is_sound
    assert [each.recorded for each in segments] == [True, True]
