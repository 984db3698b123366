"""What came of a backtest."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from live_trading.domain.entries import Entry
from live_trading.domain.instrument import Instrument
from live_trading.domain.market import Bar
from live_trading.domain.operation import OperationSettings
from live_trading.projections.state import Operation, Transaction


@dataclass(frozen=True, slots=True)
class OpenPosition:
    """What was still held when the data ended, at its last price."""

    quantity: Decimal
    entry_price: Decimal
    last_price: Decimal
    unrealized_pnl: Decimal
    opened_at: datetime


@dataclass(frozen=True, slots=True)
class BacktestResult:
    """One run. ``times`` (ends of the primary bars, nanoseconds since 1970) and ``equity`` go together, as do ``bars``
    where they were kept; ``entries`` is the whole journal; ``trades`` are EXITs with what they say of their ENTRY."""

    source: str
    settings: OperationSettings
    instrument: Instrument
    operation: Operation
    first: datetime
    last: datetime
    ticks: int
    source_bars: int
    times: Sequence[int]
    equity: Sequence[float]
    bars: Sequence[Bar]
    bars_in_position: int
    trades: Sequence[Transaction]
    entries: Sequence[Entry]
    journal_hash: bytes
    open_position: OpenPosition | None
    seconds: float
    """How long it took, on the machine's clock."""

    @property
    def currency(self) -> str:
        return self.instrument.currency

    @property
    def count(self) -> int:
        """How many ticks or bars were played."""
        return self.ticks or self.source_bars
