"""How a simulated market treats an order: spread, slippage, liquidity, commission, margin."""

from collections.abc import Iterator
from decimal import ROUND_HALF_UP, Decimal

from pydantic import BaseModel, ConfigDict, Field

from live_trading.domain.errors import InvalidInput
from live_trading.domain.instrument import Instrument
from live_trading.domain.values import AssetClass
from live_trading.paper_exchange.core.types import ZERO
from live_trading.runtime.ids import SeededIds

CENT = Decimal("0.01")


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class CommissionModel(_Model):
    """What an order costs: ``per_unit`` × quantity + ``percentage`` of notional, at least ``minimum`` an order.

    In the instrument's currency, to the cent, and charged by fill: each fill pays what the order so far costs, less
    what it has paid.
    """

    per_unit: Decimal = Field(default=ZERO, ge=0)
    percentage: Decimal = Field(default=ZERO, ge=0, le=1, description="a fraction: 0.001 is a tenth of a per cent")
    minimum: Decimal = Field(default=ZERO, ge=0)

    def total(self, filled: Decimal, notional: Decimal) -> Decimal:
        """What an order costs that has ``filled`` units for ``notional`` money."""
        if not filled:
            return ZERO
        raw = self.per_unit * filled + self.percentage * notional
        return max(self.minimum, raw).quantize(CENT, ROUND_HALF_UP)


class SlippageModel(_Model):
    """How much worse than the quote market and stop orders trade: ``ticks``, and up to ``random_ticks`` more."""

    ticks: int = Field(default=0, ge=0)
    random_ticks: int = Field(default=0, ge=0)

    def draw(self, key: str) -> int:
        """Ticks of slippage; the same ``key`` gives the same."""
        if not self.random_ticks:
            return self.ticks
        return self.ticks + int(SeededIds(key).uniform(0, self.random_ticks + 1 - 1e-9))


class LiquidityModel(_Model):
    """How much of an order one tick can fill."""

    max_fill: Decimal | None = Field(default=None, gt=0, description="the most one order gets at one tick")
    quoted_size: bool = Field(default=False, description="the tick's own size bounds what all orders get at it")
    partial_probability: float = Field(default=0.0, ge=0, le=1, description="how often only a part of it is filled")

    def draw(self, wanted: Decimal, step: Decimal, key: str) -> Decimal:
        """How much of ``wanted`` is filled now: on the grid, at least one step. The same ``key`` gives the same."""
        amount = wanted if self.max_fill is None else min(wanted, self.max_fill)
        if self.partial_probability and amount > step:
            source = SeededIds(key)
            if source.uniform(0, 1) < self.partial_probability:
                amount *= Decimal(str(round(source.uniform(0.1, 0.9), 3)))
        return max(amount // step * step, min(step, wanted))


class Listing(_Model):
    """An instrument with the way its simulated market behaves."""

    instrument: Instrument
    reference_price: Decimal = Field(
        gt=0, description="the price before the first tick, and where a synthetic market starts"
    )
    spread_ticks: int = Field(default=1, ge=0, description="the spread of a market whose ticks are trades only")
    margin_rate: Decimal = Field(default=Decimal("0.05"), gt=0, le=1, description="margin over notional")
    max_quantity: Decimal = Field(default=Decimal(100_000_000), gt=0)
    volatility: float = Field(default=0.1, ge=0, le=5, description="a year's, of the synthetic market")
    commission: CommissionModel = CommissionModel()
    slippage: SlippageModel = SlippageModel()
    liquidity: LiquidityModel = LiquidityModel()

    @property
    def symbol(self) -> str:
        return self.instrument.symbol

    @property
    def currencies(self) -> tuple[str, str] | None:
        """Base and quote of a currency pair named like ``"EUR-USD"``; None for anything else."""
        base, separator, quote = self.symbol.partition("-")
        if self.instrument.asset_class is not AssetClass.FX or not separator:
            return None
        return base, quote


class AccountSettings(_Model):
    """An account and what was paid into it."""

    account: str = Field(default="PAPER-1", min_length=1, max_length=32)
    currency: str = Field(default="USD", pattern=r"^[A-Z]{3}$")
    cash: Decimal = Field(default=Decimal(1_000_000), ge=0, description="in the account's currency")


class Catalogue:
    """The instruments of an exchange, by symbol. Every currency must convert to every account's: see ``rate``."""

    def __init__(self, listings: tuple[Listing, ...]) -> None:
        self._by_symbol = {listing.symbol: listing for listing in listings}
        if len(self._by_symbol) != len(listings):
            raise InvalidInput("instruments", "a symbol is listed twice", "List each symbol once")
        self._pairs = {pair: listing.symbol for listing in listings if (pair := listing.currencies)}

    def __iter__(self) -> Iterator[Listing]:
        return iter(self._by_symbol.values())

    def __len__(self) -> int:
        return len(self._by_symbol)

    def __contains__(self, symbol: object) -> bool:
        return symbol in self._by_symbol

    def get(self, symbol: str) -> Listing | None:
        return self._by_symbol.get(symbol)

    def __getitem__(self, symbol: str) -> Listing:
        return self._by_symbol[symbol]

    def pair(self, base: str, quote: str) -> str | None:
        """The symbol of a currency pair."""
        return self._pairs.get((base, quote))

    def check_currencies(self, account_currency: str) -> None:
        """Raise :class:`InvalidInput` unless every listing's currency has a rate to ``account_currency``."""
        for listing in self._by_symbol.values():
            currency = listing.instrument.currency
            if currency == account_currency:
                continue
            if not (self.pair(currency, account_currency) or self.pair(account_currency, currency)):
                raise InvalidInput(
                    f"instruments.{listing.symbol}.currency",
                    f"{currency} cannot be converted to the account's {account_currency}",
                    f"List {currency}-{account_currency} or {account_currency}-{currency} too",
                )
