"""Reading an account's transactions back, whole or not at all."""

from collections.abc import Awaitable, Callable
from typing import Final

from live_trading.brokers.errors import Fatal
from live_trading.brokers.oanda import endpoints
from live_trading.brokers.oanda.endpoints import Endpoint, Json

PAGE: Final = 500
"""Transactions asked for at once: OANDA gives a thousand at most."""

Ask = Callable[[Endpoint], Awaitable[Json]]


class TransactionHistory:
    """Reads one account's transactions."""

    def __init__(self, account: str, name: str, ask: Ask) -> None:
        self._account = account
        self._name = name
        self._ask = ask

    async def since(self, number: int) -> tuple[list[Json], int]:
        """All after ``number`` (at least 1), oldest first, and the account's last. Complete, or it raises."""
        answer = await self._ask(endpoints.transactions_since(self._account, max(1, number)))
        found, last = list(answer["transactions"]), int(answer["lastTransactionID"])
        if found and int(found[-1]["id"]) < last:
            found += await self.between(int(found[-1]["id"]) + 1, last)
        return found, last

    async def between(self, first: int, last: int, kinds: str | None = None) -> list[Json]:
        """Those numbered ``first`` to ``last``, page by page."""
        found: list[Json] = []
        for start in range(max(1, first), last + 1, PAGE):
            end = min(start + PAGE - 1, last)
            answer = await self._ask(endpoints.transactions_between(self._account, start, end, kinds))
            found += answer["transactions"]
        return found

    def number(self, cursor: str | None, last: int) -> int:
        """A cursor as a transaction's number; one from beyond the last is another account's."""
        if cursor is None:
            return 0
        if not cursor.isdecimal() or int(cursor) > last:
            raise Fatal(
                f"broker {self._name}: cursor {cursor!r} is not of account {self._account}, whose last transaction is "
                f"{last}. Name the account that the journal knows, or start a new journal"
            )
        return int(cursor)
