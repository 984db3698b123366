"""Market data: ticks to bars, their store, indicators, and the files ticks are read from."""

from live_trading.data.bar_aggregator import MAX_FILLED_NS, BarAggregator, Gap
from live_trading.data.trading_days import TradingCalendar, TradingDay

__all__ = [
    "MAX_FILLED_NS",
    "BarAggregator",
    "Gap",
    "TradingCalendar",
    "TradingDay",
]
