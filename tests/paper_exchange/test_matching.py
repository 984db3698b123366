"""What trades, at which price, in which order, and what is refused."""

import pytest

from live_trading.domain.values import OrderStatus, OrderType, Side, TimeInForce
from live_trading.paper_exchange.core import Accepted, Change, Refusal, Refused
from tests.paper_exchange.worlds import (
    ACCOUNT,
    SECOND,
    CommissionModel,
    D,
    LiquidityModel,
    SlippageModel,
    World,
    listing,
)

BUY, SELL = Side.BUY, Side.SELL


def test_market_order_buys_at_the_ask_and_sells_at_the_bid() -> None:
    world = World()
    world.quote("1.1000", "1.1002")
    buy = world.place(world.market(BUY, 100))
    sell = world.place(world.market(SELL, 40))
    assert world.fills(buy) == [(D(100), D("1.1002"))]
    assert world.fills(sell) == [(D(40), D("1.1000"))]
    assert world.position() == 60


def test_market_order_before_the_first_tick_waits_for_it() -> None:
    world = World()
    order = world.place(world.market(BUY, 100))
    assert order.status is OrderStatus.PLACED
    world.quote("1.1000", "1.1002")
    assert world.fills(order) == [(D(100), D("1.1002"))]


def test_limit_order_that_crosses_gets_the_better_price_and_one_that_rests_its_own() -> None:
    world = World()
    world.quote("1.1000", "1.1002")
    crossing = world.place(world.limit(BUY, 10, "1.1010"))
    resting = world.place(world.limit(BUY, 10, "1.0990"))
    assert world.fills(crossing) == [(D(10), D("1.1002"))]
    world.quote("1.0979", "1.0980")
    assert world.fills(resting) == [(D(10), D("1.0990"))]


def test_limit_order_placed_before_the_first_quote_opens_at_the_better_price() -> None:
    world = World()
    order = world.place(world.limit(BUY, 10, "1.1010"))
    world.quote("1.1000", "1.1002")
    assert world.fills(order) == [(D(10), D("1.1002"))]


def test_stop_triggers_on_the_side_it_would_trade_at() -> None:
    world = World()
    world.quote("1.1000", "1.1002")
    stop = world.place(world.stop(SELL, 10, "1.0990"))
    world.quote("1.0991", "1.0993")
    assert stop.working
    world.quote("1.0988", "1.0995")
    assert world.fills(stop) == [(D(10), D("1.0988"))]


def test_stop_of_a_trade_market_triggers_on_the_last_trade() -> None:
    world = World(listing("SPY", spread_ticks=4).model_copy(update={"instrument": listing("ES").instrument}))
    world.trade("5000.25", symbol="ES")
    stop = world.place(world.stop(SELL, 1, "5000", symbol="ES"))
    assert stop.working, "the synthetic bid of 4999.75 is through the stop, the last trade is not"
    world.trade("5000", symbol="ES")
    assert stop.status is OrderStatus.FILLED


def test_stop_limit_rests_at_its_limit_after_a_gap() -> None:
    world = World()
    world.quote("1.1000", "1.1002")
    order = world.place(world.new(SELL, OrderType.STOP_LIMIT, 10, stop_price="1.0990", limit_price="1.0985"))
    world.quote("1.0970", "1.0972")
    assert order.triggered
    assert order.working
    world.quote("1.0990", "1.0992")
    assert world.fills(order) == [(D(10), D("1.0985"))]


def test_best_price_then_oldest_is_filled_first_when_little_is_offered() -> None:
    world = World(listing(liquidity=LiquidityModel(quoted_size=True)))
    world.quote("1.1000", "1.1002", size=10)
    low = world.place(world.limit(BUY, 10, "1.0990"))
    first = world.place(world.limit(BUY, 10, "1.0995"))
    second = world.place(world.limit(BUY, 10, "1.0995"))
    world.quote("1.0979", "1.0980", size=15)
    assert (first.filled, second.filled, low.filled) == (10, 5, 0)
    world.quote("1.0979", "1.0980", size=8)
    assert (second.filled, low.filled) == (10, 3)


