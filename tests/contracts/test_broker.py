"""What every broker adapter does, and what it makes of everything that can go wrong on the way."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from live_trading.brokers.base import BrokerAdapter
from live_trading.brokers.errors import Fatal, InDoubt, Retryable
from live_trading.brokers.types import (
    Absent,
    AccountUpdate,
    CommissionReport,
    Connected,
    ExecutionReport,
    Found,
    MarketTime,
    OrderChange,
    OrderRequest,
    OrderUpdate,
    Placed,
    PositionUpdate,
    Rejected,
    TickEvent,
    Unknown,
)
from live_trading.domain.bar_size import BarSize
from live_trading.domain.errors import InvalidInput
from live_trading.domain.instrument import Instrument
from live_trading.domain.values import OrderStatus, OrderType, Side
from live_trading.paper_exchange import FaultKind, default_catalogue
from live_trading.paper_exchange.options import PaperExchangeOptions
from live_trading.paper_exchange.process import PaperExchangeProcess
from live_trading.runtime import Runtime
from tests.contracts.venues import SYMBOL, D, InProcessVenue, ProcessVenue, Tape, Venue

EURUSD: Instrument = default_catalogue()[SYMBOL].instrument
_accounts = (f"T{number}" for number in count(1))
_numbers = count(1)


@pytest.fixture(scope="module")
def process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PaperExchangeProcess]:
    """One paper exchange process for this file, without a feed; each test has an account of its own."""
    options = PaperExchangeOptions(
        data_dir=tmp_path_factory.mktemp("paper"),
        accounts=tuple(f"T{number}" for number in range(1, 80)),
        quiet=True,
        enable_faults=True,
    )
    process = PaperExchangeProcess(options, Runtime())
    with ThreadPoolExecutor(max_workers=1) as thread:
        thread.submit(lambda: asyncio.run(process.start(watch=False))).result()
        yield process
        thread.submit(lambda: asyncio.run(process.stop())).result()


@pytest.fixture(params=["in process", "paper"])
async def venue(request: pytest.FixtureRequest, runtime: Runtime, tmp_path: Path) -> AsyncIterator[Venue]:
    if request.param == "in process":
        venue: Venue = InProcessVenue(runtime, tmp_path)
    else:
        venue = ProcessVenue(runtime, request.getfixturevalue("process"), next(_accounts))
    await venue.quote("1.10000", "1.10020")
    yield venue
    await venue.close()


def order(order_type: OrderType = OrderType.MARKET, side: Side = Side.BUY, quantity: int = 1000, **fields: Any) -> Any:
    """A request with a client order id of its own."""
    for name in ("limit_price", "stop_price"):
        if name in fields:
            fields[name] = D(fields[name])
    fields.setdefault("client_order_id", f"C{next(_numbers):04d}")
    return OrderRequest(instrument=EURUSD, side=side, order_type=order_type, quantity=D(quantity), **fields)


def bracket(quantity: int = 1000, entry: OrderType = OrderType.MARKET, **fields: Any) -> Any:
    group = f"G{next(_numbers)}"
    loss = order(OrderType.STOP, Side.SELL, quantity, stop_price="1.09000", oca_group=group)
    profit = order(OrderType.LIMIT, Side.SELL, quantity, limit_price="1.11000", oca_group=group)
    return order(entry, Side.BUY, quantity, attached=(loss, profit), **fields)


async def until(condition: Any, timeout: float = 10.0) -> None:
    """Wait for an awaited condition, with a bound."""
    async with asyncio.timeout(timeout):
        while not await condition():  # noqa: ASYNC110 - the broker is asked again
            await asyncio.sleep(0.02)


async def status(broker: BrokerAdapter, client_order_id: str) -> OrderStatus:
    answer = await broker.find_order(client_order_id)
    assert isinstance(answer, Found), answer
    return answer.order.status


# Connecting


async def test_connecting_gives_the_whole_state_and_begins_the_stream(venue: Venue) -> None:
    broker = venue.broker()
    snapshot = await broker.connect(None)
    tape = Tape(broker, venue.runtime)
    assert (snapshot.orders, snapshot.positions, snapshot.executions, snapshot.cursor) == ((), (), (), "0")
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
        await venue.broker().connect("99")


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
    other = "PAPER-2" if isinstance(venue, InProcessVenue) else next(_accounts)
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
    tick = (await tape.has(TickEvent))[0].tick
    assert (tick.bid, tick.ask) == (D("1.10020"), D("1.10040"))
    await broker.unsubscribe(EURUSD)
    await venue.quote("1.10030", "1.10050")
    await broker.place(order())
    await tape.has(AccountUpdate)
    assert len(tape.all(TickEvent)) == 1


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
    assert (executions, cursor) == ([execution], "1")
    assert await broker.executions_since(cursor) == ([], "1")


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
    assert isinstance(await broker.find_order(request.client_order_id), Absent)


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


# Faults on the way


async def test_order_dropped_before_acceptance_is_in_doubt_and_absent(venue: Venue) -> None:
    broker, _ = await venue.connected()
    request = order()
    await venue.fault(FaultKind.DROP_BEFORE_ACCEPT, match=request.client_order_id)
    with pytest.raises(InDoubt) as caught:
        await broker.place(request)
    assert caught.value.client_order_id == request.client_order_id
    assert isinstance(await broker.find_order(request.client_order_id), Absent)


@pytest.mark.parametrize("kind", [FaultKind.DROP_AFTER_ACCEPT, FaultKind.ACCEPTED_504])
async def test_order_accepted_without_an_answer_is_in_doubt_and_found_with_its_protections(
    venue: Venue, kind: FaultKind
) -> None:
    broker, tape = await venue.connected()
    request = bracket()
    await venue.fault(kind, operation="place")
    with pytest.raises(InDoubt):
        await broker.place(request)
    assert await status(broker, request.client_order_id) is OrderStatus.FILLED
    for child in request.attached:
        assert await status(broker, child.client_order_id) is OrderStatus.PLACED
    await tape.has(ExecutionReport, client_order_id=request.client_order_id)


async def test_answer_later_than_the_patience_is_in_doubt_and_a_merely_slow_one_is_not(venue: Venue) -> None:
    broker, _ = await venue.connected()
    await venue.fault(FaultKind.SLOW, seconds=0.2)
    assert isinstance(await broker.place(order()), Placed)
    request = order()
    await venue.fault(FaultKind.SLOW, seconds=1.5)
    with pytest.raises(InDoubt):
        await broker.place(request)
    assert await status(broker, request.client_order_id) is OrderStatus.FILLED


async def test_cancel_and_change_without_an_answer_are_in_doubt(venue: Venue) -> None:
    broker, _ = await venue.connected()
    request = order(OrderType.LIMIT, limit_price="1.05000")
    await broker.place(request)
    await venue.fault(FaultKind.DROP_BEFORE_ACCEPT, operation="cancel")
    with pytest.raises(InDoubt):
        await broker.cancel(request.client_order_id)
    assert await status(broker, request.client_order_id) is OrderStatus.PLACED
    await venue.fault(FaultKind.DROP_AFTER_ACCEPT, operation="modify")
    with pytest.raises(InDoubt):
        await broker.modify(request.client_order_id, OrderChange(limit_price=D("1.06000")))
    found = await broker.find_order(request.client_order_id)
    assert isinstance(found, Found)
    assert found.order.limit_price == D("1.06000")
    await venue.fault(FaultKind.ACCEPTED_504, operation="cancel")
    with pytest.raises(InDoubt):
        await broker.cancel(request.client_order_id)
    assert await status(broker, request.client_order_id) is OrderStatus.CANCELLED


async def test_order_not_yet_visible_is_absent_and_then_found(venue: Venue) -> None:
    broker, _ = await venue.connected()
    request = order(OrderType.LIMIT, limit_price="1.05000")
    await venue.fault(FaultKind.HIDE_ORDERS, seconds=0.5)
    await broker.place(request)
    assert isinstance(await broker.find_order(request.client_order_id), Absent)
    assert await broker.open_orders() == []

    async def visible() -> bool:
        return isinstance(await broker.find_order(request.client_order_id), Found)

    limit = broker.capabilities.absence_definitive_after
    assert limit is not None
    await until(visible, timeout=limit)


async def test_question_that_fails_is_unknown_never_empty(venue: Venue) -> None:
    broker, _ = await venue.connected()
    request = order()
    await broker.place(request)
    await venue.fault(FaultKind.FAIL_QUERIES, count=5)
    assert isinstance(await broker.find_order(request.client_order_id), Unknown)
    for question in (broker.positions(), broker.open_orders(), broker.executions_since(None), broker.account()):
        with pytest.raises(Retryable):
            await question
    assert len(await broker.positions()) == 1


async def test_closed_market_refuses_market_orders(venue: Venue) -> None:
    broker, _ = await venue.connected()
    await venue.fault(FaultKind.MARKET_CLOSED, seconds=0)
    answer = await broker.place(order())
    assert isinstance(answer, Rejected)
    assert answer.code == "MARKET_CLOSED"
    assert isinstance(await broker.place(order(OrderType.LIMIT, limit_price="1.20000")), Placed)
    await venue.mend()
    await venue.quote("1.10000", "1.10020")
    assert len((await broker.executions_since(None))[0]) == 1


# What is told


async def test_fills_told_twice_and_out_of_order_are_known_by_their_ids(venue: Venue) -> None:
    broker, tape = await venue.connected()
    await venue.fault(FaultKind.REORDER_FILLS, seconds=0.5)
    await venue.fault(FaultKind.DUPLICATE_FILLS, count=2)
    for _ in range(3):
        await broker.place(order())
    told = await tape.has(ExecutionReport, count=5)
    ids = [execution.execution_id for execution in told]
    executions, _ = await broker.executions_since(None)
    known = [execution.execution_id for execution in executions]
    assert list(dict.fromkeys(ids)) != known, "the fault must have put them out of order"
    assert sorted(set(ids)) == known
    assert len({execution.execution_id: execution for execution in told}) == 3
    assert {execution.execution_id: execution for execution in told} == {e.execution_id: e for e in executions}


async def test_correction_repeats_the_id_with_the_values_that_hold(venue: Venue) -> None:
    broker, tape = await venue.connected()
    await broker.place(order())
    first = (await tape.has(ExecutionReport))[0]
    _, cursor = await broker.executions_since(None)
    await venue.correct(first.execution_id, price=D("1.10000"))
    corrected = (await tape.has(ExecutionReport, revision="1"))[0]
    assert (corrected.execution_id, corrected.price) == (first.execution_id, D("1.10000"))
    assert (await broker.executions_since(cursor))[0] == [corrected]
    await venue.correct(first.execution_id, quantity=D(0))
    await tape.has(ExecutionReport, revision="2", quantity=D(0))
    assert await broker.positions() == []


async def test_late_commission_comes_apart_from_its_fill(venue: Venue) -> None:
    broker, tape = await venue.connected()
    await venue.fault(FaultKind.LATE_COMMISSION, seconds=0.3)
    await broker.place(order())
    execution = (await tape.has(ExecutionReport))[0]
    assert execution.commission is None
    _, cursor = await broker.executions_since(None)
    report = (await tape.has(CommissionReport))[0]
    assert report == CommissionReport(execution.execution_id, D("2.00"), "USD")
    again, _ = await broker.executions_since(cursor)
    assert [(known.execution_id, known.commission) for known in again] == [(execution.execution_id, D("2.00"))]


async def test_hand_from_outside_is_told_without_a_client_order_id(venue: Venue) -> None:
    broker, tape = await venue.connected()
    await venue.by_hand(Side.SELL, 300, "1.10000", reported=True)
    execution = (await tape.has(ExecutionReport))[0]
    assert (execution.client_order_id, execution.side, execution.quantity) == (None, Side.SELL, 300)
    await venue.by_hand(Side.BUY, 1000, "1.10000", reported=False)
    assert (await tape.has(PositionUpdate, 2))[-1].position.quantity == 700
    assert len((await broker.executions_since(None))[0]) == 1


# Connections that end, or only seem not to


async def test_hang_up_ends_the_stream_with_its_last_word(venue: Venue) -> None:
    broker, tape = await venue.connected()
    await venue.hang_up()
    await tape.ended()
    await broker.connect(None)


async def test_silent_peer_is_noticed_and_what_is_sent_to_it_is_in_doubt(venue: Venue) -> None:
    broker, tape = await venue.connected(silence_limit=1.5, request_timeout=0.5)
    await tape.has(MarketTime)
    await venue.fault(FaultKind.STOP_ANSWERING, seconds=0)
    request = order()
    with pytest.raises(InDoubt):
        await broker.place(request)
    assert isinstance(await broker.find_order(request.client_order_id), Unknown)
    with pytest.raises(Retryable):
        await broker.positions()
    assert "silent" in (await tape.ended()).reason
    await venue.mend()
    await broker.connect(None)
    assert isinstance(await broker.find_order(request.client_order_id), Absent)


async def test_short_silence_delays_events_and_loses_none(venue: Venue) -> None:
    broker, tape = await venue.connected(silence_limit=5.0)
    await venue.fault(FaultKind.STOP_ANSWERING, seconds=0.5)
    await venue.by_hand(Side.BUY, 10, "1.10000", reported=True)
    assert len(await tape.has(ExecutionReport)) == 1
    assert isinstance(await broker.place(order()), Placed)


async def test_exchange_restarted_in_mid_bracket_has_everything_and_goes_on(venue: Venue) -> None:
    broker, tape = await venue.connected()
    request = bracket(entry=OrderType.LIMIT, limit_price="1.10050")
    waiting = bracket(entry=OrderType.LIMIT, limit_price="1.05000")
    for wanted in (request, waiting):
        assert isinstance(await broker.place(wanted), Placed)
    await tape.has(ExecutionReport)
    await venue.restart()
    await tape.ended()
    again = venue.broker()
    snapshot = await again.connect("1")
    assert snapshot.executions == ()
    assert [position.quantity for position in snapshot.positions] == [1000]
    assert len(snapshot.orders) == 5
    tape = Tape(again, venue.runtime)
    refused = await again.place(request)
    assert isinstance(refused, Rejected)
    assert refused.code == "DUPLICATE_CLIENT_ORDER_ID"
    await venue.quote("1.11010", "1.11030")
    await tape.has(OrderUpdate, client_order_id=request.attached[1].client_order_id, status=OrderStatus.FILLED)
    await tape.has(OrderUpdate, client_order_id=request.attached[0].client_order_id, status=OrderStatus.CANCELLED)
    assert await again.positions() == []
    await venue.quote("1.04980", "1.04990")
    await tape.has(OrderUpdate, client_order_id=waiting.client_order_id, status=OrderStatus.FILLED)
