"""A recorded market in which everything happens soon: every two minutes of it, and it is played many times faster.

Seconds of the cycle and pips from the base, one quote a second::

      0 -  20    0    near the base: enter
     20 -  30   +6    above it: exit by signal
     30 -  45    0    enter
     45 -  50  -25    a long position's stop is hit (a short one's target is not quite)
     50 -  80    0    enter
     80 -  90   +6    exit by signal
     90 - 105    0    enter
    105 - 110  +25    a long position's target is hit, a short one's stop
    110 - 120    0    enter

Stretched, every phase is that many times as long: a position outlives an engine's death and what comes after.
"""

from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pyarrow as pa  # type: ignore[import-untyped]
import pyarrow.parquet as pq  # type: ignore[import-untyped]

SYMBOL = "EUR-USD"
BASE = Decimal("1.10000")
PIP = Decimal("0.0001")
_BEGIN = datetime(2024, 1, 9, 9, tzinfo=UTC)
_HOURS = 10
_CYCLE = ((20, 0), (30, 6), (45, 0), (50, -25), (80, 0), (90, 6), (105, 0), (110, 25), (120, 0))
_WIGGLE = (0, 1, 2, 1, 0, -1, -2, -1)
_TICK = Decimal("0.00001")


def _middle(second: int, stretch: int) -> Decimal:
    pips = next(pips for end, pips in _CYCLE if second // stretch % 120 < end)
    return BASE + pips * PIP + _WIGGLE[second % 8] * _TICK


def write_tape(path: Path, stretch: int = 1) -> None:
    """Write it as our Parquet: ten hours of a Tuesday."""
    begin = int(_BEGIN.timestamp())
    seconds = range(_HOURS * 3600)
    table = pa.table(
        {
            "time_ns": [(begin + second) * 1_000_000_000 for second in seconds],
            "bid": [str(_middle(second, stretch) - _TICK) for second in seconds],
            "ask": [str(_middle(second, stretch) + _TICK) for second in seconds],
        }
    )
    pq.write_table(table, path)
