"""The check before every route: who asks, whether they may, whether they ask too often.

A route cannot be made without saying who may use it (``x-role``), and the check comes before anything of the request is
read. What the OpenAPI document says of roles is the very same mark.
"""

from collections.abc import Callable, Coroutine
from typing import Annotated, Any, Final, cast

from fastapi import APIRouter, Depends
from fastapi.routing import APIRoute
from starlette.requests import HTTPConnection, Request
from starlette.responses import Response

from live_trading.api.auth.accounts import Caller
from live_trading.api.auth.roles import Role
from live_trading.api.auth.tokens import unauthorized
from live_trading.api.problems import Problem
from live_trading.api.services import Services, services

ROLE: Final = "x-role"
PUBLIC: Final = "public"

Handler = Callable[[Request], Coroutine[Any, Any, Response]]


class GuardedRoute(APIRoute):
    """A route with its check."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        marked = (self.openapi_extra or {}).get(ROLE)
        if marked is None:
            raise ValueError(f"{self.path}: say who may use it with openapi_extra={{'{ROLE}': …}}")
        self.needed = None if marked == PUBLIC else Role(marked)

    def get_route_handler(self) -> Handler:
        handle = super().get_route_handler()

        async def guarded(request: Request) -> Response:
            service = services(request)
            if self.needed is None:
                await service.rates.request(f"address {address_of(request)}", request.method)
            else:
                request.state.caller = await admit(service, request, self.needed)
            return await handle(request)

        return guarded


def address_of(connection: HTTPConnection) -> str:
    """Where the request comes from, as far as can be known."""
    return connection.client.host if connection.client is not None else "unknown"


async def admit(service: Services, request: Request, needed: Role) -> Caller:
    """The caller, if the role allows it. Raises :class:`Problem` with 401, 403 or 429."""
    address = address_of(request)
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not token:
        await service.rates.request(f"address {address}", request.method)
        raise unauthorized("NOT_LOGGED_IN", "log in first, and send the access token as Authorization: Bearer …")
    caller = await whose(service, token.strip(), address)
    await service.rates.request(f"user {caller.name}", request.method)
    check_role(caller, needed)
    return caller


async def whose(service: Services, token: str, address: str, *, fresh: bool = False) -> Caller:
    """The caller of an access token; :class:`Problem` (401) when it is not good."""
    try:
        claims = service.tokens.read(token)
        return await service.accounts.identify(claims, address, fresh=fresh)
    except Problem:
        await service.rates.request(f"address {address}", "GET")
        raise


def check_role(caller: Caller, needed: Role) -> None:
    """Raise :class:`Problem` (403) unless the caller may do what ``needed`` is asked for."""
    if not caller.role.allows(needed):
        raise Problem(
            403, "ROLE_NEEDED", f"this needs the role {needed.value}; yours is {caller.role.value}", needed=needed.value
        )


def _caller(request: Request) -> Caller:
    return cast(Caller, request.state.caller)


Asking = Annotated[Caller, Depends(_caller)]
Service = Annotated[Services, Depends(services)]


def may(role: Role | None) -> dict[str, Any]:
    """The mark of who may use a route; None: anybody."""
    return {ROLE: PUBLIC if role is None else role.value}


VIEWER, TRADER, ADMIN, ANYBODY = may(Role.VIEWER), may(Role.TRADER), may(Role.ADMIN), may(None)


def router(tag: str, prefix: str = "/api") -> APIRouter:
    """A router whose routes are all guarded."""
    return APIRouter(prefix=prefix, tags=[tag], route_class=GuardedRoute)
