"""Faults on purpose: what goes wrong between a client and the exchange, planned and counted.

One plan serves every front: the HTTP front and the in-process adapter ask it at the same points. A fault applies
``count`` times (or until it is removed), with a seeded ``probability``, and to what ``match`` is found in.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum

from live_trading.runtime.clock import Clock
from live_trading.runtime.ids import SeededIds


class FaultKind(StrEnum):
    """What goes wrong.

    On a command (place, modify, cancel): ``DROP_BEFORE_ACCEPT`` and ``DROP_AFTER_ACCEPT`` close the connection without
    an answer, ``ACCEPTED_504`` carries it out and answers 504, ``SLOW`` carries it out and answers ``seconds`` late.
    On what is told: ``DUPLICATE_FILLS``, ``REORDER_FILLS`` (told after what follows it), ``LATE_FILLS`` (told, and
    found by whoever asks for executions, ``seconds`` after it happened, and those after it not before it),
    ``LATE_COMMISSION`` (told ``seconds`` after its fill). On questions: ``FAIL_QUERIES`` (503), ``HIDE_ORDERS`` (an
    order is not found until ``seconds`` after its acceptance), ``LATE_ORDERS`` (nor is it told of until then, nor are
    its fills). On everything: ``STOP_ANSWERING`` (a silent peer, for ``seconds`` or until removed). On the market:
    ``MARKET_CLOSED``. In the TWS protocol alone: ``CONNECTIVITY_LOST`` (1100: the gateway has
    lost its servers for ``seconds`` or until removed; afterwards 1102, or 1101 where ``match`` is "1101"),
    ``IDS_ROLLED_BACK`` (the next client to connect is given order ids that were used before) and ``ORDER_WARNING`` (an
    accepted order gets code 10349, which is no refusal).

    At single fronts, where their protocol has such a thing: ``UNEXPECTED_2XX`` (a command is carried out and answered
    with another good status than the documented one), ``LOSE_FILLS`` (a fill is left out of a stream that is well
    otherwise), ``SILENT_PRICES`` (prices and their heartbeats stop, all else lives), ``UNAUTHORISED`` (the key is
    refused), ``RATE_LIMITED`` (too many requests).
    """

    DROP_BEFORE_ACCEPT = "drop_before_accept"
    DROP_AFTER_ACCEPT = "drop_after_accept"
    ACCEPTED_504 = "accepted_504"
    SLOW = "slow"
    DUPLICATE_FILLS = "duplicate_fills"
    REORDER_FILLS = "reorder_fills"
    LATE_FILLS = "late_fills"
    LATE_COMMISSION = "late_commission"
    FAIL_QUERIES = "fail_queries"
    HIDE_ORDERS = "hide_orders"
    LATE_ORDERS = "late_orders"
    STOP_ANSWERING = "stop_answering"
    MARKET_CLOSED = "market_closed"
    UNEXPECTED_2XX = "unexpected_2xx"
    LOSE_FILLS = "lose_fills"
    SILENT_PRICES = "silent_prices"
    UNAUTHORISED = "unauthorised"
    RATE_LIMITED = "rate_limited"
    CONNECTIVITY_LOST = "connectivity_lost"
    IDS_ROLLED_BACK = "ids_rolled_back"
    ORDER_WARNING = "order_warning"


ON_COMMAND = (FaultKind.DROP_BEFORE_ACCEPT, FaultKind.DROP_AFTER_ACCEPT, FaultKind.ACCEPTED_504, FaultKind.SLOW)


@dataclass(slots=True)
class Fault:
    """One planned fault. ``count`` None: until removed. ``operation`` (place, modify, cancel) None: any.

    ``match`` is looked for in what the point is about: a client order id, an instrument's symbol, or what a question
    asks for (``positions``, ``executions``, ``orders``).
    """

    kind: FaultKind
    count: int | None = 1
    probability: float = 1.0
    match: str | None = None
    operation: str | None = None
    seconds: float = 1.0
    fault_id: int = 0
    planned_at: float = 0.0
    applied: int = 0


class FaultPlan:
    """The faults now planned. ``changed`` callbacks run when one is added or removed."""

    def __init__(self, clock: Clock, seed: int = 0) -> None:
        self._clock = clock
        self._random = SeededIds(f"{seed}/faults")
        self._faults: dict[int, Fault] = {}
        self._next_id = 1
        self.on_change: list[Callable[[], None]] = []

    def __iter__(self) -> Iterator[Fault]:
        return iter(tuple(self._faults.values()))

    def add(self, fault: Fault) -> int:
        """Plan a fault; its id removes it again."""
        fault.fault_id = self._next_id
        fault.planned_at = self._clock.monotonic()
        self._next_id += 1
        self._faults[fault.fault_id] = fault
        self._tell()
        return fault.fault_id

    def remove(self, fault_id: int | None = None) -> int:
        """Remove one fault, or all; how many there were."""
        gone = list(self._faults) if fault_id is None else [fault_id] if fault_id in self._faults else []
        for known in gone:
            del self._faults[known]
        self._tell()
        return len(gone)

    def take(self, kind: FaultKind, about: tuple[str | None, ...] = (), operation: str | None = None) -> Fault | None:
        """The fault of this kind that applies now, used up by one."""
        if not self._faults:
            return None
        for fault in tuple(self._faults.values()):
            if fault.kind is not kind or (fault.operation is not None and fault.operation != operation):
                continue
            if fault.match is not None and not any(text and fault.match in text for text in about):
                continue
            if fault.probability < 1 and self._random.uniform(0, 1) >= fault.probability:
                continue
            fault.applied += 1
            if fault.count is not None and fault.applied >= fault.count:
                del self._faults[fault.fault_id]
            return fault
        return None

    def standing(self, kind: FaultKind) -> Fault | None:
        """The fault of this kind that stands for ``seconds`` (0: until removed). Asking does not use it up."""
        if not self._faults:
            return None
        for fault in tuple(self._faults.values()):
            if fault.kind is not kind:
                continue
            if 0 < fault.seconds <= self._clock.monotonic() - fault.planned_at:
                del self._faults[fault.fault_id]
                continue
            return fault
        return None

    def _tell(self) -> None:
        for callback in self.on_change:
            callback()
