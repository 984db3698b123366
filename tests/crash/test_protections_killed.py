"""The engine dies by SIGKILL while a bracket is sent, a partial fill is protected, a stop trails, a protection is moved
by hand or replaced; at brokers that take brackets at once, one by one, and not at all. The next engine covers the
position to the unit, or closes it, as the policy says."""

import asyncio
import os
from collections.abc import Iterable
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path

import pytest

from live_trading.brokers.types import Bracket
from live_trading.domain.values import CrashRecoveryMode
from tests.crash.harness import CrashWorld, Ended, NeverCame
from tests.crash.protections import (
    MOMENTS,
    Moment,
    entry_in_parts,
    moved_by_hand,
    rising,
    target_replaced,
    trailing_stop,
    write_rising_tape,
)
from tests.crash.tape import PIP
from tests.crash.worlds import Worlds

AT_ONCE = int(os.environ.get("LIVE_TRADING_CRASH_AT_ONCE", "5"))
MODES = [mode.value for mode in CrashRecoveryMode]
CHOSEN = (
    Moment(trailing_stop, Bracket.ATOMIC, "order.modify.before", 2, by_engine=True),
    Moment(trailing_stop, Bracket.ATOMIC, "broker.modify.after", 2, by_engine=True),
    Moment(trailing_stop, Bracket.ATOMIC, "broker.place.after"),
    Moment(moved_by_hand, Bracket.ATOMIC, "order.modify.before"),
    Moment(moved_by_hand, Bracket.ATOMIC, "broker.modify.after", 2),
    Moment(entry_in_parts, Bracket.ATOMIC, "broker.place.after"),
    Moment(entry_in_parts, Bracket.LINKED, "broker.bracket.between", 1),
    Moment(entry_in_parts, Bracket.LINKED, "broker.bracket.between", 2),
    Moment(entry_in_parts, Bracket.NONE, "order.send.after", 2),
    Moment(entry_in_parts, Bracket.NONE, "protect.grow", 1),
    Moment(entry_in_parts, Bracket.NONE, "broker.modify.after", 1),
    Moment(target_replaced, Bracket.ATOMIC, "order.cancel.before", 1),
)
"""What every run of the tests dies at, under RESUME: the policy that keeps what it finds, and so must mend it."""

_KILLED = -9
_TRIES = 3


@dataclass(slots=True)
class Tally:
    """What came of many moments."""

    moments: int = 0
    kept: int = 0
    """Worlds that ended with a position, every unit of it protected."""
    entries: int = 0
    orders: int = 0
    missed: list[str] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)