def test_new_price_loses_the_place_in_the_queue_and_a_smaller_quantity_keeps_it() -> None:
    world = World(listing(liquidity=LiquidityModel(quoted_size=True)))
    world.quote("1.1000", "1.1002", size=10)
    first = world.place(world.limit(BUY, 10, "1.0995"))
    second = world.place(world.limit(BUY, 10, "1.0995"))
    world.engine.modify(ACCOUNT, second.order_id, Change(quantity=D(9)), world.now)
    world.engine.modify(ACCOUNT, first.order_id, Change(limit_price=D("1.0994")), world.now)
    world.engine.modify(ACCOUNT, first.order_id, Change(limit_price=D("1.0995")), world.now)
    world.quote("1.0979", "1.0980", size=9)
    assert (first.filled, second.filled) == (0, 9)


def test_partial_fills_are_the_same_for_the_same_ticks_and_never_off_the_grid() -> None:
    def run() -> list[tuple[object, object]]:
        world = World(listing(liquidity=LiquidityModel(max_fill=D(40), partial_probability=0.7)))
        world.quote("1.1000", "1.1002")
        order = world.place(world.market(BUY, 100))
        for _ in range(30):
            world.quote("1.1000", "1.1002")
        assert order.status is OrderStatus.FILLED
        assert sum(quantity for quantity, _ in world.fills(order)) == 100
        assert all(quantity % 1 == 0 and quantity <= 40 for quantity, _ in world.fills(order))
        return [*world.fills(order)]

    assert len(run()) > 3
    assert run() == run()


def test_slippage_makes_market_orders_worse_and_leaves_limits_alone() -> None:
    world = World(listing(slippage=SlippageModel(ticks=3)))
    world.quote("1.1000", "1.1002")
    market, limit = world.place(world.market(SELL, 10)), world.place(world.limit(SELL, 10, "1.0999"))
    assert world.fills(market) == [(D(10), D("1.0997"))]
    assert world.fills(limit) == [(D(10), D("1.1000"))]


def test_fill_price_is_on_the_grid_though_the_quote_is_not() -> None:
    world = World()
    world.quote("1.10004", "1.10016")
    buy, sell = world.place(world.market(BUY, 1)), world.place(world.market(SELL, 1))
    assert world.fills(buy) == [(D(1), D("1.1002"))]
    assert world.fills(sell) == [(D(1), D("1.1000"))]


def test_immediate_or_cancel_takes_what_is_there_and_ends() -> None:
    world = World(listing(liquidity=LiquidityModel(quoted_size=True)))
    world.quote("1.1000", "1.1002", size=4)
    order = world.place(world.limit(BUY, 10, "1.1005", time_in_force=TimeInForce.IOC))
    assert (order.status, order.filled) == (OrderStatus.CANCELLED, 4)


def test_minimum_commission_is_charged_once_an_order() -> None:
    model = CommissionModel(per_unit=D("0.01"), minimum=D("1.00"))
    world = World(listing(commission=model, liquidity=LiquidityModel(max_fill=D(60))))
    world.quote("1.1000", "1.1002")
    order = world.place(world.market(BUY, 180))
    for _ in range(2):
        world.quote("1.1000", "1.1002")
    rows = world.engine.accounts[ACCOUNT].executions
    assert [row.commission for row in rows] == [D("1.00"), D("0.20"), D("0.60")]
    assert order.commission == D("1.80")


def test_profit_takes_the_multiplier_and_first_lots_close_first() -> None:
    world = World(listing("ES"))
    world.quote("5000.00", "5000.25", "ES")
    world.place(world.market(BUY, 2, symbol="ES"))
    world.quote("5010.00", "5010.25", "ES")
    world.place(world.market(BUY, 1, symbol="ES"))
    world.quote("5020.00", "5020.25", "ES")
    world.place(world.market(SELL, 4, symbol="ES"))
    position = world.engine.accounts[ACCOUNT].position("ES")
    assert position.realised == (2 * D("19.75") + D("9.75")) * 50
    assert (position.quantity, position.average_price) == (D(-1), D("5020.00"))
    assert world.engine.accounts[ACCOUNT].cash() == {"USD": 1_000_000 + position.realised}


