"""The matching engine: orders and ticks in, effects out. Pure and deterministic: time comes in with each call.

Customers' orders trade with the market that the ticks describe, never with one another (as on every broker's paper
account). Among them price comes first, then time. What a tick offers is shared: see ``models.LiquidityModel``.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from decimal import Decimal

from msgspec.structs import replace

from live_trading.domain.market import Tick
from live_trading.domain.values import OrderStatus, OrderType, Side, TimeInForce
from live_trading.paper_exchange.core.acceptance import Acceptance
from live_trading.paper_exchange.core.accounts import AccountLedger
from live_trading.paper_exchange.core.groups import Groups
from live_trading.paper_exchange.core.markets import Market
from live_trading.paper_exchange.core.models import AccountSettings, Catalogue
from live_trading.paper_exchange.core.orders import OrderTable
from live_trading.paper_exchange.core.types import (
    ZERO,
    Accepted,
    AccountChanged,
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
    PositionChanged,
    Refusal,
    Refused,
)
from live_trading.paper_exchange.core.validation import (
    check_price,
)

_MINUTE = 60_000_000_000

CommissionDelay = Callable[[Execution], int]


@dataclass(slots=True)
class EngineState:
    """What an engine is rebuilt from: every order, every row of the execution log, and the last time it knew."""

    orders: list[Order] = field(default_factory=list)
    executions: list[Execution] = field(default_factory=list)
    now_ns: int = 0


class MatchingEngine:
    """The exchange's core. Every command and every tick leaves its effects in ``take_effects``."""

    def __init__(self, catalogue: Catalogue, accounts: Iterable[AccountSettings] = (AccountSettings(),)) -> None:
        self.catalogue = catalogue
        self.accounts: dict[str, AccountLedger] = {}
        for settings in accounts:
            catalogue.check_currencies(settings.currency)
            self.accounts[settings.account] = AccountLedger(settings, catalogue)
        self.markets = {listing.symbol: Market(listing) for listing in catalogue}
        self.orders = OrderTable()
        self.now_ns = 0
        self.commission_delay: CommissionDelay | None = None
        self.tells_money = True
        """Whether a fill's effects tell what it made of the account's position and money."""
        self._groups = Groups(self.orders, self._changed, self._end)
        self._acceptance = Acceptance(catalogue, self.accounts, self.markets, self.orders, self._groups)
        self._effects: list[Effect] = []
        self._next_order_id = 1
        self._next_priority = 1
        self._next_execution = 1
        self._next_entry = 1
        self._expiry_minute = 0
        self._for_the_day: dict[int, Order] = {}  # working DAY orders
        self._untold: list[Execution] = []

    def restore(self, state: EngineState) -> None:
        """Become what the state says. The engine must be new."""
        assert self._next_order_id == 1, "only a new engine can be restored"
        for order in sorted(state.orders, key=lambda order: order.order_id):
            self.orders.add(order)
            if order.working:
                self._take_up(order)
            self._next_order_id = order.order_id + 1
            self._next_priority = max(self._next_priority, order.priority + 1)
        for account, ledger in self.accounts.items():
            ledger.restore(row for row in state.executions if row.account == account)
            self._untold.extend(row for row in ledger.executions if row.commission_due_ns and row.moves_position)
        for row in state.executions:
            self._next_entry = max(self._next_entry, row.entry + 1)
            if row.kind is ExecutionKind.FILL:
                self._next_execution = max(self._next_execution, int(row.execution_id[1:]) + 1)
        self.now_ns = state.now_ns

    def take_effects(self) -> list[Effect]:
        """What happened since the last call, in order."""
        effects, self._effects = self._effects, []
        return effects

    def mark(self, symbol: str) -> Decimal:
        return self.markets[symbol].mark

    # Time and prices

    @property
    def waits_for_time(self) -> bool:
        """Whether time alone may bring anything about: an order's expiry, a commission held back."""
        return bool(self._untold or self._for_the_day)

    def advance(self, now_ns: int) -> None:
        """It is now ``now_ns``: day orders expire, commissions held back are told. Time never goes back."""
        if now_ns > self.now_ns:
            self.now_ns = now_ns
        if self._untold:
            self._tell_commissions()
        if self._for_the_day and self.now_ns // _MINUTE != self._expiry_minute:
            self._expiry_minute = self.now_ns // _MINUTE
            self._expire()

    def on_tick(self, tick: Tick) -> None:
        """A market moves: stops trigger, orders trade."""
        self.advance(tick.time_ns)
        market = self.markets[tick.symbol]
        market.take(tick)
        if market.working:
            self._match(market)

    def _expire(self) -> None:
        for order in list(self._for_the_day.values()):
            sessions = self.markets[order.symbol].sessions
            if order.working and sessions.day_order_ended(order.accepted_ns, self.now_ns):
                self._end(order, OrderStatus.EXPIRED, "the session ended")

    # Commands

    def place(
        self, account: str, new: NewOrder, now_ns: int, client_ids: ClientIds = ClientIds.UNIQUE_ALWAYS
    ) -> Accepted | Refused:
        """Accept an order with its attached ones, all or nothing, and match it at once."""
        self.advance(now_ns)
        refused = self._acceptance.check_new(account, new, client_ids, self.now_ns)
        if refused:
            return refused
        quantity = self._acceptance.tradable_quantity(account, new)
        if isinstance(quantity, Refused):
            return quantity
        refused = self._acceptance.check_margin(account, new, quantity)
        if refused:
            return refused
        order = self._create(account, new, quantity, new.oca_group, new.parent_order_id)
        group = next((child.oca_group for child in new.attached if child.oca_group), f"BRACKET-{order.order_id}")
        attached = [self._create(account, child, child.quantity, group, order.order_id) for child in new.attached]
        market = self.markets[new.symbol]
        self._match(market)
        if order.working and order.time_in_force is TimeInForce.IOC:
            self._end(order, OrderStatus.CANCELLED, "immediate or cancel")
        return Accepted(order.copy(), tuple(child.copy() for child in attached))

    def modify(self, account: str, order_id: int, change: Change, now_ns: int) -> Accepted | Refused:
        """Change a working order. A new price or a larger quantity goes to the end of the queue."""
        self.advance(now_ns)
        order = self._working(account, order_id)
        if isinstance(order, Refused):
            return order
        limit_price = order.limit_price if change.limit_price is None else change.limit_price
        stop_price = order.stop_price if change.stop_price is None else change.stop_price
        refused = self._acceptance.check_change(order, change, limit_price, stop_price)
        if refused:
            return refused
        if (limit_price, stop_price) != (order.limit_price, order.stop_price) or (
            change.quantity or ZERO
        ) > order.nominal:
            order.priority = self._take_priority()
            order.posted = False
        order.limit_price, order.stop_price = limit_price, stop_price
        if change.quantity is not None:
            self._set_quantity(order, change.quantity)
        self._changed(order)
        self._match(self.markets[order.symbol])
        return Accepted(order.copy())

    def cancel(self, account: str, order_id: int, now_ns: int, reason: str = "cancelled") -> Accepted | Refused:
        """End a working order. Its fills stay; an unfilled one takes its protections with it."""
        self.advance(now_ns)
        order = self._working(account, order_id)
        if isinstance(order, Refused):
            return order
        self._end(order, OrderStatus.CANCELLED, reason)
        return Accepted(order.copy())

    def _working(self, account: str, order_id: int) -> Order | Refused:
        order = self.orders.get(order_id)
        if order is None or order.account != account:
            return Refused(Refusal.ORDER_NOT_FOUND, f"account {account} has no order {order_id}")
        if not order.working:
            return Refused(Refusal.NOT_WORKING, f"order {order_id} is {order.status}")
        return order

    def _set_quantity(self, order: Order, quantity: Decimal) -> None:
        """A protection never covers more than is open of its parent, whatever is asked for."""
        order.nominal = quantity
        if order.parent_id is None:
            order.quantity = quantity
        elif not order.dormant:
            parent = self.orders[order.parent_id]
            open_quantity = self._groups.open_quantity(parent, order.oca_group)
            order.quantity = max(min(quantity, order.filled + open_quantity), order.filled)

    def _create(
        self, account: str, new: NewOrder, quantity: Decimal, oca_group: str | None, parent_id: int | None
    ) -> Order:
        order = Order(
            order_id=self._next_order_id,
            account=account,
            client_order_id=new.client_order_id,
            symbol=new.symbol,
            side=new.side,
            order_type=new.order_type,
            nominal=new.quantity,
            quantity=quantity,
            limit_price=new.limit_price,
            stop_price=new.stop_price,
            time_in_force=new.time_in_force,
            oca_group=oca_group,
            parent_id=parent_id,
            accepted_ns=self.now_ns,
            updated_ns=self.now_ns,
            priority=self._take_priority(),
            dormant=parent_id is not None and not self.orders[parent_id].filled,
            labels=new.labels,
            trailing_distance=new.trailing_distance,
        )
        self._next_order_id += 1
        self.orders.add(order)
        self._take_up(order)
        self._changed(order)
        return order

    def _take_up(self, order: Order) -> None:
        self.markets[order.symbol].working[order.order_id] = order
        if order.time_in_force is TimeInForce.DAY:
            self._for_the_day[order.order_id] = order

    def _take_priority(self) -> int:
        self._next_priority += 1
        return self._next_priority - 1

    # Matching

    def _match(self, market: Market) -> None:
        """Trade all that can trade at the present quote. It ends: an order fills once a tick, a stop triggers once."""
        if not market.tradable(self.now_ns):
            return
        if len(market.working) == 1:
            (alone,) = market.working.values()
            if alone.order_type is OrderType.MARKET and alone.live:
                # It waits for no price, and nobody is beside it: what it does not trade now, this quote has not got.
                self._trade(market, alone)
                return
        progress = True
        while progress:
            progress = self._trigger(market)
            for order in self._takers(market):
                if order.live and market.marketable(order):
                    progress |= self._trade(market, order)
        for order in market.working.values():
            rests = order.order_type is OrderType.LIMIT or (
                order.order_type is OrderType.STOP_LIMIT and order.triggered
            )
            if rests and order.live and not order.posted and not market.marketable(order):
                order.posted = True
                self._effects.append(OrderChanged(order.copy(), told=False))

    def _trail(self, market: Market) -> None:
        """Move the stops that trail. One that has just become live begins here."""
        for order in market.working.values():
            if order.trailing_distance is not None and order.live and not order.triggered and market.trails(order):
                self._changed(order)

    def _trigger(self, market: Market) -> bool:
        self._trail(market)
        triggered = False
        stops = [order for order in market.working.values() if order.stop_price is not None and not order.triggered]
        for order in sorted(stops, key=_by_priority):
            if order.live and market.triggers(order):
                order.triggered = triggered = True
                self._changed(order)
        return triggered

    def _takers(self, market: Market) -> list[Order]:
        """The orders that can trade now: those at any price first, then the best limits, then the oldest."""
        takers = [order for order in market.working.values() if order.live and market.marketable(order)]
        if len(takers) > 1:
            takers.sort(key=_rank)
        return takers

    def _trade(self, market: Market, order: Order) -> bool:
        quantity = market.available(order)
        if not quantity:
            return False
        price = market.fill_price(order)
        market.used(order, quantity)
        self._fill(order, quantity, price)
        return True

    def _fill(self, order: Order, quantity: Decimal, price: Decimal) -> None:
        listing = self.catalogue[order.symbol]
        order.filled += quantity
        order.filled_value += quantity * price
        total = listing.commission.total(order.filled, order.filled_value * listing.instrument.multiplier)
        commission, order.commission = total - order.commission, total
        self._record(order, quantity, price, commission)
        if order.remaining:
            order.status = OrderStatus.PARTIALLY_FILLED
            self._changed(order)
        else:
            self._end(order, OrderStatus.FILLED, "")
        self._groups.after_fill(order, quantity)
        self._tell_money(order.account, order.symbol)

    def _record(self, order: Order, quantity: Decimal, price: Decimal, commission: Decimal) -> None:
        ledger = self.accounts[order.account]
        row = Execution(
            entry=self._take_entry(),
            number=ledger.last_number + 1,
            kind=ExecutionKind.FILL,
            account=order.account,
            execution_id=f"X{self._next_execution:07d}",
            revision="",
            order_id=order.order_id,
            client_order_id=order.client_order_id,
            symbol=order.symbol,
            side=order.side,
            price=price,
            quantity=quantity,
            time_ns=self.now_ns,
            commission=commission,
            commission_currency=self.catalogue[order.symbol].instrument.currency,
        )
        self._next_execution += 1
        if self.commission_delay is not None and (delay := self.commission_delay(row)):
            row = replace(row, commission_due_ns=self.now_ns + delay)
            self._untold.append(row)
        ledger.append(row)
        self._effects.append(Executed(row))

    def _take_entry(self) -> int:
        self._next_entry += 1
        return self._next_entry - 1

    def _changed(self, order: Order) -> None:
        order.updated_ns = self.now_ns
        self._effects.append(OrderChanged(order.copy()))

    def _end(self, order: Order, status: OrderStatus, reason: str) -> None:
        order.status = status
        order.reason = reason
        del self.markets[order.symbol].working[order.order_id]
        self._for_the_day.pop(order.order_id, None)
        self._changed(order)
        self._groups.after_end(order)

    def _tell_money(self, account: str, symbol: str) -> None:
        if not self.tells_money:
            return
        ledger = self.accounts[account]
        self._effects.append(PositionChanged(ledger.position(symbol)))
        self._effects.append(AccountChanged(ledger.view(self.mark)))

    # The back office: late commissions, corrections, hands from outside

    def _tell_commissions(self) -> None:
        due = [row for row in self._untold if row.commission_due_ns <= self.now_ns]
        if not due:
            return
        self._untold = [row for row in self._untold if row.commission_due_ns > self.now_ns]
        for row in due:
            ledger = self.accounts[row.account]
            told = replace(row, commission_due_ns=0)
            ledger.amend(told)
            number = ledger.last_number + 1
            report = replace(told, entry=self._take_entry(), number=number, kind=ExecutionKind.COMMISSION)
            ledger.append(report)
            self._effects += [ExecutionAmended(told), CommissionTold(report)]

    def correct_execution(
        self,
        account: str,
        execution_id: str,
        now_ns: int,
        price: Decimal | None = None,
        quantity: Decimal | None = None,
    ) -> Execution | Refused:
        """The broker corrects an execution: other values now hold. Quantity 0 busts the trade."""
        self.advance(now_ns)
        ledger = self.accounts[account]
        old = ledger.current(execution_id)
        if old is None or not old.number:
            return Refused(Refusal.ORDER_NOT_FOUND, f"account {account} has no execution {execution_id}")
        new = replace(
            old,
            entry=self._take_entry(),
            number=ledger.last_number + 1,
            kind=ExecutionKind.CORRECTION,
            revision=str(int(old.revision or 0) + 1),
            price=old.price if price is None else price,
            quantity=old.quantity if quantity is None else quantity,
            commission=ZERO if quantity == 0 else old.commission,
            commission_due_ns=0,
        )
        self._untold = [row for row in self._untold if row.execution_id != execution_id]
        superseded = replace(old, superseded=True)
        ledger.correct(superseded, new)
        self._effects += [ExecutionAmended(superseded), Executed(new)]
        self._carry_correction(old, new)
        self._tell_money(account, new.symbol)
        return new

    def _carry_correction(self, old: Execution, new: Execution) -> None:
        order = self.orders[new.order_id]
        order.filled += new.quantity - old.quantity
        order.filled_value += new.quantity * new.price - old.quantity * old.price
        if order.working:
            order.status = OrderStatus.PARTIALLY_FILLED if order.filled else OrderStatus.PLACED
        elif order.status is OrderStatus.FILLED:
            order.quantity = order.filled
            order.status = OrderStatus.FILLED if order.filled else OrderStatus.CANCELLED
        order.reason = f"execution {new.execution_id} corrected"
        self._changed(order)

    def external_fill(
        self, account: str, symbol: str, side: Side, quantity: Decimal, price: Decimal, now_ns: int
    ) -> Order | Refused:
        """Somebody trades in the same account by hand: a filled order without a client order id."""
        self.advance(now_ns)
        new = NewOrder(None, symbol, side, OrderType.MARKET, quantity, labels={"source": "external"})
        refused = self._acceptance.check_new(account, new, ClientIds.FREE, self.now_ns)
        if refused and refused.code is not Refusal.MARKET_CLOSED:
            return refused
        refused = check_price(self.catalogue[symbol], "price", price, True)
        if refused:
            return refused
        order = self._create(account, new, quantity, None, None)
        self._fill(order, quantity, price)
        return order.copy()

    def adjust_position(
        self, account: str, symbol: str, side: Side, quantity: Decimal, price: Decimal, now_ns: int
    ) -> None:
        """Move a position with no order and no execution report, as a broker's back office can."""
        self.advance(now_ns)
        row = Execution(
            entry=self._take_entry(),
            number=0,
            kind=ExecutionKind.ADJUSTMENT,
            account=account,
            execution_id="",
            revision="",
            order_id=0,
            client_order_id=None,
            symbol=symbol,
            side=side,
            price=price,
            quantity=quantity,
            time_ns=self.now_ns,
            commission=ZERO,
            commission_currency=self.catalogue[symbol].instrument.currency,
        )
        self.accounts[account].append(row)
        self._effects.append(Executed(row))
        self._tell_money(account, symbol)


def _by_priority(order: Order) -> int:
    return order.priority


def _rank(order: Order) -> tuple[int, Decimal, int]:
    if order.takes_market:
        return 0, ZERO, order.priority
    assert order.limit_price is not None
    return 1, -order.limit_price * order.side.sign, order.priority
