"""How a command ends: the exit codes, and the errors that are only the command line's."""

from enum import IntEnum

from live_trading.domain.errors import LiveTradingError


class Exit(IntEnum):
    """What a process says with its end. ``docs/cli.md`` explains each."""

    OK = 0
    FAILED = 1
    """Refused, not equal, or something needed is away."""
    USAGE = 2
    """What was given is wrong: an option, an argument, the configuration, a file."""
    NOT_FOUND = 3
    ENGINE_AWAY = 4
    """The engine does not answer: the command is kept and will be carried out when it does."""
    INTERNAL = 70
    """A fault of the program."""
    FENCED = 75
    """Another engine took over; this one has written and sent nothing since."""
    INTERRUPTED = 130


class CommandError(LiveTradingError):
    """An error that a command ends with. The text says what to do next; ``details`` go into ``--json``."""

    code = Exit.FAILED

    def __init__(self, text: str, **details: object) -> None:
        super().__init__(text)
        self.details = details


class NotFound(CommandError):  # noqa: N818 - it tells what happened
    """What was asked for is not there."""

    code = Exit.NOT_FOUND


class EngineAway(CommandError):  # noqa: N818 - it tells what happened
    """No engine answered in time. What was asked is kept."""

    code = Exit.ENGINE_AWAY


class WasRefused(CommandError):  # noqa: N818 - it tells what happened
    """The engine refused a command, and nothing was changed. ``refusal`` is its stable code."""

    def __init__(self, text: str, refusal: str, **details: object) -> None:
        super().__init__(text, **details)
        self.code = {"INVALID_INPUT": Exit.USAGE, "NOT_FOUND": Exit.NOT_FOUND}.get(refusal, Exit.FAILED)
