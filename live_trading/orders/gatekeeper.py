"""The Gatekeeper: every order passes it, rule by rule, in the order of the table below.

=========================  ===========================================================================================
``KILL_SWITCH``            tripped, or the day's marked-to-market loss is over ``max_loss_pct`` of capital or
                           ``max_daily_loss`` (which trips it)
``OPERATION_NOT_ACTIVE``   the operation is paused, closing, closed or held in error
``BROKER_NOT_READY``       not connected and synchronised
``MARKET_CLOSED``          outside the instrument's trading hours
``STALE_DATA``             no tick for longer than ``stale_after_seconds``
``CIRCUIT_BREAKER``        too many orders failed lately
``MAX_POSITION_SIZE``      the position would be larger than allowed, in units
``MAX_ORDER_NOTIONAL``     the order is worth more than allowed
``MAX_EXPOSURE``           the operation, the account or everything would be exposed more than allowed
``PRICE_SANITY``           a price too far from the last one
``RATE_LIMIT``             too many orders a second
=========================  ===========================================================================================

Orders that reduce risk (exits, protections, recovery) pass all rules but the rate limit, and there a share of the
tokens is kept for them, so that entries cannot starve them; they wait for a token where an entry is refused.
"""

from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from live_trading.domain.entries import KillSwitchTripped
from live_trading.domain.instrument import Instrument
from live_trading.domain.values import OperationStatus, OrderType, Side
from live_trading.orders.money import day_results, exposure
from live_trading.projections.ledger import Ledger
from live_trading.projections.state import Operation


@dataclass(frozen=True, slots=True)
class Limits:
    """The settings of the rules; None switches a limit off. Money in each operation's own currency."""

    max_loss_pct: Decimal | None = Decimal("0.02")
    max_daily_loss: Decimal | None = None
    max_position_size: Decimal | None = None
    max_order_notional: Decimal | None = None
    max_operation_exposure: Decimal | None = None
    max_account_exposure: Decimal | None = None
    max_total_exposure: Decimal | None = None
    max_orders_per_second: float = 5.0
    max_order_burst: int = 5
    circuit_breaker_failures: int = 5
    circuit_breaker_window_seconds: float = 60.0
    circuit_breaker_pause_seconds: float = 60.0
    price_sanity_pct: Decimal = Decimal("0.05")
    slippage_protection: bool = True
    slippage_protection_pct: Decimal = Decimal("0.005")


@dataclass(frozen=True, slots=True)
class Entering:
    """What is asked for: an order that adds risk."""

    operation: Operation
    instrument: Instrument
    side: Side
    order_type: OrderType
    quantity: Decimal
    limit_price: Decimal | None = None
    stop_price: Decimal | None = None


@dataclass(frozen=True, slots=True)
class Situation:
    """What the rules look at besides the ledger."""

    now: datetime
    broker_ready: bool
    market_open: bool
    last_price: Decimal | None
    data_stale: bool
    data_age: float | None
    prices: Mapping[int, Decimal] = field(default_factory=dict)
    """Last prices by operation number."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """Which rule said no, in words and numbers. ``trip``: the kill switch is to be tripped because of it."""

    rule: str
    detail: str
    numbers: dict[str, Any] = field(default_factory=dict)
    trip: KillSwitchTripped | None = None


_LEAST_WAIT = 1e-6
"""Seconds. What rounding leaves missing of a token is too short a time for a clock to move by."""


class TokenBucket:
    """``rate`` tokens a second up to ``burst``; entries leave the last fifth (at least one token) to the others."""

    def __init__(self, rate: float, burst: int, monotonic: Callable[[], float]) -> None:
        self._rate = rate
        self._burst = float(burst)
        self._reserve = max(1.0, burst / 5) if burst > 1 else 0.0
        self._tokens = float(burst)
        self._monotonic = monotonic
        self._at = monotonic()

    def _refill(self) -> None:
        now = self._monotonic()
        self._tokens = min(self._burst, self._tokens + (now - self._at) * self._rate)
        self._at = now

    def take(self, reduces_risk: bool) -> float:
        """Take a token and return 0, or return the seconds until one is there for this kind of order."""
        self._refill()
        needed = 1.0 if reduces_risk else 1.0 + self._reserve
        if self._tokens >= needed:
            self._tokens -= 1.0
            return 0.0
        return max((needed - self._tokens) / self._rate, _LEAST_WAIT)


class Breaker:
    """Counts failed orders in a sliding window. What it decides is journaled; the ledger says whether it is open."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._failures: deque[datetime] = deque(maxlen=limits.circuit_breaker_failures)

    def failed(self, now: datetime) -> datetime | None:
        """Count a failure; return until when entries are to be refused, if that was one too many."""
        self._failures.append(now)
        window = timedelta(seconds=self._limits.circuit_breaker_window_seconds)
        if len(self._failures) == self._failures.maxlen and now - self._failures[0] <= window:
            self._failures.clear()
            return now + timedelta(seconds=self._limits.circuit_breaker_pause_seconds)
        return None


