"""Strategies: their contract, how they are found, how they are run live, and the built-in ones."""

from live_trading.strategies.base import (
    FLAT,
    BarContext,
    Signal,
    Strategy,
    StrategyFailed,
    StrategyParameters,
    StrategyPosition,
)
from live_trading.strategies.live_adapter import DEFAULT_TIME_BUDGET, LiveStrategyAdapter
from live_trading.strategies.registry import ENTRY_POINT_GROUP, known_strategies, load_strategy, parse_parameters

__all__ = [
    "DEFAULT_TIME_BUDGET",
    "ENTRY_POINT_GROUP",
    "FLAT",
    "BarContext",
    "LiveStrategyAdapter",
    "Signal",
    "Strategy",
    "StrategyFailed",
    "StrategyParameters",
    "StrategyPosition",
    "known_strategies",
    "load_strategy",
    "parse_parameters",
]
