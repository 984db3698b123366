"""Every setting there is: its meaning, unit, default and bounds, said once.

``config.yaml``, ``docs/configuration.md`` and the error messages are made from these descriptions
(:mod:`live_trading.config.render`). A setting that can also come from an environment variable names it here.
Fractions are written as fractions: 0.02 is 2 %. ``null`` switches an optional limit off.
"""

import re
from decimal import Decimal
from enum import StrEnum
from pathlib import Path
from typing import Any, Self
from zoneinfo import ZoneInfo

from pydantic import SecretStr, field_validator, model_validator

from live_trading.config.section import Section, setting
from live_trading.domain.values import AccountType, CrashRecoveryMode, StopLossType, TakeProfitType


class BrokerType(StrEnum):
    PAPER = "PAPER"
    IBKR = "IBKR"
    OANDA = "OANDA"


class OandaEnvironment(StrEnum):
    PRACTICE = "PRACTICE"
    LIVE = "LIVE"


class IbkrTicks(StrEnum):
    QUOTES = "quotes"
    TICK_BY_TICK = "tick by tick"
    BARS = "5 second bars"


class PaperBracket(StrEnum):
    ATOMIC = "atomic"
    LINKED = "linked"
    NONE = "none"


class LogLevel(StrEnum):
    DEBUG = "DEBUG"
    INFO = "INFO"
    WARNING = "WARNING"
    ERROR = "ERROR"


class LogFormat(StrEnum):
    AUTO = "auto"
    JSON = "json"
    CONSOLE = "console"


class DeploymentMode(StrEnum):
    LOCAL = "local"
    GCP = "gcp"


class EngineSettings(Section):
    """The trading engine: one engine owns one journal."""

    id: str = setting(
        "default",
        "The engine's name. Two engines of the same name share a journal: one trades, the other stands by",
        env="ENGINE_ID",
        pattern=r"^[a-z0-9][a-z0-9-]{0,31}$",
    )
    data_dir: Path = setting(
        Path("var"),
        "Where the bundled database, the paper exchange and log files live; relative to the working directory",
        env="LIVE_TRADING_DATA_DIR",
    )
    lease_ttl_seconds: float = setting(
        10.0, "How long the engine may trade without renewing its lease on the journal", unit="seconds", ge=1, le=300
    )
    snapshot_every_entries: int = setting(
        5000, "Entries between two snapshots of the ledger", unit="entries", ge=100, le=1_000_000
    )
    reconcile_interval_seconds: float = setting(
        60.0, "Time between two comparisons of the ledger with the broker", unit="seconds", ge=1, le=3600
    )
    order_timeout_seconds: float = setting(
        10.0,
        "How long the broker may take to answer a request before its fate is in doubt",
        unit="seconds",
        ge=1,
        le=120,
    )
    in_doubt_interval_seconds: float = setting(
        0.5, "Time between two questions about an order in doubt", unit="seconds", ge=0.1, le=60
    )
    in_doubt_patience_seconds: float = setting(
        60.0, "How long the broker is asked about an order in doubt before a person is", unit="seconds", ge=1, le=86_400
    )
    entry_patience_seconds: float = setting(
        60.0, "Age at which an entry order that is not filled is cancelled", unit="seconds", ge=1, le=86_400
    )
    price_patience_seconds: float = setting(
        5.0, "How long recovery waits for a fresh price before it says that there is none", unit="seconds", gt=0, le=600
    )
    stop_patience_seconds: float = setting(
        10.0, "How long an orderly stop waits for what is in flight", unit="seconds", ge=0, le=600
    )
    reconnect_backoff_min_seconds: float = setting(
        0.5, "First pause before connecting to a broker again; doubles at each failure", unit="seconds", gt=0, le=60
    )
    reconnect_backoff_max_seconds: float = setting(
        30.0, "Longest pause before connecting to a broker again", unit="seconds", gt=0, le=3600
    )

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.reconnect_backoff_min_seconds > self.reconnect_backoff_max_seconds:
            raise ValueError("reconnect_backoff_min_seconds must not be more than reconnect_backoff_max_seconds")
        return self


