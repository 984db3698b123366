"""The read models' documents, for reading. They are written by the projector alone, from the journal.

Field names are the collections'. ``sequence_number`` is the journal entry that last changed a document: it tells a
reader how fresh it is, and what to look up to know why.
"""

from typing import Any, ClassVar

from beanie import Document, PydanticObjectId
from pydantic import BaseModel, ConfigDict, Field

from live_trading.domain.bar_size import BarSize
from live_trading.domain.values import (
    AccountType,
    CrashRecoveryMode,
    DoubtfulAction,
    OperationStatus,
    OrderPurpose,
    OrderStatus,
    OrderType,
    PositionSizing,
    PositionType,
    RecoveryDecision,
    Side,
    StopLossType,
    TakeProfitType,
    TimeInForce,
    TransactionRole,
)
from live_trading.models.fields import Number, Time
from live_trading.projections.documents import OPERATIONS, ORDERS, POSITIONS, TRADES, TRANSACTIONS
from live_trading.projections.read_models import INDEXES


class ReadModel(Document):
    """What all have. Unknown fields are left out, so that an older reader gets on with a newer writer."""

    model_config = ConfigDict(extra="ignore")

    id: PydanticObjectId = Field(alias="_id", description="made from the number of the entry that brought it about")
    sequence_number: int = Field(description="the journal entry that last changed it")


class ExitIntent(BaseModel):
    """The decision that the position is to be flat; it stands until it is."""

    sequence_number: int = Field(description="the entry that decided it")
    reason: str = Field(description="why")
    recovery: bool = Field(default=False, description="whether recovery decided it")


class LastRecovery(BaseModel):
    """What the last recovery decided for an operation."""

    sequence_number: int = Field(description="the RECOVERY_DECIDED entry")
    decision: RecoveryDecision = Field(description="CLOSE, KEEP or WAIT")
    reason: str = Field(description="why")


class Operation(ReadModel):
    """``trading_operations``: one strategy trading one asset on one broker account."""

    asset: str = Field(description="what it trades, as it was asked for")
    symbol: str = Field(description="what it trades, as the broker's instrument is called")
    broker: str = Field(description="the broker configuration's name")
    account_type: AccountType = Field(description="PAPER or LIVE")
    currency: str = Field(description="the currency of its money, ISO 4217")
    instrument: dict[str, Any] = Field(description="tick size, quantity step, multiplier, hours")
    bar_sizes: list[BarSize] = Field(description="every bar size it sees")
    primary_bar_size: BarSize = Field(description="the bar size whose close triggers the strategy")
    strategy_name: str = Field(description="the strategy's registered name")
    strategy_config: dict[str, Any] = Field(description="the strategy's parameters")
    quantity: Number = Field(description="units of each entry, or the most of them")
    position_sizing: PositionSizing = Field(default=PositionSizing.FIXED, description="how large an entry is")
    position_sizing_value: Number | None = Field(default=None, description="fraction of the capital; null for FIXED")
    entry_valid_bars: int = Field(default=3, description="primary bars after which a resting entry is cancelled")
    status: OperationStatus = Field(description="active, paused, closing, closed or error")
    status_reason: str = Field(default="", description="why it has this status")
    stop_loss_type: StopLossType | None = Field(default=None, description="how the stop's distance is given")
    stop_loss_value: Number | None = Field(default=None, description="by the type")
    take_profit_type: TakeProfitType | None = Field(default=None, description="how the target's distance is given")
    take_profit_value: Number | None = Field(default=None, description="by the type")
    crash_recovery_mode: CrashRecoveryMode = Field(description="what recovery does with an open position")
    emergency_stop_loss_pct: Number = Field(description="unrealised loss over entry value that closes in recovery")
    data_retention_bars: int = Field(description="bars kept of each size")
    created_at: Time = Field(description="when it was created")
    updated_at: Time = Field(description="when anything about it last changed")
    closed_at: Time | None = Field(default=None, description="when it ended")
    initial_capital: Number = Field(description="what it began with")
    current_capital: Number = Field(description="initial capital and total_pnl")
    total_pnl: Number = Field(description="realised, after commissions in its currency")
    total_pnl_pct: Number | None = Field(default=None, description="total_pnl over initial capital, a fraction")
    gross_pnl: Number = Field(description="realised, before commissions")
    total_commission: Number = Field(description="commissions in its currency")
    other_commissions: dict[str, Number] = Field(default_factory=dict, description="commissions in others, by currency")
    trade_count: int = Field(description="completed trades")
    winning_trades: int = Field(description="trades with a net profit")
    losing_trades: int = Field(description="trades with a net loss")
    net_profit: Number = Field(description="sum of the winning trades' net results")
    net_loss: Number = Field(description="sum of the losing trades' net results, negative")
    volume: Number = Field(description="units traded")
    signal_count: int = Field(description="signals its strategy gave")
    refusal_count: int = Field(description="signals the Gatekeeper refused")
    position_id: PydanticObjectId | None = Field(default=None, description="the open position")
    open_quantity: Number = Field(description="the open quantity, signed")
    stop_loss: Number | None = Field(default=None, description="the price of the stop that guards the position")
    take_profit: Number | None = Field(default=None, description="the price of its target")
    exit_intent: ExitIntent | None = Field(default=None, description="the decision to be flat, while it stands")
    last_recovery: LastRecovery | None = Field(default=None, description="what the last recovery decided")

    class Settings:
        name = OPERATIONS
        indexes: ClassVar = list(INDEXES[OPERATIONS])


