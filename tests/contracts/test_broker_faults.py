"""What every broker adapter makes of what can go wrong: on the way there, on the way back, and at the broker."""

import pytest

from live_trading.brokers.errors import InDoubt, Retryable
from live_trading.brokers.types import (
    Absent,
    CommissionReport,
    ExecutionReport,
    Found,
    MarketTime,
    OrderChange,
    OrderUpdate,
    Placed,
    PositionUpdate,
    Rejected,
    Unknown,
)
from live_trading.domain.values import OrderStatus, OrderType, Side
from live_trading.paper_exchange import FaultKind
from tests.contracts.venues import (
    D,
    Tape,
    Venue,
    bracket,
    order,
    status,
    until,
)

# Faults on the way


async def test_order_dropped_before_acceptance_is_in_doubt_and_absent(venue: Venue) -> None:
    broker, tape = await venue.connected()
    request = order()
    await venue.fault(FaultKind.DROP_BEFORE_ACCEPT, match=request.client_order_id)
    with pytest.raises(InDoubt) as caught:
        await broker.place(request)
    assert caught.value.client_order_id == request.client_order_id
    broker, tape = await venue.again(broker, tape)
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
    broker, tape = await venue.again(broker, tape)
    assert await status(broker, request.client_order_id) is OrderStatus.FILLED
    for child in request.attached:
        assert await status(broker, child.client_order_id) is OrderStatus.PLACED
    await venue.told_or_read_back(broker, tape, request.client_order_id)


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
    broker, tape = await venue.connected()
    request = order(OrderType.LIMIT, limit_price="1.05000")
    await broker.place(request)
    await venue.fault(FaultKind.DROP_BEFORE_ACCEPT, operation="cancel")
    with pytest.raises(InDoubt):
        await broker.cancel(request.client_order_id)
    broker, tape = await venue.again(broker, tape)
    assert await status(broker, request.client_order_id) is OrderStatus.PLACED
    await venue.fault(FaultKind.DROP_AFTER_ACCEPT, operation="modify")
    with pytest.raises(InDoubt):
        await broker.modify(request.client_order_id, OrderChange(limit_price=D("1.06000")))
    broker, tape = await venue.again(broker, tape)
    found = await broker.find_order(request.client_order_id)
    assert isinstance(found, Found)
    assert found.order.limit_price == D("1.06000")
    await venue.fault(FaultKind.ACCEPTED_504, operation="cancel")
    with pytest.raises(InDoubt):
        await broker.cancel(request.client_order_id)
    broker, tape = await venue.again(broker, tape)
    assert await status(broker, request.client_order_id) is OrderStatus.CANCELLED


async def test_order_not_yet_visible_is_absent_and_then_found(venue: Venue) -> None:
    broker, _ = await venue.connected()
    request = order(OrderType.LIMIT, limit_price="1.05000")
    await venue.fault(FaultKind.HIDE_ORDERS, seconds=0.5)
    await broker.place(request)
    if venue.repeats:  # else the stream may have told already what a question does not find yet
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
    await venue.fault(FaultKind.FAIL_QUERIES, count=None)
    assert isinstance(await broker.find_order(request.client_order_id), Unknown)
    for question in (broker.positions(), broker.open_orders(), broker.executions_since(None), broker.account()):
        with pytest.raises(Retryable):
            await question
    await venue.mend()
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
    told = await tape.has(ExecutionReport, count=5 if venue.repeats else 3)
    ids = [execution.execution_id for execution in told]
    executions, _ = await broker.executions_since(None)
    known = [execution.execution_id for execution in executions]
    if venue.repeats:
        assert list(dict.fromkeys(ids)) != known, "the fault must have put them out of order"
    else:
        assert ids == known, "the adapter must have put them in order, once each"
    assert sorted(set(ids)) == known
    assert len({execution.execution_id: execution for execution in told}) == 3
    assert {execution.execution_id: execution for execution in told} == {e.execution_id: e for e in executions}


async def test_correction_repeats_the_id_with_the_values_that_hold(venue: Venue) -> None:
    if not venue.corrects:
        pytest.skip("its executions are told once, with their commission, and never corrected")
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
    if not venue.corrects:
        pytest.skip("its executions are told once, with their commission, and never corrected")
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

    async def moved() -> bool:
        told = tape.all(PositionUpdate)
        return bool(told) and told[-1].position.quantity == 700

    await until(moved)
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
    _, cursor = await broker.executions_since(None)
    await venue.restart()
    await tape.ended()
    again = venue.broker()
    snapshot = await again.connect(cursor)
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
