"""Every rule refuses what it must and lets the rest pass; exits are never starved by entries."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from live_trading.domain.instrument import Instrument
from live_trading.domain.values import AssetClass, OperationStatus, OrderType, PositionType, Side
from live_trading.orders.gatekeeper import Breaker, Entering, Gatekeeper, Limits, Refusal, Situation, TokenBucket
from live_trading.orders.rules import RULES
from live_trading.projections import Ledger
from live_trading.projections.state import Acknowledged, KillSwitch, Lot, Operation, Position
from live_trading.projections.state import Breaker as OpenBreaker

NOW = datetime(2026, 3, 2, 14, 30, tzinfo=UTC)
INSTRUMENT = Instrument(
    symbol="ES",
    asset_class=AssetClass.FUTURE,
    currency="USD",
    tick_size=Decimal("0.25"),
    quantity_step=Decimal(1),
    multiplier=Decimal(50),
)
SITUATION = Situation(
    now=NOW,
    broker_ready=True,
    market_open=True,
    last_price=Decimal(5000),
    data_stale=False,
    data_age=0.1,
    prices={1: Decimal(5000)},
)

NO_LIMITS = Limits(max_loss_pct=None, price_sanity_pct=Decimal(10))


def operation(quantity: int = 0, number: int = 1, broker: str = "paper") -> Operation:
    """An operation in ES that holds ``quantity`` since 5000."""
    made = Operation(
        number=number,
        settings={},
        instrument={},
        symbol="ES",
        broker=broker,
        currency="USD",
        multiplier=Decimal(50),
        initial_capital=Decimal(1_000_000),
        created_at=NOW,
        updated_at=NOW,
    )
    if quantity:
        kind = PositionType.LONG if quantity > 0 else PositionType.SHORT
        made.lots = [Lot(0, Decimal(abs(quantity)), Decimal(5000))]
        made.position = Position(
            number=2,
            operation=number,
            symbol="ES",
            position_type=kind,
            quantity=Decimal(quantity),
            entry_price=Decimal(5000),
            opened_at=NOW,
            peak=Decimal(abs(quantity)),
        )
    return made


def keeper_of(limits: Limits, *operations: Operation) -> Gatekeeper:
    ledger = Ledger()
    ledger.state.operations = {made.number: made for made in operations}
    return Gatekeeper(limits, ledger, lambda: 0.0)


def entering(made: Operation, quantity: int = 1, **changes: object) -> Entering:
    return structs.replace(Entering(made, INSTRUMENT, Side.BUY, OrderType.MARKET, Decimal(quantity)), **changes)


def rule_of(refusal: Refusal | None) -> str | None:
    return None if refusal is None else refusal.rule


def test_an_ordinary_entry_passes() -> None:
    made = operation()
    assert keeper_of(NO_LIMITS, made).check(entering(made), SITUATION) is None


BROKEN: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "KILL_SWITCH": ({"max_daily_loss": Decimal(1)}, {"prices": {1: Decimal(5000), 9: Decimal(4999)}}),
    "OPERATION_NOT_ACTIVE": ({}, {}),
    "BROKER_NOT_READY": ({}, {"broker_ready": False}),
    "MARKET_CLOSED": ({}, {"market_open": False}),
    "STALE_DATA": ({}, {"data_stale": True}),
    "CIRCUIT_BREAKER": ({}, {}),
    "MAX_POSITION_SIZE": ({"max_position_size": Decimal("0.5")}, {}),
    "MAX_ORDER_NOTIONAL": ({"max_order_notional": Decimal(1)}, {}),
    "MAX_EXPOSURE": ({"max_total_exposure": Decimal(1)}, {}),
    "PRICE_SANITY": ({"price_sanity_pct": Decimal("0.0001")}, {}),
    "RATE_LIMIT": ({}, {}),
}
"""For each rule, the limits and the circumstances under which it refuses; some are set up in the test itself."""


@given(st.sets(st.sampled_from(sorted(BROKEN))))
def test_whatever_is_wrong_at_once_the_first_rule_in_order_refuses_and_nothing_else_does(wrong: set[str]) -> None:
    made, loser = operation(), operation(1, number=9, broker="other")
    loser.currency = "CHF"
    limits, situation = NO_LIMITS, SITUATION
    for code in wrong:
        limits, situation = replace(limits, **BROKEN[code][0]), structs.replace(situation, **BROKEN[code][1])
    keeper = keeper_of(limits, made, loser)
    if "OPERATION_NOT_ACTIVE" in wrong:
        made.status = OperationStatus.PAUSED
    if "CIRCUIT_BREAKER" in wrong:
        keeper.ledger.state.breaker = OpenBreaker(3, NOW + timedelta(seconds=1), 5)
    if "RATE_LIMIT" in wrong:
        while keeper.tokens.take(reduces_risk=False) == 0:
            pass
    refusal = keeper.check(entering(made, order_type=OrderType.LIMIT, limit_price=Decimal(5001)), situation)
    assert rule_of(refusal) == next((rule.code for rule in RULES if rule.code in wrong), None)
    assert keeper.tokens.take(reduces_risk=True) == 0, "an exit finds a token whatever was refused"


def test_the_rules_stand_in_the_documented_order() -> None:
    assert [rule.code for rule in RULES] == list(BROKEN)


@given(asking=st.integers(2, 6), room=st.integers(0, 6))
def test_operations_that_ask_at_once_share_what_is_left_of_a_limit(asking: int, room: int) -> None:
    operations = [operation(number=number) for number in range(1, asking + 1)]
    limits = replace(NO_LIMITS, max_total_exposure=Decimal(250_000 * room or 1), max_order_burst=100)
    keeper = keeper_of(limits, *operations)
    passed = [made for made in operations if keeper.check(entering(made), SITUATION) is None]
    assert len(passed) == min(asking, room)
    for made in passed:
        keeper.requested(made)  # none of them was journaled, after all
    assert (keeper.check(entering(operations[0]), SITUATION) is None) == bool(room)


@pytest.mark.parametrize("status", [s for s in OperationStatus if s is not OperationStatus.ACTIVE])
def test_operations_that_are_not_active_do_not_enter(status: OperationStatus) -> None:
    made = operation()
    made.status = status
    assert rule_of(keeper_of(NO_LIMITS, made).check(entering(made), SITUATION)) == "OPERATION_NOT_ACTIVE"


@pytest.mark.parametrize(
    ("changes", "rule"),
    [
        ({"broker_ready": False}, "BROKER_NOT_READY"),
        ({"market_open": False}, "MARKET_CLOSED"),
        ({"data_stale": True, "data_age": 7.5}, "STALE_DATA"),
        ({"last_price": None, "data_age": None}, "STALE_DATA"),
    ],
)
def test_circumstances_refuse(changes: dict[str, object], rule: str) -> None:
    made = operation()
    situation = structs.replace(SITUATION, **changes)
    assert rule_of(keeper_of(NO_LIMITS, made).check(entering(made), situation)) == rule


def test_a_tripped_kill_switch_refuses_whatever_else_holds() -> None:
    made = operation()
    keeper = keeper_of(NO_LIMITS, made)
    keeper.ledger.state.kill_switch = KillSwitch(7, NOW, "enough", "user:ann")
    refusal = keeper.check(entering(made), structs.replace(SITUATION, market_open=False))
    assert refusal is not None
    assert (refusal.rule, refusal.numbers) == ("KILL_SWITCH", {"since_entry": 7})
    assert "user:ann" in refusal.detail


@given(loss=st.integers(0, 100_000), limit=st.integers(1, 100_000))
def test_a_day_s_marked_to_market_loss_over_the_limit_trips_the_kill_switch(loss: int, limit: int) -> None:
    held = operation(1)
    keeper = keeper_of(replace(NO_LIMITS, max_daily_loss=Decimal(limit)), held)
    situation = structs.replace(SITUATION, prices={1: Decimal(5000) - Decimal(loss) / 50})
    refusal = keeper.check(entering(held), situation)
    if loss > limit:
        assert refusal is not None
        assert refusal.rule == "KILL_SWITCH"
        assert refusal.trip is not None
        assert refusal.trip.loss == loss
    else:
        assert rule_of(refusal) is None


def test_a_loss_over_two_per_cent_of_the_capital_trips_and_realised_losses_of_earlier_days_do_not_count() -> None:
    held = operation(10)
    held.totals.gross_pnl = held.day_start_pnl = Decimal(-500_000)
    keeper = keeper_of(replace(NO_LIMITS, max_loss_pct=Decimal("0.02")), held)
    assert (
        keeper.check(entering(held), structs.replace(SITUATION, prices={1: Decimal(4981)})) is None
    )  # 9,500 of 500,000
    refusal = keeper.check(entering(held), structs.replace(SITUATION, prices={1: Decimal(4979)}))  # 10,500
    assert rule_of(refusal) == "KILL_SWITCH"


@given(loss=st.integers(1, 1000), known=st.integers(0, 1000), later=st.integers(0, 1))
def test_an_acknowledged_loss_does_not_count_again_until_the_day_ends(loss: int, known: int, later: int) -> None:
    held = operation(1)
    keeper = keeper_of(replace(NO_LIMITS, max_daily_loss=Decimal(100)), held)
    keeper.ledger.state.acknowledged = Acknowledged(7, 1, {"USD": Decimal(known), "CHF": Decimal(1)})
    keeper.ledger.state.day = 1 + later
    situation = structs.replace(SITUATION, prices={1: Decimal(5000) - Decimal(loss) / 50})
    counted = loss if later else loss - known
    trip = keeper.loss_beyond_limits(situation)
    assert (trip.loss if trip is not None else None) == (counted if counted > 100 else None)
    assert keeper.day_losses(situation.prices) == {"USD": loss}


def test_an_open_breaker_refuses_until_its_time_and_not_longer() -> None:
    made = operation()
    keeper = keeper_of(NO_LIMITS, made)
    keeper.ledger.state.breaker = OpenBreaker(3, NOW + timedelta(seconds=1), 5)
    assert rule_of(keeper.check(entering(made), SITUATION)) == "CIRCUIT_BREAKER"
    later = structs.replace(SITUATION, now=NOW + timedelta(seconds=1))
    assert keeper.check(entering(made), later) is None


@given(st.lists(st.floats(0, 30), min_size=1, max_size=40))
def test_the_breaker_opens_exactly_at_the_fifth_failure_within_a_minute(gaps: list[float]) -> None:
    breaker = Breaker(NO_LIMITS)
    recent: list[datetime] = []
    now = NOW
    for gap in gaps:
        now += timedelta(seconds=gap)
        recent = [*recent, now][-5:]
        opened = breaker.failed(now)
        expected = len(recent) == 5 and now - recent[0] <= timedelta(seconds=60)
        assert (opened is not None) == expected
        if opened is not None:
            assert opened == now + timedelta(seconds=60)
            recent = []


@given(held=st.integers(-20, 20), quantity=st.integers(1, 20), limit=st.integers(1, 30), buy=st.booleans())
def test_no_position_grows_over_its_limit(held: int, quantity: int, limit: int, buy: bool) -> None:
    made = operation(held)
    keeper = keeper_of(replace(NO_LIMITS, max_position_size=Decimal(limit)), made)
    side = Side.BUY if buy else Side.SELL
    refused = rule_of(keeper.check(entering(made, quantity, side=side), SITUATION))
    assert refused == ("MAX_POSITION_SIZE" if abs(held + quantity * side.sign) > limit else None)


@given(quantity=st.integers(1, 20), limit=st.integers(1, 5_000_000))
def test_no_order_is_worth_more_than_allowed(quantity: int, limit: int) -> None:
    made = operation()
    keeper = keeper_of(replace(NO_LIMITS, max_order_notional=Decimal(limit)), made)
    refused = rule_of(keeper.check(entering(made, quantity), SITUATION))
    assert refused == ("MAX_ORDER_NOTIONAL" if quantity * 5000 * 50 > limit else None)


@given(mine=st.integers(0, 5), same=st.integers(0, 5), other=st.integers(0, 5), limit=st.integers(1, 4_000_000))
@pytest.mark.parametrize("scope", ["operation", "account", "total"])
def test_exposure_is_limited_by_operation_account_and_over_all(
    scope: str, mine: int, same: int, other: int, limit: int
) -> None:
    made, neighbour = operation(mine), operation(same, number=2)
    elsewhere = operation(other, number=3, broker="other")
    limits = replace(NO_LIMITS, **{f"max_{scope}_exposure": Decimal(limit)})  # type: ignore[arg-type]
    keeper = keeper_of(limits, made, neighbour, elsewhere)
    situation = structs.replace(SITUATION, prices={1: Decimal(5000), 2: Decimal(5000), 3: Decimal(5000)})
    units = {"operation": mine, "account": mine + same, "total": mine + same + other}[scope] + 1
    refused = rule_of(keeper.check(entering(made), situation))
    assert refused == ("MAX_EXPOSURE" if units * 250_000 > limit else None)


@given(limit=st.decimals("4000", "6000", places=2), sanity=st.decimals("0.001", "0.2", places=3))
def test_prices_far_from_the_last_one_are_refused(limit: Decimal, sanity: Decimal) -> None:
    made = operation()
    keeper = keeper_of(replace(NO_LIMITS, price_sanity_pct=sanity), made)
    refused = rule_of(keeper.check(entering(made, limit_price=limit, order_type=OrderType.LIMIT), SITUATION))
    assert refused == ("PRICE_SANITY" if abs(limit - 5000) > 5000 * sanity else None)


@given(st.lists(st.tuples(st.floats(0, 0.5), st.booleans()), min_size=1, max_size=200))
def test_orders_never_exceed_the_rate_and_a_share_is_kept_for_those_that_reduce_risk(
    steps: list[tuple[float, bool]],
) -> None:
    now = 0.0
    bucket = TokenBucket(5, 5, lambda: now)
    sent: list[float] = []
    for gap, reduces in steps:
        now += gap
        if bucket.take(reduces) == 0:
            sent.append(now)
    for first in range(len(sent)):
        for last in range(first, len(sent)):
            assert last - first + 1 <= 5 + 5 * (sent[last] - sent[first]) + 1e-6


@given(st.lists(st.floats(0, 0.3), max_size=20), st.floats(0.1, 1000))
def test_who_waits_as_long_as_told_gets_a_token_whatever_rounding_leaves(gaps: list[float], rate: float) -> None:
    now = 90.0
    bucket = TokenBucket(rate, 5, lambda: now)
    for gap in gaps:
        now += gap
        tries = 0
        while wait := bucket.take(reduces_risk=True):
            now += wait
            tries += 1
            assert tries < 4


def test_entries_cannot_take_the_last_token_from_an_exit() -> None:
    bucket = TokenBucket(5, 5, lambda: 0.0)
    while bucket.take(reduces_risk=False) == 0:
        pass
    assert bucket.take(reduces_risk=True) == 0


@given(price=st.decimals("1", "100000", places=2), buy=st.booleans())
def test_a_marketable_limit_is_on_the_grid_and_on_the_side_that_fills(price: Decimal, buy: bool) -> None:
    keeper = keeper_of(NO_LIMITS)
    side = Side.BUY if buy else Side.SELL
    limit = keeper.marketable_limit(INSTRUMENT, side, price)
    assert limit % INSTRUMENT.tick_size == 0
    assert (limit - price) * side.sign >= price * Decimal("0.005")
