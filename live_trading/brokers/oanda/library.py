"""``oandapyV20``, imported in one place.

Its last release is of 2021, and Pythons of today warn of how its regular expressions are written while they compile it:
that is nothing a person could mend, and must not end a strict process.
"""

import warnings

with warnings.catch_warnings():
    warnings.filterwarnings("ignore", "invalid escape sequence|.* is an invalid escape sequence")
    from oandapyV20 import API
    from oandapyV20.endpoints import accounts, instruments, orders, positions, pricing, transactions
    from oandapyV20.endpoints.apirequest import APIRequest
    from oandapyV20.exceptions import V20Error
    from oandapyV20.oandapyV20 import TRADING_ENVIRONMENTS

__all__ = [
    "API",
    "TRADING_ENVIRONMENTS",
    "APIRequest",
    "V20Error",
    "accounts",
    "instruments",
    "orders",
    "positions",
    "pricing",
    "transactions",
]
