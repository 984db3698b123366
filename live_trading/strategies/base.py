"""The contract of strategies: what one is given on a closed bar, and what it may ask for."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any, ClassVar, Generic, NamedTuple, TypeVar

import msgspec
from pydantic import BaseModel, ConfigDict

from live_trading.data.indicators import IndicatorSpec
from live_trading.domain.bar_size import BarSize
from live_trading.domain.errors import LiveTradingError
from live_trading.domain.instrument import Instrument
from live_trading.domain.market import Bar
from live_trading.domain.values import SignalType


class StrategyFailed(LiveTradingError):  # noqa: N818 - it tells what happened, as the journal's own names do
    """A strategy raised, answered with something that is not a signal, or exceeded its time budget.

    Its operation is to be held in status ``error``; the bar that triggered it is ``bar``, the reason is in the text.
    """

    def __init__(self, strategy_name: str, bar: Bar, reason: str) -> None:
        super().__init__(
            f"strategy {strategy_name} failed on the {bar.bar_size.value} bar of {bar.symbol} "
            f"from {bar.start.isoformat()}: {reason}. Mend the strategy or its parameters, then resume the operation"
        )
        self.strategy_name = strategy_name
        self.bar = bar
        self.reason = reason


class StrategyParameters(BaseModel):
    """The base of strategies' parameters. Describe every field: the UI builds its form from the descriptions."""

    model_config = ConfigDict(frozen=True, extra="forbid")


@dataclass(frozen=True, slots=True)
class Signal:
    """What a strategy asks for on a closed bar.

    ``reason`` is one sentence for people, ``inputs`` the values it looked at (numbers, strings, booleans). A stop or
    target price given here takes the place of the one the operation's settings would give. An entry is at market; with
    ``limit_price`` it is a limit order, with ``stop_price`` a stop order, with both a stop-limit order.
    """

    type: SignalType
    reason: str
    inputs: Mapping[str, Any] = field(default_factory=dict)
    stop_loss: Decimal | None = None
    take_profit: Decimal | None = None
    limit_price: Decimal | None = None
    stop_price: Decimal | None = None


class StrategyPosition(msgspec.Struct, frozen=True):
    """What the operation holds: signed quantity (negative: short) and average entry price."""

    quantity: Decimal = Decimal(0)
    entry_price: Decimal | None = None

    @property
    def is_flat(self) -> bool:
        return self.quantity == 0

    @property
    def is_long(self) -> bool:
        return self.quantity > 0

    @property
    def is_short(self) -> bool:
        return self.quantity < 0


FLAT = StrategyPosition()

P = TypeVar("P", bound=BaseModel)


class BarContext(NamedTuple, Generic[P]):
    """Everything a strategy may know when a bar of its primary size has closed.

    ``bars`` holds closed bars by size, oldest first: of the primary size up to the one that triggered, of the others
    those that had ended when it ended. ``indicators`` holds, bar for bar in parallel, the values of the declared
    indicators.
    """

    symbol: str
    primary: BarSize
    parameters: P
    bars: Mapping[BarSize, Sequence[Bar]]
    indicators: Mapping[BarSize, Sequence[Mapping[str, float | None]]]
    position: StrategyPosition
    instrument: Instrument | None = None
    """What the operation trades, where it is told: a strategy of options asks it for the strike."""

    @property
    def bar(self) -> Bar:
        """The bar that triggered: the last one of the primary size."""
        return self.bars[self.primary][-1]

    @property
    def now(self) -> datetime:
        """The end of the triggering bar: the market's time, never a clock's, so that a replay sees the same."""
        return self.bar.end

    def value(self, name: str, *, back: int = 0, bar_size: BarSize | None = None) -> float | None:
        """An indicator's value ``back`` bars ago, of the primary size unless told; None while there is none yet."""
        values = self.indicators[bar_size or self.primary]
        return values[-1 - back][name] if back < len(values) else None


class Strategy(ABC, Generic[P]):
    """A trading idea. Stateless: everything it knows is in the context it is given.

    A subclass names itself (``name``) and the model of its parameters (``Parameters``), says how many bars of each size
    it needs before its first signal, and answers each closed bar of the primary size with a signal or None.

    ``heavy`` says that an answer may take long (a model, a table of hundreds of bars): a live engine then runs it in a
    process of its own, so that it holds up nothing but its own operation.
    """

    name: ClassVar[str]
    Parameters: type[P]
    heavy: ClassVar[bool] = False

    def follows(self, parameters: P, instrument: Instrument) -> str:
        """The symbol whose bars it is shown: the traded instrument's own, unless it decides by another one, as a
        strategy of options does by the underlying. Its signals are about the traded instrument all the same."""
        return instrument.symbol

    @abstractmethod
    def warmup(self, parameters: P, primary: BarSize) -> Mapping[BarSize, int]:
        """How many closed bars of each size it needs, the primary one included. Every other size it looks at must be
        named here, and be among the operation's bar sizes."""

    def window(self, parameters: P, primary: BarSize) -> Mapping[BarSize, int]:
        """How many closed bars it wants to be shown where there are so many, of sizes for which that is more than it
        needs: a strategy that trades by the day signals from the day's first bars on, and looks back over all of it."""
        return {}

    def indicators(self, parameters: P, primary: BarSize) -> Mapping[BarSize, Sequence[IndicatorSpec]]:
        """The indicators to keep up for it, by bar size."""
        return {}

    @abstractmethod
    def on_bar(self, context: BarContext[P]) -> Signal | None:
        """Answer the close of a bar of the primary size."""