class PaperSettings(Section):
    """The paper exchange that comes with the package: real matching, no real money."""

    url: str | None = setting(
        None,
        "Address of a paper exchange that already runs; null starts one beside the engine",
        env="PAPER_URL",
        pattern=r"^https?://\S+$",
    )
    port: int = setting(
        0,
        "Port the started paper exchange listens on, on 127.0.0.1; 0 takes any free one",
        env="PAPER_PORT",
        ge=0,
        le=65_535,
    )
    ticks: Path | None = setting(
        None, "File of recorded ticks to play; null makes a synthetic market from the seed", env="PAPER_TICKS"
    )
    speed: float = setting(
        1.0, "How many times faster than the clock the market runs", env="PAPER_SPEED", gt=0, le=100_000
    )
    seed: int = setting(1, "Seed of the synthetic market: the same seed makes the same prices", ge=0, le=2**63 - 1)
    instruments: Path | None = setting(
        None, "YAML file of more instruments, or of other commissions, slippage, margins and hours for the known ones"
    )
    bracket: PaperBracket = setting(
        PaperBracket.ATOMIC,
        "How an entry's protections are sent, to try what other brokers do: with it, one by one, or once it fills",
    )
    oca: bool = setting(True, "Whether it links orders (one cancels all); false to try what an engine does where not")
    stops: bool = setting(True, "Whether it has stop orders; false to try what an engine does where there are none")
    currency: str = setting("USD", "The account's currency, ISO 4217", pattern=r"^[A-Z]{3}$")
    initial_balance: Decimal = setting(
        Decimal(1_000_000), "The account's cash at its birth", unit="account currency", gt=0, le=10**15
    )


class IbkrSettings(Section):
    """Interactive Brokers, through TWS or IB Gateway."""

    host: str = setting("127.0.0.1", "Where TWS or IB Gateway listens", env="IBKR_HOST", min_length=1)
    port: int = setting(
        7497, "TWS: 7497 paper, 7496 live. IB Gateway: 4002 paper, 4001 live", env="IBKR_PORT", ge=1, le=65_535
    )
    client_id: int = setting(
        1, "The API client's number; keep it, orders are only managed by the one that placed them",
        env="IBKR_CLIENT_ID", ge=0, le=2**31 - 1,
    )  # fmt: skip
    account: str | None = setting(
        None, "The account to trade, such as DU1234567; null where the log-in has only one", env="IBKR_ACCOUNT"
    )
    account_type: AccountType = setting(
        AccountType.PAPER, "Whether the account holds real money", env="IBKR_ACCOUNT_TYPE"
    )
    confirm_live: str | None = setting(
        None, "To trade real money, the account's number once more; null refuses it", env="IBKR_CONFIRM_LIVE"
    )
    ticks: IbkrTicks = setting(
        IbkrTicks.QUOTES,
        "Where ticks come from: market data (four a second), each single tick (for few instruments at a time), or bars",
    )
    nightly_restart: str | None = setting(
        "23:45",
        "When the gateway restarts itself (its Auto restart time, HH:MM); nothing is submitted around it; null: never",
        pattern=r"^([01][0-9]|2[0-3]):[0-5][0-9]$",
    )
    restart_timezone: str = setting("America/New_York", "The time zone of that time", min_length=1)
    roll_days: int = setting(
        8, "How long before its last trading day a future is no longer the one to trade", unit="days", ge=0, le=60
    )
    absence_seconds: float = setting(
        5.0, "How long after sending an order its absence in every list is proof that it never arrived",
        unit="seconds", ge=1, le=600,
    )  # fmt: skip

    @field_validator("restart_timezone")
    @classmethod
    def _known_timezone(cls, name: str) -> str:
        try:
            ZoneInfo(name)
        except (KeyError, ValueError, OSError):
            raise ValueError("is not a time zone; give one such as America/New_York") from None
        return name

    @model_validator(mode="after")
    def _port_matches_account(self) -> Self:
        usual = {7497: AccountType.PAPER, 4002: AccountType.PAPER, 7496: AccountType.LIVE, 4001: AccountType.LIVE}
        if usual.get(self.port, self.account_type) is not self.account_type:
            raise ValueError(
                f"port {self.port} is that of a {usual[self.port]} account, but account_type says otherwise"
            )
        return self


