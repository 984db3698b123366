"""The Gatekeeper: every order passes it.

Entries pass the rules of :mod:`live_trading.orders.rules`, in their order. Orders that reduce risk (exits, protections,
recovery) pass all rules but the rate limit, and there a share of the tokens is kept for them, so that entries cannot
starve them; they wait for a token where an entry is refused.
"""

from collections import deque
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from decimal import Decimal

from live_trading.domain.entries import KillSwitchTripped
from live_trading.domain.instrument import Instrument
from live_trading.domain.values import Side
from live_trading.orders.money import DayResults
from live_trading.orders.rules import RULES, Entering, Limits, Refusal, Situation, notional
from live_trading.projections.ledger import Ledger
from live_trading.projections.state import ZERO, Operation

__all__ = ["Breaker", "Entering", "Gatekeeper", "Limits", "Refusal", "Situation", "TokenBucket"]

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

    def under(self, limits: Limits) -> "Breaker":
        """The same failures, counted under other limits."""
        other = Breaker(limits)
        other._failures.extend(self._failures)
        return other

    def failed(self, now: datetime) -> datetime | None:
        """Count a failure; return until when entries are to be refused, if that was one too many."""
        self._failures.append(now)
        window = timedelta(seconds=self._limits.circuit_breaker_window_seconds)
        if len(self._failures) == self._failures.maxlen and now - self._failures[0] <= window:
            self._failures.clear()
            return now + timedelta(seconds=self._limits.circuit_breaker_pause_seconds)
        return None


class Gatekeeper:
    """Checks entries against the rules, first refusal wins; hands out tokens to everything that is sent."""

    def __init__(self, limits: Limits, ledger: Ledger, monotonic: Callable[[], float]) -> None:
        self.limits = limits
        self.ledger = ledger
        self._monotonic = monotonic
        self.tokens = TokenBucket(limits.max_orders_per_second, limits.max_order_burst, monotonic)
        self.breaker = Breaker(limits)
        self._day = DayResults(ledger)
        self.passed: dict[int, Decimal] = {}
        """The value of entries that were let pass and are not in the ledger yet, by operation."""

    def take_limits(self, limits: Limits) -> None:
        """Other limits from now on. Tokens and counted failures begin anew only where their own limits are others."""
        before, self.limits = self.limits, limits
        rate = ("max_orders_per_second", "max_order_burst")
        if any(getattr(before, name) != getattr(limits, name) for name in rate):
            self.tokens = TokenBucket(limits.max_orders_per_second, limits.max_order_burst, self._monotonic)
        if before != limits:
            self.breaker = self.breaker.under(limits)

    def check(self, entering: Entering, situation: Situation) -> Refusal | None:
        """The first rule that refuses, or None: then a token was taken and the order may go.

        What may go counts as exposure from here on, so that two operations that ask at once do not both get what is
        left. Call :meth:`requested` when its intent is in the ledger.
        """
        for rule in RULES:
            refusal = rule.refusal(self, entering, situation)
            if refusal is not None:
                return refusal
        self.passed[entering.operation.number] = notional(entering, situation)
        return None

    def requested(self, operation: Operation) -> None:
        """The ledger knows of the operation's order by now, or never will."""
        self.passed.pop(operation.number, None)

    def loss_beyond_limits(self, situation: Situation) -> KillSwitchTripped | None:
        """Whether the day's loss, less what of it a person has acknowledged, calls for the kill switch."""
        acknowledged = self._acknowledged()
        for day in self._day.at(situation.prices):
            known = acknowledged.get(day.currency, ZERO)
            loss = -day.pnl - known
            limits = [(self.limits.max_daily_loss, "max_daily_loss")]
            if self.limits.max_loss_pct is not None and day.capital:  # none: all was closed before today
                limits.append((self.limits.max_loss_pct * day.capital, "max_loss_pct of capital"))
            for limit, name in limits:
                if limit is not None and loss > limit:
                    since = f" beyond the {known:f} acknowledged at the last reset" if known else ""
                    reason = f"the day's loss of {loss:f} {day.currency}{since} is over {name} ({limit:f})"
                    return KillSwitchTripped(reason=reason, loss=loss, limit=limit, currency=day.currency)
        return None

    def day_losses(self, prices: Mapping[int, Decimal]) -> dict[str, Decimal]:
        """What the day has lost so far, realised and not, by currency; those without a loss are left out."""
        return {day.currency: -day.pnl for day in self._day.at(prices) if day.pnl < 0}

    def _acknowledged(self) -> Mapping[str, Decimal]:
        """The losses that a person knew of when they reset the kill switch: of the same day only."""
        state = self.ledger.state
        known = state.acknowledged
        return known.losses if known is not None and known.day == state.day else {}

    def marketable_limit(self, instrument: Instrument, side: Side, last_price: Decimal) -> Decimal:
        """The limit price that turns a market entry into one that cannot fill far from the last price."""
        offset = last_price * self.limits.slippage_protection_pct * side.sign
        return instrument.round_price(last_price + offset, "up" if side is Side.BUY else "down")
