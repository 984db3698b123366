"""What a person sets when an operation is created: the seed of everything it will do."""

from decimal import Decimal
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from live_trading.domain.bar_size import BarSize
from live_trading.domain.values import (
    AccountType,
    CrashRecoveryMode,
    OrderPurpose,
    PositionSizing,
    StopLossType,
    TakeProfitType,
)

MAX_QUANTITY = Decimal(10) ** 12
MAX_MONEY = Decimal(10) ** 15


class OperationSettings(BaseModel):
    """One strategy trading one asset on one broker account. Field names are those of the collections."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    asset: str = Field(min_length=1, max_length=32, description='what to trade, e.g. "EUR-USD"')
    broker: str = Field(default="paper", min_length=1, max_length=32, description="the broker configuration's name")
    account_type: AccountType = Field(default=AccountType.PAPER, description="PAPER or LIVE")
    bar_sizes: tuple[BarSize, ...] = Field(min_length=1, max_length=8, description="every bar size it sees")
    primary_bar_size: BarSize = Field(description="the bar size whose close triggers the strategy")
    strategy_name: str = Field(
        min_length=1, max_length=500, description="the strategy's registered name, or path/to/file.py:ClassName"
    )
    strategy_config: dict[str, Any] = Field(default_factory=dict, description="the strategy's parameters")
    quantity: Decimal = Field(gt=0, le=MAX_QUANTITY, description="units of each entry, or the most of them")
    position_sizing: PositionSizing = Field(
        default=PositionSizing.FIXED, description="FIXED: quantity; the others: by capital, at most quantity"
    )
    position_sizing_value: Decimal | None = Field(
        default=None, gt=0, le=10, description="fraction of the capital: 0.5 is half of it; null for FIXED"
    )
    entry_valid_bars: int = Field(
        default=3, ge=1, le=1000, description="primary bars after which a resting limit or stop entry is cancelled"
    )
    initial_capital: Decimal = Field(gt=0, le=MAX_MONEY, description="in the asset's quote currency")
    stop_loss_type: StopLossType | None = Field(default=StopLossType.ATR, description="null for no stop")
    stop_loss_value: Decimal | None = Field(
        default=Decimal("1.5"), gt=0, le=MAX_MONEY, description="by the type: 1.5 ATRs, 0.02 …"
    )
    take_profit_type: TakeProfitType | None = Field(default=TakeProfitType.RISK_REWARD, description="null for none")
    take_profit_value: Decimal | None = Field(default=Decimal("2.0"), gt=0, le=MAX_MONEY, description="by the type")
    crash_recovery_mode: CrashRecoveryMode = Field(
        default=CrashRecoveryMode.CLOSE_ALL, description="what to do with an open position after a crash"
    )
    emergency_stop_loss_pct: Decimal = Field(
        default=Decimal("0.05"), gt=0, le=1, description="unrealised loss over entry value that closes in recovery"
    )
    data_retention_bars: int = Field(default=1000, ge=50, le=1_000_000, description="bars kept of each size")

    @property
    def protections(self) -> frozenset[OrderPurpose]:
        """Which protections a position is to have."""
        kinds = {OrderPurpose.STOP_LOSS: self.stop_loss_type, OrderPurpose.TAKE_PROFIT: self.take_profit_type}
        return frozenset(purpose for purpose, kind in kinds.items() if kind is not None)

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.primary_bar_size not in self.bar_sizes:
            raise ValueError("primary_bar_size must be one of bar_sizes")
        if len(set(self.bar_sizes)) != len(self.bar_sizes):
            raise ValueError("bar_sizes names a size twice")
        for kind in ("stop_loss", "take_profit"):
            if (getattr(self, f"{kind}_type") is None) != (getattr(self, f"{kind}_value") is None):
                raise ValueError(f"{kind}_type and {kind}_value go together: give both or neither")
        if (self.position_sizing is PositionSizing.FIXED) != (self.position_sizing_value is None):
            raise ValueError(
                "position_sizing_value goes with PERCENT_OF_CAPITAL and RISK_PER_TRADE, and only with them"
            )
        if self.position_sizing is PositionSizing.RISK_PER_TRADE and self.stop_loss_type is None:
            raise ValueError("position_sizing RISK_PER_TRADE is measured by the stop's distance: set stop_loss_type")
        if self.take_profit_type is TakeProfitType.RISK_REWARD and self.stop_loss_type is None:
            raise ValueError("take_profit_type RISK_REWARD is a multiple of the stop's distance: set stop_loss_type")
        if self.stop_loss_type in (StopLossType.PERCENTAGE, StopLossType.TRAILING) and (self.stop_loss_value or 0) >= 1:
            raise ValueError("stop_loss_value is a fraction of the price for this type: 0.02 is 2 %, 1 or more is not")
        return self


UPDATABLE = frozenset(
    {
        "strategy_config", "quantity", "position_sizing", "position_sizing_value", "entry_valid_bars",
        "stop_loss_type", "stop_loss_value", "take_profit_type", "take_profit_value",
        "crash_recovery_mode", "emergency_stop_loss_pct", "data_retention_bars",
    }
)  # fmt: skip
"""What may be changed after creation. Asset, broker, bar sizes, strategy and capital make an operation what it is."""
