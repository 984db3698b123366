"""Reads the journal in order: numbers without a gap, every hash checked, every entry decoded."""

from collections.abc import AsyncGenerator
from contextlib import aclosing
from itertools import islice

from live_trading.domain.entries import GENESIS_HASH, Entry
from live_trading.journal.base import Head, JournalReader
from live_trading.journal.codec import EntryCodec, document_hash, split
from live_trading.journal.errors import Damaged, JournalUnavailable
from live_trading.journal.store import Source
from live_trading.runtime import Clock, SystemClock

_RECONNECT_SECONDS = 0.25


class Reader(JournalReader):
    """Reads from any :class:`~live_trading.journal.store.Source`."""

    def __init__(self, source: Source, codec: EntryCodec | None = None, clock: Clock | None = None) -> None:
        self._source = source
        self._codec = codec or EntryCodec()
        self._clock = clock or SystemClock()

    async def head(self) -> Head:
        newest = await self._source.newest()
        if newest is None:
            return Head(0, GENESIS_HASH, None)
        entry = self._codec.decode(newest)
        return Head(entry.sequence_number, entry.hash, entry.timestamp)

    async def entry(self, sequence_number: int) -> Entry | None:
        for document in await self._source.documents(sequence_number, sequence_number):
            return self._codec.decode(document)
        return None

    async def read(self, after: int = 0, to: int | None = None) -> AsyncGenerator[Entry, None]:
        async with aclosing(self.read_batches(after, to)) as batches:
            async for batch in batches:
                for entry in batch:
                    yield entry

    async def read_batches(self, after: int = 0, to: int | None = None) -> AsyncGenerator[list[Entry], None]:
        previous_hash = GENESIS_HASH if after == 0 else None
        async with aclosing(self._batches(after, to, previous_hash)) as batches:
            async for batch in batches:
                yield batch

    async def _batches(
        self, after: int, to: int | None, previous_hash: bytes | None
    ) -> AsyncGenerator[list[Entry], None]:
        decode_batch = self._codec.decode_batch
        async with aclosing(self._source.batches(after, to)) as batches:
            async for documents in batches:
                try:
                    entries = decode_batch(documents, after, previous_hash)
                except Damaged as damage:
                    # What is sound before it is still handed out, so that the first that is not can be named exactly.
                    sound = b"".join(islice(split(documents), damage.sequence_number - after - 1))
                    if sound:
                        yield decode_batch(sound, after, previous_hash)
                    raise
                after += len(entries)
                previous_hash = document_hash(documents)
                yield entries

    async def follow(self, after: int = 0) -> AsyncGenerator[list[Entry], None]:
        previous_hash = GENESIS_HASH if after == 0 else None
        arrivals = self._source.arrivals()
        try:
            while True:
                try:
                    async with aclosing(self._batches(after, None, previous_hash)) as batches:
                        async for entries in batches:
                            after, previous_hash = entries[-1].sequence_number, entries[-1].hash
                            yield entries
                    await arrivals.wait(after)
                except JournalUnavailable:
                    # A follower outlives an outage: it goes on where it was as soon as the store answers again.
                    await self._clock.sleep(_RECONNECT_SECONDS)
        finally:
            await arrivals.close()
