"""What can be wrong with a configuration.

::

    LiveTradingError
    └── ConfigError     one or more Problems, each a line: where, which key, what is wrong, what would be right
"""

from collections.abc import Sequence
from dataclasses import dataclass

from live_trading.domain.errors import LiveTradingError


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong. Never holds a secret's value.

    ``origin`` is where the value came from (``config.yaml:12``, ``environment variable IBKR_PORT``, ``--set``) and
    ``key`` its dotted name, empty when the file as a whole is meant.
    """

    origin: str
    key: str
    problem: str
    remedy: str

    def __str__(self) -> str:
        return ": ".join(filter(None, (self.origin, self.key, self.problem))) + f". {self.remedy}"


class ConfigError(LiveTradingError):
    """The configuration cannot be used. Nothing was started; correct each line and start again."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        super().__init__("\n".join(map(str, problems)))
        self.problems = tuple(problems)
