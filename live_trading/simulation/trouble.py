"""What can go wrong between an engine and its journal's store, planned one write at a time.

A durable write can be lost on its way, done and not acknowledged, done in part, done long after the writer gave up on
it, or slow; and the store can be out of reach for a while. The engine sees of it what it would see of MongoDB: a doubt,
an unavailable journal, silence.
"""

import asyncio
from collections import Counter, deque
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from live_trading.journal.errors import JournalUnavailable
from live_trading.journal.memory import MemoryStore
from live_trading.journal.store import LeaseRecord, Refused, Uncertain
from live_trading.runtime import Clock, Tasks


class TroubleKind(StrEnum):
    """What becomes of the next write.

    LOST: it never arrives. UNACKNOWLEDGED: it is done, the answer is lost. TORN: the first half is done, the answer is
    lost. LATE: the writer is told nothing, and it is done ``seconds`` later. SLOW: it takes ``seconds``. AWAY: for
    ``seconds`` nothing reaches the store, neither writes nor reads nor the lease.
    """

    LOST = "lost"
    UNACKNOWLEDGED = "unacknowledged"
    TORN = "torn"
    LATE = "late"
    SLOW = "slow"
    AWAY = "away"


@dataclass(frozen=True, slots=True)
class Trouble:
    """One thing that will go wrong, with the next write."""

    kind: TroubleKind
    seconds: float = 0.0


class TroubledStore(MemoryStore):
    """A journal's store with a bad line. ``happened`` counts what went wrong, by kind."""

    def __init__(self, clock: Clock, tasks: Tasks, write_seconds: float) -> None:
        super().__init__(write_seconds)
        self.happened: Counter[TroubleKind] = Counter()
        self._clock = clock
        self._tasks = tasks
        self._planned: deque[Trouble] = deque()
        self._away_until = 0.0

    def plan(self, trouble: Trouble) -> None:
        """Let this happen to the next write that nothing else happens to."""
        if trouble.kind is TroubleKind.AWAY:
            self.happened[trouble.kind] += 1
            self._away_until = self._clock.monotonic() + trouble.seconds
        else:
            self._planned.append(trouble)

    def end_trouble(self) -> None:
        """From here on all goes well (what is late still comes)."""
        self._planned.clear()
        self._away_until = 0.0

    def _reachable(self) -> None:
        if self._clock.monotonic() < self._away_until:
            raise JournalUnavailable("the simulated store is out of reach")

    async def insert(self, documents: Sequence[bytes]) -> None:
        if self._clock.monotonic() < self._away_until:
            raise Uncertain("the simulated store is out of reach")
        trouble = self._planned.popleft() if self._planned else None
        if trouble is None:
            await super().insert(documents)
            return
        self.happened[trouble.kind] += 1
        match trouble.kind:
            case TroubleKind.SLOW:
                await asyncio.sleep(trouble.seconds)
                await super().insert(documents)
                return
            case TroubleKind.UNACKNOWLEDGED:
                await super().insert(documents)
            case TroubleKind.TORN:
                await super().insert(documents[: len(documents) // 2])
            case TroubleKind.LATE:
                # By the world, not the engine: what is on the wire arrives whether or not its sender lives.
                self._tasks.start(self._arrive(documents, trouble.seconds), "a late write")
        raise Uncertain(f"the simulated answer is lost ({trouble.kind.value})")

    async def _arrive(self, documents: Sequence[bytes], seconds: float) -> None:
        await asyncio.sleep(seconds)
        try:
            self.insert_now(documents)
        except (Uncertain, Refused):
            return  # it was written in the meantime, or is fenced off: as it should be

    async def newest(self) -> bytes | None:
        self._reachable()
        return await super().newest()

    async def documents(self, first: int, last: int) -> list[bytes]:
        self._reachable()
        return await super().documents(first, last)

    async def lease(self, engine_id: str) -> LeaseRecord | None:
        self._reachable()
        return await super().lease(engine_id)

    async def swap_lease(self, engine_id: str, seen: LeaseRecord | None, new: LeaseRecord) -> bool:
        self._reachable()
        return await super().swap_lease(engine_id, seen, new)

    async def renew_lease(self, engine_id: str, epoch: int, holder: str) -> bool:
        self._reachable()
        return await super().renew_lease(engine_id, epoch, holder)

    async def fence(self, epoch: int) -> None:
        self._reachable()
        await super().fence(epoch)
