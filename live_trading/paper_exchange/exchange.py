"""The paper exchange as one object: the matching core, its accounts, its history, its faults, and those who listen.

It is the same in a process of its own (with a store, behind protocol fronts) and inside a simulation (with neither).
Every command and every tick is one step: the core changes, the store commits, the listeners are told. It is
synchronous, so a step is never interleaved with another.
"""

import asyncio
import contextvars
from collections.abc import Coroutine, Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Literal, Protocol

from live_trading.domain.market import Bar, Tick
from live_trading.domain.values import Side
from live_trading.paper_exchange.candles import Candles
from live_trading.paper_exchange.catalogue import default_catalogue
from live_trading.paper_exchange.core.engine import EngineState, MatchingEngine
from live_trading.paper_exchange.core.models import AccountSettings, Catalogue
from live_trading.paper_exchange.core.types import (
    Accepted,
    AccountChanged,
    AccountView,
    Change,
    ClientIds,
    CommissionTold,
    Effect,
    Executed,
    Execution,
    ExecutionAmended,
    ExecutionKind,
    NewOrder,
    Order,
    OrderChanged,
    Position,
    PositionChanged,
    Refused,
)
from live_trading.paper_exchange.faults import FaultKind, FaultPlan
from live_trading.runtime.clock import Clock
from live_trading.runtime.tasks import Tasks

_SECOND = 1_000_000_000


@dataclass(frozen=True, slots=True)
class MarketHeartbeat:
    """The market's time. No tick still to come is older."""

    time_ns: int


@dataclass(frozen=True, slots=True)
class FeedEnded:
    """The recorded ticks are over; the market is closed for good."""


Notice = (
    OrderChanged | Executed | CommissionTold | PositionChanged | AccountChanged | Tick | MarketHeartbeat | FeedEnded
)


class Listener(Protocol):
    """Somebody connected to the exchange."""

    def deliver(self, notice: Notice) -> None:
        """Take a notice, in order, at once."""

    def disconnect(self, reason: str) -> None:
        """The exchange hangs up."""


@dataclass(frozen=True, slots=True)
class Note:
    """One line of a protocol front's own record: ``number`` counts those of an account from 1, ``text`` is its own."""

    front: str
    account: str
    number: int
    text: str


class Chronicler(Protocol):
    """A protocol front that keeps a record of its own of what happens, in step with the exchange's."""

    def chronicle(self, effects: Sequence[Effect], now_ns: int) -> Sequence[Note]:
        """What to write down of one step, in the same transaction. Must not command anything."""

    def after_step(self) -> None:
        """The step is written and told: what the protocol's own rules make follow from it may be commanded now."""


class Store(Protocol):
    """Where the exchange keeps what must survive it."""

    def commit(self, effects: Sequence[Effect], now_ns: int, notes: Sequence[Note] = ()) -> None:
        """Write the effects of one step and the notes on them; they are on disk when this returns."""

    def notes(self, front: str) -> list[Note]:
        """What a front has written down, oldest first."""


@dataclass(frozen=True, slots=True)
class AccountState:
    """Everything about an account at one moment. ``cursor`` is the number of its last execution row."""

    orders: list[Order]
    positions: list[Position]
    executions: list[Execution]
    view: AccountView
    cursor: int


