"""Archiving that dies at any point and goes on: nothing lost, nothing doubled, the chain unbroken."""

from collections import Counter
from collections.abc import Callable
from importlib import import_module
from pathlib import Path

import pytest

from live_trading.archive import JournalFile, NotProved, Retention
from live_trading.archive.files import JournalFileWriter
from live_trading.domain.entries import Draft, Entry, JournalArchived, NoteAdded
from live_trading.domain.ids import Kind, derived_id
from live_trading.journal import EntryCodec, MongoJournalReader, verify
from live_trading.journal.codec import split
from tests.integration.archive.processes import run_child
from tests.integration.archive.worlds import World

MODULES = [import_module(f"live_trading.archive.{name}") for name in ("sealing", "files", "folder")]
BEFORE = 380
OPERATION = derived_id(Kind.OPERATION, 1)
POINTS = (
    "archive.seal.before",
    "archive.segment.rename.before",
    "archive.segment.rename.after",
    "archive.state.rename.before",
    "archive.state.rename.after",
    "archive.record.before",
    "archive.record.after",
    "archive.origin.after",
    "archive.delete.before",
    "archive.delete.some",
    "archive.delete.after",
)


class Died(BaseException):
    """The process would be gone here."""


def watch(monkeypatch: pytest.MonkeyPatch, on_point: Callable[[str], None]) -> None:
    for module in MODULES:
        monkeypatch.setattr(module, "failpoint", on_point)


def assert_nothing_lost_nothing_doubled(before: list[Entry], after: list[Entry]) -> None:
    assert after[: len(before)] == before
    assert [entry.sequence_number for entry in after] == list(range(1, len(after) + 1))
    segments = [entry.data for entry in after if isinstance(entry.data, JournalArchived)]
    covered = [n for data in segments for n in range(data.first_sequence_number, data.last_sequence_number + 1)]
    assert covered == list(range(1, len(covered) + 1)), "a stretch was archived twice, or never"


async def assert_whole(world: World, before: list[Entry], hashes: dict[int, str]) -> None:
    """Whatever happened, everything that ever was is there, once."""
    assert_nothing_lost_nothing_doubled(before, await world.entries())
    assert (await verify(world.reader)).is_sound
    for number, expected in hashes.items():
        assert (await world.ledger(number)).state_hash() == expected


