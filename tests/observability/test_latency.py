"""Each stage from a tick to an acknowledged order is measured once, by the clock handed in."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from live_trading.domain.entries import Entry, EntryData, OrderPlaced, OrderRequested, SignalRefused
from live_trading.domain.ids import Kind, derived_id
from live_trading.domain.values import OrderPurpose, OrderType, Side, TimeInForce
from live_trading.observability import STAGES, Latency
from live_trading.runtime import Clock, utc_from_ns


class HandClock(Clock):
    """Stands still until a test moves it."""

    def __init__(self) -> None:
        self.seconds = 100.0

    def now_ns(self) -> int:
        return int(self.seconds * 1e9)

    def now(self) -> datetime:
        return utc_from_ns(self.now_ns())

    def monotonic(self) -> float:
        return self.seconds


def entry(data: EntryData, operation: int = 7) -> Entry:
    at = datetime(2026, 3, 2, tzinfo=UTC)
    return Entry(
        1, derived_id(Kind.OPERATION, operation), data.ACTION_TYPE, 1, data, at, 1, "engine", 1, None, b"", b""
    )


def requested(client_order_id: str = "A", purpose: OrderPurpose = OrderPurpose.ENTRY) -> OrderRequested:
    return OrderRequested(
        client_order_id=client_order_id, broker="paper", symbol="EUR-USD", side=Side.BUY, order_type=OrderType.MARKET,
        quantity=Decimal(1), purpose=purpose, time_in_force=TimeInForce.GTC, reason="signal",
    )  # fmt: skip


def placed(client_order_id: str = "A") -> OrderPlaced:
    return OrderPlaced(client_order_id=client_order_id, broker_order_id="1")


class Followed:
    """A latency and its clock; ``seen`` gives count and sum of a stage."""

    def __init__(self) -> None:
        self.clock = HandClock()
        self.latency = Latency(self.clock)
        self.sent: dict[str, float] = {}

    def tell(self, *data: EntryData) -> None:
        self.latency.on_entries([entry(each) for each in data], self.sent.get)

    def seen(self, stage: str, name: str = "live_trading_latency_seconds") -> tuple[float, Any]:
        values = [
            self.latency.registry.get_sample_value(f"{name}_{suffix}", {"stage": stage}) for suffix in ("count", "sum")
        ]
        assert values[0] is not None
        assert values[1] is not None
        return values[0], pytest.approx(values[1])


def test_every_stage_is_measured_by_itself_and_from_the_tick_on() -> None:
    followed = Followed()
    clock, latency = followed.clock, followed.latency
    clock.seconds += 0.001
    trace = latency.bar_closed(100.0)
    clock.seconds += 0.002
    latency.signal(7, trace)
    clock.seconds += 0.004
    followed.tell(requested("A"), requested("STOP", OrderPurpose.STOP_LOSS))
    followed.sent["A"] = clock.seconds + 0.008
    clock.seconds += 0.024
    followed.tell(placed("A"), placed("STOP"))
    steps = {stage: followed.seen(stage) for stage in STAGES}
    assert steps == {
        "bar_closed": (1, 0.001), "signal": (1, 0.002), "durable": (1, 0.004), "sent": (1, 0.008),
        "acknowledged": (1, 0.016),
    }  # fmt: skip
    totals = [followed.seen(stage, "live_trading_latency_from_tick_seconds")[1] for stage in STAGES]
    assert totals == [0.001, 0.003, 0.007, 0.015, 0.031]


def test_a_refused_signal_is_followed_no_further() -> None:
    followed = Followed()
    followed.latency.signal(7, followed.latency.bar_closed(100.0))
    followed.tell(SignalRefused(rule="KILL_SWITCH", detail="on"))
    followed.tell(requested())
    assert followed.seen("signal")[0] == 1
    assert followed.seen("durable")[0] == 0


def test_an_order_of_another_operation_or_of_a_person_is_not_the_signals() -> None:
    followed = Followed()
    followed.latency.signal(8, followed.latency.bar_closed(100.0))
    followed.tell(requested("A"), placed("A"))
    assert followed.seen("durable")[0] == followed.seen("acknowledged")[0] == 0


def test_an_order_told_twice_is_measured_once_and_memory_is_bounded() -> None:
    followed = Followed()
    for number in range(2_000):
        followed.latency.signal(7, followed.latency.bar_closed(100.0))
        followed.tell(requested(str(number)))
        followed.sent[str(number)] = followed.clock.seconds
    followed.tell(placed("1999"), placed("1999"), placed("0"))
    assert followed.seen("acknowledged")[0] == 1
    assert len(followed.latency._orders) < 1_000


def test_two_engines_in_one_process_do_not_share_their_numbers() -> None:
    one, other = Followed(), Followed()
    one.latency.bar_closed(99.0)
    assert (one.seen("bar_closed")[0], other.seen("bar_closed")[0]) == (1, 0)
    shared: Any = one.latency.registry
    assert shared is not other.latency.registry