Rule = Callable[["Gatekeeper", Entering, Situation], Refusal | None]


class Gatekeeper:
    """Checks entries against the rules, first refusal wins; hands out tokens to everything that is sent."""

    def __init__(self, limits: Limits, ledger: Ledger, monotonic: Callable[[], float]) -> None:
        self.limits = limits
        self.ledger = ledger
        self.tokens = TokenBucket(limits.max_orders_per_second, limits.max_order_burst, monotonic)
        self.breaker = Breaker(limits)

    def check(self, entering: Entering, situation: Situation) -> Refusal | None:
        """The first rule that refuses, or None: then a token was taken and the order may go."""
        for rule in RULES:
            refusal = rule(self, entering, situation)
            if refusal is not None:
                return refusal
        return None

    def loss_beyond_limits(self, situation: Situation) -> KillSwitchTripped | None:
        """Whether the day's loss calls for the kill switch."""
        for day in day_results(self.ledger.state.operations.values(), situation.prices):
            limits = [(self.limits.max_daily_loss, "max_daily_loss")]
            if self.limits.max_loss_pct is not None:
                limits.append((self.limits.max_loss_pct * day.capital, "max_loss_pct of capital"))
            for limit, name in limits:
                if limit is not None and -day.pnl > limit:
                    reason = f"the day's loss of {-day.pnl:f} {day.currency} is over {name} ({limit:f})"
                    return KillSwitchTripped(reason=reason, loss=-day.pnl, limit=limit, currency=day.currency)
        return None

    def marketable_limit(self, instrument: Instrument, side: Side, last_price: Decimal) -> Decimal:
        """The limit price that turns a market entry into one that cannot fill far from the last price."""
        offset = last_price * self.limits.slippage_protection_pct * side.sign
        return instrument.round_price(last_price + offset, "up" if side is Side.BUY else "down")


def _kill_switch(keeper: Gatekeeper, entering: Entering, situation: Situation) -> Refusal | None:
    switch = keeper.ledger.state.kill_switch
    if switch is not None:
        return Refusal("KILL_SWITCH", f"tripped by {switch.actor}: {switch.reason}", {"since_entry": switch.number})
    trip = keeper.loss_beyond_limits(situation)
    if trip is not None:
        return Refusal("KILL_SWITCH", trip.reason, {"loss": str(trip.loss), "limit": str(trip.limit)}, trip)
    return None


def _operation_active(keeper: Gatekeeper, entering: Entering, situation: Situation) -> Refusal | None:
    status = entering.operation.status
    if status is OperationStatus.ACTIVE:
        return None
    return Refusal("OPERATION_NOT_ACTIVE", f"the operation is {status.value}", {"status": status.value})


def _broker_ready(keeper: Gatekeeper, entering: Entering, situation: Situation) -> Refusal | None:
    if situation.broker_ready:
        return None
    return Refusal("BROKER_NOT_READY", "the broker is not connected and synchronised")


def _market_open(keeper: Gatekeeper, entering: Entering, situation: Situation) -> Refusal | None:
    if situation.market_open:
        return None
    return Refusal("MARKET_CLOSED", f"{entering.instrument.symbol} does not trade now")


def _fresh_data(keeper: Gatekeeper, entering: Entering, situation: Situation) -> Refusal | None:
    if situation.last_price is not None and not situation.data_stale:
        return None
    age = situation.data_age
    detail = "no price has come yet" if age is None else f"the last tick is {age:.1f} s old"
    return Refusal("STALE_DATA", detail, {} if age is None else {"age_seconds": round(age, 3)})


