"""What a client may meet.

::

    LiveTradingError
    └── ClientError
        ├── InterfaceAway    nothing answers, or not in time: ask again, under the same key
        ├── NotAllowed       not logged in, or the role does not allow it
        └── Refused          a problem with a stable code; nothing was changed
"""

from typing import Any

from live_trading.domain.errors import LiveTradingError


class ClientError(LiveTradingError):
    """The interface did not do what it was asked for."""


class InterfaceAway(ClientError):  # noqa: N818 - it tells what happened
    """Nothing answers at that address, or its database does not. What was sent under a key can be sent again."""


class Refused(ClientError):  # noqa: N818 - it tells what happened
    """A problem. ``code`` is stable; ``field`` names the part of the request that is wrong."""

    def __init__(self, status: int, problem: dict[str, Any]) -> None:
        self.status = status
        self.code = str(problem.get("code", "HTTP_ERROR"))
        self.field = problem.get("field")
        self.problem = problem
        super().__init__(f"{problem.get('detail', 'refused')} ({self.code})")


class NotAllowed(Refused):
    """Not logged in, or not with that role."""
