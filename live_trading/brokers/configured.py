"""Brokers that people have configured: an adapter for each, one that only looks, and trying one out.

Used by the engine, which trades through them, and by whoever only wants to know whether an account answers.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import time
from decimal import Decimal
from typing import Any, Final

from pydantic import SecretStr

from live_trading.brokers.base import BrokerAdapter, SendGuard
from live_trading.brokers.errors import BrokerError
from live_trading.config import BrokerType, IbkrSettings, Settings
from live_trading.domain.errors import InvalidInput
from live_trading.domain.instrument import ALWAYS_OPEN, FX_HOURS
from live_trading.domain.values import AccountType
from live_trading.models.broker_configurations import BrokerConnection
from live_trading.runtime import Runtime

TRY_SECONDS: Final = 20.0
_LOOKING_FROM = 100_000
"""Client numbers at Interactive Brokers that no engine is likely to have."""


def looking_client_id(runtime: Runtime) -> int:
    """A client number at IBKR's gateway that no engine has."""
    return _LOOKING_FROM + int(runtime.ids.token(4), 16)


def refuse_to_send() -> None:
    """The guard of a connection that only looks."""
    raise AssertionError("this connection only looks; nothing may be sent through it")


def check_confirmed(connection: BrokerConnection) -> None:
    """Refuse an account with real money that nobody confirmed, with :class:`InvalidInput`."""
    if connection.account_type is AccountType.LIVE and not connection.confirmed_live:
        raise InvalidInput(
            "confirm_live", f"{connection.name} holds real money and is not confirmed", "Change it, and confirm it"
        )


def adapter_of(connection: BrokerConnection, settings: Settings, runtime: Runtime, guard: SendGuard) -> BrokerAdapter:
    """One connection to a configured broker. Raises :class:`InvalidInput` for a LIVE one that nobody confirmed."""
    check_confirmed(connection)
    make = {BrokerType.PAPER: _paper, BrokerType.IBKR: _ibkr, BrokerType.OANDA: _oanda}[connection.broker_name]
    common = {
        "name": connection.name,
        "runtime": runtime,
        "guard": guard,
        "request_timeout": settings.engine.order_timeout_seconds,
    }
    return make(connection, settings, common)


def _paper(connection: BrokerConnection, _: Settings, common: dict[str, Any]) -> BrokerAdapter:
    from live_trading.brokers.paper import PaperBroker

    return PaperBroker(connection.config["url"], connection.account_id or "PAPER-1", **common)


def _ibkr(connection: BrokerConnection, settings: Settings, common: dict[str, Any]) -> BrokerAdapter:
    from live_trading.brokers.ibkr import IbkrBroker, IbkrOptions

    assert connection.host is not None, "it was checked when it was added"
    assert connection.port is not None, "it was checked when it was added"
    options = IbkrOptions(
        host=connection.host,
        port=connection.port,
        client_id=1 if connection.client_id is None else connection.client_id,
        account=connection.account_id,
        live=connection.account_type is AccountType.LIVE,
        **ways_of_use(settings.broker.ibkr),
    )
    return IbkrBroker(options, **common)


def _oanda(connection: BrokerConnection, _: Settings, common: dict[str, Any]) -> BrokerAdapter:
    from live_trading.brokers.oanda import LIVE, PRACTICE, Environment, OandaBroker

    is_live = connection.account_type is AccountType.LIVE
    environment = LIVE if is_live else PRACTICE
    if "rest_url" in connection.config:
        environment = Environment(connection.config["rest_url"], connection.config["stream_url"])
    assert connection.account_id is not None, "it was checked when it was added"
    return OandaBroker(
        connection.account_id,
        connection.api_key or SecretStr(""),
        environment=environment,
        hours=ALWAYS_OPEN if connection.config.get("always_open") == "true" else FX_HOURS,
        confirmed_live=connection.confirmed_live,
        **common,
    )


def configured_to_look_at(connection: BrokerConnection, settings: Settings, runtime: Runtime) -> BrokerAdapter:
    """A connection that only looks, beside an engine that may be trading."""
    apart = connection.model_copy(update={"client_id": looking_client_id(runtime)})
    return adapter_of(apart, settings, runtime, refuse_to_send)


def ways_of_use(ibkr: IbkrSettings) -> dict[str, Any]:
    """What of :class:`IbkrOptions` is the same for every account there: ticks, the nightly restart, rolls, absence."""
    from live_trading.brokers.ibkr import NightlyRestart, TickSource

    restart = ibkr.nightly_restart
    return {
        "ticks": TickSource(ibkr.ticks),
        "restart": None if restart is None else NightlyRestart(time.fromisoformat(restart), ibkr.restart_timezone),
        "roll_days": ibkr.roll_days,
        "absence_seconds": ibkr.absence_seconds,
    }


@dataclass(frozen=True, slots=True)
class Trial:
    """What came of connecting to a broker: its account as it stands, or in ``problem`` why not."""

    is_good: bool
    seconds: float
    account: str | None = None
    currency: str | None = None
    cash: Mapping[str, Decimal] = field(default_factory=dict)
    equity: Decimal | None = None
    positions: int = 0
    working_orders: int = 0
    problem: str = ""

    def __str__(self) -> str:
        if not self.is_good:
            return self.problem
        worth = "" if self.equity is None else f", worth {self.equity}"
        held = f"{self.positions} positions, {self.working_orders} working orders"
        return f"account {self.account} in {self.currency}{worth}: {held}"


async def try_broker(connection: BrokerConnection, settings: Settings, runtime: Runtime) -> Trial:
    """Connect, read the account, and hang up; nothing is sent. It never raises for what the broker does."""
    started = runtime.clock.monotonic()

    def seconds() -> float:
        return round(runtime.clock.monotonic() - started, 3)

    broker: BrokerAdapter | None = None
    try:
        broker = configured_to_look_at(connection, settings, runtime)
        async with asyncio.timeout(TRY_SECONDS):
            snapshot = await broker.connect(None)
    except TimeoutError:
        return Trial(False, seconds(), problem=f"no answer within {TRY_SECONDS:g} s")
    except (BrokerError, InvalidInput, OSError) as error:
        return Trial(False, seconds(), problem=str(error))
    finally:
        if broker is not None:
            await broker.close()
    account = snapshot.account
    return Trial(
        True, seconds(), account.account_id, account.currency, dict(account.cash), account.equity,
        len(snapshot.positions), len(snapshot.orders),
    )  # fmt: skip
