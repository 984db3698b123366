"""One broker account's session: connect, synchronise, reconcile, listen; and again after every disconnection."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import structlog

from live_trading.brokers.base import BrokerAdapter
from live_trading.brokers.errors import BrokerError, Fatal
from live_trading.brokers.types import (
    BrokerEvent,
    CommissionReport,
    Degraded,
    Disconnected,
    ExecutionReport,
    MarketTime,
    OrderUpdate,
    Restored,
    TickEvent,
)
from live_trading.data import MarketData, TickBuffer, TickRecorder
from live_trading.domain.entries import BrokerConnected, BrokerDisconnected, Draft
from live_trading.domain.market import Tick
from live_trading.orders.order_manager import OrderManager
from live_trading.projections.live import LiveLedger
from live_trading.recovery.doubts import DoubtResolver
from live_trading.recovery.reconcile import Reconciler, Reconciliation
from live_trading.runtime import Runtime

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class SessionTimes:
    """How patient a session is, in seconds."""

    reconcile_interval: float = 60.0
    backoff_min: float = 0.5
    backoff_max: float = 30.0
    doubt_interval: float = 0.5
    watch_interval: float = 1.0
    """Between looks for data that has become stale."""


class AccountSession:
    """Keeps one account connected and the ledger in step with it.

    ``ready`` is set while the broker is connected and synchronised: only then is anything sent. ``changed`` is called
    whenever something may have become possible or necessary. ``handled`` waits until all that came of the market's data
    so far has been done; with lossless ticks nothing more is taken from the broker before. ``alone``: there is no other
    account, so that a configuration that cannot work ends the engine; else it is told, tried again, and the others go
    on.
    """

    def __init__(
        self,
        broker: BrokerAdapter,
        live: LiveLedger,
        orders: OrderManager,
        doubts: DoubtResolver,
        market: MarketData,
        ticks: TickBuffer,
        runtime: Runtime,
        times: SessionTimes,
        changed: Callable[[], None],
        handled: Callable[[], Awaitable[None]],
        recorder: TickRecorder | None = None,
        *,
        alone: bool = True,
    ) -> None:
        self.broker = broker
        self.orders = orders
        self.doubts = doubts
        self.market = market
        self.ticks = ticks
        self.untold = 0
        """Ticks taken from the buffer of which the market has not been told yet."""
        self.ready = asyncio.Event()
        self.reconciliation = Reconciliation()
        """What reconciling at the last connection found."""
        self._live = live
        self._runtime = runtime
        self._times = times
        self._changed = changed
        self._handled = handled
        self._recorder = recorder
        self._alone = alone
        self._reconciler = Reconciler(orders, doubts, runtime)
        self._doubtful = asyncio.Event()
        self._connections = 0

    def start(self) -> None:
        """Start keeping the account connected, reconciled and free of doubt."""
        name = self.broker.name
        self._runtime.tasks.start(self._keep_connected(), f"{name}: connection")
        self._runtime.tasks.start(self._keep_reconciled(), f"{name}: reconciliation")
        self._runtime.tasks.start(self._keep_resolving(), f"{name}: orders in doubt")
        self._runtime.tasks.start(self._feed_market(), f"{name}: ticks")
        self._runtime.tasks.start(self.market.watch(self._times.watch_interval), f"{name}: watch over stale data")
        if self._recorder is not None:
            self._runtime.tasks.start(self._recorder.run(), f"{name}: recording of ticks")

    async def close(self) -> None:
        """Write the ticks that wait to be recorded, and disconnect. Orders stay where they are."""
        if self._recorder is not None:
            try:
                await self._recorder.close()
            except OSError as error:
                _log.warning("the last ticks were not recorded", broker=self.broker.name, reason=str(error))
        await self.broker.close()

    def doubt(self) -> None:
        """Something is in doubt: begin to ask."""
        self._doubtful.set()

    async def _keep_connected(self) -> None:
        backoff = self._times.backoff_min
        while True:
            try:
                await self._connect()
                backoff = self._times.backoff_min
                reason = await self._listen()
            except Fatal as error:
                if self._alone:
                    raise
                reason, backoff = str(error), self._times.backoff_max
                _log.error("a broker's configuration cannot work", broker=self.broker.name, reason=reason)
            except (BrokerError, OSError, TimeoutError) as error:
                reason = f"{type(error).__name__}: {error}"
                _log.warning("broker not reachable", broker=self.broker.name, reason=reason, retry_in=round(backoff, 2))
            await self._disconnected(reason)
            await self._runtime.clock.sleep(backoff * self._runtime.ids.uniform(0.75, 1.25))
            backoff = min(backoff * 2, self._times.backoff_max)

    async def _connect(self) -> None:
        name = self.broker.name
        cursor = self._live.ledger.state.cursors.get(name)
        snapshot = await self.broker.connect(cursor)
        self.orders.cursor = cursor
        self._connections += 1
        self.reconciliation = await self._reconciler.at_connecting(snapshot)
        connected = BrokerConnected(
            broker=name,
            account=snapshot.account.account_id,
            connection_epoch=self._connections,
            cursor=self.orders.cursor,
        )
        await self._live.append(Draft(connected))
        await self.market.resubscribe()
        self._is_ready()

    def _is_ready(self) -> None:
        """Connected and synchronised: go on, with what is in doubt too."""
        self.ready.set()
        self._changed()
        if self.doubts.in_doubt():
            self.doubt()

    async def _disconnected(self, reason: str) -> None:
        self.market.interrupted()
        if self.ready.is_set():
            self.ready.clear()
            await self._live.append(Draft(BrokerDisconnected(broker=self.broker.name, reason=reason[:500])))
            self._changed()

    async def _listen(self) -> str:
        async for event in self.broker.events():
            if isinstance(event, Disconnected):
                return event.reason
            await self._handle(event)
            if self.ticks.lossless:
                # A recorded market waits for us: what follows from one event is done before the next one comes.
                await self._handled()
        return "the stream ended"

    async def _handle(self, event: BrokerEvent) -> None:
        match event:
            case TickEvent(tick):
                if self._recorder is not None:
                    self._recorder.put(tick)
                await self._buffer(tick)
            case MarketTime(time_ns):
                await self._buffer(time_ns)
            case ExecutionReport(execution):
                await self.orders.on_execution(execution)
            case OrderUpdate(order):
                await self.orders.on_order(order)
            case CommissionReport():
                await self.orders.on_commission(event)
            case Degraded(reason):
                await self._disconnected(reason)
            case Restored():
                await self._reconciler.again()
                await self.market.resubscribe()
                self._is_ready()
            case _:
                pass

    async def _buffer(self, item: Tick | int) -> None:
        if self.ticks.lossless:
            await self.ticks.put_when_free(item)
        else:
            self.ticks.put(item)

    async def _feed_market(self) -> None:
        """Ticks to bars, apart from order events, so that neither waits for the other.

        After bars have closed whoever has a signal goes first: the next tick may close the bars of hundreds more.
        """
        market = self.market
        while True:
            taken = await self.ticks.take_received()
            self.untold = len(taken)
            for received, item in taken:
                market.received = received
                closings = market.closings
                if isinstance(item, int):
                    market.on_market_time(item)
                else:
                    market.on_tick(item)
                self.untold -= 1
                if market.closings != closings:
                    await asyncio.sleep(0)

    async def _keep_reconciled(self) -> None:
        while True:
            await self._runtime.clock.sleep(self._times.reconcile_interval)
            await self.reconcile()

    async def reconcile(self) -> Reconciliation | None:
        """Compare with the broker now; None when it cannot be asked."""
        if not self.ready.is_set():
            return None
        try:
            found = await self._reconciler.again()
        except (BrokerError, OSError, TimeoutError) as error:
            _log.warning("reconciliation failed", broker=self.broker.name, reason=str(error))
            return None
        if found.fills_recovered or found.discrepancies:
            _log.warning("reconciliation found something", broker=self.broker.name, found=found)
        self._changed()
        return found

    async def _keep_resolving(self) -> None:
        while True:
            await self._doubtful.wait()
            self._doubtful.clear()
            while True:
                await self._runtime.clock.sleep(self._times.doubt_interval)
                if not self.ready.is_set():
                    break  # connecting again reconciles, and asks on
                try:
                    if not await self.doubts.ask_all():
                        break
                except (BrokerError, OSError, TimeoutError) as error:
                    _log.warning("asking about orders in doubt failed", broker=self.broker.name, reason=str(error))
            self._changed()
