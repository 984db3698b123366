"""What comes out of a file, the environment and the command line; and what is said when something is wrong."""

from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from live_trading.config import BrokerType, ConfigError, RiskSettings, Settings
from live_trading.domain.operation import OperationSettings
from live_trading.domain.values import AccountType, CrashRecoveryMode, StopLossType


@pytest.fixture
def load(tmp_path: Path) -> Any:
    def run(text: str, environ: dict[str, str] | None = None, overrides: dict[str, Any] | None = None) -> Settings:
        path = tmp_path / "config.yaml"
        path.write_text(text, encoding="utf-8")
        return Settings.load(path, environ or {}, overrides)

    return run


def complaint(load: Any, text: str, environ: dict[str, str] | None = None, **overrides: Any) -> str:
    with pytest.raises(ConfigError) as caught:
        load(text, environ, overrides.get("overrides"))
    lines = str(caught.value).splitlines()
    assert len(lines) == len(caught.value.problems)
    return "\n".join(line.rpartition("/")[2] if line.startswith("/") else line for line in lines)


SEED = """
broker:
  type: IBKR
  ibkr:
    host: 127.0.0.1
    port: 7497
    account_type: PAPER
  oanda:
    api_key: ${OANDA_API_KEY}
    account_id: ${OANDA_ACCOUNT_ID}
    environment: PRACTICE
database:
  mongodb:
    url: ${MONGODB_URL}
    db_name: trading_bot
    max_pool_size: 50
    min_pool_size: 10
risk_management:
  max_position_size: 10000
  max_daily_loss: 500
  default_stop_loss_type: ATR
  default_stop_loss_value: 1.5
  default_take_profit_type: RISK_REWARD
  default_take_profit_value: 2.0
  default_crash_recovery_mode: CLOSE_ALL
  default_emergency_stop_loss_pct: 0.05
  default_data_retention_bars: 1000
logging:
  level: INFO
  journal_retention_days: 90
deployment:
  mode: local
  gcp:
    project_id: ${GCP_PROJECT_ID}
    zone: us-central1-a
    instance_name: trading-engine-vm
"""


def test_the_plans_own_configuration_file_is_understood(load: Any) -> None:
    settings = load(SEED, {"MONGODB_URL": "mongodb://localhost:27017/trading_bot"})
    assert settings.broker.type is BrokerType.IBKR
    assert settings.database.mongodb.url.get_secret_value() == "mongodb://localhost:27017/trading_bot"
    assert settings.broker.oanda.api_key is None
    assert settings.deployment.gcp.project_id is None
    assert settings.risk_management.default_stop_loss_value == Decimal("1.5")
    assert settings.risk_management.default_stop_loss_type is StopLossType.ATR
    assert settings.risk_management.default_emergency_stop_loss_pct == Decimal("0.05")


@pytest.mark.parametrize(
    ("variable", "value", "key", "expected"),
    [
        ("MONGODB_DB_NAME", "other", "database.mongodb.db_name", "other"),
        ("BROKER_TYPE", "IBKR", "broker.type", "IBKR"),
        ("IBKR_HOST", "10.0.0.5", "broker.ibkr.host", "10.0.0.5"),
        ("IBKR_PORT", "4002", "broker.ibkr.port", 4002),
        ("IBKR_CLIENT_ID", "7", "broker.ibkr.client_id", 7),
        ("OANDA_ACCOUNT_ID", "101-001-1", "broker.oanda.account_id", "101-001-1"),
        ("OANDA_ENVIRONMENT", "LIVE", "broker.oanda.environment", "LIVE"),
        ("API_HOST", "0.0.0.0", "api.host", "0.0.0.0"),
        ("API_PORT", "9000", "api.port", 9000),
        ("GCP_PROJECT_ID", "mine", "deployment.gcp.project_id", "mine"),
        ("GCP_ZONE", "europe-west1-b", "deployment.gcp.zone", "europe-west1-b"),
        ("ENGINE_ID", "second", "engine.id", "second"),
    ],
)
def test_environment_variable_wins_over_the_file(
    load: Any, variable: str, value: str, key: str, expected: object
) -> None:
    settings = load("api: {port: 1234}\n", {variable: value})
    found = settings
    for name in key.split("."):
        found = getattr(found, name)
    assert found == expected
    assert settings.origin(key) == f"environment variable {variable}"


def test_override_wins_over_the_environment(load: Any) -> None:
    settings = load("api: {port: 1}\n", {"API_PORT": "2"}, {"api.port": "3"})
    assert settings.api.port == 3
    assert settings.origin("api.port") == "--set"


