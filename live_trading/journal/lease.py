"""The lease: who may write the journal, and until when on its own steady clock.

One document an engine id in ``leases``: ``epoch``, ``holder``, ``renewals``, ``ttl``. A candidate watches it. When it
has not changed for a full TTL **on the candidate's own clock**, or was given back (``holder`` null), the candidate
swaps it for one of a higher epoch. The holder counts ``renewals`` up every third of the TTL and stops itself when a TTL
has gone by, on its own clock, since *before* the last renewal that succeeded was sent. So the old holder has stopped
before the new one starts, whatever the hosts' wall clocks say; and what the old one still has on the wire the journal's
fence refuses (:mod:`live_trading.journal.writer`).
"""

import asyncio
from collections.abc import Callable
from typing import Final

from live_trading.journal.errors import Fenced, JournalError, JournalUnavailable, LeaseLost
from live_trading.journal.store import LeaseRecord, Store
from live_trading.runtime import Runtime

DEFAULT_TTL: Final = 10.0

OnWaiting = Callable[[str], None]
"""Called with a sentence for people whenever what a standby waits for changes."""


class Lease:
    """One engine's claim on the journal."""

    def __init__(
        self,
        store: Store,
        engine_id: str,
        holder: str,
        runtime: Runtime,
        ttl: float = DEFAULT_TTL,
        on_waiting: OnWaiting | None = None,
    ) -> None:
        """``holder`` must be unlike any other's, ever; ``ttl`` in seconds."""
        if ttl <= 0:
            raise ValueError("the lease's ttl must be over 0 seconds")
        self._store = store
        self._engine_id = engine_id
        self._holder = holder
        self._clock = runtime.clock
        self._ids = runtime.ids
        self._ttl = ttl
        self._on_waiting = on_waiting
        self._epoch = 0
        self._deadline = 0.0
        self._waiting_for: str | None = None
        self._took_over_from = ""
        self._stopped = False

    @property
    def epoch(self) -> int:
        """The epoch held; 0 before :meth:`acquire`."""
        return self._epoch

    @property
    def ttl(self) -> float:
        return self._ttl

    @property
    def took_over_from(self) -> str:
        """Who held it before us and did not give it back; empty when there was nobody like that."""
        return self._took_over_from

    @property
    def deadline(self) -> float:
        """Until when we hold it, on our clock's ``monotonic``."""
        return self._deadline

    @property
    def waiting_for(self) -> str | None:
        """What a standby waits for, in words; None when it does not wait."""
        return self._waiting_for

    def remaining(self) -> float:
        """Seconds left; 0 or less when it ran out."""
        return self._deadline - self._clock.monotonic()

    def check(self) -> None:
        """Raise :class:`LeaseLost` when it ran out on our own clock."""
        overdue = -self.remaining()
        if overdue >= 0:
            raise LeaseLost(
                self._epoch,
                f"the lease of engine {self._engine_id!r} (epoch {self._epoch}, {self._ttl:g} s) ran out "
                f"{overdue:.3f} s ago and could not be renewed in time",
            )

    async def acquire(self, floor: int = 0) -> int:
        """Wait until the lease is ours, as long as it takes; return its epoch, which is over ``floor``.

        Cancelling it leaves no claim behind that outlives a TTL.
        """
        while True:
            try:
                seen = await self._until_free()
                epoch = max(floor, seen.epoch if seen else 0) + 1
                asked = self._clock.monotonic()
                if await self._store.swap_lease(self._engine_id, seen, LeaseRecord(epoch, self._holder, 0, self._ttl)):
                    self._took_over_from = (seen.holder or "") if seen is not None else ""
                    return self._taken(epoch, asked)
            except JournalUnavailable as error:
                self._wait_for(str(error))
                await self._clock.sleep(self._poll())

    def _taken(self, epoch: int, asked: float) -> int:
        self._epoch = epoch
        self._deadline = asked + self._ttl
        self._waiting_for = None
        return epoch

    def _poll(self) -> float:
        return min(0.5, self._ttl / 10)

    async def _until_free(self) -> LeaseRecord | None:
        """The lease as it is now that it may be swapped."""
        seen = await self._store.lease(self._engine_id)
        since = self._clock.monotonic()
        while seen is not None and seen.holder is not None:
            # Waiting for the longer of the two TTLs keeps us safe when the setting was changed between the engines.
            ttl = max(seen.ttl, self._ttl)
            if self._clock.monotonic() - since > ttl:
                return seen
            self._wait_for(f"the lease of engine {self._engine_id!r}, held by {seen.holder} under epoch {seen.epoch}")
            await self._clock.sleep(self._poll())
            now = await self._store.lease(self._engine_id)
            if now != seen:
                seen, since = now, self._clock.monotonic()
        return seen

    def _wait_for(self, what: str) -> None:
        if what != self._waiting_for:
            self._waiting_for = what
            if self._on_waiting is not None:
                self._on_waiting(what)

    async def keep(self) -> JournalError | None:
        """Renew until that fails for good, and return why, or until :meth:`stop`. Run it in the background."""
        due = self._clock.monotonic() + self._ttl / 3
        while not self._stopped:
            await self._clock.sleep(max(0.0, min(due - self._clock.monotonic(), self.remaining())))
            sent = self._clock.monotonic()
            if sent >= self._deadline:
                return self._lost()
            try:
                async with asyncio.timeout(min(self._ttl / 3, self._deadline - sent)):
                    ours = await self._store.renew_lease(self._engine_id, self._epoch, self._holder)
            except (JournalUnavailable, TimeoutError):
                due = self._clock.monotonic() + self._ids.uniform(self._ttl / 40, self._ttl / 20)
                continue
            if not ours:
                return Fenced(self._epoch, f"the lease of engine {self._engine_id!r} was taken over")
            self._deadline = sent + self._ttl
            due = sent + self._ttl / 3
        return None

    def stop(self) -> None:
        """Let :meth:`keep` end, even if its cancellation meets an answer of the store's."""
        self._stopped = True

    def _lost(self) -> JournalError:
        try:
            self.check()
        except LeaseLost as error:
            return error
        raise AssertionError("the lease has not run out")

    async def release(self) -> None:
        """Give it back, so that the next engine need not wait. Only when nothing of ours can be on the wire."""
        async with asyncio.timeout(self._ttl / 3):
            while (seen := await self._store.lease(self._engine_id)) is not None:
                if seen.epoch != self._epoch or seen.holder != self._holder:
                    return
                if await self._store.swap_lease(self._engine_id, seen, seen._replace(holder=None)):
                    return
