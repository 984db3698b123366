"""Time, ids, randomness and the starting of tasks: the engine's inputs, in one place.

Nothing else in the package may call ``datetime.now``, ``time.time``, ``random``, ``uuid4`` or a bare
``create_task`` (a check in ``make check`` holds this). That is what lets the whole engine run in virtual time,
from a seed, and end in the same journal byte for byte.
"""

from live_trading.runtime.bell import Bell
from live_trading.runtime.clock import Clock, SystemClock, utc_from_ns
from live_trading.runtime.collector import collector_paused, settle_collector
from live_trading.runtime.deadline import within
from live_trading.runtime.failpoints import failpoint
from live_trading.runtime.ids import IdSource, SeededIds, SystemIds
from live_trading.runtime.runtime import Runtime
from live_trading.runtime.tasks import TaskFailed, Tasks

__all__ = [
    "Bell",
    "Clock",
    "IdSource",
    "Runtime",
    "SeededIds",
    "SystemClock",
    "SystemIds",
    "TaskFailed",
    "Tasks",
    "collector_paused",
    "failpoint",
    "settle_collector",
    "utc_from_ns",
    "within",
]
