"""v20's paths, as ``oandapyV20`` has them: beside :mod:`.transport` the only module that knows the package."""

from datetime import datetime
from typing import Any, TypeAlias

from live_trading.brokers.oanda.library import accounts, instruments, orders, positions, pricing, transactions

Json = dict[str, Any]
Endpoint: TypeAlias = Any
"""An ``oandapyV20`` request: the package has no types."""


def account_details(account: str) -> Endpoint:
    return accounts.AccountDetails(accountID=account)


def account_summary(account: str) -> Endpoint:
    return accounts.AccountSummary(accountID=account)


def account_instruments(account: str) -> Endpoint:
    return accounts.AccountInstruments(accountID=account)


def open_positions(account: str) -> Endpoint:
    return positions.OpenPositions(accountID=account)


def order(account: str, specifier: str) -> Endpoint:
    """``specifier``: OANDA's id, or ``@`` and ours."""
    return orders.OrderDetails(accountID=account, orderID=specifier)


def pending_orders(account: str) -> Endpoint:
    return orders.OrdersPending(accountID=account)


def create_order(account: str, body: Json) -> Endpoint:
    return orders.OrderCreate(accountID=account, data=body)


def replace_order(account: str, specifier: str, body: Json) -> Endpoint:
    return orders.OrderReplace(accountID=account, orderID=specifier, data=body)


def cancel_order(account: str, specifier: str) -> Endpoint:
    return orders.OrderCancel(accountID=account, orderID=specifier)


def transactions_since(account: str, number: int) -> Endpoint:
    return transactions.TransactionsSinceID(accountID=account, params={"id": str(number)})


def transactions_between(account: str, first: int, last: int, kinds: str | None) -> Endpoint:
    parameters = {"from": str(first), "to": str(last)} | ({} if kinds is None else {"type": kinds})
    return transactions.TransactionIDRange(accountID=account, params=parameters)


def transaction_stream(account: str) -> Endpoint:
    return transactions.TransactionsStream(accountID=account)


def price_stream(account: str, names: list[str]) -> Endpoint:
    """Without the snapshot of prices of before: what comes is new."""
    return pricing.PricingStream(accountID=account, params={"instruments": ",".join(names), "snapshot": "False"})


def candles(name: str, granularity: str, start: datetime, end: datetime, timezone: str, day_start: int) -> Endpoint:
    """Mid, bid and ask. Days and hours are aligned to ``day_start`` o'clock in ``timezone``."""
    parameters = {
        "price": "MBA",
        "granularity": granularity,
        "from": f"{start:%Y-%m-%dT%H:%M:%S.%fZ}",
        "to": f"{end:%Y-%m-%dT%H:%M:%S.%fZ}",
        "alignmentTimezone": timezone,
        "dailyAlignment": str(day_start),
    }
    return instruments.InstrumentsCandles(instrument=name, params=parameters)
