"""A real engine at a real exchange loses money and orders; what then refuses entries outlives it, and never stands in
the way of whoever wants to be rid of a position."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx
import pyarrow as pa  # type: ignore[import-untyped]
import pyarrow.parquet as pq  # type: ignore[import-untyped]
import pytest

from live_trading.domain.entries import Entry
from live_trading.domain.values import OrderPurpose
from live_trading.paper_exchange.options import PaperExchangeOptions
from live_trading.projections.state import Operation
from tests.crash.harness import CrashWorld, operation_id
from tests.crash.tape import BASE, PIP, SYMBOL
from tests.crash.worlds import Worlds

_BEGIN = int(datetime(2024, 1, 9, 9, tzinfo=UTC).timestamp())
_SPREAD = Decimal("0.00001")
_CALM_SECONDS = 60
_SPEED = 10.0
_ALWAYS_IN = {"near": 0.05, "away": 0.05}
"""It asks for an entry at every bar while it is flat, and never for an exit."""


def _write_tape(path: Path, fall: int) -> Path:
    """Near the base for a minute, then down by a pip a second, ``fall`` in all; one quote a second for three hours."""
    middles = [BASE - PIP * min(max(second - _CALM_SECONDS, 0), fall) for second in range(3 * 3600)]
    columns = {
        "time_ns": [(_BEGIN + second) * 1_000_000_000 for second in range(len(middles))],
        "bid": [str(middle - _SPREAD) for middle in middles],
        "ask": [str(middle + _SPREAD) for middle in middles],
    }
    pq.write_table(pa.table(columns), path)
    return path


def _exchange(tape: Path) -> Callable[[Path], PaperExchangeOptions]:
    base = PaperExchangeOptions(
        data_dir=Path(), ticks=(tape,), symbol=SYMBOL, speed=_SPEED, wait_for_subscribers=1, enable_faults=True
    )
    return lambda directory: replace(base, data_dir=directory)


async def _fault(world: CrashWorld, **fields: Any) -> None:
    async with httpx.AsyncClient(trust_env=False) as http:
        answer = await http.post(f"{world.exchange_url}/v1/faults", json=fields)
        assert answer.status_code == 200, answer.text


async def _mend(world: CrashWorld) -> None:
    async with httpx.AsyncClient(trust_env=False) as http:
        await http.delete(f"{world.exchange_url}/v1/faults")


async def _operation(world: CrashWorld, **settings: Any) -> Operation:
    plain = {"crash_recovery_mode": "RESUME", "strategy_config": _ALWAYS_IN, "take_profit_type": None}
    created = await world.answer(
        await world.create_operation(**{**plain, "take_profit_value": None, "stop_loss_value": "0.02", **settings})
    )
    assert created.result is not None, created.error
    await world.look()
    return world.operations[-1]


async def _refused(world: CrashWorld, since: int, rule: str) -> Entry:
    """Wait for a signal that a rule refuses, after an entry of the journal; until then no entry was asked for."""

    def refusals() -> list[Entry]:
        return [entry for entry in world.since(since, "SIGNAL_REFUSED") if entry.data.rule == rule]

    await world.until(lambda: bool(refusals()), f"a refusal by {rule}")
    assert not _entries_asked(world, since)
    return refusals()[0]


def _entries_asked(world: CrashWorld, since: int) -> list[Entry]:
    return [e for e in world.since(since, "ORDER_REQUESTED") if e.data.purpose is OrderPurpose.ENTRY]


async def _close(world: CrashWorld, operation: Operation) -> None:
    """Close a position by command: no rule is in the way of that. Paused before, or it would be back at once."""
    await world.ask("pause_operation", operation_id=operation_id(operation))
    await world.ask("close_position", operation_id=operation_id(operation))
    await world.until(lambda: not operation.quantity, "a position closed by hand")


async def _judged(world: CrashWorld) -> None:
    await world.come_to_rest()
    verdict = await world.judge()
    assert not verdict.problems
    assert not await world.end()


@pytest.mark.crash
@pytest.mark.timeout(180)
async def test_a_day_s_loss_trips_the_kill_switch_for_every_engine_until_a_reset_acknowledges_it(
    worlds: Worlds, tmp_path: Path
) -> None:
    limit = {"risk_management__max_daily_loss": "6"}
    async with worlds.world(_exchange(_write_tape(tmp_path / "falling.parquet", fall=30))) as world:
        await world.start_engine(**limit)  # type: ignore[arg-type]
        tight = await _operation(world, stop_loss_value="0.0015")
        wide = await _operation(world)
        await world.until(lambda: bool(tight.quantity and wide.quantity), "two positions")

        await world.until(lambda: bool(world.since(0, "KILL_SWITCH_TRIPPED")), "the kill switch")
        (trip,) = world.since(0, "KILL_SWITCH_TRIPPED")
        assert (trip.data.limit, trip.data.currency) == (6, "USD")
        assert trip.data.loss > trip.data.limit
        assert tight.quantity, "the loss trips it before the stop is hit"
        await world.until(lambda: not tight.quantity, "the stop to be hit at the exchange")
        triggered = world.since(trip.sequence_number, "PROTECTION_TRIGGERED")
        assert [entry.data.kind for entry in triggered] == ["STOP_LOSS"]
        refused = await _refused(world, triggered[0].sequence_number, "KILL_SWITCH")
        assert refused.data.numbers == {"since_entry": trip.sequence_number}
        assert "max_daily_loss (6)" in refused.data.detail

        await world.kill()
        await world.start_engine(**limit)  # type: ignore[arg-type]
        killed = await world.recovered()
        await _refused(world, killed.sequence_number, "KILL_SWITCH")
        await _close(world, wide)
        assert await world.stop() == 0
        await world.start_engine(**limit)  # type: ignore[arg-type]
        stopped = await world.recovered()
        await _refused(world, stopped.sequence_number, "KILL_SWITCH")
        assert not _entries_asked(world, trip.sequence_number)

        reset = await world.ask("reset_kill_switch", note="seen")
        assert reset.result is not None, reset.error
        assert Decimal(reset.result["acknowledged"]["USD"]) > trip.data.limit
        await world.kill()
        await world.start_engine(**limit)  # type: ignore[arg-type]
        again = await world.recovered()
        await world.until(lambda: bool(_entries_asked(world, again.sequence_number)), "an entry after the reset")
        assert len(world.since(0, "KILL_SWITCH_TRIPPED")) == 1
        await _judged(world)


BREAKER = {
    "risk_management__circuit_breaker_failures": "3",
    "risk_management__circuit_breaker_pause_seconds": "14",
    "risk_management__slippage_protection": "false",  # orders at market, which a closed market refuses
}


@pytest.mark.crash
@pytest.mark.timeout(180)
@pytest.mark.parametrize(
    "kind",
    [
        pytest.param("market_closed", id="refused"),
        pytest.param("drop_before_accept", id="without an answer", marks=pytest.mark.crash_full),
    ],
)
async def test_failing_orders_open_the_breaker_for_every_engine_until_its_time_and_exits_pass(
    kind: str, worlds: Worlds, tmp_path: Path
) -> None:
    async with worlds.world(_exchange(_write_tape(tmp_path / "flat.parquet", fall=0))) as world:
        await world.start_engine(**BREAKER)  # type: ignore[arg-type]
        held = await _operation(world)
        await world.until(lambda: bool(held.quantity), "a position")
        await _fault(world, kind=kind, count=None, seconds=0)
        waiting = await _operation(world)
        await world.until(lambda: bool(world.since(0, "CIRCUIT_BREAKER_OPENED")), "the breaker to open")
        await _mend(world)
        (opened,) = world.since(0, "CIRCUIT_BREAKER_OPENED")
        failed = [order for order in waiting.orders.values() if order.purpose is OrderPurpose.ENTRY]
        assert (opened.data.failures, len(failed)) == (3, 3)
        numbers = {"failures": 3, "until": opened.data.until.isoformat()}
        assert (await _refused(world, opened.sequence_number, "CIRCUIT_BREAKER")).data.numbers == numbers

        await world.kill()
        await world.start_engine(**BREAKER)  # type: ignore[arg-type]
        killed = await world.recovered()
        assert (await _refused(world, killed.sequence_number, "CIRCUIT_BREAKER")).data.numbers == numbers
        await _close(world, held)
        assert await world.stop() == 0
        await world.start_engine(**BREAKER)  # type: ignore[arg-type]
        stopped = await world.recovered()
        assert (await _refused(world, stopped.sequence_number, "CIRCUIT_BREAKER")).data.numbers == numbers

        await world.until(lambda: bool(waiting.quantity), "an entry when the breaker's time is over")
        (first, *_) = _entries_asked(world, opened.sequence_number)
        assert first.timestamp >= opened.data.until
        await world.until(lambda: bool(world.since(opened.sequence_number, "CIRCUIT_BREAKER_CLOSED")), "its end")
        await _judged(world)
