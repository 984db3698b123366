"""A simulated world: what outlives an engine (journal, exchange, bars, commands), and engines that come and go."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from typing import Any, Self

from live_trading.brokers.types import Bracket
from live_trading.data import MemoryBarStore
from live_trading.domain.entries import Entry
from live_trading.domain.ids import Kind, derived_id
from live_trading.domain.market import QuoteTick, Tick, TradeTick
from live_trading.domain.values import OperationStatus, OrderPurpose
from live_trading.engine.context import EngineConfig
from live_trading.engine.inbox import Command, MemoryInbox, Outcome
from live_trading.engine.trading_engine import TradingEngine
from live_trading.journal import JournalError, JournalWriter
from live_trading.journal.memory import MemoryJournal, MemoryJournalReader
from live_trading.journal.opening import Opener
from live_trading.journal.snapshots import MemorySnapshots, Snapshot
from live_trading.paper_exchange.catalogue import default_catalogue
from live_trading.paper_exchange.core import AccountSettings, Catalogue, Listing
from live_trading.paper_exchange.exchange import SimulatedExchange
from live_trading.projections import FOLD_VERSION, Ledger, apply
from live_trading.projections.state import Operation
from live_trading.recovery.policies import TrustedPrice
from live_trading.runtime import Runtime, SeededIds, TaskFailed, Tasks
from live_trading.simulation.effects import Death, EffectBroker, EffectInbox, Effects, EffectStore, Way
from live_trading.simulation.invariants import BrokerExecutionRow, BrokerOrderRow, BrokerRecord
from live_trading.simulation.loop import Incarnation, VirtualClock, current_incarnation

ACCOUNT = "PAPER-1"


class _Keeper:
    """Keeps an engine's snapshots in the world."""

    def __init__(self, snapshots: MemorySnapshots, effects: Effects) -> None:
        self._snapshots = snapshots
        self._effects = effects

    async def save_snapshot(self, ledger: Ledger, entry_hash: bytes) -> None:
        snapshot = Snapshot(ledger.sequence_number, entry_hash, FOLD_VERSION, ledger.to_bytes())
        await self._effects.of("snapshot", lambda: self._snapshots.save(snapshot))

    async def write_marks(self, operations: Sequence[Operation], prices: Mapping[int, TrustedPrice]) -> None:
        """Marks are for people who look; nobody does."""


class EngineDied(Exception):  # noqa: N818 - what happened
    """The engine died while it was starting."""


_TICK_SECONDS = 0.25


class RandomMarket:
    """A seeded random walk for one listing: a step of up to four price steps either way, with a drift that turns."""

    def __init__(self, listing: Listing, seed: str) -> None:
        self._instrument = listing.instrument
        self._ids = SeededIds(seed)
        self._price = listing.reference_price
        self._drift = 0.0

    @property
    def symbol(self) -> str:
        return self._instrument.symbol

    def jump(self, by: Decimal) -> None:
        """Move the price at once."""
        self._price += by

    def tick(self, time_ns: int) -> Tick:
        """The next tick."""
        if self._ids.uniform(0, 1) < 0.02:
            self._drift = self._ids.uniform(-1.5, 1.5)
        step = self._instrument.tick_size
        moved = round(self._ids.uniform(-4, 4) + self._drift)
        self._price = max(self._instrument.round_price(self._price + step * moved), step * 10)
        if self._instrument.quote_kind == "TRADE":
            return TradeTick(self._instrument.symbol, time_ns, self._price, Decimal(100))
        return QuoteTick(self._instrument.symbol, time_ns, self._price - step, self._price + step)


