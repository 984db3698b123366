"""One contract for every broker, and an adapter for each.

Adapters with dependencies of their own are imported from their modules, so that an engine loads only those it uses.
"""

from live_trading.brokers.base import BrokerAdapter, SendGuard
from live_trading.brokers.errors import AuthExpired, BrokerError, Fatal, InDoubt, RateLimited, Retryable
from live_trading.brokers.event_queue import EventQueue

__all__ = [
    "AuthExpired",
    "BrokerAdapter",
    "BrokerError",
    "EventQueue",
    "Fatal",
    "InDoubt",
    "RateLimited",
    "Retryable",
    "SendGuard",
]
