"""Market data: ticks to bars, their store, indicators, and the files ticks are read from."""

from live_trading.data.bar_aggregator import MAX_FILLED_NS, BarAggregator, Gap
from live_trading.data.indicators import IndicatorSet, IndicatorSpec
from live_trading.data.lean_files import read_bars
from live_trading.data.tick_files import ColumnMapping, read_ticks
from live_trading.data.trading_days import TradingCalendar, TradingDay

__all__ = [
    "MAX_FILLED_NS",
    "BarAggregator",
    "ColumnMapping",
    "Gap",
    "IndicatorSet",
    "IndicatorSpec",
    "TradingCalendar",
    "TradingDay",
    "read_bars",
    "read_ticks",
]
