"""What every broker adapter does while all goes well."""

from datetime import timedelta
from typing import Any

import pytest

from live_trading.brokers.errors import Fatal, Retryable
from live_trading.brokers.types import (
    Absent,
    AccountUpdate,
    Connected,
    ExecutionReport,
    Found,
    MarketTime,
    OrderChange,
    OrderUpdate,
    Placed,
    PositionUpdate,
    Rejected,
    TickEvent,
)
from live_trading.domain.bar_size import BarSize
from live_trading.domain.errors import InvalidInput
from live_trading.domain.market import QuoteTick
from live_trading.domain.values import OrderStatus, OrderType, Side
from tests.contracts.venues import (
    ACCOUNTS,
    EURUSD,
    SYMBOL,
    D,
    InProcessVenue,
    Tape,
    Venue,
    bracket,
    order,
    status,
    until,
)

# Connecting


async def test_connecting_gives_the_whole_state_and_begins_the_stream(venue: Venue) -> None:
    broker = venue.broker()
    snapshot = await broker.connect(None)
    tape = Tape(broker, venue.runtime)
    assert (snapshot.orders, snapshot.positions, snapshot.executions) == ((), (), ())
    assert await broker.executions_since(snapshot.cursor) == ([], snapshot.cursor)
    assert snapshot.account.cash == {"USD": D(1_000_000)}
    assert snapshot.account.account_id == venue.account
    await tape.has(MarketTime)
    assert tape.events[0] == Connected(snapshot.epoch)
    assert broker.market_time_ns() is not None


async def test_reconnecting_gives_only_what_was_missed_under_a_higher_epoch(venue: Venue) -> None:
    broker = venue.broker()
    first = await broker.connect(None)
    tape = Tape(broker, venue.runtime)
    await broker.place(order())
    execution = (await tape.has(ExecutionReport))[0]
    again = await broker.connect("0")
    assert again.epoch > first.epoch
    assert [known.execution_id for known in again.executions] == [execution.execution_id]
    assert again.positions[0].quantity == 1000
    assert (await broker.connect(again.cursor)).executions == ()
    assert (await tape.ended()).reason


async def test_cursor_of_another_exchange_is_fatal(venue: Venue) -> None:
    with pytest.raises(Fatal):
        await venue.broker().connect(venue.foreign_cursor)


async def test_unknown_account_is_fatal(venue: Venue) -> None:
    broker = venue.broker(account="NOBODY")
    with pytest.raises((Fatal, Retryable)):
        await broker.connect(None)


async def test_nothing_can_be_done_unconnected(venue: Venue) -> None:
    broker = venue.broker()
    with pytest.raises(Retryable):
        await broker.place(order())
    with pytest.raises(Retryable):
        broker.events()
    assert venue.guarded == 0


async def test_accounts_see_nothing_of_each_other(venue: Venue) -> None:
    other = "PAPER-2" if isinstance(venue, InProcessVenue) else next(ACCOUNTS)
    broker, tape = await venue.connected()
    stranger, strange = await venue.connected(account=other)
    request = order()
    await broker.place(request)
    await tape.has(AccountUpdate)
    await stranger.place(order(side=Side.SELL))
    await strange.has(AccountUpdate)
    assert len(strange.all(ExecutionReport)) == len(tape.all(ExecutionReport)) == 1
    assert isinstance(await stranger.find_order(request.client_order_id), Absent)


# Market data


async def test_instruments_are_described_and_unknown_ones_refused(venue: Venue) -> None:
    broker, _ = await venue.connected()
    assert await broker.resolve(SYMBOL) == EURUSD
    with pytest.raises(InvalidInput, match="XYZ"):
        await broker.resolve("XYZ")


