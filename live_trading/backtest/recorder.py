"""What a backtest keeps of its run: bars, the equity at each of them, and the trades as they are completed."""

from array import array
from collections.abc import Sequence

from live_trading.domain.bar_size import BarSize
from live_trading.domain.entries import Entry, OrderFilled
from live_trading.domain.market import Bar
from live_trading.domain.values import TransactionRole
from live_trading.projections.ledger import Ledger
from live_trading.projections.state import Operation, Transaction


class Recorder:
    """Listens to the bars and to the journal of one operation.

    Equity is the capital, what was realised after commissions, and what the open position is worth at the bar's close.
    It is a float, for statistics and charts; the trades' money is exact.
    """

    def __init__(self, ledger: Ledger, operation: Operation, primary: BarSize, *, keeps_bars: bool) -> None:
        self.times = array("q")
        """The ends of the primary bars, in nanoseconds since 1970."""
        self.equity = array("d")
        """At the same times."""
        self.bars: list[Bar] = []
        self.trades: list[Transaction] = []
        """Each EXIT with what it says of its ENTRY, in the order in which they were completed."""
        self.bars_in_position = 0
        self.quantity = 0.0
        self._ledger = ledger
        self._operation = operation
        self._primary = primary
        self._keeps_bars = keeps_bars
        self._settled = float(operation.initial_capital)
        self._cost = 0.0
        self._multiplier = float(operation.multiplier)

    def on_bars(self, bars: Sequence[Bar]) -> None:
        """Note the equity at the close of a primary bar, before anything is made of it."""
        for bar in bars:
            if bar.bar_size is not self._primary:
                continue
            self.times.append(bar.end_ns)
            if self._keeps_bars:
                self.bars.append(bar)
            if self.quantity:
                self.bars_in_position += 1
                self.equity.append(self.value_at(float(bar.close)))
            else:
                self.equity.append(self._settled)

    def value_at(self, price: float) -> float:
        """The equity were the market at ``price``."""
        return self._settled + (price - self._cost) * self.quantity * self._multiplier

    def on_entries(self, entries: Sequence[Entry]) -> None:
        """Take in fills, right after they were folded."""
        for entry in entries:
            if entry.action_type == OrderFilled.ACTION_TYPE:
                self._on_fill(entry.data)
            elif entry.action_type == "COMMISSION_REPORTED":
                self._settle()

    def _on_fill(self, data: OrderFilled) -> None:
        fill = self._ledger.execution(data.broker, data.execution_id)
        if fill is None or fill.operation != self._operation.number:
            return
        self.trades.extend(piece for piece in fill.pieces if piece.role is TransactionRole.EXIT)
        self._settle()

    def _settle(self) -> None:
        operation = self._operation
        self._settled = float(operation.current_capital)
        position = operation.position
        self.quantity = float(operation.quantity)
        self._cost = 0.0 if position is None else float(position.entry_price)
