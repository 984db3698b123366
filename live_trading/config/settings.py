"""The configuration: one file, the environment and the command line, checked against one schema.

A value comes from the first of: an override (the command line), the environment variable that the setting names,
the file, the default. In the file, ``${NAME}`` is the environment variable (``null`` when it is unset or empty),
``${NAME:-text}`` is ``text`` then, and ``$${`` is a plain ``${``.
"""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self
from urllib.parse import unquote

from pydantic import PrivateAttr, SecretStr, ValidationError

from live_trading.config.errors import ConfigError, Problem
from live_trading.config.explain import explain
from live_trading.config.fields import leaves
from live_trading.config.file import interpolate, read_file
from live_trading.config.interface import ApiSettings
from live_trading.config.schema import (
    BrokerSettings,
    DatabaseSettings,
    DeploymentSettings,
    EngineSettings,
    LoggingSettings,
    MarketDataSettings,
    RiskSettings,
)
from live_trading.config.section import Section

CONFIG_VARIABLE = "LIVE_TRADING_CONFIG"
DEFAULT_FILE = "config.yaml"
_PASSWORD = re.compile(r"[^/]+//[^:@/]*:([^@]*)@")


class Settings(Section):
    """Everything that can be configured."""

    engine: EngineSettings = EngineSettings()
    broker: BrokerSettings = BrokerSettings()
    database: DatabaseSettings = DatabaseSettings()
    market_data: MarketDataSettings = MarketDataSettings()
    risk_management: RiskSettings = RiskSettings()
    logging: LoggingSettings = LoggingSettings()
    api: ApiSettings = ApiSettings()
    deployment: DeploymentSettings = DeploymentSettings()

    _origins: dict[str, str] = PrivateAttr(default_factory=dict)

    def origin(self, key: str) -> str:
        """Where the value of a dotted key came from: ``config.yaml:12``, ``environment variable …``, ``default``."""
        return self._origins.get(key, "default")

    def secrets(self) -> tuple[SecretStr, ...]:
        """Every secret that is set, and the password inside the database's address: what no log may show."""
        found = [value for key, _ in leaves(type(self)) if isinstance(value := value_of(self, key), SecretStr)]
        if self.database.mongodb.url is not None:
            password = _PASSWORD.match(self.database.mongodb.url.get_secret_value())
            if password is not None:
                found += [SecretStr(password[1]), SecretStr(unquote(password[1]))]
        return tuple(found)

    def changed(self, changes: Mapping[str, Any], origin: str = "the journal") -> Self:
        """The same with other values, by dotted key, checked as the file's are. Raises ``ValidationError``."""
        data = self.model_dump()
        for key, value in changes.items():
            _put(data, key, value)
        result = type(self).model_validate(data)
        result._origins.update({**self._origins, **dict.fromkeys(changes, origin)})
        return result

    @classmethod
    def load(cls, path: Path | None, environ: Mapping[str, str], overrides: Mapping[str, Any] | None = None) -> Self:
        """Read, combine and check the configuration; :class:`ConfigError` lists everything that is wrong with it.

        ``path`` None means ``$LIVE_TRADING_CONFIG``, else ``config.yaml`` in the working directory if it is there, else
        no file. A file that was named must exist. ``overrides`` are by dotted key. Nothing but the file and the
        arguments is looked at.
        """
        source = _find(path, environ)
        data: dict[str, Any] = {}
        origins: dict[str, str] = {}
        if source is not None:
            document = read_file(source)
            data, origins = document.data, document.origins
            data = interpolate(data, environ, origins)
        for key, field in leaves(cls):
            if field.env and environ.get(field.env, ""):
                _put(data, key, environ[field.env])
                origins[key] = f"environment variable {field.env}"
        for key, value in (overrides or {}).items():
            _put(data, key, value)
            origins[key] = "--set"
        try:
            settings = cls.model_validate(data)
        except ValidationError as error:
            raise ConfigError(explain(error, cls, origins, str(source or "settings"))) from None
        settings._origins.update(origins)
        return settings


def value_of(section: Section, key: str) -> Any:
    """The value of a dotted key."""
    value: Any = section
    for name in key.split("."):
        value = getattr(value, name)
    return value


def _find(path: Path | None, environ: Mapping[str, str]) -> Path | None:
    named = path or (Path(environ[CONFIG_VARIABLE]) if environ.get(CONFIG_VARIABLE) else None)
    if named is None:
        here = Path(DEFAULT_FILE)
        return here if here.is_file() else None
    if not named.is_file():
        remedy = "Name an existing file with --config, or leave it out to use ./config.yaml or the defaults"
        raise ConfigError([Problem(str(named), "", "there is no such file", remedy)])
    return named


def _put(data: dict[str, Any], key: str, value: Any) -> None:
    """Set a dotted key. Where the file has something that is no section on the way, that is left to be refused."""
    *sections, last = key.split(".")
    for section in sections:
        inner = data.get(section)
        if inner is None:
            inner = data[section] = {}
        if not isinstance(inner, dict):
            return
        data = inner
    data[last] = value
