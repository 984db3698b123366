"""Accounts: positions in lots, first in first out, and money that adds up to the last digit.

Nothing here divides (except to show an average price), so realised profit is exact: the sum of an account's cash is
what was paid in, plus what its closed lots made, less its commissions.
"""

from collections import deque
from collections.abc import Callable, Iterable
from decimal import Decimal

from live_trading.paper_exchange.core.models import AccountSettings, Catalogue
from live_trading.paper_exchange.core.types import ZERO, AccountView, Execution, ExecutionKind, Position

Mark = Callable[[str], Decimal]


class Lots:
    """The open lots of one account in one instrument, and what the closed ones made (price × quantity × multiplier)."""

    def __init__(self, multiplier: Decimal) -> None:
        self._multiplier = multiplier
        self._open: deque[tuple[Decimal, Decimal]] = deque()  # (signed quantity, price)
        self.quantity = ZERO
        self.realised = ZERO

    def apply(self, signed_quantity: Decimal, price: Decimal) -> None:
        """Buy (positive) or sell (negative): lots of the other sign are closed first, oldest first."""
        self.quantity += signed_quantity
        left = signed_quantity
        while left and self._open and (self._open[0][0] > 0) != (left > 0):
            held, entry_price = self._open[0]
            closed = min(abs(held), abs(left))
            direction = 1 if held > 0 else -1
            self.realised += (price - entry_price) * closed * direction * self._multiplier
            left += closed * direction
            if closed == abs(held):
                self._open.popleft()
            else:
                self._open[0] = (held - closed * direction, entry_price)
        if left:
            self._open.append((left, price))

    @property
    def average_price(self) -> Decimal:
        if not self.quantity:
            return ZERO
        return sum((abs(held) * price for held, price in self._open), ZERO) / abs(self.quantity)

    def unrealised(self, mark: Decimal) -> Decimal:
        return sum(((mark - price) * held for held, price in self._open), ZERO) * self._multiplier


