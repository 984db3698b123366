"""How long it takes from a tick to an acknowledged order, stage by stage, as Prometheus histograms.

==================  ==================================================================================================
stage               from the one before
==================  ==================================================================================================
``bar_closed``      the tick (or the market's time) was received → it closed a bar: the wait in the tick buffer
``signal``          → the strategy answered the bar with a signal: the wait for the operation, and the strategy
``durable``         → the signal and the order's intent are in the journal, on a majority's disks
``sent``            → the request was handed to the broker's adapter
``acknowledged``    → the broker's answer is in the journal: its answer, and one more durable write
==================  ==================================================================================================

``live_trading_latency_seconds`` is each stage by itself, ``live_trading_latency_from_tick_seconds`` all from the tick
on. Only what led to an order is followed to its end. Times are by the steady clock that is handed in, so a simulation's
are virtual; nothing is kept but a few hundred orders under way.
"""

from collections import OrderedDict
from collections.abc import Callable, Iterable

from prometheus_client import CollectorRegistry, Histogram

from live_trading.domain.entries import Entry, OrderPlaced, OrderRequested, SignalRefused
from live_trading.domain.ids import sequence_of
from live_trading.runtime import Clock

STAGES = ("bar_closed", "signal", "durable", "sent", "acknowledged")

_BUCKETS = tuple(float(f"{number}e{power}") for power in range(-6, 2) for number in (1, 2, 5))
_MOST_UNDER_WAY = 500


class Trace:
    """The times of one bar's way to an order, on the steady clock: when its tick was received and its last stage."""

    __slots__ = ("last", "received")

    def __init__(self, received: float, last: float) -> None:
        self.received = received
        self.last = last


class Latency:
    """Follows bars to their orders. One for an engine; ``registry`` is what a metrics page gives out."""

    def __init__(self, clock: Clock, registry: CollectorRegistry | None = None) -> None:
        self.registry = registry if registry is not None else CollectorRegistry()
        stages = Histogram(
            "live_trading_latency_seconds", "Each stage from a tick to an acknowledged order, by itself",
            ["stage"], buckets=_BUCKETS, registry=self.registry,
        )  # fmt: skip
        totals = Histogram(
            "live_trading_latency_from_tick_seconds", "From the tick's receipt to the end of each stage",
            ["stage"], buckets=_BUCKETS, registry=self.registry,
        )  # fmt: skip
        self._histograms = {stage: (stages.labels(stage), totals.labels(stage)) for stage in STAGES}
        self._monotonic = clock.monotonic
        self._signals: dict[int, tuple[Trace, float]] = {}
        self._orders: OrderedDict[str, Trace] = OrderedDict()

    def bar_closed(self, received: float, at: float | None = None) -> Trace:
        """A bar closed by what was received then, now or at ``at``."""
        trace = Trace(received, received)
        self._reach("bar_closed", trace, self._monotonic() if at is None else at)
        return trace

    def signal(self, operation: int, trace: Trace) -> None:
        """The operation of that number answered the bar with a signal. It is counted with what comes of it: the order
        that follows must not wait for that."""
        self._signalled(operation)
        self._signals[operation] = trace, self._monotonic()

    def _signalled(self, operation: int) -> Trace | None:
        """Count the operation's last signal, if that was not done yet."""
        trace, at = self._signals.pop(operation, (None, 0.0))
        if trace is not None:
            self._reach("signal", trace, at)
        return trace

    def on_entries(self, entries: Iterable[Entry], sent_at: Callable[[str], float | None]) -> None:
        """Entries have become durable. ``sent_at`` tells when an order was sent, by its client order id."""
        for entry in entries:
            data = entry.data
            if isinstance(data, OrderRequested):
                self._requested(entry, data)
            elif isinstance(data, SignalRefused) and entry.operation_id is not None:
                self._signalled(sequence_of(entry.operation_id))
            elif isinstance(data, OrderPlaced) and (trace := self._orders.pop(data.client_order_id, None)) is not None:
                sent = sent_at(data.client_order_id)
                if sent is not None:
                    self._reach("sent", trace, sent)
                    self._reach("acknowledged", trace, self._monotonic())

    def _requested(self, entry: Entry, data: OrderRequested) -> None:
        if data.purpose.is_protection or entry.operation_id is None:
            return
        trace = self._signalled(sequence_of(entry.operation_id))
        if trace is None:
            return
        self._reach("durable", trace, self._monotonic())
        self._orders[data.client_order_id] = trace
        while len(self._orders) > _MOST_UNDER_WAY:
            self._orders.popitem(last=False)

    def _reach(self, stage: str, trace: Trace, at: float) -> None:
        single, total = self._histograms[stage]
        single.observe(max(at - trace.last, 0.0))
        total.observe(max(at - trace.received, 0.0))
        trace.last = at
