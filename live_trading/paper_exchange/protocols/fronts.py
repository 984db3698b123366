"""The protocols that the exchange speaks besides its own, by name. Each is loaded when it is asked for."""

from collections.abc import Callable

from live_trading.domain.errors import InvalidInput
from live_trading.paper_exchange.exchange import SimulatedExchange
from live_trading.paper_exchange.protocols.front import Front, FrontPlace

FrontFactory = Callable[[SimulatedExchange, FrontPlace], Front]


def _oanda(exchange: SimulatedExchange, place: FrontPlace) -> Front:
    from live_trading.paper_exchange.protocols.oanda import OandaFront

    return OandaFront(exchange, place)


def _tws(exchange: SimulatedExchange, place: FrontPlace) -> Front:
    from live_trading.paper_exchange.protocols.tws import TwsFront

    return TwsFront(exchange, place)


FRONTS: dict[str, FrontFactory] = {
    "tws": _tws,
    "oanda": _oanda,
}


def make_front(name: str, exchange: SimulatedExchange, place: FrontPlace) -> Front:
    """The front of that name; :class:`InvalidInput` when there is none."""
    factory = FRONTS.get(name)
    if factory is None:
        known = ", ".join(FRONTS) or "none"
        raise InvalidInput("fronts", f'there is no front "{name}"', f"Known are: {known}")
    return factory(exchange, place)
