"""The Gatekeeper's rules, one class each, in the order in which an entry passes them (``RULES``).

A rule has a stable code and the settings it compares with; ``docs/gatekeeper.md`` is the table of them. It refuses with
numbers, so that a person sees by how much.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any, ClassVar

import msgspec

from live_trading.domain.entries import KillSwitchTripped
from live_trading.domain.instrument import Instrument
from live_trading.domain.values import OperationStatus, OrderPurpose, OrderType, Side
from live_trading.orders.money import exposure
from live_trading.projections.state import Operation

if TYPE_CHECKING:
    from live_trading.orders.gatekeeper import Gatekeeper


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


class Entering(msgspec.Struct, frozen=True):
    """What is asked for: an order that adds risk."""

    operation: Operation
    instrument: Instrument
    side: Side
    order_type: OrderType
    quantity: Decimal
    limit_price: Decimal | None = None
    stop_price: Decimal | None = None


class Situation(msgspec.Struct, frozen=True):
    """What the rules look at besides the ledger."""

    now: datetime
    broker_ready: bool
    market_open: bool
    last_price: Decimal | None
    data_stale: bool
    data_age: float | None
    prices: Mapping[int, Decimal] = msgspec.field(default_factory=dict)
    """Last prices by operation number."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """Which rule said no, in words and numbers. ``trip``: the kill switch is to be tripped because of it."""

    rule: str
    detail: str
    numbers: dict[str, Any] = field(default_factory=dict)
    trip: KillSwitchTripped | None = None


class Rule(ABC):
    """One reason to refuse an entry."""

    code: ClassVar[str]
    """What ``SIGNAL_REFUSED`` says. Never changed."""
    settings: ClassVar[tuple[str, ...]] = ()
    """The settings it compares with, by their full names."""

    @abstractmethod
    def refusal(self, keeper: "Gatekeeper", entering: Entering, situation: Situation) -> Refusal | None:
        """Why the entry must not go, or None."""


class KillSwitch(Rule):
    """Tripped; or the day's loss is over its limits, which trips it."""

    code = "KILL_SWITCH"
    settings = ("risk_management.max_daily_loss", "risk_management.max_loss_pct")

    def refusal(self, keeper: "Gatekeeper", entering: Entering, situation: Situation) -> Refusal | None:
        switch = keeper.ledger.state.kill_switch
        if switch is not None:
            detail = f"tripped by {switch.actor}: {switch.reason}"
            return Refusal(self.code, detail, {"since_entry": switch.number})
        trip = keeper.loss_beyond_limits(situation)
        if trip is None:
            return None
        return Refusal(self.code, trip.reason, {"loss": str(trip.loss), "limit": str(trip.limit)}, trip)


class OperationNotActive(Rule):
    """Paused, closing, closed or held in error."""

    code = "OPERATION_NOT_ACTIVE"

    def refusal(self, keeper: "Gatekeeper", entering: Entering, situation: Situation) -> Refusal | None:
        status = entering.operation.status
        if status is OperationStatus.ACTIVE:
            return None
        return Refusal(self.code, f"the operation is {status.value}", {"status": status.value})


class BrokerNotReady(Rule):
    """Not connected, or connected and not yet synchronised."""

    code = "BROKER_NOT_READY"

    def refusal(self, keeper: "Gatekeeper", entering: Entering, situation: Situation) -> Refusal | None:
        if situation.broker_ready:
            return None
        return Refusal(self.code, "the broker is not connected and synchronised")


class MarketClosed(Rule):
    """Outside the instrument's trading hours, by the market's own time."""

    code = "MARKET_CLOSED"

    def refusal(self, keeper: "Gatekeeper", entering: Entering, situation: Situation) -> Refusal | None:
        if situation.market_open:
            return None
        return Refusal(self.code, f"{entering.instrument.symbol} does not trade now")


class StaleData(Rule):
    """No price yet, or none for too long."""

    code = "STALE_DATA"
    settings = ("market_data.stale_after_seconds",)

    def refusal(self, keeper: "Gatekeeper", entering: Entering, situation: Situation) -> Refusal | None:
        if situation.last_price is not None and not situation.data_stale:
            return None
        age = situation.data_age
        detail = "no price has come yet" if age is None else f"the last tick is {age:.1f} s old"
        return Refusal(self.code, detail, {} if age is None else {"age_seconds": round(age, 3)})


class CircuitBreaker(Rule):
    """Too many orders failed lately; it closes by itself."""

    code = "CIRCUIT_BREAKER"
    settings = (
        "risk_management.circuit_breaker_failures",
        "risk_management.circuit_breaker_window_seconds",
        "risk_management.circuit_breaker_pause_seconds",
    )

    def refusal(self, keeper: "Gatekeeper", entering: Entering, situation: Situation) -> Refusal | None:
        breaker = keeper.ledger.state.breaker
        if breaker is None or situation.now >= breaker.until:
            return None
        detail = f"{breaker.failures} orders failed; entries wait until {breaker.until:%H:%M:%S} UTC"
        return Refusal(self.code, detail, {"failures": breaker.failures, "until": breaker.until.isoformat()})


