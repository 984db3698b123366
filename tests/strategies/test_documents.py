"""Every built-in strategy has a page with its rules, its source, a chart, and its parameters as the code has them."""

import re
from pathlib import Path

import pytest

from live_trading.strategies import known_strategies, load_strategy
from tests.strategies.documents import parameter_table

PAGES = Path(__file__).resolve().parents[2] / "docs" / "strategies"


def page_of(name: str) -> Path:
    snake = re.sub(r"(?<!^)(?=[A-Z])", "_", name.removesuffix("Strategy")).lower()
    return PAGES / f"{snake}.md"


@pytest.mark.parametrize("name", list(known_strategies()))
def test_its_page_tells_all_there_is_to_know(name: str) -> None:
    page = page_of(name)
    text = page.read_text(encoding="utf-8")
    assert text.startswith(f"# {name}\n")
    assert parameter_table(load_strategy(name)) in text
    assert "## Where it comes from" in text
    assert f"]({page.stem}.svg)" in text
    assert page.with_suffix(".svg").stat().st_size > 10_000
    assert f"[{name}]({page.name})" in (PAGES / "README.md").read_text(encoding="utf-8")


def test_the_example_of_ones_own_runs(tmp_path: Path) -> None:
    text = (PAGES / "README.md").read_text(encoding="utf-8")
    (code,) = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    (tmp_path / "own.py").write_text(code, encoding="utf-8")
    strategy = load_strategy(f"{tmp_path / 'own.py'}:CrossingStrategy")
    assert strategy.name == "CrossingStrategy"
    assert set(strategy.Parameters.model_fields) == {"fast", "slow"}
