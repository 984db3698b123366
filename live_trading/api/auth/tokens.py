"""Tokens. Access: a signed JWT (HS256) that is good for minutes. Refresh: random, kept as a hash only, used once.

A JWT names the user and the log-in (``sid``); the role is not in it, it is looked up each time, so that a role that
was taken away is gone at once. Only the one algorithm is accepted, whatever a token's header says.
"""

import hashlib
import hmac
import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import jwt
from pydantic import SecretStr

from live_trading.api.problems import Problem
from live_trading.config import Settings
from live_trading.domain.errors import InvalidInput
from live_trading.runtime import Clock, IdSource

ALGORITHM: Final = "HS256"
ISSUER: Final = "live-trading"
AUDIENCE: Final = "live-trading-api"
KEY_FILE: Final = "api-secret-key"
_NEEDED: Final = ["exp", "iat", "sub", "sid", "jti", "iss", "aud"]
_MAX_LENGTH: Final = 4096


@dataclass(frozen=True, slots=True)
class Claims:
    """What a valid access token says."""

    user: str
    session: str
    expires_at: int


def unauthorized(code: str, detail: str) -> Problem:
    error = ' error="invalid_token"' if code.startswith("TOKEN_") else ""
    return Problem(401, code, detail, headers={"WWW-Authenticate": f'Bearer realm="live-trading"{error}'})


class Tokens:
    """Makes and reads access tokens."""

    def __init__(self, key: SecretStr, minutes: float, clock: Clock, ids: IdSource) -> None:
        self._key = key.get_secret_value()
        self._seconds = max(1, round(minutes * 60))
        self._clock = clock
        self._ids = ids

    @property
    def lifetime(self) -> int:
        """Seconds."""
        return self._seconds

    def access(self, user: str, session: str) -> str:
        """A fresh token for a user's log-in."""
        now = int(self._clock.now().timestamp())
        claims = {
            "iss": ISSUER,
            "aud": AUDIENCE,
            "sub": user,
            "sid": session,
            "jti": self._ids.token(16),
            "iat": now,
            "exp": now + self._seconds,
        }
        return jwt.encode(claims, self._key, ALGORITHM)

    def read(self, token: str) -> Claims:
        """What the token says; :class:`Problem` (401) when it is not ours, was altered, or has expired."""
        if len(token) > _MAX_LENGTH:
            raise unauthorized("TOKEN_INVALID", "the access token is not one of ours: log in")
        try:
            claims: dict[str, Any] = jwt.decode(
                token,
                self._key,
                algorithms=[ALGORITHM],
                audience=AUDIENCE,
                issuer=ISSUER,
                options={"require": _NEEDED, "verify_exp": False, "verify_iat": False},
            )
            expires_at = claims["exp"]
            user, session = claims["sub"], claims["sid"]
        except (jwt.PyJWTError, ValueError, KeyError):
            raise unauthorized("TOKEN_INVALID", "the access token is not one of ours: log in") from None
        if not isinstance(expires_at, int) or not isinstance(user, str) or not isinstance(session, str):
            raise unauthorized("TOKEN_INVALID", "the access token is not one of ours: log in")
        if expires_at <= self._clock.now().timestamp():
            raise unauthorized("TOKEN_EXPIRED", "the access token has expired: refresh it")
        return Claims(user, session, expires_at)


def refresh_secret(ids: IdSource) -> str:
    """256 random bits."""
    return ids.token(64)


def digest(secret: str) -> str:
    """What is kept of a refresh token."""
    return hashlib.sha256(secret.encode()).hexdigest()


def same(one: str, other: str) -> bool:
    """Compared in a time that tells nothing."""
    return hmac.compare_digest(one.encode(), other.encode())


def signing_key(settings: Settings, ids: IdSource) -> SecretStr:
    """``SECRET_KEY``; where none is set, one made at the first start and kept in the data directory for its owner only.

    Several processes that start at once end with the same one. Raises :class:`InvalidInput`.
    """
    if settings.api.secret_key is not None:
        return settings.api.secret_key
    path = settings.engine.data_dir / KEY_FILE
    path.parent.mkdir(parents=True, exist_ok=True)
    if not path.exists():
        _make_key(path, ids)
    try:
        key = path.read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidInput(
            "SECRET_KEY", f"{path} cannot be read: {error}", "Set SECRET_KEY, or remove the file"
        ) from None
    if len(key) < 32:
        raise InvalidInput("SECRET_KEY", f"{path} is too short", "Set SECRET_KEY, or remove the file")
    return SecretStr(key)


def _make_key(path: Path, ids: IdSource) -> None:
    """Whole or not at all: written beside, then linked into its place unless another process was faster."""
    draft = path.with_name(f"{path.name}.{ids.token(8)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="ascii") as file:
        file.write(ids.token(64))
        file.flush()
        os.fsync(file.fileno())
    with suppress(FileExistsError):
        os.link(draft, path)
    draft.unlink()
