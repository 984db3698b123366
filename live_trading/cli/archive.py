"""``journal archive``, ``export``, ``import``, and ``backup`` and ``restore``: the record outside of the database."""

import asyncio
import os
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from live_trading.archive import (
    Archived,
    JournalFile,
    Record,
    Retention,
    TakenIn,
    Whole,
    export_journal,
    import_journal,
    make_backup,
    read_manifest,
    restore_backup,
)
from live_trading.assembly import archive_directory
from live_trading.cli.access import Access, ask, opened
from live_trading.cli.records import journal, moment_of
from live_trading.cli.shell import Answer, Shell, command
from live_trading.cli.tables import Column, show_fields, show_table
from live_trading.domain.entries import Draft, JournalArchived
from live_trading.journal import JournalWriter, MongoJournal, Opener
from live_trading.models.presence import engine_presence

_BAR_ARCHIVE = "archive"


@command(journal, "archive")
async def archive(
    shell: Shell,
    before: Annotated[
        str | None,
        typer.Option(
            metavar="NUMBER|TIME", help="Entries up to this one, or before this time; those over the retention's age"
        ),
    ] = None,
) -> Answer:
    """Move old entries out of the database into the archive: sealed in a file, proved, and only then deleted.

    An engine that runs is asked to note it in the journal; without one this command notes it itself.
    """
    settings = shell.settings
    async with opened(shell) as access:
        age = timedelta(days=settings.logging.journal_retention_days)
        until: datetime | int = access.runtime.clock.now() - age
        if before is not None:
            until = moment_of(before, "--before")
        async with _recorder(access) as record:
            retention = Retention(
                access.database,
                archive_directory(settings),
                access.runtime.clock,
                record,
                segment_entries=settings.logging.journal_segment_entries,
            )
            done = await retention.run(until)
        first = await access.reader.source.first_number()
        folder = await access.reader.archive.expected_folder()
    rows = [_archived_fields(each) for each in done]
    data = {"segments": rows, "archive": str(folder), "first_in_database": first}
    columns = (
        Column("from", "first", number=True),
        Column("to", "last", number=True),
        Column("deleted", "deleted", number=True),
        Column("file", "file"),
    )
    nothing = f"No entry is old enough: the database has them from entry {first} on."
    return Answer(data, show_table(rows, columns, nothing))


def _archived_fields(done: Archived) -> dict[str, Any]:
    facts = done.facts
    return {
        "first": facts.first_sequence_number,
        "last": facts.last_sequence_number,
        "deleted": done.deleted,
        "file": str(done.path),
        "sha256": facts.segment_sha256,
        "state_hash": done.proved or None,
    }


@asynccontextmanager
async def _recorder(access: Access) -> AsyncIterator[Record]:
    """Appends to the journal: through the engine where there is one, else with a lease of our own."""
    settings, clock = access.settings, access.runtime.clock
    presence = await engine_presence(access.database, settings.engine.id, clock)
    writer: JournalWriter | None = None

    async def through_the_engine(facts: JournalArchived) -> None:
        arguments = facts.model_dump(mode="json", exclude_none=True)
        await ask(access, "record_archived_segment", arguments, key=f"archive {facts.segment_sha256}")

    async def ourselves(facts: JournalArchived) -> None:
        nonlocal writer
        if writer is None:
            opener = Opener(
                engine_id=settings.engine.id,
                instance="archive",
                version=version("live-trading"),
                host=socket.gethostname(),
                process_id=os.getpid(),
            )
            ttl = settings.engine.lease_ttl_seconds
            writer = await MongoJournal.open_writer(access.database, opener, access.runtime, lease_ttl=ttl)
        await writer.append(Draft(facts))

    try:
        yield through_the_engine if presence.may_answer else ourselves
    finally:
        if writer is not None:
            await writer.close()


# ---- one file --------------------------------------------------------------------------------------------------------


@command(journal, "export")
async def export(
    shell: Shell, file: Annotated[Path, typer.Argument(help="The file to write; it must not be there yet")]
) -> Answer:
    """Write the whole journal, archived entries included, into one file that checks itself."""
    async with opened(shell) as access:
        whole = await export_journal(access.reader, file, access.runtime.clock)
    data = whole_fields(whole)
    return Answer(data, show_fields(data, "The journal was written"))


