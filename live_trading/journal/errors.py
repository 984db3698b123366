"""What can be wrong with a journal. Each error carries its figures and says what to do next.

::

    JournalError
    ├── Fenced               another engine took over; this one must stop and send nothing
    ├── LeaseLost            the lease could not be renewed in time; stop, then stand by
    ├── JournalUnavailable   MongoDB could not be reached
    ├── JournalClosed        append after close
    ├── EntryTooLarge        an entry over the limit; nothing was written
    └── Damaged              the record itself is wrong; do not trade on it
        ├── GapDetected      a number is missing
        ├── ChainBroken      a hash does not match: an entry was altered, deleted or inserted
        ├── OrderBroken      epoch or time goes back
        └── UnknownEntry     an action_type or version this program does not know
"""

from live_trading.domain.errors import LiveTradingError


class JournalError(LiveTradingError):
    """The root of the journal's errors."""


class Fenced(JournalError):  # noqa: N818 - the field's word
    """Another engine holds the journal under a higher epoch. Stop at once; its recovery takes over what was open."""

    def __init__(self, our_epoch: int, detail: str) -> None:
        super().__init__(f"fenced: an engine with a higher epoch than our {our_epoch} took over ({detail})")
        self.our_epoch = our_epoch


class LeaseLost(JournalError):  # noqa: N818
    """The lease ran out on our own clock before it could be renewed. Nothing more may be sent; stand by for it."""

    def __init__(self, our_epoch: int, detail: str) -> None:
        super().__init__(detail)
        self.our_epoch = our_epoch


class JournalUnavailable(JournalError):  # noqa: N818
    """MongoDB could not be reached. What was not acknowledged may or may not be durable."""


class JournalClosed(JournalError):  # noqa: N818
    """The writer is closed, or failed before; ``__cause__`` says why."""


class EntryTooLarge(JournalError):  # noqa: N818
    """One entry is larger than the limit. Nothing was written."""

    def __init__(self, action_type: str, size: int, limit: int) -> None:
        super().__init__(f"a {action_type} entry of {size:,} bytes is over the limit of {limit:,}; nothing was written")
        self.size = size
        self.limit = limit


class Damaged(JournalError):  # noqa: N818
    """The journal is not what was written. Do not trade on it: restore a backup or ask for help, and keep the damaged
    copy as evidence. ``sequence_number`` is the first entry that is wrong."""

    def __init__(self, sequence_number: int, detail: str) -> None:
        super().__init__(f"journal entry {sequence_number}: {detail}")
        self.sequence_number = sequence_number


class GapDetected(Damaged):
    """A number is missing: ``expected`` should have come, ``found`` came (None: the journal ends)."""

    def __init__(self, expected: int, found: int | None) -> None:
        super().__init__(expected, f"missing (the next one found is {found if found is not None else 'none'})")
        self.expected = expected
        self.found = found


class ChainBroken(Damaged):
    """An entry's hash is not that of its bytes, or it does not follow from the entry before it."""


class OrderBroken(Damaged):
    """An entry's epoch or time is lower than that of the entry before it."""


class UnknownEntry(Damaged):
    """An ``action_type`` or ``action_version`` this program does not know, or facts that do not fit it. Run the version
    that wrote it, or a newer one."""
