"""Limits that were wider than what they are said to be."""

from datetime import timedelta
from decimal import Decimal

from live_trading.domain import entries as e
from live_trading.domain.ids import sequence_of
from live_trading.domain.instrument import Instrument
from live_trading.domain.values import OrderType, Side
from live_trading.orders.gatekeeper import Entering, Gatekeeper, Limits, Situation
from tests.stories import START, Story


def _situation(prices: dict[int, Decimal]) -> Situation:
    return Situation(START, True, True, Decimal("1.1"), False, 0.1, prices)


def test_the_capital_of_operations_closed_before_today_widens_no_loss_limit() -> None:
    story = Story(step=timedelta(hours=13))
    for _ in range(5):
        story.tell(e.OperationClosed(), story.operation(initial_capital="100000"))
    held = story.operation(initial_capital="10000")
    story.trade(held, Side.BUY, "1.1", "10000")
    keeper = Gatekeeper(Limits(max_loss_pct=Decimal("0.02")), story.ledger(), lambda: 0.0)
    trip = keeper.loss_beyond_limits(_situation({sequence_of(held): Decimal("1.07")}))
    assert trip is not None, "300 USD are lost of 10,000: 3 %"
    assert (trip.loss, trip.limit) == (Decimal("300"), Decimal("200"))


def test_the_loss_of_an_operation_closed_today_still_counts_against_the_day() -> None:
    story = Story()
    closed = story.operation(initial_capital="10000")
    story.trade(closed, Side.BUY, "1.1", "10000")
    story.trade(closed, Side.SELL, "1.07", "10000")
    story.tell(e.OperationClosed(), closed)
    keeper = Gatekeeper(Limits(max_loss_pct=Decimal("0.02")), story.ledger(), lambda: 0.0)
    trip = keeper.loss_beyond_limits(_situation({}))
    assert trip is not None
    assert (trip.loss, trip.limit) == (Decimal("300"), Decimal("200"))


def test_an_entry_that_rests_counts_as_exposure_before_its_first_price_has_come() -> None:
    story = Story()
    resting = story.operation()
    story.order(resting, Side.BUY, "10000", order_type=OrderType.LIMIT, limit_price=Decimal("1.1"))
    asking = story.operation()
    ledger = story.ledger()
    keeper = Gatekeeper(Limits(max_loss_pct=None, max_total_exposure=Decimal(12_000)), ledger, lambda: 0.0)
    operation = ledger.operation(asking)
    assert operation is not None
    instrument = Instrument.model_validate(operation.instrument)
    entering = Entering(operation, instrument, Side.BUY, OrderType.MARKET, Decimal(5000))
    refusal = keeper.check(entering, _situation({operation.number: Decimal("1.1")}))
    assert refusal is not None, "11,000 rest at the broker, and 5,500 are asked for"
    assert refusal.rule == "MAX_EXPOSURE"
