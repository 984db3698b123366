"""The root of every error this package raises on purpose.

::

    LiveTradingError
    ├── InvalidInput                 what a person or a file gave us; names the field and the remedy
    ├── journal.errors.JournalError  …
    ├── brokers.errors.BrokerError   …
    └── config.errors.ConfigError    …
"""


class LiveTradingError(Exception):
    """Anything this package raises on purpose. The text says what to do next."""


class InvalidInput(LiveTradingError):  # noqa: N818 - "invalid input" is the field's word
    """Something given from outside is wrong. Nothing was changed.

    ``field`` is the dotted name of what is wrong, ``problem`` says why, ``remedy`` says what would be right.
    """

    def __init__(self, field: str, problem: str, remedy: str = "") -> None:
        super().__init__(f"{field}: {problem}" + (f". {remedy}" if remedy else ""))
        self.field = field
        self.problem = problem
        self.remedy = remedy
