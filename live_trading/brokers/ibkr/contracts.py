"""Our symbols and IB's contracts.

========================  ======================================================
symbol                    contract
========================  ======================================================
``EUR-USD``               CASH EUR.USD on IDEALPRO
``SPY``, ``SAP:EUR``      STK, routed SMART, in USD or in the currency named
``ES``                    FUT: the soonest expiry that is not yet to be rolled; its instrument is named ``ES-20261218``
``ES-20261218``           FUT of that last trading day (or ``ES-202612``, of that month)
``SPY-20261218-C-520``    OPT: last day, right and strike
========================  ======================================================

A position is always named by its whole contract, so that one in an expired or rolled future is never taken for one in
the next. Source of the fields: ib_async's ``contract.py``.
"""

import re
from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from itertools import pairwise

from ib_async.contract import Contract, ContractDetails

from live_trading.domain.errors import InvalidInput
from live_trading.domain.instrument import (
    ALWAYS_OPEN,
    CME_HOURS,
    FX_HOURS,
    US_STOCK_HOURS,
    Instrument,
    OptionContract,
    TradingHours,
)
from live_trading.domain.values import AssetClass, OptionRight

FUTURES = {
    "ES": "CME", "MES": "CME", "NQ": "CME", "MNQ": "CME", "RTY": "CME", "M2K": "CME", "6E": "CME", "6B": "CME",
    "6J": "CME", "BTC": "CME", "MBT": "CME", "ETH": "CME", "YM": "CBOT", "MYM": "CBOT", "ZN": "CBOT", "ZB": "CBOT",
    "ZF": "CBOT", "ZT": "CBOT", "ZC": "CBOT", "ZS": "CBOT", "ZW": "CBOT", "CL": "NYMEX", "MCL": "NYMEX",
    "NG": "NYMEX", "RB": "NYMEX", "HO": "NYMEX", "GC": "COMEX", "MGC": "COMEX", "SI": "COMEX", "HG": "COMEX",
}  # fmt: skip
"""Roots that name a future by themselves, with their exchange."""
ROLL_DAYS = 8
"""A future is rolled so many days before its last trading day (equity index futures roll on the Thursday of the week
before their expiry)."""
_PAIR = re.compile(r"([A-Z]{3})-([A-Z]{3})")
_FUTURE = re.compile(r"([A-Z0-9]{1,8})-(\d{6}|\d{8})")
_OPTION = re.compile(r"([A-Z0-9.]{1,10})-(\d{8})-([CP])-(\d+(?:\.\d+)?)")
_STOCK = re.compile(r"([A-Z0-9. ]{1,12})(?::([A-Z]{3}))?")
_CLASSES = {
    "CASH": AssetClass.FX,
    "STK": AssetClass.STOCK,
    "FUT": AssetClass.FUTURE,
    "OPT": AssetClass.OPTION,
    "FOP": AssetClass.OPTION,
}
_CME_EXCHANGES = frozenset({"CME", "GLOBEX", "CBOT", "ECBOT", "NYMEX", "COMEX"})
_DAYS = ("MON", "TUE", "WED", "THU", "FRI", "SAT", "SUN")


def number(value: float) -> Decimal:
    """A double as TWS sent it: the shortest text that reads back as the same."""
    text = repr(float(value))
    return Decimal(text.removesuffix(".0"))


def contract_of(symbol: str) -> Contract:
    """What to ask TWS for; :class:`InvalidInput` for a symbol of no known form."""
    if found := _PAIR.fullmatch(symbol):
        return Contract(secType="CASH", symbol=found[1], currency=found[2], exchange="IDEALPRO")
    if found := _OPTION.fullmatch(symbol):
        return Contract(
            secType="OPT", symbol=found[1], lastTradeDateOrContractMonth=found[2], right=found[3],
            strike=float(found[4]), exchange="SMART", currency="USD",
        )  # fmt: skip
    if found := _FUTURE.fullmatch(symbol):
        exchange = FUTURES.get(found[1], "")
        return Contract(secType="FUT", symbol=found[1], lastTradeDateOrContractMonth=found[2], exchange=exchange)
    if symbol in FUTURES:
        return Contract(secType="FUT", symbol=symbol, exchange=FUTURES[symbol])
    if found := _STOCK.fullmatch(symbol):
        return Contract(secType="STK", symbol=found[1], exchange="SMART", currency=found[2] or "USD")
    raise InvalidInput("asset", f'"{symbol}" is not a symbol', "Such as EUR-USD, SPY, ES, ES-20261218")


