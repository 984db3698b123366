"""Reading ``config.yaml``: where each key stands, no key twice, and ``${VARIABLES}``."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from live_trading.config.errors import ConfigError, Problem

MAX_BYTES = 1_000_000
_VARIABLE = re.compile(r"(?P<escape>\$\$\{)|\$\{(?P<name>[A-Za-z_][A-Za-z0-9_]*)(?::-(?P<default>[^}]*))?\}")


class Document(NamedTuple):
    """The file's content, and by dotted key the ``file:line`` where it stands."""

    data: dict[str, Any]
    origins: dict[str, str]


def read_file(path: Path) -> Document:
    """Parse a YAML mapping; :class:`ConfigError` when it cannot be read, is no mapping or has a key twice."""
    try:
        if path.stat().st_size > MAX_BYTES:
            raise _wrong(str(path), f"is larger than {MAX_BYTES:,} bytes", "A configuration is a few kilobytes")
        text = path.read_text(encoding="utf-8")
        node = yaml.compose(text, Loader=yaml.SafeLoader)
        data = yaml.safe_load(text)
    except OSError as error:
        raise _wrong(str(path), f"cannot be read: {error.strerror}", "Check the file's permissions") from None
    except UnicodeDecodeError:
        raise _wrong(str(path), "is not UTF-8 text", "Save it as UTF-8") from None
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        origin = f"{path}:{mark.line + 1}" if mark is not None else str(path)
        problem = getattr(error, "problem", None) or "cannot be parsed"
        raise _wrong(origin, f"is not YAML: {problem}", "Check the indentation and quotes of that line") from None
    if node is None or data is None:
        return Document({}, {})
    if not isinstance(data, dict):
        raise _wrong(str(path), "is not a mapping of sections", "Begin with a section, such as 'engine:'")
    origins: dict[str, str] = {}
    _locate(node, "", str(path), origins)
    return Document(data, origins)


def interpolate(value: Any, environ: Mapping[str, str], origins: Mapping[str, str], key: str = "") -> Any:
    """Replace variables in every text under ``value``. A text that is one unset variable alone becomes None."""
    if isinstance(value, dict):
        return {name: interpolate(inner, environ, origins, _join(key, name)) for name, inner in value.items()}
    if isinstance(value, list):
        return [interpolate(inner, environ, origins, key) for inner in value]
    if not isinstance(value, str):
        return value
    whole = _VARIABLE.fullmatch(value)
    if whole is not None and whole["name"] and whole["default"] is None:
        return environ.get(whole["name"]) or None

    def replace(match: re.Match[str]) -> str:
        if match["escape"]:
            return "${"
        found = environ.get(match["name"]) or match["default"]
        if found is None:
            problem = f"environment variable {match['name']} is not set"
            remedy = f"Set it, or give a default: ${{{match['name']}:-text}}"
            raise ConfigError([Problem(origins.get(key, "settings"), key, problem, remedy)])
        return found

    return _VARIABLE.sub(replace, value)


def _join(prefix: str, name: object) -> str:
    return f"{prefix}.{name}" if prefix else str(name)


def _locate(node: yaml.Node, prefix: str, path: str, origins: dict[str, str]) -> None:
    if not isinstance(node, yaml.MappingNode):
        return
    for name, inner in node.value:
        key = _join(prefix, name.value)
        origin = f"{path}:{name.start_mark.line + 1}"
        if key in origins:
            remedy = f"Keep one; the first is in line {origins[key].rpartition(':')[2]}"
            raise ConfigError([Problem(origin, key, "is given twice", remedy)])
        origins[key] = origin
        _locate(inner, key, path, origins)


def _wrong(origin: str, problem: str, remedy: str) -> ConfigError:
    return ConfigError([Problem(origin, "", problem, remedy)])
