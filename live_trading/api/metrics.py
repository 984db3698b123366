"""What Prometheus reads at ``/metrics``: requests, commands, sockets, and how far the read models are."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest


class Metrics:
    """One process's figures."""

    def __init__(self) -> None:
        registry = self.registry = CollectorRegistry()
        self.requests = Counter(
            "live_trading_api_requests", "Requests answered", ("method", "route", "status"), registry=registry
        )
        self.seconds = Histogram(
            "live_trading_api_request_seconds", "How long answers took", ("method", "route"), registry=registry
        )
        self.sockets = Gauge("live_trading_api_sockets", "WebSockets open", registry=registry)
        self.dropped = Counter("live_trading_api_sockets_dropped", "WebSockets dropped as too slow", registry=registry)
        self.sent = Counter("live_trading_api_socket_messages", "Messages sent over WebSockets", registry=registry)
        self.journal = Gauge("live_trading_journal_sequence_number", "The journal's last entry", registry=registry)
        self.lag = Gauge("live_trading_read_models_lag", "Entries the read models are behind", registry=registry)
        self.operations = Gauge("live_trading_operations", "Operations", ("status",), registry=registry)
        self.positions = Gauge("live_trading_open_positions", "Open positions", registry=registry)
        self.pnl = Gauge("live_trading_total_pnl", "Realised profit and loss", ("currency",), registry=registry)

    def render(self) -> bytes:
        """The text that Prometheus reads."""
        return generate_latest(self.registry)
