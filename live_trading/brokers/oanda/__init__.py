"""OANDA, through its v20 interface and the package ``oandapyV20``.

:mod:`.transport` and :mod:`.endpoints` are all that know the package: its endpoint classes for paths, one thread and
session a stream, a small executor for the rest. :mod:`.words` says one language in the other, :mod:`.account` folds
transactions into what the engine is told, :mod:`.session` is one connection, :mod:`.broker` the adapter.
"""

from live_trading.brokers.oanda.broker import OandaBroker
from live_trading.brokers.oanda.transport import LIVE, PRACTICE, Environment
from live_trading.brokers.oanda.words import OANDA_CAPABILITIES

__all__ = ["LIVE", "OANDA_CAPABILITIES", "PRACTICE", "Environment", "OandaBroker"]