class OandaSettings(Section):
    """OANDA, through its v20 REST and streaming interfaces."""

    api_key: SecretStr | None = setting(None, "Personal access token", env="OANDA_API_KEY")
    account_id: str | None = setting(None, "Account number, such as 101-001-1234567-001", env="OANDA_ACCOUNT_ID")
    environment: OandaEnvironment = setting(
        OandaEnvironment.PRACTICE, "Whether the account holds real money", env="OANDA_ENVIRONMENT"
    )
    confirm_live: str | None = setting(
        None, "The account number again, as the explicit yes that LIVE needs", env="OANDA_CONFIRM_LIVE"
    )


class BrokerSettings(Section):
    """Which broker orders go to, and how to reach it."""

    type: BrokerType = setting(BrokerType.PAPER, "Where orders go", env="BROKER_TYPE")
    simulated: bool = setting(
        False,
        "Speak to the paper exchange in the broker's own protocol instead of to the broker: its client, no real money",
        env="BROKER_SIMULATED",
    )
    paper: PaperSettings = PaperSettings()
    ibkr: IbkrSettings = IbkrSettings()
    oanda: OandaSettings = OandaSettings()
    secrets_key: SecretStr | None = setting(
        None,
        "Encrypts the secrets of the brokers in broker_configurations; several with commas between: the first encrypts",
        env="BROKER_SECRETS_KEY",
        min_length=32,
    )

    @property
    def name(self) -> str:
        """The chosen broker's name, as operations and the journal give it."""
        return self.type.lower()

    @property
    def account_type(self) -> AccountType:
        """Whether the chosen broker's account holds real money."""
        if self.simulated:
            return AccountType.PAPER
        if self.type is BrokerType.IBKR:
            return self.ibkr.account_type
        live = self.type is BrokerType.OANDA and self.oanda.environment is OandaEnvironment.LIVE
        return AccountType.LIVE if live else AccountType.PAPER

    @model_validator(mode="after")
    def _credentials(self) -> Self:
        if self.type is BrokerType.OANDA and not self.simulated and not (self.oanda.api_key and self.oanda.account_id):
            raise ValueError("type OANDA needs oanda.api_key and oanda.account_id")
        return self


class MongoSettings(Section):
    """MongoDB holds the journal. It must be a replica set; one node is enough."""

    url: SecretStr | None = setting(
        None, "mongodb:// or mongodb+srv:// address; null starts the bundled server in data_dir", env="MONGODB_URL"
    )
    db_name: str = setting(
        "trading_bot", "Database of the journal and the read models", env="MONGODB_DB_NAME",
        pattern=r"^[A-Za-z0-9_-]{1,38}$",
    )  # fmt: skip
    max_pool_size: int = setting(50, "Most connections held open", unit="connections", ge=2, le=1000)
    min_pool_size: int = setting(10, "Connections kept ready", unit="connections", ge=0, le=1000)

    @field_validator("url")
    @classmethod
    def _scheme(cls, url: SecretStr | None) -> SecretStr | None:
        if url is not None and not re.match(r"mongodb(\+srv)?://.", url.get_secret_value()):
            raise ValueError("must begin with mongodb:// or mongodb+srv://")
        return url

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.min_pool_size > self.max_pool_size:
            raise ValueError("min_pool_size must not be more than max_pool_size")
        return self


class DatabaseSettings(Section):
    """Where everything is kept."""

    mongodb: MongoSettings = MongoSettings()


