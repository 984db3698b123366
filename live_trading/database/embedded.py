"""A MongoDB of our own, for a machine that has none: one ``mongod`` in the data directory, as a replica set of one.

Whoever holds ``owner.lock`` in the directory starts it, starts it again when it dies, and stops it at the end. A second
process with the same data directory (an api beside an engine) joins the running one; when the owner is gone it becomes
the owner. When an owner was killed, its ``mongod`` lives on, and the next owner finds it.
"""

import fcntl
import os
import pwd
import shutil
from asyncio import CancelledError, Task, timeout, to_thread
from pathlib import Path
from typing import Any, Final

import structlog
from pymongo import AsyncMongoClient
from pymongo.errors import OperationFailure, PyMongoError

from live_trading.database.errors import DatabaseError, MongodFailed
from live_trading.database.mongod import find_mongod
from live_trading.database.process import HOST, REPLICA_SET, MongodProcess
from live_trading.runtime import Runtime

_READY_SECONDS: Final = 60.0
_ANSWER_SECONDS: Final = 5.0
_POLL_SECONDS: Final = 0.05
_WATCH_SECONDS: Final = 0.2
_MAX_BACKOFF: Final = 5.0
_MINIMUM_FREE_BYTES: Final = 500 * 1024 * 1024
_NOT_INITIATED: Final = 94  # NotYetInitialized
_NOT_IN_CONFIGURATION: Final = (93, 74)  # InvalidReplicaSetConfig, NodeNotFound

_log = structlog.get_logger(__name__)


