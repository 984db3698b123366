"""A journal for one process that nobody else writes: numbered, encoded and chained as ever, durable at once.

There is no lease, because there is no second engine, and no waiting, because there is no disk: an append returns
without a task switch. The bytes are those that a real journal would have stored.
"""

import asyncio
from collections.abc import AsyncIterator, Sequence

from live_trading.domain.entries import GENESIS_HASH, Cause, Draft, EngineStarted, Entry
from live_trading.domain.entries.envelope import Previous
from live_trading.journal import EntryCodec
from live_trading.journal.base import Head, JournalReader, JournalWriter, OnDurable
from live_trading.runtime import Clock

_BATCH = 1000
_EPOCH = 1


class BacktestJournal(JournalWriter):
    """``entries`` and ``documents`` are the whole journal, in order. :class:`BacktestReader` reads it.

    ``keep_documents`` False forgets the bytes once they are chained: for long runs of which only entries are wanted.
    """

    def __init__(self, clock: Clock, deployment_id: str, *, keep_documents: bool = True) -> None:
        self.entries: list[Entry] = []
        self.documents: list[bytes] = []
        self._clock = clock
        self._deployment_id = deployment_id
        self._keep_documents = keep_documents
        self._codec = EntryCodec()
        self._subscribers: list[OnDurable] = []
        self._head = Head(0, GENESIS_HASH, None)

    async def begin(self, engine_id: str, version: str) -> None:
        """The first entry, as of an engine that starts on an empty journal."""
        started = EngineStarted(
            deployment_id=self._deployment_id, engine_id=engine_id, instance="backtest", version=version
        )
        await self.append(Draft(started))

    # ---- writing ----------------------------------------------------------------------------------------------------

    @property
    def deployment_id(self) -> str:
        return self._deployment_id

    @property
    def epoch(self) -> int:
        return _EPOCH

    @property
    def head(self) -> Head:
        return self._head

    def subscribe(self, on_durable: OnDurable) -> None:
        self._subscribers.append(on_durable)

    async def append(self, *drafts: Draft) -> tuple[Entry, ...]:
        entries = self._number(drafts)
        self.entries.extend(entries)
        for on_durable in self._subscribers:
            on_durable(entries)
        return entries

    def _number(self, drafts: Sequence[Draft]) -> tuple[Entry, ...]:
        numbered: list[Entry] = []
        documents: list[bytes] = []
        timestamp, (number, previous_hash, _) = self._clock.now(), self._head
        for draft in drafts:
            number += 1
            correlation_id, causation_id = _chain(draft, number, numbered)
            operation_id, data = draft.operation_id, draft.data
            entry, document = self._codec.encode(
                sequence_number=number,
                operation_id=operation_id(number) if callable(operation_id) else operation_id,
                data=data(number) if callable(data) else data,
                timestamp=timestamp,
                epoch=_EPOCH,
                actor=draft.actor,
                correlation_id=correlation_id,
                causation_id=causation_id,
                previous_hash=previous_hash,
            )
            numbered.append(entry)
            documents.append(document)
            previous_hash = entry.hash
        if numbered:
            self._head = Head(number, previous_hash, timestamp)
        if self._keep_documents:
            self.documents.extend(documents)
        return tuple(numbered)

    def check_may_act(self) -> None:
        """Always: nobody could have taken our place."""

    async def failed(self) -> Exception:
        await asyncio.Event().wait()
        raise AssertionError("a journal in memory does not fail")

    async def close(self) -> None:
        """Nothing is open."""


class BacktestReader(JournalReader):
    """Reads a :class:`BacktestJournal`."""

    def __init__(self, journal: BacktestJournal) -> None:
        self._journal = journal
        self._arrived = asyncio.Event()
        journal.subscribe(lambda _: self._arrived.set())

    async def head(self) -> Head:
        return self._journal.head

    async def read(self, after: int = 0, to: int | None = None) -> AsyncIterator[Entry]:
        for entry in self._journal.entries[after:to]:
            yield entry

    async def read_batches(self, after: int = 0, to: int | None = None) -> AsyncIterator[list[Entry]]:
        entries = self._journal.entries[after:to]
        for begin in range(0, len(entries), _BATCH):
            yield entries[begin : begin + _BATCH]

    async def follow(self, after: int = 0) -> AsyncIterator[list[Entry]]:
        entries = self._journal.entries
        while True:
            while len(entries) <= after:
                self._arrived.clear()
                await self._arrived.wait()
            batch = entries[after : after + _BATCH]
            after += len(batch)
            yield batch

    async def entry(self, sequence_number: int) -> Entry | None:
        entries = self._journal.entries
        return entries[sequence_number - 1] if 1 <= sequence_number <= len(entries) else None


def _chain(draft: Draft, number: int, before: Sequence[Entry]) -> tuple[int, int | None]:
    """Correlation and causation."""
    cause = draft.caused_by
    if cause is None:
        return number, None
    if isinstance(cause, Previous):
        if not before:
            raise ValueError("the first draft of an append has no draft before it to be caused by")
        cause = before[-1]
    assert isinstance(cause, (Entry, Cause))
    return cause.correlation_id, cause.sequence_number