class Transaction(ReadModel):
    """``transactions``: a fill, or the part of one that opens quantity or closes one lot."""

    operation_id: PydanticObjectId = Field(description="its operation")
    symbol: str = Field(description="what was traded")
    currency: str = Field(description="the currency of price, profit and commission")
    transaction_type: Side = Field(description="BUY or SELL")
    transaction_role: TransactionRole = Field(description="ENTRY opens, EXIT closes")
    position_type: PositionType = Field(description="LONG or SHORT: of the position it belongs to")
    order_id: PydanticObjectId = Field(description="its order")
    execution_id: str = Field(description="the broker's id of the fill")
    purpose: OrderPurpose = Field(description="what its order was for")
    price: Number = Field(description="execution price")
    quantity: Number = Field(description="units, positive")
    commission: Number = Field(description="its share of the fill's commission")
    other_commissions: dict[str, Number] = Field(default_factory=dict, description="if in another currency")
    executed_at: Time = Field(description="when it was executed, by the broker's clock")
    profit: Number = Field(description="of an EXIT, before commissions; 0 for an ENTRY")
    profit_pct: Number | None = Field(default=None, description="profit over what the quantity cost, a fraction")
    related_entry_transaction_id: PydanticObjectId | None = Field(default=None, description="the ENTRY an EXIT matches")
    position_id: PydanticObjectId = Field(description="the position it belongs to")
    notes: str = Field(default="", description="why its order was placed")

    class Settings:
        name = TRANSACTIONS
        indexes: ClassVar = list(INDEXES[TRANSACTIONS])


class Position(ReadModel):
    """``positions``: from flat to flat again. Current price and unrealised profit are in ``position_marks``."""

    operation_id: PydanticObjectId = Field(description="its operation")
    contract_symbol: str = Field(description="what is held")
    broker: str = Field(description="where it is held")
    currency: str = Field(description="the currency of its money")
    position_type: PositionType = Field(description="LONG or SHORT")
    status: str = Field(description="open or closed")
    quantity: Number = Field(description="units, positive long, negative short, 0 when closed")
    peak_quantity: Number = Field(description="the most units it had, unsigned")
    entry_price: Number = Field(description="average over the open lots; of the last lot when closed")
    realized_pnl: Number = Field(description="of what was closed, before commissions")
    stop_loss: Number | None = Field(default=None, description="the stop's price")
    take_profit: Number | None = Field(default=None, description="the target's price")
    opened_at: Time = Field(description="when it was opened")
    closed_at: Time | None = Field(default=None, description="when it was closed")

    class Settings:
        name = POSITIONS
        indexes: ClassVar = list(INDEXES[POSITIONS])


