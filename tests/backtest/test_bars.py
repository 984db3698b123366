"""What happens to orders within recorded bars, and that nothing is known before its time."""

from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from live_trading.backtest import BacktestRequest, BacktestResult, recording_of, run_backtest
from live_trading.backtest.bar_path import Reach
from live_trading.backtest.record import first_parting, trading_record
from live_trading.domain.bar_size import BarSize
from live_trading.domain.market import Bar, Ohlc
from live_trading.domain.values import OrderPurpose, PositionType
from live_trading.engine.context import EngineConfig
from live_trading.orders.gatekeeper import Limits
from tests.backtest.worlds import BEGIN, SYMBOL, bars_of, walk

D = Decimal
M1 = BarSize.MIN_1
SCRIPTED = f"{Path(__file__).parent / 'strategies.py'}:Scripted"
FREE = EngineConfig(limits=Limits(max_loss_pct=None, price_sanity_pct=D("0.5"), slippage_protection=False))
NONE = dict.fromkeys(("stop_loss_type", "stop_loss_value", "take_profit_type", "take_profit_value"))
Prices = tuple[str, str, str, str]


def bar(number: int, *prices: str) -> Bar:
    """A bar from ``BEGIN`` on, of bids; the ask lies two steps above."""
    bid = Ohlc(*map(D, prices))
    ask = Ohlc(*(price + D("0.00002") for price in bid))
    mid = Ohlc(*((one + other) / 2 for one, other in zip(bid, ask, strict=True)))
    return Bar(SYMBOL, M1, BEGIN + number * M1.nanoseconds, *mid, bid=bid, ask=ask)


def run(
    bars: Sequence[Bar], steps: dict[int, dict[str, str]], protections: dict[str, Any] | None = None, **rest: Any
) -> BacktestResult:
    operation = {
        "strategy_name": SCRIPTED,
        "strategy_config": {"steps": {str(number): step for number, step in steps.items()}},
        "quantity": "1000",
        "initial_capital": "10000",
        **NONE,
        **(protections or {}),
    }
    return run_backtest(BacktestRequest((), operation, config=FREE, **rest), recording_of("bars", bars))


def fills(result: BacktestResult) -> list[tuple[str, str]]:
    return [
        (entry.data.side.value, f"{entry.data.price:f}")
        for entry in result.entries
        if entry.action_type == "ORDER_FILLED"
    ]


FLAT = ("1.08000", "1.08010", "1.07990", "1.08000")


def test_an_order_at_market_trades_at_the_next_bars_open_not_at_the_price_that_brought_it_about() -> None:
    bars = [bar(0, *FLAT), bar(1, "1.08050", "1.08060", "1.08040", "1.08050"), bar(2, *FLAT)]
    assert fills(run(bars, {0: {"type": "ENTER_LONG"}})) == [("BUY", "1.08052")]


def test_without_a_bar_that_follows_at_once_it_trades_at_the_last_quote() -> None:
    bars = [bar(0, *FLAT), bar(5, "1.08050", "1.08060", "1.08040", "1.08050")]
    assert fills(run(bars, {0: {"type": "ENTER_LONG"}})) == [("BUY", "1.08002")]


def test_where_stop_and_target_lie_in_one_bar_the_stop_is_hit() -> None:
    bars = [bar(0, *FLAT), bar(1, *FLAT), bar(2, "1.08000", "1.08100", "1.07900", "1.08050")]
    for enter, side, stop, target in (("LONG", "SELL", "1.07950", "1.08060"), ("SHORT", "BUY", "1.08060", "1.07950")):
        step = {"type": f"ENTER_{enter}", "stop_loss": stop, "take_profit": target}
        result = run(bars, {0: step})
        assert fills(result)[1] == (side, stop)
        assert [trade.purpose for trade in result.trades] == [OrderPurpose.STOP_LOSS]


