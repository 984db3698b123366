"""The brokers that people have configured: their adapters beside the settings' own, their store, their connections."""

from collections.abc import Mapping, Sequence
from typing import Any

from live_trading.assembly.service import BrokerFactory
from live_trading.brokers.base import BrokerAdapter, SendGuard
from live_trading.brokers.configured import adapter_of, check_confirmed
from live_trading.config import Settings
from live_trading.models.broker_configurations import BrokerConfigurations, BrokerConnection
from live_trading.models.secret_box import SecretBox
from live_trading.runtime import Runtime
from live_trading.storage import Storage


def broker_configurations(settings: Settings, database: Any, runtime: Runtime) -> BrokerConfigurations:
    """The store in this database, under the key of the settings."""
    box = SecretBox(settings.broker.secrets_key)
    return BrokerConfigurations(database, box, runtime.clock, runtime.ids)


async def configured_connections(settings: Settings, storage: Storage, runtime: Runtime) -> list[BrokerConnection]:
    """What the engine connects to besides the settings' own broker. Raises :class:`InvalidInput` where a secret cannot
    be read, or real money was not confirmed."""
    found = await broker_configurations(settings, storage.database, runtime).active()
    for connection in found:
        check_confirmed(connection)
    return found


def with_configured(own: BrokerFactory, connections: Sequence[BrokerConnection], settings: Settings) -> BrokerFactory:
    """Makes the engine's connections: those of the settings, and one to each of ``connections``."""

    def make(runtime: Runtime, guard: SendGuard) -> Mapping[str, BrokerAdapter]:
        others = {each.name: adapter_of(each, settings, runtime, guard) for each in connections}
        return {**own(runtime, guard), **others}

    return make
