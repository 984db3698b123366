"""Strategies are found by name or file, and what is wrong with them or their parameters is said."""

from pathlib import Path

import pytest

from live_trading.domain.errors import InvalidInput
from live_trading.strategies import known_strategies, load_strategy, parse_parameters
from live_trading.strategies.momentum import MomentumParameters, MomentumStrategy

OWN = """
from decimal import Decimal
from pydantic import Field
from live_trading.strategies import Strategy, StrategyParameters

class OwnParameters(StrategyParameters):
    level: Decimal = Field(default=Decimal("1.5"), gt=0, description="the price it waits for")

class OwnStrategy(Strategy[OwnParameters]):
    name = "OwnStrategy"
    Parameters = OwnParameters
    def warmup(self, parameters, primary):
        return {primary: 1}
    def on_bar(self, context):
        return None

class Half(Strategy[OwnParameters]):
    name = "Half"
    Parameters = OwnParameters

class Other:
    pass
"""


@pytest.fixture
def own(tmp_path: Path) -> Path:
    path = tmp_path / "own.py"
    path.write_text(OWN)
    return path


def test_the_built_in_strategy_is_found_by_name() -> None:
    assert "MomentumStrategy" in known_strategies()
    assert isinstance(load_strategy("MomentumStrategy"), MomentumStrategy)


def test_an_unknown_name_lists_the_known_ones() -> None:
    with pytest.raises(InvalidInput, match=r"no strategy 'Momentum'.*Known are .*MomentumStrategy"):
        load_strategy("Momentum")


def test_a_strategy_is_found_in_a_file_of_ones_own(own: Path) -> None:
    strategy = load_strategy(f"{own}:OwnStrategy")
    assert strategy.name == "OwnStrategy"
    assert str(parse_parameters(strategy, {"level": "2.5"})) == "level=Decimal('2.5')"


@pytest.mark.parametrize(
    ("class_name", "problem"),
    [("Half", "lacks on_bar, warmup"), ("Other", "is not a strategy class"), ("Missing", "is not a strategy class")],
)
def test_what_is_no_strategy_in_a_file_is_said_so(own: Path, class_name: str, problem: str) -> None:
    with pytest.raises(InvalidInput, match=problem):
        load_strategy(f"{own}:{class_name}")


def test_a_file_that_is_not_there_or_fails_is_said_so(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="there is no file"):
        load_strategy(f"{tmp_path}/none.py:X")
    broken = tmp_path / "broken.py"
    broken.write_text("import nothing_of_that_name\n")
    with pytest.raises(InvalidInput, match="failed to load: ModuleNotFoundError"):
        load_strategy(f"{broken}:X")


def test_parameters_have_defaults() -> None:
    assert parse_parameters(MomentumStrategy(), {}) == MomentumParameters()


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"speed": 1}, r"strategy_config\.speed: MomentumStrategy has no such parameter\. It has fast_period"),
        ({"fast_period": "many"}, r"strategy_config\.fast_period: .*'many'.*bars of the fast"),
        ({"fast_period": 1}, r"strategy_config\.fast_period: .*greater than or equal to 2"),
        ({"fast_period": 30}, r"strategy_config: .*fast_period must be below slow_period"),
    ],
)
def test_a_wrong_parameter_is_named_with_what_would_be_right(values: dict[str, object], message: str) -> None:
    with pytest.raises(InvalidInput, match=message):
        parse_parameters(MomentumStrategy(), values)


@pytest.mark.parametrize("name", list(known_strategies()))
def test_every_built_in_describes_all_its_parameters(name: str) -> None:
    strategy = load_strategy(name)
    assert strategy.name == name
    for field, described in strategy.Parameters.model_fields.items():
        assert described.description, f"{name}.{field}"
