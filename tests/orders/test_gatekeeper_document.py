"""The table in docs/gatekeeper.md is that of the program: rules, order, settings, defaults."""

from pathlib import Path
from typing import Any

from live_trading.config import Settings
from live_trading.orders.rules import RULES

DOCUMENT = Path(__file__).parents[2] / "docs" / "gatekeeper.md"


def _rows() -> list[list[str]]:
    lines = [line for line in DOCUMENT.read_text(encoding="utf-8").splitlines() if line.startswith("| `")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def _quoted(values: list[str]) -> str:
    return ", ".join(f"`{value}`" for value in values)


def _default(path: str) -> str:
    value: Any = Settings()
    for part in path.split("."):
        value = getattr(value, part)
    return "null" if value is None else str(value)


def test_the_documented_rules_are_those_of_the_program_in_their_order() -> None:
    documented = [row[:3] for row in _rows()]
    assert documented == [
        [f"`{rule.code}`", _quoted(list(rule.settings)), _quoted([_default(path) for path in rule.settings])]
        for rule in RULES
    ]


def test_each_rule_says_what_it_compares() -> None:
    assert all(len(row) == 4 and row[3] for row in _rows())
