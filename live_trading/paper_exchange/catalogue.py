"""The instruments that the paper exchange lists unless told otherwise.

A synthetic market never closes, so that there is something to trade on a Sunday; with recorded ticks the real hours
apply. Prices are where a synthetic market starts; margin rates and commissions are of the order that brokers charge.
"""

from decimal import Decimal
from pathlib import Path

import yaml
from pydantic import TypeAdapter, ValidationError

from live_trading.domain.errors import InvalidInput
from live_trading.domain.instrument import ALWAYS_OPEN, CME_HOURS, FX_HOURS, US_STOCK_HOURS, Instrument
from live_trading.domain.values import AssetClass
from live_trading.paper_exchange.core.models import Catalogue, CommissionModel, Listing

_FX = CommissionModel(percentage=Decimal("0.00002"), minimum=Decimal("2.00"))
_FUTURE = CommissionModel(per_unit=Decimal("2.25"))
_STOCK = CommissionModel(per_unit=Decimal("0.005"), minimum=Decimal("1.00"))


def _fx(symbol: str, price: str, tick_size: str, volatility: float) -> Listing:
    instrument = Instrument(
        symbol=symbol,
        asset_class=AssetClass.FX,
        currency=symbol.partition("-")[2],
        tick_size=Decimal(tick_size),
        quantity_step=Decimal(1),
        hours=FX_HOURS,
    )
    commission = _FX if instrument.currency == "USD" else CommissionModel(percentage=Decimal("0.00002"))
    return Listing(
        instrument=instrument,
        reference_price=Decimal(price),
        spread_ticks=8,
        margin_rate=Decimal("0.03"),
        volatility=volatility,
        commission=commission,
    )


def _future(symbol: str, price: str, tick_size: str, multiplier: int, volatility: float) -> Listing:
    instrument = Instrument(
        symbol=symbol,
        asset_class=AssetClass.FUTURE,
        currency="USD",
        tick_size=Decimal(tick_size),
        quantity_step=Decimal(1),
        multiplier=Decimal(multiplier),
        hours=CME_HOURS,
    )
    return Listing(
        instrument=instrument,
        reference_price=Decimal(price),
        margin_rate=Decimal("0.06"),
        max_quantity=Decimal(10_000),
        volatility=volatility,
        commission=_FUTURE,
    )


def _stock(symbol: str, price: str, volatility: float) -> Listing:
    instrument = Instrument(
        symbol=symbol,
        asset_class=AssetClass.STOCK,
        currency="USD",
        tick_size=Decimal("0.01"),
        quantity_step=Decimal(1),
        quote_kind="TRADE",
        hours=US_STOCK_HOURS,
    )
    return Listing(
        instrument=instrument,
        reference_price=Decimal(price),
        spread_ticks=2,
        margin_rate=Decimal("0.25"),
        max_quantity=Decimal(1_000_000),
        volatility=volatility,
        commission=_STOCK,
    )


DEFAULT_LISTINGS = (
    _fx("EUR-USD", "1.08500", "0.00001", 0.08),
    _fx("USD-CAD", "1.36500", "0.00001", 0.07),
    _fx("GBP-USD", "1.27000", "0.00001", 0.09),
    _fx("USD-JPY", "151.500", "0.001", 0.10),
    _future("ES", "5200.00", "0.25", 50, 0.16),
    _future("NQ", "18200.00", "0.25", 20, 0.22),
    _future("CL", "78.50", "0.01", 1000, 0.35),
    _stock("SPY", "520.00", 0.16),
    _stock("AAPL", "190.00", 0.28),
)


def default_catalogue(*, always_open: bool = True) -> Catalogue:
    """The default listings; with ``always_open`` no market ever closes."""
    return Catalogue(tuple(_opened(listing) for listing in DEFAULT_LISTINGS) if always_open else DEFAULT_LISTINGS)


def _opened(listing: Listing) -> Listing:
    instrument = listing.instrument.model_copy(update={"hours": ALWAYS_OPEN})
    return listing.model_copy(update={"instrument": instrument})


def read_catalogue(path: Path, *, always_open: bool = False) -> Catalogue:
    """The catalogue of a YAML file, a list in the shape of ``Listing``, over the defaults of other symbols."""
    try:
        own = TypeAdapter(tuple[Listing, ...]).validate_python(yaml.safe_load(path.read_text(encoding="utf-8")))
    except (OSError, yaml.YAMLError, ValidationError) as error:
        raise InvalidInput("instruments", f"{path} cannot be read: {error}", "Give a YAML list of listings") from error
    named = {listing.symbol for listing in own}
    listings = own + tuple(listing for listing in DEFAULT_LISTINGS if listing.symbol not in named)
    return Catalogue(tuple(_opened(listing) for listing in listings) if always_open else listings)
