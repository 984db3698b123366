"""The paper exchange: a matching core with a durable store, feeds, faults and protocol fronts.

``SimulatedExchange`` is the exchange itself, usable inside a simulation; ``server`` runs it as a process of its own.
"""

from live_trading.paper_exchange.catalogue import default_catalogue, read_catalogue
from live_trading.paper_exchange.core import AccountSettings, Catalogue, Listing, MatchingEngine
from live_trading.paper_exchange.exchange import SimulatedExchange
from live_trading.paper_exchange.faults import Fault, FaultKind, FaultPlan

__all__ = [
    "AccountSettings",
    "Catalogue",
    "Fault",
    "FaultKind",
    "FaultPlan",
    "Listing",
    "MatchingEngine",
    "SimulatedExchange",
    "default_catalogue",
    "read_catalogue",
]
