"""Keeps what can be computed again: snapshots of the ledger and marks of open positions.

Trading depends on neither. So nothing here fails or holds up the engine: each is written in the background, one at a
time, within a bound; a failure is logged and the next one is a fresh attempt.
"""

import asyncio
from collections.abc import Callable, Coroutine, Mapping, Sequence
from datetime import timedelta
from typing import Any

import structlog
from pymongo.asynchronous.database import AsyncDatabase
from pymongo.errors import PyMongoError

from live_trading.domain.ids import Kind, derived_id
from live_trading.journal import JournalUnavailable, Snapshot, Snapshots
from live_trading.models.marks import Mark, write_marks
from live_trading.orders.money import entry_value, unrealized_pnl
from live_trading.projections import FOLD_VERSION, Ledger
from live_trading.projections.state import Operation
from live_trading.recovery.policies import TrustedPrice
from live_trading.runtime import Clock, Tasks

_log = structlog.get_logger(__name__)

_SNAPSHOT_SECONDS = 30.0
_MARKS_SECONDS = 5.0

Work = Callable[[], Coroutine[Any, Any, None]]


class MongoKeeper:
    """Keeps both in one database. :meth:`close` waits for what is being written."""

    def __init__(self, database: AsyncDatabase[dict[str, Any]], snapshots: Snapshots, clock: Clock) -> None:
        self._database = database
        self._snapshots = snapshots
        self._clock = clock
        self._tasks = Tasks()
        self._writing: dict[str, asyncio.Task[Any]] = {}
        self._trouble: dict[str, str] = {}

    async def save_snapshot(self, ledger: Ledger, entry_hash: bytes) -> None:
        """Take the ledger as it is now; it is stored in the background."""
        snapshot = Snapshot(ledger.sequence_number, entry_hash, FOLD_VERSION, ledger.to_bytes())
        self._write("snapshot", lambda: self._snapshots.save(snapshot), _SNAPSHOT_SECONDS)

    async def write_marks(self, operations: Sequence[Operation], prices: Mapping[int, TrustedPrice]) -> None:
        """Value the open positions that have a fresh price; stored in the background."""
        now = self._clock.now()
        marks = []
        for operation in operations:
            quote = prices.get(operation.number)
            if quote is None or operation.position is None:
                continue
            marks.append(
                Mark(
                    position_id=derived_id(Kind.POSITION, operation.position.number),
                    operation_id=derived_id(Kind.OPERATION, operation.number),
                    current_price=quote.price,
                    unrealized_pnl=unrealized_pnl(operation, quote.price),
                    entry_value=entry_value(operation),
                    priced_at=now - timedelta(seconds=quote.age),
                    marked_at=now,
                )
            )
        self._write("marks", lambda: write_marks(self._database, marks), _MARKS_SECONDS)

    def _write(self, what: str, work: Work, seconds: float) -> None:
        """Write in the background, unless the last one of its kind is still being written."""
        writing = self._writing.get(what)
        if writing is None or writing.done():
            self._writing[what] = self._tasks.start(self._bounded(what, work, seconds), f"keeper: {what}")

    async def _bounded(self, what: str, work: Work, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                await work()
        except (PyMongoError, JournalUnavailable, TimeoutError) as error:
            reason = str(error) or f"not done within {seconds:g} s"
            if self._trouble.get(what) != reason:
                self._trouble[what] = reason
                _log.warning("cannot be stored just now; trading goes on", what=what, reason=reason)
        else:
            self._trouble.pop(what, None)

    async def close(self) -> None:
        """Wait for what is being written, within its bounds."""
        for task in list(self._writing.values()):
            await asyncio.wait([task])
        await self._tasks.close()
