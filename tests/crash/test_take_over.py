"""Two engines on one journal: the leader is frozen, the standby takes over and trades, the thawed one ends itself."""

import json
from dataclasses import dataclass, field
from signal import SIGCONT, SIGSTOP

import pytest

from tests.crash.harness import LEASE, CrashWorld, Engine
from tests.crash.load import create_operations, synthetic
from tests.crash.worlds import Worlds

_FENCED = 75
"""The exit code of an engine that another one has replaced (docs/cli.md)."""


@dataclass(slots=True)
class Replacements:
    """What came of it; times in seconds."""

    took: list[float] = field(default_factory=list)
    left_to_fold: list[int] = field(default_factory=list)
    entries: int = 0
    orders: int = 0


async def _replace(world: CrashWorld, leader: Engine, tally: Replacements) -> Engine:
    """Freeze the leader, see the standby take over and trade, thaw the frozen one and see it end."""
    standby = await world.start_engine(standby=True)
    await world.until(lambda: _stands_by(standby), "the second engine to stand by", watch=standby)
    leader.process.send(SIGSTOP)
    frozen_at = world.clock.monotonic()
    await world.until(lambda: world.started(standby) is not None, "the take-over", watch=standby)
    tally.took.append(world.clock.monotonic() - frozen_at)
    started = await world.recovered(standby)
    assert f"#{leader.process.pid} " in started.data.took_over_from
    tally.left_to_fold.append(_left_to_fold(standby))

    def trades() -> bool:
        return any(entry.epoch == started.epoch for entry in world.since(started.sequence_number, "ORDER_REQUESTED"))

    await world.until(trades, "the second engine to trade", watch=standby)
    before = {order.client_order_id for order in world.broker_record().orders}
    leader.process.send(SIGCONT)
    assert await leader.process.wait(15) == _FENCED, leader.last_words()
    await world.look()
    assert not [e for e in world.entries[started.sequence_number :] if e.epoch < started.epoch], "it wrote"
    own = {entry.data.client_order_id for entry in world.since(started.sequence_number, "ORDER_REQUESTED")}
    assert {order.client_order_id for order in world.broker_record().orders} - before <= own, "it sent"
    return standby


def _stands_by(engine: Engine) -> bool:
    return engine.log.with_suffix(".err").exists() and '"standing by, warm"' in engine.last_words()


def _left_to_fold(engine: Engine) -> int:
    """How many entries the standby had still to read when the journal was its own, as it says."""
    lines = engine.log.with_suffix(".err").read_text(encoding="utf-8").splitlines()
    told = [json.loads(line) for line in lines if line.startswith("{")]
    (said,) = [fields for fields in told if fields.get("event") == "taking over"]
    return int(said["to"] - said["folded"])


async def _run(worlds: Worlds, rounds: int) -> Replacements:
    tally = Replacements()
    async with worlds.world(synthetic(7)) as world:
        leader = await world.start_engine()
        await world.recovered(leader)
        await create_operations(world)
        for _ in range(rounds):
            leader = await _replace(world, leader, tally)
        await world.come_to_rest()
        verdict = await world.judge()
        tally.entries, tally.orders = verdict.entries, verdict.orders
        assert not verdict.problems
        assert not await world.end()
    print(
        f"\nfrozen and replaced {rounds} times: take-over after {max(tally.took):.2f} s at most "
        f"(lease {LEASE:g} s), {max(tally.left_to_fold)} entries left to fold at most; "
        f"{tally.entries} entries, {tally.orders} orders judged"
    )
    return tally


@pytest.mark.crash
@pytest.mark.timeout(400)
async def test_a_frozen_engine_is_replaced_within_lease_and_a_second_and_ends_itself_when_thawed(
    worlds: Worlds,
) -> None:
    tally = await _run(worlds, 10)
    assert max(tally.took) <= LEASE + 1
    assert max(tally.left_to_fold) <= 5, "it was not warm"


@pytest.mark.crash_full
@pytest.mark.timeout(1200)
async def test_fifty_frozen_engines_are_replaced_and_end_themselves(worlds: Worlds) -> None:
    tally = await _run(worlds, 50)
    assert max(tally.took) <= LEASE + 1
