"""Codes, executions' ids, the cursor, history requests and budgets: what is worked out without a connection."""

from dataclasses import replace as with_fields
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from ib_async.objects import BarData
from msgspec.structs import replace

from live_trading.brokers.errors import Fatal, RateLimited
from live_trading.brokers.ibkr.budget import MessageBudget
from live_trading.brokers.ibkr.codes import Meaning, meaning_of, refusal_code
from live_trading.brokers.ibkr.executions import FIRST_CURSOR, after, cursor_of, in_force, stable_id
from live_trading.brokers.ibkr.history import HistoryPace, HistoryRequest, longest_span, merge, requests_for
from live_trading.brokers.types import Execution
from live_trading.domain.bar_size import BarSize
from live_trading.domain.values import Side
from live_trading.runtime.clock import Clock
from tests.contracts.venues import EURUSD

D = Decimal
NOON = datetime(2026, 11, 30, 12, 0, tzinfo=UTC)


class Hands(Clock):
    """A clock that goes on when somebody sleeps."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def now(self) -> datetime:
        return NOON + timedelta(seconds=self.seconds)

    def now_ns(self) -> int:
        return int(self.now().timestamp()) * 1_000_000_000

    def monotonic(self) -> float:
        return self.seconds

    async def sleep(self, seconds: float) -> None:
        self.seconds += seconds


def execution(number: int, second: int = 0, *, revision: str = "", commission: str | None = "2") -> Execution:
    return Execution(
        execution_id=f"a.b.{number:02d}",
        broker_order_id="1",
        client_order_id=f"C{number}",
        symbol="EUR-USD",
        side=Side.BUY,
        price=D("1.1"),
        quantity=D(1000),
        executed_at=NOON + timedelta(seconds=second),
        commission=None if commission is None else D(commission),
        commission_currency=None if commission is None else "USD",
        revision=revision,
    )


# Codes


@pytest.mark.parametrize(
    ("code", "meaning"),
    [
        (1100, Meaning.CONNECTIVITY_LOST),
        (2110, Meaning.CONNECTIVITY_LOST),
        (1101, Meaning.RESTORED_DATA_LOST),
        (1102, Meaning.RESTORED),
        (2104, Meaning.NOTICE),
        (2103, Meaning.DATA_TROUBLE),
        (326, Meaning.CLIENT_ID),
        (502, Meaning.UNKNOWN),
        (10349, Meaning.NOTICE),
        (399, Meaning.NOTICE),
        (202, Meaning.CANCELLED),
        (201, Meaning.REFUSED),
        (110, Meaning.REFUSED),
        (10147, Meaning.REFUSED),
        (162, Meaning.FAILED),
        (123456, Meaning.UNKNOWN),
    ],
)
def test_each_code_has_one_meaning(code: int, meaning: Meaning) -> None:
    assert meaning_of(code) is meaning


def test_refusal_is_named_by_its_reason_where_ib_has_one_code_for_all() -> None:
    assert refusal_code(201, "Order rejected - reason:The exchange is closed.") == "MARKET_CLOSED"
    assert refusal_code(201, "Order rejected - reason:YOUR ORDER IS NOT ACCEPTED. MARGIN …") == "INSUFFICIENT_MARGIN"
    assert refusal_code(201, "Order rejected - reason:no") == "REJECTED"
    assert refusal_code(110, "The price does not conform …") == "INVALID_PRICE"
    assert refusal_code(777, "") == "IB_777"


# Executions and their cursor


def test_execution_is_known_by_what_stays_of_its_id() -> None:
    assert stable_id("0000e0d5.67e0c1a2.01.01") == ("0000e0d5.67e0c1a2.01", "")
    assert stable_id("0000e0d5.67e0c1a2.01.02") == ("0000e0d5.67e0c1a2.01", "1")
    assert stable_id("0000e0d5.67e0c1a2.01.11") == ("0000e0d5.67e0c1a2.01", "10")
    assert stable_id("odd") == ("odd", "")


def test_newest_revision_holds_whatever_the_order_they_come_in() -> None:
    first, second, tenth = execution(1), execution(1, revision="2"), execution(1, revision="10")
    assert in_force([tenth, first, second]) == [tenth]
    assert in_force([execution(2, 5), execution(1, 0)]) == [execution(1, 0), execution(2, 5)]


def test_cursor_leaves_out_nothing_and_repeats_nothing() -> None:
    known = [execution(1), execution(2), execution(3, 4)]
    cursor = cursor_of(known)
    assert after("ibkr", cursor, known) == []
    assert after("ibkr", None, known) == after("ibkr", FIRST_CURSOR, known) == known
    same_second, later = execution(4, 4), execution(5, 9)
    assert after("ibkr", cursor, [*known, same_second, later]) == [same_second, later]
    corrected = execution(1, revision="1")
    now = [corrected, *known[1:]]
    assert after("ibkr", cursor, now) == [corrected], "a correction keeps the time of what it corrects"
    assert after("ibkr", cursor_of(now), now) == []
    again = [replace(corrected, revision="2"), *known[1:]]
    assert after("ibkr", cursor_of(now), again) == [again[0]]


def test_commission_that_came_late_repeats_its_execution_once() -> None:
    waiting = [execution(1, commission=None), execution(2, 5)]
    cursor = cursor_of(waiting)
    assert after("ibkr", cursor, waiting) == []
    charged = [execution(1), execution(2, 5)]
    assert after("ibkr", cursor, charged) == [charged[0]]
    assert after("ibkr", cursor_of(charged), charged) == []


def test_cursor_of_another_broker_is_fatal() -> None:
    for foreign in ("X1", "12|a|b|c|d", "", "-3"):
        with pytest.raises(Fatal, match="not one of Interactive Brokers"):
            after("ibkr", foreign, [])


# History


def test_history_is_asked_for_in_spans_that_are_allowed() -> None:
    start, end = NOON - timedelta(hours=5), NOON
    asked = list(requests_for(BarSize.SECS_5, start, end))
    assert [duration for _, duration in asked] == ["3600 S"] * 5 + ["30 S"]
    assert asked[0][0] == "20261130-08:00:00"
    assert next(requests_for(BarSize.HOUR_1, NOON - timedelta(days=3), NOON))[1] == "4 D"
    assert all(longest_span(size) >= 3600 for size in BarSize)


def test_sides_are_joined_and_what_is_open_or_outside_is_left_out() -> None:
    at = int(NOON.timestamp())

    def bars(price: float) -> list[BarData]:
        made = BarData(open=price, high=price, low=price, close=price, volume=-1, barCount=-1)
        return [with_fields(made, date=str(at + 60 * minute)) for minute in range(-2, 2)]  # type: ignore[arg-type]

    found = {"MIDPOINT": bars(1.1001), "BID": bars(1.1), "ASK": bars(1.1002)[:2]}
    now_ns = (at + 59) * 1_000_000_000
    merged = merge(found, BarSize.MIN_1, EURUSD, NOON - timedelta(minutes=2), NOON + timedelta(minutes=9), now_ns)
    assert [bar.start_ns // 1_000_000_000 - at for bar in merged] == [-120, -60]
    assert (merged[0].close, merged[0].volume, merged[0].tick_count) == (D("1.1001"), D(0), 1)
    assert merged[0].bid is not None
    assert merged[0].ask is not None


async def test_pace_of_history_waits_within_reason_and_else_says_when() -> None:
    clock = Hands()
    pace = HistoryPace(clock, patience=10)

    def request(number: int, symbol: str = "EUR-USD") -> HistoryRequest:
        return HistoryRequest(symbol, str(number), "60 S", BarSize.MIN_1, "BID")

    for number in range(5):
        await pace.take(request(number))
    assert clock.seconds == 0
    await pace.take(request(5))
    assert 2 <= clock.seconds < 2.2
    with pytest.raises(RateLimited) as caught:
        await pace.take(request(5))
    assert caught.value.after > 10
    pace.keep(request(5), [])
    assert pace.answered(request(5)) == []
    clock.seconds += 20
    assert pace.answered(request(5)) is None
    await pace.take(request(5))
    for number in range(6, 59):
        clock.seconds += 1
        await pace.take(request(number, "GBP-USD"))
    with pytest.raises(RateLimited):
        await pace.take(request(60))


async def test_budget_of_messages_keeps_some_for_orders() -> None:
    clock = Hands()
    budget = MessageBudget(clock, most=10, for_orders=3)
    for _ in range(7):
        await budget.take(1, order=False)
    await budget.take(3, order=True)
    assert clock.seconds == 0
    await budget.take(1, order=True)
    assert 1.0 <= clock.seconds < 1.1
