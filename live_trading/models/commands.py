"""Commands: what a person asks of the engine, kept in the collection ``commands`` until the engine has answered.

Whoever asks writes a command; the engine takes those that are pending, oldest first, turns each into entries exactly
once (entries carry the command's id, and the ledger remembers it), and writes down what came of it. A person's client
that lost the answer asks again under the same idempotency key and gets the first command back.
"""

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from typing import Any, Final

import bson
from bson.errors import BSONError
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pymongo import ASCENDING, IndexModel
from pymongo.asynchronous.client_session import AsyncClientSession
from pymongo.asynchronous.collection import AsyncCollection
from pymongo.asynchronous.database import AsyncDatabase
from pymongo.errors import DuplicateKeyError
from pymongo.read_concern import ReadConcern
from pymongo.write_concern import WriteConcern

from live_trading.domain.errors import InvalidInput
from live_trading.journal.codec import OPTIONS
from live_trading.runtime import Clock

COMMANDS: Final = "commands"
MAX_PENDING: Final = 100
MAX_ARGUMENT_BYTES: Final = 64 * 1024

INDEXES: Final = (
    IndexModel([("idempotency_key", ASCENDING)], unique=True, sparse=True),
    IndexModel([("status", ASCENDING), ("created_at", ASCENDING)]),
)

_POLL_SECONDS: Final = 0.02

Database = AsyncDatabase[dict[str, Any]]


class CommandStatus(StrEnum):
    """``done`` and ``refused`` are final."""

    PENDING = "pending"
    DONE = "done"
    REFUSED = "refused"


class CommandFields(BaseModel):
    """What is known about a command, its id apart."""

    model_config = ConfigDict(extra="forbid", populate_by_name=True)

    kind: str = Field(min_length=1, max_length=64, description="what is asked, e.g. pause_operation")
    arguments: dict[str, Any] = Field(default_factory=dict, description="what the kind needs to know")
    actor: str = Field(min_length=1, max_length=128, description="who asks, e.g. user:anna")
    idempotency_key: str | None = Field(
        default=None, min_length=1, max_length=128, description="the asker's own name for it: asked twice, done once"
    )
    status: CommandStatus = Field(default=CommandStatus.PENDING, description="pending, done or refused")
    result: dict[str, Any] | None = Field(default=None, description="what came of it")
    error: dict[str, Any] | None = Field(default=None, description="why it was refused: code, detail, field")
    created_at: datetime = Field(description="when it was asked")
    handled_at: datetime | None = Field(default=None, description="when the engine had answered")
    sequence_number: int | None = Field(default=None, description="the journal entry that came of it")


class CommandRecord(CommandFields):
    """One command as it is stored."""

    id: str = Field(alias="_id", min_length=1, max_length=64, description="its own id, in the entries that come of it")

    @property
    def is_final(self) -> bool:
        return self.status is not CommandStatus.PENDING


def _collection(database: Database) -> AsyncCollection[dict[str, Any]]:
    return database.get_collection(
        COMMANDS,
        codec_options=OPTIONS,
        read_concern=ReadConcern("majority"),
        write_concern=WriteConcern(w="majority", j=True),
    )


async def prepare(database: Database) -> None:
    """Create the collection's indexes where they are missing."""
    await _collection(database).create_indexes(list(INDEXES))


async def submit(
    database: Database, command: CommandRecord, *, session: AsyncClientSession | None = None
) -> CommandRecord:
    """Store a command, durably, and return it; or the one stored before under the same id or idempotency key.

    With a ``session`` it is stored with its transaction, and only a fresh command may be.

    Raises :class:`InvalidInput` when the one stored before asks for something else (or was asked by somebody else), and
    for arguments that cannot be kept.
    """
    document = _document(command)
    collection = _collection(database)
    try:
        await collection.insert_one(document, session=session)
    except DuplicateKeyError:
        if session is not None:
            raise
        return await _stored_before(collection, command, document)
    return CommandRecord.model_validate(document)


