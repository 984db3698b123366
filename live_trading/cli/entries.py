"""Journal entries as lines of text."""

from collections.abc import Mapping
from typing import Any

from live_trading.domain.entries import Entry
from live_trading.domain.ids import sequence_of
from live_trading.models.queries import plain

_SHOWN_FIRST = ("client_order_id", "symbol", "side", "quantity", "price", "decision", "reason", "detail")
_LEFT_OUT = frozenset(("settings", "instrument", "inputs", "deployment_id", "bar_time"))
_MOST_CHARACTERS = 160

_STYLES = {
    "ORDER_FILLED": "green",
    "SIGNAL_GENERATED": "cyan",
    "SIGNAL_REFUSED": "yellow",
    "COMMAND_REFUSED": "yellow",
    "ORDER_IN_DOUBT": "bold red",
    "ORDER_NEEDS_OPERATOR": "bold red",
    "ORDER_REJECTED": "red",
    "OPERATION_FAILED": "bold red",
    "KILL_SWITCH_TRIPPED": "bold red",
    "CIRCUIT_BREAKER_OPENED": "bold red",
    "POSITION_DISCREPANCY_FOUND": "bold red",
    "BROKER_DISCONNECTED": "yellow",
    "MARKET_DATA_STALE": "yellow",
}


def style_of(entry: Entry) -> str:
    """The colour of an entry's line; empty for the ordinary."""
    return _STYLES.get(entry.action_type, "")


def entry_line(entry: Entry) -> str:
    """One entry on one line: number, time, what, whose, and its facts in brief."""
    whose = f"[op {sequence_of(entry.operation_id)}]" if entry.operation_id is not None else ""
    facts = _brief(plain(entry.data))
    words = f"{entry.sequence_number:>7} {entry.timestamp:%H:%M:%S.%f}"[:-3]
    return " ".join(filter(None, (words, entry.action_type.ljust(22), whose, facts)))


def _brief(data: Mapping[str, Any]) -> str:
    names = [name for name in _SHOWN_FIRST if name in data]
    names += [name for name in data if name not in names and name not in _LEFT_OUT]
    parts = [f"{name}={_value(data[name])}" for name in names if data[name] not in (None, "", {}, [])]
    text = " ".join(parts)
    return text if len(text) <= _MOST_CHARACTERS else text[: _MOST_CHARACTERS - 1] + "…"


def _value(value: Any) -> str:
    text = str(value)
    return f'"{text}"' if " " in text else text
