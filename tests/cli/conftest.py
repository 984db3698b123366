"""The program as people use it: short commands in this process, long ones as processes of their own."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Condition, Thread
from typing import Any, NamedTuple

import pytest

from live_trading.cli.app import run

ROOT = Path(__file__).parents[2]
PATIENCE = 60.0


class Said(NamedTuple):
    """What a command came to."""

    code: int
    out: str
    err: str

    @property
    def data(self) -> Any:
        """Its answer in JSON."""
        return json.loads(self.out)

    @property
    def errors(self) -> list[str]:
        """Its error lines."""
        return [line for line in self.err.splitlines() if line.startswith("error: ")]


class Program:
    """A long-running ``live-trading`` process whose output can be waited for."""

    def __init__(self, *arguments: str, environment: dict[str, str] | None = None) -> None:
        self.lines: list[str] = []
        self.process = subprocess.Popen(
            [sys.executable, "-m", "live_trading.main", *arguments],
            cwd=ROOT,
            env={**os.environ, "LOG_FORMAT": "console", **(environment or {})},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self._condition = Condition()
        self._reader = Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            with self._condition:
                self.lines.append(line.rstrip("\n"))
                self._condition.notify_all()
        with self._condition:
            self._condition.notify_all()

    def until(self, text: str, patience: float = PATIENCE) -> str:
        """Wait for a line with ``text`` in it; return the line."""
        deadline = time.monotonic() + patience
        with self._condition:
            while True:
                for line in self.lines:
                    if text in line:
                        return line
                left = deadline - time.monotonic()
                if left <= 0 or not self._reader.is_alive():
                    raise AssertionError(f"{text!r} was not said:\n" + "\n".join(self.lines[-40:]))
                self._condition.wait(min(left, 0.5))

    def until_count(self, text: str, count: int, patience: float = PATIENCE) -> None:
        """Wait until so many lines have ``text`` in them."""
        deadline = time.monotonic() + patience
        with self._condition:
            while sum(text in line for line in self.lines) < count:
                left = deadline - time.monotonic()
                if left <= 0 or not self._reader.is_alive():
                    raise AssertionError(f"{text!r} was not said {count} times:\n" + "\n".join(self.lines[-40:]))
                self._condition.wait(min(left, 0.5))

    def said(self, text: str) -> bool:
        return any(text in line for line in self.lines)

    def ended(self, patience: float = PATIENCE) -> int:
        """Wait for its end; the exit code."""
        code = self.process.wait(patience)
        self._reader.join(5)
        assert self.process.stdout is not None
        self.process.stdout.close()
        return code

    def stop(self, number: int = signal.SIGTERM) -> int:
        """Send a signal and wait for the end."""
        self.process.send_signal(number)
        return self.ended()

    def kill(self) -> None:
        """As a power cut would."""
        self.process.kill()
        self.ended()


Command = Callable[..., Said]
Start = Callable[..., Program]


@pytest.fixture
def command(capfd: pytest.CaptureFixture[str]) -> Command:
    """Runs a short command to its end in this process."""

    def call(*arguments: object) -> Said:
        capfd.readouterr()
        code = run([str(word) for word in arguments])
        out, err = capfd.readouterr()
        return Said(code, out, err)

    return call


@pytest.fixture(scope="module")
def start() -> Iterator[Start]:
    """Starts long-running programs; whatever still runs at the end is ended."""
    started: list[Program] = []

    def begin(*arguments: object, **options: Any) -> Program:
        program = Program(*(str(word) for word in arguments), **options)
        started.append(program)
        return program

    yield begin
    for program in started:
        if program.process.poll() is None:
            program.stop()
