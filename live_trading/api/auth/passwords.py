"""Passwords: Argon2id, in a thread, a few at a time, so that hashing never holds up the event loop or the machine."""

import asyncio
from typing import Final

from pwdlib import PasswordHash
from pwdlib.hashers.argon2 import Argon2Hasher

from live_trading.domain.errors import InvalidInput

MIN_LENGTH: Final = 12
MAX_LENGTH: Final = 256
_AT_ONCE: Final = 2

# The parameters of RFC 9106's second recommendation, for machines where memory is scarce: 64 MiB, 3 passes, 4 lanes.
_hash = PasswordHash((Argon2Hasher(time_cost=3, memory_cost=65_536, parallelism=4),))


def check_password(password: str, user: str = "") -> None:
    """Refuse a password that is too short, too long, or the name itself."""
    if not MIN_LENGTH <= len(password) <= MAX_LENGTH:
        raise InvalidInput("password", f"must be {MIN_LENGTH} to {MAX_LENGTH} characters long", "Use a passphrase")
    if len(set(password)) < 5 or (user and user.lower() in password.lower()):
        raise InvalidInput("password", "is too easily guessed", "Use a passphrase that does not hold the user's name")


class Passwords:
    """Hashes and verifies. One in each process."""

    def __init__(self) -> None:
        self._turn = asyncio.Semaphore(_AT_ONCE)
        self._nobody: str | None = None

    async def hash(self, password: str) -> str:
        async with self._turn:
            return await asyncio.to_thread(_hash.hash, password)

    async def verify(self, password: str, stored: str | None) -> bool:
        """Whether it is the password; as much work for a user that does not exist (``stored`` None)."""
        if len(password) > MAX_LENGTH:
            password, stored = "", None
        if stored is None and self._nobody is None:
            self._nobody = await self.hash("nobody's password")
        async with self._turn:
            matches = await asyncio.to_thread(_hash.verify, password, stored or self._nobody or "")
        return matches and stored is not None
