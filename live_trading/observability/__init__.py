"""What the system tells of itself while it runs: logs, and how long things take."""

from live_trading.observability.latency import STAGES, Latency, Trace
from live_trading.observability.logs import configure, context, get_logger

__all__ = ["STAGES", "Latency", "Trace", "configure", "context", "get_logger"]
