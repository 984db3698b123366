"""What drives a market: ticks in time order, from a position that can be written down and taken up again."""

from typing import Any, Protocol

from live_trading.domain.market import Tick


class Feed(Protocol):
    """A source of ticks. ``recorded`` feeds carry their own time and end; synthetic ones go on for ever in ours."""

    recorded: bool
    symbols: tuple[str, ...]

    def next(self) -> Tick | None:
        """The next tick, never older than the one before; None at the end."""

    def state(self) -> Any:
        """Where the feed stands, as JSON values: after the last tick given."""

    def restore(self, state: Any) -> None:
        """Go on from where ``state`` was taken."""
