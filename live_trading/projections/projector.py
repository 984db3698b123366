"""The projector: follows the journal and writes the read models.

It folds a ledger of its own, so that it needs nothing of the engine and may run in any process. A batch of entries is
folded, the documents it touched are written, and only then the checkpoint advances; a crash in between means that the
same documents are written again, which changes nothing. Several projectors at once do no harm either, only work twice.

Trading does not depend on it: an entry it cannot project halts it, visibly in the checkpoint and for ``on_halted``,
and an outage of MongoDB is waited out.
"""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import aclosing
from typing import Final

import structlog
from pymongo.errors import PyMongoError

from live_trading.domain.entries import Entry
from live_trading.domain.errors import LiveTradingError
from live_trading.journal.base import JournalReader
from live_trading.journal.errors import JournalUnavailable
from live_trading.journal.snapshots import Snapshots
from live_trading.projections.checkpoint import Checkpoint, Checkpoints, State
from live_trading.projections.documents import DOCUMENTS_VERSION, Changes, take_changes
from live_trading.projections.fold import apply
from live_trading.projections.ledger import Ledger
from live_trading.projections.read_models import Database, prepare, write
from live_trading.projections.rebuild import rebuild, when_not_swapping
from live_trading.projections.time_travel import ledger_at
from live_trading.runtime import Runtime, Tasks, failpoint

BATCH_ENTRIES: Final = 250
"""Folded and written at once. In one process with the engine a batch holds the event loop for a few milliseconds."""

_WATCH_SECONDS: Final = 1.0
_FIRST_RETRY_SECONDS: Final = 0.1
_LAST_RETRY_SECONDS: Final = 10.0

_log = structlog.get_logger(__name__)


class OtherVersion(LiveTradingError):  # noqa: N818 - it tells what happened
    """Another version of the program has taken the read models over. Restart this process with that version."""


class _Moved(Exception):  # noqa: N818
    """The checkpoint is not what this projector goes on from: a swap is under way, or was."""