class MaxPositionSize(Rule):
    """The position the entry would make, in units."""

    code = "MAX_POSITION_SIZE"
    settings = ("risk_management.max_position_size",)

    def refusal(self, keeper: "Gatekeeper", entering: Entering, situation: Situation) -> Refusal | None:
        limit = keeper.limits.max_position_size
        if limit is None:
            return None
        size = abs(entering.operation.quantity + entering.quantity * entering.side.sign)
        if size <= limit:
            return None
        detail = f"the position would be {size:f} units; at most {limit:f} are allowed"
        return Refusal(self.code, detail, {"size": str(size), "limit": str(limit)})


class MaxOrderNotional(Rule):
    """The value of this order."""

    code = "MAX_ORDER_NOTIONAL"
    settings = ("risk_management.max_order_notional",)

    def refusal(self, keeper: "Gatekeeper", entering: Entering, situation: Situation) -> Refusal | None:
        limit = keeper.limits.max_order_notional
        if limit is None:
            return None
        value = notional(entering, situation)
        if value <= limit:
            return None
        detail = f"the order is worth {value:f} {entering.instrument.currency}; at most {limit:f} is allowed"
        return Refusal(self.code, detail, {"value": str(value), "limit": str(limit)})


class MaxExposure(Rule):
    """The value of positions and entries on their way: of the operation, of its account, of everything."""

    code = "MAX_EXPOSURE"
    settings = (
        "risk_management.max_operation_exposure",
        "risk_management.max_account_exposure",
        "risk_management.max_total_exposure",
    )

    def refusal(self, keeper: "Gatekeeper", entering: Entering, situation: Situation) -> Refusal | None:
        limits = keeper.limits
        if limits.max_operation_exposure is limits.max_account_exposure is limits.max_total_exposure is None:
            return None
        adding = notional(entering, situation)
        scopes: list[tuple[str, Decimal | None, Callable[[Operation], bool]]] = [
            ("operation", limits.max_operation_exposure, lambda other: other is entering.operation),
            ("account", limits.max_account_exposure, lambda other: other.broker == entering.operation.broker),
            ("all", limits.max_total_exposure, lambda other: True),
        ]
        currency = entering.instrument.currency
        for scope, limit, belongs in scopes:
            if limit is None:
                continue
            total = adding + _open_exposure(keeper, currency, situation, belongs)
            if total > limit:
                detail = f"exposure ({scope}) would be {total:f} {currency}; the limit is {limit:f}"
                return Refusal(self.code, detail, {"scope": scope, "exposure": str(total), "limit": str(limit)})
        return None


class PriceSanity(Rule):
    """The distance of the order's prices from the last one."""

    code = "PRICE_SANITY"
    settings = ("risk_management.price_sanity_pct",)

    def refusal(self, keeper: "Gatekeeper", entering: Entering, situation: Situation) -> Refusal | None:
        last, limit = situation.last_price, keeper.limits.price_sanity_pct
        assert last is not None
        for name, price in (("limit_price", entering.limit_price), ("stop_price", entering.stop_price)):
            if price is not None and abs(price - last) > last * limit:
                detail = f"{name} {price:f} is more than {limit:%} from the last price {last:f}"
                return Refusal(self.code, detail, {name: str(price), "last_price": str(last)})
        return None


class RateLimit(Rule):
    """A token for the order; it is taken here."""

    code = "RATE_LIMIT"
    settings = ("risk_management.max_orders_per_second", "risk_management.max_order_burst")

    def refusal(self, keeper: "Gatekeeper", entering: Entering, situation: Situation) -> Refusal | None:
        wait = keeper.tokens.take(reduces_risk=False)
        if not wait:
            return None
        limit = keeper.limits.max_orders_per_second
        return Refusal(self.code, f"more than {limit:g} orders a second", {"wait_seconds": round(wait, 3)})


RULES: tuple[Rule, ...] = (
    KillSwitch(),
    OperationNotActive(),
    BrokerNotReady(),
    MarketClosed(),
    StaleData(),
    CircuitBreaker(),
    MaxPositionSize(),
    MaxOrderNotional(),
    MaxExposure(),
    PriceSanity(),
    RateLimit(),
)
"""In order; the first refusal wins. The rate limit is last: only what may go takes a token."""


def notional(entering: Entering, situation: Situation) -> Decimal:
    """What the order is worth at its own price, else at the last one."""
    price = entering.limit_price or entering.stop_price or situation.last_price or Decimal(0)
    return entering.quantity * price * entering.instrument.multiplier


def _open_exposure(
    keeper: "Gatekeeper", currency: str, situation: Situation, belongs: Callable[[Operation], bool]
) -> Decimal:
    """Open positions, entries still working, and entries let pass whose intents are being made durable just now; in one
    currency (other currencies have the same limit of their own)."""
    total = Decimal(0)
    for operation in keeper.ledger.state.operations.values():
        if operation.currency != currency or not belongs(operation):
            continue
        price = situation.prices.get(operation.number)
        if price is None:
            price = operation.position.entry_price if operation.position is not None else Decimal(0)
        total += exposure(operation, price)
        entries = [o for o in keeper.ledger.working_orders(operation) if o.purpose is OrderPurpose.ENTRY]
        for order in entries:
            # Without a price yet, the order's own: what is not known is not nothing.
            value = price or order.limit_price or order.stop_price or Decimal(0)
            total += order.remaining * value * operation.multiplier
        passed = keeper.passed.get(operation.number)
        if passed is not None and not entries:
            total += passed
    return total
