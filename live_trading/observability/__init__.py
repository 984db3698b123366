"""What the system tells of itself while it runs: logs."""

from live_trading.observability.logs import configure, context, get_logger

__all__ = ["configure", "context", "get_logger"]
