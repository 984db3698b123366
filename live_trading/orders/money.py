"""Marked-to-market money: what open positions are worth now, and what a day has lost."""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import NamedTuple

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


class _Share(NamedTuple):
    """What one operation adds to its currency's day, and to what is held of its symbol."""

    realised: Decimal
    capital: Decimal
    quantity: Decimal
    cost: Decimal

    @classmethod
    def of(cls, operation: Operation, day: int) -> "_Share":
        """``day`` is today's: what was closed before it has no capital at anybody's disposal."""
        start, quantity, cost = operation.day_start_pnl, ZERO, ZERO
        if operation.position is not None:
            factor = operation.multiplier if operation.quantity > 0 else -operation.multiplier
            for lot in operation.lots:
                quantity += lot.quantity * factor
                cost += lot.price * lot.quantity * factor
        is_over = operation.closed_at is not None and operation.closed_at.toordinal() < day
        capital = ZERO if is_over else operation.initial_capital + start
        return cls(operation.total_pnl - start, capital, quantity, cost)

    def is_spelled_as(self, other: "_Share | None") -> bool:
        """Whether all of it is the same, down to the digits after the point: the sums are shown to people."""
        return other is not None and not any(mine.compare_total(its) for mine, its in zip(self, other, strict=True))


class DayResults:
    """The day so far by currency.

    Asked for before every entry. An operation's share is worked out anew when an entry has touched it, the sums when
    a share has changed (by a fill, or a new day), and positions in one symbol are taken together: so an answer costs
    nearly the same with one operation and with hundreds.
    """

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._as_of = self._day = -1
        self._shares: dict[int, _Share] = {}
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
        state, shares = self._ledger.state, self._shares
        as_of = self._as_of if state.day == self._day else -1  # on a new day everybody begins anew, without an entry
        self._as_of, self._day = state.sequence_number, state.day
        has_changed = False
        for number, operation in state.operations.items():
            if operation.touched > as_of:
                share = _Share.of(operation, state.day)
                if not share.is_spelled_as(shares.get(number)):
                    shares[number], has_changed = share, True
        if has_changed:
            self._add_up()

    def _add_up(self) -> None:
        realised, capital, holdings = self._realised, self._capital, self._holdings
        realised.clear()
        capital.clear()
        holdings.clear()
        operations = self._ledger.state.operations
        for number, share in self._shares.items():
            operation = operations[number]
            currency = operation.currency
            realised[currency] = realised.get(currency, ZERO) + share.realised
            capital[currency] = capital.get(currency, ZERO) + share.capital
            if operation.position is None:
                continue
            key = currency, operation.broker, operation.symbol
            holding = holdings.get(key)
            if holding is None:
                holding = holdings[key] = _Holding(number)
            holding.quantity += share.quantity
            holding.cost += share.cost
