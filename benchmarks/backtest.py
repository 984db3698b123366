"""An EMA cross over bars: our backtest (the whole engine, its entries encoded and chained) beside other engines."""

import time
from collections.abc import Callable, Sequence

from benchmarks import on_backtrader, on_nautilus
from benchmarks.measuring import Options, Result, in_turns
from benchmarks.tapes import HOURS, minute_bars, real_hours
from live_trading.backtest import BacktestRequest, BacktestResult, recording_of, run_backtest
from live_trading.domain.market import Bar

_STRATEGY = "benchmarks/strategies.py:EmaCross"


def request(*, trades: bool) -> BacktestRequest:
    """The operation: enters and leaves at market when the averages cross, and has no stop. The Gatekeeper, its rules
    and their limits are those of a new installation."""
    operation = {
        "strategy_name": _STRATEGY,
        "strategy_config": {"trades": trades},
        "quantity": "1000",
        "initial_capital": "1000000",
        **dict.fromkeys(("stop_loss_type", "stop_loss_value", "take_profit_type", "take_profit_value")),
    }
    return BacktestRequest((), operation, keeps_bars=False)


def timed(bars: Sequence[Bar], *, trades: bool) -> tuple[float, BacktestResult]:
    """Processor seconds of one run over bars in memory, and its result."""
    recording, what = recording_of("bars", bars), request(trades=trades)
    began = time.process_time()
    result = run_backtest(what, recording)
    return time.process_time() - began, result


def fills(result: BacktestResult) -> int:
    """How many orders were filled."""
    return sum(entry.action_type == "ORDER_FILLED" for entry in result.entries)


def run(options: Options) -> list[Result]:
    """With orders and without, over made minutes and, where they are at hand, over real hours."""
    count = 20_000 if options.is_quick else 100_000
    rounds = 2 if options.is_quick else 3
    minutes = minute_bars(count)
    results = _with_orders(f"{count:,} minute bars", minutes, rounds, options)
    results += _without_orders(f"{count:,} minute bars", minutes, rounds, options)
    hours = real_hours(options.data)
    if hours is None:
        print(f"skipped: real hour bars (name the folder of {HOURS} with --data)")
    elif not options.is_quick:
        results += _with_orders(f"{len(hours):,} real hour bars", hours, rounds, options)
    return results


def _with_orders(name: str, bars: Sequence[Bar], rounds: int, options: Options) -> list[Result]:
    orders: dict[str, int] = {}
    entries = 0

    def ours() -> float:
        nonlocal entries
        seconds, result = timed(bars, trades=True)
        orders["ours"], entries = fills(result), len(result.entries)
        return seconds

    def backtrader() -> float:
        seconds, orders["backtrader"] = on_backtrader.run(bars, trades=True)
        return seconds

    runs: list[Callable[[], float]] = [ours, backtrader]
    python = options.nautilus
    if python is not None:

        def nautilus() -> float:
            assert python is not None
            seconds, orders["nautilus_trader"] = on_nautilus.run_bars(python, bars, trades=True)
            return seconds

        runs.append(nautilus)
    mine, theirs, *other = in_turns(rounds, *runs)
    detail = f"{len(bars) / mine:,.0f} over {len(bars) / theirs:,.0f} bars/s; {entries:,} entries; orders: {orders}"
    results = [Result(f"backtest with orders, {name}: ours over backtrader", theirs / mine, "×", 3, "higher", detail)]
    for seconds in other:
        detail = f"{len(bars) / mine:,.0f} over {len(bars) / seconds:,.0f} bars/s"
        title = f"backtest with orders, {name}: ours over nautilus_trader"
        results.append(Result(title, seconds / mine, "×", None, "higher", detail))
    return results


def _without_orders(name: str, bars: Sequence[Bar], rounds: int, options: Options) -> list[Result]:
    def ours() -> float:
        return timed(bars, trades=False)[0]

    python = options.nautilus
    if python is None:
        print("skipped: nautilus_trader (name an interpreter that has it with --nautilus)")
        (mine,) = in_turns(rounds, ours)
        detail = "nautilus_trader was not at hand to compare with"
        return [Result(f"backtest without orders, {name}", len(bars) / mine, "bars/s", None, "higher", detail)]

    def nautilus() -> float:
        assert python is not None
        return on_nautilus.run_bars(python, bars, trades=False).seconds

    mine, theirs = in_turns(rounds, ours, nautilus)
    detail = f"{len(bars) / mine:,.0f} over {len(bars) / theirs:,.0f} bars/s"
    title = f"backtest without orders, {name}: ours over nautilus_trader"
    return [Result(title, theirs / mine, "×", 1, "higher", detail)]
