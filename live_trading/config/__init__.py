"""Settings: ``config.yaml``, the environment and the command line, checked against one described schema."""

from live_trading.config.errors import ConfigError, Problem
from live_trading.config.interface import ApiSettings
from live_trading.config.schema import (
    BrokerSettings,
    BrokerType,
    DatabaseSettings,
    DeploymentSettings,
    EngineSettings,
    IbkrSettings,
    LogFormat,
    LoggingSettings,
    LogLevel,
    MarketDataSettings,
    MongoSettings,
    OandaEnvironment,
    OandaSettings,
    PaperSettings,
    RiskSettings,
)
from live_trading.config.settings import Settings

__all__ = [
    "ApiSettings",
    "BrokerSettings",
    "BrokerType",
    "ConfigError",
    "DatabaseSettings",
    "DeploymentSettings",
    "EngineSettings",
    "IbkrSettings",
    "LogFormat",
    "LogLevel",
    "LoggingSettings",
    "MarketDataSettings",
    "MongoSettings",
    "OandaEnvironment",
    "OandaSettings",
    "PaperSettings",
    "Problem",
    "RiskSettings",
    "Settings",
]
