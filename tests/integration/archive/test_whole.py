"""A whole journal in one file: written, checked, taken in by an empty database, and by no other."""

import gzip
import os
from importlib import import_module
from pathlib import Path

import bson
import pytest
from bson import Int64

from live_trading.archive import ArchivedSnapshots, FileDamaged, NotEmpty, check_journal_file
from live_trading.archive.files import FORMAT_VERSION, Header, JournalFileWriter
from live_trading.domain.entries import Draft, NoteAdded
from live_trading.domain.errors import InvalidInput
from live_trading.journal import ChainBroken, GapDetected, verify
from live_trading.journal.codec import split
from live_trading.journal.mongo_store import INCOMING
from live_trading.projections import rebuild, verify_read_models
from tests.integration.archive.processes import run_child
from tests.integration.archive.worlds import World
from tests.projections.histories import stored


async def test_journal_goes_to_another_database_byte_for_byte(world: World, other: World, tmp_path: Path) -> None:
    await world.fill()
    await world.archive(200)
    await rebuild(world.database, world.reader, world.runtime, grace=0)
    whole = await world.export(tmp_path / "whole.bson.gz")
    ledger = await world.ledger()
    assert (whole.entries, whole.state_hash) == (ledger.sequence_number, ledger.state_hash())
    taken = await other.take_in("import", whole.path)
    assert await other.entries() == await world.entries()
    assert await stored(other.database) == await stored(world.database)
    assert taken.read_models.is_equal
    assert (await other.in_database())[0] == 1, "it is whole in the database again"
    assert INCOMING not in await other.database.list_collection_names()
    writer = await other.open_writer()
    (entry,) = await writer.append(Draft(NoteAdded(text="it goes on")))
    await writer.close()
    assert entry.sequence_number == whole.entries + 2
    assert (await verify(other.reader)).is_sound


async def test_imported_journal_has_the_indexes_and_the_fence_of_a_written_one(
    world: World, other: World, tmp_path: Path
) -> None:
    await world.fill(rounds=5)
    await other.take_in("import", (await world.export(tmp_path / "whole")).path)
    for each in (world, other):
        writer = await each.open_writer()
        await writer.close()
    mine, theirs = [await each.database["journal"].index_information() for each in (world, other)]
    assert mine == theirs
    options = [await each.database["journal"].options() for each in (world, other)]
    assert options[0]["clusteredIndex"] == options[1]["clusteredIndex"]
    assert options[1]["validator"] == {"epoch": {"$gte": Int64(2)}}


async def test_every_kind_of_damage_is_found_before_anything_is_written(
    world: World, other: World, tmp_path: Path
) -> None:
    await world.fill(rounds=20)
    whole = await world.export(tmp_path / "whole.bson.gz")
    data = whole.path.read_bytes()
    damaged = {
        "cut short": data[: len(data) // 2],
        "end missing": data[:-200],
        "one bit": data[:5000] + bytes([data[5000] ^ 1]) + data[5001:],
        "last bit of the check sum": data[:-40] + bytes([data[-40] ^ 1]) + data[-39:],
        "something behind": data + b"\x00",
        "twice": data + data,
    }
    for name, content in damaged.items():
        path = tmp_path / name
        path.write_bytes(content)
        with pytest.raises(FileDamaged) as error:
            await other.take_in("import", path)
        assert str(path) in str(error.value)
    for name, content in {"empty": b"", "text": b"hello" * 100, "gzip": gzip.compress(b"hello")}.items():
        path = tmp_path / name
        path.write_bytes(content)
        with pytest.raises(InvalidInput, match="is not a journal's file"):
            await other.take_in("import", path)
    assert await other.database.list_collection_names() == []


async def rewritten(world: World, path: Path, alter: str) -> Path:
    """The journal in a file whose check sums are right, one of its entries altered."""
    documents = [document async for batch in world.reader.source.batches(0, None) for document in split(batch)]
    if alter == "entry":
        middle = bson.decode(documents[40])
        documents[40] = bson.encode({**middle, "actor": "user:mallory"})
    elif alter == "gap":
        del documents[40]
    header = Header("journal", 1, bytes(32), "test", "x", "0", world.runtime.clock.now())
    with JournalFileWriter(path, header, "test") as writer:
        for document in documents:
            writer.add(document, 1)
        writer.finish()
    return path


@pytest.mark.parametrize("alter", ["entry", "gap"])
async def test_file_with_right_check_sums_and_a_broken_chain_is_refused(
    world: World, other: World, tmp_path: Path, alter: str
) -> None:
    await world.fill(rounds=20)
    path = await rewritten(world, tmp_path / "forged", alter)
    with pytest.raises(ChainBroken if alter == "entry" else GapDetected) as error:
        await other.take_in("import", path)
    assert error.value.sequence_number == 41
    assert await other.database.list_collection_names() == []


async def test_file_of_a_newer_format_says_which_program_reads_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, world: World
) -> None:
    await world.fill(rounds=2)
    monkeypatch.setattr("live_trading.archive.files.FORMAT_VERSION", FORMAT_VERSION + 1)
    whole = await world.export(tmp_path / "whole")
    monkeypatch.undo()
    with pytest.raises(InvalidInput, match="a newer one"):
        await check_journal_file(whole.path)