def test_empty_environment_variable_counts_as_unset(load: Any) -> None:
    settings = load("api: {port: 1}\n", {"API_PORT": ""})
    assert settings.api.port == 1
    assert settings.origin("api.port").endswith("config.yaml:1")
    assert settings.origin("api.host") == "default"


def test_no_file_means_the_defaults(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    assert Settings.load(None, {}) == Settings()


def test_file_is_found_by_variable_then_in_the_working_directory(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("config.yaml").write_text("api: {port: 1}\n")
    Path("other.yaml").write_text("api: {port: 2}\n")
    assert Settings.load(None, {}).api.port == 1
    assert Settings.load(None, {"LIVE_TRADING_CONFIG": "other.yaml"}).api.port == 2
    assert Settings.load(Path("config.yaml"), {"LIVE_TRADING_CONFIG": "other.yaml"}).api.port == 1


def test_named_file_that_is_missing_is_an_error_not_the_defaults() -> None:
    with pytest.raises(ConfigError, match=r"nowhere\.yaml: there is no such file\."):
        Settings.load(Path("nowhere.yaml"), {})


def test_interpolation_default_escape_and_missing_variable(load: Any) -> None:
    settings = load("api:\n  port: ${P:-81}\n  host: h-${H}\nengine:\n  data_dir: a/$${x}\n", {"H": "1"})
    assert (settings.api.port, settings.api.host, str(settings.engine.data_dir)) == (81, "h-1", "a/${x}")
    assert complaint(load, "api:\n  host: h-${H}\n") == (
        "config.yaml:2: api.host: environment variable H is not set. Set it, or give a default: ${H:-text}"
    )
    assert "api.host: must not be null" in complaint(load, "api:\n  host: ${H}\n")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            "risk_management:\n  max_daily_los: 3\n",
            ('config.yaml:2: risk_management.max_daily_los: there is no such setting. '
            'Did you mean "risk_management.max_daily_loss"?'),
        ),
        (
            "api:\n  db_name: x\n",
            'config.yaml:2: api.db_name: there is no such setting. Did you mean "database.mongodb.db_name"?',
        ),
        ("brokr: {}\n", 'config.yaml:1: brokr: there is no such setting. Did you mean "broker"?'),
        ("api:\n  zzz: 1\n", "config.yaml:2: api.zzz: there is no such setting. Known here: host, port,"),
        (
            "api:\n  port: http\n",
            ('config.yaml:2: api.port: "http" is not a whole number. '
            "Give a whole number from 0 to 65535; the default is 8000"),
        ),
        ("api:\n  port: yes\n", "config.yaml:2: api.port: True is not a whole number. Give"),
        ("api:\n  port: 99999\n", "config.yaml:2: api.port: 99999 must be less than or equal to 65535. Give"),
        ("logging:\n  file: 1\n", "config.yaml:2: logging.file: 1 is not true or false. Give true or false; the"),
        ("broker:\n  type: IB\n", 'config.yaml:2: broker.type: "IB" is not PAPER, IBKR or OANDA. Give'),
        (
            "risk_management:\n  max_loss_pct: 2\n",
            "config.yaml:2: risk_management.max_loss_pct: 2 must be less than or equal to 1. Give a decimal number",
        ),
        ("engine:\n  lease_ttl_seconds: .nan\n", "config.yaml:2: engine.lease_ttl_seconds: nan must be"),
        ("api: 3\n", "config.yaml:1: api: must be a section. Its keys are host, port, in_run, secret_key"),
        ("api:\n  port: 1\n  port: 2\n", "config.yaml:3: api.port: is given twice. Keep one; the first is in line 2"),
        ("- a\n", "config.yaml: is not a mapping of sections."),
        ("api: [\n", "config.yaml:2: is not YAML:"),
        (
            "database:\n  mongodb:\n    min_pool_size: 51\n",
            "config.yaml:2: database.mongodb: min_pool_size must not be more than max_pool_size. Change one of them",
        ),
        ("broker:\n  ibkr:\n    port: 7496\n", "config.yaml:2: broker.ibkr: port 7496 is that of a LIVE account, but"),
        ("broker:\n  type: OANDA\n", "config.yaml:1: broker: type OANDA needs oanda.api_key and oanda.account_id."),
        ("deployment:\n  mode: gcp\n", "config.yaml:1: deployment: mode gcp needs gcp.project_id."),
    ],
)  # fmt: skip
def test_mistake_is_one_line_with_place_key_problem_and_remedy(load: Any, text: str, said: str) -> None:
    line = complaint(load, text)
    assert "\n" not in line
    assert line.startswith(said)


