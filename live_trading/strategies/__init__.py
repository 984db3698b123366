"""Strategies: their contract, how they are found, how they are run live, and the built-in ones."""

from live_trading.strategies.adapter import StrategyAdapter
from live_trading.strategies.base import (
    FLAT,
    BarContext,
    Signal,
    Strategy,
    StrategyFailed,
    StrategyParameters,
    StrategyPosition,
)
from live_trading.strategies.live_adapter import (
    DEFAULT_TIME_BUDGET,
    HEAVY_TIME_BUDGET,
    LiveStrategyAdapter,
    in_order,
    seen_before,
)
from live_trading.strategies.look_ahead import LookAhead, MakeStrategy, SignalAt, first_look_ahead, run_strategy
from live_trading.strategies.registry import ENTRY_POINT_GROUP, known_strategies, load_strategy, parse_parameters
from live_trading.strategies.worker import WorkerStrategyAdapter, open_adapter

__all__ = [
    "DEFAULT_TIME_BUDGET",
    "ENTRY_POINT_GROUP",
    "FLAT",
    "HEAVY_TIME_BUDGET",
    "BarContext",
    "LiveStrategyAdapter",
    "LookAhead",
    "MakeStrategy",
    "Signal",
    "SignalAt",
    "Strategy",
    "StrategyAdapter",
    "StrategyFailed",
    "StrategyParameters",
    "StrategyPosition",
    "WorkerStrategyAdapter",
    "first_look_ahead",
    "in_order",
    "known_strategies",
    "load_strategy",
    "open_adapter",
    "parse_parameters",
    "run_strategy",
    "seen_before",
]
