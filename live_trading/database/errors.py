"""What can be wrong with the database. Each error says in one line what to do."""

from live_trading.domain.errors import LiveTradingError


class DatabaseError(LiveTradingError):
    """The root of the database's errors."""


class NoMongod(DatabaseError):  # noqa: N818 - it names what is missing
    """There is no ``mongod`` to be had."""


class MongodFailed(DatabaseError):  # noqa: N818
    """``mongod`` did not start or did not become ready; the text says why, from its own log."""


class RequirementsNotMet(DatabaseError):  # noqa: N818
    """The MongoDB given cannot keep a journal. ``problems`` are all of them, each with its remedy."""

    def __init__(self, problems: tuple[str, ...]) -> None:
        super().__init__("; ".join(problems))
        self.problems = problems
