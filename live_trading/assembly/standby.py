"""Standing by, warm: the journal is followed and folded while another engine writes it.

When the lease becomes ours, only the entries that came since the last look remain to be folded, however long the
journal is. A standby writes nothing but that it is there; one that dies leaves nothing behind that matters.
"""

import asyncio
from collections.abc import Awaitable
from contextlib import aclosing, suppress
from dataclasses import replace
from typing import Any

import structlog
from pymongo.asynchronous.database import AsyncDatabase
from pymongo.errors import PyMongoError

from live_trading.assembly.ledger import Folded, Restored, fold_entries, restore_ledger
from live_trading.domain.errors import LiveTradingError
from live_trading.journal import Head, JournalReader, JournalUnavailable, Snapshots
from live_trading.models import standbys
from live_trading.models.standbys import Announcement
from live_trading.runtime import Clock, Tasks, failpoint

_log = structlog.get_logger(__name__)

_RETRY_SECONDS = 0.5
_WORD_SECONDS = 1.0
"""How long a word to the others may take. It is only for people to see."""


class WarmStandby:
    """A ledger that follows another engine's journal. ``start``, then ``take_over`` or ``close``."""

    def __init__(
        self,
        database: AsyncDatabase[dict[str, Any]],
        reader: JournalReader,
        snapshots: Snapshots,
        clock: Clock,
        who: Announcement,
    ) -> None:
        self._database = database
        self._reader = reader
        self._snapshots = snapshots
        self._clock = clock
        self._who = who
        self._folded: Folded | None = None
        self._began = 0
        self._tasks = Tasks()
        self._following = Tasks()
        self._announcing: asyncio.Task[Any] | None = None
        self._leaving = asyncio.Event()

    @property
    def sequence_number(self) -> int:
        """How far it has folded."""
        return 0 if self._folded is None else self._folded.ledger.sequence_number

    def start(self) -> None:
        """Begin to follow, and to say so."""
        self._following.start(self._follow(), "standby: follow")
        self._announcing = self._tasks.start(self._announce(), "standby: announce")

    async def take_over(self, head: Head) -> Restored:
        """The ledger as of ``head``, now that the journal is ours: what is folded, and what came since."""
        self._leaving.set()
        await self._following.close()
        failpoint("standby.take_over")
        _log.info("taking over", folded=self.sequence_number, to=head.sequence_number)
        return await restore_ledger(self._reader, self._snapshots, head, self._folded, self._began)

    async def close(self) -> None:
        """Stand by no longer."""
        self._leaving.set()
        if self._announcing is not None:
            await asyncio.wait([self._announcing])  # each of its words is bounded
        await self._following.close()
        await self._tasks.close()

    # ---- following --------------------------------------------------------------------------------------------------

    async def _follow(self) -> None:
        """Fold on and on. What cannot be folded is left to the take-over, which then says what is wrong."""
        try:
            await self._until_folded_once()
            assert self._folded is not None
            _log.info("standing by, warm", sequence_number=self.sequence_number)
            async with aclosing(self._reader.follow(self.sequence_number)) as batches:  # type: ignore[type-var]
                async for entries in batches:
                    self._folded = fold_entries(self._folded, entries)
        except Exception as error:
            self._folded = None
            if not isinstance(error, LiveTradingError):
                _log.exception("a standby cannot follow the journal; it would take over cold")
            else:
                _log.error("a standby cannot follow the journal; it would take over cold", reason=str(error))

    async def _until_folded_once(self) -> None:
        while self._folded is None:
            try:
                head = await self._reader.head()
                restored = await restore_ledger(self._reader, self._snapshots, head)
            except (JournalUnavailable, PyMongoError):
                await self._clock.sleep(_RETRY_SECONDS)
            else:
                self._folded, self._began = Folded(restored.ledger, head.hash), restored.snapshot_at

    # ---- saying so --------------------------------------------------------------------------------------------------

    async def _announce(self) -> None:
        """Every so often until it leaves, then that it has left."""
        is_prepared = False
        while not self._leaving.is_set():
            if not is_prepared:
                is_prepared = await self._say(standbys.prepare(self._database))
            await self._say(standbys.announce(self._database, replace(self._who, sequence_number=self.sequence_number)))
            with suppress(TimeoutError):
                async with asyncio.timeout(standbys.ANNOUNCED_EVERY):
                    await self._leaving.wait()
        await self._say(standbys.withdraw(self._database, self._who.instance))

    async def _say(self, word: Awaitable[None]) -> bool:
        """Whether it was heard. Nothing depends on it."""
        try:
            async with asyncio.timeout(_WORD_SECONDS):
                await word
        except (PyMongoError, TimeoutError) as error:
            _log.debug("a standby could not be heard", reason=str(error))
            return False
        return True
