"""The documents' fields: names, types, numbers."""

from decimal import Decimal
from typing import Any

import pytest
from bson import Decimal128
from hypothesis import given
from hypothesis import strategies as st

from live_trading.domain.values import Side
from live_trading.projections.documents import fraction, number
from tests.stories import D, Shelf, Story, shelve

SEED_FIELDS = {
    "trading_operations": "asset bar_sizes primary_bar_size strategy_name strategy_config status stop_loss_type "
    "stop_loss_value take_profit_type take_profit_value crash_recovery_mode emergency_stop_loss_pct "
    "data_retention_bars created_at updated_at closed_at initial_capital current_capital total_pnl total_pnl_pct "
    "quantity broker account_type currency",
    "transactions": "operation_id transaction_type transaction_role position_type order_id price quantity commission "
    "executed_at profit profit_pct related_entry_transaction_id position_id notes",
    "positions": "operation_id contract_symbol quantity entry_price stop_loss take_profit opened_at closed_at status",
    "orders": "operation_id broker_order_id order_type action quantity price status filled_quantity avg_fill_price "
    "commission placed_at filled_at cancelled_at client_order_id purpose detail doubt",
    "trades": "operation_id position_type entry_transaction_id exit_transaction_id entry_price exit_price quantity pnl "
    "pnl_pct total_commission entry_time exit_time duration_seconds net_pnl",
}


@pytest.fixture
def shelf() -> Shelf:
    story = Story()
    operation = story.operation(multiplier="20")
    story.trade(operation, Side.SELL, "100", "2", commission=D("3"), commission_currency="USD")
    story.trade(operation, Side.BUY, "90", "1", commission=D("0.5"), commission_currency="USD")
    return shelve(story.entries)


@pytest.mark.parametrize("collection", SEED_FIELDS)
def test_every_field_has_its_name(shelf: Shelf, collection: str) -> None:
    documents = shelf.of(collection)
    assert documents
    for document in documents:
        assert set(SEED_FIELDS[collection].split()) <= set(document)
        assert list(document)[:2] == ["_id", "sequence_number"]


def test_trade_of_a_short_is_gross_with_its_commissions_beside(shelf: Shelf) -> None:
    (trade,) = shelf.of("trades")
    numbers = {name: str(value) for name, value in trade.items() if isinstance(value, Decimal128)}
    assert numbers == {
        "entry_price": "100",
        "exit_price": "90",
        "quantity": "1",
        "pnl": "200",
        "pnl_pct": "0.1",
        "total_commission": "2",
        "net_pnl": "198",
        "net_pnl_pct": "0.099",
    }
    entry, exit_ = shelf.of("transactions")
    assert trade["entry_transaction_id"] == entry["_id"]
    assert trade["exit_transaction_id"] == exit_["_id"]
    assert trade["duration_seconds"] == 2.0
    assert exit_["related_entry_transaction_id"] == entry["_id"]
    assert trade["_id"].binary[3:] == exit_["_id"].binary[3:]


def test_operation_shows_its_money_flat(shelf: Shelf) -> None:
    (operation,) = shelf.of("trading_operations")
    expected: dict[str, Any] = {
        "total_pnl": "196.5",
        "gross_pnl": "200",
        "total_commission": "3.5",
        "current_capital": "100196.5",
        "total_pnl_pct": "0.001965",
        "open_quantity": "-1",
        "quantity": "10000",
        "emergency_stop_loss_pct": "0.05",
    }
    assert {name: str(operation[name]) for name in expected} == expected


@given(st.decimals(min_value=-(10**20), max_value=10**20, places=10), st.integers(min_value=0, max_value=3))
def test_equal_numbers_are_equal_bytes_and_keep_their_value(value: Decimal, zeros: int) -> None:
    sign, digits, exponent = value.as_tuple()
    assert isinstance(exponent, int)
    longer = Decimal((sign, digits + (0,) * zeros, exponent - zeros))
    assert number(value).to_decimal() == value
    assert number(longer).bid == number(value).bid
    assert "E+" not in str(number(value))


def test_trailing_zeros_make_no_difference() -> None:
    assert number(D("1.50")).bid == number(D("1.5")).bid
    assert str(number(D("1E+3"))) == "1000"
    assert number(D("-0.000")).bid == number(D("0")).bid


def test_fraction_has_ten_decimals_and_none_where_there_is_no_whole() -> None:
    assert str(fraction(D(1), D(3))) == "0.3333333333"
    assert str(fraction(D(-1), D(-3))) == "-0.3333333333"
    assert fraction(D(1), D(0)) is None
    assert fraction(D(10) ** 15, D("1e-12")) is not None
