"""Each known trap of Interactive Brokers and of its client library, sprung (docs/brokers/ibkr.md lists them)."""

import asyncio
import logging
import struct
from datetime import UTC, datetime, time, timedelta
from typing import Any

import pytest
from ib_async.objects import CommissionReport as IbCommission

from live_trading.brokers.errors import InDoubt, Retryable
from live_trading.brokers.ibkr import NightlyRestart
from live_trading.brokers.ibkr.link import FIRST_REQUEST_ID
from live_trading.brokers.ibkr.orders import new_order
from live_trading.brokers.types import (
    Absent,
    CommissionReport,
    Degraded,
    Disconnected,
    ExecutionReport,
    Found,
    MarketTime,
    OrderChange,
    OrderUpdate,
    Placed,
    Rejected,
    Restored,
    TickEvent,
    Unknown,
)
from live_trading.domain.values import OrderStatus, OrderType, Side
from live_trading.paper_exchange import FaultKind
from live_trading.paper_exchange.protocols.tws import order_messages
from live_trading.paper_exchange.protocols.tws.frames import encode
from live_trading.runtime import Runtime
from tests.brokers.ibkr.gateways import ACCOUNT, Gateway, fills
from tests.contracts.venues import EURUSD, D, Tape, bracket, order, status, until

RESTING: dict[str, Any] = {"order_type": OrderType.LIMIT, "limit_price": "1.05000"}

# Identity


async def test_order_is_found_by_our_reference_after_its_number_has_been_given_out_again(gateway: Gateway) -> None:
    broker, _ = await gateway.connected(7)
    first = order()
    await broker.place(first)
    gateway.fault(FaultKind.IDS_ROLLED_BACK)
    await broker.close()
    again, tape = await gateway.connected(7)
    second = order(side=Side.SELL)
    placed = await again.place(second)
    assert isinstance(placed, Placed)
    execution = (await tape.has(ExecutionReport))[0]
    assert execution.client_order_id == second.client_order_id
    assert sorted(await fills(again)) == sorted([first.client_order_id, second.client_order_id])  # type: ignore[type-var]
    assert await status(again, first.client_order_id) is OrderStatus.FILLED


async def test_number_that_tws_rolls_back_to_is_not_used_for_a_new_order(gateway: Gateway) -> None:
    broker, _ = await gateway.connected(7)
    resting = order(**RESTING)
    await broker.place(resting)
    gateway.fault(FaultKind.IDS_ROLLED_BACK)
    await broker.close()
    again, _ = await gateway.connected(7)
    another = order(**RESTING)
    assert isinstance(await again.place(another), Placed), "with the number of a working order it would be a change"
    assert {known.client_order_id for known in await again.open_orders()} == {
        resting.client_order_id,
        another.client_order_id,
    }


async def test_order_by_hand_that_has_no_number_leaves_ours_as_they_are(gateway: Gateway) -> None:
    broker, _ = await gateway.connected()
    assert broker._connection is not None
    broker._connection.link.saw_order_id(2**31 - 1)
    request = order(**RESTING)
    assert isinstance(await broker.place(request), Placed)
    assert isinstance(await broker.cancel(request.client_order_id), Placed)


async def test_order_of_an_earlier_connection_can_be_changed_and_cancelled(gateway: Gateway) -> None:
    broker, _ = await gateway.connected(7)
    request = order(**RESTING)
    await broker.place(request)
    await broker.close()
    again, tape = await gateway.connected(7)
    assert isinstance(await again.modify(request.client_order_id, OrderChange(limit_price=D("1.06000"))), Placed)
    assert isinstance(await again.cancel(request.client_order_id), Placed)
    await tape.has(OrderUpdate, client_order_id=request.client_order_id, status=OrderStatus.CANCELLED)


async def test_order_of_another_client_number_is_seen_and_not_touched(gateway: Gateway) -> None:
    owner, _ = await gateway.connected(7)
    request = order(**RESTING)
    await owner.place(request)
    other, _ = await gateway.connected(8)
    assert isinstance(await other.find_order(request.client_order_id), Found)
    answer = await other.cancel(request.client_order_id)
    assert isinstance(answer, Rejected)
    assert answer.code == "NOT_OURS"


