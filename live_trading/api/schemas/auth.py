"""Log-ins and users."""

from datetime import datetime

from pydantic import Field, SecretStr

from live_trading.api.auth.passwords import MAX_LENGTH, MIN_LENGTH
from live_trading.api.auth.roles import Role
from live_trading.api.schemas.base import Given, Text, Told

_NAME = r"^[a-z0-9][a-z0-9._-]{0,31}$"


class LoginRequest(Given):
    """A log-in by name and password."""

    name: Text = Field(min_length=1, max_length=64, description="the user's name", examples=["admin"])
    password: SecretStr = Field(min_length=1, max_length=MAX_LENGTH, description="the password")


class RefreshRequest(Given):
    """A refresh token, which is used up by this."""

    refresh_token: SecretStr = Field(min_length=1, max_length=256, description="from the log-in, or the last refresh")


class Tokens(Told):
    """What a log-in gives. Keep the refresh token as carefully as a password."""

    access_token: str = Field(description="send it as Authorization: Bearer …")
    token_type: str = Field(description="bearer", examples=["bearer"])
    expires_in: int = Field(description="seconds until the access token expires")
    refresh_token: str = Field(description="good once, for the next tokens")
    refresh_expires_at: datetime = Field(description="when it is good no more")
    name: str = Field(description="who logged in")
    role: Role = Field(description="what the user may do")


class User(Told):
    """A user. The password is never told."""

    name: str = Field(description="the user's name", examples=["anna"])
    role: Role = Field(description="viewer sees, trader also commands, admin also manages")
    disabled: bool = Field(description="whether logging in is refused")
    created_at: datetime = Field(description="when the user was added")
    updated_at: datetime = Field(description="when the user was last changed")


class Users(Told):
    """Every user."""

    items: list[User] = Field(description="by name")


class NewUser(Given):
    """A user to be added."""

    name: Text = Field(pattern=_NAME, description="a-z, 0-9, dot, dash, underscore", examples=["anna"])
    role: Role = Field(description="viewer, trader or admin")
    password: SecretStr = Field(min_length=MIN_LENGTH, max_length=MAX_LENGTH, description="12 characters or more")


class UserChange(Given):
    """What is to change. A user who is changed has to log in again."""

    role: Role | None = Field(default=None, description="viewer, trader or admin")
    password: SecretStr | None = Field(
        default=None, min_length=MIN_LENGTH, max_length=MAX_LENGTH, description="12 characters or more"
    )
    disabled: bool | None = Field(default=None, description="true: may not log in")
    revoke: bool = Field(default=False, description="end every log-in, and change nothing else")


class Profile(Told):
    """Who is logged in, in the words of the trading screen."""

    userId: str = Field(description="the user's name")  # noqa: N815 - the interface's own name
    name: str = Field(description="the user's name")
    role: Role = Field(description="what the user may do")
    capital: dict[str, str] = Field(description="capital of all operations that are not closed, by currency")
    permissions: list[str] = Field(description="view, trade, manage: what the role allows")
    account_type: str = Field(description="PAPER or LIVE: what orders of this installation cost", examples=["PAPER"])
