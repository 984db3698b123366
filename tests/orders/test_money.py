"""The day's result of many operations at once is the sum of each one's own."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from live_trading.orders.money import DayResults, unrealized_pnl
from live_trading.projections import Ledger, apply
from live_trading.projections.state import Lot, Operation
from tests.golden.record import JOURNALS, entries_of
from tests.orders.test_gatekeeper import operation

PRICES = {"ES": Decimal("5012.25"), "NQ": Decimal("18200.75")}

held = st.tuples(
    st.integers(-5, 5),
    st.sampled_from(("ES", "NQ")),
    st.sampled_from(("paper", "other")),
    st.sampled_from(("USD", "EUR")),
)


def operations_of(held: list[tuple[int, str, str, str]]) -> dict[int, Operation]:
    made = {}
    for number, (quantity, symbol, broker, currency) in enumerate(held, 1):
        each = made[number] = operation(quantity, number, broker)
        each.symbol, each.currency = symbol, currency
        each.totals.gross_pnl, each.day_start_pnl = Decimal(number * 7), Decimal(number)
        if abs(quantity) > 1:  # bought or sold at two prices
            each.lots = [Lot(0, Decimal(1), Decimal("4990.5")), Lot(1, Decimal(abs(quantity) - 1), Decimal(5003))]
    return made


@given(st.lists(held, max_size=8))
def test_a_day_of_many_operations_is_the_sum_of_what_each_made_and_would_make(
    held: list[tuple[int, str, str, str]],
) -> None:
    ledger = Ledger()
    ledger.state.operations = operations_of(held)
    prices = {number: PRICES[each.symbol] for number, each in ledger.state.operations.items()}
    found = {day.currency: day.pnl for day in DayResults(ledger).at(prices)}
    expected: dict[str, Decimal] = {}
    for number, each in ledger.state.operations.items():
        own = each.total_pnl - each.day_start_pnl + unrealized_pnl(each, prices[number])
        expected[each.currency] = expected.get(each.currency, Decimal(0)) + own
    assert found == expected


def test_without_a_price_only_what_is_realised_counts() -> None:
    ledger = Ledger()
    ledger.state.operations = operations_of([(3, "ES", "paper", "USD")])
    (day,) = DayResults(ledger).at({})
    assert day.pnl == Decimal(6)


def test_an_entry_that_changes_the_ledger_is_seen_by_the_next_question() -> None:
    ledger = Ledger()
    ledger.state.operations = operations_of([(1, "ES", "paper", "USD")])
    results = DayResults(ledger)
    (before,) = results.at({})
    ledger.state.sequence_number += 1
    ledger.state.operations[1].totals.gross_pnl -= 1000
    ledger.state.operations[1].touched = ledger.state.sequence_number  # as a fold does of whatever it changes
    (after,) = results.at({})
    assert after.pnl == before.pnl - 1000


@pytest.mark.parametrize("name", JOURNALS)
async def test_the_day_asked_for_after_every_entry_is_the_day_asked_for_once(name: str) -> None:
    """What is kept between two questions is, to the last digit, what follows from the whole ledger."""
    ledger = Ledger()
    asked_always = DayResults(ledger)
    for entry in await entries_of(name):
        apply(ledger, entry)
        prices = {number: Decimal("1.0850") for number in ledger.state.operations}
        assert repr(asked_always.at(prices)) == repr(DayResults(ledger).at(prices))