def test_day_order_expires_with_its_session_and_good_till_cancelled_stays() -> None:
    world = World(listing("SPY"))
    world.now = 1_700_058_600 * SECOND  # 2023-11-15 09:30 in New York
    world.trade("500.00")
    day = world.place(world.limit(BUY, 1, "490", symbol="SPY", time_in_force=TimeInForce.DAY))
    good = world.place(world.limit(BUY, 1, "490", symbol="SPY"))
    world.pass_time(6 * 3600)
    assert day.working
    world.pass_time(1800)
    assert (day.status, good.status) == (OrderStatus.EXPIRED, OrderStatus.PLACED)


def test_closed_market_refuses_market_orders_and_lets_others_rest_until_it_trades() -> None:
    world = World(listing("SPY"))
    world.now = 1_700_058_600 * SECOND - 3600 * SECOND
    refused = world.try_place(world.market(BUY, 1, symbol="SPY"))
    assert isinstance(refused, Refused)
    assert refused.code is Refusal.MARKET_CLOSED
    limit = world.place(world.limit(BUY, 1, "505.00", symbol="SPY"))
    world.trade("500.00")
    assert limit.working, "ticks outside the hours trade nothing"
    world.now += 3600 * SECOND
    world.trade("501.00")
    assert world.fills(limit) == [(D(1), D("501.01"))]


def test_order_before_the_market_has_a_time_is_refused() -> None:
    world = World()
    world.now = 0
    refused = world.try_place(world.limit(BUY, 1, "1.0900"))
    assert isinstance(refused, Refused)
    assert refused.code is Refusal.MARKET_CLOSED


def test_quote_of_yesterday_trades_nothing_this_morning() -> None:
    world = World(listing("SPY"))
    world.now = 1_700_058_600 * SECOND
    world.trade("500.00")
    world.now += 86_400 * SECOND
    order = world.place(world.market(BUY, 1, symbol="SPY"))
    assert order.working
    world.trade("520.00")
    assert world.fills(order) == [(D(1), D("520.01"))]


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"quantity": "0"}, Refusal.INVALID_QUANTITY),
        ({"quantity": "1.5"}, Refusal.INVALID_QUANTITY),
        ({"quantity": "NaN"}, Refusal.INVALID_QUANTITY),
        ({"quantity": "1e40"}, Refusal.INVALID_QUANTITY),
        ({"limit_price": D("1.10001")}, Refusal.INVALID_PRICE),
        ({"limit_price": D("-1")}, Refusal.INVALID_PRICE),
        ({"limit_price": D("1e40")}, Refusal.INVALID_PRICE),
        ({"limit_price": None}, Refusal.INVALID_PRICE),
        ({"stop_price": D("1.1")}, Refusal.INVALID_PRICE),
        ({"symbol": "XYZ"}, Refusal.UNKNOWN_INSTRUMENT),
        ({"client_order_id": ""}, Refusal.INVALID_CLIENT_ORDER_ID),
        ({"client_order_id": "x" * 65}, Refusal.INVALID_CLIENT_ORDER_ID),
        ({"quantity": "100000000"}, Refusal.INSUFFICIENT_MARGIN),
        ({"parent_order_id": 77}, Refusal.PARENT_NOT_FOUND),
    ],
)
def test_refusals_have_codes_and_leave_nothing_behind(fields: dict[str, object], code: Refusal) -> None:
    world = World()
    values: dict[str, object] = {"quantity": "10", "limit_price": D("1.1000"), **fields}
    quantity = values.pop("quantity")
    answer = world.try_place(world.new(BUY, OrderType.LIMIT, str(quantity), **values))
    assert isinstance(answer, Refused)
    assert answer.code is code
    assert world.effects == []
    assert list(world.engine.orders) == []


def test_client_order_id_is_refused_for_ever_once_accepted_and_free_after_a_refusal() -> None:
    world = World()
    refused = world.try_place(world.market(BUY, 0, client_order_id="A"))
    assert isinstance(refused, Refused)
    world.quote("1.1000", "1.1002")
    assert world.place(world.market(BUY, 1, client_order_id="A")).status is OrderStatus.FILLED
    again = world.try_place(world.market(BUY, 1, client_order_id="A"))
    assert isinstance(again, Refused)
    assert again.code is Refusal.DUPLICATE_CLIENT_ORDER_ID
    twice = world.market(BUY, 1, client_order_id="B", attached=(world.stop(SELL, 1, "1.0900", client_order_id="B"),))
    refused = world.try_place(twice)
    assert isinstance(refused, Refused)
    assert refused.code is Refusal.DUPLICATE_CLIENT_ORDER_ID


