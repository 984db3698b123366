"""v20's ways to write names, numbers, times and errors."""

from collections.abc import Iterable
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from starlette.exceptions import HTTPException

from live_trading.domain.market import ns_from_utc
from live_trading.domain.values import AssetClass
from live_trading.paper_exchange.core import Listing
from live_trading.runtime import utc_from_ns

_SECOND = 1_000_000_000
_TIMES = ("time", "Time", "from", "to")

Json = dict[str, Any]


class V20Problem(HTTPException):
    """An answer that is no good one. ``body`` is v20's: ``errorMessage``, often ``errorCode`` and transactions."""

    def __init__(self, status: int, message: str, code: str | None = None, **more: Any) -> None:
        super().__init__(status, message)
        self.body: Json = {**more, "errorMessage": message, **({} if code is None else {"errorCode": code})}


class Names:
    """v20's instrument names and the exchange's symbols: ``EUR_USD`` is ``EUR-USD``, ``SPY_USD`` is ``SPY``.

    A unit is worth its price at OANDA, so instruments with a multiplier are not listed."""

    def __init__(self, listings: Iterable[Listing]) -> None:
        self.listings = {_name(each): each for each in listings if each.instrument.multiplier == 1}
        self._names = {listing.symbol: name for name, listing in self.listings.items()}

    def listing(self, name: object) -> Listing | None:
        return self.listings.get(name) if isinstance(name, str) else None

    def name(self, symbol: str) -> str | None:
        """v20's name; None where it is not listed."""
        return self._names.get(symbol)


def _name(listing: Listing) -> str:
    if listing.currencies is not None:
        return "_".join(listing.currencies)
    return f"{listing.symbol.replace('-', '_')}_{listing.instrument.currency}"


def decimals(step: Decimal) -> int:
    """How many decimals a grid of this step has."""
    exponent = step.normalize().as_tuple().exponent
    assert isinstance(exponent, int)
    return max(0, -exponent)


def price_text(listing: Listing, price: Decimal) -> str:
    return f"{price:.{decimals(listing.instrument.tick_size)}f}"


def number(value: Decimal) -> str:
    """A decimal as v20 writes one: no exponent, no zeros at its end."""
    text = f"{value:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def money(value: Decimal) -> str:
    return f"{value:.4f}"


def stamp(time_ns: int) -> str:
    """RFC 3339 with nanoseconds."""
    return f"{utc_from_ns(time_ns):%Y-%m-%dT%H:%M:%S}.{time_ns % _SECOND:09d}Z"


def parse_time(text: str) -> int:
    """Nanoseconds of a time in RFC 3339 or in seconds since 1970; ``ValueError`` for anything else."""
    try:
        return int(Decimal(text) * _SECOND)
    except ArithmeticError:
        pass
    head, _, fraction = text.removesuffix("Z").partition(".")
    moment = datetime.fromisoformat(head)
    moment = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment
    return ns_from_utc(moment) + int((fraction or "0")[:9].ljust(9, "0"))


def public(transaction: Json) -> Json:
    """A transaction without what is the record's own."""
    return {key: value for key, value in transaction.items() if not key.startswith("_")}


def in_unix_times(value: Any) -> Any:
    """The same answer with times in seconds since 1970 (``Accept-Datetime-Format: UNIX``)."""
    if isinstance(value, list):
        return [in_unix_times(each) for each in value]
    if not isinstance(value, dict):
        return value
    return {key: _in_unix(key, each) for key, each in value.items()}


def _in_unix(key: str, value: Any) -> Any:
    if isinstance(value, str) and key.endswith(_TIMES) and value.endswith("Z"):
        time_ns = parse_time(value)
        return f"{time_ns // _SECOND}.{time_ns % _SECOND:09d}"
    return in_unix_times(value)


def instrument_json(name: str, listing: Listing) -> Json:
    instrument = listing.instrument
    precision = decimals(instrument.tick_size)
    is_currency = instrument.asset_class is AssetClass.FX
    return {
        "name": name,
        "type": "CURRENCY" if is_currency else "CFD",
        "displayName": name.replace("_", "/"),
        "pipLocation": 1 - precision if is_currency else -precision,
        "displayPrecision": precision,
        "tradeUnitsPrecision": decimals(instrument.quantity_step),
        "minimumTradeSize": number(instrument.quantity_step),
        "maximumTrailingStopDistance": "1.00000" if is_currency else "10000",
        "minimumTrailingStopDistance": number(instrument.tick_size),
        "maximumPositionSize": "0",
        "maximumOrderUnits": number(listing.max_quantity),
        "marginRate": number(listing.margin_rate),
        "tags": [],
    }
