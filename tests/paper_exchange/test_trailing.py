"""Stops that the exchange moves: they follow the price that triggers them, in their favour only."""

import sqlite3
from collections.abc import Iterable
from decimal import Decimal
from pathlib import Path
from typing import Any

import hypothesis.strategies as st
import pytest
from hypothesis import given, settings

from live_trading.domain.values import OrderStatus, OrderType, Side, TimeInForce
from live_trading.paper_exchange import AccountSettings, Catalogue, MatchingEngine
from live_trading.paper_exchange.core import Accepted, Change, NewOrder, OrderChanged, Refusal, Refused
from live_trading.paper_exchange.store import SCHEMA_VERSION, ExchangeStore
from tests.paper_exchange.worlds import ACCOUNT, START, D, LiquidityModel, World, listing

PIP = D("0.0001")
SPREAD = 2 * PIP


def trailing(world: World, side: Side, distance: str = "0.0010", quantity: int = 10, **fields: Any) -> NewOrder:
    return world.new(side, OrderType.TRAILING_STOP, quantity, trailing_distance=D(distance), **fields)


def quote(world: World, bid: Decimal) -> None:
    world.quote(str(bid), str(bid + SPREAD))


def opened(side: Side = Side.SELL) -> World:
    world = World()
    world.quote("1.1000", "1.1002")
    world.place(world.market(side.opposite, 10))
    return world


@pytest.mark.parametrize(
    ("side", "bids", "stands"),
    [
        (Side.SELL, ["1.1005", "1.1000", "1.1010"], ["1.0990", "1.0995", "1.0995", "1.1000"]),
        (Side.BUY, ["1.0995", "1.1000", "1.0990"], ["1.1012", "1.1007", "1.1007", "1.1002"]),
    ],
)
def test_stop_follows_the_quote_it_would_trade_at_and_stays_when_that_goes_back(
    side: Side, bids: list[str], stands: list[str]
) -> None:
    world = opened(side)
    stop = world.place(trailing(world, side))
    seen = [stop.stop_price]
    for bid in bids:
        quote(world, D(bid))
        seen.append(stop.stop_price)
    assert seen == [D(stand) for stand in stands]
    assert stop.status is OrderStatus.PLACED


def test_stop_follows_the_last_trade_where_trades_are_told() -> None:
    world = World(listing("SPY", spread_ticks=4))
    world.now += 17 * 3600 * 1_000_000_000  # the stock trades
    world.trade("500.00")
    world.place(world.market(Side.BUY, 10, symbol="SPY"))
    stop = world.place(trailing(world, Side.SELL, "1.00", symbol="SPY"))
    assert stop.stop_price == D("499.00")
    world.trade("502.00")
    assert stop.stop_price == D("501.00")
    world.trade("501.01")
    assert stop.working
    world.trade("501.00")
    assert stop.status is OrderStatus.FILLED


def test_stop_begins_where_it_is_asked_to_unless_the_market_puts_it_nearer() -> None:
    world = opened()
    assert world.place(trailing(world, Side.SELL, stop_price="1.0995")).stop_price == D("1.0995")
    assert world.place(trailing(world, Side.SELL, stop_price="1.0980")).stop_price == D("1.0990")


def test_stop_placed_before_the_first_quote_begins_with_it() -> None:
    world = World()
    world.pass_time(1)
    stop = world.place(trailing(world, Side.SELL))
    assert stop.stop_price is None
    world.quote("1.1000", "1.1002")
    assert stop.stop_price == D("1.0990")


def test_child_sleeps_until_its_parent_fills_and_begins_then() -> None:
    world = World()
    world.quote("1.1000", "1.1002")
    child = trailing(world, Side.SELL, stop_price="1.0980", oca_group="G")
    target = world.limit(Side.SELL, 10, "1.1100", oca_group="G")
    entry = world.place(world.limit(Side.BUY, 10, "1.0995", attached=(child, target)))
    stop, profit = world.children(entry)
    world.quote("1.1050", "1.1052")
    assert (stop.dormant, stop.stop_price) == (True, D("1.0980"))
    world.quote("1.0993", "1.0995")
    assert (entry.status, stop.dormant, stop.stop_price) == (OrderStatus.FILLED, False, D("1.0983"))
    world.quote("1.0999", "1.1001")
    assert stop.stop_price == D("1.0989")
    world.quote("1.0989", "1.0991")
    assert (stop.status, profit.status) == (OrderStatus.FILLED, OrderStatus.CANCELLED)
    assert world.position() == 0


def test_stop_grows_with_the_fills_of_its_entry_and_trails_on() -> None:
    world = World(listing(liquidity=LiquidityModel(max_fill=D(4))))
    world.quote("1.1000", "1.1002")
    entry = world.place(world.market(Side.BUY, 10, attached=(trailing(world, Side.SELL),)))
    (stop,) = world.children(entry)
    seen = [(stop.quantity, stop.stop_price)]
    for bid in ("1.1004", "1.1008"):
        world.quote(bid, str(D(bid) + SPREAD))
        seen.append((stop.quantity, stop.stop_price))
    assert seen == [(4, D("1.0990")), (8, D("1.0994")), (10, D("1.0998"))]


def test_stop_can_be_moved_nearer_and_never_back() -> None:
    world = opened()
    stop = world.place(trailing(world, Side.SELL))
    moved = world.engine.modify(ACCOUNT, stop.order_id, Change(stop_price=D("1.0995")), world.now)
    assert isinstance(moved, Accepted)
    assert stop.stop_price == D("1.0995")
    back = world.engine.modify(ACCOUNT, stop.order_id, Change(stop_price=D("1.0994")), world.now)
    assert isinstance(back, Refused)
    assert back.code is Refusal.INVALID_PRICE
    grown = world.engine.modify(ACCOUNT, stop.order_id, Change(quantity=D(9)), world.now)
    assert isinstance(grown, Accepted)
    assert (stop.stop_price, stop.quantity) == (D("1.0995"), 9)


