"""The exchange's listings as TWS contracts, and back."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from zlib import crc32
from zoneinfo import ZoneInfo

from live_trading.domain.instrument import TradingHours
from live_trading.domain.values import AssetClass
from live_trading.paper_exchange.core.models import Catalogue, Listing
from live_trading.paper_exchange.protocols.tws.frames import Fields, Value, number

NEVER_EXPIRES = "20991218"
"""Of a future that is listed without a date."""
_EXCHANGES = {"CL": "NYMEX", "NG": "NYMEX", "GC": "COMEX", "SI": "COMEX", "YM": "CBOT", "ZN": "CBOT", "ZB": "CBOT"}
_ORDER_TYPES = "LMT,MKT,STP,STP LMT,TRAIL,GTC,DAY,IOC,OCA"
_SCHEDULE_DAYS = 8


@dataclass(frozen=True, slots=True)
class TwsContract:
    """A contract as TWS describes it."""

    con_id: int
    symbol: str
    sec_type: str
    expiry: str
    strike: Decimal
    right: str
    multiplier: str
    exchange: str
    primary_exchange: str
    currency: str
    local_symbol: str
    trading_class: str

    def fields(self) -> tuple[Value, ...]:
        """As in openOrder, execDetails and position."""
        return (
            self.con_id, self.symbol, self.sec_type, self.expiry, self.strike, self.right, self.multiplier,
            self.exchange, self.currency, self.local_symbol, self.trading_class,
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class AskedContract:
    """A contract as a client describes it: empty is anything."""

    con_id: int
    symbol: str
    sec_type: str
    expiry: str
    strike: Decimal
    right: str
    exchange: str
    currency: str
    local_symbol: str

    @classmethod
    def read(cls, fields: Fields) -> "AskedContract":
        """Twelve fields, in the order of every request."""
        con_id, symbol, sec_type, expiry = fields.integer(), fields.text(), fields.text(), fields.text()
        strike, right = fields.decimal() or Decimal(0), fields.text()
        fields.skip(1)  # multiplier
        exchange = fields.text()
        fields.skip(1)  # primary exchange
        currency, local_symbol = fields.text(), fields.text()
        fields.skip(1)  # trading class
        return cls(con_id, symbol, sec_type, expiry, strike, right, exchange, currency, local_symbol)

    def matches(self, contract: TwsContract) -> bool:
        if self.con_id:
            return self.con_id == contract.con_id
        if not (self.symbol or self.local_symbol):
            return False
        exact = (
            (self.symbol, contract.symbol),
            (self.sec_type, contract.sec_type),
            (self.right[:1].upper(), contract.right),
            (self.currency, contract.currency),
            (self.local_symbol, contract.local_symbol),
        )
        if any(asked and asked != known for asked, known in exact):
            return False
        if self.exchange not in ("", "SMART", contract.exchange, contract.primary_exchange):
            return False
        return contract.expiry.startswith(self.expiry) and self.strike in (0, contract.strike)


class ContractBook:
    """All contracts of a catalogue."""

    def __init__(self, catalogue: Catalogue) -> None:
        self._catalogue = catalogue
        self._by_symbol = {listing.symbol: _contract(listing) for listing in catalogue}
        self._symbols = {contract.con_id: symbol for symbol, contract in self._by_symbol.items()}
        assert len(self._symbols) == len(self._by_symbol), "two symbols share a contract id"

    def __getitem__(self, symbol: str) -> TwsContract:
        return self._by_symbol[symbol]

    def find(self, asked: AskedContract) -> list[str]:
        """The symbols of the contracts described, soonest expiry first."""
        found = [symbol for symbol, contract in self._by_symbol.items() if asked.matches(contract)]
        return sorted(found, key=lambda symbol: (self._by_symbol[symbol].expiry, symbol))

    def details(self, symbol: str, version: int, now: datetime) -> Iterator[Value]:
        """The fields of contractDetails after the request's id."""
        listing, contract = self._catalogue[symbol], self._by_symbol[symbol]
        instrument = listing.instrument
        hours = _schedule(instrument.hours, now)
        yield from (contract.symbol, contract.sec_type, contract.expiry, contract.strike, contract.right)
        yield from (contract.exchange, contract.currency, contract.local_symbol, contract.local_symbol)
        yield from (contract.trading_class, contract.con_id, instrument.tick_size)
        if version < 164:
            yield 100  # size multiplier of market data
        yield from (contract.multiplier, _ORDER_TYPES, contract.exchange, 1, 0)
        yield from (symbol, contract.primary_exchange, contract.expiry[:6], "", "", "")
        yield from (instrument.hours.timezone, hours, hours, "", 0, 0)
        under_type = "STK" if instrument.option is not None else ""
        under = instrument.option.underlying if instrument.option is not None else ""
        yield from (1, under, under_type, "26", contract.expiry, "")
        if version == 163:
            yield instrument.quantity_step
        elif version >= 164:
            yield from (instrument.quantity_step, instrument.quantity_step, instrument.quantity_step)


def _contract(listing: Listing) -> TwsContract:
    instrument = listing.instrument
    con_id = 100_000_000 + crc32(instrument.symbol.encode()) % 800_000_000
    name, currency = instrument.symbol, instrument.currency
    if instrument.asset_class is AssetClass.FX:
        base = name.partition("-")[0]
        pair = f"{base}.{currency}"
        return TwsContract(con_id, base, "CASH", "", Decimal(0), "", "", "IDEALPRO", "", currency, pair, pair)
    if instrument.option is not None:
        option = instrument.option
        expiry, right = option.expiry.replace("-", ""), option.right.value[0]
        local = f"{option.underlying:<6}{expiry[2:]}{right}{int(option.strike * 1000):08d}"
        return TwsContract(
            con_id, option.underlying, "OPT", expiry, option.strike, right, number(instrument.multiplier), "SMART",
            "CBOE", currency, local, option.underlying,
        )  # fmt: skip
    if instrument.asset_class is AssetClass.FUTURE:
        root, _, expiry = name.partition("-")
        expiry = expiry or NEVER_EXPIRES
        exchange = _EXCHANGES.get(root, "CME")
        return TwsContract(
            con_id, root, "FUT", expiry, Decimal(0), "", number(instrument.multiplier), exchange, "", currency,
            f"{root}{expiry[2:6]}", root,
        )  # fmt: skip
    return TwsContract(con_id, name, "STK", "", Decimal(0), "", "", "SMART", "NASDAQ", currency, name, "NMS")


def _schedule(hours: TradingHours, now: datetime) -> str:
    """Trading hours of the next days, as ``20261130:0930-20261130:1600;20261201:…`` in the exchange's time zone."""
    zone = ZoneInfo(hours.timezone)
    day = now.astimezone(zone).replace(hour=0, minute=0, second=0, microsecond=0)
    days = [day + timedelta(days=offset) for offset in range(_SCHEDULE_DAYS)]
    if hours.never_closes:
        return ";".join(f"{d:%Y%m%d}:0000-{d + timedelta(days=1):%Y%m%d}:0000" for d in days)
    spans = []
    for d in days:
        weekday = f"{d:%a}".upper()
        for opening, closing in hours.sessions:
            if not opening.startswith(weekday):
                continue
            names = ("MON", "TUE", "WED", "THU", "FRI", "SAT", "SUN")
            ends = d + timedelta(days=(names.index(closing[:3]) - names.index(opening[:3])) % 7)
            start, end = opening[4:].replace(":", ""), closing[4:].replace(":", "")
            spans.append(f"{d:%Y%m%d}:{start}-{ends:%Y%m%d}:{end}")
    return ";".join(spans)
