"""How much a client may ask: 120 requests a second and two new connections a second, as OANDA allows.

Counted by access token, as a client of OANDA's is known by its address: here all have the same one.
"""

from collections import deque
from typing import Any, Final

from live_trading.runtime import Clock

REQUESTS: Final = 120
CONNECTIONS: Final = 2
_KNOWN_CONNECTIONS: Final = 4096


class RateLimits:
    """``connections`` None leaves new connections unlimited."""

    def __init__(self, clock: Clock, requests: int = REQUESTS, connections: int | None = None) -> None:
        self._clock = clock
        self._most_requests = requests
        self._most_connections = connections
        self._requests: dict[str, deque[float]] = {}
        self._connects: dict[str, deque[float]] = {}
        self._known: deque[Any] = deque(maxlen=_KNOWN_CONNECTIONS)

    def exceeded(self, token: str, connection: Any) -> bool:
        """Count a request, and say whether it is one too many."""
        if connection not in self._known:
            if self._most_connections is not None and not self._take(self._connects, token, self._most_connections):
                return True
            self._known.append(connection)
        return not self._take(self._requests, token, self._most_requests)

    def _take(self, taken: dict[str, deque[float]], token: str, most: int) -> bool:
        now = self._clock.monotonic()
        times = taken.setdefault(token, deque())
        while times and times[0] <= now - 1.0:
            times.popleft()
        if len(times) >= most:
            return False
        times.append(now)
        return True
