"""Secrets at rest: what is kept in the database can be read with a key from the environment alone."""

import base64
from typing import Final

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from pydantic import SecretStr

from live_trading.domain.errors import InvalidInput

KEY_VARIABLE: Final = "BROKER_SECRETS_KEY"
KEY_LENGTH: Final = 32
"""Fewest characters of a key: it is not stretched, so it must be random, as ``openssl rand -hex 32`` makes one."""

_INFO: Final = b"live-trading broker secrets v1"
_FIELD: Final = "broker.secrets_key"
_REMEDY: Final = f"Set {KEY_VARIABLE} to what openssl rand -hex 32 prints, and keep it safe: without it they are lost"


class SecretBox:
    """Encrypts and decrypts with the keys of ``text``: one, or several with commas between, of which the first
    encrypts and all decrypt (so that a key can be replaced). None: there is no key, and every use says so.

    Fernet (AES-128-CBC and HMAC-SHA256) under a key derived by HKDF-SHA256. Raises :class:`InvalidInput`.
    """

    def __init__(self, text: SecretStr | None) -> None:
        keys = [] if text is None else [part.strip() for part in text.get_secret_value().split(",") if part.strip()]
        if any(len(key) < KEY_LENGTH for key in keys):
            raise InvalidInput(_FIELD, f"a key is shorter than {KEY_LENGTH} characters", _REMEDY)
        self._fernet = MultiFernet([_fernet(key) for key in keys]) if keys else None

    @property
    def is_open(self) -> bool:
        """Whether there is a key."""
        return self._fernet is not None

    def seal(self, secret: SecretStr) -> str:
        """The secret as it may be stored."""
        return self._opened().encrypt(secret.get_secret_value().encode()).decode()

    def unseal(self, sealed: str) -> SecretStr:
        """The secret that was sealed."""
        try:
            return SecretStr(self._opened().decrypt(sealed.encode()).decode())
        except InvalidToken:
            raise InvalidInput(
                _FIELD, "the stored secret was encrypted under another key", "Give that key too, or the secret anew"
            ) from None

    def _opened(self) -> MultiFernet:
        if self._fernet is None:
            raise InvalidInput(_FIELD, "there is no key to keep brokers' secrets under", _REMEDY)
        return self._fernet


def _fernet(key: str) -> Fernet:
    derived = HKDF(algorithm=hashes.SHA256(), length=32, salt=None, info=_INFO).derive(key.encode())
    return Fernet(base64.urlsafe_b64encode(derived))