class MarketDataSettings(Section):
    """From ticks to bars."""

    tick_buffer_size: int = setting(
        10_000,
        "Ticks held for each instrument; the oldest are dropped, and counted",
        unit="ticks",
        ge=100,
        le=10_000_000,
    )
    tick_ttl_seconds: float = setting(
        60.0, "Ticks older than this are dropped unread, and counted", unit="seconds", gt=0, le=3600
    )
    stale_after_seconds: float = setting(
        5.0, "Silence in an open session after which entries are refused", unit="seconds", gt=0, le=3600
    )
    gap_fill_minutes: int = setting(
        2, "Missing minutes filled with flat bars marked as filled; longer gaps are asked of the broker",
        unit="minutes", ge=0, le=60,
    )  # fmt: skip
    late_grace_seconds: float = setting(
        1.0, "How long after its end a bar still takes ticks that belong to it", unit="seconds", ge=0, le=60
    )
    record_ticks: bool = setting(
        False, "Record all ticks to Parquet by session, in data_dir/ticks, to be played again later"
    )


class RiskSettings(Section):
    """The Gatekeeper's limits, and what an operation gets where it does not say otherwise.

    Orders that reduce risk pass all limits but the rate. Money is in each instrument's quote currency.
    """

    max_position_size: Decimal | None = setting(
        Decimal(10_000),
        "Largest position of one operation; null for none",
        unit="units of the instrument",
        gt=0,
        le=10**12,
    )
    max_daily_loss: Decimal | None = setting(
        Decimal(500), "Marked-to-market loss since the day began that trips the kill switch; null for none",
        unit="money", gt=0, le=10**15,
    )  # fmt: skip
    max_loss_pct: Decimal | None = setting(
        Decimal("0.02"), "Marked-to-market loss that trips the kill switch, of the capital; null for none",
        unit="fraction", gt=0, le=1,
    )  # fmt: skip
    max_order_notional: Decimal | None = setting(
        None, "Largest value of one entry order; null for none", unit="money", gt=0, le=10**15
    )
    max_operation_exposure: Decimal | None = setting(
        None, "Largest value of one operation's position and entry orders; null for none", unit="money", gt=0, le=10**15
    )
    max_account_exposure: Decimal | None = setting(
        None, "The same, for all operations of one broker account; null for none", unit="money", gt=0, le=10**15
    )
    max_total_exposure: Decimal | None = setting(
        None, "The same, for all operations of this engine; null for none", unit="money", gt=0, le=10**15
    )
    max_orders_per_second: float = setting(5.0, "Orders sent, sustained", unit="orders a second", gt=0, le=1000)
    max_order_burst: int = setting(5, "Orders that may be sent at once", unit="orders", ge=1, le=1000)
    circuit_breaker_failures: int = setting(
        5, "Failed orders within the window that stop entries", unit="orders", ge=1, le=1000
    )
    circuit_breaker_window_seconds: float = setting(
        60.0, "How long a failed order is counted", unit="seconds", gt=0, le=86_400
    )
    circuit_breaker_pause_seconds: float = setting(
        60.0, "How long entries stay stopped", unit="seconds", gt=0, le=86_400
    )
    price_sanity_pct: Decimal = setting(
        Decimal("0.05"), "Largest distance of an order's price from the last one", unit="fraction", gt=0, le=1
    )
    slippage_protection: bool = setting(True, "Send market entries as limit orders near the last price")
    slippage_protection_pct: Decimal = setting(
        Decimal("0.005"), "Distance of that limit from the last price", unit="fraction", gt=0, le=Decimal("0.5")
    )
    trailing_stops_at_broker: bool = setting(
        True, "Leave stops that trail to a broker that can trail them; false has the engine move them at each bar"
    )
    default_stop_loss_type: StopLossType = setting(StopLossType.ATR, "How the distance of a stop loss is given")
    default_stop_loss_value: Decimal = setting(
        Decimal("1.5"),
        "Its distance, by the type: a multiple of the ATR, a fraction of the price, or a distance in price",
        gt=0,
        le=10**9,
    )
    default_take_profit_type: TakeProfitType = setting(
        TakeProfitType.RISK_REWARD, "How the distance of a take profit is given"
    )
    default_take_profit_value: Decimal = setting(
        Decimal("2.0"), "Its distance, by the type; for RISK_REWARD a multiple of the stop loss's", gt=0, le=10**9
    )
    default_crash_recovery_mode: CrashRecoveryMode | None = setting(
        None, "What recovery does with an open position; null is CLOSE_ALL on a PAPER account, RESUME on a LIVE one"
    )
    default_emergency_stop_loss_pct: Decimal = setting(
        Decimal("0.05"), "Unrealised loss at which recovery closes a position it would keep, of the entry value",
        unit="fraction", gt=0, le=1,
    )  # fmt: skip
    default_data_retention_bars: int = setting(
        1000, "Bars kept of each bar size; older ones are archived", unit="bars", ge=50, le=1_000_000
    )

    def crash_recovery_mode(self, account_type: AccountType) -> CrashRecoveryMode:
        """What recovery does with an open position of an operation that did not choose."""
        if self.default_crash_recovery_mode is not None:
            return self.default_crash_recovery_mode
        return CrashRecoveryMode.CLOSE_ALL if account_type is AccountType.PAPER else CrashRecoveryMode.RESUME

    def operation_defaults(self, account_type: AccountType | None) -> dict[str, Any]:
        """The fields of ``OperationSettings`` that an operation gets where its creator gave none.

        ``account_type`` None: of any account; a recovery mode that follows from it is None then."""
        mode = self.default_crash_recovery_mode if account_type is None else self.crash_recovery_mode(account_type)
        return {
            "stop_loss_type": self.default_stop_loss_type,
            "stop_loss_value": self.default_stop_loss_value,
            "take_profit_type": self.default_take_profit_type,
            "take_profit_value": self.default_take_profit_value,
            "crash_recovery_mode": mode,
            "emergency_stop_loss_pct": self.default_emergency_stop_loss_pct,
            "data_retention_bars": self.default_data_retention_bars,
        }

    @model_validator(mode="after")
    def _fractions(self) -> Self:
        fraction = (StopLossType.PERCENTAGE, StopLossType.TRAILING)
        if self.default_stop_loss_type in fraction and self.default_stop_loss_value >= 1:
            raise ValueError("default_stop_loss_value is a fraction of the price for this type: 0.02 is 2 %")
        return self


