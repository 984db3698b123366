"""Writing to standard output without ever holding up the engine: a reader that stalls costs lines, not trades."""

import sys
import threading
from collections import deque
from types import TracebackType
from typing import Self

_MOST_LINES = 10_000


class LineWriter:
    """Writes lines from a thread of its own, in order. Over ``_MOST_LINES`` waiting, the oldest are dropped and the
    number of those dropped is told. Use it as a context manager: leaving writes what waits, a few seconds at most."""

    def __init__(self) -> None:
        self._lines: deque[str] = deque()
        self._dropped = 0
        self._closing = False
        self._condition = threading.Condition()
        self._thread = threading.Thread(target=self._write, name="output", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._condition:
            self._closing = True
            self._condition.notify()
        self._thread.join(timeout=5.0)

    def line(self, text: str) -> None:
        """Have a line written. Never waits."""
        with self._condition:
            if len(self._lines) >= _MOST_LINES:
                self._lines.popleft()
                self._dropped += 1
            self._lines.append(text)
            self._condition.notify()

    def _write(self) -> None:
        while True:
            with self._condition:
                while not self._lines and not self._closing:
                    self._condition.wait()
                lines, self._lines = list(self._lines), deque()
                dropped, self._dropped = self._dropped, 0
                if not lines:
                    return
            if dropped:
                lines.insert(0, f"({dropped} lines were left out: the reader is too slow)")
            try:
                sys.stdout.write("\n".join(lines) + "\n")
                sys.stdout.flush()
            except (BrokenPipeError, ValueError):
                return  # nobody reads any more