async def test_ticks_come_only_while_subscribed_to(venue: Venue) -> None:
    broker, tape = await venue.connected()
    await venue.quote("1.10010", "1.10030")
    await broker.subscribe(EURUSD)
    await broker.subscribe(EURUSD)
    await venue.quote("1.10020", "1.10040")
    new = QuoteTick(SYMBOL, 0, D("1.10020"), D("1.10040")).price
    await tape.sees(lambda event: isinstance(event, TickEvent) and event.tick.price == new)
    await broker.unsubscribe(EURUSD)
    told = len(tape.all(TickEvent))
    await venue.quote("1.10030", "1.10050")
    await broker.place(order())
    await tape.has(AccountUpdate)
    assert len(tape.all(TickEvent)) == told
    standing = QuoteTick(SYMBOL, 0, D("1.10010"), D("1.10030")).price
    assert {event.tick.price for event in tape.all(TickEvent)} <= {standing, new}, "one told whole, never by halves"


async def test_history_is_made_of_the_ticks_seen(venue: Venue) -> None:
    broker, tape = await venue.connected()
    await tape.has(MarketTime)
    start = venue.runtime.clock.now() - timedelta(minutes=5)

    async def has_bars() -> bool:
        bars = await broker.history(EURUSD, BarSize.SECS_5, start, venue.runtime.clock.now())
        return bool(bars) and bars[-1].bid is not None and bars[-1].tick_count > 0

    await until(has_bars, timeout=15)
    assert await broker.history(EURUSD, BarSize.DAY_1, start, start) == []


async def test_consumer_too_slow_for_order_events_is_disconnected_never_shortened(venue: Venue) -> None:
    broker = venue.broker(queue_limit=20)
    await broker.connect(None)
    events = broker.events()
    for _ in range(6):
        await broker.place(order())
    tape = Tape(broker, venue.runtime)
    await events.aclose()  # type: ignore[attr-defined]
    last = await tape.ended()
    assert "fast enough" in last.reason
    assert len(tape.all(ExecutionReport)) >= 3


async def test_ticks_make_room_for_order_events_and_are_counted(venue: Venue) -> None:
    broker: Any = venue.broker(queue_limit=12)
    await broker.connect(None)
    await broker.subscribe(EURUSD)
    for step in range(15):
        await venue.quote("1.10000", f"1.100{20 + step}")
    await broker.place(order())

    async def dropped() -> bool:
        return bool(broker.dropped_ticks)

    await until(dropped)
    tape = Tape(broker, venue.runtime)
    await tape.has(ExecutionReport)


# Orders


async def test_market_order_is_placed_filled_and_told(venue: Venue) -> None:
    broker, tape = await venue.connected()
    request = order()
    placed = await broker.place(request)
    assert isinstance(placed, Placed)
    execution = (await tape.has(ExecutionReport))[0]
    assert (execution.client_order_id, execution.broker_order_id) == (request.client_order_id, placed.broker_order_id)
    assert (execution.price, execution.quantity, execution.commission) == (D("1.10020"), D(1000), D("2.00"))
    await tape.has(OrderUpdate, client_order_id=request.client_order_id, status=OrderStatus.FILLED)
    assert (await tape.has(PositionUpdate))[-1].position.quantity == 1000
    assert [position.quantity for position in await broker.positions()] == [1000]
    assert (await broker.account()).cash == {"USD": D("999998.00")}
    assert await broker.open_orders() == []
    executions, cursor = await broker.executions_since(None)
    assert list(executions) == [execution]
    assert await broker.executions_since(cursor) == ([], cursor)


async def test_bracket_is_placed_whole_and_its_stop_ends_the_target(venue: Venue) -> None:
    broker, tape = await venue.connected()
    request = bracket()
    loss, profit = request.attached
    placed = await broker.place(request)
    assert isinstance(placed, Placed)
    assert set(placed.attached) == {loss.client_order_id, profit.client_order_id}
    assert {known.client_order_id for known in await broker.open_orders()} == set(placed.attached)
    await venue.quote("1.08990", "1.09010")
    await tape.has(OrderUpdate, client_order_id=loss.client_order_id, status=OrderStatus.FILLED)
    await tape.has(OrderUpdate, client_order_id=profit.client_order_id, status=OrderStatus.CANCELLED)
    assert await broker.positions() == []