class LoggingSettings(Section):
    """What is logged, and how long the journal is kept in the database."""

    level: LogLevel = setting(LogLevel.INFO, "The least severe messages that are logged", env="LOG_LEVEL")
    format: LogFormat = setting(
        LogFormat.AUTO, "How they are written; auto is console on a terminal and json elsewhere", env="LOG_FORMAT"
    )
    file: bool = setting(False, "Also write JSON lines to data_dir/logs/live-trading.log")
    file_max_megabytes: int = setting(20, "Size at which the log file is rotated", unit="megabytes", ge=1, le=10_000)
    file_count: int = setting(5, "Rotated log files kept", unit="files", ge=1, le=1000)
    journal_archive: bool = setting(True, "Move old journal entries into the archive while the engine runs")
    journal_retention_days: int = setting(
        90, "Age at which journal entries are sealed into the archive", unit="days", ge=1, le=36_500
    )
    journal_archive_interval_hours: float = setting(
        24.0, "Between two looks for old entries; the first is a minute after the engine trades", unit="hours",
        ge=0.01, le=8_784,
    )  # fmt: skip
    journal_archive_dir: Path | None = setting(
        None, "Where the archive is, needed by whatever reads old entries; null is data_dir/journal-archive"
    )
    journal_segment_entries: int = setting(
        100_000, "Entries in one file of the archive at most", unit="entries", ge=100, le=10_000_000
    )


class GcpSettings(Section):
    """The Compute Engine machine it is deployed to."""

    project_id: str | None = setting(None, "Google Cloud project", env="GCP_PROJECT_ID")
    zone: str = setting("us-central1-a", "Zone of the machine", env="GCP_ZONE", min_length=1)
    instance_name: str = setting("trading-engine-vm", "Name of the machine", pattern=r"^[a-z][a-z0-9-]{0,62}$")


class DeploymentSettings(Section):
    """Where it runs."""

    mode: DeploymentMode = setting(DeploymentMode.LOCAL, "What kind of machine it runs on")
    gcp: GcpSettings = GcpSettings()

    @model_validator(mode="after")
    def _project(self) -> Self:
        if self.mode is DeploymentMode.GCP and not self.gcp.project_id:
            raise ValueError("mode gcp needs gcp.project_id")
        return self
