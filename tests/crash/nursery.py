"""Real processes, hundreds of them, without waiting hundreds of times for Python's imports.

The nursery is a process that has imported the program once. For each engine or exchange that is asked for it forks; the
child becomes a session of its own, with its own environment and log files, and runs the very command line that
``live-trading`` would. It is an ordinary process to kill, to freeze and to wait for.

As a program it reads one JSON request a line on standard input and answers on standard output: ``{"id": …, "pid": …}``
for a start, ``{"pid": …, "code": …}`` for an end (negative: the signal's number). When standard input ends, so do all.
"""

import asyncio
import gc
import importlib
import json
import os
import select
import signal
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any, NoReturn, Self

ROOT = Path(__file__).resolve().parents[2]
_START_SECONDS = 60.0


@dataclass(slots=True)
class Process:
    """A process that the nursery started. ``code`` is its exit code, None while it runs."""

    pid: int
    ended: asyncio.Future[int] = field(repr=False)

    @property
    def code(self) -> int | None:
        return self.ended.result() if self.ended.done() else None

    def send(self, number: signal.Signals) -> None:
        """Send it a signal, if it is still there: it may have ended, and the news of it be on its way."""
        if not self.ended.done():
            with suppress(ProcessLookupError):
                os.kill(self.pid, number)

    async def wait(self, timeout: float) -> int:
        """Its exit code, once it has ended."""
        async with asyncio.timeout(timeout):
            return await asyncio.shield(self.ended)


class Nursery:
    """``async with Nursery() as nursery``: processes that all end with the block."""

    def __init__(self) -> None:
        self._program: asyncio.subprocess.Process | None = None
        self._reader: asyncio.Future[None] | None = None
        self._numbers = count(1)
        self._starting: dict[int, asyncio.Future[Process]] = {}
        self._running: dict[int, Process] = {}

    async def __aenter__(self) -> Self:
        environment = {**os.environ, "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
        self._program = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "tests.crash.nursery",
            stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, cwd=ROOT, env=environment,
        )  # fmt: skip
        self._reader = asyncio.ensure_future(self._read())
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._program is not None
        assert self._program.stdin is not None
        assert self._reader is not None
        self._program.stdin.close()
        await self._reader
        await self._program.wait()

    async def start(self, program: str, arguments: Sequence[str], environment: Mapping[str, str], log: Path) -> Process:
        """Start ``live-trading`` (``engine``) or the paper exchange (``exchange``); output to ``log`` .out and .err."""
        assert self._program is not None
        assert self._program.stdin is not None
        number = next(self._numbers)
        self._starting[number] = asyncio.get_running_loop().create_future()
        request = {
            "id": number,
            "program": program,
            "arguments": list(arguments),
            "environment": dict(environment),
            "log": str(log),
        }
        self._program.stdin.write(json.dumps(request).encode() + b"\n")
        async with asyncio.timeout(_START_SECONDS):
            return await self._starting[number]

    async def _read(self) -> None:
        assert self._program is not None
        assert self._program.stdout is not None
        while line := await self._program.stdout.readline():
            told = json.loads(line)
            if "id" in told:
                process = Process(told["pid"], asyncio.get_running_loop().create_future())
                self._running[process.pid] = process
                asked = self._starting.pop(told["id"])
                if not asked.done():  # else whoever asked has given up waiting
                    asked.set_result(process)
            else:
                self._running.pop(told["pid"]).ended.set_result(told["code"])


# ---- the program -----------------------------------------------------------------------------------------------------


class _Forking:
    def __init__(self) -> None:
        self._children: set[int] = set()
        self._woken, wake = os.pipe()
        os.set_blocking(wake, False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.set_wakeup_fd(wake)

    def run(self) -> None:
        text = b""
        while True:
            readable, _, _ = select.select([0, self._woken], [], [])
            if self._woken in readable:
                os.read(self._woken, 4096)
                self._reap()
            if 0 in readable:
                data = os.read(0, 65536)
                if not data:
                    return self._end_all()
                *lines, text = (text + data).split(b"\n")
                for line in lines:
                    self._start(json.loads(line))

    def _start(self, request: dict[str, Any]) -> None:
        pid = os.fork()
        if pid == 0:
            _become(request)
        self._children.add(pid)
        _tell(id=request["id"], pid=pid)

    def _reap(self) -> None:
        for pid in list(self._children):
            found, status = os.waitpid(pid, os.WNOHANG)
            if found:
                self._children.discard(pid)
                _tell(pid=pid, code=os.waitstatus_to_exitcode(status))

    def _end_all(self) -> None:
        for pid in self._children:
            os.kill(pid, signal.SIGKILL)
            _, status = os.waitpid(pid, 0)
            _tell(pid=pid, code=os.waitstatus_to_exitcode(status))


def _tell(**fields: int) -> None:
    os.write(1, json.dumps(fields).encode() + b"\n")


def _become(request: dict[str, Any]) -> NoReturn:
    """The child: a program of its own from here on."""
    code = 70
    try:
        os.setsid()
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        signal.signal(signal.SIGUSR1, _tell_tasks)
        for descriptor, path, flags in (
            (0, os.devnull, os.O_RDONLY),
            (1, request["log"] + ".out", os.O_WRONLY | os.O_CREAT | os.O_APPEND),
            (2, request["log"] + ".err", os.O_WRONLY | os.O_CREAT | os.O_APPEND),
        ):
            file = os.open(path, flags, 0o600)
            os.dup2(file, descriptor)
            os.close(file)
        os.environ.update(request["environment"])
        importlib.reload(sys.modules["live_trading.runtime.failpoints"])  # they read the environment when imported
        code = _run(request["program"], request["arguments"])
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else int(end.code is not None)
    except BaseException:
        sys.excepthook(*sys.exc_info())
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def _tell_tasks(*_: object) -> None:
    """For a process that hangs: where each of its tasks is."""
    for task in asyncio.all_tasks():
        print(f"task {task.get_name()} (cancelling: {task.cancelling()})", file=sys.stderr)
        task.print_stack(file=sys.stderr)
    sys.stderr.flush()


def _run(program: str, arguments: list[str]) -> int:
    if program == "exchange":
        from live_trading.paper_exchange.options import parse_options
        from live_trading.paper_exchange.server import run_paper_exchange

        return run_paper_exchange(parse_options(arguments))
    from live_trading.cli.app import run

    return run(arguments)


def main() -> None:
    """Import everything, then fork on demand."""
    for name in ("live_trading.cli", "live_trading.paper_exchange.server", "live_trading.data.tick_files", "uvloop"):
        importlib.import_module(name)
    gc.collect()
    gc.freeze()
    _Forking().run()


if __name__ == "__main__":
    main()
