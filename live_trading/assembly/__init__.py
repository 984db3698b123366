"""The composition root: the parts put together from the settings, and kept running."""

from live_trading.assembly.engine_config import engine_config
from live_trading.assembly.exchange import (
    BROKER_NAME,
    Exchange,
    check_broker,
    exchange_directory,
    exchange_health,
    exchange_options,
    open_exchange,
    paper_broker,
    paper_brokers,
)
from live_trading.assembly.inbox import MongoInbox
from live_trading.assembly.keeper import MongoKeeper
from live_trading.assembly.ledger import Restored, restore_ledger
from live_trading.assembly.service import EngineService, Phase, Status, cause_of
from live_trading.storage import Storage, archive_directory, has_data, open_storage, said

__all__ = [
    "BROKER_NAME",
    "EngineService",
    "Exchange",
    "MongoInbox",
    "MongoKeeper",
    "Phase",
    "Restored",
    "Status",
    "Storage",
    "archive_directory",
    "cause_of",
    "check_broker",
    "engine_config",
    "exchange_directory",
    "exchange_health",
    "exchange_options",
    "has_data",
    "open_exchange",
    "open_storage",
    "paper_broker",
    "paper_brokers",
    "restore_ledger",
    "said",
]
