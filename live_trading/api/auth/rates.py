"""Rate limits, by user and by address, in a moving window (the package ``limits``).

Each process counts for itself: two processes of the api let through twice as much. What must hold over all of them,
the lock-out after wrong passwords, is in the database.
"""

from typing import Final

from limits import RateLimitItemPerMinute
from limits.aio.storage import MemoryStorage
from limits.aio.strategies import MovingWindowRateLimiter

from live_trading.api.problems import Problem
from live_trading.config import ApiSettings
from live_trading.runtime import Clock

_SAFE_METHODS: Final = ("GET", "HEAD", "OPTIONS")


class Rates:
    """Counts requests. Raises :class:`Problem` (429) with ``Retry-After`` for one too many."""

    def __init__(self, settings: ApiSettings, clock: Clock) -> None:
        self._clock = clock
        self._limiter = MovingWindowRateLimiter(MemoryStorage())
        self._requests = RateLimitItemPerMinute(settings.requests_per_minute)
        self._commands = RateLimitItemPerMinute(settings.commands_per_minute)
        self._logins = RateLimitItemPerMinute(settings.logins_per_minute)

    async def request(self, who: str, method: str) -> None:
        """One request of a user, or of an address."""
        await self._count(self._requests, "requests", who)
        if method not in _SAFE_METHODS:
            await self._count(self._commands, "commands", who)

    async def login(self, name: str, address: str) -> None:
        """One try to log in."""
        await self._count(self._logins, "log-ins", f"address {address}")
        await self._count(self._logins, "log-ins", f"name {name.strip().lower()[:64]}")

    async def _count(self, limit: RateLimitItemPerMinute, what: str, who: str) -> None:
        if not await self._limiter.hit(limit, what, who):
            window = await self._limiter.get_window_stats(limit, what, who)
            seconds = min(60, max(1, round(window.reset_time - self._clock.now().timestamp())))
            detail = f"more than {limit.amount} {what} a minute: wait"
            raise Problem(429, "TOO_MANY_REQUESTS", detail, headers={"Retry-After": str(seconds)})
