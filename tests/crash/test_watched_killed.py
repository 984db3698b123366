"""The engine dies by SIGKILL while it acts on a price that it watched: a target where the broker cannot link orders,
a stop where there are no stop orders. The next engine ends it: flat, once, and nothing is left that could open a
position."""

import asyncio
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from live_trading.domain.values import OrderPurpose, OrderStatus
from tests.crash.harness import CrashWorld, Ended
from tests.crash.protections import rising, write_rising_tape
from tests.crash.worlds import Worlds

_KILLED = -9
_AT_ONCE = 3


@dataclass(frozen=True, slots=True)
class Case:
    """A broker, a position that the rising market takes to what is watched, and where the engine dies."""

    watched: OrderPurpose
    point: str
    at: int = 1

    def __str__(self) -> str:
        return f"{self.watched.value}, {self.point}@{self.at}"

    @property
    def broker(self) -> dict[str, str]:
        lacks = {"broker__paper__bracket": "none", "broker__paper__oca": "false"}
        return lacks if self.watched is OrderPurpose.TAKE_PROFIT else {**lacks, "broker__paper__stops": "false"}

    @property
    def settings(self) -> dict[str, Any]:
        """Long with a near target, or short with a near stop; the other one is far away."""
        near, far = "0.0008", "0.01"
        is_target = self.watched is OrderPurpose.TAKE_PROFIT
        return {
            "crash_recovery_mode": "RESUME",
            "emergency_stop_loss_pct": "0.5",
            "strategy_config": {"away": 0.01, "short": not is_target},
            "stop_loss_value": far if is_target else near,
            "take_profit_type": "PERCENTAGE",
            "take_profit_value": near if is_target else far,
        }


def _cases(watched: OrderPurpose) -> list[Case]:
    """The third order sent is the exit: the entry and the protection that rests go before it."""
    points = [("protect.reached", 1), ("protect.triggered", 1), ("order.cancel.before", 1), ("broker.cancel.after", 1)]
    points += [("order.send.before", 3), ("broker.place.after", 3), ("order.send.after", 3)]
    return [Case(watched, point, at) for point, at in points]


TARGET, STOP = _cases(OrderPurpose.TAKE_PROFIT), _cases(OrderPurpose.STOP_LOSS)
CHOSEN = [TARGET[1], TARGET[3], TARGET[5], STOP[0], STOP[1], STOP[4]]


async def _one(worlds: Worlds, tape: Path, case: Case) -> list[str]:
    """What is wrong after a death there and another engine."""
    async with worlds.world(rising(tape)) as world:
        world.watched = frozenset({case.watched})
        await world.start_engine(failpoints=f"{case.point}=kill@{case.at}", **case.broker)  # type: ignore[arg-type]
        if not await _died(world, case):
            return [f"{case}: it was not reached"]
        await world.start_engine(**case.broker)  # type: ignore[arg-type]
        await world.recovered()
        (operation,) = world.operations
        await world.until(lambda: not operation.quantity and operation.exit_intent is None, "a closed position")
        await world.come_to_rest()
        verdict = await world.judge()
        problems = [*verdict.problems, *await world.end()]
        told = world.since(0, "PROTECTION_TRIGGERED")
        if [entry.data.kind for entry in told] != [case.watched]:
            problems.append(f"told of {[entry.data.kind for entry in told]}")
        filled = [o for o in operation.orders.values() if o.purpose.reduces_risk and o.status is OrderStatus.FILLED]
        if [order.purpose for order in filled] != [OrderPurpose.EXIT]:
            problems.append(f"closed by {[order.purpose for order in filled]}")
        return [f"{case}: {problem}" for problem in problems]


async def _died(world: CrashWorld, case: Case) -> bool:
    code = None
    try:
        created = await world.answer(await world.create_operation(**case.settings))
        assert created.result is not None, created.error
        assert created.result["warning"]
        await world.look()
        (operation,) = world.operations
        await world.until(lambda: operation.totals.trades > 0, "the engine's end")
    except Ended as ended:
        code = ended.code
    assert code in (None, _KILLED), world.engine.last_words()
    return code == _KILLED


async def _run(worlds: Worlds, directory: Path, cases: list[Case]) -> None:
    tape = directory / "rising.parquet"
    write_rising_tape(tape)
    turn = asyncio.Semaphore(_AT_ONCE)

    async def one(case: Case) -> list[str]:
        async with turn:
            return await _one(worlds, tape, case)

    found = await asyncio.gather(*(one(case) for case in cases))
    print(f"\nkilled while acting on a watched price: {len(cases)} kills, {sum(map(bool, found))} failures")
    assert [problem for problems in found for problem in problems] == []


@pytest.mark.crash
@pytest.mark.timeout(300)
async def test_killed_while_acting_on_a_watched_price_the_position_is_closed_once(
    worlds: Worlds, tmp_path: Path
) -> None:
    await _run(worlds, tmp_path, CHOSEN)


@pytest.mark.crash
@pytest.mark.crash_full
@pytest.mark.timeout(900)
async def test_killed_at_every_moment_of_acting_on_a_watched_price(worlds: Worlds, tmp_path: Path) -> None:
    await _run(worlds, tmp_path, TARGET + STOP)
