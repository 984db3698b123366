"""HTTP connections that say when the first byte of a request leaves, that are paced, and that can be cut.

``requests`` sends through urllib3's connection classes; these stand in for them. The moment a request's first byte is
written is what tells "provably not sent" from "in doubt", and the last moment to ask whether it may still be sent.
"""

import contextlib
import socket
import threading
import weakref
from collections import deque
from typing import Any, Final

from requests.adapters import HTTPAdapter
from urllib3 import HTTPConnectionPool, HTTPSConnectionPool, PoolManager
from urllib3.connection import HTTPConnection, HTTPSConnection

from live_trading.brokers.base import SendGuard
from live_trading.runtime import Clock

NEW_CONNECTIONS_PER_SECOND: Final = 2
"""As many as OANDA allows."""


class Journey:
    """One command on its way. ``guard`` is asked right before its first byte is written; then it has ``left``."""

    def __init__(self, guard: SendGuard) -> None:
        self._guard = guard
        self._lock = threading.Lock()
        self._over = False
        self.left = False

    def departs(self) -> None:
        """The first byte is about to be written. Raises what the guard raises, or ``OSError`` where it is too late."""
        with self._lock:
            if self.left:
                return
            if self._over:
                raise OSError("it was given up before it was sent")
            self._guard()
            self.left = True

    def give_up(self) -> None:
        """Nobody waits for it any longer: what has not left does not leave."""
        with self._lock:
            self._over = True


class Pace:
    """When a connection may be opened: at most so many a second, over all threads of an adapter."""

    def __init__(self, clock: Clock, per_second: int = NEW_CONNECTIONS_PER_SECOND) -> None:
        self._clock = clock
        self._opened: deque[float] = deque(maxlen=per_second)
        self._lock = threading.Lock()

    def take(self) -> float:
        """0.0: open one now. Else the seconds to wait before asking again."""
        with self._lock:
            now = self._clock.monotonic()
            if len(self._opened) == self._opened.maxlen and (wait := self._opened[0] + 1.0 - now) > 0:
                return wait
            self._opened.append(now)
            return 0.0


class Connections:
    """Connections that are opened at a pace, and can be cut all at once."""

    def __init__(self, pace: Pace) -> None:
        self._pace = pace
        self._cut = threading.Event()
        self._live: weakref.WeakSet[Any] = weakref.WeakSet()
        self._thread = threading.local()

    def adapter(self) -> HTTPAdapter:
        """What a session of ``requests`` is to send through. It never sends anything twice."""
        return _Adapter(self)

    def travelling(self, journey: Journey | None) -> None:
        """What this thread sends next is part of this command (None: of a question)."""
        self._thread.journey = journey

    def cut(self) -> None:
        """End every connection now, whoever waits on it; none is opened afterwards."""
        self._cut.set()
        for connection in tuple(self._live):
            _hang_up(connection)

    def opening(self, connection: Any) -> None:
        """Wait until one more connection may be opened."""
        while not self._cut.is_set():
            wait = self._pace.take()
            if not wait:
                self._live.add(connection)
                return
            self._cut.wait(wait)
        raise OSError("the connection was closed by us")

    def opened(self, connection: Any) -> None:
        """It stands; unless everything was cut meanwhile."""
        if self._cut.is_set():
            _hang_up(connection)

    def departs(self) -> None:
        journey: Journey | None = getattr(self._thread, "journey", None)
        if journey is not None:
            journey.departs()


def _hang_up(connection: Any) -> None:
    """Shut a connection's socket down: whoever reads from it is woken at once."""
    sock = getattr(connection, "sock", None)
    if sock is not None:
        with contextlib.suppress(OSError):
            sock.shutdown(socket.SHUT_RDWR)


class _Adapter(HTTPAdapter):
    def __init__(self, connections: Connections) -> None:
        self._connections = connections
        super().__init__(max_retries=0)

    def init_poolmanager(self, *arguments: Any, **options: Any) -> None:
        super().init_poolmanager(*arguments, **options)
        manager: PoolManager = self.poolmanager
        manager.pool_classes_by_scheme = {
            "http": self._pool(HTTPConnectionPool),
            "https": self._pool(HTTPSConnectionPool),
        }

    def _pool(self, kind: Any) -> Any:
        connection = _watched(HTTPSConnection if kind is HTTPSConnectionPool else HTTPConnection, self._connections)
        return type(f"Watched{kind.__name__}", (kind,), {"ConnectionCls": connection})


def _watched(kind: Any, connections: Connections) -> Any:
    class Watched(kind):  # type: ignore[misc]
        def connect(self) -> None:
            connections.opening(self)
            super().connect()
            connections.opened(self)

        def send(self, data: Any) -> None:
            if self.sock is None:
                self.connect()
            connections.departs()
            super().send(data)

    return Watched