async def test_number_of_the_client_that_is_in_use_is_retried_not_stolen(gateway: Gateway) -> None:
    await gateway.connected(7)
    with pytest.raises(Retryable, match="client id 7 is in use"):
        await gateway.broker(7).connect(None)


def test_requests_are_numbered_apart_from_orders() -> None:
    assert FIRST_REQUEST_ID > 100_000_000


# Codes


async def test_message_that_the_library_takes_for_a_cancellation_is_none(gateway: Gateway) -> None:
    broker, tape = await gateway.connected()
    request = order(**RESTING)
    gateway.fault(FaultKind.ORDER_WARNING)  # 10349
    assert isinstance(await broker.place(request), Placed)
    assert await status(broker, request.client_order_id) is OrderStatus.PLACED
    await broker.cancel(request.client_order_id)
    told = await tape.has(OrderUpdate, client_order_id=request.client_order_id, status=OrderStatus.CANCELLED)
    assert [update.status for update in tape.all(OrderUpdate, status=OrderStatus.CANCELLED)] == [told[0].status]


async def test_code_that_nobody_knows_decides_nothing(gateway: Gateway) -> None:
    broker, _ = await gateway.connected()
    request = order(**RESTING)
    gateway.fault(FaultKind.SLOW, seconds=0.5, operation="place")
    placing = asyncio.ensure_future(broker.place(request))
    connection = broker._connection
    assert connection is not None

    async def is_sent() -> bool:
        return bool(connection._sent)

    await until(is_sent)
    (number,) = connection._sent
    connection.on_message(number, 99_999, "something new")
    assert isinstance(await placing, Placed)


# The library's own traps


