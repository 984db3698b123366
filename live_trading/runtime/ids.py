"""Where ids and randomness come from.

Few things need them: a journal's deployment id at its birth, an instance's name, a command's id, the jitter of a
retry. Everything in the ledger is named by a function of sequence numbers instead (``domain.ids``).
"""

import random
import secrets
from abc import ABC, abstractmethod


class IdSource(ABC):
    """Gives ids that do not repeat, and jitter."""

    @abstractmethod
    def token(self, length: int = 24) -> str:
        """A fresh id of ``length`` lower-case hexadecimal digits."""

    @abstractmethod
    def uniform(self, low: float, high: float) -> float:
        """A number between ``low`` and ``high``, for jitter."""


class SystemIds(IdSource):
    """From the operating system's entropy."""

    def token(self, length: int = 24) -> str:
        return secrets.token_hex((length + 1) // 2)[:length]

    def uniform(self, low: float, high: float) -> float:
        return low + (high - low) * secrets.randbelow(1 << 30) / (1 << 30)


class SeededIds(IdSource):
    """From a seed: the same seed gives the same ids in the same order. For simulations."""

    def __init__(self, seed: int | str) -> None:
        self._random = random.Random(seed)  # noqa: S311 - reproducible on purpose

    def token(self, length: int = 24) -> str:
        return f"{self._random.getrandbits(length * 4):0{length}x}"

    def uniform(self, low: float, high: float) -> float:
        return self._random.uniform(low, high)
