"""What must be true before an interface may give orders to an account with real money."""

from typing import Final

from live_trading.config import Settings
from live_trading.domain.errors import InvalidInput
from live_trading.domain.values import AccountType

SHORTEST_KEY: Final = 32
_FEWEST_LETTERS: Final = 10
_MAKE_ONE: Final = "Set SECRET_KEY: openssl rand -hex 32 makes one"
_DEFAULTS: Final = (
    *("changeme", "change-me", "change_me", "secret", "default"),
    *("example", "your-", "password", "12345678"),
)


def check_live(settings: Settings, configured_live: str | None = None) -> None:
    """Refuse to start for a LIVE account unless the key is one's own and long, TLS is in front, and a person said yes.

    ``configured_live`` is the name of a broker that people configured whose account is LIVE, None where there is none.
    Raises :class:`InvalidInput`, naming the first thing that is missing.
    """
    if settings.broker.account_type is AccountType.LIVE:
        why = "is needed, because the broker's account is LIVE"
    elif configured_live is not None:
        why = f"is needed, because the account of the configured broker {configured_live} is LIVE"
    else:
        return
    key = settings.api.secret_key.get_secret_value() if settings.api.secret_key is not None else ""
    if not key:
        raise InvalidInput("api.secret_key", f"{why}: none is set", _MAKE_ONE)
    if is_weak(key):
        raise InvalidInput(
            "api.secret_key",
            "is short, or one that comes with examples",
            _MAKE_ONE,
        )
    if not settings.api.tls_in_front:
        raise InvalidInput("api.tls_in_front", why, "Put a proxy that speaks TLS in front, then set API_TLS=true")
    if not settings.api.confirm_live:
        raise InvalidInput("api.confirm_live", why, "Set API_CONFIRM_LIVE=true if real money is what you mean")


def is_weak(key: str) -> bool:
    """Whether a signing key is short, or of the kind that stands in examples."""
    lower = key.lower()
    return len(key) < SHORTEST_KEY or len(set(key)) < _FEWEST_LETTERS or any(word in lower for word in _DEFAULTS)