@pytest.fixture(scope="session")
def rising_tape(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The market of these stories."""
    path = tmp_path_factory.mktemp("tape") / "rising.parquet"
    write_rising_tape(path)
    return path


async def _one(worlds: Worlds, tape: Path, mode: str, moment: Moment, tally: Tally) -> None:
    """Die at a moment, start again, come to rest, be judged. A story that ended without the moment is told again."""
    for _ in range(_TRIES):
        try:
            async with worlds.world(rising(tape)) as world:
                if await _dies(world, mode, moment):
                    await _judge(world, moment, tally)
                    return
        except (AssertionError, Ended, NeverCame, TimeoutError) as error:
            tally.failures.append(f"{mode}, {moment}: {type(error).__name__} {error} [{world.directory}]")
            return
    tally.missed.append(str(moment))


async def _dies(world: CrashWorld, mode: str, moment: Moment) -> bool:
    point = f"{moment.point}=kill@{moment.at}"
    await _start(world, moment, point)
    code = None
    try:
        await moment.story(world, mode)
    except Ended as ended:
        code = ended.code
    assert code in (None, _KILLED), world.engine.last_words()
    return code == _KILLED


async def _start(world: CrashWorld, moment: Moment, failpoints: str = "") -> None:
    await world.start_engine(
        failpoints=failpoints,
        broker__paper__bracket=moment.bracket.value,
        risk_management__trailing_stops_at_broker=str(not moment.by_engine).lower(),
    )


async def _judge(world: CrashWorld, moment: Moment, tally: Tally) -> None:
    await _start(world, moment)
    await world.come_to_rest()
    verdict = await world.judge()
    tally.moments += 1
    tally.kept += any(operation.quantity for operation in world.operations)
    tally.entries += verdict.entries
    tally.orders += verdict.orders
    problems = verdict.problems + _lost_wishes(world) + await world.end()
    assert not problems, "; ".join(problems)


def _lost_wishes(world: CrashWorld) -> list[str]:
    """Protections that a person moved and that do not stand there, though the position is held."""
    problems = [f"order {identifier} waits to be moved" for op in world.operations for identifier in op.moves]
    for entry in world.since(0, "ORDER_MODIFY_REQUESTED"):
        order = world.ledger.orders[entry.data.client_order_id]
        wanted, stands = (entry.data.limit_price, entry.data.stop_price), (order.limit_price, order.stop_price)
        if entry.data.command_id is not None and order.is_working and stands != wanted:
            problems.append(f"order {order.client_order_id} stands at {stands}; a person moved it to {wanted}")
    return problems


async def _run(worlds: Worlds, tape: Path, mode: str, moments: Iterable[Moment]) -> Tally:
    """All moments, a few at a time: most of each is waiting for a dead engine's lease to run out."""
    tally, turn = Tally(), asyncio.Semaphore(AT_ONCE)

    async def one(moment: Moment) -> None:
        async with turn:
            await _one(worlds, tape, mode, moment, tally)

    async with asyncio.TaskGroup() as group:
        for moment in moments:
            group.create_task(one(moment))
    print(
        f"\nkilled with protections half made, {mode}: {tally.moments} kills, {tally.kept} positions kept and covered, "
        f"{tally.entries} entries, {tally.orders} orders judged, {len(tally.failures)} failures; "
        f"not reached: {'; '.join(tally.missed) or 'none'}"
    )
    assert not tally.failures, "\n".join(tally.failures)
    return tally


@pytest.mark.crash
@pytest.mark.timeout(300)
async def test_killed_with_protections_half_made_the_position_is_covered_again(
    worlds: Worlds, rising_tape: Path
) -> None:
    tally = await _run(worlds, rising_tape, "RESUME", CHOSEN)
    assert not tally.missed
    assert tally.kept >= len(CHOSEN) // 2, "hardly anything was left to protect"


@pytest.mark.crash
@pytest.mark.timeout(120)
async def test_killed_while_the_broker_trails_a_stop_it_trails_on_and_the_next_engine_finds_one(
    worlds: Worlds, rising_tape: Path
) -> None:
    async with worlds.world(rising(rising_tape)) as world:
        await world.start_engine()
        await trailing_stop(world, "RESUME", steps=1)
        await world.kill()
        await world.look()
        (operation,) = world.operations
        known = operation.stop_loss
        assert known is not None
        while (alone := _working_stops(world))[0] < known + 8 * PIP:
            await world.clock.sleep(0.05)
        assert len(alone) == 1, "the stop trailed with nobody there"
        await world.start_engine()
        await world.come_to_rest()
        verdict = await world.judge()
        (stands,) = _working_stops(world)
        print(f"\nthe journal had the stop at {known}, the exchange took it to {alone[0]}, it stands at {stands}")
        assert operation.quantity
        assert operation.stop_loss is not None
        assert alone[0] <= stands
        assert known < operation.stop_loss <= stands
        assert not verdict.problems + await world.end()


def _working_stops(world: CrashWorld) -> list[Decimal]:
    """Where the exchange's store has the stops that work and are awake."""
    return [o.stop_price for o in world.broker_record().orders if o.remaining and o.stop_price is not None]


@pytest.mark.crash
@pytest.mark.crash_full
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("mode", MODES)
async def test_killed_at_every_moment_at_which_protections_are_half_made(
    mode: str, worlds: Worlds, rising_tape: Path
) -> None:
    tally = await _run(worlds, rising_tape, mode, MOMENTS)
    assert tally.moments >= len(MOMENTS) - len(MOMENTS) // 20, "real processes differ, but not so often"
    if mode == CrashRecoveryMode.CLOSE_ALL:
        assert not tally.kept
