"""An engine as a service: stands by, recovers, trades, and starts over when it loses its journal through no fault.

One life is one hold of the journal's lease. When it ends by an outage, a new one begins from standing by, with fresh
tasks and a ledger folded anew. When another engine has taken over, this one ends for good: two that fight for one
journal help nobody.
"""

import asyncio
import os
import socket
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from importlib.metadata import version
from typing import Any, TypeVar

import structlog
from pymongo.errors import PyMongoError

from live_trading.archive import ArchivedJournalReader, ArchivedSnapshots
from live_trading.assembly.archiving import archive_old_entries
from live_trading.assembly.inbox import MongoInbox
from live_trading.assembly.keeper import MongoKeeper
from live_trading.assembly.ledger import Restored, restore_ledger
from live_trading.assembly.quotes import publish_quotes
from live_trading.assembly.standby import WarmStandby
from live_trading.brokers.base import BrokerAdapter, SendGuard
from live_trading.config import Settings
from live_trading.data import MongoBarStore
from live_trading.domain.entries import Entry
from live_trading.engine.context import EngineConfig
from live_trading.engine.trading_engine import StopRequested, TradingEngine
from live_trading.journal import (
    Fenced,
    Head,
    JournalUnavailable,
    JournalWriter,
    LeaseLost,
    MongoJournal,
    Opener,
)
from live_trading.journal.mongo_store import MongoStore
from live_trading.models import commands
from live_trading.models.standbys import Announcement
from live_trading.observability import Latency
from live_trading.projections.projector import Projector
from live_trading.runtime import Clock, IdSource, Runtime, SystemClock, SystemIds, Tasks, settle_collector
from live_trading.storage import Storage, archive_directory

_log = structlog.get_logger(__name__)
T = TypeVar("T")

BrokerFactory = Callable[[Runtime, SendGuard], Mapping[str, BrokerAdapter]]
OnEntries = Callable[[Sequence[Entry]], None]

_BACKOFF_MIN, _BACKOFF_MAX = 0.5, 15.0
_CAUGHT_UP_SECONDS = 5.0
_LEASE_LOOK_SECONDS = 5.0
_BATCH_BESIDE_TRADING = 250
"""Entries the projector decodes at a time, so that it never holds the event loop for long."""


class Phase(StrEnum):
    """Where the service is."""

    STARTING = "starting"
    STANDING_BY = "standing by"
    RECOVERING = "recovering"
    TRADING = "trading"
    STOPPING = "stopping"
    STOPPED = "stopped"


@dataclass(slots=True)
class Status:
    """What the service is doing, for whoever shows it. ``waiting_for`` says why it does not trade."""

    phase: Phase = Phase.STARTING
    waiting_for: str = ""
    engine: TradingEngine | None = None
    projector: Projector | None = None
    changed: asyncio.Event = field(default_factory=asyncio.Event)

    def move(self, phase: Phase, waiting_for: str = "") -> None:
        """Note a new phase and wake who waits for one."""
        self.phase, self.waiting_for = phase, waiting_for
        self.changed.set()

    async def reach(self, *phases: Phase) -> Phase:
        """Wait until one of the phases is reached."""
        while self.phase not in phases:
            self.changed.clear()
            await self.changed.wait()
        return self.phase


