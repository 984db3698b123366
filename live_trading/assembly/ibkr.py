"""The adapter for Interactive Brokers from the settings: at TWS or IB Gateway, or at the paper exchange's front."""

from live_trading.assembly.exchange import Exchange
from live_trading.brokers.base import BrokerAdapter, SendGuard
from live_trading.brokers.configured import ways_of_use
from live_trading.config import Settings
from live_trading.domain.errors import InvalidInput
from live_trading.domain.values import AccountType
from live_trading.runtime import Runtime


def check_ibkr(settings: Settings) -> None:
    """Refuse to trade real money that was not confirmed."""
    ibkr = settings.broker.ibkr
    if settings.broker.simulated or ibkr.account_type is not AccountType.LIVE:
        return
    if ibkr.account is None:
        raise InvalidInput("broker.ibkr.account", "is needed to trade real money", "Name the account, such as U1234567")
    if ibkr.confirm_live != ibkr.account:
        raise InvalidInput(
            "broker.ibkr.confirm_live",
            f"account {ibkr.account} holds real money and is not confirmed",
            "Give the account's number here too, or set account_type to PAPER",
        )


def make_ibkr(settings: Settings, exchange: Exchange | None, runtime: Runtime, guard: SendGuard) -> BrokerAdapter:
    """One connection."""
    from live_trading.brokers.ibkr import IbkrBroker, IbkrOptions

    ibkr = settings.broker.ibkr
    if exchange is not None:  # it restarts when it is told to, not at night
        front = exchange.fronts["tws"]
        place = {"host": str(front["host"]), "port": int(front["port"]), "account": exchange.account, "restart": None}
    else:
        is_live = ibkr.account_type is AccountType.LIVE
        place = {"host": ibkr.host, "port": ibkr.port, "account": ibkr.account, "live": is_live}
    options = IbkrOptions(**{**ways_of_use(ibkr), "client_id": ibkr.client_id, **place})
    return IbkrBroker(
        options,
        name=settings.broker.name,
        runtime=runtime,
        guard=guard,
        request_timeout=settings.engine.order_timeout_seconds,
    )
