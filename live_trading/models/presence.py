"""Is there an engine? Told from the lease on the journal, without asking the engine itself."""

import re
from dataclasses import dataclass
from typing import Any, Final

from pymongo.asynchronous.database import AsyncDatabase

from live_trading.journal.mongo_store import MongoStore
from live_trading.models.standbys import process_lives
from live_trading.runtime import Clock

_HOLDER: Final = re.compile(r"^[^@]*@(?P<host>[^#]*)#(?P<process>\d+) ")


@dataclass(frozen=True, slots=True)
class Presence:
    """Who holds the journal. ``alive`` is None where it cannot be told from here (the holder is on another host)."""

    epoch: int
    holder: str | None
    ttl: float
    alive: bool | None
    text: str

    @property
    def may_answer(self) -> bool:
        """Whether it is worth waiting for an answer."""
        return self.alive is not False


async def engine_presence(database: AsyncDatabase[dict[str, Any]], engine_id: str, clock: Clock) -> Presence:
    """The state of an engine's lease. Raises :class:`~live_trading.journal.JournalUnavailable`."""
    record = await MongoStore(database, clock).lease(engine_id)
    if record is None:
        return Presence(0, None, 0.0, False, "no engine has ever held the journal")
    if record.holder is None:
        text = f"no engine holds the journal; the last one (epoch {record.epoch}) gave it back"
        return Presence(record.epoch, None, record.ttl, False, text)
    alive = _is_alive(record.holder)
    held = f"held by {record.holder} under epoch {record.epoch}"
    if alive is False:
        text = f"{held}, but that process is gone: it did not end in order"
    else:
        text = held if alive else f"{held}, on another host"
    return Presence(record.epoch, record.holder, record.ttl, alive, text)


def _is_alive(holder: str) -> bool | None:
    """Whether the holder's process lives; None when it is not on this host."""
    parts = _HOLDER.match(holder)
    return None if parts is None else process_lives(parts["host"], int(parts["process"]))