class EngineService:
    """One engine on one database. ``await run()``; ``request_stop()`` makes it return after a clean end.

    ``run`` raises :class:`~live_trading.journal.Fenced` when another engine took over, and whatever else went wrong
    that starting over would not mend.
    """

    def __init__(
        self,
        settings: Settings,
        storage: Storage,
        brokers: BrokerFactory,
        config: EngineConfig,
        *,
        clock: Clock | None = None,
        ids: IdSource | None = None,
        on_entries: OnEntries | None = None,
        standby: bool = False,
    ) -> None:
        """``standby``: while another engine holds the journal, follow and fold it, so that taking over is quick."""
        self.status = Status()
        self.latency = Latency(clock or SystemClock())
        """How long things took, over all lives."""
        self._settings = settings
        self._storage = storage
        self._brokers = brokers
        self._config = config
        self._clock = clock or SystemClock()
        self._ids = ids or SystemIds()
        self._on_entries = on_entries
        self._standby = standby
        self._stop = asyncio.Event()
        self._reason = "asked to stop"

    def request_stop(self, reason: str = "asked to stop") -> None:
        """Ask for a clean end. Twice is once."""
        if not self._stop.is_set():
            self._reason = reason
            self._stop.set()

    async def run(self) -> None:
        """Live until asked to stop, over outages."""
        backoff = _BACKOFF_MIN
        while not self._stop.is_set():
            self.status.move(Phase.STARTING)
            life = _Life(self)
            try:
                await life.run()
            except Exception as error:
                reason = cause_of(error)
                if isinstance(reason, LeaseLost):
                    await self._check_not_replaced(reason)
                if not isinstance(reason, LeaseLost | JournalUnavailable | PyMongoError):
                    raise reason from error
                if life.traded:
                    backoff = _BACKOFF_MIN
                _log.error("the journal was lost; starting over from standing by", reason=str(reason), pause=backoff)
                self.status.move(Phase.STANDING_BY, str(reason))
                await self._pause(backoff)
                backoff = min(backoff * 2, _BACKOFF_MAX)
            finally:
                self.status.engine = self.status.projector = None
        self.status.move(Phase.STOPPED)

    async def _check_not_replaced(self, lost: LeaseLost) -> None:
        """A lease that was lost because another engine has it now is a fence: end, do not come back.

        Asked until the database answers: one that was frozen, or cut off, finds its connections dead first.
        """
        store = MongoStore(self._storage.database, self._clock)
        while not self._stop.is_set():
            try:
                async with asyncio.timeout(_LEASE_LOOK_SECONDS):
                    record = await store.lease(self._config.engine_id)
            except (JournalUnavailable, TimeoutError):
                self.status.move(Phase.STANDING_BY, f"{lost}; whether another engine has it now cannot be asked")
                await self._pause(_BACKOFF_MIN)
                continue
            if record is not None and record.epoch > lost.our_epoch:
                raise Fenced(lost.our_epoch, f"epoch {record.epoch} is held by {record.holder}") from lost
            return

    async def _pause(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self._stop.wait()
        except TimeoutError:
            return

    # What one life needs of its service

    @property
    def settings(self) -> Settings:
        return self._settings

    @property
    def storage(self) -> Storage:
        return self._storage

    @property
    def config(self) -> EngineConfig:
        return self._config

    @property
    def reason(self) -> str:
        return self._reason

    @property
    def on_entries(self) -> OnEntries | None:
        return self._on_entries

    @property
    def standby(self) -> bool:
        return self._standby

    def runtime(self) -> Runtime:
        return Runtime(self._clock, self._ids, Tasks())

    def brokers(self, runtime: Runtime, guard: SendGuard) -> Mapping[str, BrokerAdapter]:
        return self._brokers(runtime, guard)

    async def stopped(self) -> None:
        await self._stop.wait()


class _Life:
    """One hold of the lease, from standing by to its end."""

    def __init__(self, service: EngineService) -> None:
        self.traded = False
        self._service = service
        self._status = service.status
        self._runtime = service.runtime()
        self._side = Tasks()  # what outlives the engine's own tasks at a clean end
        self._database = service.storage.database
        self._segments = archive_directory(service.settings)
        self._reader = ArchivedJournalReader(self._database, self._segments, self._runtime.clock)
        self._snapshots = ArchivedSnapshots(self._database, self._reader.archive)
        self._warm: WarmStandby | None = None

    async def run(self) -> None:
        try:
            journal = await self._unless_stopped(self._open())
            if journal is None:
                return
            try:
                await self._with(journal)
            finally:
                await journal.close()
        finally:
            if self._warm is not None:
                await self._warm.close()
            await self._runtime.tasks.close()
            await self._side.close()

    async def _unless_stopped(self, work: Coroutine[Any, Any, T]) -> T | None:
        """What ``work`` gives, None when the service is to stop before."""
        doing = self._side.start(work, "starting")
        stop = self._side.start(self._service.stopped(), "stop watch")
        try:
            await asyncio.wait((doing, stop), return_when=asyncio.FIRST_COMPLETED)
        finally:
            stop.cancel()
        if doing.done():
            result: T = doing.result()
            return result
        doing.cancel()
        await asyncio.wait([doing])
        return None

    async def _open(self) -> JournalWriter:
        settings = self._service.settings
        await commands.prepare(self._database)
        host = socket.gethostname()
        opener = Opener(
            engine_id=settings.engine.id,
            instance=self._runtime.ids.token(8),
            version=version("live-trading"),
            host=host,
            process_id=os.getpid(),
        )
        return await MongoJournal.open_writer(
            self._database,
            opener,
            self._runtime,
            lease_ttl=settings.engine.lease_ttl_seconds,
            on_waiting=lambda what: self._standing_by(opener, what),
        )

    def _standing_by(self, opener: Opener, what: str) -> None:
        _log.info("standing by", waiting_for=what)
        self._status.move(Phase.STANDING_BY, what)
        if self._service.standby and self._warm is None:
            who = Announcement(opener.instance, opener.engine_id, opener.host, opener.process_id, 0)
            self._warm = WarmStandby(self._database, self._reader, self._snapshots, self._runtime.clock, who)
            self._warm.start()

    async def _with(self, journal: JournalWriter) -> None:
        self._status.move(Phase.RECOVERING)
        clock, snapshots = self._runtime.clock, self._snapshots
        restored = await self._unless_stopped(self._restore(journal.head))
        if restored is None:
            return
        reader = ArchivedJournalReader(self._database, self._segments, clock, batch_size=_BATCH_BESIDE_TRADING)
        if self._service.on_entries is not None:
            started = await reader.entry(journal.head.sequence_number)
            self._service.on_entries([started] if started is not None else [])
            journal.subscribe(self._service.on_entries)
        projector = Projector(self._database, reader, snapshots, self._runtime)
        keeper = MongoKeeper(self._database, snapshots, clock)
        inbox = MongoInbox(self._database, clock)
        engine = TradingEngine(
            journal,
            reader,
            restored.ledger,
            self._service.brokers(self._runtime, journal.check_may_act),
            MongoBarStore(self._database, self._service.settings.engine.data_dir / "archive"),
            inbox,
            self._runtime,
            self._service.config,
            keeper=keeper,
            snapshot_at=restored.snapshot_at,
            latency=self._service.latency,
        )
        self._status.engine, self._status.projector = engine, projector
        self._side.start(projector.run(), "projector")
        try:
            await self._trade(engine)
            await projector.wait_for(journal.head.sequence_number, _CAUGHT_UP_SECONDS)
        finally:
            await keeper.close()
            await inbox.close()

    async def _restore(self, head: Head) -> Restored:
        if self._warm is not None:
            return await self._warm.take_over(head)
        return await restore_ledger(self._reader, self._snapshots, head)

    async def _trade(self, engine: TradingEngine) -> None:
        self._side.start(self._pass_on_stop(engine), "stop")
        archiving: asyncio.Task[Any] | None = None
        try:
            await engine.start()
            settle_collector()
            self.traded = True
            self._status.move(Phase.TRADING)
            archiving = self._side.start(self._archive(engine), "journal archive")
            self._side.start(publish_quotes(engine.context, self._database), "quotes")
            await engine.run()
        except StopRequested:
            _log.info("asked to stop while recovering")
        except BaseException:
            await engine.abandon()
            raise
        self._status.move(Phase.STOPPING)
        try:
            if archiving is not None:
                await _ended(archiving)
            await engine.close(self._service.reason)
        except BaseException:
            await engine.abandon()
            raise

    async def _archive(self, engine: TradingEngine) -> None:
        settings, clock = self._service.settings, self._runtime.clock
        if settings.logging.journal_archive:
            await archive_old_entries(self._database, settings, clock, engine.live)

    async def _pass_on_stop(self, engine: TradingEngine) -> None:
        await self._service.stopped()
        engine.request_stop()


async def _ended(task: asyncio.Task[Any]) -> None:
    task.cancel()
    await asyncio.wait([task])


def cause_of(error: BaseException) -> BaseException:
    """What really went wrong: the journal's failure behind a task's, where there is one; else the innermost cause."""
    chain = [error]
    while (cause := chain[-1].__cause__) is not None and cause not in chain:
        chain.append(cause)
    for kind in (Fenced, LeaseLost, JournalUnavailable, PyMongoError):
        for link in chain:
            if isinstance(link, kind):
                return link
    for link in chain:
        if type(link).__name__ not in ("TaskFailed", "JournalClosed"):
            return link
    return error
