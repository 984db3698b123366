"""What recovery decides for an operation that has an open position after a crash. Pure.

===================  ===============================================================================================
``CLOSE_ALL``        close, whatever the price
``RESUME``           keep; close only if the unrealised loss is beyond ``emergency_stop_loss_pct``
``EMERGENCY_EXIT``   as RESUME: close only beyond the threshold; afterwards the operation is paused
===================  ===============================================================================================

The two threshold modes need a price that can be trusted. Without one they wait, and say so. They close as well where
the price has passed a stop for which there is no order (the broker cannot hold one, or it is gone).
"""

from dataclasses import dataclass
from decimal import Decimal

from live_trading.domain.entries import RecoveryDecided
from live_trading.domain.operation import OperationSettings
from live_trading.domain.values import CrashRecoveryMode, RecoveryDecision
from live_trading.orders.money import entry_value, unrealized_pnl
from live_trading.orders.watched import stop_held_by_nobody
from live_trading.projections.state import Operation

_PERCENT_STEP = Decimal("1e-10")


@dataclass(frozen=True, slots=True)
class TrustedPrice:
    """A price and how old it is, in seconds."""

    price: Decimal
    age: float


def decide(operation: Operation, settings: OperationSettings, quote: TrustedPrice | None) -> RecoveryDecided:
    """The decision for one operation with an open position, with everything it was made from."""
    mode, threshold = settings.crash_recovery_mode, settings.emergency_stop_loss_pct
    pnl = pct = None
    if quote is not None:
        pnl = unrealized_pnl(operation, quote.price)
        pct = (pnl / entry_value(operation)).quantize(_PERCENT_STEP)
    if mode is CrashRecoveryMode.CLOSE_ALL:
        decision, reason = RecoveryDecision.CLOSE, "CLOSE_ALL closes every position after a crash"
    elif pct is None:
        decision, reason = RecoveryDecision.WAIT, f"{mode.value} needs a fresh price and there is none yet"
    elif -pct > threshold:
        decision = RecoveryDecision.CLOSE
        reason = f"the unrealised loss of {-pct:.2%} is beyond the emergency stop of {threshold:.2%}"
    elif quote is not None and (stop := _passed_stop(operation, quote.price)) is not None:
        decision = RecoveryDecision.CLOSE
        reason = f"the price of {quote.price:f} has passed the stop loss at {stop:f}, for which no order is there"
    else:
        decision = RecoveryDecision.KEEP
        reason = f"the unrealised result of {pct:.2%} is within the emergency stop of {threshold:.2%}"
    return RecoveryDecided(
        mode=mode,
        symbol=operation.symbol,
        quantity=operation.quantity,
        decision=decision,
        reason=reason,
        price=quote.price if quote is not None else None,
        price_age_seconds=round(quote.age, 3) if quote is not None else None,
        unrealized_pnl=pnl,
        unrealized_pnl_pct=pct,
        threshold_pct=None if mode is CrashRecoveryMode.CLOSE_ALL else threshold,
    )


def pauses_afterwards(decided: RecoveryDecided) -> bool:
    """Whether the operation takes no new risk after this decision: a loss beyond the threshold calls for a person."""
    pct, threshold = decided.unrealized_pnl_pct, decided.threshold_pct
    is_beyond = pct is not None and threshold is not None and -pct > threshold
    return decided.decision is RecoveryDecision.CLOSE and is_beyond


def _passed_stop(operation: Operation, price: Decimal) -> Decimal | None:
    """The stop that the price has passed while nothing guarded the position: it is too late to place or watch it."""
    stop = stop_held_by_nobody(operation)
    if stop is None:
        return None
    return stop if (price - stop) * (1 if operation.quantity > 0 else -1) <= 0 else None
