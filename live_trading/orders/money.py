"""Marked-to-market money: what open positions are worth now, and what a day has lost."""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

from live_trading.projections.ledger import Ledger
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


@dataclass(slots=True)
class _Holding:
    """What operations hold of one symbol, as one: ``quantity`` is signed and times the multiplier, ``cost`` likewise.

    ``operation`` is the number of one of them: they all have the same price.
    """

    operation: int
    quantity: Decimal = ZERO
    cost: Decimal = ZERO


class DayResults:
    """The day so far by currency.

    Asked for before every entry. What follows from the ledger alone is worked out once for each of its entries, and
    positions in one symbol are taken together, so that an answer costs the same with one operation and with hundreds.
    """

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._as_of = -1
        self._realised: dict[str, Decimal] = {}
        self._capital: dict[str, Decimal] = {}
        self._holdings: dict[tuple[str, str, str], _Holding] = {}

    def at(self, prices: Mapping[int, Decimal]) -> list[DayResult]:
        """``prices`` are by operation number; without one only what is realised counts."""
        if self._as_of != self._ledger.sequence_number:
            self._take_ledger()
        pnl = self._realised.copy()
        for (currency, _, _), holding in self._holdings.items():
            price = prices.get(holding.operation)
            if price is not None:
                pnl[currency] += price * holding.quantity - holding.cost
        return [DayResult(currency, pnl[currency], self._capital[currency]) for currency in sorted(pnl)]

    def _take_ledger(self) -> None:
        self._as_of = self._ledger.sequence_number
        realised, capital, holdings = self._realised, self._capital, self._holdings
        realised.clear()
        capital.clear()
        holdings.clear()
        for operation in self._ledger.state.operations.values():
            currency, start = operation.currency, operation.day_start_pnl
            realised[currency] = realised.get(currency, ZERO) + operation.total_pnl - start
            had = ZERO if self._is_over(operation) else operation.initial_capital + start
            capital[currency] = capital.get(currency, ZERO) + had
            if operation.position is None:
                continue
            key = currency, operation.broker, operation.symbol
            holding = holdings.get(key)
            if holding is None:
                holding = holdings[key] = _Holding(operation.number)
            factor = operation.multiplier if operation.quantity > 0 else -operation.multiplier
            for lot in operation.lots:
                holding.quantity += lot.quantity * factor
                holding.cost += lot.price * lot.quantity * factor

    def _is_over(self, operation: Operation) -> bool:
        """Whether it was closed before today: its capital is at nobody's disposal."""
        closed_at = operation.closed_at
        return closed_at is not None and closed_at.toordinal() < self._ledger.state.day
