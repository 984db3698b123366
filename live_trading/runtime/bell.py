"""An event for one who waits."""

import asyncio


class Bell:
    """Rung by anybody, waited for by one task: what :class:`asyncio.Event` does, at a third of the cost.

    It stays rung until it is taken. ``rung`` may be looked at at any time.
    """

    __slots__ = ("_waiter", "rung")

    def __init__(self) -> None:
        self.rung = False
        self._waiter: asyncio.Future[None] | None = None

    def ring(self) -> None:
        """Wake whoever waits, or whoever will."""
        if not self.rung:
            self.rung = True
            waiter = self._waiter
            if waiter is not None and not waiter.done():
                waiter.set_result(None)

    async def taken(self) -> None:
        """Wait until it is rung, and take it: it is silent again. For one task at a time."""
        if not self.rung:
            self._waiter = asyncio.get_running_loop().create_future()
            try:
                await self._waiter
            finally:
                self._waiter = None
        self.rung = False