class AccountLedger:
    """One account: its execution log and all that follows from it."""

    def __init__(self, settings: AccountSettings, catalogue: Catalogue) -> None:
        self.settings = settings
        self._catalogue = catalogue
        self.lots: dict[str, Lots] = {}
        self.executions: list[Execution] = []
        self._by_id: dict[str, int] = {}  # execution id -> index of the row that holds now
        self._numbered: list[int] = []  # number - 1 -> index of its row
        self.last_number = 0
        self._commissions: dict[str, Decimal] = {}

    def append(self, row: Execution) -> None:
        """Add a row. A correction's predecessor must have been superseded before."""
        if row.number:
            assert row.number == self.last_number + 1, "execution numbers have no gap"
            self.last_number = row.number
            self._numbered.append(len(self.executions))
        self.executions.append(row)
        if row.moves_position:
            if row.execution_id:
                self._by_id[row.execution_id] = len(self.executions) - 1
            self._charge(row, 1)
            self._lots_of(row.symbol).apply(row.signed_quantity, row.price)

    def current(self, execution_id: str) -> Execution | None:
        """The row that holds the values of an execution now."""
        index = self._by_id.get(execution_id)
        return None if index is None else self.executions[index]

    def after(self, number: int) -> list[Execution]:
        """What a client that knows the log up to ``number`` must learn, oldest first.

        A commission told late repeats its execution, now with it, unless the execution itself is told here."""
        rows = []
        for index in self._numbered[number:]:
            row = self.executions[index]
            if row.kind is not ExecutionKind.COMMISSION:
                rows.append(row)
            elif (charged := self.current(row.execution_id)) is not None and charged.number <= number:
                rows.append(charged)
        return rows

    def amend(self, row: Execution) -> None:
        """Put ``row`` in place of the row with its ``entry`` (superseded, or its commission told)."""
        index = self._by_id[row.execution_id]
        assert self.executions[index].entry == row.entry, "only the row that holds now can be amended"
        self._charge(self.executions[index], -1)
        self.executions[index] = row
        self._charge(row, 1)

    def _charge(self, row: Execution, sign: int) -> None:
        if row.moves_position and row.commission:
            currency = row.commission_currency
            self._commissions[currency] = self._commissions.get(currency, ZERO) + sign * row.commission

    def correct(self, old: Execution, new: Execution) -> None:
        """Supersede ``old`` (already marked so) by ``new``; positions and profit are computed again."""
        self.amend(old)
        self.append(new)
        self._recompute(new.symbol)

    def _recompute(self, symbol: str) -> None:
        """Fold the log again with each correction in the place of the fill that it corrects."""
        place: dict[str, int] = {}
        for row in self.executions:
            if row.execution_id and row.symbol == symbol:
                place.setdefault(row.execution_id, row.entry)
        rows = [row for row in self.executions if row.symbol == symbol and row.moves_position]
        lots = Lots(self._catalogue[symbol].instrument.multiplier)
        for row in sorted(rows, key=lambda row: place.get(row.execution_id, row.entry)):
            lots.apply(row.signed_quantity, row.price)
        self.lots[symbol] = lots

    def restore(self, rows: Iterable[Execution]) -> None:
        """Rebuild from the stored log, oldest first."""
        corrected = set()
        for row in rows:
            self.append(row)
            if row.revision:
                corrected.add(row.symbol)
        for symbol in corrected:
            self._recompute(symbol)

    def _lots_of(self, symbol: str) -> Lots:
        lots = self.lots.get(symbol)
        if lots is None:
            lots = self.lots[symbol] = Lots(self._catalogue[symbol].instrument.multiplier)
        return lots

    def quantity(self, symbol: str) -> Decimal:
        lots = self.lots.get(symbol)
        return ZERO if lots is None else lots.quantity

    def position(self, symbol: str) -> Position:
        lots = self._lots_of(symbol)
        return Position(self.settings.account, symbol, lots.quantity, lots.average_price, lots.realised)

    def positions(self) -> list[Position]:
        """All positions that are not flat, by symbol."""
        return [self.position(symbol) for symbol, lots in sorted(self.lots.items()) if lots.quantity]

    def cash(self) -> dict[str, Decimal]:
        """Money by currency: paid in, plus realised, less commissions (charged with the fill, told or not)."""
        cash = {self.settings.currency: self.settings.cash}
        for symbol, lots in self.lots.items():
            currency = self._catalogue[symbol].instrument.currency
            cash[currency] = cash.get(currency, ZERO) + lots.realised
        for currency, commission in self._commissions.items():
            cash[currency] = cash.get(currency, ZERO) - commission
        return cash

    def rate(self, currency: str, mark: Mark) -> Decimal:
        """How much of the account's currency one unit of ``currency`` is worth."""
        own = self.settings.currency
        if currency == own:
            return Decimal(1)
        if symbol := self._catalogue.pair(currency, own):
            return mark(symbol)
        symbol = self._catalogue.pair(own, currency)
        assert symbol is not None, "the catalogue was checked for conversions"
        return 1 / mark(symbol)

    def margin(self, mark: Mark, without: str | None = None) -> Decimal:
        """What the positions bind, in the account's currency; leaving out ``without``."""
        return sum(
            (self.margin_of(symbol, lots.quantity, mark) for symbol, lots in self.lots.items() if symbol != without),
            ZERO,
        )

    def margin_of(self, symbol: str, quantity: Decimal, mark: Mark) -> Decimal:
        if not quantity:
            return ZERO
        listing = self._catalogue[symbol]
        notional = abs(quantity) * mark(symbol) * listing.instrument.multiplier
        return notional * listing.margin_rate * self.rate(listing.instrument.currency, mark)

    def equity(self, mark: Mark) -> Decimal:
        """Cash and unrealised profit, in the account's currency."""
        money = self.cash()
        for symbol, lots in self.lots.items():
            if lots.quantity:
                currency = self._catalogue[symbol].instrument.currency
                money[currency] = money.get(currency, ZERO) + lots.unrealised(mark(symbol))
        return sum((amount * self.rate(currency, mark) for currency, amount in money.items() if amount), ZERO)

    def view(self, mark: Mark) -> AccountView:
        return AccountView(
            self.settings.account,
            self.settings.currency,
            self.cash(),
            self.equity(mark).quantize(Decimal("0.01")),
            self.margin(mark).quantize(Decimal("0.01")),
        )
