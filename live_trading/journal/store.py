"""What the writer, the lease and the readers need of the place that keeps the documents.

There are two: MongoDB (:mod:`~live_trading.journal.mongo_store`) and memory (:mod:`~live_trading.journal.memory`).
Everything that makes the journal right (numbering, the chain, group commit, settling doubt, fencing, the lease) is
above this line and runs the same on both.
"""

from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, Sequence
from typing import NamedTuple


class Refused(Exception):  # noqa: N818 - it tells what happened
    """The store refused a document because its epoch is too low: another writer has fenced us."""


class Uncertain(Exception):  # noqa: N818
    """Whether the documents were stored is unknown, or another document stands in their place. Read them back."""


class LeaseRecord(NamedTuple):
    """The lease as it is stored. ``holder`` None: given back. ``ttl`` in seconds, as its holder keeps it."""

    epoch: int
    holder: str | None
    renewals: int
    ttl: float


class Source(ABC):
    """Reads documents as they are stored, only what is durable on a majority.

    Raises :class:`~live_trading.journal.errors.JournalUnavailable` when the store cannot be reached.
    """

    @abstractmethod
    async def newest(self) -> bytes | None:
        """The last document, None when there is none."""

    @abstractmethod
    async def documents(self, first: int, last: int) -> list[bytes]:
        """The documents numbered from ``first`` to ``last``, in order, as far as there are."""

    @abstractmethod
    def batches(self, after: int, to: int | None) -> AsyncGenerator[bytes, None]:
        """The documents after ``after`` up to and including ``to``, in order, many laid end to end at a time."""

    @abstractmethod
    def arrivals(self) -> "Arrivals":
        """Tells when more has come."""


class Arrivals(ABC):
    """A wake-up call for one follower. It may ring in vain; it never stays silent for ever."""

    @abstractmethod
    async def wait(self, after: int) -> None:
        """Return soon after a document numbered over ``after`` became durable, or after a while in any case."""

    @abstractmethod
    async def close(self) -> None:
        """Let go of what the waiting needs."""


class Store(Source):
    """Also writes, and keeps the lease. For the writer alone."""

    @abstractmethod
    async def prepare(self) -> None:
        """Make what is needed if it is not there yet."""

    @abstractmethod
    async def insert(self, documents: Sequence[bytes]) -> None:
        """Store documents in order, durable on a majority when this returns.

        Raises :class:`Refused` or :class:`Uncertain`; any prefix of the documents may have been stored then.
        """

    @abstractmethod
    async def tail(self) -> bytes | None:
        """The last document, linearizable: no earlier write can appear after it any more once :meth:`fence` stands."""

    async def origin(self) -> bytes | None:
        """Entry 1's document, also when it was archived; None when there is none."""
        first = await self.documents(1, 1)
        return first[0] if first else None

    @abstractmethod
    async def last_of_type(self, action_type: str) -> bytes | None:
        """The last document of an ``action_type``."""

    @abstractmethod
    async def fenced_epoch(self) -> int:
        """The lowest epoch that may be written now; 0 when nothing is fenced."""

    @abstractmethod
    async def fence(self, epoch: int) -> None:
        """From the return on, on a majority, no document of an epoch under ``epoch`` can be stored."""

    @abstractmethod
    async def lease(self, engine_id: str) -> LeaseRecord | None:
        """The lease as it is stored."""

    @abstractmethod
    async def swap_lease(self, engine_id: str, seen: LeaseRecord | None, new: LeaseRecord) -> bool:
        """Put ``new`` in place of exactly ``seen`` (None: there is none yet); False when it is not what was seen."""

    @abstractmethod
    async def renew_lease(self, engine_id: str, epoch: int, holder: str) -> bool:
        """Count one renewal up; False when the lease is no longer this holder's under this epoch."""
