"""What can be wrong with files that keep a journal.

::

    LiveTradingError
    ├── FileDamaged           a file is not what was written; name it, keep it, use another copy
    ├── NotEmpty              a database that must be empty is not
    ├── ArchiveBusy           another process works on the same archive
    ├── NotProved             what was sealed or restored is not what it was made of; nothing was deleted
    └── JournalError
        └── Damaged
            ├── ArchiveMissing    entries were archived, and the file that has them is not where it should be
            └── ArchiveDamaged    a file of the archive is damaged
"""

from pathlib import Path

from live_trading.domain.errors import LiveTradingError
from live_trading.journal.errors import Damaged


class FileDamaged(LiveTradingError):  # noqa: N818 - it tells what happened
    """A file is not what was written. ``path`` is the file."""

    def __init__(self, path: Path, problem: str) -> None:
        super().__init__(f"{path}: {problem}. Use another copy of the file; keep this one as evidence")
        self.path = path
        self.problem = problem


class NotEmpty(LiveTradingError):  # noqa: N818
    """Only an empty database takes a journal in: what is there stays as it is."""


class ArchiveBusy(LiveTradingError):  # noqa: N818
    """Another process works on the same archive."""


class NotProved(LiveTradingError):  # noqa: N818
    """What was written does not give what it was made of. What it was made of stays as it is."""


class ArchiveMissing(Damaged):
    """Entries that were archived are needed, and no file has them."""

    def __init__(self, first: int, last: int, folder: Path) -> None:
        super().__init__(
            first,
            f"entries {first} to {last} were archived, but no file in {folder} has entry {first}. Bring the archive's "
            "files back there, or name their place: logging.journal_archive_dir",
        )


class ArchiveDamaged(Damaged):
    """A file of the archive cannot be read as what was sealed; ``sequence_number`` is the first entry concerned."""

    def __init__(self, sequence_number: int, damage: FileDamaged) -> None:
        super().__init__(sequence_number, f"in the archive: {damage}")
        self.path = damage.path