async def test_segment_is_not_taken_for_a_whole_journal(world: World) -> None:
    await world.fill(rounds=20)
    (done,) = await world.archive(50)
    with pytest.raises(InvalidInput, match="is a segment of an archive"):
        await check_journal_file(done.path)


async def test_only_an_empty_database_takes_a_journal_in(world: World, other: World, tmp_path: Path) -> None:
    await world.fill(rounds=5)
    whole = await world.export(tmp_path / "whole")
    with pytest.raises(NotEmpty, match="this very journal is in it already"):
        await world.take_in("import", whole.path)
    await other.fill(seed=2, rounds=2)
    before = await other.entries()
    with pytest.raises(NotEmpty, match="it holds a journal"):
        await other.take_in("import", whole.path)
    assert await other.entries() == before
    await other.database.drop_collection("journal")
    await other.database["something_else"].insert_one({"x": 1})
    with pytest.raises(NotEmpty, match="something is in"):
        await other.take_in("import", whole.path)


async def test_nothing_is_overwritten_by_an_export(world: World, tmp_path: Path) -> None:
    await world.fill(rounds=2)
    path = tmp_path / "there"
    path.write_text("precious")
    with pytest.raises(InvalidInput, match="is there already"):
        await world.export(path)
    assert path.read_text() == "precious"
    assert sorted(os.listdir(tmp_path)) == ["there"]  # noqa: PTH208 - a list of names is what is meant


@pytest.mark.crash
@pytest.mark.parametrize(
    ("point", "journal_is_there"),
    [
        ("import.begun=kill@1", False),
        ("import.insert.some=kill@2", False),
        ("import.rename.before=kill@1", False),
        ("import.rename.after=kill@1", True),
        ("rebuild.rename.before=kill@2", True),
        ("import.rebuild.after=kill@1", True),
    ],
)
async def test_killed_import_leaves_no_journal_or_a_whole_one(
    world: World, other: World, mongo_url: str, tmp_path: Path, point: str, journal_is_there: bool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setattr(import_module("live_trading.projections.rebuild"), "ABANDONED_SECONDS", 0.2)
    await world.fill(rounds=150)
    whole = await world.export(tmp_path / "whole")
    await run_child("import", mongo_url, other.database, whole.path, failpoint=point)
    if journal_is_there:
        with pytest.raises(NotEmpty, match="live-trading rebuild"):
            await other.take_in("import", whole.path)
        await rebuild(other.database, other.reader, other.runtime, grace=0)
    else:
        assert await other.in_database() == []
        with pytest.raises(InvalidInput, match="Run the same live-trading journal import or restore again"):
            await other.open_writer()
        taken = await other.take_in("import", whole.path)
        assert taken.began_anew
    assert await other.entries() == await world.entries()
    assert (await verify_read_models(other.database, other.reader)).is_equal
    reader = other.reader
    found = await ArchivedSnapshots(other.database, reader.archive).load("none")
    assert found.snapshot is None
