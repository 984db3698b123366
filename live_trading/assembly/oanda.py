"""The adapter for OANDA from the settings: at OANDA itself, or at the paper exchange's v20 front."""

from pydantic import SecretStr

from live_trading.assembly.exchange import Exchange
from live_trading.brokers.base import BrokerAdapter, SendGuard
from live_trading.config import OandaEnvironment, Settings
from live_trading.domain.errors import InvalidInput
from live_trading.domain.instrument import ALWAYS_OPEN, FX_HOURS
from live_trading.runtime import Runtime

_FRONT_TOKEN = SecretStr("paper")
"""The front takes any."""


def check_oanda(settings: Settings) -> None:
    """Refuse to trade real money that was not confirmed."""
    oanda = settings.broker.oanda
    if settings.broker.simulated or oanda.environment is not OandaEnvironment.LIVE:
        return
    if oanda.confirm_live != oanda.account_id:
        raise InvalidInput(
            "broker.oanda.confirm_live",
            f"account {oanda.account_id} holds real money and is not confirmed",
            "Give the account's number here too, or set environment to PRACTICE",
        )


def make_oanda(settings: Settings, exchange: Exchange | None, runtime: Runtime, guard: SendGuard) -> BrokerAdapter:
    """One connection."""
    from live_trading.brokers.oanda import LIVE, PRACTICE, Environment, OandaBroker

    oanda = settings.broker.oanda
    if exchange is not None:
        address = str(exchange.fronts["oanda"]["url"])
        account, token, environment = exchange.account, _FRONT_TOKEN, Environment(address, address)
    else:
        assert oanda.account_id is not None, "the settings were checked"
        assert oanda.api_key is not None, "the settings were checked"
        is_live = oanda.environment is OandaEnvironment.LIVE
        account, token, environment = oanda.account_id, oanda.api_key, LIVE if is_live else PRACTICE
    never_closes = exchange is not None and settings.broker.paper.ticks is None  # a synthetic market
    return OandaBroker(
        account,
        token,
        environment=environment,
        name=settings.broker.name,
        runtime=runtime,
        guard=guard,
        request_timeout=settings.engine.order_timeout_seconds,
        hours=ALWAYS_OPEN if never_closes else FX_HOURS,
        confirmed_live=oanda.confirm_live == oanda.account_id,
    )