class Order(ReadModel):
    """``orders``: every order that was ever asked for."""

    operation_id: PydanticObjectId = Field(description="its operation")
    client_order_id: str = Field(description="our id for it, known before it was sent")
    broker: str = Field(description="whom it was sent to")
    broker_order_id: str | None = Field(default=None, description="the broker's id for it")
    symbol: str = Field(description="what it trades")
    currency: str = Field(description="the currency of its prices")
    order_type: OrderType = Field(description="MARKET, LIMIT, STOP, STOP_LIMIT or TRAILING_STOP")
    action: Side = Field(description="BUY or SELL")
    purpose: OrderPurpose = Field(description="ENTRY, EXIT, STOP_LOSS or TAKE_PROFIT")
    reason: str = Field(default="", description="why it was placed")
    quantity: Number = Field(description="units asked for")
    price: Number | None = Field(default=None, description="limit price, or the stop's where there is no limit")
    limit_price: Number | None = Field(default=None, description="limit price")
    stop_price: Number | None = Field(default=None, description="stop price")
    trailing_distance: Number | None = Field(default=None, description="how far a TRAILING_STOP stays behind the price")
    time_in_force: TimeInForce = Field(description="how long it stands")
    parent_client_order_id: str | None = Field(default=None, description="the order whose position it protects")
    oca_group: str | None = Field(default=None, description="one fills, the others of the group are cancelled")
    status: OrderStatus = Field(description="where it is in its life")
    detail: str = Field(default="", description="the broker's words, or the evidence for the status")
    doubt: DoubtfulAction | None = Field(default=None, description="the request whose fate is unknown")
    is_working: bool = Field(description="whether it may still be filled")
    cancel_requested: bool = Field(default=False, description="whether a cancel is under way")
    modify_requested: bool = Field(default=False, description="whether a change is under way")
    filled_quantity: Number = Field(description="units filled")
    avg_fill_price: Number | None = Field(default=None, description="average over its fills")
    commission: Number = Field(description="of its fills, in the operation's currency")
    other_commissions: dict[str, Number] = Field(default_factory=dict, description="in others, by currency")
    correlation_id: int = Field(description="the entry that began the chain it belongs to")
    requested_at: Time = Field(description="when it was decided")
    placed_at: Time | None = Field(default=None, description="when the broker had it")
    filled_at: Time | None = Field(default=None, description="when it was last filled, by the broker's clock")
    cancelled_at: Time | None = Field(default=None, description="when it was cancelled")

    class Settings:
        name = ORDERS
        indexes: ClassVar = list(INDEXES[ORDERS])


class Trade(ReadModel):
    """``trades``: completed round trips, an EXIT with the ENTRY it matches."""

    operation_id: PydanticObjectId = Field(description="its operation")
    position_id: PydanticObjectId = Field(description="the position it was part of")
    symbol: str = Field(description="what was traded")
    currency: str = Field(description="the currency of its money")
    position_type: PositionType = Field(description="LONG or SHORT")
    entry_transaction_id: PydanticObjectId = Field(description="the ENTRY")
    exit_transaction_id: PydanticObjectId = Field(description="the EXIT")
    exit_order_id: PydanticObjectId = Field(description="the order that closed it")
    exit_purpose: OrderPurpose = Field(description="what closed it: EXIT, STOP_LOSS, TAKE_PROFIT, or a reversing ENTRY")
    exit_reason: str = Field(default="", description="why the closing order was placed")
    entry_price: Number = Field(description="the ENTRY's price")
    exit_price: Number = Field(description="the EXIT's price")
    quantity: Number = Field(description="units, positive")
    pnl: Number = Field(description="before commissions")
    pnl_pct: Number | None = Field(default=None, description="pnl over the entry value, a fraction")
    total_commission: Number = Field(description="the EXIT's and its share of the ENTRY's")
    other_commissions: dict[str, Number] = Field(default_factory=dict, description="in others, by currency")
    net_pnl: Number = Field(description="pnl after total_commission")
    net_pnl_pct: Number | None = Field(default=None, description="net_pnl over the entry value, a fraction")
    entry_time: Time = Field(description="when it was opened")
    exit_time: Time = Field(description="when it was closed")
    duration_seconds: float = Field(description="how long it lasted")

    class Settings:
        name = TRADES
        indexes: ClassVar = list(INDEXES[TRADES])
