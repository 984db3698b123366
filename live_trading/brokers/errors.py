"""What a broker can answer besides yes. Named after what must be done about it.

::

    BrokerError
    ├── Retryable      provably not sent, or only a question: ask again later
    ├── RateLimited    as Retryable, after ``after`` seconds
    ├── AuthExpired    a person or the Sentinel must log in again
    ├── Fatal          the configuration is wrong: stop and say so
    └── InDoubt        a request left and its fate is unknown: find out, never send it again

A positive refusal of an order is not an error but an answer: :class:`~live_trading.brokers.types.Rejected`.
"""

from live_trading.domain.errors import LiveTradingError


class BrokerError(LiveTradingError):
    """The root of brokers' errors."""


class Retryable(BrokerError):  # noqa: N818
    """The request provably did not reach the broker, or changes nothing there."""


class RateLimited(Retryable):
    """The broker asks for patience: ``after`` seconds."""

    def __init__(self, after: float, text: str = "rate limited") -> None:
        super().__init__(f"{text}: again after {after:g} s")
        self.after = after


class AuthExpired(BrokerError):  # noqa: N818
    """The session is no longer authorised."""


class Fatal(BrokerError):  # noqa: N818
    """Nothing will work until the configuration is changed."""


class InDoubt(BrokerError):  # noqa: N818
    """Bytes of a request about ``client_order_id`` may have reached the broker, and no readable answer came."""

    def __init__(self, client_order_id: str, cause: str) -> None:
        super().__init__(f"order {client_order_id}: in doubt ({cause})")
        self.client_order_id = client_order_id
        self.cause = cause
