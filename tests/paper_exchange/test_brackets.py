"""Brackets and one-cancels-all groups."""

from live_trading.domain.values import OrderStatus, Side
from live_trading.paper_exchange.core import Change, Refusal, Refused
from tests.paper_exchange.worlds import ACCOUNT, D, LiquidityModel, World, listing

BUY, SELL = Side.BUY, Side.SELL


def sized() -> World:
    """A market where the quoted size is all there is."""
    world = World(listing(liquidity=LiquidityModel(quoted_size=True)))
    world.quote("1.1000", "1.1002", size=1000)
    return world


def test_protections_sleep_until_the_entry_fills() -> None:
    world = sized()
    entry = world.bracket(10, limit="1.0950", loss="1.0900", profit="1.0960")
    loss, profit = world.children(entry)
    world.quote("1.0970", "1.0972", size=1000)  # over the target: a live one would sell
    assert (loss.dormant, profit.dormant, world.position()) == (True, True, 0)
    world.quote("1.0948", "1.0949", size=1000)
    assert (entry.status, loss.live, profit.live) == (OrderStatus.FILLED, True, True)
    world.quote("1.0961", "1.0963", size=1000)
    assert (profit.status, loss.status, world.position()) == (OrderStatus.FILLED, OrderStatus.CANCELLED, 0)


def test_protections_cover_what_is_filled_and_grow_with_the_entry() -> None:
    world = sized()
    entry = world.bracket(10, limit="1.0950")
    loss, profit = world.children(entry)
    world.quote("1.0948", "1.0949", size=4)
    assert (entry.filled, loss.quantity, profit.quantity) == (4, 4, 4)
    world.quote("1.0948", "1.0949", size=5)
    assert (entry.filled, loss.quantity, profit.quantity) == (9, 9, 9)
    world.quote("1.0948", "1.0949", size=5)
    assert (entry.filled, loss.quantity, profit.quantity) == (10, 10, 10)


def test_partial_profit_reduces_the_stop_which_then_grows_by_what_the_entry_still_gets() -> None:
    world = sized()
    entry = world.bracket(10, limit="1.0950", profit="1.0960")
    loss, profit = world.children(entry)
    world.quote("1.0948", "1.0949", size=6)
    world.quote("1.0961", "1.0963", size=2)
    assert (profit.filled, profit.remaining, loss.remaining) == (2, 4, 4)
    world.quote("1.0948", "1.0949", size=100)
    assert (entry.status, profit.remaining, loss.remaining, world.position()) == (OrderStatus.FILLED, 8, 8, 8)


def test_entry_rest_is_cancelled_when_its_protection_closed_what_was_filled() -> None:
    world = sized()
    entry = world.bracket(10, limit="1.0950")
    loss, profit = world.children(entry)
    world.quote("1.0948", "1.0949", size=4)
    world.quote("1.0890", "1.0960", size=100)
    assert (loss.status, loss.filled) == (OrderStatus.FILLED, 4)
    assert (entry.status, entry.filled, profit.status) == (OrderStatus.CANCELLED, 4, OrderStatus.CANCELLED)
    assert world.position() == 0


def test_entry_cancelled_unfilled_takes_its_protections_with_it() -> None:
    world = sized()
    entry = world.bracket(10, limit="1.0950")
    world.cancel(entry)
    assert [child.status for child in world.children(entry)] == [OrderStatus.CANCELLED] * 2


def test_entry_cancelled_after_a_part_keeps_its_protections() -> None:
    world = sized()
    entry = world.bracket(10, limit="1.0950")
    world.quote("1.0948", "1.0949", size=4)
    world.cancel(entry)
    assert [(child.status, child.remaining) for child in world.children(entry)] == [(OrderStatus.PLACED, D(4))] * 2


def test_close_in_the_group_replaces_the_protections_as_it_fills() -> None:
    world = sized()
    entry = world.bracket(10)
    loss, profit = world.children(entry)
    world.quote("1.1000", "1.1002", size=3)
    close = world.place(world.market(SELL, 10, oca_group="G"))
    assert (close.filled, loss.remaining, profit.remaining) == (3, 7, 7)
    world.quote("1.1000", "1.1002", size=100)
    assert close.status is OrderStatus.FILLED
    assert [child.status for child in (loss, profit)] == [OrderStatus.CANCELLED] * 2
    assert world.position() == 0


