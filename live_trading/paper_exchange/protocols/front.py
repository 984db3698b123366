"""What a protocol front is to the process that hosts it."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from live_trading.runtime.tasks import Tasks


@dataclass(frozen=True, slots=True)
class FrontPlace:
    """Where a front listens (``port`` 0: any free one), where it may keep what must survive it, and whether the market
    is a recorded one, which can wait for its clients."""

    host: str
    port: int
    data_dir: Path
    recorded: bool


class Front(Protocol):
    """One protocol spoken by the exchange on one address of its own."""

    name: str

    async def start(self, tasks: Tasks) -> Mapping[str, object]:
        """Begin to serve; what clients must know to connect (goes into the ready file under ``name``)."""

    async def close(self) -> None:
        """Stop serving."""

    def ready(self) -> bool:
        """Whether every client that must see each tick has caught up."""

    def subscriptions(self) -> set[str]:
        """The symbols that somebody is subscribed to."""