async def test_close_joining_the_protections_group_replaces_them(venue: Venue) -> None:
    broker, tape = await venue.connected()
    request = bracket()
    await broker.place(request)
    close = order(side=Side.SELL, oca_group=request.attached[0].oca_group)
    await broker.place(close)
    await tape.has(OrderUpdate, client_order_id=close.client_order_id, status=OrderStatus.FILLED)
    await tape.has(OrderUpdate, 2, status=OrderStatus.CANCELLED)
    assert await broker.positions() == []
    late = await broker.place(order(side=Side.SELL, oca_group=request.attached[0].oca_group))
    assert isinstance(late, Rejected)


async def test_protection_is_attached_to_an_order_already_there(venue: Venue) -> None:
    broker, _ = await venue.connected()
    entry = order()
    await broker.place(entry)
    stop = order(OrderType.STOP, Side.SELL, stop_price="1.09000", parent_client_order_id=entry.client_order_id)
    assert isinstance(await broker.place(stop), Placed)
    orphan = order(OrderType.STOP, Side.SELL, stop_price="1.09000", parent_client_order_id="NEVER")
    assert isinstance(await broker.place(orphan), Rejected)


async def test_refusal_is_an_answer_with_a_code_and_leaves_no_order(venue: Venue) -> None:
    broker, _ = await venue.connected()
    request = order(OrderType.LIMIT, limit_price="1.000005")
    answer = await broker.place(request)
    assert isinstance(answer, Rejected)
    assert answer.code == "INVALID_PRICE"
    found = await broker.find_order(request.client_order_id)
    assert isinstance(found, Absent) or (isinstance(found, Found) and found.order.status is OrderStatus.REJECTED)


async def test_same_client_order_id_is_refused_so_that_a_repetition_is_harmless(venue: Venue) -> None:
    broker, _ = await venue.connected()
    request = order()
    await broker.place(request)
    answer = await broker.place(request)
    assert isinstance(answer, Rejected)
    assert answer.code == "DUPLICATE_CLIENT_ORDER_ID"
    assert len((await broker.executions_since(None))[0]) == 1


async def test_order_is_changed_and_cancelled(venue: Venue) -> None:
    broker, tape = await venue.connected()
    request = order(OrderType.LIMIT, limit_price="1.05000")
    await broker.place(request)
    assert isinstance(
        await broker.modify(request.client_order_id, OrderChange(D(500), limit_price=D("1.06000"))), Placed
    )
    await tape.has(OrderUpdate, quantity=D(500), limit_price=D("1.06000"))
    assert isinstance(await broker.cancel(request.client_order_id), Placed)
    await tape.has(OrderUpdate, status=OrderStatus.CANCELLED)
    refused = await broker.cancel(request.client_order_id)
    assert isinstance(refused, Rejected)
    assert refused.code == "NOT_WORKING"
    unknown = await broker.modify("NEVER", OrderChange(D(1)))
    assert isinstance(unknown, Rejected)
    assert unknown.code == "ORDER_NOT_FOUND"


async def test_guard_is_asked_before_each_command_and_its_refusal_sends_nothing(venue: Venue) -> None:
    class FencedError(Exception):
        pass

    def fenced() -> None:
        raise FencedError

    broker, _ = await venue.connected()
    resting = order(OrderType.LIMIT, limit_price="1.05000")
    await broker.place(resting)
    await broker.modify(resting.client_order_id, OrderChange(D(900)))
    assert venue.guarded == 2
    venue.guard = fenced
    request = order()
    for act in (broker.place(request), broker.cancel(resting.client_order_id)):
        with pytest.raises(FencedError):
            await act
    assert isinstance(await broker.find_order(request.client_order_id), Absent)
    assert await status(broker, resting.client_order_id) is OrderStatus.PLACED
