"""What went wrong for users of other systems at Interactive Brokers, lived through over the protocol.

The numbers are those of the same stories in ``tests/scenarios``.
"""

from collections.abc import AsyncIterator

import pytest

from live_trading.domain.ids import Kind, derived_id
from live_trading.domain.values import OperationStatus, OrderPurpose, OrderStatus, Side
from live_trading.paper_exchange import FaultKind
from live_trading.projections.state import Operation, Order
from tests.brokers.ibkr.gateways import ACCOUNT, D, Gateway
from tests.brokers.ibkr.stage import CLIENT_ID, Stage


@pytest.fixture
async def stage(gateway: Gateway) -> AsyncIterator[Stage]:
    made = Stage(gateway)
    yield made
    await made.close()


def of(operation: Operation, purpose: OrderPurpose) -> Order:
    (order,) = [order for order in operation.orders.values() if order.purpose is purpose]
    return order


async def test_01_fills_during_an_outage_are_read_back_once_each(stage: Stage) -> None:
    operation = await stage.holding()
    stage.gateway.fault(FaultKind.CONNECTIVITY_LOST, seconds=0)
    session = stage.engine.context.sessions["ibkr"]
    await stage.holds(lambda: not session.ready.is_set())
    stage.gateway.quote("1.08900", "1.08920")
    assert operation.quantity, "nothing is known of the stop's fill"
    stage.gateway.exchange.faults.remove()
    await stage.holds(lambda: not operation.quantity)
    told = await stage.entries("ORDER_FILLED")
    assert len(told) == len({entry.data.execution_id for entry in told}) == 2
    await stage.judge()


async def test_02_order_sent_at_the_restart_is_found_though_its_number_is_given_out_again(stage: Stage) -> None:
    operation = await stage.holding()
    first = of(operation, OrderPurpose.ENTRY)
    stage.gateway.fault(FaultKind.IDS_ROLLED_BACK)
    stage.gateway.fault(FaultKind.DROP_AFTER_ACCEPT, operation="place")
    second = await stage.enters("1.05000")
    assert second.status is not OrderStatus.REJECTED
    await stage.holds(lambda: second.status is OrderStatus.PLACED)
    assert first.status is OrderStatus.FILLED
    assert len(await stage.entries("ORDER_FILLED")) == 1
    assert second.broker_order_id != first.broker_order_id


async def test_03_order_that_is_never_answered_is_in_doubt_and_found_and_the_engine_lives(stage: Stage) -> None:
    await stage.start(reconcile_interval=3600)  # or reconciling finds it before the answer is overdue
    operation = await stage.created()
    stage.gateway.fault(FaultKind.ACCEPTED_504, operation="place")
    await stage.enters()
    await stage.holds(lambda: bool(operation.quantity))
    assert await stage.entries("ORDER_IN_DOUBT")
    assert not await stage.entries("ORDER_REJECTED")
    await stage.holds(lambda: of(operation, OrderPurpose.STOP_LOSS).status is OrderStatus.PLACED)
    await stage.judge()


async def test_03b_order_that_never_arrived_is_proved_absent(stage: Stage) -> None:
    await stage.start()
    operation = await stage.created()
    stage.gateway.fault(FaultKind.DROP_BEFORE_ACCEPT, operation="place")
    entry = await stage.enters()
    await stage.holds(lambda: entry.status is OrderStatus.NOT_PLACED)
    assert stage.gateway.exchange.orders(ACCOUNT) == []
    assert not operation.quantity
    await stage.judge()


async def test_04_the_nightly_reset_is_an_ordinary_disconnection(stage: Stage) -> None:
    operation = await stage.holding()
    stage.gateway.fault(FaultKind.IDS_ROLLED_BACK)
    stage.gateway.exchange.disconnect_all("the gateway restarts")
    session = stage.engine.context.sessions["ibkr"]
    await stage.holds(lambda: not session.ready.is_set())
    await stage.holds(session.ready.is_set)
    assert len(await stage.entries("BROKER_CONNECTED")) == 2
    assert len(await stage.entries("ENGINE_STARTED")) == 1
    assert operation.status is OperationStatus.ACTIVE
    await stage.judge()


async def test_05_limit_order_filled_while_we_were_down_is_matched_by_our_reference(stage: Stage) -> None:
    await stage.start()
    await stage.created()
    await stage.enters("1.09500")
    await stage.crash()
    stage.gateway.quote("1.09450", "1.09470")
    await stage.start()
    await stage.holds(lambda: bool(stage.operation.quantity))
    assert of(stage.operation, OrderPurpose.ENTRY).status is OrderStatus.FILLED
    assert len(await stage.entries("EXTERNAL_FILL_SEEN")) == 0
    await stage.judge()


async def test_08_fill_without_our_reference_is_external_and_makes_no_order(stage: Stage) -> None:
    operation = await stage.holding()
    orders = len(operation.orders)
    stage.gateway.exchange.external_fill(ACCOUNT, "EUR-USD", Side.SELL, D(300), D("1.1"))
    await stage.holds(lambda: bool(stage.engine.live.ledger.state.discrepancies) or bool(
        stage.engine.live.ledger.state.external_fills
    ))  # fmt: skip
    assert len(operation.orders) == orders
    assert operation.quantity == 1000
    await stage.holds(lambda: operation.status is OperationStatus.ERROR)


async def test_09_working_orders_of_an_earlier_engine_are_managed_by_the_next(stage: Stage) -> None:
    await stage.start()
    await stage.created()
    await stage.enters("1.05000")
    await stage.crash()
    await stage.start()
    entry = of(stage.operation, OrderPurpose.ENTRY)
    await stage.command("cancel_order", client_order_id=entry.client_order_id)
    await stage.holds(lambda: entry.status is OrderStatus.CANCELLED)
    assert stage.gateway.exchange.open_orders(ACCOUNT) == []
    await stage.judge()


async def test_10_every_start_over_sends_nothing_twice(stage: Stage) -> None:
    await stage.holding()
    sent = len(stage.gateway.exchange.orders(ACCOUNT))
    for _ in range(3):
        await stage.crash()
        await stage.start()
        await stage.holds(lambda: stage.engine.context.sessions["ibkr"].ready.is_set())
    assert len(stage.gateway.exchange.orders(ACCOUNT)) == sent
    await stage.judge()


async def test_14_stop_filled_and_execution_corrected_while_we_were_down_are_taken_in(stage: Stage) -> None:
    await stage.holding()
    await stage.crash()
    stage.gateway.fault(FaultKind.LATE_COMMISSION, seconds=0.5)
    stage.gateway.quote("1.08900", "1.08920")
    stage.gateway.exchange.correct_execution(ACCOUNT, "X0000001", price=D("1.10010"))
    await stage.start()
    await stage.holds(lambda: not stage.operation.quantity)
    (corrected,) = await stage.entries("FILL_CORRECTED")
    assert corrected.data.price == D("1.10010")
    stage.gateway.exchange.on_time(stage.gateway.exchange.now_ns + 1_000_000_000)
    await stage.judge()


async def test_position_closed_by_a_person_ends_flat_with_its_protections(stage: Stage) -> None:
    operation = await stage.holding()
    await stage.command("close_position", operation_id=str(derived_id(Kind.OPERATION, operation.number)))
    await stage.holds(lambda: not operation.quantity)
    await stage.holds(lambda: stage.gateway.exchange.open_orders(ACCOUNT) == [])
    await stage.judge()
    assert stage.gateway.brokers[-1]._options.client_id == CLIENT_ID