@pytest.mark.parametrize("distance", [None, "0", "-0.0010", "0.00105", "NaN"])
def test_distance_must_be_a_price_distance_on_the_grid(distance: str | None) -> None:
    world = opened()
    new = world.new(Side.SELL, OrderType.TRAILING_STOP, 10, trailing_distance=None if distance is None else D(distance))
    refused = world.try_place(new)
    assert isinstance(refused, Refused)
    assert refused.code is Refusal.INVALID_PRICE
    assert "trailing_distance" in refused.text


def test_only_a_trailing_stop_has_a_distance_and_it_cannot_be_immediate() -> None:
    world = opened()
    plain = world.stop(Side.SELL, 10, "1.0900", trailing_distance=D("0.001"))
    assert isinstance(world.try_place(plain), Refused)
    at_once = world.try_place(trailing(world, Side.SELL, time_in_force=TimeInForce.IOC))
    assert isinstance(at_once, Refused)
    assert at_once.code is Refusal.INVALID_TIME_IN_FORCE


def walked(steps: Iterable[int]) -> list[Decimal]:
    bids = [D("1.1000")]
    for step in steps:
        bids.append(bids[-1] + step * PIP)
    return bids


@settings(max_examples=200, deadline=None)
@given(st.sampled_from(Side), st.integers(1, 12), st.lists(st.integers(-9, 9), max_size=40))
def test_stop_never_goes_back_and_is_hit_exactly_when_the_price_is_its_distance_from_the_best(
    side: Side, pips: int, steps: list[int]
) -> None:
    distance = pips * PIP
    world = opened(side)
    stop = world.place(trailing(world, side, str(distance)))
    best, stands = None, [stop.stop_price]
    for bid in walked(steps):
        quote(world, bid)
        price = bid if side is Side.SELL else bid + SPREAD
        best = price if best is None else (max if side is Side.SELL else min)(best, price)
        assert stop.stop_price == best + distance * side.sign
        stands.append(stop.stop_price)
        if (price - stop.stop_price) * side.sign >= 0:
            assert stop.status is OrderStatus.FILLED
            assert world.fills(stop) == [(D(10), price)]
            break
        assert stop.status is OrderStatus.PLACED
    assert stands == sorted(stands, reverse=side is Side.BUY)


@settings(max_examples=20, deadline=None)
@given(st.lists(st.integers(-4, 9), min_size=1, max_size=15), st.integers(0, 14))
def test_stop_goes_on_where_it_stood_when_the_exchange_comes_back(
    tmp_path_factory: pytest.TempPathFactory, steps: list[int], dies_at: int
) -> None:
    """Each step is on disk before anybody hears of it: a market that never stopped gives the same."""
    path = tmp_path_factory.mktemp("store") / "exchange.sqlite"
    world = opened()
    store = ExchangeStore(path)
    accounts = store.open_accounts([AccountSettings(account=ACCOUNT, cash=D(1_000_000))])
    stop = world.place(trailing(world, Side.SELL))
    store.commit(world.effects, world.now)
    again: MatchingEngine | None = None
    for number, bid in enumerate(walked(steps)):
        if number == dies_at:
            store.close()
            store = ExchangeStore(path)
            again = MatchingEngine(Catalogue((listing(),)), accounts)
            again.restore(store.load())
            world.engine = again
        seen = len(world.effects)
        quote(world, bid)
        store.commit(world.effects[seen:], world.now)
    ended = store.load()
    store.close()
    (kept,) = [order for order in ended.orders if order.order_id == stop.order_id]
    undisturbed = opened()
    twin = undisturbed.place(trailing(undisturbed, Side.SELL))
    for bid in walked(steps):
        quote(undisturbed, bid)
    assert (kept.stop_price, kept.status, kept.filled) == (twin.stop_price, twin.status, twin.filled)


def test_every_step_is_told() -> None:
    world = opened()
    stop = world.place(trailing(world, Side.SELL))
    world.effects.clear()
    for bid in ("1.1001", "1.1000", "1.1003"):
        world.quote(bid, str(D(bid) + SPREAD))
    told = [e.order.stop_price for e in world.effects if isinstance(e, OrderChanged) and e.told]
    assert told == [D("1.0991"), D("1.0993")]
    assert stop.stop_price == told[-1]


def test_store_of_before_there_were_stops_that_trail_is_read(tmp_path: Path) -> None:
    path = tmp_path / "exchange.sqlite"
    world = opened()
    plain = world.place(world.stop(Side.SELL, 10, "1.0900"))
    store = ExchangeStore(path)
    store.commit(world.effects, START)
    store.close()
    with sqlite3.connect(path) as database:
        database.execute("ALTER TABLE orders DROP COLUMN trailing_distance")
        database.execute("UPDATE meta SET value = '1' WHERE key = 'schema_version'")
    database.close()
    store = ExchangeStore(path)
    (kept,) = [order for order in store.load().orders if order.order_id == plain.order_id]
    assert (kept.stop_price, kept.trailing_distance) == (D("1.0900"), None)
    trails = world.place(trailing(world, Side.SELL))
    store.commit([OrderChanged(trails)], START)
    assert store.load().orders[-1].trailing_distance == D("0.0010")
    store.close()
    with sqlite3.connect(path) as database:
        assert database.execute("SELECT value FROM meta WHERE key = 'schema_version'").fetchone() == (
            str(SCHEMA_VERSION),
        )
    database.close()
