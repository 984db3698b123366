"""A market without a feed: only its time goes on. Ticks are put in by hand, through the control endpoint."""

from typing import Any

from live_trading.domain.market import Tick


class QuietFeed:
    """Never has a tick, and never ends."""

    recorded = False
    symbols: tuple[str, ...] = ()

    def next(self) -> Tick | None:
        return None

    def state(self) -> Any:
        return None

    def restore(self, state: Any) -> None:
        """There is nothing to go on from."""
