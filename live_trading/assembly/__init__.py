"""The composition root: the parts put together from the settings, and kept running."""

from live_trading.assembly.brokers import broker_factory, broker_kind, make_broker
from live_trading.assembly.engine_config import engine_config
from live_trading.assembly.exchange import (
    Exchange,
    exchange_directory,
    exchange_health,
    exchange_options,
    open_exchange,
)
from live_trading.assembly.inbox import MongoInbox
from live_trading.assembly.keeper import MongoKeeper
from live_trading.assembly.ledger import Restored, restore_ledger
from live_trading.assembly.service import EngineService, Phase, Status, cause_of
from live_trading.storage import Storage, archive_directory, has_data, open_storage, said

__all__ = [
    "EngineService",
    "Exchange",
    "MongoInbox",
    "MongoKeeper",
    "Phase",
    "Restored",
    "Status",
    "Storage",
    "archive_directory",
    "broker_factory",
    "broker_kind",
    "cause_of",
    "engine_config",
    "exchange_directory",
    "exchange_health",
    "exchange_options",
    "has_data",
    "make_broker",
    "open_exchange",
    "open_storage",
    "restore_ledger",
    "said",
]
