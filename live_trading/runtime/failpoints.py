"""Named points, before and after each durable step, where a test can make the process die.

The idea is etcd's (``tests/robustness/failpoint``): the code under test names its own dangerous moments. Outside of
tests a failpoint is one dictionary look-up. A test arms them through the environment:

``LIVE_TRADING_FAILPOINTS="broker.place.after=kill@3,journal.insert.before=kill@1"``

means: on the third time the process is just after placing an order, and on the first time it is about to insert into
the journal, it kills itself with SIGKILL, exactly as a power cut would. ``LIVE_TRADING_FAILPOINT_LOG=FILE`` appends the
name of each point passed, which is how a test learns what points a scenario has.
"""

import os
import signal
from collections import Counter
from pathlib import Path

FAILPOINTS_VARIABLE = "LIVE_TRADING_FAILPOINTS"
FAILPOINT_LOG_VARIABLE = "LIVE_TRADING_FAILPOINT_LOG"


def _parse(text: str) -> dict[str, int]:
    armed: dict[str, int] = {}
    for part in filter(None, (piece.strip() for piece in text.split(","))):
        name, separator, action = part.partition("=")
        verb, _, count = action.partition("@")
        if not separator or verb != "kill" or not count.isdigit() or int(count) < 1:
            raise ValueError(f"{FAILPOINTS_VARIABLE}: {part!r} is not of the form name=kill@N with N of 1 or more")
        armed[name] = int(count)
    return armed


_armed = _parse(os.environ.get(FAILPOINTS_VARIABLE, ""))
_log = os.environ.get(FAILPOINT_LOG_VARIABLE)
_passed: Counter[str] = Counter()


def failpoint(name: str) -> None:
    """Pass the point ``name``: nothing happens unless a test armed or logs it."""
    if not _armed and _log is None:
        return
    _passed[name] += 1
    if _log is not None:
        with Path(_log).open("a", encoding="utf-8") as file:
            file.write(name + "\n")
    if _armed.get(name) == _passed[name]:
        os.kill(os.getpid(), signal.SIGKILL)
