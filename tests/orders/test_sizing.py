"""How large an entry is: on the grid, never more than asked for, and what the stop costs is what was meant."""

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from live_trading.domain.errors import InvalidInput
from live_trading.domain.instrument import Instrument
from live_trading.domain.operation import OperationSettings
from live_trading.domain.values import AssetClass
from live_trading.orders.sizing import entry_quantity

NQ = Instrument(
    symbol="NQ",
    asset_class=AssetClass.FUTURE,
    currency="USD",
    tick_size=Decimal("0.25"),
    quantity_step=Decimal(1),
    multiplier=Decimal(20),
)


def settings(**changes: Any) -> OperationSettings:
    base: dict[str, Any] = {
        "asset": "NQ",
        "bar_sizes": ["1 min"],
        "primary_bar_size": "1 min",
        "strategy_name": "MomentumStrategy",
        "quantity": "100",
        "initial_capital": "100000",
    }
    return OperationSettings.model_validate({**base, **changes})


def test_a_fixed_quantity_is_itself() -> None:
    assert entry_quantity(settings(), NQ, Decimal(0), Decimal(20_000), None) == 100


def test_a_per_cent_of_the_capital_counts_the_multiplier() -> None:
    made = settings(position_sizing="PERCENT_OF_CAPITAL", position_sizing_value="5")
    assert entry_quantity(made, NQ, Decimal(1_000_000), Decimal(20_000), None) == 12  # 5,000,000 of 400,000 each


@given(
    capital=st.decimals("1000", "10000000", places=2),
    risk=st.decimals("0.001", "0.1", places=4),
    distance=st.integers(1, 400),
)
def test_risk_per_trade_never_costs_more_than_meant(capital: Decimal, risk: Decimal, distance: int) -> None:
    made = settings(position_sizing="RISK_PER_TRADE", position_sizing_value=risk)
    price = Decimal(20_000)
    stop = price - distance * NQ.tick_size
    cost_of_one = (price - stop) * NQ.multiplier
    if capital * risk < cost_of_one:
        with pytest.raises(InvalidInput, match="not enough for 1 NQ"):
            entry_quantity(made, NQ, capital, price, stop)
        return
    quantity = entry_quantity(made, NQ, capital, price, stop)
    assert quantity == quantity.to_integral_value()
    assert quantity * cost_of_one <= capital * risk
    assert quantity == 100 or (quantity + 1) * cost_of_one > capital * risk


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"position_sizing": "RISK_PER_TRADE"}, "position_sizing_value goes with"),
        ({"position_sizing_value": "0.5"}, "position_sizing_value goes with"),
        (
            {
                "position_sizing": "RISK_PER_TRADE",
                "position_sizing_value": "0.01",
                "stop_loss_type": None,
                "stop_loss_value": None,
                "take_profit_type": None,
                "take_profit_value": None,
            },
            "set stop_loss_type",
        ),
    ],
)
def test_settings_that_do_not_fit_together_are_refused(changes: dict[str, Any], says: str) -> None:
    with pytest.raises(ValidationError, match=says):
        settings(**changes)
