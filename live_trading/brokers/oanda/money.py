"""The account's money and positions, asked for after every fill and from time to time: OANDA does not push them."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from decimal import Decimal

import structlog

from live_trading.brokers.errors import BrokerError
from live_trading.brokers.event_queue import EventQueue
from live_trading.brokers.types import Account, AccountUpdate, BrokerPosition, PositionUpdate

_log = structlog.get_logger(__name__)


class MoneyWatch:
    """Tells what is new about money and positions into ``queue``; ``look`` has it look now."""

    def __init__(
        self,
        ask_account: Callable[[], Awaitable[Account]],
        ask_positions: Callable[[], Awaitable[Sequence[BrokerPosition]]],
        queue: EventQueue,
        account: Account,
        positions: Sequence[BrokerPosition],
        every: float,
    ) -> None:
        self._ask_account = ask_account
        self._ask_positions = ask_positions
        self._queue = queue
        self._cash = dict(account.cash)
        self._held = {position.symbol: position for position in positions}
        self._every = every
        self._wanted = asyncio.Event()

    def look(self) -> None:
        self._wanted.set()

    async def run(self) -> None:
        while not self._queue.closed:
            try:
                async with asyncio.timeout(self._every):
                    await self._wanted.wait()
            except TimeoutError:
                pass
            self._wanted.clear()
            try:
                await self._ask()
            except (BrokerError, OSError, TimeoutError) as error:
                _log.debug("money could not be asked for", reason=str(error))

    async def _ask(self) -> None:
        account = await self._ask_account()
        now = {position.symbol: position for position in await self._ask_positions()}
        for symbol in sorted(now.keys() | self._held.keys()):
            position = now.get(symbol, BrokerPosition(symbol, Decimal(0), Decimal(0)))
            before = self._held.get(symbol)
            if before is None or before.quantity != position.quantity:
                self._queue.put(PositionUpdate(position))
        self._held = now
        if self._cash != account.cash:
            self._cash = dict(account.cash)
            self._queue.put(AccountUpdate(account))
