"""The engine's inputs in one bundle, handed down from the composition root."""

from dataclasses import dataclass, field

from live_trading.runtime.clock import Clock, SystemClock
from live_trading.runtime.ids import IdSource, SystemIds
from live_trading.runtime.tasks import Tasks


@dataclass(slots=True)
class Runtime:
    """Clock, ids and tasks. Build one inside a running event loop."""

    clock: Clock = field(default_factory=SystemClock)
    ids: IdSource = field(default_factory=SystemIds)
    tasks: Tasks = field(default_factory=Tasks)
