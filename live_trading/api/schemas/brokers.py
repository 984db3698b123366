"""Broker configurations."""

from datetime import datetime

from pydantic import ConfigDict, Field, SecretStr

from live_trading.api.schemas.base import Text, Told
from live_trading.config import BrokerType
from live_trading.domain.values import AccountType
from live_trading.models.broker_configurations import BrokerChange, NewBroker

_EXAMPLE = {
    "name": "practice",
    "broker_name": "OANDA",
    "account_id": "101-001-1234567-001",
    "api_key": "a personal access token",
}


class Broker(Told):
    """How to reach one account at one broker. Secrets are never told, only whether one is set."""

    name: str = Field(description="what operations call it", examples=["practice"])
    broker_name: BrokerType = Field(description="the adapter: PAPER, IBKR or OANDA")
    account_type: AccountType = Field(description="LIVE holds real money")
    host: str | None = Field(description="where its gateway listens (IBKR)")
    port: int | None = Field(description="its gateway's port (IBKR)")
    client_id: int | None = Field(description="our client number there (IBKR)")
    account_id: str | None = Field(description="the account at the broker")
    is_active: bool = Field(description="whether the engine connects to it at its next start")
    config: dict[str, str] = Field(description="url (PAPER); rest_url and stream_url (OANDA)")
    has_api_key: bool = Field(description="whether a secret is set")
    confirmed_live: bool = Field(description="whether a person said yes to real money")
    changed_at: datetime = Field(description="when it was last changed")
    changed_by: str = Field(description="by whom")


class Brokers(Told):
    """Every configuration."""

    items: list[Broker] = Field(description="by name")


class BrokerToAdd(NewBroker):
    """A configuration to be added. A LIVE one needs its account_id again, as confirm_live."""

    model_config = ConfigDict(json_schema_extra={"examples": [dict(_EXAMPLE)]})

    api_key: SecretStr | None = Field(
        default=None, min_length=1, max_length=4096, description="the secret (OANDA); encrypted, never told"
    )
    confirm_live: Text | None = Field(default=None, max_length=64, description="a LIVE account's account_id, again")


class BrokerToChange(BrokerChange):
    """New values of a configuration. What is not given stays. A running engine takes them up at its next start."""


class BrokerTest(Told):
    """What came of trying to reach a broker."""

    name: str = Field(description="the configuration")
    ok: bool = Field(description="whether the account answered")
    detail: str = Field(description="in words: what answered, or why none did")
    seconds: float = Field(description="how long it took")
