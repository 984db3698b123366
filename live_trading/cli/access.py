"""A command's way to the data of its data directory, and to the engine through durable commands."""

import getpass
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from pymongo.errors import PyMongoError

from live_trading.archive import ArchivedJournalReader, ArchivedSnapshots
from live_trading.assembly import Storage, archive_directory, has_data, open_storage, said
from live_trading.cli.exits import EngineAway, NotFound, WasRefused
from live_trading.cli.shell import Shell
from live_trading.config import Settings
from live_trading.database import DatabaseError
from live_trading.models import commands
from live_trading.models.presence import engine_presence
from live_trading.models.queries import plain
from live_trading.projections.checkpoint import Checkpoints
from live_trading.runtime import Runtime

ANSWER_SECONDS = 30.0
"""How long an engine that is there is waited for unless ``--wait`` says otherwise."""

_READ_MODELS_SECONDS = 2.0
_POLL_SECONDS = 0.02


@dataclass(frozen=True, slots=True)
class Access:
    """An open database with its journal, archived entries included."""

    settings: Settings
    storage: Storage
    reader: ArchivedJournalReader
    snapshots: ArchivedSnapshots
    runtime: Runtime

    @property
    def database(self) -> Any:
        return self.storage.database


@asynccontextmanager
async def opened(shell: Shell, *, create: bool = False) -> AsyncIterator[Access]:
    """The data directory's database, for as long as the block lasts; the bundled server is started if none runs.

    Without ``create`` a directory in which nothing was ever kept is :class:`NotFound`: asking changes nothing.
    """
    settings = shell.settings
    if not create and not has_data(settings):
        raise NotFound(
            f"data_dir: there is nothing in {settings.engine.data_dir} yet. "
            "Start with live-trading run, or name another directory with --data-dir"
        )
    runtime = Runtime()
    try:
        async with open_storage(settings, runtime, watch=False, check=False) as storage:
            try:
                await storage.client.admin.command("ping")
            except PyMongoError as error:
                raise DatabaseError(
                    f"MONGODB_URL: MongoDB cannot be reached at {storage.where}: {said(error)[:200]}. "
                    "Check the address, that it runs, and that it lets us in"
                ) from error
            yield access_to(settings, storage, runtime)
    finally:
        await runtime.tasks.close()


def access_to(settings: Settings, storage: Storage, runtime: Runtime) -> Access:
    """What a command needs of an open database."""
    reader = ArchivedJournalReader(storage.database, archive_directory(settings), runtime.clock)
    return Access(settings, storage, reader, ArchivedSnapshots(storage.database, reader.archive), runtime)


def actor() -> str:
    """Who asks: the user of this machine."""
    try:
        return f"user:{getpass.getuser()}"
    except (KeyError, OSError):
        return "user:unknown"


async def ask(
    access: Access, kind: str, arguments: Mapping[str, Any], *, key: str | None = None, wait: float | None = None
) -> dict[str, Any]:
    """Ask the engine for something, durably, and wait for what comes of it.

    Raises :class:`WasRefused`, or :class:`EngineAway` when no engine is there or none answers within ``wait`` seconds:
    the command is kept then, and carried out when an engine takes it. ``key`` makes asking twice asking once.
    """
    database, clock = access.database, access.runtime.clock
    await commands.prepare(database)
    record = commands.CommandRecord(
        id=access.runtime.ids.token(),
        kind=kind,
        arguments=dict(arguments),
        actor=actor(),
        idempotency_key=key,
        created_at=clock.now(),
    )
    stored = await commands.submit(database, record)
    presence = await engine_presence(database, access.settings.engine.id, clock)
    patience = wait if wait is not None else ANSWER_SECONDS if presence.may_answer else 0.0
    answered = await commands.answered(database, stored.id, clock, patience)
    if answered is None or not answered.is_final:
        waited = f" within {patience:g} s" if patience else ""
        raise EngineAway(
            f"no engine answered{waited} ({presence.text}). The command is kept and will be carried out when an engine "
            f"takes it: command {stored.id}",
            command_id=stored.id,
            status="pending",
        )
    if answered.status is commands.CommandStatus.REFUSED:
        refused = answered.error or {}
        code = str(refused.get("code", "REFUSED"))
        text = f"{refused.get('detail', 'refused')} ({code})"
        raise WasRefused(text, code, command_id=stored.id, status="refused", **refused)
    number = answered.sequence_number
    if number is not None:
        await _until_read_models_have(access, number)
    outcome = plain(answered.result or {})
    return {"command_id": stored.id, "status": "done", "sequence_number": number, **outcome}


async def _until_read_models_have(access: Access, number: int) -> None:
    """So that whoever asks next sees what was just done; a moment at most, they may be halted."""
    clock = access.runtime.clock
    deadline = clock.monotonic() + _READ_MODELS_SECONDS
    checkpoints = Checkpoints(access.database)
    while clock.monotonic() < deadline:
        checkpoint = await checkpoints.read()
        if checkpoint is not None and checkpoint.sequence_number >= number:
            return
        await clock.sleep(_POLL_SECONDS)
