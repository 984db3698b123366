"""Every trap of OANDA's interface and of its client library that is known, each sprung once."""

import json
import logging
import threading
from decimal import Decimal
from typing import Any

import pytest
import requests
from msgspec.structs import replace
from pydantic import SecretStr

from live_trading.brokers.errors import AuthExpired, Fatal, InDoubt, RateLimited, Retryable
from live_trading.brokers.oanda import LIVE, OANDA_CAPABILITIES, OandaBroker, words
from live_trading.brokers.oanda.connections import NEW_CONNECTIONS_PER_SECOND, Connections, Journey, Pace
from live_trading.brokers.types import (
    Absent,
    Disconnected,
    ExecutionReport,
    Found,
    MarketTime,
    OrderUpdate,
    Placed,
    Rejected,
    TickEvent,
    Unknown,
)
from live_trading.domain.errors import InvalidInput
from live_trading.domain.values import OrderStatus, OrderType, Side
from live_trading.paper_exchange import FaultKind
from live_trading.paper_exchange.protocols.oanda.limits import RateLimits
from tests.brokers.oanda.conftest import ACCOUNT, TOKEN, Stage
from tests.contracts.venues import EURUSD, SYMBOL, D, bracket, order, until

PATIENCE = 60.0
USDJPY = EURUSD.model_copy(update={"symbol": "USD-JPY", "currency": "JPY", "tick_size": D("0.001")})


class Steady:
    """A clock that stands still until it is moved."""

    now = 0.0

    def monotonic(self) -> float:
        return self.now


# ---- payloads --------------------------------------------------------------------------------------------------------


def test_prices_and_units_go_out_as_their_decimals_by_the_instruments_own_precision() -> None:
    yen = replace(order(OrderType.LIMIT, limit_price="151.500"), instrument=USDJPY)
    small = replace(order(), quantity=D("0.001"))
    assert words.order_payload(yen, None)["order"]["price"] == "151.500"  # type: ignore[index]
    assert words.order_payload(small, None)["order"]["units"] == "0.001"  # type: ignore[index]
    assert words.plain(Decimal("1E+3")) == "1000"


async def test_price_off_the_grid_is_refused_by_the_broker_and_never_rounded_on_the_way(stage: Stage) -> None:
    broker, _ = await stage.connected()
    answer = await broker.place(order(OrderType.LIMIT, limit_price="1.000005"))
    assert answer == Rejected(
        "INVALID_PRICE", "PRICE_PRECISION_EXCEEDED: The Order was rejected: price precision exceeded"
    )


async def test_protections_are_part_of_the_entry_and_belong_to_its_trade(stage: Stage) -> None:
    broker, tape = await stage.connected()
    request = bracket()
    await broker.place(request)
    loss, profit = (child.client_order_id for child in request.attached)
    assert {known.client_order_id for known in await broker.open_orders()} == {loss, profit}
    stage.quote("1.11010", "1.11030")
    await tape.has(OrderUpdate, timeout=PATIENCE, client_order_id=profit, status=OrderStatus.FILLED)
    await tape.has(OrderUpdate, timeout=PATIENCE, client_order_id=loss, status=OrderStatus.CANCELLED)
    assert stage.held() == 0


async def test_stop_that_trails_goes_with_the_entry_by_its_distance(stage: Stage) -> None:
    broker, tape = await stage.connected()
    stop = order(OrderType.TRAILING_STOP, Side.SELL, trailing_distance=D("0.00100"))
    await broker.place(order(attached=(stop,)))
    stage.quote("1.10100", "1.10120")
    (known,) = await broker.open_orders()
    assert (known.stop_price, known.trailing_distance) == (D("1.10000"), D("0.00100"))
    stage.quote("1.10000", "1.10020")
    await tape.has(OrderUpdate, timeout=PATIENCE, client_order_id=stop.client_order_id, status=OrderStatus.FILLED)


async def test_protection_placed_anew_belongs_to_the_one_trade_it_would_close(stage: Stage) -> None:
    broker, tape = await stage.connected()
    await broker.place(order())
    await tape.has(ExecutionReport, timeout=PATIENCE)
    loss = order(OrderType.STOP, Side.SELL, stop_price="1.09000", oca_group="P1")
    profit = order(OrderType.LIMIT, Side.SELL, limit_price="1.11000", oca_group="P1")
    for wanted in (loss, profit):
        assert isinstance(await broker.place(wanted), Placed)
    assert {o.type for o in stage.front._chronicle.books[ACCOUNT].pending()} == {"STOP_LOSS", "TAKE_PROFIT"}
    assert isinstance(await broker.place(order(side=Side.SELL, oca_group="P1")), Placed)
    for wanted in (loss, profit):
        await tape.has(
            OrderUpdate, timeout=PATIENCE, client_order_id=wanted.client_order_id, status=OrderStatus.CANCELLED
        )


