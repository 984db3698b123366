"""Marked-to-market money: what open positions are worth now, and what a day has lost."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal

from live_trading.projections.state import ZERO, Operation


def unrealized_pnl(operation: Operation, price: Decimal) -> Decimal:
    """What closing the open lots at ``price`` would bring, before commissions."""
    held = operation.quantity
    if not held:
        return ZERO
    sign = 1 if held > 0 else -1
    return sum(((price - lot.price) * lot.quantity * sign for lot in operation.lots), ZERO) * operation.multiplier


def entry_value(operation: Operation) -> Decimal:
    """What the open lots cost: price × quantity × multiplier, unsigned."""
    return sum((lot.price * lot.quantity for lot in operation.lots), ZERO) * operation.multiplier


def exposure(operation: Operation, price: Decimal) -> Decimal:
    """The open quantity's value at ``price``, unsigned."""
    return abs(operation.quantity) * price * operation.multiplier


@dataclass(frozen=True, slots=True)
class DayResult:
    """One currency's day: profit or loss since it began, realised and not, and the capital it began with."""

    currency: str
    pnl: Decimal
    capital: Decimal


def day_results(operations: Iterable[Operation], prices: Mapping[int, Decimal]) -> list[DayResult]:
    """The day so far by currency. ``prices`` are by operation number; without one only what is realised counts."""
    pnl: dict[str, Decimal] = {}
    capital: dict[str, Decimal] = {}
    for operation in operations:
        currency = operation.currency
        result = operation.total_pnl - operation.day_start_pnl
        if operation.number in prices:
            result += unrealized_pnl(operation, prices[operation.number])
        pnl[currency] = pnl.get(currency, ZERO) + result
        capital[currency] = capital.get(currency, ZERO) + operation.initial_capital + operation.day_start_pnl
    return [DayResult(currency, pnl[currency], capital[currency]) for currency in sorted(pnl)]