class SimulatedExchange:
    """An exchange. It outlives those who are connected to it.

    ``market_time`` says whose time orders and fills carry: the clock's, or that of the feed's last tick (recorded
    markets, at any speed).
    """

    def __init__(
        self,
        catalogue: Catalogue | None = None,
        *,
        clock: Clock,
        accounts: Iterable[AccountSettings] = (AccountSettings(),),
        market_time: Literal["clock", "feed"] = "clock",
        commission_delay: float = 0.0,
        store: Store | None = None,
        seed: int = 0,
    ) -> None:
        self.catalogue = catalogue or default_catalogue()
        self.clock = clock
        self.engine = MatchingEngine(self.catalogue, accounts)
        self.candles = Candles(self.catalogue)
        self.faults = FaultPlan(clock, seed)
        self.tasks = Tasks()
        self._context = contextvars.copy_context()
        self.sequence = 0
        self._market_time = market_time
        self._commission_delay = commission_delay
        self._store = store
        self._listeners: list[Listener] = []
        self._chroniclers: list[Chronicler] = []
        self._held: list[tuple[float, Executed]] = []
        self._late: list[tuple[float, Executed | OrderChanged]] = []
        """What nobody is told of yet, and when it is; in order."""
        self._hidden_until: dict[int, float] = {}
        self._untold_until: dict[int, float] = {}
        self._market_faults = False
        self._ended = False
        self._epoch = 0
        self.engine.commission_delay = self._delay_of_commission

    def restore(self, state: EngineState, minutes: Iterable[Bar] = ()) -> None:
        """Become what was stored. The exchange must be new."""
        self.engine.restore(state)
        self.candles.restore(minutes)

    def start(self, coroutine: Coroutine[Any, Any, Any], name: str) -> "asyncio.Task[Any]":
        """Run something of the exchange's own, in its own context: it goes on when whoever asked for it is gone."""
        return self._context.copy().run(self.tasks.start, coroutine, name)

    # Listening

    def listen(self, listener: Listener) -> None:
        self._listeners.append(listener)

    def leave(self, listener: Listener) -> None:
        if listener in self._listeners:
            self._listeners.remove(listener)

    def recall(self, front: str) -> list[Note]:
        """What the front of that name has had written down, oldest first."""
        return [] if self._store is None else self._store.notes(front)

    def keep_record(self, chronicler: Chronicler) -> None:
        """Have a front write its own record with each step from now on."""
        self._chroniclers.append(chronicler)

    def write(self, notes: Sequence[Note]) -> None:
        """Write notes on what changed nothing here (a refusal, say)."""
        if self._store is not None:
            self._store.commit((), self.engine.now_ns, notes)

    def disconnect_all(self, reason: str = "disconnected by the exchange") -> None:
        for listener in tuple(self._listeners):
            listener.disconnect(reason)

    def next_epoch(self) -> int:
        """A number for a new connection, higher than any before."""
        self._epoch += 1
        return self._epoch

    @property
    def silent(self) -> bool:
        """Whether the exchange plays dead: it reads nothing and says nothing."""
        return self.faults.standing(FaultKind.STOP_ANSWERING) is not None

    async def until_answering(self) -> None:
        """Wait until the exchange no longer plays dead."""
        while self.silent:
            await self.clock.sleep(0.02)

    # The market

    @property
    def now_ns(self) -> int:
        """The market's time."""
        if self._market_time == "feed":
            return self.engine.now_ns
        return max(self.engine.now_ns, self.clock.now_ns())

    def on_tick(self, tick: Tick) -> None:
        """The feed's next tick. It trades first, then it is told."""
        self._apply_market_faults()
        self.engine.on_tick(tick)
        self.candles.add(tick)
        self._step()
        self._publish(tick)

    def on_time(self, time_ns: int) -> None:
        """The market's time goes on: nothing older will come from the feed."""
        self._apply_market_faults()
        self.engine.advance(time_ns)
        self._step()
        self._release_held(self.clock.monotonic())
        self._publish(MarketHeartbeat(self.engine.now_ns))

    def end_feed(self) -> None:
        """No tick will come any more."""
        self._ended = True
        for market in self.engine.markets.values():
            market.closed_by_hand = True
        self._publish(FeedEnded())

    @property
    def ended(self) -> bool:
        return self._ended

    def is_open(self, symbol: str) -> bool:
        return self.engine.markets[symbol].is_open(self.now_ns)

    def _apply_market_faults(self) -> None:
        """Close and open markets as the fault plan says."""
        fault = self.faults.standing(FaultKind.MARKET_CLOSED)
        if fault is None and not self._market_faults:
            return
        self._market_faults = fault is not None
        for symbol, market in self.engine.markets.items():
            closed = fault is not None and (fault.match is None or fault.match in symbol)
            market.closed_by_hand = closed or self._ended

    # Commands

    def place(self, account: str, new: NewOrder, client_ids: ClientIds = ClientIds.UNIQUE_ALWAYS) -> Accepted | Refused:
        """Accept and match an order. When this returns, what happened is on disk."""
        self._apply_market_faults()
        answer = self.engine.place(account, new, self.now_ns, client_ids)
        if isinstance(answer, Accepted):
            self._hide(answer)
        self._step()
        return answer

    def modify(self, account: str, order_id: int, change: Change) -> Accepted | Refused:
        self._apply_market_faults()
        answer = self.engine.modify(account, order_id, change, self.now_ns)
        self._step()
        return answer

    def cancel(self, account: str, order_id: int, reason: str = "cancelled") -> Accepted | Refused:
        answer = self.engine.cancel(account, order_id, self.now_ns, reason)
        self._step()
        return answer

    # Questions

    def find(self, account: str, client_order_id: str) -> Order | None:
        """The newest order of that client order id, unless a fault still hides it."""
        order = self.engine.orders.find(account, client_order_id)
        return order.copy() if order is not None and self._visible(order.order_id) else None

    def is_hidden(self, order_id: int) -> bool:
        """Whether a fault hides an order yet."""
        return not self._visible(order_id)

    def open_orders(self, account: str) -> list[Order]:
        """The account's working orders, oldest first."""
        working = (order for market in self.engine.markets.values() for order in market.working.values())
        mine = (order.copy() for order in working if order.account == account and self._visible(order.order_id))
        return sorted(mine, key=lambda order: order.order_id)

    def orders(self, account: str) -> list[Order]:
        """All orders the account ever had, oldest first."""
        return [order.copy() for order in self.engine.orders if order.account == account]

    def visible_orders(self, account: str) -> list[Order]:
        """All orders the account ever had, less those that a fault still hides."""
        return [order for order in self.orders(account) if self._visible(order.order_id)]

    def executions_after(self, account: str, number: int) -> tuple[list[Execution], int]:
        """What happened after the cursor ``number``, and the new cursor."""
        ledger = self.engine.accounts[account]
        fills = [notice.execution for _, notice in self._late if isinstance(notice, Executed)]
        late = [row.number for row in fills if row.account == account]
        if not late:
            return ledger.after(number), ledger.last_number
        last = max(number, min(late) - 1)
        return [row for row in ledger.after(number) if row.number <= last], last

    def positions(self, account: str) -> list[Position]:
        return self.engine.accounts[account].positions()

    def account(self, account: str) -> AccountView:
        return self.engine.accounts[account].view(self.engine.mark)

    def state_of(self, account: str, after: int) -> AccountState:
        """The account at this moment, with its executions after the cursor ``after``."""
        executions, cursor = self.executions_after(account, after)
        return AccountState(
            self.open_orders(account), self.positions(account), executions, self.account(account), cursor
        )

    # What a broker's back office does, and hands from outside

    def correct_execution(
        self, account: str, execution_id: str, price: Decimal | None = None, quantity: Decimal | None = None
    ) -> Execution | Refused:
        """Other values now hold for an execution; quantity 0 busts it."""
        answer = self.engine.correct_execution(account, execution_id, self.now_ns, price, quantity)
        self._step()
        return answer

    def external_fill(
        self, account: str, symbol: str, side: Side, quantity: Decimal, price: Decimal
    ) -> Order | Refused:
        """A trade by hand in the same account, with an order that has no client order id."""
        answer = self.engine.external_fill(account, symbol, side, quantity, price, self.now_ns)
        self._step()
        return answer

    def adjust_position(self, account: str, symbol: str, side: Side, quantity: Decimal, price: Decimal) -> None:
        """Move a position without an order or an execution report."""
        self.engine.adjust_position(account, symbol, side, quantity, price, self.now_ns)
        self._step()

    # One step: changed, written, told

    def _step(self) -> None:
        effects = self.engine.take_effects()
        if not effects:
            return
        now_ns = self.engine.now_ns
        notes = [note for each in self._chroniclers for note in each.chronicle(effects, now_ns)]
        if self._store is not None:
            self._store.commit(effects, now_ns, notes)
        now = self.clock.monotonic()
        earlier, self._held = self._held, []
        for effect in effects:
            self._tell(effect, now)
        for _, notice in earlier:
            self._publish(notice)
        for chronicler in self._chroniclers:
            chronicler.after_step()

    def _tell(self, effect: Effect, now: float) -> None:
        if isinstance(effect, ExecutionAmended) or (isinstance(effect, OrderChanged) and not effect.told):
            return
        if isinstance(effect, OrderChanged) and (until := self._untold_until.get(effect.order.order_id, 0.0)) > now:
            self._late.append((until, effect))
            return
        if not isinstance(effect, Executed):
            self._publish(effect)
            return
        row = effect.execution
        if row.kind is ExecutionKind.ADJUSTMENT:
            return
        about = (row.client_order_id, row.symbol)
        if (fault := self.faults.take(FaultKind.REORDER_FILLS, about)) is not None:
            self._held.append((now + fault.seconds, effect))
            return
        fault = self.faults.take(FaultKind.LATE_FILLS, about)
        waits = [at for at, notice in self._late if isinstance(notice, Executed)]  # fills come late in their order
        due = max(
            *waits, self._untold_until.get(row.order_id, 0.0), now + (0.0 if fault is None else fault.seconds), now
        )
        if due > now:
            self._late.append((due, effect))
            return
        self._publish(effect)
        if self.faults.take(FaultKind.DUPLICATE_FILLS, about) is not None:
            self._publish(effect)

    def _release_held(self, now: float) -> None:
        """Tell the fills that a fault has held back, once they are due."""
        due = [notice for at, notice in (*self._held, *self._late) if at <= now]
        self._held = [(at, notice) for at, notice in self._held if at > now]
        self._late = [(at, notice) for at, notice in self._late if at > now]
        for notice in due:
            self._publish(notice)

    def _publish(self, notice: Notice) -> None:
        self.sequence += 1
        for listener in tuple(self._listeners):
            listener.deliver(notice)

    def _delay_of_commission(self, row: Execution) -> int:
        fault = self.faults.take(FaultKind.LATE_COMMISSION, (row.client_order_id, row.symbol))
        seconds = self._commission_delay if fault is None else fault.seconds
        return int(seconds * _SECOND)

    def _hide(self, answer: Accepted) -> None:
        """Let a fault make an accepted order invisible for a while."""
        order = answer.order
        about, now = (order.client_order_id, order.symbol), self.clock.monotonic()
        if (fault := self.faults.take(FaultKind.HIDE_ORDERS, about)) is not None:
            for hidden in (order, *answer.attached):
                self._hidden_until[hidden.order_id] = now + fault.seconds
        if (fault := self.faults.take(FaultKind.LATE_ORDERS, about)) is not None:
            for hidden in (order, *answer.attached):
                self._hidden_until[hidden.order_id] = self._untold_until[hidden.order_id] = now + fault.seconds

    def _visible(self, order_id: int) -> bool:
        until = self._hidden_until.get(order_id)
        if until is None:
            return True
        if self.clock.monotonic() < until:
            return False
        del self._hidden_until[order_id]
        return True
