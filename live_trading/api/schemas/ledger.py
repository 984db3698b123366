"""Operations and what belongs to them, derived from the read models' documents."""

from datetime import datetime
from decimal import Decimal
from typing import Any, Literal

from pydantic import Field

from live_trading.api.schemas.base import Id, Read, Told, told
from live_trading.domain.bar_size import BarSize
from live_trading.domain.values import CrashRecoveryMode, RecoveryDecision, SignalType
from live_trading.models import ledger

_LIVE = "what the open position would bring at the last price; null without a position or a price"

Operation = told(ledger.Operation, "Operation", unrealized_pnl=(Decimal | None, Field(description=_LIVE)))
Position = told(
    ledger.Position,
    "Position",
    current_price=(Decimal | None, Field(description="the last price; null when closed, or without one")),
    unrealized_pnl=(Decimal | None, Field(description=_LIVE)),
    unrealized_pnl_pct=(Decimal | None, Field(description="over what it cost, a fraction")),
    priced_at=(datetime | None, Field(description="when the market had that price")),
    marked_at=(datetime | None, Field(description="when it was valued")),
)
Order = told(ledger.Order, "Order")
Transaction = told(ledger.Transaction, "Transaction")
Trade = told(ledger.Trade, "Trade")


class OperationDetail(Operation, Read):  # type: ignore[misc, valid-type]
    """One operation with what is open in it."""

    positions: list[Position] = Field(description="the open position, if there is one")  # type: ignore[valid-type]
    working_orders: list[Order] = Field(description="orders that may still be filled")  # type: ignore[valid-type]
    last_trades: list[Trade] = Field(description="the last ten")  # type: ignore[valid-type]


class PositionDetail(Position, Read):  # type: ignore[misc, valid-type]
    """One position."""


class OrderDetail(Order, Read):  # type: ignore[misc, valid-type]
    """One order."""


class TradeWhy(Read):
    """Everything that led to a trade, in the order it happened: signal and its inputs, orders, fills, exit."""

    trade: Trade = Field(description="the trade")  # type: ignore[valid-type]
    entries: list[Any] = Field(description="the journal's entries")


class Bar(Told):
    """A closed bar."""

    timestamp: datetime = Field(description="when it began")
    bar_size: BarSize = Field(description="how long it is")
    asset: str = Field(description="of what")
    open: Decimal = Field(description="the first price")
    high: Decimal = Field(description="the highest price")
    low: Decimal = Field(description="the lowest price")
    close: Decimal = Field(description="the last price")
    volume: Decimal = Field(description="units traded; 0 where the market tells quotes only")
    filled: bool = Field(description="whether it stands for a time without ticks")
    from_history: bool = Field(description="whether it came from the broker's history and not from the live feed")
    indicators: dict[str, float | None] = Field(description="the operation's indicators at its close")


class Bars(Read):
    """Bars, oldest first."""

    items: list[Bar] = Field(description="the bars")
    next_cursor: str | None = Field(description="give it as before for older ones; null at the beginning")


class Signal(Told):
    """What a strategy, or a person, asked for, and what came of it."""

    sequence_number: int = Field(description="its journal entry")
    timestamp: datetime = Field(description="when it was given")
    actor: str = Field(description="engine, or user:<name> for a manual trade")
    signal: SignalType = Field(description="what was asked for")
    symbol: str = Field(description="of what")
    strategy_name: str = Field(description="who asked")
    bar_size: BarSize = Field(description="the bar whose close triggered it")
    bar_start: datetime = Field(description="when that bar began")
    price: Decimal = Field(description="the price it was decided at")
    reason: str = Field(description="why")
    inputs: dict[str, Any] = Field(description="the values it looked at")
    refused: Any = Field(description="null, or the Gatekeeper's rule, detail and numbers")


class Note(Told):
    """What a person wrote down."""

    sequence_number: int = Field(description="its journal entry")
    timestamp: datetime = Field(description="when")
    actor: str = Field(description="who")
    text: str = Field(description="what")


class TradeLogEntry(Told):
    """A trade in ``tradelog.json``. ``pnl`` is after commissions; prices are numbers with every digit."""

    tradeId: str = Field(description="the trade's id")  # noqa: N815 - the file's own names
    instrument: str = Field(description="the symbol")
    timeframe: str = Field(description="the primary bar size")
    tradeType: Literal["Automated", "Manual"] = Field(description="a strategy's, or a person's")  # noqa: N815
    direction: Literal["Long", "Short"] = Field(description="which way")
    entryTime: datetime = Field(description="when it was opened")  # noqa: N815
    entryPrice: float = Field(description="at what price")  # noqa: N815
    exitTime: datetime = Field(description="when it was closed")  # noqa: N815
    exitPrice: float = Field(description="at what price")  # noqa: N815
    stopLoss: float | None = Field(description="where the stop stood; null without one")  # noqa: N815
    targetPrice: float | None = Field(description="where the target stood; null without one")  # noqa: N815
    quantity: float = Field(description="units; a whole number unless the instrument trades in parts")
    pnl: float = Field(description="net result")
    holdingTimeSeconds: int = Field(description="how long it was held")  # noqa: N815
    status: Literal["Win", "Loss", "Breakeven"] = Field(description="the outcome")


class RecoverPreview(Read):
    """What a crash right now would lead to at the next start. Nothing is done."""

    operation_id: Id = Field(description="the operation")
    mode: CrashRecoveryMode = Field(description="its crash_recovery_mode")
    decision: RecoveryDecision | None = Field(description="CLOSE, KEEP or WAIT; null without an open position")
    reason: str = Field(description="why")
    quantity: Decimal = Field(description="the open quantity, signed")
    price: Decimal | None = Field(description="the price it is decided at")
    price_age_seconds: float | None = Field(description="how old that price is")
    unrealized_pnl: Decimal | None = Field(description="what closing would bring")
    unrealized_pnl_pct: Decimal | None = Field(description="over what it cost, a fraction")
    threshold_pct: Decimal | None = Field(description="the emergency stop")
    pauses_afterwards: bool = Field(description="whether the operation would be paused")
