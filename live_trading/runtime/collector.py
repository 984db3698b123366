"""The garbage collector of a process that trades.

A full collection walks through everything that is alive: a tenth of a second with what is imported alone, and more with
a ledger. That is a long time for an order to wait.
"""

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

_YOUNG: Final = 20_000
"""How many more objects are made than freed before the young ones are looked through (Python: 700)."""


def settle_collector() -> None:
    """Leave what lives now alone for good, and look through what comes later in larger portions.

    Called when everything is loaded and the ledger is rebuilt. What is garbage by then is freed first. Reference counts
    free what has no cycles at once, as ever.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(_YOUNG, 20, 20)


@contextmanager
def collector_paused() -> Iterator[None]:
    """Pause the collector while many objects are made that stay, such as a ledger that is folded.

    They have no cycles, so nothing is left lying about; it would only walk through a growing heap again and again.
    """
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()