def test_close_of_a_part_leaves_the_rest_protected() -> None:
    world = sized()
    entry = world.bracket(10)
    world.place(world.market(SELL, 4, oca_group="G"))
    assert [(child.working, child.remaining) for child in world.children(entry)] == [(True, D(6))] * 2
    assert world.position() == 6


def test_close_that_crosses_with_a_stop_fill_cannot_turn_the_position_around() -> None:
    world = sized()
    world.bracket(10)
    world.quote("1.0890", "1.0892", size=6)  # the stop sells 6 while the close for 10 is on its way
    close = world.place(world.market(SELL, 10, oca_group="G"))
    assert (close.nominal, close.quantity) == (10, 4)
    world.quote("1.0890", "1.0892", size=100)
    assert world.position() == 0


def test_close_after_the_stop_closed_everything_is_refused() -> None:
    world = sized()
    world.bracket(10)
    world.quote("1.0890", "1.0892", size=100)
    answer = world.try_place(world.market(SELL, 10, oca_group="G"))
    assert isinstance(answer, Refused)
    assert answer.code is Refusal.OCA_NOTHING_LEFT
    assert world.position() == 0


def test_close_before_the_entry_filled_is_refused() -> None:
    world = sized()
    world.bracket(10, limit="1.0950")
    answer = world.try_place(world.market(SELL, 10, oca_group="G"))
    assert isinstance(answer, Refused)
    assert answer.code is Refusal.OCA_NOTHING_LEFT


def test_plain_group_is_cancelled_by_a_whole_fill_and_reduced_by_a_partial_one() -> None:
    world = sized()
    up = world.place(world.stop(BUY, 10, "1.1050", oca_group="straddle"))
    down = world.place(world.stop(SELL, 20, "1.0950", oca_group="straddle"))
    world.quote("1.1048", "1.1050", size=4)
    assert (up.filled, down.remaining) == (4, 16)
    world.quote("1.1048", "1.1050", size=100)
    assert (up.status, down.status) == (OrderStatus.FILLED, OrderStatus.CANCELLED)


def test_stop_through_which_the_market_has_gone_already_sells_at_once() -> None:
    world = sized()
    entry = world.bracket(10, loss="1.1001", profit="1.1100")
    loss, _ = world.children(entry)
    assert (loss.status, world.position()) == (OrderStatus.FILLED, 0)


def test_protection_placed_later_is_attached_and_covers_what_is_open() -> None:
    world = sized()
    entry = world.place(world.market(BUY, 10))
    stop = world.place(world.stop(SELL, 10, "1.0900", parent_order_id=entry.order_id, oca_group="G"))
    target = world.place(world.limit(SELL, 10, "1.1100", parent_order_id=entry.order_id, oca_group="G"))
    assert (stop.live, target.live) == (True, True)
    world.quote("1.1105", "1.1107", size=100)
    assert (target.status, stop.status, world.position()) == (OrderStatus.FILLED, OrderStatus.CANCELLED, 0)


def test_protections_attached_one_by_one_to_a_waiting_entry_sleep_in_one_group() -> None:
    world = sized()
    entry = world.place(world.limit(BUY, 10, "1.0950"))
    stop = world.place(world.stop(SELL, 10, "1.0900", parent_order_id=entry.order_id, oca_group="G"))
    target = world.place(world.limit(SELL, 10, "1.1100", parent_order_id=entry.order_id, oca_group="G"))
    assert (stop.dormant, target.dormant) == (True, True)
    world.quote("1.0948", "1.0949", size=100)
    assert (stop.live, target.live) == (True, True)


def test_larger_protection_never_covers_more_than_is_open() -> None:
    world = sized()
    entry = world.bracket(10)
    loss, profit = world.children(entry)
    world.quote("1.1100", "1.1102", size=4)
    assert profit.filled == 4
    world.engine.modify(ACCOUNT, loss.order_id, Change(quantity=D(50), stop_price=D("1.0950")), world.now)
    assert (loss.stop_price, loss.remaining) == (D("1.0950"), 6)


def test_attached_order_that_cannot_protect_is_refused_with_its_parent() -> None:
    world = sized()
    wrong = (
        world.stop(BUY, 10, "1.2000"),
        world.stop(SELL, 11, "1.0900"),
        world.market(SELL, 10),
        world.stop(SELL, 10, "1.0900", attached=(world.stop(BUY, 1, "1.2"),)),
    )
    for child in wrong:
        answer = world.try_place(world.market(BUY, 10, attached=(child,)))
        assert isinstance(answer, Refused)
        assert answer.code is Refusal.INVALID_BRACKET
    assert list(world.engine.orders) == []
