"""The socket protocol of TWS and IB Gateway, served by the paper exchange."""

from live_trading.paper_exchange.protocols.tws.front import TwsFront

__all__ = ["TwsFront"]
