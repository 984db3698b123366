"""The brokers an engine can trade at, by ``broker.type``: what each needs beside it, and how its adapter is made."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from live_trading.assembly.exchange import Exchange
from live_trading.assembly.ibkr import check_ibkr, make_ibkr
from live_trading.assembly.oanda import check_oanda, make_oanda
from live_trading.assembly.service import BrokerFactory
from live_trading.brokers.base import BrokerAdapter, SendGuard
from live_trading.brokers.paper import PaperBroker
from live_trading.brokers.types import Bracket
from live_trading.config import BrokerType, Settings
from live_trading.domain.errors import InvalidInput
from live_trading.runtime import Runtime

MakeAdapter = Callable[[Settings, Exchange | None, Runtime, SendGuard], BrokerAdapter]
"""Makes one connection. ``Exchange`` is None where orders go to the real broker."""


@dataclass(frozen=True, slots=True)
class BrokerKind:
    """How a broker's adapter is made. ``check`` refuses settings it cannot be used with, before anything starts."""

    make: MakeAdapter
    check: Callable[[Settings], None] = lambda settings: None


def _paper(settings: Settings, exchange: Exchange | None, runtime: Runtime, guard: SendGuard) -> BrokerAdapter:
    assert exchange is not None, "the paper broker always has an exchange"
    paper = settings.broker.paper
    return PaperBroker(
        exchange.url,
        exchange.account,
        name=settings.broker.name,
        runtime=runtime,
        guard=guard,
        request_timeout=settings.engine.order_timeout_seconds,
        bracket=Bracket(paper.bracket),
        oca=paper.oca,
        stops=paper.stops,
    )


BROKERS: dict[BrokerType, BrokerKind] = {
    BrokerType.PAPER: BrokerKind(_paper),
    BrokerType.IBKR: BrokerKind(make_ibkr, check_ibkr),
    BrokerType.OANDA: BrokerKind(make_oanda, check_oanda),
}


def broker_kind(settings: Settings) -> BrokerKind:
    """The broker of the settings; :class:`InvalidInput` for one that cannot be used, or not with these settings."""
    kind = BROKERS.get(settings.broker.type)
    if kind is None:
        known = " or ".join(BROKERS)
        raise InvalidInput("broker.type", f"{settings.broker.type} is not available in this version", f"Use {known}")
    kind.check(settings)
    return kind


def make_broker(settings: Settings, exchange: Exchange | None, runtime: Runtime, guard: SendGuard) -> BrokerAdapter:
    """One connection to the settings' broker."""
    return broker_kind(settings).make(settings, exchange, runtime, guard)


def broker_factory(settings: Settings, exchange: Exchange | None) -> BrokerFactory:
    """Makes the engine's connections."""

    def make(runtime: Runtime, guard: SendGuard) -> Mapping[str, BrokerAdapter]:
        broker = make_broker(settings, exchange, runtime, guard)
        return {broker.name: broker}

    return make