async def test_message_that_cannot_be_decoded_ends_the_connection(
    gateway: Gateway, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    broker, tape = await gateway.connected()
    monkeypatch.setattr(order_messages, "open_order", lambda *_: encode(5, 1, "cut short"))
    logger = logging.getLogger("ib_async.Decoder")
    handlers, logger.handlers = logger.handlers, []  # meant here: the check of all tests may not see it
    with pytest.raises(InDoubt):
        await broker.place(order(**RESTING))
    assert "unreadable" in (await tape.ended()).reason
    logger.handlers = handlers


async def test_message_that_we_do_not_use_is_passed_over(gateway: Gateway) -> None:
    broker, tape = await gateway.connected()
    assert broker._connection is not None
    client = broker._connection.link.client
    for message in (
        ["21", "7", "13", "0", "0.2", "0.5", "1", "0", "0.1", "0.1", "-0.1", "100"],  # an option's greeks
        ["45", "6", "7", "49", "0"],  # a generic tick
        ["46", "6", "7", "32", "K"],  # a tick of text
        ["58", "1", "7", "1"],  # the kind of market data
        ["107", "0", ""],  # about the user
    ):
        client.decoder.interpret(message)
    await broker.place(order())
    await tape.has(ExecutionReport)


async def test_silent_peer_is_noticed_within_ten_seconds(gateway: Gateway) -> None:
    broker, tape = await gateway.connected(silence_limit=8.0)
    await tape.has(MarketTime)
    began = gateway.runtime.clock.monotonic()
    gateway.fault(FaultKind.STOP_ANSWERING, seconds=0)
    last = await tape.ended(timeout=60)
    assert "silent" in last.reason
    assert broker._connection is not None
    assert gateway.runtime.clock.monotonic() - began < 10
    gateway.exchange.faults.remove()


async def test_questions_are_asked_one_at_a_time_and_none_hangs(gateway: Gateway) -> None:
    broker, _ = await gateway.connected()
    await broker.place(order())
    async with asyncio.timeout(60):
        answers = await asyncio.gather(
            *(broker.positions() for _ in range(5)), *(broker.open_orders() for _ in range(5))
        )
    assert [len(answer) for answer in answers] == [1] * 5 + [0] * 5


async def test_what_waits_when_the_connection_is_lost_learns_it(gateway: Gateway) -> None:
    broker, tape = await gateway.connected()
    gateway.fault(FaultKind.STOP_ANSWERING, seconds=0)
    question = asyncio.ensure_future(broker.positions())
    await asyncio.sleep(0)
    assert broker._connection is not None
    broker._connection.link.end("cut")
    with pytest.raises(Retryable):
        await question
    gateway.exchange.faults.remove()
    await tape.ended()


async def test_reconnecting_keeps_fills_and_subscribes_again(gateway: Gateway) -> None:
    broker, tape = await gateway.connected()
    await broker.subscribe(EURUSD)
    await broker.place(order())
    await tape.has(ExecutionReport)
    gateway.exchange.disconnect_all()
    await tape.ended()
    snapshot = await broker.connect(None)
    assert len(snapshot.executions) == 1
    assert snapshot.executions[0].commission == D("2.00")
    tape = Tape(broker, gateway.runtime)
    await broker.subscribe(EURUSD)
    gateway.quote("1.10100", "1.10120")
    await tape.has(TickEvent)
    assert tape.all(ExecutionReport) == [], "what is in the snapshot is not told again"


async def test_commission_that_comes_before_its_execution_is_kept(gateway: Gateway) -> None:
    broker, tape = await gateway.connected()
    connection = broker._connection
    assert connection is not None
    connection.on_commission(IbCommission("0001f4e8.67e0c1a2.X0000001.01", 7.5, "EUR", 0.0, 0.0, 0))
    gateway.fault(FaultKind.LATE_COMMISSION, seconds=3600)
    await broker.place(order())
    execution = (await tape.has(ExecutionReport))[0]
    assert (execution.commission, execution.commission_currency) == (D("7.5"), "EUR")


async def test_corrected_execution_is_counted_once(gateway: Gateway) -> None:
    broker, tape = await gateway.connected()
    await broker.place(order(quantity=1000))
    await tape.has(ExecutionReport)
    gateway.exchange.correct_execution(ACCOUNT, "X0000001", quantity=D(600))
    corrected = (await tape.has(ExecutionReport, revision="1"))[0]
    (known,) = (await broker.executions_since(None))[0]
    assert known == corrected
    assert known.quantity == 600


async def test_prices_and_quantities_go_out_as_they_are(gateway: Gateway) -> None:
    request = order(OrderType.LIMIT, limit_price=str(D("0.1") + D("0.2")), quantity=1000)
    sent = new_order(request, 1, ACCOUNT)
    assert (str(sent.lmtPrice), str(sent.totalQuantity)) == ("0.3", "1000")
    broker, _ = await gateway.connected()
    odd = order(OrderType.LIMIT, limit_price="1.00003")
    await broker.place(odd)
    found = await broker.find_order(odd.client_order_id)
    assert isinstance(found, Found)
    assert found.order.limit_price == D("1.00003")


async def test_orders_do_not_wait_behind_market_data(gateway: Gateway) -> None:
    broker, _ = await gateway.connected()
    connection = broker._connection
    assert connection is not None
    while connection.link.budget._wait(1, 30) == 0:
        await connection.link.budget.take(1, order=False)
    began = gateway.runtime.clock.monotonic()
    assert isinstance(await broker.place(order(**RESTING)), Placed)
    assert gateway.runtime.clock.monotonic() - began < 0.9
    assert connection.link.client.MaxRequests == 0, "the library's own throttle would send after the guard was asked"


# Brackets


async def test_bracket_is_transmitted_with_its_last_order_and_shares_one_group(gateway: Gateway) -> None:
    broker, _ = await gateway.connected()
    request = bracket(entry=OrderType.LIMIT, limit_price="1.05000")
    gateway.fault(FaultKind.DROP_BEFORE_ACCEPT, match=request.attached[1].client_order_id)
    with pytest.raises(InDoubt):
        await broker.place(request)
    assert gateway.exchange.orders(ACCOUNT) == [], "two of three are nothing"
    await broker.connect(None)
    assert isinstance(await broker.find_order(request.client_order_id), Absent)
    whole = bracket(entry=OrderType.LIMIT, limit_price="1.05000")
    await broker.place(whole)
    groups = {known.oca_group for known in gateway.exchange.open_orders(ACCOUNT) if known.parent_id is not None}
    assert groups == {whole.attached[0].oca_group}


# In doubt


async def test_absence_is_no_proof_while_the_gateway_has_lost_its_servers(gateway: Gateway) -> None:
    broker, tape = await gateway.connected()
    gateway.fault(FaultKind.CONNECTIVITY_LOST, seconds=0)
    await tape.has(Degraded)
    assert isinstance(await broker.find_order("NEVER"), Unknown)
    with pytest.raises(Retryable):
        await broker.positions()
    gateway.exchange.faults.remove()
    await tape.has(Restored)
    assert isinstance(await broker.find_order("NEVER"), Absent)


async def test_order_in_doubt_is_found_in_each_of_the_four_places(gateway: Gateway) -> None:
    broker, _ = await gateway.connected(7)
    mine, ended, filled = order(**RESTING), order(**RESTING), order()
    for request in (mine, ended, filled):
        await broker.place(request)
    await broker.cancel(ended.client_order_id)
    other, _ = await gateway.connected(8)
    assert await status(broker, mine.client_order_id) is OrderStatus.PLACED
    assert await status(other, mine.client_order_id) is OrderStatus.PLACED
    assert await status(other, ended.client_order_id) is OrderStatus.CANCELLED
    assert await status(other, filled.client_order_id) is OrderStatus.FILLED


# Outages and nights


@pytest.mark.parametrize("data_lost", [False, True])
async def test_fills_of_an_outage_are_read_back_before_all_is_said_to_be_well(
    gateway: Gateway, data_lost: bool
) -> None:
    broker, tape = await gateway.connected()
    await broker.subscribe(EURUSD)
    stop = order(OrderType.STOP, Side.SELL, stop_price="1.09000")
    await broker.place(stop)
    gateway.fault(FaultKind.CONNECTIVITY_LOST, seconds=0, match="1101" if data_lost else "1102")
    assert "1100" in (await tape.has(Degraded))[0].reason
    with pytest.raises(Retryable):
        await broker.place(order())
    gateway.quote("1.08900", "1.08920")
    gateway.exchange.faults.remove()
    await tape.has(Restored, data_lost=data_lost)
    assert [each.client_order_id for each in tape.all(ExecutionReport)] == [stop.client_order_id]
    assert tape.events.index(next(e for e in tape.events if isinstance(e, ExecutionReport))) < tape.events.index(
        next(e for e in tape.events if isinstance(e, Restored))
    )
    await broker.subscribe(EURUSD)
    gateway.quote("1.08800", "1.08820")
    wanted = (D("1.08800") + D("1.08820")) / 2
    await tape.sees(lambda event: isinstance(event, TickEvent) and event.tick.price == wanted)


def test_submissions_are_held_around_the_nightly_restart_and_only_then() -> None:
    restart = NightlyRestart(time(23, 45), "America/New_York", before=60, after=120)
    midnight = datetime(2026, 7, 1, 3, 45, tzinfo=UTC)  # 23:45 in New York, in summer
    held = [second for second in range(-300, 300, 10) if restart.is_held(midnight + timedelta(seconds=second))]
    assert (held[0], held[-1]) == (-60, 110)
    around_midnight = NightlyRestart(time(0, 0), "UTC")
    assert around_midnight.is_held(datetime(2026, 1, 1, 23, 59, 30, tzinfo=UTC))
    assert around_midnight.is_held(datetime(2026, 1, 2, 0, 1, tzinfo=UTC))
    assert not around_midnight.is_held(datetime(2026, 1, 1, 12, 0, tzinfo=UTC))


async def test_nothing_is_submitted_while_held_and_cancelling_goes_on(gateway: Gateway) -> None:
    broker, _ = await gateway.connected()
    request = order(**RESTING)
    await broker.place(request)
    now = datetime.now(UTC).time().replace(tzinfo=None)
    held, _ = await gateway.connected(9, restart=NightlyRestart(now, "UTC", before=600, after=600))
    with pytest.raises(Retryable, match="held"):
        await held.place(order())
    with pytest.raises(Retryable, match="held"):
        await held.modify(request.client_order_id, OrderChange(D(500)))
    assert isinstance(await broker.cancel(request.client_order_id), Placed)


async def test_a_day_of_restarts_loses_doubles_and_forgets_nothing(gateway: Gateway) -> None:
    """The nightly restart, over and over: ids rolled back, orders resting through it, one filled while nobody was
    connected."""
    broker, tape = await gateway.connected(7)
    resting = order(**RESTING)
    await broker.place(resting)
    sent = [resting.client_order_id]
    for night in range(24):
        gateway.fault(FaultKind.IDS_ROLLED_BACK)
        gateway.exchange.disconnect_all("the nightly restart")
        await tape.ended()
        snapshot = await broker.connect(None)
        assert [known.client_order_id for known in snapshot.orders] == [resting.client_order_id]
        tape = Tape(broker, gateway.runtime)
        request = order(side=Side.BUY if night % 2 else Side.SELL)
        assert isinstance(await broker.place(request), Placed)
        sent.append(request.client_order_id)
        await broker.subscribe(EURUSD)
        await tape.has(TickEvent)
    at_broker = [known.client_order_id for known in gateway.exchange.orders(ACCOUNT)]
    assert at_broker == sent
    assert await fills(broker) == sent[1:]


async def test_weekly_log_in_is_announced_a_day_before(gateway: Gateway, monkeypatch: pytest.MonkeyPatch) -> None:
    from live_trading.brokers.ibkr import adapter, schedule
    from live_trading.brokers.types import AuthRequired

    saturday = datetime(2026, 12, 5, 18, 0, tzinfo=UTC)
    assert schedule.next_weekly_login(saturday) == datetime(2026, 12, 6, 6, 0, tzinfo=UTC)
    assert schedule.next_weekly_login(datetime(2026, 12, 6, 6, 0, tzinfo=UTC)) == datetime(
        2026, 12, 13, 6, 0, tzinfo=UTC
    )
    soon = datetime.now(UTC) + timedelta(hours=5)
    monkeypatch.setattr(adapter, "next_weekly_login", lambda _: soon)
    _, tape = await gateway.connected(restart=NightlyRestart(time(0, 0), "UTC", before=0, after=0))
    assert (await tape.has(AuthRequired))[0].deadline == soon


async def test_executions_reach_back_to_midnight_only(gateway: Gateway) -> None:
    broker, _ = await gateway.connected()
    reach = broker.executions_reach_back_to()
    assert reach is not None
    assert timedelta(0) <= datetime.now(UTC) - reach < timedelta(days=1)


# Connections


async def test_no_gateway_is_retried(runtime: Runtime, gateway: Gateway) -> None:
    broker = gateway.broker()
    gateway.port, port = 1, gateway.port
    away = gateway.broker()
    gateway.port = port
    with pytest.raises(Retryable, match="no connection to TWS"):
        await away.connect(None)
    await broker.connect(None)


async def test_cut_in_the_middle_of_a_frame_is_a_lost_connection(gateway: Gateway, runtime: Runtime) -> None:
    async def half(reader: Any, writer: Any) -> None:
        await reader.read(100)
        writer.write(struct.pack(">I", 20) + b"178\0")
        writer.close()

    server = await asyncio.start_server(half, "127.0.0.1", 0)
    gateway.port, port = server.sockets[0].getsockname()[1], gateway.port
    broker = gateway.broker(request_timeout=1.0)
    gateway.port = port
    with pytest.raises(Retryable):
        await broker.connect(None)
    server.close()


async def test_late_commission_and_disconnection_leave_no_event_out(gateway: Gateway) -> None:
    broker, tape = await gateway.connected()
    gateway.fault(FaultKind.LATE_COMMISSION, seconds=0.2)
    await broker.place(order())
    execution = (await tape.has(ExecutionReport))[0]
    _, cursor = await broker.executions_since(None)
    gateway.exchange.disconnect_all()
    assert isinstance(await tape.ended(), Disconnected)

    async def is_charged() -> bool:
        gateway.exchange.on_time(gateway.exchange.now_ns)
        return len(gateway.exchange.executions_after(ACCOUNT, 1)[0]) == 1

    await until(is_charged)
    snapshot = await broker.connect(cursor)
    assert [(each.execution_id, each.commission) for each in snapshot.executions] == [
        (execution.execution_id, D("2.00"))
    ]
    assert not any(isinstance(event, CommissionReport) for event in tape.events)