class EmbeddedMongo:
    """The ``mongod`` of a data directory. ``start`` it, use ``url``, ``stop`` it last of all."""

    def __init__(
        self, data_directory: Path, runtime: Runtime, *, cache_gigabytes: float = 0.25, program: Path | None = None
    ) -> None:
        """``program``: the ``mongod`` to run instead of the one that is found."""
        self._directory = data_directory.resolve() / "mongodb"
        self._runtime = runtime
        self._clock = runtime.clock
        self._cache = cache_gigabytes
        self._program = program
        self._process: MongodProcess | None = None
        self._lock: int | None = None
        self._watch: Task[Any] | None = None
        self.deaths = 0
        """How often it died without our doing, before it was ready included."""
        self._mourned: int | None = None
        """The process whose death was counted last."""
        self.problem: str | None = None
        """Why it cannot be started again just now; None when all is well."""

    @property
    def url(self) -> str:
        """The address for clients. It stays the same over restarts."""
        return f"mongodb://{HOST}:{self._started.port}/?replicaSet={REPLICA_SET}"

    @property
    def process_id(self) -> int | None:
        """The process id of ``mongod``."""
        return self._started.process_id

    @property
    def is_owner(self) -> bool:
        """Whether it is ours to start and stop; else another process of this machine does."""
        return self._lock is not None

    @property
    def _started(self) -> MongodProcess:
        if self._process is None:
            raise DatabaseError("the embedded MongoDB was not started")
        return self._process

    async def start(self, *, watch: bool = True) -> str:
        """Start, find again or join it; return its URL when it accepts writes.

        ``watch`` starts it again whenever it dies. Raises :class:`DatabaseError` with one line that says what to do.
        """
        self._prepare_directory()
        program = self._program
        if program is None:
            program = await to_thread(find_mongod, self._directory)
        self._process = MongodProcess(self._directory, program, self._clock, self._cache)
        try:
            await self._bring_up()
        except BaseException:
            self._unlock()
            raise
        if watch:
            self._watch = self._runtime.tasks.start(self._watch_over(), "database.mongod")
        return self.url

    async def stop(self) -> None:
        """Stop it if it is ours; otherwise only leave."""
        if self._watch is not None:
            self._watch.cancel()
            try:
                await self._watch
            except CancelledError:
                self._watch = None
        if self._process is not None and self.is_owner:
            await self._process.stop()
        self._unlock()

    # ------------------------------------------------------------------ inside

    def _prepare_directory(self) -> None:
        try:
            self._directory.mkdir(parents=True, exist_ok=True)
            probe = self._directory / "writable"
            probe.touch()
            probe.unlink()
            free = shutil.disk_usage(self._directory).free
        except PermissionError as error:
            raise DatabaseError(
                f"The data directory {self._directory} cannot be written: it belongs to {_owner_of(self._directory)}, "
                "we are another user. Set DATA_DIR to a directory of your own, or run as that user"
            ) from error
        except OSError as error:
            raise DatabaseError(
                f"The data directory {self._directory} cannot be written: {error.strerror}. "
                "Set DATA_DIR to a directory on a disk that can be written"
            ) from error
        if free < _MINIMUM_FREE_BYTES:
            raise DatabaseError(
                f"The disk of {self._directory} is full: {free // 2**20} MB are free, MongoDB needs at least "
                f"{_MINIMUM_FREE_BYTES // 2**20} MB. Free some, or set DATA_DIR to another disk"
            )

    def _try_lock(self) -> bool:
        if self._lock is None:
            lock = os.open(self._directory / "owner.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                os.close(lock)
                return False
            self._lock = lock
        return True

    def _unlock(self) -> None:
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    async def _bring_up(self) -> None:
        """Until it accepts writes, by whoever's doing."""
        process = self._started
        deadline = self._clock.monotonic() + _READY_SECONDS
        while True:
            if self._try_lock():
                if not process.is_running() and not process.find():
                    process.spawn()
                    _log.info("mongod started", port=process.port, process_id=process.process_id)
                return await self._until_primary(deadline)
            if process.find():
                return await self._until_primary(deadline)
            if self._clock.monotonic() > deadline:
                raise MongodFailed(
                    f"another process holds {self._directory}/owner.lock but has no mongod running there: stop it"
                )
            await self._clock.sleep(_POLL_SECONDS)

    async def _until_primary(self, deadline: float) -> None:
        process = self._started
        client: AsyncMongoClient[dict[str, Any]] = AsyncMongoClient(
            HOST,
            process.port,
            directConnection=True,
            serverSelectionTimeoutMS=300,
            connectTimeoutMS=300,
        )
        try:
            while True:
                if not process.is_running():
                    raise process.failure()
                if await self._is_primary(client):
                    return
                if self._clock.monotonic() > deadline:
                    raise MongodFailed(
                        f"mongod in {self._directory} runs but accepts no writes after {_READY_SECONDS:g} s; "
                        "see mongod.log there"
                    )
                await self._clock.sleep(_POLL_SECONDS)
        finally:
            await client.close()

    async def _is_primary(self, client: AsyncMongoClient[dict[str, Any]]) -> bool:
        try:
            async with timeout(_ANSWER_SECONDS):
                hello = await client.admin.command("hello")
                if hello.get("isWritablePrimary"):
                    return True
                if self.is_owner:
                    await self._configure(client)
        except (PyMongoError, TimeoutError):
            return False  # not listening yet, or an election is on: asked again until the deadline
        return False

    async def _configure(self, client: AsyncMongoClient[dict[str, Any]]) -> None:
        """Make it a set of one at its present port."""
        member = {"_id": 0, "host": f"{HOST}:{self._started.port}"}
        try:
            await client.admin.command("replSetGetStatus")
        except OperationFailure as error:
            if error.code == _NOT_INITIATED:
                await client.admin.command(
                    "replSetInitiate",
                    {"_id": REPLICA_SET, "members": [member], "settings": {"electionTimeoutMillis": 1000}},
                )
            elif error.code in _NOT_IN_CONFIGURATION:
                await self._move(client, member)
            else:
                raise

    async def _move(self, client: AsyncMongoClient[dict[str, Any]], member: dict[str, Any]) -> None:
        """Its former port was taken by another program: the set's configuration must name the new one."""
        configuration = await client["local"]["system.replset"].find_one()
        if configuration is not None and configuration["members"] != [member]:
            configuration["members"] = [member]
            configuration["version"] += 1
            await client.admin.command("replSetReconfig", configuration, force=True)

    async def _watch_over(self) -> None:
        """Start it again whenever it dies."""
        backoff = _WATCH_SECONDS
        while True:
            await self._clock.sleep(backoff)
            if self._started.is_running():
                backoff = _WATCH_SECONDS
                if not self.is_owner:
                    self._try_lock()
                continue
            if self.process_id != self._mourned:
                self._mourned = self.process_id
                self.deaths += 1
                _log.warning("mongod died; starting it again", directory=str(self._directory))
            try:
                await self._bring_up()
            except (DatabaseError, OSError) as error:
                self.problem = str(error)
                backoff = min(backoff * 2, _MAX_BACKOFF)
                _log.error("mongod does not start", problem=self.problem, retry_seconds=backoff)
            else:
                self.problem = None


def _owner_of(path: Path) -> str:
    while not path.exists() and path != path.parent:
        path = path.parent
    try:
        return pwd.getpwuid(path.stat().st_uid).pw_name
    except (KeyError, OSError):
        return "another user"
