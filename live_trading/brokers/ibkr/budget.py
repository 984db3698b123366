"""TWS takes 50 messages a second from all of a client's requests together, and cuts off one that goes on sending more.

Data may use what orders do not need: a part of the budget is kept for orders, and orders never wait behind data.
"""

from collections import deque

from live_trading.runtime import Clock

MESSAGES_A_SECOND = 45
FOR_ORDERS = 15
"""Messages of each second that only orders may use."""


class MessageBudget:
    """A sliding window of one second."""

    def __init__(self, clock: Clock, most: int = MESSAGES_A_SECOND, for_orders: int = FOR_ORDERS) -> None:
        self._clock = clock
        self._most = most
        self._for_orders = for_orders
        self._sent: deque[float] = deque()

    async def take(self, messages: int, *, order: bool) -> None:
        """Wait until so many messages may be sent; they count as sent then."""
        limit = self._most if order else self._most - self._for_orders
        while (wait := self._wait(min(messages, limit), limit)) > 0:
            await self._clock.sleep(wait)
        now = self._clock.monotonic()
        self._sent.extend([now] * messages)

    def _wait(self, messages: int, limit: int) -> float:
        now = self._clock.monotonic()
        while self._sent and now - self._sent[0] >= 1.0:
            self._sent.popleft()
        over = len(self._sent) + messages - limit
        return 0.0 if over <= 0 else max(self._sent[over - 1] + 1.0 - now, 0.001)
