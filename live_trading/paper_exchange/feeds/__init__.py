"""Where a simulated market's ticks come from, and how fast they come."""

from live_trading.paper_exchange.feeds.base import Feed
from live_trading.paper_exchange.feeds.pacing import Pacer
from live_trading.paper_exchange.feeds.quiet import QuietFeed
from live_trading.paper_exchange.feeds.recorded import RecordedFeed, RecordedFile
from live_trading.paper_exchange.feeds.synthetic import SyntheticFeed

__all__ = ["Feed", "Pacer", "QuietFeed", "RecordedFeed", "RecordedFile", "SyntheticFeed"]
