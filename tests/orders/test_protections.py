"""Stops and targets: where they belong, on the grid, never nearer than asked for."""

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from live_trading.domain.errors import InvalidInput
from live_trading.domain.instrument import Instrument
from live_trading.domain.operation import OperationSettings
from live_trading.domain.values import AssetClass, Side
from live_trading.orders.protections import protection_prices

EURUSD = Instrument(
    symbol="EUR-USD", asset_class=AssetClass.FX, currency="USD", tick_size=Decimal("0.00001"), quantity_step=Decimal(1)
)


def settings(**changes: Any) -> OperationSettings:
    base: dict[str, Any] = {
        "asset": "EUR-USD",
        "bar_sizes": ["1 min"],
        "primary_bar_size": "1 min",
        "strategy_name": "MomentumStrategy",
        "quantity": "1000",
        "initial_capital": "10000",
    }
    return OperationSettings.model_validate({**base, **changes})


@pytest.mark.parametrize(
    ("kind", "value", "long_stop"),
    [
        ("ATR", "1.5", "1.0985"),
        ("PERCENTAGE", "0.01", "1.089"),
        ("FIXED", "0.005", "1.095"),
        ("TRAILING", "0.02", "1.078"),
    ],
)
def test_each_kind_of_stop_for_longs_and_shorts(kind: str, value: str, long_stop: str) -> None:
    made = settings(stop_loss_type=kind, stop_loss_value=value, take_profit_type=None, take_profit_value=None)
    price, atr = Decimal("1.1"), Decimal("0.001")
    long = protection_prices(made, EURUSD, Side.BUY, price, atr)
    short = protection_prices(made, EURUSD, Side.SELL, price, atr)
    assert (long.stop_loss, long.take_profit) == (Decimal(long_stop), None)
    assert short.stop_loss == price + (price - Decimal(long_stop))


@pytest.mark.parametrize(
    ("kind", "value", "target"),
    [("ATR", "3", "1.103"), ("PERCENTAGE", "0.02", "1.122"), ("FIXED", "0.01", "1.11"), ("RISK_REWARD", "2", "1.12")],
)
def test_each_kind_of_target(kind: str, value: str, target: str) -> None:
    made = settings(stop_loss_type="FIXED", stop_loss_value="0.01", take_profit_type=kind, take_profit_value=value)
    assert protection_prices(made, EURUSD, Side.BUY, Decimal("1.1"), Decimal("0.001")).take_profit == Decimal(target)


@given(
    price=st.decimals("0.5", "2", places=5),
    atr=st.decimals("0.00001", "0.01", places=7),
    multiple=st.decimals("0.1", "5", places=2),
    side=st.sampled_from(Side),
)
def test_protections_are_on_the_grid_and_at_least_as_far_as_asked_for(
    price: Decimal, atr: Decimal, multiple: Decimal, side: Side
) -> None:
    made = settings(stop_loss_value=multiple, take_profit_value="2")
    found = protection_prices(made, EURUSD, side, price, atr)
    assert found.stop_loss is not None
    assert found.take_profit is not None
    for level in (found.stop_loss, found.take_profit):
        assert level % EURUSD.tick_size == 0
    assert (price - found.stop_loss) * side.sign >= multiple * atr
    assert (found.take_profit - price) * side.sign >= 2 * multiple * atr


def test_without_an_atr_the_error_names_the_setting_and_the_remedy() -> None:
    with pytest.raises(InvalidInput, match=r"stop_loss_type: the ATR is not known yet.*PERCENTAGE or FIXED"):
        protection_prices(settings(), EURUSD, Side.BUY, Decimal("1.1"), None)


def test_a_stop_below_zero_is_refused() -> None:
    made = settings(stop_loss_type="FIXED", stop_loss_value="2")
    with pytest.raises(InvalidInput, match="stop_loss_value"):
        protection_prices(made, EURUSD, Side.BUY, Decimal("1.1"), None)