def test_reducing_a_position_needs_no_margin() -> None:
    world = World(listing(margin_rate=D(1)), cash=1200)
    world.quote("1.1000", "1.1002")
    world.place(world.market(BUY, 1000))
    world.quote("0.5000", "0.5002")
    assert isinstance(world.try_place(world.market(BUY, 1000)), Refused)
    assert isinstance(world.try_place(world.market(SELL, 1000)), Accepted)
    assert world.position() == 0


def test_cancelling_what_has_ended_or_never_was_is_refused() -> None:
    world = World()
    world.quote("1.1000", "1.1002")
    done = world.place(world.market(BUY, 1))
    for order_id, code in ((done.order_id, Refusal.NOT_WORKING), (99, Refusal.ORDER_NOT_FOUND)):
        answer = world.engine.cancel(ACCOUNT, order_id, world.now)
        assert isinstance(answer, Refused)
        assert answer.code is code


def test_execution_numbers_have_no_gap_in_each_account_and_ids_are_unique_over_all() -> None:
    world = World(accounts=("A", "B"))
    world.quote("1.1000", "1.1002")
    for account in ("A", "B", "A"):
        world.place(world.market(BUY, 1), account)
    rows = {name: ledger.executions for name, ledger in world.engine.accounts.items()}
    assert [row.number for row in rows["A"]] == [1, 2]
    assert [row.number for row in rows["B"]] == [1]
    assert [row.execution_id for row in (*rows["A"], *rows["B"])] == ["X0000001", "X0000003", "X0000002"]


def test_late_commission_is_told_by_a_row_of_its_own_and_charged_at_the_fill() -> None:
    world = World(listing(commission=CommissionModel(per_unit=D("0.5"))))
    world.engine.commission_delay = lambda _: 5 * SECOND
    world.quote("1.1000", "1.1002")
    world.place(world.market(BUY, 2))
    ledger = world.engine.accounts[ACCOUNT]
    assert [row.told_commission for row in ledger.after(0)] == [None]
    assert ledger.cash() == {"USD": D("999999.00")}
    world.pass_time(5)
    assert [(row.number, row.told_commission) for row in ledger.after(0)] == [(1, D("1.00"))]
    assert [(row.execution_id, row.told_commission) for row in ledger.after(1)] == [("X0000001", D("1.00"))]
    assert ledger.after(2) == []
    assert ledger.cash() == {"USD": D("999999.00")}


def test_correction_replaces_the_values_and_a_bust_undoes_the_fill() -> None:
    world = World()
    world.quote("1.1000", "1.1002")
    order = world.place(world.market(BUY, 100))
    world.quote("1.1100", "1.1102")
    world.place(world.market(SELL, 100))
    ledger = world.engine.accounts[ACCOUNT]
    assert ledger.cash() == {"USD": D(1_000_000) + D("0.98")}
    world.engine.correct_execution(ACCOUNT, "X0000001", world.now, price=D("1.1005"))
    assert ledger.cash() == {"USD": D(1_000_000) + D("0.95")}
    assert [(row.execution_id, row.revision, row.price) for row in ledger.after(2)] == [("X0000001", "1", D("1.1005"))]
    world.engine.correct_execution(ACCOUNT, "X0000001", world.now, quantity=D(0))
    assert world.position() == -100
    assert (order.status, order.filled) == (OrderStatus.CANCELLED, 0)
    assert [row.revision for row in ledger.after(2)] == ["1", "2"]


def test_hand_from_outside_trades_or_only_moves_the_position() -> None:
    world = World()
    order = world.engine.external_fill(ACCOUNT, "EUR-USD", BUY, D(5), D("1.1000"), world.now)
    assert not isinstance(order, Refused)
    assert order.client_order_id is None
    world.engine.adjust_position(ACCOUNT, "EUR-USD", SELL, D(2), D("1.1000"), world.now)
    assert world.position() == 3
    assert len(world.engine.accounts[ACCOUNT].after(0)) == 1
