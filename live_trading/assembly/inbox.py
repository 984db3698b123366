"""The engine's commands in MongoDB: woken by a change stream, and looked at once a second in any case."""

from collections.abc import Sequence
from typing import Any

import structlog
from pydantic import ValidationError
from pymongo.asynchronous.change_stream import AsyncCollectionChangeStream
from pymongo.asynchronous.database import AsyncDatabase
from pymongo.errors import PyMongoError

from live_trading.engine.inbox import Command, CommandInbox, Outcome
from live_trading.models import commands
from live_trading.runtime import Clock

_log = structlog.get_logger(__name__)

_LOOK_SECONDS = 1.0


class MongoInbox(CommandInbox):
    """Commands of one database. Outages are waited out: a command is asked for durably and can wait."""

    def __init__(self, database: AsyncDatabase[dict[str, Any]], clock: Clock) -> None:
        self._database = database
        self._clock = clock
        self._stream: AsyncCollectionChangeStream[dict[str, Any]] | None = None
        self._trouble: str | None = None

    async def pending(self) -> Sequence[Command]:
        while True:
            try:
                found = await commands.pending(self._database)
            except (PyMongoError, ValidationError) as error:
                await self._pause(error)
                continue
            self._trouble = None
            return [Command(record.id, record.kind, record.arguments, record.actor) for record in found]

    async def wait(self) -> None:
        try:
            if self._stream is None:
                # What came before the stream stood is not told by it: whoever waits looks again right after this.
                self._stream = await self._database[commands.COMMANDS].watch(
                    [{"$match": {"operationType": "insert"}}, {"$project": {"_id": 1}}],
                    max_await_time_ms=int(_LOOK_SECONDS * 1000),
                )
                return
            await self._stream.try_next()
        except PyMongoError as error:
            await self.close()
            await self._pause(error)

    async def finish(self, command: Command, outcome: Outcome) -> None:
        at, number = self._clock.now(), outcome.sequence_number
        while True:
            try:
                if outcome.refused:
                    await commands.mark_refused(
                        self._database, command.id, at=at, sequence_number=number, error=outcome.result
                    )
                else:
                    await commands.mark_done(
                        self._database, command.id, at=at, sequence_number=number, result=outcome.result
                    )
            except PyMongoError as error:
                await self._pause(error)
            else:
                return

    async def close(self) -> None:
        """Let go of the change stream."""
        stream, self._stream = self._stream, None
        if stream is not None:
            try:
                await stream.close()
            except PyMongoError:
                return  # the connection is gone, and the stream with it

    async def _pause(self, error: Exception) -> None:
        trouble = f"{type(error).__name__}: {error}"
        if trouble != self._trouble:
            self._trouble = trouble
            _log.warning("commands cannot be read or answered just now", reason=trouble)
        await self._clock.sleep(_LOOK_SECONDS)