def symbol_of(contract: Contract) -> str:
    """Our name for a contract that TWS described."""
    expiry = contract.lastTradeDateOrContractMonth[:8]
    match contract.secType:
        case "CASH":
            return f"{contract.symbol}-{contract.currency}"
        case "FUT":
            return f"{contract.symbol}-{expiry}"
        case "OPT" | "FOP":
            return f"{contract.symbol}-{expiry}-{contract.right[:1]}-{number(contract.strike):f}"
        case "STK":
            return contract.symbol if contract.currency == "USD" else f"{contract.symbol}:{contract.currency}"
    return f"{contract.secType}:{contract.localSymbol or contract.symbol}"[:32]


def choose(found: Sequence[ContractDetails], symbol: str, today: date, roll_days: int = ROLL_DAYS) -> ContractDetails:
    """The one contract meant: of several futures the soonest that is not to be rolled yet."""
    known = [details for details in found if details.contract is not None]
    if len(known) == 1:
        return known[0]
    dated = sorted((last_day(details), index) for index, details in enumerate(known) if _has_day(details))
    if symbol in FUTURES and dated:
        for last, index in dated:
            if today < last - timedelta(days=roll_days):
                return known[index]
    if not known or symbol in FUTURES:
        raise InvalidInput("asset", f"IB lists no {symbol} that can be traded now", "Check the symbol and its expiry")
    if _FUTURE.fullmatch(symbol) and dated:
        return known[dated[0][1]]
    names = ", ".join(symbol_of(details.contract) for details in known[:5] if details.contract is not None)
    raise InvalidInput("asset", f"{symbol} names {len(known)} contracts at IB ({names} …)", "Name one of them")


def _has_day(details: ContractDetails) -> bool:
    return details.contract is not None and len(details.contract.lastTradeDateOrContractMonth) >= 8


def last_day(details: ContractDetails) -> date:
    """The last day a contract trades, in the exchange's time zone."""
    assert details.contract is not None
    return datetime.strptime(details.contract.lastTradeDateOrContractMonth[:8] + "+0000", "%Y%m%d%z").date()


def instrument_of(details: ContractDetails) -> Instrument:
    """The instrument that TWS described."""
    contract = details.contract
    assert contract is not None
    asset_class = _CLASSES.get(contract.secType)
    if asset_class is None:
        raise InvalidInput("asset", f"{contract.secType} contracts are not traded here", "FX, stocks, futures, options")
    option = None
    if asset_class is AssetClass.OPTION:
        option = OptionContract(
            underlying=contract.symbol,
            right=OptionRight.CALL if contract.right[:1] == "C" else OptionRight.PUT,
            strike=number(contract.strike),
            expiry=last_day(details).isoformat(),
        )
    step = number(details.sizeIncrement) if 0 < details.sizeIncrement < 1e100 else Decimal(1)
    return Instrument(
        symbol=symbol_of(contract),
        asset_class=asset_class,
        currency=contract.currency,
        tick_size=number(details.minTick),
        quantity_step=step,
        multiplier=Decimal(contract.multiplier) if contract.multiplier else Decimal(1),
        quote_kind="TRADE" if asset_class is AssetClass.STOCK else "QUOTE",
        hours=hours_of(details),
        option=option,
    )


def hours_of(details: ContractDetails) -> TradingHours:
    """When it trades. TWS tells the next days' sessions, with their holidays; where a weekly schedule with a calendar
    is known for the market it is used, so that next month's holidays are too."""
    sessions = list(_sessions(details.tradingHours.split(";")))
    unbroken = all(end == start for (_, end), (start, _) in pairwise(sessions))
    if unbroken and sessions and sessions[-1][1] - sessions[0][0] >= timedelta(days=5):
        return ALWAYS_OPEN
    contract = details.contract
    assert contract is not None
    is_new_york = details.timeZoneId in ("America/New_York", "US/Eastern", "EST5EDT", "EST")
    if contract.secType == "CASH":
        return FX_HOURS
    if contract.secType in ("STK", "OPT") and is_new_york:
        return US_STOCK_HOURS
    if contract.secType in ("FUT", "FOP") and contract.exchange in _CME_EXCHANGES:
        return CME_HOURS
    if not sessions:
        return ALWAYS_OPEN
    week = dict.fromkeys((_weekly(start), _weekly(end)) for start, end in sessions)
    return TradingHours(timezone=details.timeZoneId or "UTC", sessions=tuple(week), day_start=f"{sessions[0][0]:%H:%M}")


def _sessions(parts: Iterable[str]) -> Iterable[tuple[datetime, datetime]]:
    """``20261130:0930-20261130:1600``; days that say CLOSED are left out."""
    for part in parts:
        found = re.fullmatch(r"(\d{8}):(\d{4})-(\d{8}):(\d{4})", part.strip())
        if found:
            start, end = (
                datetime.strptime(f"{day}{clock}", "%Y%m%d%H%M").replace(tzinfo=UTC)
                for day, clock in ((found[1], found[2]), (found[3], found[4]))
            )
            yield start, end


def _weekly(at: datetime) -> str:
    return f"{_DAYS[at.weekday()]} {at:%H:%M}"
