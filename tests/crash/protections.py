"""Positions whose protections are being made, grow and move while the engine dies, and the market they live in.

The market: near the base for long enough to enter in parts, then up by a pip a second to 16 pips, where it stays. So
a trailing stop moves at every bar, and what was not closed when an engine died is still held when the next one trades.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa  # type: ignore[import-untyped]
import pyarrow.parquet as pq  # type: ignore[import-untyped]

from live_trading.brokers.types import Bracket
from live_trading.domain.values import OrderPurpose, OrderStatus
from live_trading.paper_exchange.options import PaperExchangeOptions
from live_trading.projections.state import Operation, Order
from tests.crash.harness import CrashWorld, operation_id
from tests.crash.tape import BASE, PIP, SYMBOL

_BEGIN = int(datetime(2024, 1, 9, 9, tzinfo=UTC).timestamp())
_HOURS = 3
_CALM_SECONDS, _RISE = 45, 16
_SPREAD = Decimal("0.00001")
_SPEED = 10.0
_FULL = Decimal(3000)


def write_rising_tape(path: Path) -> None:
    """One quote a second."""
    middles = [BASE + PIP * min(max(second - _CALM_SECONDS, 0), _RISE) for second in range(_HOURS * 3600)]
    columns = {
        "time_ns": [(_BEGIN + second) * 1_000_000_000 for second in range(len(middles))],
        "bid": [str(middle - _SPREAD) for middle in middles],
        "ask": [str(middle + _SPREAD) for middle in middles],
    }
    pq.write_table(pa.table(columns), path)


def rising(tape: Path) -> Callable[[Path], PaperExchangeOptions]:
    """An exchange that plays it, beginning with the first engine that listens, and fills orders in six parts."""
    base = PaperExchangeOptions(
        data_dir=Path(), ticks=(tape,), symbol=SYMBOL, speed=_SPEED, wait_for_subscribers=1, max_fill=Decimal(500)
    )
    return lambda directory: replace(base, data_dir=directory)


async def entry_in_parts(world: CrashWorld, mode: str) -> None:
    """Six fills, and the protections growing with them."""
    operation = await _created(world, mode)
    await world.until(lambda: _is_covered(operation), "a position that is protected")


async def moved_by_hand(world: CrashWorld, mode: str) -> None:
    """The stop and the target moved by command."""
    operation = await _created(world, mode)
    await world.until(lambda: _is_covered(operation), "a position that is protected")
    for kind, pips in (("STOP_LOSS", -20), ("TAKE_PROFIT", 60)):
        price = str(BASE + pips * PIP)
        await world.ask("move_protection", operation_id=operation_id(operation), kind=kind, price=price)


async def target_replaced(world: CrashWorld, mode: str) -> None:
    """The target cancelled by command: both protections are placed anew, in a group of their own."""
    operation = await _created(world, mode)
    await world.until(lambda: _is_covered(operation), "a position that is protected")
    (target,) = _working(operation, OrderPurpose.TAKE_PROFIT)
    await world.ask("cancel_order", client_order_id=target.client_order_id)
    await world.until(lambda: _is_covered(operation) and target.status.is_terminal, "another target")


async def trailing_stop(world: CrashWorld, mode: str, steps: int = 3) -> None:
    """A stop that follows the market: step by step at the broker, or bar by bar."""
    operation = await _created(
        world, mode, stop_loss_type="TRAILING", stop_loss_value="0.002", take_profit_type=None, take_profit_value=None
    )

    def has_followed() -> bool:
        moves = world.since(0, "PROTECTION_MOVED")
        return len(moves) >= steps and bool(operation.quantity)

    await world.until(has_followed, f"a stop that was moved {steps} times")


async def _created(world: CrashWorld, mode: str, **settings: Any) -> Operation:
    wide = {"stop_loss_value": "0.004", "strategy_config": {"away": 0.01}}
    created = await world.answer(await world.create_operation(crash_recovery_mode=mode, **{**wide, **settings}))
    assert created.result is not None, created.error
    await world.look()
    (operation,) = world.operations
    return operation


def _working(operation: Operation, purpose: OrderPurpose) -> list[Order]:
    placed = (OrderStatus.PLACED, OrderStatus.PARTIALLY_FILLED)
    return [o for o in operation.orders.values() if o.purpose is purpose and o.status in placed]


def _is_covered(operation: Operation) -> bool:
    """It holds all it wanted, and each protection is for all of it."""
    return abs(operation.quantity) == _FULL and all(
        sum((order.remaining for order in _working(operation, purpose)), Decimal(0)) == _FULL
        for purpose in (OrderPurpose.STOP_LOSS, OrderPurpose.TAKE_PROFIT)
    )


Story = Callable[[CrashWorld, str], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Moment:
    """Where an engine dies: in which story, at a broker that takes brackets in which way, at which passing of what.

    ``by_engine``: stops that trail are moved by the engine and not by the broker."""

    story: Story
    bracket: Bracket
    point: str
    at: int = 1
    by_engine: bool = False

    def __str__(self) -> str:
        trails = ", by the engine" if self.by_engine else ""
        return f"{self.story.__name__}{trails}, {self.bracket.value}, {self.point}@{self.at}"


def _moments(story: Story, bracket: Bracket, **points: tuple[int, ...]) -> list[Moment]:
    return [Moment(story, bracket, name.replace("__", "."), at) for name, times in points.items() for at in times]


_MOVE = ("order.modify.intent", "order.modify.before", "broker.modify.before", "broker.modify.after",
         "order.modify.after", "order.modify.told")  # fmt: skip

MOMENTS: tuple[Moment, ...] = (
    *(Moment(trailing_stop, Bracket.ATOMIC, point, at, by_engine=True) for point in _MOVE for at in (1, 2)),
    *(Moment(trailing_stop, Bracket.NONE, point, at, by_engine=True) for point in _MOVE for at in (1, 4)),
    *(Moment(trailing_stop, bracket, "broker.place.after") for bracket in Bracket),
    *(Moment(trailing_stop, bracket, "order.send.before") for bracket in Bracket),
    *_moments(trailing_stop, Bracket.NONE, protect__place=(1,), protect__grow=(1, 3), broker__modify__after=(2,)),
    *(Moment(moved_by_hand, Bracket.ATOMIC, point, at) for point in _MOVE for at in (1, 2)),
    *_moments(entry_in_parts, Bracket.ATOMIC, order__send__before=(1,), broker__place__before=(1,)),
    *_moments(entry_in_parts, Bracket.ATOMIC, broker__place__after=(1,), order__send__after=(1,)),
    *_moments(entry_in_parts, Bracket.LINKED, order__send__before=(1,), broker__place__before=(1, 2, 3)),
    *_moments(entry_in_parts, Bracket.LINKED, broker__place__after=(1, 2, 3), broker__bracket__between=(1, 2)),
    *_moments(entry_in_parts, Bracket.LINKED, order__send__after=(1,)),
    *_moments(entry_in_parts, Bracket.NONE, order__place__alone=(1,), order__send__after=(1, 2, 3)),
    *_moments(entry_in_parts, Bracket.NONE, broker__place__before=(1, 2, 3), broker__place__after=(1, 2, 3)),
    *_moments(entry_in_parts, Bracket.NONE, protect__place=(1, 2), protect__grow=(1, 2, 3, 4)),
    *(Moment(entry_in_parts, Bracket.NONE, point, at) for point in _MOVE for at in (1, 2, 3)),
    *_moments(target_replaced, Bracket.ATOMIC, order__cancel__before=(1, 2), broker__cancel__after=(1, 2)),
    *_moments(target_replaced, Bracket.ATOMIC, protect__place=(1, 2), broker__place__after=(2, 3)),
)
"""Every moment at which protections are half made, half grown or half moved."""
