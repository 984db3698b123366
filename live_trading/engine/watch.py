"""Watching the price for protections that the broker cannot hold."""

from decimal import Decimal
from typing import TYPE_CHECKING

import structlog

from live_trading.brokers.types import Capabilities
from live_trading.domain.entries import PREVIOUS, Draft, PositionCloseRequested, ProtectionTriggered
from live_trading.domain.market import Tick
from live_trading.domain.values import OperationStatus, OrderPurpose
from live_trading.engine.context import EngineContext
from live_trading.orders.watched import Reached, may_watch, reached, warning, watched
from live_trading.runtime import failpoint

if TYPE_CHECKING:
    from live_trading.engine.operation_runner import OperationRunner

_log = structlog.get_logger(__name__)


class PriceWatch:
    """Looks at every tick of one operation's instrument. What it sees becomes an intent in the ledger before anything
    is sent, so that the position is closed whatever happens to the engine afterwards."""

    def __init__(self, context: EngineContext, runner: "OperationRunner") -> None:
        self._context = context
        self._runner = runner
        self._capabilities: Capabilities | None = None
        self._seen: tuple[int, Reached] | None = None

    def begin(self) -> None:
        """Look at every tick from here on, where the broker may leave something to be watched."""
        operation, session = self._runner.operation, self._context.session(self._runner.operation)
        if not may_watch(session.broker.capabilities):
            return
        self._capabilities = session.broker.capabilities
        session.market.follow(operation.symbol, self._on_tick)
        told = warning(self._capabilities, self._runner.settings.protections, operation.broker)
        if told is not None:
            _log.warning("protections that the engine watches", operation=operation.number, warning=told)
        self._runner.wake()

    def end(self) -> None:
        """Look no longer."""
        if self._capabilities is not None:
            self._context.session(self._runner.operation).market.unfollow(self._runner.operation.symbol, self._on_tick)

    def _on_tick(self, tick: Tick) -> None:
        """Note a price that reaches a watched protection: the next one may be away from it again."""
        operation = self._runner.operation
        position = operation.position
        if position is None or operation.exit_intent is not None:
            self._seen = None
            return
        if self._seen is not None and self._seen[0] == position.number:
            return
        found = reached(operation, self._levels(), tick.bid, tick.ask)
        if found is not None:
            self._seen = position.number, found
            self._runner.wake()

    async def act(self) -> None:
        """Journal what was seen, or what the last price shows: after a start, or when a protection was moved."""
        if self._capabilities is None:
            return
        operation = self._runner.operation
        position, (seen, self._seen) = operation.position, (self._seen, None)
        if position is None or operation.exit_intent is not None or operation.status is OperationStatus.CLOSING:
            return
        found = seen[1] if seen is not None and seen[0] == position.number else self._at_last_price()
        if found is None:
            return
        name = found.purpose.value.lower().replace("_", " ")
        reason = f"the {name} at {found.level:f} is reached: {found.price:f}"
        _log.info("a watched protection is reached", operation=self._runner.number, reason=reason)
        failpoint("protect.reached")
        await self._context.live.append(
            Draft(ProtectionTriggered(kind=found.purpose, price=found.price), self._runner.operation_id),
            Draft(PositionCloseRequested(reason=reason), self._runner.operation_id, caused_by=PREVIOUS),
        )
        failpoint("protect.triggered")

    def _at_last_price(self) -> Reached | None:
        operation = self._runner.operation
        market = self._context.session(operation).market
        quote = market.last_price(operation.symbol)
        if quote is None or market.is_stale(operation.symbol):
            return None
        return reached(operation, self._levels(), quote.bid, quote.ask)

    def _levels(self) -> dict[OrderPurpose, Decimal]:
        assert self._capabilities is not None
        operation = self._runner.operation
        return watched(self._capabilities, operation, self._context.live.ledger.working_orders(operation))
