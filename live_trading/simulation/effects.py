"""Effects: the moments at which an engine acts on the world, and at which a death matters.

Everything an engine does to the outside goes through one of the classes below: a durable write to the journal, a swap
of the lease, a request to the broker, a command's outcome. Each counts as one effect and can be the one at which the
engine dies, in one of four ways (:class:`Way`). A dead engine's code may run on until it waits next, but whatever it
would do to the outside is held for ever, as it is for a process that is gone.
"""

import asyncio
import contextvars
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeVar

from live_trading.brokers.in_process import InProcessBroker
from live_trading.brokers.types import Absent, Found, OrderChange, OrderRequest, Placed, Rejected, Unknown
from live_trading.engine.inbox import Command, CommandInbox, MemoryInbox, Outcome
from live_trading.journal.store import LeaseRecord
from live_trading.simulation.loop import Incarnation, current_incarnation
from live_trading.simulation.trouble import TroubledStore

T = TypeVar("T")


class Way(StrEnum):
    """How an engine dies at an effect.

    BEFORE: nothing was done. UNACKNOWLEDGED: it was done, and the engine never learned. ACKNOWLEDGED: it was done and
    the engine knew for a moment. FROZEN: it stops before, somebody else takes over, and it is thawed and goes on.
    """

    BEFORE = "before"
    UNACKNOWLEDGED = "unacknowledged"
    ACKNOWLEDGED = "acknowledged"
    FROZEN = "frozen"


@dataclass(frozen=True, slots=True)
class Death:
    """The engine dies at its ``effect``-th effect (from 0, over the world's whole life) in this ``way``."""

    effect: int
    way: Way

    def __str__(self) -> str:
        return f"{self.effect}:{self.way.value}"

    @classmethod
    def parse(cls, text: str) -> "Death":
        """What :meth:`__str__` wrote. Raises :class:`ValueError` for anything else."""
        effect, _, way = text.strip().partition(":")
        return cls(int(effect), Way(way))


class Effects:
    """Counts effects, and carries out the planned deaths. ``died`` is called with the way at each."""

    def __init__(self, plan: Sequence[Death] = ()) -> None:
        self.names: list[str] = []
        self.before: Callable[[int], None] = lambda number: None
        """Called before each effect, with its number: the last moment to plan a death at it."""
        self.on_death: Callable[[Incarnation, Way], None] = lambda incarnation, way: None
        self._plan: dict[int, Way] = {death.effect: death.way for death in plan}

    def plan(self, after: int, way: Way) -> None:
        """Let whoever has the ``after``-th effect from now on (0: the next) die at it."""
        self._plan[len(self.names) + after] = way

    def plan_at(self, death: Death) -> None:
        """Let this death happen."""
        self._plan[death.effect] = death.way

    def forget_plan(self) -> None:
        """No death is planned any more."""
        self._plan.clear()

    def over(self) -> None:
        """The story is told: what still happens while its world ends is no part of it."""
        self.forget_plan()
        self.before = lambda number: None

    async def of(self, name: str, act: Callable[[], Awaitable[T]]) -> T:
        """Do something to the outside, unless the engine that asks for it is dead or dies here."""
        incarnation = current_incarnation()
        if incarnation is None:
            return await act()
        await incarnation.alive()
        self.before(len(self.names))
        way = self._plan.get(len(self.names))
        self.names.append(name)
        if way in (Way.BEFORE, Way.FROZEN):
            self._die(incarnation, way)
            await incarnation.alive()
        result = await act()
        if way is Way.UNACKNOWLEDGED:
            self._die(incarnation, way)
            await incarnation.alive()
        elif way is Way.ACKNOWLEDGED:
            # In a context of its own: it is the world that kills, and the victim may be stopped already.
            asyncio.get_running_loop().call_soon(self._die, incarnation, way, context=contextvars.Context())
        return result

    def _die(self, incarnation: Incarnation, way: Way) -> None:
        if incarnation.stopped:
            return
        incarnation.stop()
        self.on_death(incarnation, way)


class EffectStore(TroubledStore):
    """A journal's store whose writes are effects."""

    effects: Effects

    async def insert(self, documents: Sequence[bytes]) -> None:
        await self.effects.of("journal insert", lambda: TroubledStore.insert(self, documents))

    async def fence(self, epoch: int) -> None:
        await self.effects.of("journal fence", lambda: TroubledStore.fence(self, epoch))

    async def swap_lease(self, engine_id: str, seen: LeaseRecord | None, new: LeaseRecord) -> bool:
        return await self.effects.of("lease swap", lambda: TroubledStore.swap_lease(self, engine_id, seen, new))

    async def renew_lease(self, engine_id: str, epoch: int, holder: str) -> bool:
        incarnation = current_incarnation()
        if incarnation is not None:
            await incarnation.alive()
        return await super().renew_lease(engine_id, epoch, holder)


class EffectBroker(InProcessBroker):
    """A broker's adapter whose requests are effects."""

    effects: Effects

    async def place(self, request: OrderRequest) -> Placed | Rejected:
        return await self.effects.of("place", lambda: InProcessBroker.place(self, request))

    async def modify(self, client_order_id: str, change: OrderChange) -> Placed | Rejected:
        return await self.effects.of("modify", lambda: InProcessBroker.modify(self, client_order_id, change))

    async def cancel(self, client_order_id: str) -> Placed | Rejected:
        return await self.effects.of("cancel", lambda: InProcessBroker.cancel(self, client_order_id))

    async def find_order(self, client_order_id: str) -> Found | Absent | Unknown:
        return await self.effects.of("find order", lambda: InProcessBroker.find_order(self, client_order_id))


class EffectInbox(CommandInbox):
    """A view of the commands whose outcomes are effects."""

    def __init__(self, inbox: MemoryInbox, effects: Effects) -> None:
        self._inbox = inbox
        self._effects = effects

    async def pending(self) -> Sequence[Command]:
        return await self._inbox.pending()

    async def wait(self) -> None:
        await self._inbox.wait()

    async def finish(self, command: Command, outcome: Outcome) -> None:
        await self._effects.of("command outcome", lambda: self._inbox.finish(command, outcome))
