"""Logging in and out, and the users."""

from collections import defaultdict
from decimal import Decimal
from typing import Annotated

from fastapi import Path
from starlette.requests import Request
from starlette.responses import Response

from live_trading.api.answers import JSON, answer, encode
from live_trading.api.auth.accounts import LoggedIn
from live_trading.api.auth.roles import Role
from live_trading.api.guard import ADMIN, ANYBODY, VIEWER, Asking, Service, address_of, router
from live_trading.api.schemas.auth import (
    LoginRequest,
    NewUser,
    Profile,
    RefreshRequest,
    Tokens,
    User,
    UserChange,
    Users,
)
from live_trading.domain.values import OperationStatus
from live_trading.projections.documents import OPERATIONS

api = router("access")

UserName = Annotated[
    str, Path(pattern=r"^[a-z0-9][a-z0-9._-]{0,31}$", description="the user's name", examples=["anna"])
]


def _tokens(logged_in: LoggedIn) -> Response:
    content = {
        "access_token": logged_in.access_token,
        "token_type": "bearer",
        "expires_in": logged_in.expires_in,
        "refresh_token": logged_in.refresh_token,
        "refresh_expires_at": logged_in.refresh_expires_at,
        "name": logged_in.caller.name,
        "role": logged_in.caller.role.value,
    }
    return Response(encode(content), 200, {"Cache-Control": "no-store"}, JSON)


@api.post("/login", response_model=Tokens, openapi_extra=ANYBODY)
async def log_in(request: Request, service: Service, body: LoginRequest) -> Response:
    """Log in. Wrong passwords in a row lock the name, for longer each time; whether it exists is not told."""
    address = address_of(request)
    await service.rates.login(body.name, address)
    return _tokens(await service.accounts.log_in(body.name, body.password.get_secret_value(), address))


@api.post("/refresh", response_model=Tokens, openapi_extra=ANYBODY)
async def refresh(request: Request, service: Service, body: RefreshRequest) -> Response:
    """Fresh tokens for a refresh token. Used a second time, it ends the log-in: somebody else has it."""
    return _tokens(await service.accounts.refresh(body.refresh_token.get_secret_value(), address_of(request)))


@api.post("/logout", status_code=204, response_class=Response, openapi_extra=VIEWER)
async def log_out(service: Service, caller: Asking) -> Response:
    """End this log-in. Its tokens are worth nothing from now on."""
    await service.accounts.log_out(caller)
    return Response(status_code=204)


@api.get("/profile", response_model=Profile, openapi_extra=VIEWER)
async def get_profile(request: Request, service: Service, caller: Asking) -> Response:
    """Who is logged in, what they may do, and with how much."""
    capital: dict[str, Decimal] = defaultdict(Decimal)
    still_there = {"status": {"$ne": OperationStatus.CLOSED.value}}
    async for found in service.database[OPERATIONS].find(still_there, {"currency": 1, "current_capital": 1}):
        capital[found["currency"]] += found["current_capital"].to_decimal()
    permissions = [
        word for role, word in zip(Role, ("view", "trade", "manage"), strict=True) if caller.role.allows(role)
    ]
    content = {
        "userId": caller.name,
        "name": caller.name,
        "role": caller.role.value,
        "capital": {currency: format(amount, "f") for currency, amount in sorted(capital.items())},
        "permissions": permissions,
        "account_type": service.settings.broker.account_type.value,
    }
    return answer(request, content, None)


@api.get("/users", response_model=Users, openapi_extra=ADMIN)
async def list_users(request: Request, service: Service) -> Response:
    """Every user."""
    return answer(request, {"items": await service.accounts.users()}, None)


@api.post("/users", response_model=User, status_code=201, openapi_extra=ADMIN)
async def add_user(service: Service, caller: Asking, body: NewUser) -> Response:
    """Add a user."""
    added = await service.accounts.add(body.name, body.role, body.password.get_secret_value(), caller.actor)
    return Response(encode(added), 201, {"Location": f"/api/users/{body.name}", "Cache-Control": "no-store"}, JSON)


@api.get("/users/{name}", response_model=User, openapi_extra=ADMIN)
async def get_user(request: Request, service: Service, name: UserName) -> Response:
    """One user."""
    return answer(request, await service.accounts.user(name), None)


@api.put("/users/{name}", response_model=User, openapi_extra=ADMIN)
async def change_user(service: Service, caller: Asking, name: UserName, body: UserChange) -> Response:
    """Change a user's role or password, disable, enable, or end every log-in."""
    if body.revoke and body.model_fields_set == {"revoke"}:
        changed = await service.accounts.revoke(name, caller.actor)
    else:
        password = body.password.get_secret_value() if body.password is not None else None
        changed = await service.accounts.change(
            name, caller.actor, role=body.role, password=password, disabled=body.disabled
        )
    return Response(encode(changed), 200, {"Cache-Control": "no-store"}, JSON)


@api.delete("/users/{name}", status_code=204, response_class=Response, openapi_extra=ADMIN)
async def remove_user(service: Service, caller: Asking, name: UserName) -> Response:
    """Remove a user, and end every log-in. What the user did stays in the journal."""
    await service.accounts.remove(name, caller.actor)
    return Response(status_code=204)