async def test_exit_without_a_position_is_refused_and_never_turns_it_around(stage: Stage) -> None:
    broker, _ = await stage.connected()
    answer = await broker.place(order(side=Side.SELL, oca_group="gone"))
    assert isinstance(answer, Rejected)
    assert stage.held() == 0


# ---- answers ---------------------------------------------------------------------------------------------------------


async def test_201_with_a_cancel_transaction_is_a_refusal(stage: Stage) -> None:
    broker, _ = await stage.connected()
    stage.fault(FaultKind.MARKET_CLOSED, seconds=0)
    answer = await broker.place(order())
    assert answer == Rejected("MARKET_CLOSED", "MARKET_HALTED: cancelled as soon as it was created")
    body = {"order": {"type": "MARKET", "instrument": "EUR_USD", "units": "1"}}
    raw = await stage.raw("POST", f"/v3/accounts/{ACCOUNT}/orders", body)
    assert raw.status_code == 201
    assert raw.json()["orderCancelTransaction"]["reason"] == "MARKET_HALTED"


async def test_unexpected_2xx_is_in_doubt_for_the_order_was_placed(stage: Stage) -> None:
    broker, tape = await stage.connected()
    request = order()
    stage.fault(FaultKind.UNEXPECTED_2XX)
    with pytest.raises(InDoubt, match="202"):
        await broker.place(request)
    await tape.has(ExecutionReport, timeout=PATIENCE, client_order_id=request.client_order_id)
    assert isinstance(await broker.find_order(request.client_order_id), Found)


