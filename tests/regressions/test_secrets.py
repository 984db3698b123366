"""Passwords that were shown because the address they stood in was not what it should be."""

import pytest

from live_trading.database import connect, redact
from live_trading.domain.errors import InvalidInput


@pytest.mark.parametrize(
    "url",
    [
        "mongodb://anna:open/sesame@host:27017/",
        "mongodb://anna:open@sesame@host/",
        "mongodb://anna:sesame@host:port/",
        "mongodb://anna:sesame",
        "mongodb//anna:sesame@host/",
        "anna:sesame@host",
        "http://anna:sesame@host/",
    ],
)
def test_an_address_that_cannot_be_used_is_told_without_the_password(url: str) -> None:
    with pytest.raises(InvalidInput) as told:
        connect(url)
    assert "sesame" not in str(told.value)
    assert "MONGODB_URL" in str(told.value)
    assert "It looks like mongodb://user:password@host:27017" in str(told.value)


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("mongodb://anna:sesame@host:27017/db?tls=true", "mongodb://***@host:27017/db?tls=true"),
        ("mongodb://one:27017,two:27018/?replicaSet=rs0", "mongodb://one:27017,two:27018/?replicaSet=rs0"),
        (
            "mongodb://host/?tlsCertificateKeyFilePassword=sesame&w=1",
            "mongodb://host/?tlsCertificateKeyFilePassword=***&w=1",
        ),
        (
            "mongodb+srv://host/?authMechanismProperties=AWS_SESSION_TOKEN:x",
            "mongodb+srv://host/?authMechanismProperties=***",
        ),
    ],
)
def test_an_address_is_shown_without_any_secret_in_it(url: str, shown: str) -> None:
    assert redact(url) == shown
