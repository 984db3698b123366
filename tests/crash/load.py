"""Engines at work: several operations that turn over all the time, and a person who meddles."""

from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

from live_trading.domain.values import CrashRecoveryMode, OperationStatus, OrderPurpose
from live_trading.paper_exchange.options import PaperExchangeOptions
from live_trading.projections.state import Operation
from live_trading.runtime import IdSource
from tests.crash.harness import CrashWorld, Ended, NeverCame, operation_id
from tests.crash.tape import PIP, SYMBOL

MODES = [mode.value for mode in CrashRecoveryMode]
_PAUSE = 0.15
_OPERATIONS: tuple[tuple[str, bool], ...] = (
    ("TapeStrategy", False),
    ("Restless", True),
    ("TapeStrategy", True),
    ("Restless", False),
)


def synthetic(seed: int) -> Callable[[Path], PaperExchangeOptions]:
    """An exchange with a seeded market in the clock's own time, many ticks a second, orders filled in parts.

    A recorded market waits for listeners that are behind, so a frozen engine would hold it up; this one does not.
    """
    base = PaperExchangeOptions(
        data_dir=Path(), seed=seed, instruments=(SYMBOL,), ticks_per_second=20.0, max_fill=Decimal(1000)
    )
    return lambda directory: replace(base, data_dir=directory)


async def create_operations(world: CrashWorld, of_each: int = 1) -> None:
    """So many of each kind, the policies in turn. A market in the clock's own time wants more of them."""
    for number, (strategy, short) in enumerate(_OPERATIONS * of_each):
        command = await world.create_operation(
            strategy,
            crash_recovery_mode=MODES[number % 3],
            strategy_config={"short": short},
        )
        answer = await world.answer(command)
        assert answer.result is not None, answer.error
    await world.look()


async def meddle(world: CrashWorld, chance: IdSource) -> None:
    """Move stops and close positions by command, again and again, whoever the engine is just now."""
    while True:
        await world.clock.sleep(chance.uniform(0, 2 * _PAUSE))
        if not await world.looked():
            continue
        held = [op for op in world.operations if op.quantity and op.status is OperationStatus.ACTIVE]
        if not held:
            continue
        operation = held[int(chance.uniform(0, len(held) - 1e-9))]
        try:
            await _meddle_with(world, operation, chance)
        except (Ended, NeverCame):
            continue  # the command stays, and is answered by the next engine


async def _meddle_with(world: CrashWorld, operation: Operation, chance: IdSource) -> None:
    identifier = operation_id(operation)
    stop = next((o for o in operation.orders.values() if o.purpose is OrderPurpose.STOP_LOSS and o.is_working), None)
    if chance.uniform(0, 1) < 0.2:
        await world.ask("close_position", operation_id=identifier)
    elif stop is not None and stop.stop_price is not None:
        moved = PIP / 5 if chance.uniform(0, 1) < 0.5 else -PIP / 5
        price = str(stop.stop_price + moved)
        await world.ask("move_protection", operation_id=identifier, kind="STOP_LOSS", price=price)
