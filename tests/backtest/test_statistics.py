"""The figures, against figures worked out by hand."""

import json
import math
import re
from datetime import UTC, datetime
from html import escape

import pytest

from live_trading.backtest import BacktestRequest, BacktestResult, recording_of, run_backtest
from live_trading.backtest.page import page
from live_trading.backtest.report import equity_points, figures, length, result_fields
from live_trading.backtest.statistics import daily_returns, drawdown, sharpe, sortino, statistics
from live_trading.domain.bar_size import BarSize
from live_trading.domain.market import ns_from_utc
from live_trading.engine.context import EngineConfig
from live_trading.orders.gatekeeper import Limits
from tests.backtest.worlds import bars_of, walk

HOUR = 3600 * 1_000_000_000
DAY = 24 * HOUR
MONDAY = ns_from_utc(datetime(2024, 3, 4, tzinfo=UTC))


def test_drawdown_is_the_deepest_and_the_longest_fall_under_a_high_that_begins_as_the_capital() -> None:
    times = [MONDAY + n * HOUR for n in range(7)]
    fallen = drawdown(times, [100.0, 90.0, 110.0, 104.5, 108.0, 109.0, 111.0], 100.0)
    assert (fallen.money, fallen.longest_seconds) == (10.0, 3 * 3600.0)
    assert fallen.share == pytest.approx(0.1)
    assert drawdown(times[:2], [95.0, 99.0], 100.0).money == 5.0


def test_days_end_at_midnight_utc_and_days_without_bars_do_not_count() -> None:
    times = [MONDAY + 12 * HOUR, MONDAY + DAY, MONDAY + DAY + HOUR, MONDAY + 4 * DAY]
    assert daily_returns(times, [101.0, 102.0, 51.0, 102.0], 100.0) == pytest.approx([0.02, -0.5, 1.0])


def test_sharpe_and_sortino_by_hand() -> None:
    returns = [0.01, -0.02, 0.03]
    deviation = math.sqrt(((0.01 - 0.02 / 3) ** 2 + (-0.02 - 0.02 / 3) ** 2 + (0.03 - 0.02 / 3) ** 2) / 2)
    assert sharpe(returns) == pytest.approx((0.02 / 3) / deviation * math.sqrt(252))
    assert sortino(returns) == pytest.approx((0.02 / 3) / math.sqrt(0.0004 / 3) * math.sqrt(252))
    assert sharpe([0.01]) is None
    assert sortino([0.01, 0.02]) is None


@pytest.fixture(scope="module")
def result() -> BacktestResult:
    operation = {
        "strategy_name": "MomentumStrategy",
        "strategy_config": {"fast_period": 3, "slow_period": 8, "momentum_period": 3, "rsi_period": 5},
        "quantity": "100000",
        "initial_capital": "100000",
    }
    config = EngineConfig(limits=Limits(max_loss_pct=None))
    bars = bars_of(walk(9_000, 2, seconds=4), BarSize.MIN_1)
    return run_backtest(BacktestRequest((), operation, config=config), recording_of("walk", bars))


def test_the_trades_of_a_run_add_up_to_its_money(result: BacktestResult) -> None:
    found = statistics(result)
    nets = [float(trade.net_profit) for trade in result.trades]
    assert found.trades == len(nets) == result.operation.totals.trades
    assert found.trades > 20
    assert found.gross_profit == pytest.approx(sum(net for net in nets if net > 0))
    assert found.gross_profit + found.gross_loss == pytest.approx(sum(nets))
    open_position = result.open_position
    if open_position is None:
        assert found.net_profit == pytest.approx(sum(nets))
    assert found.win_rate == pytest.approx(found.winning / found.trades)
    assert found.profit_factor == pytest.approx(found.gross_profit / -found.gross_loss)
    assert found.commissions == pytest.approx(float(result.operation.totals.commission))
    assert 0 < found.exposure < 1


def test_equity_is_capital_realised_and_the_open_position_at_the_close(result: BacktestResult) -> None:
    assert len(result.times) == len(result.equity) == len(result.bars)
    assert result.equity[0] == 100_000.0
    ended = float(result.operation.current_capital)
    if result.open_position is not None:
        ended += float(result.open_position.unrealized_pnl)
    assert result.equity[-1] == pytest.approx(ended, abs=1e-6)


def test_a_thinned_curve_keeps_its_ends_and_its_extremes(result: BacktestResult) -> None:
    points = equity_points(result, 60)
    assert len(points) <= 70
    values = [value for _, value in points]
    assert (min(values), max(values)) == (min(result.equity), max(result.equity))
    assert (points[0][0], points[-1][0]) == (result.times[0], result.times[-1])


def test_the_fields_are_plain_and_the_page_needs_nothing_but_itself(result: BacktestResult) -> None:
    fields = result_fields(result)
    assert fields["statistics"]["trades"] == len(fields["trades"]) == len(result.trades)
    html = page(result)
    assert "{{" not in html
    assert "http" not in html.replace("http-equiv", "")
    assert "MomentumStrategy on EUR-USD, 1 min" in html
    assert html.count("<canvas") == 2
    assert not re.findall(r"\bsrc=|\bhref=|@import|url\(|fetch\(|XMLHttp", html)
    for figure in figures(result, statistics(result)):
        assert f">{escape(figure.name)}<" in html
        assert f">{escape(figure.text)}<" in html
    held = re.search(r'id="data">(.*?)</script>', html, re.DOTALL)
    assert held is not None
    data = json.loads(held[1].replace("<\\/", "</"))
    assert len(data["trades"]) == len(result.trades)
    assert len(data["candles"]) == 5 * len(result.bars)
    assert data["equity"][-1][1] == pytest.approx(result.equity[-1], abs=0.01)


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0, "0 s"), (59, "59 s"), (61, "1 min 1 s"), (3600, "1 h"), (90_061, "1 d 1 h"), (None, "–")],
)
def test_lengths_in_words(seconds: float | None, words: str) -> None:
    assert length(seconds) == words
