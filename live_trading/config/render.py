"""The schema written out: ``config.yaml`` with its comments, ``docs/configuration.md``, and a configuration in force.

``python -m live_trading.config.render`` writes both files; ``--check`` says whether they are what the schema makes.
"""

import sys
import textwrap
from collections.abc import Iterator
from decimal import Decimal
from enum import Enum
from inspect import cleandoc
from pathlib import Path
from typing import Any

import yaml
from pydantic import SecretStr

from live_trading.config.fields import Leaf, leaf, leaves, section_of
from live_trading.config.section import Section
from live_trading.config.settings import Settings

_WIDTH = 118
_FILE_HEAD = """\
# Everything that can be configured, with its default. A key that is left out has the default written here.
#
# An environment variable named below wins over this file, and `--set key=value` over both. In a value, ${NAME} is an
# environment variable (null when unset) and ${NAME:-text} is `text` when it is unset. Fractions are fractions: 0.02
# is 2 %. Made from the schema by `make format`, which keeps the defaults: put your own values in a copy and name it
# with --config or LIVE_TRADING_CONFIG.
"""
_DOCUMENT_HEAD = """\
# Configuration

Made from the schema in [`live_trading/config/schema.py`](../live_trading/config/schema.py) by `make format`.

A value comes from the first of: `--set key=value` on the command line, the environment variable in the table, the
file, the default. The file is the one named by `--config`, else by `LIVE_TRADING_CONFIG`, else `config.yaml` in the
working directory; without any, the defaults hold. In the file, `${NAME}` stands for an environment variable (`null`
when it is unset or empty), `${NAME:-text}` for `text` in that case, and `$${` for a plain `${`.

Everything is checked before anything starts. A mistake is one line: where it stands, the key, what is wrong, and what
would be right. Secrets are never shown, logged or repeated in an error.
"""


def config_yaml() -> str:
    """``config.yaml`` with every key, its default and what it means."""
    lines = [_FILE_HEAD]
    for name, field in Settings.model_fields.items():
        section = section_of(field)
        assert section is not None
        lines.extend(_yaml_section(name, section, 0))
        lines.append("")
    return "\n".join(lines).rstrip() + "\n"


def _yaml_section(name: str, section: type[Section], depth: int) -> Iterator[str]:
    indent = "  " * depth
    yield from _comment(_first_paragraph(section), indent)
    yield f"{indent}{name}:"
    for key, field in section.model_fields.items():
        inner = section_of(field)
        if inner is not None:
            yield from _yaml_section(key, inner, depth + 1)
            continue
        described = leaf(key, field)
        details = [part for part in (described.choices, described.unit, described.bounds) if part]
        text = described.description + (f" ({', '.join(details)})" if details else "")
        if described.env:
            text += f" [{described.env}]"
        yield from _comment(text, indent + "  ")
        yield f"{indent}  {key}: {_yaml_default(described)}"


def _yaml_default(described: Leaf) -> str:
    if described.secret:
        return f"${{{described.env}}}"
    return _yaml_value(described.default)


def _yaml_value(value: Any) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool | Decimal | int | float):
        return str(value).lower() if isinstance(value, bool) else str(value)
    return yaml.safe_dump(str(value.value if isinstance(value, Enum) else value)).splitlines()[0]


def _comment(text: str, indent: str) -> list[str]:
    return textwrap.wrap(text, _WIDTH, initial_indent=f"{indent}# ", subsequent_indent=f"{indent}#   ")


def _first_paragraph(section: type[Section]) -> str:
    return " ".join(cleandoc(section.__doc__ or "").split("\n\n")[0].split())


def document() -> str:
    """``docs/configuration.md``."""
    lines = [_DOCUMENT_HEAD]
    for name, field in Settings.model_fields.items():
        section = section_of(field)
        assert section is not None
        lines += [f"## {name}", "", cleandoc(section.__doc__ or ""), ""]
        lines += ["| key | what | default | environment |", "| --- | --- | --- | --- |"]
        lines += [_row(key, described) for key, described in leaves(section, f"{name}.")]
        lines.append("")
    return "\n".join(lines).rstrip() + "\n"


def _row(key: str, described: Leaf) -> str:
    unit = f", {described.unit}" if described.unit else ""
    default = "" if described.secret else f"`{_yaml_value(described.default)}`"
    environment = f"`{described.env}`" if described.env else ""
    return f"| `{key}` | {described.description} ({described.expected}{unit}) | {default} | {environment} |"


def in_force(settings: Settings) -> str:
    """The configuration in force, as YAML, each value with its origin. Secrets show only whether they are set."""
    rows: list[tuple[str, str]] = []
    _walk(settings, settings, "", 0, rows)
    width = max(len(text) for text, origin in rows if origin)
    return "\n".join(f"{text:<{width}}  # {origin}" if origin else text for text, origin in rows) + "\n"


def _walk(settings: Settings, section: Section, prefix: str, depth: int, rows: list[tuple[str, str]]) -> None:
    for name in type(section).model_fields:
        value = getattr(section, name)
        if isinstance(value, Section):
            rows.append((f"{'  ' * depth}{name}:", ""))
            _walk(settings, value, f"{prefix}{name}.", depth + 1, rows)
        else:
            shown = "(set, hidden)" if isinstance(value, SecretStr) else _yaml_value(value)
            rows.append((f"{'  ' * depth}{name}: {shown}", settings.origin(prefix + name)))


def main(arguments: list[str]) -> int:
    """Write the files, or with ``--check`` say which are out of date; the exit status."""
    made = {Path("config.yaml"): config_yaml(), Path("docs/configuration.md"): document()}
    stale = [path for path, text in made.items() if not path.exists() or path.read_text(encoding="utf-8") != text]
    if "--check" in arguments:
        for path in stale:
            print(f"{path} is not what the schema makes: run `make format`")
        print(f"Configuration files: {f'{len(stale)} out of date' if stale else 'up to date'}")
        return 1 if stale else 0
    for path in stale:
        path.write_text(made[path], encoding="utf-8")
        print(f"wrote {path}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
