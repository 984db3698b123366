"""Rebuilding the read models while they are in use: build beside, compare, swap.

The journal is folded from its beginning into ``<collection>_v{n}``; when that has caught up and was compared byte for
byte, the projector is asked to stand aside (through the checkpoint, so it may be another process), the last few entries
are folded, and each collection is renamed over the old one. Killed at any point before the swap, it leaves the old read
models as they were; killed in the swap, whoever comes next finishes it, because each step of it can be done again.
``docs/decisions/0004-read-models-swap-by-rename.md`` says why the collections are renamed.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import structlog
from pymongo.errors import OperationFailure

from live_trading.domain.entries import GENESIS_HASH
from live_trading.domain.errors import LiveTradingError
from live_trading.journal.base import JournalReader
from live_trading.projections.checkpoint import Checkpoint, Checkpoints, State, Target
from live_trading.projections.documents import DOCUMENTS_VERSION, take_changes
from live_trading.projections.fold import apply
from live_trading.projections.ledger import Ledger
from live_trading.projections.read_models import COLLECTIONS, Database, prepare, write
from live_trading.projections.read_models_verify import Digests, ReadModelsDiffer
from live_trading.runtime import Clock, Runtime, failpoint

GRACE_SECONDS: Final = 2.5
"""How long a swap waits for a live projector's word that it has stopped. It looks once a second; there may be none."""

ABANDONED_SECONDS: Final = 30.0
"""A swap that has not moved for so long has lost whoever did it, and is finished by whoever waits for it."""

_POLL_SECONDS: Final = 0.05
_NAMESPACE_NOT_FOUND: Final = 26

_log = structlog.get_logger(__name__)

OnProgress = Callable[[int], None]


class RebuildOvertaken(LiveTradingError):  # noqa: N818 - it tells what happened
    """Another rebuild of the same read models began after this one. Nothing was changed; let the other one finish."""


@dataclass(frozen=True, slots=True)
class Rebuilt:
    """The read models stand, under ``version``, as of entry ``sequence_number``."""

    version: int
    sequence_number: int
    documents: int


async def rebuild(
    database: Database,
    reader: JournalReader,
    runtime: Runtime,
    *,
    grace: float = GRACE_SECONDS,
    on_progress: OnProgress | None = None,
) -> Rebuilt:
    """Build the read models anew from the whole journal and put them in place of the old ones.

    ``reader`` must be able to read from entry 1. ``on_progress`` is told the number of the entry reached. Raises
    :class:`RebuildOvertaken`, :class:`ReadModelsDiffer`, and a :class:`~live_trading.journal.errors.Damaged` when the
    journal cannot be folded; the old read models stay as they are then.
    """
    checkpoints = Checkpoints(database)
    token = runtime.ids.token()
    while True:
        await checkpoints.create(DOCUMENTS_VERSION)
        seen = await when_not_swapping(database, runtime.clock)
        if await checkpoints.claim(seen.version, token):
            break
    build = _Build(database, reader, seen.version + 1, token, on_progress)
    await build.begin()
    await build.catch_up()
    await build.compare()
    failpoint("rebuild.swap.before")
    if not await checkpoints.begin_swap(seen.version, build.target()):
        raise RebuildOvertaken("another rebuild of the read models began meanwhile; let it finish")
    if seen.state is State.LIVE:
        await _wait_for_word(checkpoints, seen.version, runtime.clock, grace)
    await build.catch_up()
    target = build.target()
    if not await checkpoints.move_target(seen.version, target):
        raise RebuildOvertaken("the swap took so long that somebody else finished it; the read models stand")
    await finish_swap(database, seen.version, target)
    documents = sum(len(stamps) for stamps in build.digests.stamps.values())
    _log.info("read models rebuilt", version=target.version, sequence_number=target.sequence_number)
    return Rebuilt(target.version, target.sequence_number, documents)


class _Build:
    """The collections that are being built, and how far they are."""

    def __init__(
        self, database: Database, reader: JournalReader, version: int, token: str, on_progress: OnProgress | None
    ) -> None:
        self.digests = Digests()
        self._database = database
        self._reader = reader
        self._version = version
        self._token = token
        self._on_progress = on_progress
        self._suffix = _suffix(version)
        self._ledger = Ledger()
        self._hash = GENESIS_HASH

    async def begin(self) -> None:
        """Clear away what an earlier attempt left."""
        for name in COLLECTIONS:
            await self._database.drop_collection(name + self._suffix)
        await prepare(self._database, self._suffix)

    async def catch_up(self) -> None:
        """Fold and write all entries there are."""
        reached = -1
        while reached != self._ledger.sequence_number:
            reached = self._ledger.sequence_number
            async for entries in self._reader.read_batches(reached):
                for entry in entries:
                    apply(self._ledger, entry)
                changes = take_changes(self._ledger)
                self.digests.take(changes)
                await write(self._database, changes, self._suffix)
                self._hash = entries[-1].hash
                if self._on_progress is not None:
                    self._on_progress(self._ledger.sequence_number)

    async def compare(self) -> None:
        """Raise :class:`ReadModelsDiffer` unless what was written is what was meant."""
        for name in COLLECTIONS:
            for key, stored in (await self.digests.compare(self._database, name, self._suffix)).items():
                raise ReadModelsDiffer(self.digests.difference(name, key, stored))

    def target(self) -> Target:
        return Target(self._version, self._ledger.sequence_number, self._hash, DOCUMENTS_VERSION, self._token)


def _suffix(version: int) -> str:
    return f"_v{version}"


async def _wait_for_word(checkpoints: Checkpoints, version: int, clock: Clock, grace: float) -> None:
    deadline = clock.monotonic() + grace
    while clock.monotonic() < deadline:
        now = await checkpoints.read()
        if now is None or now.version != version or now.acknowledged > version:
            return
        await clock.sleep(_POLL_SECONDS)


async def finish_swap(database: Database, version: int, target: Target) -> None:
    """Put the target's collections in place of ``version``'s. Can be done again, by anyone, at any point of it."""
    suffix = _suffix(target.version)
    for name in COLLECTIONS:
        failpoint("rebuild.rename.before")
        try:
            await database[name + suffix].rename(name, dropTarget=True)
        except OperationFailure as error:
            if error.code != _NAMESPACE_NOT_FOUND:
                raise
    failpoint("rebuild.renamed")
    await Checkpoints(database).finish_swap(version, target)


async def when_not_swapping(database: Database, clock: Clock, *, acknowledge: bool = False) -> Checkpoint:
    """Wait until no swap is under way; the checkpoint as it then is. An abandoned swap is finished on the way.

    ``acknowledge``: say that the caller, the projector, has stopped writing.
    """
    checkpoints = Checkpoints(database)
    seen, since = await checkpoints.read(), clock.monotonic()
    while seen is not None and seen.state is State.SWAPPING:
        if acknowledge and seen.acknowledged <= seen.version:
            await checkpoints.acknowledge(seen.version)
        if clock.monotonic() - since > ABANDONED_SECONDS:
            assert seen.target is not None
            _log.warning("finishing a swap of the read models that was abandoned", version=seen.target.version)
            await finish_swap(database, seen.version, seen.target)
        await clock.sleep(_POLL_SECONDS)
        now = await checkpoints.read()
        if now is None or (now.version, now.target) != (seen.version, seen.target):
            since = clock.monotonic()
        seen = now
    return seen if seen is not None else await checkpoints.create(DOCUMENTS_VERSION)
