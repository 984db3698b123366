"""The scenario whose every dangerous moment is died at: all that an operation can live through, in a few seconds."""

from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

from live_trading.domain.values import OperationStatus, OrderPurpose, OrderStatus
from live_trading.models.commands import CommandRecord
from live_trading.paper_exchange.options import PaperExchangeOptions
from live_trading.projections.state import Operation
from tests.crash.harness import CrashWorld
from tests.crash.tape import PIP, SYMBOL

SPEED = 40.0


def played(tape: Path) -> Callable[[Path], PaperExchangeOptions]:
    """An exchange that plays the tape, beginning with the first engine that listens, and fills orders in parts."""
    base = PaperExchangeOptions(
        data_dir=Path(), ticks=(tape,), symbol=SYMBOL, speed=SPEED, wait_for_subscribers=1, max_fill=Decimal(1000)
    )
    return lambda directory: replace(base, data_dir=directory)


async def play(world: CrashWorld, mode: str) -> None:
    """Entry with bracket in three fills, the stop moved, exit by signal, stop hit, target cancelled and placed anew,
    pause, position closed by hand, resumed, closed. Raises :class:`~tests.crash.harness.Ended` when the engine dies."""
    created = await world.answer(await world.create_operation(crash_recovery_mode=mode))
    assert created.result is not None, created.error
    identifier = str(created.result["operation_id"])
    await world.look()
    (operation,) = world.operations

    await world.until(lambda: _is_in(operation), "a position with its protections")
    await _move_stop(world, operation, identifier)
    await world.until(lambda: _filled(operation, OrderPurpose.EXIT) >= 1, "an exit by signal")
    await world.until(lambda: _filled(operation, OrderPurpose.STOP_LOSS) >= 1, "a stop that is hit")
    await world.until(lambda: _is_in(operation), "a third position")
    target = _working(operation, OrderPurpose.TAKE_PROFIT)
    await world.ask("cancel_order", client_order_id=target)
    await world.until(lambda: _is_in(operation) and _working(operation, OrderPurpose.TAKE_PROFIT) != target, "a target")
    await world.ask("pause_operation", operation_id=identifier)
    await world.ask("close_position", operation_id=identifier)
    await world.until(lambda: not operation.quantity, "a position closed by hand")
    await world.ask("resume_operation", operation_id=identifier)
    await world.until(lambda: _is_in(operation), "a fourth position")
    await world.ask("close_operation", operation_id=identifier)
    await world.until(lambda: operation.status is OperationStatus.CLOSED, "the operation to be closed")


async def _move_stop(world: CrashWorld, operation: Operation, identifier: str) -> CommandRecord:
    stop = operation.orders[_working(operation, OrderPurpose.STOP_LOSS)]
    assert stop.stop_price is not None
    price = stop.stop_price - PIP / 2
    return await world.ask("move_protection", operation_id=identifier, kind="STOP_LOSS", price=str(price))


def _is_in(operation: Operation) -> bool:
    """It holds all it wanted, with both protections at work."""
    kinds = {order.purpose for order in operation.orders.values() if order.status is OrderStatus.PLACED}
    full = abs(operation.quantity) == Decimal(str(operation.settings["quantity"]))
    return full and {OrderPurpose.STOP_LOSS, OrderPurpose.TAKE_PROFIT} <= kinds


def _working(operation: Operation, purpose: OrderPurpose) -> str:
    return next(
        (o.client_order_id for o in operation.orders.values() if o.purpose is purpose and o.is_working), "none works"
    )


def _filled(operation: Operation, purpose: OrderPurpose) -> int:
    orders: Any = operation.orders.values()
    return sum(order.purpose is purpose and order.status is OrderStatus.FILLED for order in orders)