def test_a_stop_that_the_market_jumps_over_is_executed_where_it_lands() -> None:
    bars = [bar(0, *FLAT), bar(1, *FLAT), bar(2, "1.07800", "1.07820", "1.07700", "1.07810")]
    step = {"type": "ENTER_LONG", "stop_loss": "1.07950", "take_profit": "1.09000"}
    assert fills(run(bars, {0: step}))[1] == ("SELL", "1.07800")


def test_a_target_is_filled_at_its_own_price_even_where_the_market_went_further() -> None:
    bars = [bar(0, *FLAT), bar(1, *FLAT), bar(2, "1.08000", "1.08500", "1.07990", "1.08400")]
    step = {"type": "ENTER_LONG", "stop_loss": "1.07000", "take_profit": "1.08200"}
    assert fills(run(bars, {0: step}))[1] == ("SELL", "1.08200")


def test_an_entry_that_rests_and_its_own_stop_can_both_be_hit_within_a_bar() -> None:
    bars = [bar(0, *FLAT), bar(1, *FLAT), bar(2, "1.08000", "1.08200", "1.07800", "1.07900")]
    step = {"type": "ENTER_LONG", "stop_price": "1.08100", "stop_loss": "1.08000", "take_profit": "1.09000"}
    assert fills(run(bars, {0: step})) == [("BUY", "1.08100"), ("SELL", "1.08000")]


def test_a_resting_buy_at_a_limit_does_not_profit_from_a_high_that_may_have_come_first() -> None:
    bars = [bar(0, *FLAT), bar(1, *FLAT), bar(2, "1.08000", "1.08200", "1.07800", "1.07900"), bar(3, *FLAT)]
    step = {"type": "ENTER_LONG", "limit_price": "1.07850", "stop_loss": "1.07000", "take_profit": "1.08100"}
    result = run(bars, {0: step})
    assert fills(result) == [("BUY", "1.07850")]
    assert result.open_position is not None


TRAILING = {"stop_loss_type": "TRAILING", "stop_loss_value": "0.001"}
"""Of 1.08001, the price at the entry: 109 steps."""


def test_a_stop_that_trails_at_the_broker_follows_each_bar_to_its_high_and_is_hit_by_a_later_one() -> None:
    quiet, rising = bar(1, *FLAT), bar(2, "1.08000", "1.08300", "1.07950", "1.08250")
    bars = [bar(0, *FLAT), quiet, rising, bar(3, "1.08250", "1.08260", "1.08100", "1.08120")]
    assert fills(run(bars, {0: {"type": "ENTER_LONG"}}, TRAILING))[1:] == [("SELL", "1.08191")]
    assert len(fills(run(bars[:3], {0: {"type": "ENTER_LONG"}}, TRAILING))) == 1


def test_within_a_bar_the_stop_meets_the_low_before_the_high_has_moved_it_and_the_close_after() -> None:
    begin = [bar(0, *FLAT), bar(1, *FLAT)]
    survives = bar(2, "1.08000", "1.08100", "1.07905", "1.08050")  # 195 steps from the high to the low
    assert len(fills(run([*begin, survives], {0: {"type": "ENTER_LONG"}}, TRAILING))) == 1
    falls_back = bar(2, "1.08000", "1.08300", "1.07950", "1.08150")
    assert fills(run([*begin, falls_back], {0: {"type": "ENTER_LONG"}}, TRAILING))[1:] == [("SELL", "1.08191")]


def test_a_short_positions_stop_trails_the_ask() -> None:
    bars = [bar(0, *FLAT), bar(1, *FLAT), bar(2, "1.08000", "1.08050", "1.07700", "1.07850")]
    assert fills(run(bars, {0: {"type": "ENTER_SHORT"}}, TRAILING))[1:] == [("BUY", "1.07811")]


