"""Market data: ticks to bars, their store, indicators, and the files ticks are read from."""

from live_trading.data.back_fill import BackFill, gap_between
from live_trading.data.bar_aggregator import MAX_FILLED_NS, BarAggregator, Gap
from live_trading.data.bar_store import ArchivedBar, BarStore, MemoryBarStore, MissingBars, StoredBar
from live_trading.data.indicators import IndicatorSet, IndicatorSpec
from live_trading.data.lean_files import read_bars
from live_trading.data.market_data import DEFAULT_STALE_AFTER, Feed, MarketData, Quote, Subscription
from live_trading.data.mongo_bar_store import MongoBarStore
from live_trading.data.tick_buffer import TickBuffer
from live_trading.data.tick_files import ColumnMapping, read_ticks
from live_trading.data.tick_recorder import TickRecorder, read_session
from live_trading.data.trading_days import TradingCalendar, TradingDay

__all__ = [
    "DEFAULT_STALE_AFTER",
    "MAX_FILLED_NS",
    "ArchivedBar",
    "BackFill",
    "BarAggregator",
    "BarStore",
    "ColumnMapping",
    "Feed",
    "Gap",
    "IndicatorSet",
    "IndicatorSpec",
    "MarketData",
    "MemoryBarStore",
    "MissingBars",
    "MongoBarStore",
    "Quote",
    "StoredBar",
    "Subscription",
    "TickBuffer",
    "TickRecorder",
    "TradingCalendar",
    "TradingDay",
    "gap_between",
    "read_bars",
    "read_session",
    "read_ticks",
]
