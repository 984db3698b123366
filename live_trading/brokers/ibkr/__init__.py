"""Interactive Brokers, through TWS or IB Gateway, on the client of ``ib_async``."""

from live_trading.brokers.ibkr.adapter import IbkrBroker
from live_trading.brokers.ibkr.market_data import TickSource
from live_trading.brokers.ibkr.options import IbkrOptions
from live_trading.brokers.ibkr.schedule import NightlyRestart

__all__ = ["IbkrBroker", "IbkrOptions", "NightlyRestart", "TickSource"]
