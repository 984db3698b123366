"""Stops that the broker itself trails: what every adapter says of them that can trail at all."""

from decimal import Decimal

import pytest

from live_trading.brokers.types import OrderChange, OrderRequest, OrderUpdate, Placed, Rejected
from live_trading.domain.values import OrderStatus, OrderType, Side
from tests.contracts.venues import D, Venue, order


@pytest.fixture(autouse=True)
def _trails(venue: Venue) -> None:
    if not venue.broker().capabilities.trailing_stops:
        pytest.skip("it cannot trail")


def trailing(distance: str = "0.00100", quantity: int = 1000, **fields: object) -> OrderRequest:
    made: OrderRequest = order(OrderType.TRAILING_STOP, Side.SELL, quantity, trailing_distance=D(distance), **fields)
    return made


def bracket(stop: OrderRequest) -> OrderRequest:
    profit = order(OrderType.LIMIT, Side.SELL, limit_price="1.20000", oca_group=stop.oca_group)
    made: OrderRequest = order(attached=(stop, profit))
    return made


async def stands(venue: Venue, stop: OrderRequest) -> Decimal | None:
    """Where the broker says, when asked, that a stop is."""
    (known,) = [o for o in await venue.brokers[-1].open_orders() if o.client_order_id == stop.client_order_id]
    assert (known.order_type, known.trailing_distance) == (OrderType.TRAILING_STOP, stop.trailing_distance)
    return known.stop_price


async def test_stop_follows_the_bid_and_every_step_is_told(venue: Venue) -> None:
    if not venue.steps:
        pytest.skip("where its stop stands is told to who asks, and moved by its distance alone")
    broker, tape = await venue.connected()
    await venue.quote("1.10000", "1.10020")
    stop = trailing(stop_price="1.09800", oca_group="G-follows")
    assert isinstance(await broker.place(bracket(stop)), Placed)
    assert await stands(venue, stop) == D("1.09900")
    for bid, ask in (("1.10050", "1.10070"), ("1.10020", "1.10040"), ("1.10100", "1.10120")):
        await venue.quote(bid, ask)
    await tape.has(OrderUpdate, client_order_id=stop.client_order_id, stop_price=D("1.10000"))
    steps = [update.stop_price for update in tape.all(OrderUpdate, client_order_id=stop.client_order_id)]
    assert list(dict.fromkeys(steps)) == [D("1.09800"), D("1.09900"), D("1.09950"), D("1.10000")]
    assert await stands(venue, stop) == D("1.10000")


async def test_stop_is_hit_at_its_distance_from_the_best_and_ends_its_group(venue: Venue) -> None:
    broker, tape = await venue.connected()
    await venue.quote("1.10000", "1.10020")
    stop = trailing(oca_group="G-hit")
    placed = await broker.place(bracket(stop))
    assert isinstance(placed, Placed)
    for bid, ask in (("1.10100", "1.10120"), ("1.10001", "1.10021")):
        await venue.quote(bid, ask)
    assert await stands(venue, stop) == D("1.10000")
    await venue.quote("1.10000", "1.10020")
    await tape.has(OrderUpdate, client_order_id=stop.client_order_id, status=OrderStatus.FILLED)
    await tape.has(OrderUpdate, status=OrderStatus.CANCELLED)
    assert await broker.positions() == []


async def test_stop_is_moved_nearer_and_made_larger_and_never_moved_back(venue: Venue) -> None:
    if not venue.steps:
        pytest.skip("where its stop stands is told to who asks, and moved by its distance alone")
    broker, _ = await venue.connected()
    await venue.quote("1.10000", "1.10020")
    await broker.place(order(quantity=2000))
    stop = trailing()
    await broker.place(stop)
    identifier = stop.client_order_id
    assert isinstance(await broker.modify(identifier, OrderChange(D(2000), stop_price=D("1.09950"))), Placed)
    assert await stands(venue, stop) == D("1.09950")
    back = await broker.modify(identifier, OrderChange(stop_price=D("1.09940")))
    assert isinstance(back, Rejected)
    assert await stands(venue, stop) == D("1.09950")


async def test_stop_stands_where_it_did_after_the_exchange_has_died(venue: Venue) -> None:
    broker, _ = await venue.connected()
    await venue.quote("1.10000", "1.10020")
    stop = trailing(oca_group="G-dies")
    await broker.place(bracket(stop))
    await venue.quote("1.10200", "1.10220")
    await venue.restart()
    again = venue.broker()
    snapshot = await again.connect(None)
    (known,) = [o for o in snapshot.orders if o.client_order_id == stop.client_order_id]
    assert (known.stop_price, known.trailing_distance) == (D("1.10100"), D("0.00100"))
    await venue.quote("1.10150", "1.10170")
    assert await stands(venue, stop) == D("1.10100")
    await venue.quote("1.10300", "1.10320")
    assert await stands(venue, stop) == D("1.10200")


async def test_distance_is_asked_for_and_said_of_no_other_order(venue: Venue) -> None:
    broker, _ = await venue.connected()
    await venue.quote("1.10000", "1.10020")
    without = await broker.place(order(OrderType.TRAILING_STOP, Side.SELL))
    assert isinstance(without, Rejected)
    plain = order(OrderType.STOP, Side.SELL, stop_price="1.09000")
    await broker.place(plain)
    (known,) = [o for o in await broker.open_orders() if o.client_order_id == plain.client_order_id]
    assert known.trailing_distance is None
