"""Commands: what a person asks of the engine, durable before it is acted on, and acted on exactly once."""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Command:
    """What was asked, by whom. ``id`` makes it act once: entries that come of it carry it."""

    id: str
    kind: str
    arguments: Mapping[str, Any] = field(default_factory=dict)
    actor: str = "user:local"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a command: the entry's number, and the ids or the refusal that follow from it."""

    sequence_number: int
    refused: bool
    result: Mapping[str, Any]


class Refused(Exception):  # noqa: N818 - what happened to the command
    """The command cannot be carried out as things are. ``code`` is stable, the text is for people."""

    def __init__(self, code: str, detail: str, field: str | None = None) -> None:
        super().__init__(detail)
        self.code = code
        self.field = field


class CommandInbox(ABC):
    """Where commands wait for the engine."""

    @abstractmethod
    async def pending(self) -> Sequence[Command]:
        """Commands not yet finished, oldest first, at most a bounded number at once."""

    @abstractmethod
    async def wait(self) -> None:
        """Return when there may be new commands."""

    @abstractmethod
    async def finish(self, command: Command, outcome: Outcome) -> None:
        """Record what came of it. Doing so twice is harmless."""


class MemoryInbox(CommandInbox):
    """For engines in virtual time; outlives an engine's crash as the database does."""

    def __init__(self) -> None:
        self._pending: dict[str, Command] = {}
        self.outcomes: dict[str, Outcome] = {}
        self._arrived = asyncio.Event()
        self._finished = asyncio.Event()

    def submit(self, command: Command) -> None:
        """Put a command in."""
        if command.id not in self.outcomes:
            self._pending[command.id] = command
            self._arrived.set()

    async def outcome(self, command_id: str) -> Outcome:
        """Wait until the command is finished."""
        while command_id not in self.outcomes:
            self._finished.clear()
            await self._finished.wait()
        return self.outcomes[command_id]

    async def pending(self) -> Sequence[Command]:
        return list(self._pending.values())[:100]

    async def wait(self) -> None:
        await self._arrived.wait()
        self._arrived.clear()

    async def finish(self, command: Command, outcome: Outcome) -> None:
        self._pending.pop(command.id, None)
        self.outcomes[command.id] = outcome
        self._finished.set()