async def test_refused_token_is_told_as_such_and_is_in_no_text_or_log(
    stage: Stage, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    broker, _ = await stage.connected()
    stage.fault(FaultKind.UNAUTHORISED, count=None)
    with pytest.raises(AuthExpired) as caught:
        await broker.positions()
    for text in (str(caught.value), repr(broker), caplog.text):
        assert TOKEN not in text


async def test_too_many_requests_are_patience_and_an_order_refused_for_it_was_not_placed(stage: Stage) -> None:
    broker, _ = await stage.connected(poll_seconds=60)
    stage.fault(FaultKind.RATE_LIMITED, count=2)
    with pytest.raises(RateLimited):
        await broker.positions()
    request = order()
    with pytest.raises(Retryable):
        await broker.place(request)
    assert isinstance(await broker.find_order(request.client_order_id), Absent)


def test_front_allows_120_requests_and_two_new_connections_a_second() -> None:
    clock: Any = Steady()
    limits = RateLimits(clock, connections=2)
    assert [limits.exceeded("token", "one") for _ in range(121)] == [False] * 120 + [True]
    assert not limits.exceeded("another", "one")
    assert [limits.exceeded("third", connection) for connection in "abc"] == [False, False, True]
    clock.now = 1.0
    assert not limits.exceeded("token", "one")


# ---- the client's id -------------------------------------------------------------------------------------------------


async def test_clients_id_is_unique_among_pending_orders_alone_so_nothing_is_ever_sent_twice(stage: Stage) -> None:
    broker, _ = await stage.connected()
    request = order(OrderType.LIMIT, limit_price="1.05000")
    assert isinstance(await broker.place(request), Placed)
    again = await broker.place(request)
    assert isinstance(again, Rejected)
    assert again.code == "DUPLICATE_CLIENT_ORDER_ID"
    await broker.cancel(request.client_order_id)
    assert isinstance(await broker.place(request), Placed), "OANDA would take it again: it is for us not to send it"
    assert OANDA_CAPABILITIES.client_id_unique == "while pending"


async def test_order_in_doubt_is_found_by_its_id_or_by_its_transactions(stage: Stage) -> None:
    broker, _ = await stage.connected()
    filled, refused, lost = order(), order(OrderType.LIMIT, limit_price="1.000005"), order()
    for request, kind in ((filled, "drop_after_accept"), (refused, "drop_after_accept"), (lost, "drop_before_accept")):
        stage.fault(FaultKind(kind), match=request.client_order_id)
        with pytest.raises(InDoubt):
            await broker.place(request)
    found = [await broker.find_order(request.client_order_id) for request in (filled, refused, lost)]
    assert isinstance(found[0], Found)
    assert isinstance(found[1], Found)
    assert [found[0].order.status, found[1].order.status] == [OrderStatus.FILLED, OrderStatus.REJECTED]
    assert isinstance(found[2], Absent)


async def test_protection_of_an_entry_that_never_traded_is_known_to_have_ended(stage: Stage) -> None:
    broker, tape = await stage.connected()
    request = bracket(entry=OrderType.LIMIT, limit_price="1.05000")
    await broker.place(request)
    loss = request.attached[0].client_order_id
    await tape.has(OrderUpdate, timeout=PATIENCE, client_order_id=loss, status=OrderStatus.PLACED)
    await broker.cancel(request.client_order_id)
    await tape.has(OrderUpdate, timeout=PATIENCE, client_order_id=loss, status=OrderStatus.CANCELLED)
    later, _ = await stage.connected()
    found = await later.find_order(loss)
    assert isinstance(found, Found)
    assert found.order.status is OrderStatus.CANCELLED


async def test_protection_that_sleeps_in_its_entry_is_moved_and_taken_away_there(stage: Stage) -> None:
    from live_trading.brokers.types import OrderChange

    broker, _ = await stage.connected()
    request = bracket(entry=OrderType.LIMIT, limit_price="1.05000")
    await broker.place(request)
    loss, profit = (child.client_order_id for child in request.attached)
    assert isinstance(await broker.modify(loss, OrderChange(stop_price=D("1.04000"))), Placed)
    assert isinstance(await broker.cancel(profit), Placed)

    async def as_asked() -> bool:
        told = {known.client_order_id: known for known in await broker.open_orders()}
        return told.keys() == {request.client_order_id, loss} and told[loss].stop_price == D("1.04000")

    await until(as_asked, timeout=PATIENCE)


# ---- streams ---------------------------------------------------------------------------------------------------------


async def test_heartbeats_come_every_five_seconds_unless_told_otherwise() -> None:
    from live_trading.brokers.oanda.broker import SILENCE_LIMIT
    from live_trading.paper_exchange.protocols.oanda.front import HEARTBEAT_SECONDS

    assert (HEARTBEAT_SECONDS, SILENCE_LIMIT) == (5.0, 10.0)


async def test_21_fill_left_out_by_a_healthy_stream_is_read_back_and_an_exit_for_it_only_reduces(stage: Stage) -> None:
    broker, tape = await stage.connected()
    request = bracket()
    await broker.place(request)
    await tape.has(ExecutionReport, timeout=PATIENCE)
    _, cursor = await broker.executions_since(None)
    stage.fault(FaultKind.LOSE_FILLS)
    stage.quote("1.08990", "1.09010")
    late = await broker.place(order(side=Side.SELL, oca_group=request.attached[0].oca_group))
    assert isinstance(late, Rejected), "the stop has closed it: there is nothing to reduce"
    assert stage.held() == 0
    loss = request.attached[0].client_order_id
    await tape.has(ExecutionReport, timeout=PATIENCE, client_order_id=loss)
    assert not tape.all(Disconnected)
    assert [known.client_order_id for known in (await broker.executions_since(cursor))[0]] == [loss]


async def test_cursor_is_the_last_transaction_and_nothing_is_told_twice_across_connections(stage: Stage) -> None:
    broker, tape = await stage.connected()
    await broker.place(order())
    await tape.has(ExecutionReport, timeout=PATIENCE)
    _, cursor = await broker.executions_since(None)
    await broker.close()
    stage.quote("1.10010", "1.10030")
    other, _ = await stage.connected(token="another")
    await other.place(order(side=Side.SELL))
    snapshot = await broker.connect(cursor)
    assert [execution.side for execution in snapshot.executions] == [Side.SELL]
    with pytest.raises(Fatal, match="transaction"):
        await broker.connect("100000")


async def test_20_dead_price_stream_is_replaced_while_transactions_heartbeats_live(stage: Stage) -> None:
    broker, tape = await stage.connected(silence_limit=2.0)
    await broker.subscribe(EURUSD)
    stage.quote("1.10001", "1.10021")
    await tape.has(TickEvent, timeout=PATIENCE)
    fault = stage.fault(FaultKind.SILENT_PRICES, seconds=0)

    async def noticed() -> bool:
        return broker.price_reconnections > 0

    await until(noticed, timeout=PATIENCE)
    assert not tape.all(Disconnected), "the transactions' stream is well"
    stage.exchange.faults.remove(fault)

    async def prices_again() -> bool:
        stage.quote("1.10002", "1.10022")
        return any(tick.tick.bid == D("1.10002") for tick in tape.all(TickEvent))

    await until(prices_again, timeout=PATIENCE)


async def test_instruments_are_added_to_the_price_stream_without_a_gap(stage: Stage) -> None:
    broker, tape = await stage.connected()
    yen = await broker.resolve("USD-JPY")
    await broker.subscribe(EURUSD)
    await broker.subscribe(yen)
    stage.quote("151.500", "151.510", "USD-JPY")
    stage.quote("1.10002", "1.10022")

    async def both() -> bool:
        return {tick.tick.symbol for tick in tape.all(TickEvent)} == {SYMBOL, "USD-JPY"}

    await until(both, timeout=PATIENCE)


async def test_25_order_unknown_for_a_moment_after_success_is_no_absence_yet(stage: Stage) -> None:
    broker, _ = await stage.connected()
    request = order(OrderType.LIMIT, limit_price="1.05000")
    hidden = stage.fault(FaultKind.HIDE_ORDERS, seconds=3.0)
    await broker.place(request)
    raw = await stage.raw("GET", f"/v3/accounts/{ACCOUNT}/orders/@{request.client_order_id}")
    assert (raw.status_code, raw.json()["errorCode"]) == (404, "NO_SUCH_ORDER")
    stage.exchange.faults.remove(hidden)
    assert OANDA_CAPABILITIES.absence_definitive_after == 15.0

    async def visible() -> bool:
        return isinstance(await broker.find_order(request.client_order_id), Found)

    await until(visible, timeout=OANDA_CAPABILITIES.absence_definitive_after)


async def test_front_that_is_restarted_has_its_transactions_and_numbers_them_on(stage: Stage) -> None:
    broker, tape = await stage.connected()
    request = bracket()
    await broker.place(request)
    await tape.has(ExecutionReport, timeout=PATIENCE)
    executions, cursor = await broker.executions_since(None)
    await stage.restart()
    await tape.ended(timeout=PATIENCE)
    stage.quote("1.08990", "1.09010")
    snapshot = await broker.connect(cursor)
    assert [execution.client_order_id for execution in snapshot.executions] == [request.attached[0].client_order_id]
    assert int(snapshot.executions[0].execution_id) > int(executions[0].execution_id)
    assert snapshot.orders == ()
    assert stage.held() == 0


# ---- the library -----------------------------------------------------------------------------------------------------


async def test_package_blocks_so_its_work_is_threads_and_they_all_end(stage: Stage) -> None:
    def at_work() -> list[str]:
        return [thread.name for thread in threading.enumerate() if thread.name.startswith("oanda-")]

    broker, tape = await stage.connected()
    await broker.subscribe(EURUSD)
    await tape.has(MarketTime, timeout=PATIENCE)
    assert len(at_work()) >= 3
    await broker.close()
    assert at_work() == []


def test_new_connections_are_two_a_second_at_most() -> None:
    clock: Any = Steady()
    pace = Pace(clock)
    assert [pace.take() for _ in range(NEW_CONNECTIONS_PER_SECOND)] == [0.0, 0.0]
    assert pace.take() == 1.0
    clock.now = 1.0
    assert pace.take() == 0.0


def test_command_given_up_never_leaves_afterwards() -> None:
    asked: list[None] = []
    journey = Journey(lambda: asked.append(None))
    journey.give_up()
    with pytest.raises(OSError, match="given up"):
        journey.departs()
    assert not asked
    assert not journey.left


async def test_nobody_there_is_retryable_and_provably_not_sent(stage: Stage) -> None:
    broker, _ = await stage.connected()
    await stage.front.close()
    with pytest.raises(Retryable):
        await broker.positions()
    with pytest.raises(Retryable):
        await broker.place(order())
    assert isinstance(await broker.find_order("ANY"), Unknown)


async def test_live_environment_is_refused_without_an_explicit_yes(stage: Stage) -> None:
    with pytest.raises(InvalidInput, match="real money"):
        OandaBroker(
            "001-001-1-001",
            SecretStr(TOKEN),
            environment=LIVE,
            name="real",
            runtime=stage.runtime,
            guard=lambda: None,
        )


async def test_wrong_account_is_told_with_what_to_check(stage: Stage) -> None:
    with pytest.raises(Fatal, match="Check the account"):
        await stage.broker(account="NOBODY").connect(None)


def test_every_request_has_time_limits_and_no_proxy_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    from live_trading.brokers.oanda.transport import Environment, OandaTransport
    from live_trading.runtime import SystemClock

    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    transport = OandaTransport(Environment("http://a", "http://b"), SecretStr("t"), "oanda", SystemClock(), 7.0)
    api = transport.session(Connections(transport.pace), 7.0)
    assert api.request_params == {"timeout": (5.0, 7.0)}
    assert isinstance(api.client, requests.Session)
    assert api.client.trust_env is False
    assert json.dumps(api.request_params)
    api.close()