def test_every_mistake_is_told_at_once(load: Any) -> None:
    said = complaint(load, "api:\n  port: x\n  hst: y\n", {"IBKR_PORT": "0"}, overrides={"engine.idd": "1"})
    assert sorted(line.split(": ")[:2] for line in said.splitlines()) == [
        ["--set", "engine.idd"],
        ["config.yaml:2", "api.port"],
        ["config.yaml:3", "api.hst"],
        ["environment variable IBKR_PORT", "broker.ibkr.port"],
    ]


def test_no_error_repeats_a_secret(load: Any) -> None:
    environ = {"MONGODB_URL": "http://u:hunter2@x", "SECRET_KEY": "hunter2", "OANDA_API_KEY": "hunter2-and-more"}
    said = complaint(load, "api:\n  port: x\n", environ)
    assert "database.mongodb.url: the value (hidden) must begin with mongodb://" in said
    assert "api.secret_key: the value (hidden)" in said
    assert "hunter2" not in said


def test_no_text_of_the_settings_shows_a_secret(load: Any) -> None:
    settings = load("", {"OANDA_API_KEY": "hunter2", "MONGODB_URL": "mongodb://u:hunter2@x/"})
    assert "hunter2" not in f"{settings} {settings!r} {settings.model_dump()} {settings.model_dump_json()}"


def test_secrets_include_the_password_inside_the_databases_address(load: Any) -> None:
    settings = load("", {"MONGODB_URL": "mongodb://user:p%40ss@host/db", "OANDA_API_KEY": "token"})
    found = {secret.get_secret_value() for secret in settings.secrets()}
    assert found == {"mongodb://user:p%40ss@host/db", "p%40ss", "p@ss", "token"}


def test_recovery_mode_follows_the_account_unless_chosen() -> None:
    risk = RiskSettings()
    assert risk.crash_recovery_mode(AccountType.PAPER) is CrashRecoveryMode.CLOSE_ALL
    assert risk.crash_recovery_mode(AccountType.LIVE) is CrashRecoveryMode.RESUME
    chosen = RiskSettings(default_crash_recovery_mode=CrashRecoveryMode.EMERGENCY_EXIT)
    assert chosen.crash_recovery_mode(AccountType.LIVE) is CrashRecoveryMode.EMERGENCY_EXIT


def test_operation_gets_its_defaults_from_the_risk_settings() -> None:
    risk = RiskSettings(default_stop_loss_type=StopLossType.PERCENTAGE, default_stop_loss_value=Decimal("0.02"))
    operation = OperationSettings.model_validate(
        risk.operation_defaults(AccountType.LIVE)
        | {"asset": "EUR-USD", "bar_sizes": ["1 min"], "primary_bar_size": "1 min", "strategy_name": "S"}
        | {"quantity": "1", "initial_capital": "1000"}
    )
    assert (operation.stop_loss_type, operation.stop_loss_value) == (StopLossType.PERCENTAGE, Decimal("0.02"))
    assert operation.crash_recovery_mode is CrashRecoveryMode.RESUME
    shared = set(risk.operation_defaults(AccountType.LIVE))
    assert shared == {
        name.removeprefix("default_") for name in RiskSettings.model_fields if name.startswith("default_")
    }


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        ({}, AccountType.PAPER),
        ({"BROKER_TYPE": "IBKR"}, AccountType.PAPER),
        ({"BROKER_TYPE": "IBKR", "IBKR_PORT": "7496", "IBKR_ACCOUNT_TYPE": "LIVE"}, AccountType.LIVE),
        ({"IBKR_PORT": "7496", "IBKR_ACCOUNT_TYPE": "LIVE"}, AccountType.PAPER),
        (
            {"BROKER_TYPE": "OANDA", "OANDA_API_KEY": "k", "OANDA_ACCOUNT_ID": "a", "OANDA_ENVIRONMENT": "LIVE"},
            AccountType.LIVE,
        ),
    ],
)
def test_account_type_is_that_of_the_chosen_broker(load: Any, environ: dict[str, str], expected: AccountType) -> None:
    assert load("", environ).broker.account_type is expected


def test_money_is_exact(load: Any) -> None:
    settings = load("risk_management: {max_daily_loss: 0.1, max_loss_pct: '0.30'}\n")
    assert settings.risk_management.max_daily_loss == Decimal("0.1")
    assert settings.risk_management.max_loss_pct == Decimal("0.30")
