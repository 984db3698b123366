"""The live ledger: the journal's writer and the ledger that follows from what it wrote."""

from collections.abc import Callable, Sequence

from live_trading.domain.entries import Draft, Entry
from live_trading.journal.base import JournalWriter
from live_trading.projections.fold import apply
from live_trading.projections.ledger import Ledger

Listener = Callable[[Sequence[Entry]], None]


class LiveLedger:
    """Appends entries, and folds them the moment they are durable, in order, before the appender goes on.

    ``ledger`` is what every decision of the engine is made from. It must stand at the journal's head when given.
    """

    def __init__(self, journal: JournalWriter, ledger: Ledger) -> None:
        if ledger.sequence_number != journal.head.sequence_number:
            raise ValueError(
                f"the ledger is at {ledger.sequence_number}, the journal at {journal.head.sequence_number}"
            )
        self.journal = journal
        self.ledger = ledger
        self._listeners: list[Listener] = []
        journal.subscribe(self._on_durable)

    def listen(self, listener: Listener) -> None:
        """Call ``listener`` with each run of entries, right after they were folded. It must not fail and not wait."""
        self._listeners.append(listener)

    def _on_durable(self, entries: Sequence[Entry]) -> None:
        for entry in entries:
            apply(self.ledger, entry)
        self.ledger.forget_changes()
        for listener in self._listeners:
            listener(entries)

    async def append(self, *drafts: Draft) -> tuple[Entry, ...]:
        """Append, and return when the entries are durable and folded."""
        return await self.journal.append(*drafts)
