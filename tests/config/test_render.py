"""The files made from the schema say what the schema says."""

from pathlib import Path

import yaml

from live_trading.config import Settings
from live_trading.config.fields import leaves
from live_trading.config.render import config_yaml, document, in_force

ROOT = Path(__file__).parents[2]


def test_committed_files_are_what_the_schema_makes() -> None:
    assert (ROOT / "config.yaml").read_text(encoding="utf-8") == config_yaml()
    assert (ROOT / "docs/configuration.md").read_text(encoding="utf-8") == document()


def test_generated_file_has_every_key_and_means_the_defaults(tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    path.write_text(config_yaml(), encoding="utf-8")
    settings = Settings.load(path, {})
    assert settings.model_dump() == Settings().model_dump()
    assert all(settings.origin(key) != "default" for key, _ in leaves(Settings))


def test_every_setting_is_described_and_every_variable_is_used_once() -> None:
    described = dict(leaves(Settings))
    assert [key for key, leaf in described.items() if len(leaf.description) < 10] == []
    variables = [leaf.env for leaf in described.values() if leaf.env]
    assert len(variables) == len(set(variables))
    assert [key for key, leaf in described.items() if leaf.secret and not leaf.env] == []


def test_configuration_in_force_is_yaml_with_origins_and_without_secrets(tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    path.write_text("api: {port: 81}\n")
    shown = in_force(Settings.load(path, {"SECRET_KEY": "hunter2" * 5, "GCP_ZONE": "z"}))
    assert "hunter2" not in shown
    lines = {line.split("#")[0].strip(): line.partition("# ")[2] for line in shown.splitlines()}
    assert lines["port: 81"] == f"{path}:1"
    assert lines["secret_key: (set, hidden)"] == "environment variable SECRET_KEY"
    assert lines["zone: z"] == "environment variable GCP_ZONE"
    assert yaml.safe_load(shown)["broker"]["oanda"]["api_key"] is None