def whole_fields(whole: Whole) -> dict[str, Any]:
    """A whole journal as plain values."""
    return {
        "file": str(whole.path),
        "engine_id": whole.engine_id,
        "deployment_id": whole.deployment_id,
        "program": whole.program,
        "entries": whole.entries,
        "head": f"{whole.entries}:{whole.head_hash}",
        "state_hash": whole.state_hash,
        "fold_version": whole.fold_version,
        "sha256": whole.sha256,
    }


@command(journal, "import")
async def import_(shell: Shell, file: Annotated[Path, typer.Argument(help="What journal export wrote")]) -> Answer:
    """Take a whole journal into an empty database, and make its read models.

    The file is checked to its last entry before anything is written.
    """
    await asyncio.to_thread(JournalFile, file)  # what is no journal makes no database
    async with _taking_in(shell) as access:
        taken = await import_journal(access.database, access.reader, file, access.runtime)
    data = {**whole_fields(taken.whole), **_proof(taken)}

    def show(console: Console) -> None:
        show_fields(whole_fields(taken.whole), "The journal was taken in")(console)
        _show_proof(console, taken)

    return Answer(data, show)


@asynccontextmanager
async def _taking_in(shell: Shell) -> AsyncIterator[Access]:
    """A database that may be new; an interruption says what was left."""
    try:
        async with opened(shell, create=True) as access:
            yield access
    except asyncio.CancelledError:
        shell.note("error: cut short; no engine starts on what was left. Run the same command again: it begins anew")
        raise


def _proof(taken: TakenIn) -> dict[str, Any]:
    return {
        "proved": {
            "head": f"{taken.whole.entries}:{taken.whole.head_hash}",
            "state_hash": taken.whole.state_hash,
            "read_models": {
                found.collection: {"documents": found.documents, "hash": found.fold_hash}
                for found in taken.read_models.collections
            },
        },
        "began_anew": taken.began_anew,
    }


def _show_proof(console: Console, taken: TakenIn) -> None:
    if taken.began_anew:
        console.print("An earlier attempt had been cut short; it was begun anew.")
    counts = ", ".join(f"{found.collection} {found.documents:,}" for found in taken.read_models.collections)
    console.print(
        f"[green]Equal:[/] chain head, state, and the read models byte for byte as of entry {taken.whole.entries}: "
        f"{counts}.",
        soft_wrap=True,
    )
    console.print(f"Start its engine with ENGINE_ID={taken.whole.engine_id}.")


# ---- backups ---------------------------------------------------------------------------------------------------------


async def backup(
    shell: Shell,
    directory: Annotated[Path, typer.Argument(metavar="DIR", help="The directory to make; it must not be there yet")],
    market_data: Annotated[bool, typer.Option("--market-data", help="With the bars, and the archive of bars")] = False,
) -> Answer:
    """Write a backup: journal, snapshots, and whatever else cannot be computed again. An engine may be trading."""
    bars = shell.settings.engine.data_dir / _BAR_ARCHIVE if market_data else None
    async with opened(shell) as access:
        made = await make_backup(access.database, access.reader, directory, access.runtime.clock, market_data=bars)
    manifest = made.manifest
    data = {"directory": str(directory), **manifest}
    brief = {
        "directory": str(directory),
        "head": f"{manifest['head']['sequence_number']}:{manifest['head']['hash']}",
        "state_hash": manifest["state_hash"],
        "collections": ", ".join(f"{name} {told['documents']:,}" for name, told in manifest["collections"].items()),
        "files": len(manifest["files"]),
    }
    return Answer(data, show_fields(brief, "The backup was made"))


async def restore(
    shell: Shell, directory: Annotated[Path, typer.Argument(metavar="DIR", help="What backup made")]
) -> Answer:
    """Take a backup into an empty database, and prove that it is what was backed up.

    Every file is checked before anything is written; state, chain and read models are compared afterwards.
    """
    bars = shell.settings.engine.data_dir / _BAR_ARCHIVE
    await asyncio.to_thread(read_manifest, directory)  # what is no backup makes no database
    async with _taking_in(shell) as access:
        done = await restore_backup(access.database, access.reader, directory, access.runtime, market_data=bars)
    told = {name: each["documents"] for name, each in done.manifest["collections"].items()}
    fields = {**whole_fields(done.taken_in.whole), "made_at": done.manifest["made_at"], "collections": told}
    data = {**fields, **_proof(done.taken_in), "not_compared": list(done.not_compared)}

    def show(console: Console) -> None:
        show_fields(fields, "The backup was restored")(console)
        _show_proof(console, done.taken_in)
        for text in done.not_compared:
            console.print(f"[yellow]Not compared with the backup's:[/] {text}.", soft_wrap=True)

    return Answer(data, show)
