"""The tables of parameters in ``docs/strategies``, as the code has them."""

import json
from typing import Any

from pydantic_core import PydanticUndefined, to_jsonable_python

from live_trading.strategies import Strategy


def parameter_table(strategy: Strategy[Any]) -> str:
    """A Markdown table of a strategy's parameters: name, default and description."""
    rows = ["| parameter | default | what it is |", "| --- | --- | --- |"]
    for name, field in strategy.Parameters.model_fields.items():
        default = field.get_default(call_default_factory=True) if not field.is_required() else PydanticUndefined
        shown = "required" if default is PydanticUndefined else f"`{_text(default)}`"
        rows.append(f"| `{name}` | {shown} | {field.description} |")
    return "\n".join(rows)


def _text(default: Any) -> str:
    plain = to_jsonable_python(default)
    if isinstance(plain, str) and plain.endswith(":00") and plain.count(":") == 2:
        plain = plain.removesuffix(":00")  # a time of day
    return plain if isinstance(plain, str) else json.dumps(plain)
