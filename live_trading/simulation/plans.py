"""What happens to a world: a plan, made from a seed, of operations and of everything that goes wrong with them.

A plan is a list, so a part of it is a plan too: that is how a story is shrunk to what matters.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final, TypeVar

from live_trading.brokers.types import Bracket
from live_trading.domain.values import CrashRecoveryMode
from live_trading.paper_exchange.faults import FaultKind
from live_trading.runtime import SeededIds
from live_trading.simulation.effects import Way
from live_trading.simulation.trouble import TroubleKind

T = TypeVar("T")

SYMBOLS: Final = ("EUR-USD", "ES")
_SCRIPTS: Final = ("L..X..S..X..", "L.....X...", "LS", "L..S...", "S....X.L....X.", "L.........")


@dataclass(frozen=True, slots=True)
class Happening:
    """One thing that happens, ``at`` seconds after the start. ``kind`` names a method of the person in charge
    (:class:`~live_trading.simulation.swarm.Swarm`), ``arguments`` are its own."""

    at: float
    kind: str
    arguments: Mapping[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        told = ", ".join(f"{name} {value}" for name, value in self.arguments.items() if value is not None)
        return f"{self.at:7.2f} s  {self.kind.replace('_', ' ')}{': ' if told else ''}{told}"


@dataclass(frozen=True, slots=True)
class Plan:
    """A world's seed, its operations' settings and what happens to it. ``kept`` are the happenings' places in the plan
    that the seed alone gives."""

    seed: int
    seconds: float
    bracket: Bracket
    in_parts: bool
    commission_delay: float
    operations: Sequence[Mapping[str, Any]]
    happenings: Sequence[Happening]
    kept: tuple[int, ...]

    def only(self, kept: Iterable[int]) -> "Plan":
        """The same world with only these of its happenings."""
        chosen = set(kept)
        pairs = [(place, what) for place, what in zip(self.kept, self.happenings, strict=True) if place in chosen]
        return replace(self, happenings=[what for _, what in pairs], kept=tuple(place for place, _ in pairs))


def plan(seed: int) -> Plan:
    """The plan of a seed."""
    chance = _Chance(seed)
    seconds = chance.between(40, 180)
    count = chance.whole(3, 14)
    happenings = sorted((_happening(chance, seconds) for _ in range(count)), key=lambda what: what.at)
    return Plan(
        seed=seed,
        seconds=seconds,
        bracket=chance.one_of(tuple(Bracket)),
        in_parts=chance.happens(0.3),
        commission_delay=0.3 if chance.happens(0.3) else 0.0,
        operations=[_operation(chance) for _ in range(chance.whole(1, 3))],
        happenings=happenings,
        kept=tuple(range(count)),
    )


class _Chance:
    """Choices from a seed."""

    def __init__(self, seed: int) -> None:
        self._ids = SeededIds(f"plan {seed}")

    def between(self, low: float, high: float) -> float:
        return round(self._ids.uniform(low, high), 3)

    def whole(self, low: int, high: int) -> int:
        return min(high, low + int(self._ids.uniform(0, high - low + 1)))

    def happens(self, probability: float) -> bool:
        return self._ids.uniform(0, 1) < probability

    def one_of(self, choices: Sequence[T]) -> T:
        return choices[self.whole(0, len(choices) - 1)]


def _operation(chance: _Chance) -> dict[str, Any]:
    symbol = chance.one_of(SYMBOLS)
    stop = chance.one_of(("PERCENTAGE", "PERCENTAGE", "TRAILING", None))
    target = chance.one_of(("PERCENTAGE", "RISK_REWARD", None)) if stop else chance.one_of(("PERCENTAGE", None))
    return {
        "asset": symbol,
        "quantity": "1000" if symbol == "EUR-USD" else "2",
        "initial_capital": "1000000",
        "strategy_config": {"script": chance.one_of(_SCRIPTS)},
        "crash_recovery_mode": chance.one_of(tuple(CrashRecoveryMode)).value,
        "emergency_stop_loss_pct": chance.one_of(("0.0002", "0.05")),
        "stop_loss_type": stop,
        "stop_loss_value": chance.one_of(("0.0005", "0.002")) if stop else None,
        "take_profit_type": target,
        "take_profit_value": {"PERCENTAGE": "0.001", "RISK_REWARD": "2", None: None}[target],
    }


_Maker = Callable[[_Chance], dict[str, Any]]

_MAKERS: Final[dict[str, tuple[int, _Maker]]] = {
    # kind: how often, and what with
    "exchange_fault": (
        10,
        lambda c: {
            "fault": c.one_of(tuple(FaultKind)).value,
            "count": c.whole(1, 3),
            "probability": c.between(0.3, 1),
            "seconds": c.between(0.1, 8),
        },
    ),
    "question_fails": (
        3,
        lambda c: {"question": c.one_of(("positions", "executions", "orders")), "count": c.whole(1, 6)},
    ),
    "lost_and_hidden": (
        3,
        lambda c: {
            "hidden": c.one_of((FaultKind.LATE_ORDERS, FaultKind.FAIL_QUERIES)).value,
            "seconds": c.between(0.5, 1.9),
        },
    ),
    "journal_trouble": (
        6,
        lambda c: {"trouble": c.one_of(tuple(TroubleKind)).value, "seconds": c.between(0.01, 3)},
    ),
    "crash": (4, lambda c: {"down": c.between(0, 15)}),
    "crash_at_effect": (
        8,
        lambda c: {"effect": c.whole(0, 12), "way": c.one_of(tuple(Way)).value, "down": c.between(0, 8)},
    ),
    "crash_twice": (
        4,
        lambda c: {
            "effect": c.whole(0, 8),
            "way": c.one_of(tuple(Way)).value,
            "again": c.whole(0, 12),
            "way_again": c.one_of(tuple(Way)).value,
        },
    ),
    "clean_stop": (2, lambda c: {"down": c.between(0, 10)}),
    "disconnect": (3, lambda c: {}),
    "clock_step": (2, lambda c: {"seconds": c.between(-60, 60)}),
    "market_jump": (5, lambda c: {"symbol": c.one_of(SYMBOLS), "steps": c.whole(-300, 300)}),
    "market_quiet": (2, lambda c: {"seconds": c.between(1, 20)}),
    "trade_by_hand": (1, lambda c: {"symbol": c.one_of(SYMBOLS), "side": c.one_of(("BUY", "SELL"))}),
    "position_moved": (1, lambda c: {"symbol": c.one_of(SYMBOLS), "side": c.one_of(("BUY", "SELL"))}),
    "correct_fill": (2, lambda c: {"back": c.whole(0, 3), "steps": c.whole(-5, 5), "busted": c.happens(0.2)}),
    "command": (
        8,
        lambda c: {
            "command": c.one_of(
                (
                    "pause_operation",
                    "resume_operation",
                    "close_position",
                    "close_operation",
                    "move_protection",
                    "cancel_order",
                    "trip_kill_switch",
                    "reset_kill_switch",
                )
            ),
            "operation": c.whole(0, 2),
        },
    ),
}
KINDS: Final = tuple(_MAKERS)
_DRAWN: Final = tuple(kind for kind, (weight, _) in _MAKERS.items() for _ in range(weight))


def _happening(chance: _Chance, seconds: float) -> Happening:
    kind = chance.one_of(_DRAWN)
    return Happening(chance.between(0, seconds), kind, _MAKERS[kind][1](chance))
