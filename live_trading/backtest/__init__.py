"""Backtests: the engine that trades live, over recorded data, in the data's own time."""

from live_trading.backtest.data import Recording, Span, open_recording, recording_of
from live_trading.backtest.engine_run import BacktestFailed
from live_trading.backtest.request import BacktestRequest
from live_trading.backtest.result import BacktestResult, OpenPosition
from live_trading.backtest.run import run_backtest

__all__ = [
    "BacktestFailed",
    "BacktestRequest",
    "BacktestResult",
    "OpenPosition",
    "Recording",
    "Span",
    "open_recording",
    "recording_of",
    "run_backtest",
]
