"""Running the paper exchange as a child process that outlives its parent.

The child has a process group of its own: when the engine is killed it goes on, as a real broker does, and the engine's
next start finds it again by its ready file.
"""

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import msgspec
import psutil
import structlog

from live_trading.domain.errors import LiveTradingError
from live_trading.paper_exchange.options import READY_FILE, PaperExchangeOptions
from live_trading.runtime import Runtime

_log = structlog.get_logger(__name__)

_MODULE = "live_trading.paper_exchange"
_LOG_FILE = "paper-exchange.log"
_POLL_SECONDS = 0.05
_WATCH_SECONDS = 0.5
_STOP_SECONDS = 10.0
_ANSWER_SECONDS = 5.0
_RESTART_PAUSES = (0.0, 1.0, 2.0, 5.0, 10.0)


class PaperExchangeFailed(LiveTradingError):  # noqa: N818 - it tells what happened
    """The child process did not become healthy; the text says where to look."""


class _Ready(msgspec.Struct):
    url: str
    pid: int
    account: str
    fronts: dict[str, dict[str, str | int]] = {}

    def serves(self, fronts: Iterable[str]) -> bool:
        """Whether it speaks all these protocols."""
        return all(front.partition("=")[0] in self.fronts for front in fronts)


class PaperExchangeProcess:
    """One paper exchange process for a data directory.

    ``start`` adopts the one that already runs there (if it speaks the protocols wanted), or starts one; while it is
    wanted it is started again when it dies, on the same ports; ``stop`` ends it, orders and positions stay in its
    store.
    """

    def __init__(self, options: PaperExchangeOptions, runtime: Runtime, *, start_timeout: float = 30.0) -> None:
        self._options = options
        self._runtime = runtime
        self._start_timeout = start_timeout
        self._child: subprocess.Popen[bytes] | None = None
        self._ready: _Ready | None = None
        self._watcher: asyncio.Task[None] | None = None
        self.restarts = 0

    @property
    def url(self) -> str:
        """Where it listens; the same after a restart."""
        assert self._ready is not None, "start it first"
        return self._ready.url

    @property
    def pid(self) -> int:
        assert self._ready is not None, "start it first"
        return self._ready.pid

    @property
    def account(self) -> str:
        """The first account's id."""
        assert self._ready is not None, "start it first"
        return self._ready.account

    @property
    def fronts(self) -> Mapping[str, Mapping[str, str | int]]:
        """How each further protocol's clients connect; the same after a restart."""
        assert self._ready is not None, "start it first"
        return self._ready.fronts

    @property
    def log_path(self) -> Path:
        return self._options.data_dir / _LOG_FILE

    async def start(self, *, watch: bool = True) -> str:
        """Have a healthy paper exchange; its URL. Raises :class:`PaperExchangeFailed`."""
        self._ready = await self._adopted() or await self._spawn(self._with_port())
        if watch:
            self._watcher = self._runtime.tasks.start(self._keep_alive(), "paper exchange process")
        return self._ready.url

    async def stop(self) -> None:
        """End it, kindly and then not; bounded."""
        await self.release()
        if self._ready is None:
            return
        pid, self._ready = self._ready.pid, None
        await self._end(pid, _STOP_SECONDS)

    async def release(self) -> None:
        """Watch no longer, and let it run."""
        if self._watcher is not None:
            self._watcher.cancel()
            await asyncio.gather(self._watcher, return_exceptions=True)
            self._watcher = None

    async def _adopted(self) -> _Ready | None:
        """The process that runs for this data directory already. One that does not answer is ended first: two cannot
        share a store, and the store does not mind."""
        ready = self._told()
        if ready is None or not self._alive(ready.pid):
            return None
        deadline = self._runtime.clock.monotonic() + _ANSWER_SECONDS
        while self._alive(ready.pid) and self._runtime.clock.monotonic() < deadline:
            if await self._healthy(ready):
                if ready.serves(self._options.fronts):
                    return ready
                break
            await self._runtime.clock.sleep(_POLL_SECONDS)
        await self._end(ready.pid, _STOP_SECONDS if not ready.serves(self._options.fronts) else 0.0)
        return None

    def _told(self) -> _Ready | None:
        """What the ready file says."""
        try:
            return msgspec.json.decode((self._options.data_dir / READY_FILE).read_bytes(), type=_Ready)
        except (OSError, msgspec.DecodeError):
            return None

    def _alive(self, pid: int) -> bool:
        """Whether ``pid`` is a paper exchange of this data directory (and no other program with an old number)."""
        try:
            process = psutil.Process(pid)
            words = process.cmdline()
            alive = process.status() != psutil.STATUS_ZOMBIE
        except psutil.Error:
            return False
        return alive and _MODULE in words and str(self._options.data_dir) in words

    async def _healthy(self, ready: _Ready) -> bool:
        async with httpx.AsyncClient(trust_env=False, timeout=2.0) as client:
            try:
                response = await client.get(f"{ready.url}/v1/health")
            except httpx.HTTPError:
                return False
        return response.status_code == 200 and bool(response.json().get("pid") == ready.pid)

    def _with_port(self) -> PaperExchangeOptions:
        """The options, with the ports that clients know already."""
        if self._ready is None:
            return self._options
        known = {name: str(told["port"]) for name, told in self._ready.fronts.items() if "port" in told}
        names = [front.partition("=")[0] for front in self._options.fronts]
        fronts = tuple(f"{name}={known[name]}" if name in known else name for name in names)
        return replace(self._options, port=urlsplit(self._ready.url).port or 0, fronts=fronts)

    async def _spawn(self, options: PaperExchangeOptions) -> _Ready:
        """Start a process and wait until it answers."""
        await self._bury()
        options.data_dir.mkdir(parents=True, exist_ok=True)
        (options.data_dir / READY_FILE).unlink(missing_ok=True)
        with self.log_path.open("ab") as log:
            self._child = subprocess.Popen(  # noqa: S603, ASYNC220 - our own module; starting is quick, and it is not awaited
                [sys.executable, "-m", _MODULE, *options.arguments()],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        deadline = self._runtime.clock.monotonic() + self._start_timeout
        while self._runtime.clock.monotonic() < deadline:
            ready = self._told()
            if ready is not None and ready.pid == self._child.pid and await self._healthy(ready):
                return ready
            if self._child.poll() is not None:
                raise PaperExchangeFailed(
                    f"the paper exchange ended with code {self._child.returncode}: {self._last_words()} "
                    f"(its log is {self.log_path})"
                )
            await self._runtime.clock.sleep(_POLL_SECONDS)
        self._child.kill()
        raise PaperExchangeFailed(
            f"the paper exchange did not answer within {self._start_timeout:g} s (its log is {self.log_path})"
        )

    async def _keep_alive(self) -> None:
        """Start it again whenever it has died, on the same port, with growing pauses while that fails."""
        failures = 0
        while True:
            await self._runtime.clock.sleep(_WATCH_SECONDS)
            assert self._ready is not None
            if self._alive(self._ready.pid):
                failures = 0
                continue
            await self._runtime.clock.sleep(_RESTART_PAUSES[min(failures, len(_RESTART_PAUSES) - 1)])
            try:
                self._ready = await self._spawn(self._with_port())
                self.restarts += 1
                _log.info("the paper exchange was started again", pid=self._ready.pid, url=self._ready.url)
            except (PaperExchangeFailed, OSError) as error:  # a full disk, say: it may have room again later
                failures += 1
                _log.warning("the paper exchange has ended and cannot be started", reason=str(error))

    async def _end(self, pid: int, patience: float) -> None:
        """Ask it to end, and after ``patience`` seconds end it."""
        for number, wait in ((signal.SIGTERM, patience), (signal.SIGKILL, 5.0)):
            if not self._alive(pid):
                break
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)
            await self._gone(pid, wait)
        await self._bury()

    async def _bury(self) -> None:
        """Take the exit status of a child of ours that has ended, so that it is no zombie."""
        deadline = self._runtime.clock.monotonic() + _STOP_SECONDS
        while self._child is not None and self._child.poll() is None and self._runtime.clock.monotonic() < deadline:
            await self._runtime.clock.sleep(_POLL_SECONDS)
        self._child = None

    async def _gone(self, pid: int, patience: float) -> None:
        deadline = self._runtime.clock.monotonic() + patience
        while self._alive(pid) and self._runtime.clock.monotonic() < deadline:
            await self._runtime.clock.sleep(_POLL_SECONDS)

    def _last_words(self) -> str:
        try:
            lines = self.log_path.read_text(encoding="utf-8", errors="replace").splitlines()
        except OSError:
            return ""
        return lines[-1] if lines else ""
