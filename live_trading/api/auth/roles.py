"""The three roles, each allowed what the one before it is."""

from enum import StrEnum


class Role(StrEnum):
    """VIEWER sees, TRADER also gives commands, ADMIN also manages users, brokers and settings."""

    VIEWER = "viewer"
    TRADER = "trader"
    ADMIN = "admin"

    def __init__(self, word: str) -> None:
        self.rank = ("viewer", "trader", "admin").index(word)

    def allows(self, needed: "Role") -> bool:
        """Whether this role may do what ``needed`` is asked for."""
        return self.rank >= needed.rank