class Projector:
    """Keeps the read models of a database up with its journal. Start :meth:`run` as a task."""

    def __init__(
        self,
        database: Database,
        reader: JournalReader,
        snapshots: Snapshots | None,
        runtime: Runtime,
        *,
        on_halted: Callable[[str], None] | None = None,
    ) -> None:
        self._database = database
        self._reader = reader
        self._snapshots = snapshots
        self._runtime = runtime
        self._on_halted = on_halted
        self._checkpoints = Checkpoints(database)
        self._ledger = Ledger()
        self._version = 0
        self._writing = asyncio.Lock()
        self._advanced = asyncio.Event()
        self._head = 0
        self.sequence_number = 0
        """The read models hold all entries up to this one."""
        self.halted: str | None = None
        """Why it stopped for good; None while it runs."""
        self.trouble: str | None = None
        """The outage it is waiting out; None when there is none."""

    @property
    def lag(self) -> int:
        """How many entries the read models are behind the journal, as of the last look (at most a second ago)."""
        return max(self._head - self.sequence_number, 0)

    async def wait_for(self, sequence_number: int, timeout: float) -> bool:
        """Wait until the read models hold an entry; False when they do not after ``timeout`` seconds, or it halted."""
        try:
            async with asyncio.timeout(timeout):
                while self.sequence_number < sequence_number and self.halted is None:
                    self._advanced.clear()
                    await self._advanced.wait()
        except TimeoutError:
            pass  # the answer says so
        return self.sequence_number >= sequence_number

    async def run(self) -> None:
        """Project until cancelled. Returns only when it has halted."""
        delay = _FIRST_RETRY_SECONDS
        while self.halted is None:
            session = Tasks()
            try:
                await self._open()
                delay = _FIRST_RETRY_SECONDS
                session.start(self._follow(), "projector: follow")
                session.start(self._watch(), "projector: watch")
                failure = await session.failed()
                raise failure.__cause__ or failure
            except _Moved:
                continue
            except (JournalUnavailable, PyMongoError) as error:
                self._note_trouble(error)
                await self._runtime.clock.sleep(delay)
                delay = min(delay * 2, _LAST_RETRY_SECONDS)
            except Exception as error:
                _log.exception("the read models' projection has halted", sequence_number=self.sequence_number)
                await self._halt(f"{type(error).__name__}: {error}")
            finally:
                await session.close()

    # ---- beginning --------------------------------------------------------------------------------------------------

    async def _open(self) -> None:
        """Go on from the checkpoint, with the ledger as of it."""
        checkpoint = await when_not_swapping(self._database, self._runtime.clock, acknowledge=True)
        if checkpoint.state is State.HALTED:
            await self._checkpoints.resume(checkpoint.version)
        reason = await self._why_rebuild(checkpoint)
        if reason is not None:
            _log.warning("the read models are built anew", reason=reason)
            await rebuild(self._database, self._reader, self._runtime)
            checkpoint = await when_not_swapping(self._database, self._runtime.clock)
        await prepare(self._database)
        ledger = await ledger_at(self._reader, self._snapshots, checkpoint.sequence_number)
        self._ledger, self._version = ledger, checkpoint.version
        self._reached(checkpoint.sequence_number)

    async def _why_rebuild(self, checkpoint: Checkpoint) -> str | None:
        """Why the read models cannot be gone on with; None when they can."""
        if checkpoint.fold_version != DOCUMENTS_VERSION:
            if self._version:
                raise OtherVersion(
                    f"the read models are written by version {checkpoint.fold_version} of the fold now, ours is "
                    f"{DOCUMENTS_VERSION}: restart this process with the newer program"
                )
            return f"they were written by version {checkpoint.fold_version} of the fold, ours is {DOCUMENTS_VERSION}"
        number = checkpoint.sequence_number
        entry = await self._reader.entry(number) if number else None
        if entry is not None:
            is_same = entry.hash == checkpoint.journal_hash
            return None if is_same else f"entry {number} of the journal is not the one they were made of"
        head = await self._reader.head()
        if head.sequence_number < number:
            return f"they are of entry {number}, but the journal ends at {head.sequence_number}"
        return None

    # ---- going on ---------------------------------------------------------------------------------------------------

    async def _follow(self) -> None:
        async with aclosing(self._reader.follow(self._ledger.sequence_number)) as batches:  # type: ignore[type-var]
            async for entries in batches:
                self._head = max(self._head, entries[-1].sequence_number)
                for start in range(0, len(entries), BATCH_ENTRIES):
                    await self._project(entries[start : start + BATCH_ENTRIES])

    async def _project(self, entries: Sequence[Entry]) -> None:
        async with self._writing:
            for entry in entries:
                apply(self._ledger, entry)
            changes = take_changes(self._ledger)
            delay = _FIRST_RETRY_SECONDS
            while True:
                try:
                    await self._store(changes, entries[-1])
                except PyMongoError as error:
                    self._note_trouble(error)
                    await self._runtime.clock.sleep(delay)
                    delay = min(delay * 2, _LAST_RETRY_SECONDS)
                else:
                    break
        self.trouble = None
        self._reached(entries[-1].sequence_number)

    async def _store(self, changes: Changes, last: Entry) -> None:
        await self._check_still_ours()
        failpoint("projector.write.before")
        await write(self._database, changes)
        failpoint("projector.write.after")
        if not await self._checkpoints.advance(self._version, last.sequence_number, last.hash):
            # Another projector that is further did no harm, and neither did we; a swap in between may have.
            await self._check_still_ours()
        failpoint("projector.checkpoint.after")

    async def _check_still_ours(self) -> None:
        checkpoint = await self._checkpoints.read()
        if checkpoint is None or checkpoint.version != self._version or checkpoint.state is not State.LIVE:
            raise _Moved

    async def _watch(self) -> None:
        """Look for a swap even when nothing is to be written, and at how far the journal is."""
        while True:
            await self._runtime.clock.sleep(_WATCH_SECONDS)
            try:
                async with self._writing:
                    await self._check_still_ours()
                self._head = max(self._head, (await self._reader.head()).sequence_number)
            except (JournalUnavailable, PyMongoError) as error:
                self._note_trouble(error)

    def _reached(self, sequence_number: int) -> None:
        self.sequence_number = sequence_number
        self._head = max(self._head, sequence_number)
        self._advanced.set()

    def _note_trouble(self, error: Exception) -> None:
        text = f"{type(error).__name__}: {error}"
        if text != self.trouble:
            _log.warning("the read models wait for MongoDB", error=text, sequence_number=self.sequence_number)
        self.trouble = text

    async def _halt(self, reason: str) -> None:
        self.halted = reason
        self._advanced.set()
        if self._on_halted is not None:
            self._on_halted(reason)
        try:
            await self._checkpoints.halt(self._version, reason)
        except PyMongoError as error:
            self._note_trouble(error)
