"""One ``mongod`` process: started, found again, watched and stopped. What it means is in ``embedded.py``."""

import json
import os
import signal
import socket
import subprocess
from pathlib import Path
from typing import Final

import psutil

from live_trading.database.errors import MongodFailed
from live_trading.database.mongod import check_libraries, reason_in_log
from live_trading.runtime import Clock

REPLICA_SET: Final = "rs0"
HOST: Final = "127.0.0.1"

_LOG_LIMIT: Final = 20 * 1024 * 1024
_OPLOG_MEGABYTES: Final = 990
_STOP_SECONDS: Final = 20.0
_POLL_SECONDS: Final = 0.05
_CANNOT_EXECUTE: Final = 127


def _allow_open_files(process: psutil.Process) -> None:
    """Let it open as many files as the system allows. A login often begins with 1,024, and MongoDB, which keeps a file
    for each collection, index and connection, ends when they are used up
    (https://www.mongodb.com/docs/v6.0/reference/ulimit/)."""
    if not psutil.LINUX:
        return
    try:
        _, most = process.rlimit(psutil.RLIMIT_NOFILE)
        process.rlimit(psutil.RLIMIT_NOFILE, (most, most))
    except psutil.NoSuchProcess:
        return  # it has ended already: whoever waits for it to answer says why


class MongodProcess:
    """The ``mongod`` of one directory.

    A note in the directory (``mongod.json``: process id and port) lets the next start find one that is still running
    after its parent was killed. The port is kept from start to start, so that clients find it where it was.
    """

    def __init__(self, directory: Path, program: Path, clock: Clock, cache_gigabytes: float) -> None:
        self._directory = directory
        self._program = program
        self._clock = clock
        self._cache = cache_gigabytes
        self._note = directory / "mongod.json"
        self._child: subprocess.Popen[bytes] | None = None
        self._process: psutil.Process | None = None
        self.port = 0

    @property
    def process_id(self) -> int | None:
        return self._process.pid if self._process is not None else None

    def find(self) -> bool:
        """Whether one is running already on this directory; if so, take it as ours."""
        noted = self._read_note()
        if noted is None:
            return False
        pid, port = noted
        self.port = port
        try:
            process = psutil.Process(pid)
            if not self._is_ours(process):
                return False
        except psutil.Error:
            return False
        self._process, self._child = process, None
        return True

    def _is_ours(self, process: psutil.Process) -> bool:
        """A process id alone proves nothing after a reboot: the program and its directory must be the right ones."""
        if process.status() == psutil.STATUS_ZOMBIE or not process.name().startswith("mongod"):
            return False
        arguments = process.cmdline()
        return "--dbpath" in arguments and arguments[arguments.index("--dbpath") + 1] == str(self._directory)

    def _read_note(self) -> tuple[int, int] | None:
        try:
            note = json.loads(self._note.read_text(encoding="utf-8"))
            return int(note["pid"]), int(note["port"])
        except (OSError, ValueError, KeyError, TypeError):
            return None  # never started here, or cut short by a power failure: then there is nothing to be found

    def _write_note(self, pid: int) -> None:
        unfinished = self._note.with_suffix(".part")
        unfinished.write_text(json.dumps({"pid": pid, "port": self.port}), encoding="utf-8")
        unfinished.replace(self._note)

    def spawn(self) -> None:
        """Start one. Its readiness is waited for elsewhere."""
        self.port = _free_port(self.port)
        log = self._directory / "mongod.log"
        if log.exists() and log.stat().st_size > _LOG_LIMIT:
            log.replace(log.with_suffix(".log.1"))
        with (self._directory / "mongod.out").open("wb") as output:
            # A session of its own: Ctrl-C at the terminal goes to the engine, which stops it when all is written.
            self._child = subprocess.Popen(  # noqa: S603
                self._command(log),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self._process = psutil.Process(self._child.pid)
        _allow_open_files(self._process)
        self._write_note(self._child.pid)

    def _command(self, log: Path) -> list[str]:
        return [
            *(str(self._program), "--dbpath", str(self._directory)),
            *("--bind_ip", HOST, "--port", str(self.port), "--nounixsocket"),
            *("--replSet", REPLICA_SET, "--oplogSize", str(_OPLOG_MEGABYTES)),
            *("--wiredTigerCacheSizeGB", str(self._cache)),
            *("--logpath", str(log), "--logappend", "--quiet"),
            *("--setParameter", "diagnosticDataCollectionEnabled=false"),
            # A set of one has nobody to hand over to: without this a stop waits 15 s for a successor.
            *("--setParameter", "shutdownTimeoutMillisForSignaledShutdown=100"),
        ]

    def is_running(self) -> bool:
        if self._child is not None:
            return self._child.poll() is None
        try:
            return (
                self._process is not None
                and self._process.is_running()
                and self._process.status() != psutil.STATUS_ZOMBIE
            )
        except psutil.Error:
            return False

    def failure(self) -> MongodFailed:
        """Why it ended, from its own words."""
        code = self._child.poll() if self._child is not None else None
        if code == _CANNOT_EXECUTE:
            check_libraries(self._program)
        if code is not None and code < 0:
            return MongodFailed(
                f"mongod in {self._directory} was killed by signal {-code}: by a person, or by the system for want of "
                "memory"
            )
        said = _end_of(self._directory / "mongod.out") + _end_of(self._directory / "mongod.log")
        reason = reason_in_log(said) or f"exit code {code}; the last lines of mongod.log there say more"
        return MongodFailed(f"mongod in {self._directory} did not start: {reason}")

    async def stop(self) -> None:
        """End it in order; by force when it takes too long. Its journal makes either safe."""
        process = self._process
        if process is None or not self.is_running():
            return
        for ending, seconds in ((signal.SIGTERM, _STOP_SECONDS), (signal.SIGKILL, 5.0)):
            try:
                process.send_signal(ending)
            except psutil.NoSuchProcess:
                return
            deadline = self._clock.monotonic() + seconds
            while self.is_running():
                if self._clock.monotonic() > deadline:
                    break
                await self._clock.sleep(_POLL_SECONDS)
            else:
                return
        raise MongodFailed(f"mongod (process {process.pid}) does not end, not even by SIGKILL: its disk hangs")


def _free_port(wanted: int) -> int:
    for port in (wanted, 0):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((HOST, port))
            except OSError:
                continue
            return int(probe.getsockname()[1])
    raise MongodFailed("there is no free port on 127.0.0.1")


def _end_of(file: Path, size: int = 8192) -> str:
    try:
        with file.open("rb") as opened:
            opened.seek(max(0, os.fstat(opened.fileno()).st_size - size))
            return opened.read().decode("utf-8", "replace")
    except OSError:
        return ""
