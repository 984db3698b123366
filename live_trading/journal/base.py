"""The journal's two ports: one writer by lease, any number of readers."""

from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Callable, Sequence
from datetime import datetime
from typing import NamedTuple

from live_trading.domain.entries import Draft, Entry


class Head(NamedTuple):
    """The last entry's number, hash and time; number 0 and the genesis hash for an empty journal."""

    sequence_number: int
    hash: bytes
    timestamp: datetime | None


OnDurable = Callable[[Sequence[Entry]], None]


class JournalReader(ABC):
    """Reads entries in order, without gaps, only what is durable on a majority."""

    @abstractmethod
    async def head(self) -> Head:
        """The last durable entry."""

    @abstractmethod
    def read(self, after: int = 0, to: int | None = None) -> AsyncIterator[Entry]:
        """The entries after ``after`` up to and including ``to`` (None: up to the head as it is met).

        Checks contiguity and the hash chain as it goes (the chain's link to the first entry read is taken on trust
        unless ``after`` is 0). Raises a :class:`~live_trading.journal.errors.Damaged`.
        """

    @abstractmethod
    def read_batches(self, after: int = 0, to: int | None = None) -> AsyncIterator[list[Entry]]:
        """As :meth:`read`, many at a time: what folds of whole journals use."""

    @abstractmethod
    def follow(self, after: int = 0) -> AsyncIterator[list[Entry]]:
        """As :meth:`read_batches`, and then on and on as entries become durable. Ends when closed or cancelled."""

    @abstractmethod
    async def entry(self, sequence_number: int) -> Entry | None:
        """One entry, or None when there is none of that number."""


class JournalWriter(ABC):
    """The one writer. Opening it takes the lease over; :class:`Fenced`, :class:`LeaseLost` or close end it."""

    @property
    @abstractmethod
    def deployment_id(self) -> str:
        """The journal's own id, made at its birth (first ``ENGINE_STARTED``)."""

    @property
    @abstractmethod
    def epoch(self) -> int:
        """The lease epoch under which this writer writes."""

    @property
    @abstractmethod
    def head(self) -> Head:
        """The last durable entry."""

    @abstractmethod
    def subscribe(self, on_durable: OnDurable) -> None:
        """Call ``on_durable`` with entries as they become durable, in order, before their appenders are told.

        The callee must not fail and not wait: it folds.
        """

    @abstractmethod
    async def append(self, *drafts: Draft) -> tuple[Entry, ...]:
        """Number the drafts at once, in the order of calls, and return their entries when all are durable.

        Numbering happens before the first suspension, so two tasks never get the same or interleaved numbers. Several
        drafts are numbered next to each other but each is a fact on its own: after a crash any prefix may stand.

        Raises :class:`Fenced`, :class:`LeaseLost`, :class:`JournalClosed`, :class:`EntryTooLarge`. An outage of MongoDB
        shorter than the lease is waited out: the same documents are written again until their fate is known.
        """

    @abstractmethod
    def check_may_act(self) -> None:
        """Raise :class:`LeaseLost` or :class:`Fenced` unless we still hold the lease on our own steady clock.

        Called right before anything leaves for a broker, so that a process that was frozen sends nothing stale.
        """

    @abstractmethod
    async def failed(self) -> Exception:
        """Wait until the writer has failed (fenced, lease lost); return why."""

    @abstractmethod
    async def close(self) -> None:
        """Write what is queued, then give the lease back so that the next engine need not wait for it to run out."""