def test_an_exit_trades_at_the_next_open_and_a_reversal_enters_the_other_way() -> None:
    bars = [bar(n, *FLAT) for n in range(3)] + [bar(3, "1.08100", "1.08110", "1.08090", "1.08100"), bar(4, *FLAT)]
    result = run(bars, {0: {"type": "ENTER_LONG"}, 2: {"type": "ENTER_SHORT"}})
    assert fills(result) == [("BUY", "1.08002"), ("SELL", "1.08100"), ("SELL", "1.08100")]
    assert [trade.position_type for trade in result.trades] == [PositionType.LONG]
    assert result.open_position is not None
    assert result.open_position.quantity == -1000


def test_prices_without_bid_and_ask_get_half_the_listings_spread_on_either_side() -> None:
    plain = [each._replace(bid=None, ask=None) for each in (bar(0, *FLAT), bar(1, *FLAT), bar(2, *FLAT))]
    result = run(plain, {0: {"type": "ENTER_LONG"}})
    listing = BacktestRequest((), {}).catalogue[SYMBOL]
    half = listing.spread_ticks * listing.instrument.tick_size / 2
    assert fills(result) == [("BUY", f"{listing.instrument.round_price(plain[1].open + half, 'up'):f}")]


MOMENTUM = {
    "strategy_name": "MomentumStrategy",
    "strategy_config": {"fast_period": 3, "slow_period": 8, "momentum_period": 3, "rsi_period": 5, "overbought": 90},
    "quantity": "1000",
    "initial_capital": "10000",
    "stop_loss_type": "ATR",
    "stop_loss_value": "1.2",
    "take_profit_type": "RISK_REWARD",
    "take_profit_value": "1.5",
}


@pytest.mark.parametrize("seed", range(4))
def test_passing_over_bars_that_touch_no_order_changes_nothing(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    bars = bars_of(walk(6_000, seed, seconds=4), M1)
    request = BacktestRequest((), MOMENTUM, config=FREE)
    quick = run_backtest(request, recording_of("bars", bars))
    monkeypatch.setattr(Reach, "is_within", lambda self, bar: True)
    walked = run_backtest(request, recording_of("bars", bars))
    assert first_parting(trading_record(quick.entries), trading_record(walked.entries)) is None
    assert list(quick.equity) == list(walked.equity)
    assert len(quick.trades) > 20


@pytest.mark.parametrize("kind", ["bars", "ticks"])
def test_what_was_done_does_not_depend_on_what_comes_after(kind: str) -> None:
    ticks = walk(5_000, 3, seconds=4)
    items: Sequence[Any] = bars_of(ticks, M1) if kind == "bars" else ticks
    request = BacktestRequest((), {**MOMENTUM, "bar_sizes": ["1 min", "5 mins"]}, config=FREE)
    whole = run_backtest(request, recording_of("data", items)).entries
    for share in (0.4, 0.7):
        part = run_backtest(request, recording_of("data", items[: int(len(items) * share)])).entries[:-1]
        assert len(part) > 40
        assert [entry.hash for entry in part[:-12]] == [entry.hash for entry in whole[: len(part) - 12]]


def test_bars_of_two_sizes_are_made_of_the_recorded_ones() -> None:
    ticks = walk(6_000, 5, seconds=4)
    five = {each.start_ns: each for each in bars_of(ticks, BarSize.MINS_5)}
    operation = {**MOMENTUM, "bar_sizes": ["5 mins", "15 mins"], "primary_bar_size": "5 mins"}
    result = run_backtest(BacktestRequest((), operation, config=FREE), recording_of("bars", bars_of(ticks, M1)))
    assert len(result.bars) > 50
    for made in result.bars:
        if not made.filled:
            expected = five[made.start_ns]
            assert (made[3:7], made.bid, made.ask) == (expected[3:7], expected.bid, expected.ask)


def test_the_same_run_gives_the_same_journal_byte_for_byte() -> None:
    bars = bars_of(walk(3_000, 9, seconds=4), M1)
    request = BacktestRequest((), MOMENTUM, config=FREE)
    first, second = (run_backtest(request, recording_of("bars", bars)) for _ in range(2))
    assert first.journal_hash == second.journal_hash
    assert len(first.entries) > 100