def _circuit_breaker(keeper: Gatekeeper, entering: Entering, situation: Situation) -> Refusal | None:
    breaker = keeper.ledger.state.breaker
    if breaker is None or situation.now >= breaker.until:
        return None
    detail = f"{breaker.failures} orders failed; entries wait until {breaker.until:%H:%M:%S} UTC"
    return Refusal("CIRCUIT_BREAKER", detail, {"failures": breaker.failures, "until": breaker.until.isoformat()})


def _position_size(keeper: Gatekeeper, entering: Entering, situation: Situation) -> Refusal | None:
    limit = keeper.limits.max_position_size
    size = abs(entering.operation.quantity + entering.quantity * entering.side.sign)
    if limit is None or size <= limit:
        return None
    detail = f"the position would be {size:f} units; at most {limit:f} are allowed"
    return Refusal("MAX_POSITION_SIZE", detail, {"size": str(size), "limit": str(limit)})


def _order_notional(keeper: Gatekeeper, entering: Entering, situation: Situation) -> Refusal | None:
    limit = keeper.limits.max_order_notional
    value = _notional(entering, situation)
    if limit is None or value <= limit:
        return None
    detail = f"the order is worth {value:f} {entering.instrument.currency}; at most {limit:f} is allowed"
    return Refusal("MAX_ORDER_NOTIONAL", detail, {"value": str(value), "limit": str(limit)})


def _exposure(keeper: Gatekeeper, entering: Entering, situation: Situation) -> Refusal | None:
    limits = keeper.limits
    adding = _notional(entering, situation)
    scopes: list[tuple[str, Decimal | None, Callable[[Operation], bool]]] = [
        ("operation", limits.max_operation_exposure, lambda other: other is entering.operation),
        ("account", limits.max_account_exposure, lambda other: other.broker == entering.operation.broker),
        ("all", limits.max_total_exposure, lambda other: True),
    ]
    for scope, limit, belongs in scopes:
        if limit is None:
            continue
        total = adding + _open_exposure(keeper.ledger, entering.instrument.currency, situation, belongs)
        if total > limit:
            detail = f"exposure ({scope}) would be {total:f} {entering.instrument.currency}; the limit is {limit:f}"
            return Refusal("MAX_EXPOSURE", detail, {"scope": scope, "exposure": str(total), "limit": str(limit)})
    return None


def _open_exposure(
    ledger: Ledger, currency: str, situation: Situation, belongs: Callable[[Operation], bool]
) -> Decimal:
    """Open positions and entries still working, in one currency (other currencies have the same limit of their own)."""
    total = Decimal(0)
    for operation in ledger.state.operations.values():
        if operation.currency != currency or not belongs(operation):
            continue
        price = situation.prices.get(operation.number)
        if price is None:
            price = operation.position.entry_price if operation.position is not None else Decimal(0)
        total += exposure(operation, price)
        for order in ledger.working_orders(operation):
            if not order.purpose.reduces_risk:
                total += order.remaining * price * operation.multiplier
    return total


def _notional(entering: Entering, situation: Situation) -> Decimal:
    price = entering.limit_price or entering.stop_price or situation.last_price or Decimal(0)
    return entering.quantity * price * entering.instrument.multiplier


def _price_sanity(keeper: Gatekeeper, entering: Entering, situation: Situation) -> Refusal | None:
    last = situation.last_price
    assert last is not None
    for name, price in (("limit_price", entering.limit_price), ("stop_price", entering.stop_price)):
        if price is not None and abs(price - last) > last * keeper.limits.price_sanity_pct:
            detail = f"{name} {price:f} is more than {keeper.limits.price_sanity_pct:%} from the last price {last:f}"
            return Refusal("PRICE_SANITY", detail, {name: str(price), "last_price": str(last)})
    return None


def _rate_limit(keeper: Gatekeeper, entering: Entering, situation: Situation) -> Refusal | None:
    wait = keeper.tokens.take(reduces_risk=False)
    if not wait:
        return None
    limit = keeper.limits.max_orders_per_second
    return Refusal("RATE_LIMIT", f"more than {limit:g} orders a second", {"wait_seconds": round(wait, 3)})


RULES: tuple[Rule, ...] = (
    _kill_switch,
    _operation_active,
    _broker_ready,
    _market_open,
    _fresh_data,
    _circuit_breaker,
    _position_size,
    _order_notional,
    _exposure,
    _price_sanity,
    _rate_limit,
)