def _document(command: CommandRecord) -> dict[str, Any]:
    document = command.model_dump(by_alias=True, mode="python", exclude_none=True)
    document = {"_id": document.pop("_id"), **document, "status": command.status.value}
    try:
        encoded = bson.encode(document, codec_options=OPTIONS)
    except (BSONError, OverflowError, ValueError, TypeError) as error:
        raise InvalidInput("arguments", f"cannot be kept: {error}", "Use strings, numbers, lists, objects") from error
    if len(encoded) > MAX_ARGUMENT_BYTES:
        raise InvalidInput("arguments", f"are over {MAX_ARGUMENT_BYTES:,} bytes", "Ask for less at once")
    return bson.decode(encoded, codec_options=OPTIONS)


async def _stored_before(
    collection: AsyncCollection[dict[str, Any]], command: CommandRecord, document: Mapping[str, Any]
) -> CommandRecord:
    stored = await collection.find_one({"_id": command.id})
    field = "id"
    if stored is None:
        stored = await collection.find_one({"idempotency_key": command.idempotency_key})
        field = "idempotency_key"
    assert stored is not None, "a duplicate key, and no document under it"
    for name in ("kind", "arguments", "actor"):
        if stored[name] != document[name]:
            raise InvalidInput(field, f"was used before for another command (other {name})", "Use a fresh one")
    return CommandRecord.model_validate(stored)


async def get(database: Database, command_id: str) -> CommandRecord | None:
    """The command of that id, None when there is none."""
    document = await _collection(database).find_one({"_id": command_id})
    return None if document is None else CommandRecord.model_validate(document)


async def of_key(database: Database, idempotency_key: str) -> CommandRecord | None:
    """The command stored under that key, None when there is none."""
    document = await _collection(database).find_one({"idempotency_key": idempotency_key})
    return None if document is None else CommandRecord.model_validate(document)


async def pending(database: Database, limit: int = MAX_PENDING) -> list[CommandRecord]:
    """Commands the engine has not answered, oldest first, at most ``limit``.

    What stands there and is no command (somebody wrote it by hand) is answered as refused, so that it holds up none."""
    found = _collection(database).find({"status": CommandStatus.PENDING.value})
    found = found.sort([("created_at", ASCENDING), ("_id", ASCENDING)]).limit(limit)
    records = []
    for document in await found.to_list():
        try:
            records.append(CommandRecord.model_validate(document))
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False)[0]
            field = ".".join(str(part) for part in first["loc"])
            refusal = {"code": "INVALID_INPUT", "detail": f"{field}: {first['msg']}", "field": field}
            await _answer(database, document["_id"], {"status": CommandStatus.REFUSED.value, "error": refusal})
    return records


async def mark_done(
    database: Database, command_id: str, *, at: datetime, sequence_number: int | None, result: Mapping[str, Any]
) -> None:
    """Write down that a command was carried out. Only the first answer to a command is kept."""
    answer = {"status": CommandStatus.DONE.value, "result": dict(result)}
    await _answer(database, command_id, {**answer, "handled_at": at, "sequence_number": sequence_number})


async def mark_refused(
    database: Database, command_id: str, *, at: datetime, sequence_number: int | None, error: Mapping[str, Any]
) -> None:
    """Write down that a command was refused, and why. Only the first answer to a command is kept."""
    answer = {"status": CommandStatus.REFUSED.value, "error": dict(error)}
    await _answer(database, command_id, {**answer, "handled_at": at, "sequence_number": sequence_number})


async def _answer(database: Database, command_id: Any, fields: dict[str, Any]) -> None:
    is_open = {"_id": command_id, "status": CommandStatus.PENDING.value}
    await _collection(database).update_one(is_open, {"$set": fields})


async def answered(database: Database, command_id: str, clock: Clock, timeout: float) -> CommandRecord | None:
    """Wait until the engine has answered, ``timeout`` seconds at most; the command as it then is, None if unknown."""
    deadline = clock.monotonic() + timeout
    while True:
        command = await get(database, command_id)
        if command is None or command.is_final or clock.monotonic() >= deadline:
            return command
        await clock.sleep(_POLL_SECONDS)
