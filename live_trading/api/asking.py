"""Asking the engine for something: durable, once for each idempotency key, and answered when it was done.

A command is stored before anything else happens. The engine acts on it exactly once, whether the api that took it is
still there or not; who lost the answer asks again under the same key, or looks at ``/api/commands/{id}``.
"""

import asyncio
from collections.abc import Mapping
from typing import Any, Final

import structlog
from pymongo.asynchronous.database import AsyncDatabase
from pymongo.errors import PyMongoError
from pymongo.read_concern import ReadConcern

from live_trading.api.problems import Problem
from live_trading.domain.errors import InvalidInput
from live_trading.models import commands
from live_trading.models.commands import CommandRecord, CommandStatus
from live_trading.projections.checkpoint import Checkpoints
from live_trading.runtime import Runtime

MAX_KEY: Final = 80
_LOOK_SECONDS: Final = 0.02
_TROUBLE_SECONDS: Final = 0.5
_READ_MODELS_SECONDS: Final = 2.0

_log = structlog.get_logger(__name__)

Database = AsyncDatabase[dict[str, Any]]


class Asker:
    """Puts commands to the engine of one database. One task looks for the answers that all requests wait for."""

    def __init__(self, database: Database, runtime: Runtime, patience: float) -> None:
        self._database = database
        self._runtime = runtime
        self._patience = patience
        self._waiting: dict[str, set[asyncio.Future[None]]] = {}
        self._reading: dict[int, set[asyncio.Future[None]]] = {}
        self._looking: asyncio.Task[Any] | None = None

    async def ask(
        self, kind: str, arguments: Mapping[str, Any], actor: str, key: str | None = None, wait: float | None = None
    ) -> CommandRecord:
        """Store the command, or find the one stored under the same key; wait for its answer, and give it as it then is.

        The read models show what came of it when this returns, unless they are far behind. Raises :class:`Problem`.
        """
        record = CommandRecord(
            id=self._runtime.ids.token(),
            kind=kind,
            arguments=dict(arguments),
            actor=actor,
            idempotency_key=None if key is None else f"{actor}/{key}",
            created_at=self._runtime.clock.now(),
        )
        try:
            stored = await commands.submit(self._database, record)
        except InvalidInput as error:
            if error.field == "idempotency_key":
                raise Problem(
                    422, "IDEMPOTENCY_KEY_REUSED", "the Idempotency-Key was used for another request: use a fresh one",
                    field="Idempotency-Key",
                ) from None  # fmt: skip
            raise
        return await self.answer(stored, wait)

    async def answer(self, stored: CommandRecord, wait: float | None = None) -> CommandRecord:
        """The command once it is answered, or as it is after ``wait`` seconds."""
        patience = self._patience if wait is None else min(wait, self._patience)
        if not stored.is_final and patience > 0:
            await self._wait(self._waiting.setdefault(stored.id, set()), patience)
            stored = await commands.get(self._database, stored.id) or stored
        if stored.sequence_number is not None and stored.status is CommandStatus.DONE:
            await self._wait(self._reading.setdefault(stored.sequence_number, set()), _READ_MODELS_SECONDS)
        return stored

    async def _wait(self, group: set[asyncio.Future[None]], seconds: float) -> None:
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        group.add(future)
        if self._looking is None or self._looking.done():
            self._looking = self._runtime.tasks.start(self._look(), "answers to commands")
        try:
            async with asyncio.timeout(seconds):
                await future
        except TimeoutError:
            return
        finally:
            group.discard(future)

    async def _look(self) -> None:
        """While anybody waits: one question for all of them, some fifty times a second."""
        while self._waiting or self._reading:
            pause = _LOOK_SECONDS
            try:
                await self._look_once()
            except PyMongoError as error:
                pause = _TROUBLE_SECONDS
                _log.warning(
                    "answers to commands cannot be read just now", reason=f"{type(error).__name__}: {error}"[:200]
                )
            await self._runtime.clock.sleep(pause)

    async def _look_once(self) -> None:
        self._waiting = {key: group for key, group in self._waiting.items() if group}
        self._reading = {number: group for number, group in self._reading.items() if group}
        if self._waiting:
            collection = self._database.get_collection(commands.COMMANDS, read_concern=ReadConcern("majority"))
            wanted = {"_id": {"$in": list(self._waiting)}, "status": {"$ne": CommandStatus.PENDING.value}}
            async for found in collection.find(wanted, {"_id": 1}):
                _tell(self._waiting.pop(found["_id"], set()))
        if self._reading:
            checkpoint = await Checkpoints(self._database).read()
            reached = 0 if checkpoint is None else checkpoint.sequence_number
            for number in [number for number in self._reading if number <= reached]:
                _tell(self._reading.pop(number))


def _tell(group: set[asyncio.Future[None]]) -> None:
    for future in group:
        if not future.done():
            future.set_result(None)
