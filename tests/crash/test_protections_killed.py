"""The engine dies by SIGKILL while a bracket is sent, a partial fill is protected, a stop trails, a protection is moved
by hand or replaced; at brokers that take brackets at once, one by one, and not at all. The next engine covers the
position to the unit, or closes it, as the policy says."""

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

import pytest

from live_trading.brokers.types import Bracket
from live_trading.domain.values import CrashRecoveryMode
from tests.crash.harness import CrashWorld, Ended
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
from tests.crash.tally import KILLED, Tally, run_cases
from tests.crash.tape import PIP
from tests.crash.worlds import Worlds

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


@pytest.fixture(scope="session")
def rising_tape(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The market of these stories."""
    path = tmp_path_factory.mktemp("tape") / "rising.parquet"
    write_rising_tape(path)
    return path


@dataclass(slots=True)
class Death:
    """Die at a moment, start again, come to rest, be judged."""

    worlds: Worlds
    tape: Path
    mode: str
    moment: Moment
    tally: Tally

    def __str__(self) -> str:
        return f"{self.mode}, {self.moment}"

    async def attempt(self) -> bool:
        async with self.worlds.world(rising(self.tape)) as world:
            if not await self._dies(world):
                return False
            await self._start(world)
            await self.tally.judge(world, _lost_wishes)
            return True

    async def _start(self, world: CrashWorld, failpoints: str = "") -> None:
        await world.start_engine(
            failpoints=failpoints,
            broker__paper__bracket=self.moment.bracket.value,
            risk_management__trailing_stops_at_broker=str(not self.moment.by_engine).lower(),
        )

    async def _dies(self, world: CrashWorld) -> bool:
        point = f"{self.moment.point}=kill@{self.moment.at}"
        await self._start(world, point)
        code = None
        try:
            await self.moment.story(world, self.mode)
        except Ended as ended:
            code = ended.code
        assert code in (None, KILLED), world.engine.last_words()
        self.tally.kills += code == KILLED
        return code == KILLED


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
    tally = Tally()
    await run_cases(tally, [Death(worlds, tape, mode, moment, tally) for moment in moments])
    print("\n" + tally.told(f"killed with protections half made, {mode}"))
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
    assert tally.judged >= len(MOMENTS) - len(MOMENTS) // 20, "real processes differ, but not so often"
    if mode == CrashRecoveryMode.CLOSE_ALL:
        assert not tally.kept
