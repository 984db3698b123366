"""How far a stop trails, where it begins, and which of its steps are written down."""

from datetime import UTC, datetime
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from live_trading.brokers.types import BrokerOrder
from live_trading.domain.values import OrderPurpose, OrderStatus, OrderType, Side, TimeInForce
from live_trading.orders.trailing import (
    first_stop,
    has_moved,
    is_step,
    may_have_trailed,
    stands_at,
    trailing_distance,
)
from live_trading.projections.state import Order
from tests.orders.test_protections import EURUSD, settings

D = Decimal


def stop(kind: OrderType, side: Side, stop_price: str | None, trailing_distance: Decimal | None = None) -> Order:
    """A stop as the ledger has it."""
    return Order(
        number=7,
        operation=5,
        client_order_id="C1",
        broker="paper",
        symbol="EUR-USD",
        side=side,
        order_type=kind,
        quantity=D(1000),
        purpose=OrderPurpose.STOP_LOSS,
        limit_price=None,
        stop_price=None if stop_price is None else D(stop_price),
        time_in_force=TimeInForce.GTC,
        parent_client_order_id=None,
        oca_group=None,
        reason="",
        correlation_id=7,
        requested_at=datetime(2026, 3, 4, tzinfo=UTC),
        epoch=1,
        trailing_distance=trailing_distance,
    )


def trailing(stop_price: str | None = "1.0900", side: Side = Side.SELL) -> Order:
    """A stop that trails by 100 pips."""
    return stop(OrderType.TRAILING_STOP, side, stop_price, D("0.0100"))


def told(stop_price: str, status: OrderStatus = OrderStatus.PLACED) -> BrokerOrder:
    price = D(stop_price)
    return BrokerOrder(
        "1", "C1", "EUR-USD", Side.SELL, OrderType.TRAILING_STOP, D(1000), D(0), status, stop_price=price
    )


@given(price=st.decimals("0.5", "2", places=5), fraction=st.decimals("0.001", "0.5", places=4))
def test_the_distance_is_the_fraction_of_the_price_on_the_grid_and_no_less(price: Decimal, fraction: Decimal) -> None:
    made = settings(stop_loss_type="TRAILING", stop_loss_value=fraction, take_profit_type=None, take_profit_value=None)
    distance = trailing_distance(made, EURUSD, price)
    assert distance is not None
    assert 0 <= distance - price * fraction < EURUSD.tick_size
    assert distance % EURUSD.tick_size == 0


@pytest.mark.parametrize("kind", ["ATR", "PERCENTAGE", "FIXED"])
def test_other_stops_do_not_trail(kind: str) -> None:
    assert trailing_distance(settings(stop_loss_type=kind, stop_loss_value="0.01"), EURUSD, D("1.1")) is None


@pytest.mark.parametrize(
    ("side", "wanted", "begins"),
    [
        (Side.BUY, "1.0950", "1.0950"),
        (Side.BUY, "1.0800", "1.0900"),
        (Side.SELL, "1.1050", "1.1050"),
        (Side.SELL, "1.1200", "1.1100"),
    ],
)
def test_a_stop_begins_where_it_is_wanted_but_no_farther_than_it_trails(side: Side, wanted: str, begins: str) -> None:
    assert first_stop(EURUSD, side, D("1.1000"), D("0.0100"), D(wanted)) == D(begins)


def test_steps_of_a_tenth_of_the_distance_are_written_down_and_smaller_ones_are_not() -> None:
    assert is_step(trailing(), D("1.0910"))
    assert not is_step(trailing(), D("1.09099"))
    assert is_step(trailing(None), D("1.0900")), "the first place it is known to stand at"
    plain = stop(OrderType.STOP, Side.SELL, "1.0900")
    assert is_step(plain, D("1.09001"))
    assert not is_step(plain, D("1.0900"))


def test_at_connecting_and_at_its_end_every_difference_counts() -> None:
    assert not has_moved(trailing(), told("1.0901"), exactly=False)
    assert has_moved(trailing(), told("1.0901"), exactly=True)
    assert has_moved(trailing(), told("1.0901", OrderStatus.CANCELLED), exactly=False)
    assert not has_moved(trailing(), told("1.0900"), exactly=True)


def test_an_answer_that_a_step_has_overtaken_takes_nothing_back() -> None:
    assert stands_at(trailing(), D("1.0890")) == D("1.0900")
    assert stands_at(trailing(), D("1.0910")) == D("1.0910")
    assert stands_at(trailing(side=Side.BUY), D("1.0910")) == D("1.0900")
    assert stands_at(trailing(), None) is None
    assert stands_at(stop(OrderType.STOP, Side.SELL, "1.0900"), D("1.0890")) == D("1.0890")


def test_only_in_its_favour_can_a_stop_have_trailed_since() -> None:
    assert may_have_trailed(trailing(), D("1.2000"))
    assert not may_have_trailed(trailing(), D("1.0899"))
    assert not may_have_trailed(stop(OrderType.STOP, Side.SELL, "1.0900"), D("1.2000"))