class World:
    """One seed, one world: ``async with World(seed) as world``, inside a virtual-time loop.

    ``start_engine`` begins an engine on the world's journal; ``crash`` ends it as a power cut would: its tasks stop
    wherever they are, nothing is said to anybody. Engines started later find what is durable and nothing else.
    """

    def __init__(
        self,
        seed: int,
        *,
        symbols: tuple[str, ...] = ("EUR-USD",),
        catalogue: Catalogue | None = None,
        config: EngineConfig | None = None,
        lease_ttl: float = 2.0,
        write_seconds: float = 0.002,
        latency: float = 0.005,
        commission_delay: float = 0.0,
        bracket: Bracket = Bracket.ATOMIC,
        oca: bool = True,
        stops: bool = True,
        deaths: Sequence[Death] = (),
    ) -> None:
        self.clock = VirtualClock(asyncio.get_running_loop())
        self.engine_clock = VirtualClock(asyncio.get_running_loop())
        """The clock of the machine the engines run on: stepping it leaves the exchange's alone."""
        self.seed = seed
        self.config = config or EngineConfig()
        self.effects = Effects(deaths)
        self.effects.on_death = self._died
        self.tasks = Tasks()
        self.store = EffectStore(self.clock, self.tasks, write_seconds)
        self.store.effects = self.effects
        self.reader = MemoryJournalReader(self.store)
        self.snapshots = MemorySnapshots()
        self.bars = MemoryBarStore()
        self.inbox = MemoryInbox()
        self.exchange = SimulatedExchange(
            catalogue or default_catalogue(),
            clock=self.clock,
            accounts=(AccountSettings(account=ACCOUNT),),
            commission_delay=commission_delay,
            seed=seed,
        )
        self.starts = 0
        self.deaths: list[Way] = []
        self.failures: list[Exception] = []
        """Why engines ended by themselves."""
        self.up_since = 0.0
        """When an engine last began to trade, on the steady clock."""
        self.quiet = False
        """While it is set, no tick comes (the market's time goes on)."""
        self._lease_ttl = lease_ttl
        self._latency = latency
        self._bracket, self._oca, self._stops = bracket, oca, stops
        self._markets = [RandomMarket(self.exchange.catalogue[symbol], f"{seed}/{symbol}") for symbol in symbols]
        self._commands = 0
        self._incarnations: list[Incarnation] = []
        self._trading: dict[Incarnation, tuple[int, TradingEngine]] = {}
        """Engines that have started, with their epochs; a frozen one is among them."""
        self._frozen: list[Incarnation] = []
        self._epoch = 0
        self._up = asyncio.Event()
        self._over = asyncio.Event()
        self.tasks.start(self._run_markets(), "markets")

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        """End the world: whoever was stopped is let go on, to be cancelled in order."""
        for incarnation in self._incarnations:
            incarnation.thaw()
        await self.exchange.tasks.close()
        await self.tasks.close()

    async def _run_markets(self) -> None:
        while True:
            now = self.clock.now_ns()
            for market in self._markets:
                if not self.quiet:
                    self.exchange.on_tick(market.tick(now))
            self.exchange.on_time(now)
            await self.clock.sleep(_TICK_SECONDS)

    def move_market(self, symbol: str, by: Decimal) -> None:
        """Let the market jump by ``by`` (in price units) with its next tick."""
        for market in self._markets:
            if market.symbol == symbol:
                market.jump(by)

    async def start_engine(self) -> TradingEngine:
        """Open the journal, recover, trade. Returns when trading goes on."""
        incarnation = Incarnation()
        self._incarnations.append(incarnation)
        self.starts += 1
        self._up.clear()
        self._over.clear()
        starting = incarnation.start(self._start(self.starts), f"engine {self.starts}")
        await self._until_over(starting, self._up)
        if self.engine is not None:
            return self.engine  # this one, or one that stood by and was first
        if starting.done() and (error := starting.exception()) is not None:
            if not isinstance(error, JournalError):
                raise error
            # As a process does whose journal is out of reach: it ends, and is started again.
            self.failures.append(error)
            incarnation.stop()
        raise EngineDied

    async def _until_over(self, task: asyncio.Task[Any], *events: asyncio.Event) -> None:
        """Wait for a task of an engine, which never ends when the engine dies, or for one of the events."""
        waits = [self.tasks.start(event.wait(), "the world's wait") for event in (self._over, *events)]
        await asyncio.wait((task, *waits), return_when=asyncio.FIRST_COMPLETED)
        for wait in waits:
            wait.cancel()

    def _died(self, incarnation: Incarnation, way: Way) -> None:
        """An engine came to a planned end. A frozen one is still there, to be thawed."""
        self.deaths.append(way)
        if way is Way.FROZEN:
            self._frozen.append(incarnation)
        else:
            self._trading.pop(incarnation, None)
        self._over.set()
        self.exchange.disconnect_all("the engine died")

    @property
    def _leader(self) -> Incarnation | None:
        """Whose engine trades: the one of the highest epoch there ever was, if it runs. Another one that was thawed
        does not know yet that it was replaced."""
        running = [incarnation for incarnation in self._trading if not incarnation.stopped]
        newest = max(running, key=lambda incarnation: self._trading[incarnation][0], default=None)
        return None if newest is None or self._trading[newest][0] < self._epoch else newest

    @property
    def engine(self) -> TradingEngine | None:
        """The engine that trades; None while there is none."""
        leader = self._leader
        return None if leader is None else self._trading[leader][1]

    @property
    def is_down(self) -> bool:
        """Whether no engine lives (one may be frozen)."""
        return self.engine is None

    @property
    def has_frozen(self) -> bool:
        """Whether an engine is frozen."""
        return bool(self._frozen)

    def thaw(self) -> None:
        """Let every frozen engine go on."""
        for incarnation in self._frozen:
            incarnation.thaw()
        self._frozen.clear()
        if not self.is_down:
            self._up.set()  # it may have the lease still: then who stands by goes on standing by

    async def _start(self, number: int) -> TradingEngine:
        runtime = Runtime(self.engine_clock, SeededIds(f"{self.seed}/engine {number}"), Tasks())
        opener = Opener(engine_id=self.config.engine_id, instance=f"simulated-{number}", version="simulation")
        journal = await MemoryJournal.open_writer(self.store, opener, runtime, lease_ttl=self._lease_ttl)
        self._epoch = journal.epoch
        ledger, snapshot_at = await self._rebuilt(journal.head.sequence_number)
        broker = EffectBroker(
            self.exchange,
            ACCOUNT,
            name="paper",
            runtime=runtime,
            guard=journal.check_may_act,
            latency=self._latency,
            request_timeout=2.0,
            bracket=self._bracket,
            oca=self._oca,
            stops=self._stops,
        )
        broker.effects = self.effects
        inbox = EffectInbox(self.inbox, self.effects)
        engine = TradingEngine(
            journal,
            self.reader,
            ledger,
            {"paper": broker},
            self.bars,
            inbox,
            runtime,
            self.config,
            keeper=_Keeper(self.snapshots, self.effects),
            snapshot_at=snapshot_at,
        )
        await engine.start()
        incarnation = current_incarnation()
        assert incarnation is not None
        self._trading[incarnation] = journal.epoch, engine
        self.up_since = self.clock.monotonic()
        self._up.set()
        runtime_tasks = Tasks()
        runtime_tasks.start(self._supervise(engine, journal), f"supervisor of engine {number}")
        return engine

    async def _rebuilt(self, head: int) -> tuple[Ledger, int]:
        """The ledger as a start rebuilds it, from the newest snapshot that fits and the entries after it; and that
        snapshot's number."""
        found = await self.snapshots.load(FOLD_VERSION, at_most=head, reader=self.reader)
        ledger = Ledger() if found.snapshot is None else Ledger.from_bytes(found.snapshot.state)
        snapshot_at = ledger.sequence_number
        async for entry in self.reader.read(ledger.sequence_number, head):
            apply(ledger, entry)
        ledger.forget_changes()
        return ledger, snapshot_at

    async def _supervise(self, engine: TradingEngine, journal: JournalWriter) -> None:
        """What a service does: an engine whose journal failed ends, and what went wrong is remembered."""
        try:
            await engine.run()
        except (JournalError, TaskFailed) as error:
            self.failures.append(error)
            incarnation = current_incarnation()
            await engine.abandon()
            await journal.close()
            if incarnation is not None:
                incarnation.stop()
                self._trading.pop(incarnation, None)
                self._over.set()

    def crash(self) -> None:
        """The engine's process is gone from one moment to the next; so are its connections."""
        incarnation = self._leader or self._incarnations[-1]
        incarnation.stop()
        self._trading.pop(incarnation, None)
        self._over.set()
        self.exchange.disconnect_all("the engine died")

    async def stop(self) -> None:
        """A clean end of the engine."""
        leader = self._leader
        assert leader is not None
        stopping = leader.start(self._trading[leader][1].close("stopped by the simulation"), "stop")
        self._over.clear()
        await self._until_over(stopping)
        self._trading.pop(leader, None)

    async def command(self, kind: str, /, **arguments: Any) -> Outcome:
        """Ask the engine for something and wait for what came of it."""
        self._commands += 1
        command = Command(f"command-{self._commands}", kind, arguments, "user:simulation")
        self.inbox.submit(command)
        return await self.inbox.outcome(command.id)

    async def create_operation(self, **settings: Any) -> str:
        """Create an operation on the first market with workable defaults; returns its id."""
        arguments: Mapping[str, Any] = {
            "asset": self._markets[0].symbol,
            "bar_sizes": ["5 secs"],
            "strategy_name": "MomentumStrategy",
            "quantity": "1000",
            "initial_capital": "10000",
            "stop_loss_type": "PERCENTAGE",
            "stop_loss_value": "0.001",
            "take_profit_type": "RISK_REWARD",
            "take_profit_value": "2",
            **settings,
        }
        outcome = await self.command("create_operation", **arguments)
        assert not outcome.refused, outcome.result
        return str(outcome.result["operation_id"])

    async def until(self, condition: Callable[[], bool], within: float, every: float = 0.05) -> bool:
        """Look ``every`` so often until something holds; False when it does not within so many seconds."""
        deadline = self.clock.monotonic() + within
        while not condition():
            if self.clock.monotonic() >= deadline:
                return False
            await self.clock.sleep(every)
        return True

    async def entries(self) -> list[Entry]:
        """The whole journal."""
        return [entry async for entry in self.reader.read()]

    def broker_record(self) -> BrokerRecord:
        """What the exchange itself has on record."""
        executions = {}
        for row in self.exchange.executions_after(ACCOUNT, 0)[0]:
            executions[row.execution_id] = BrokerExecutionRow(
                row.execution_id, row.client_order_id, row.side, row.price, row.quantity, row.commission or Decimal(0)
            )
        return BrokerRecord(
            orders=[
                BrokerOrderRow(
                    o.client_order_id,
                    o.working,
                    o.remaining if o.working and not o.dormant else Decimal(0),
                    o.limit_price,
                    o.stop_price,
                )
                for o in self.exchange.orders(ACCOUNT)
            ],
            executions=list(executions.values()),
            positions={position.symbol: position.quantity for position in self.exchange.positions(ACCOUNT)},
        )

    @property
    def watched(self) -> frozenset[OrderPurpose]:
        """The protections that the engine may have to watch at this world's broker."""
        if not self._stops:
            return frozenset({OrderPurpose.STOP_LOSS})
        return frozenset() if self._oca else frozenset({OrderPurpose.TAKE_PROFIT})

    async def come_to_rest(self, within: float = 120.0) -> bool:
        """Pause every operation, then wait until nothing is on its way any more."""
        if not await self.until(lambda: self.engine is not None, within):
            return False
        assert self.engine is not None
        ledger = self.engine.live.ledger
        for operation in list(ledger.state.operations.values()):
            if operation.status is OperationStatus.ACTIVE:
                identifier = str(derived_id(Kind.OPERATION, operation.number))
                await self.command("pause_operation", operation_id=identifier)

        def rests() -> bool:
            return self.engine is not None and is_at_rest(self.engine.live.ledger)

        at_rest = await self.until(rests, within)
        await self.clock.sleep(12)
        return at_rest


def is_at_rest(ledger: Ledger) -> bool:
    """Nothing is in doubt, no entry works, no exit is on its way or wanted."""
    for operation in ledger.state.operations.values():
        if operation.exit_intent is not None or operation.status is OperationStatus.CLOSING:
            return False
        for order in ledger.working_orders(operation):
            if order.status.is_uncertain or order.doubt is not None or not order.purpose.is_protection:
                return False
            if order.purpose is OrderPurpose.EXIT or not operation.quantity:
                return False
    return True