async def test_dying_at_every_moment_loses_and_doubles_nothing(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    await world.fill(rounds=30)
    before = await world.entries()
    hashes = {number: (await world.ledger(number)).state_hash() for number in (60, 150)}
    met: Counter[str] = Counter()
    deaths: set[str] = set()

    def die_the_first_time(point: str) -> None:
        met[point] += 1
        # Every point of every segment: the n-th time that a point is passed without a death is the n-th segment.
        if f"{point} {met[point]}" not in deaths:
            deaths.add(f"{point} {met[point]}")
            met.clear()
            raise Died(point)

    watch(monkeypatch, die_the_first_time)
    while True:
        writer = await world.open_writer()
        try:
            await world.retention(writer, segment_entries=60).run(150)
            break
        except Died:
            await assert_whole(world, before, hashes)
        finally:
            await writer.close()
    await assert_whole(world, before, hashes)
    assert {death.split()[0] for death in deaths} == set(POINTS)
    assert (await world.in_database())[0] == 151
    assert [path.name for path in world.files("*.new")] == []
    assert len(world.files("journal-*.bson.gz")) == len(world.files("state-*.bson.gz")) == 3


@pytest.mark.crash_full
@pytest.mark.timeout(900)
async def test_dying_again_while_the_next_one_finishes_loses_and_doubles_nothing(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every pair of moments: the first run dies at one, the run that finishes its work at the other."""
    planned: list[str] = []

    def die_where_planned(point: str) -> None:
        if planned and planned[0] == point:
            raise Died(planned.pop(0))

    watch(monkeypatch, die_where_planned)
    died_twice = set()
    await world.fill(rounds=2)
    writer = await world.open_writer()
    for first in POINTS:
        for second in POINTS:
            (head,) = await writer.append(Draft(NoteAdded(text=f"{first}, {second}"), OPERATION))
            planned[:] = [first, second]
            for _ in range(3):
                try:
                    await world.retention(writer).run(head.sequence_number - 1)
                    break
                except Died:
                    pass
            if not planned:
                died_twice.add((first, second))
            planned.clear()
        after = await world.entries()
        assert_nothing_lost_nothing_doubled(after, after)
        assert (await verify(world.reader)).is_sound
    notes = [entry.data.text for entry in after if isinstance(entry.data, NoteAdded)]
    assert [note for note in notes if "archive." in note] == [f"{one}, {other}" for one in POINTS for other in POINTS]
    await writer.close()
    # The second run does not come by what the first has done for good; entry 1 is kept aside for the first pair only.
    late = [point for point in POINTS[POINTS.index("archive.record.before") :] if point != "archive.origin.after"]
    assert died_twice.issuperset({(one, other) for one in POINTS[: POINTS.index(late[0])] for other in late})


@pytest.mark.crash
@pytest.mark.parametrize("point", [*(f"{point}=kill@1" for point in POINTS), "archive.delete.some=kill@4"])
async def test_killed_archiving_is_finished_by_the_next_one(world: World, mongo_url: str, point: str) -> None:
    await world.fill()
    before = await world.entries()
    hashes = {number: (await world.ledger(number)).state_hash() for number in (150, BEFORE)}
    await run_child("archive", mongo_url, world.database, world.directory, str(BEFORE), failpoint=point)
    await assert_whole(world, before, hashes)
    await world.archive(BEFORE)
    await assert_whole(world, before, hashes)
    assert (await world.in_database())[0] == BEFORE + 1


async def test_journal_that_was_not_proved_is_not_deleted(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    await world.fill()
    before = await world.entries()

    def alter_the_file(point: str) -> None:
        if point == "archive.segment.rename.after":
            (path,) = world.files("journal-*.bson.gz")
            data = bytearray(path.read_bytes())
            data[len(data) // 2] ^= 1
            path.write_bytes(data)

    watch(monkeypatch, alter_the_file)
    with pytest.raises(Exception, match="in the archive"):
        await world.archive(BEFORE)
    assert (await world.in_database())[: len(before)] == [entry.sequence_number for entry in before]
    watch(monkeypatch, lambda point: None)
    await world.archive(BEFORE)
    assert_nothing_lost_nothing_doubled(before, await world.entries())
    assert (await world.in_database())[0] == BEFORE + 1


def forge_the_last_entry(path: Path) -> None:
    """Seal the segment anew with another last entry: every hash and check sum in it is right."""
    file, codec = JournalFile(path), EntryCodec()
    documents = [each for member in file.members for each in split(file.documents(member))]
    last = codec.decode(documents[-1])
    _, documents[-1] = codec.encode(
        sequence_number=last.sequence_number,
        operation_id=last.operation_id,
        data=last.data,
        timestamp=last.timestamp,
        epoch=last.epoch,
        actor="user:mallory",
        correlation_id=last.correlation_id,
        causation_id=last.causation_id,
        previous_hash=last.previous_hash,
    )
    with JournalFileWriter(path, file.header, "forged") as writer:
        for document in documents:
            writer.add(document, 1)
        writer.finish()


async def test_segment_that_does_not_hold_what_the_database_holds_is_not_deleted_for(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    await world.fill(rounds=20)
    before = await world.entries()

    def forge(point: str) -> None:
        if point == "archive.state.rename.before":
            pytest.fail("it was taken for proved")
        if point == "archive.segment.rename.after":
            forge_the_last_entry(world.files("journal-*.bson.gz")[0])

    watch(monkeypatch, forge)
    with pytest.raises(NotProved, match="Nothing was deleted"):
        await world.archive(100)
    assert (await world.in_database())[: len(before)] == [entry.sequence_number for entry in before]
    assert world.files("state-*") == []


async def test_file_damaged_after_it_was_noted_and_before_the_deletion_keeps_the_entries(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    await world.fill()
    before = await world.entries()

    def die(point: str) -> None:
        if point == "archive.record.after":
            raise Died

    watch(monkeypatch, die)
    with pytest.raises(Died):
        await world.archive(BEFORE)
    watch(monkeypatch, lambda point: None)
    (path,) = world.files("journal-*.bson.gz")
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(Exception, match="in the archive"):
        await world.archive(BEFORE)
    stored = [entry async for entry in MongoJournalReader(world.database).read(0, len(before))]
    assert stored == before


async def test_entry_that_was_appended_although_its_answer_was_lost_is_not_appended_again(world: World) -> None:
    await world.fill()
    before = await world.entries()
    writer = await world.open_writer()

    async def lose_the_answer(facts: JournalArchived) -> None:
        await writer.append(Draft(facts))
        raise Died

    retention: Retention = world.retention(writer)
    retention._record = lose_the_answer
    with pytest.raises(Died):
        await retention.run(BEFORE)
    await writer.close()
    await world.archive(BEFORE)
    assert_nothing_lost_nothing_doubled(before, await world.entries())
