"""Who may do what: every route and every socket, for every role, with every kind of token there is."""

import re
from datetime import timedelta
from typing import Any, NamedTuple

import httpx
import jwt
import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect as open_socket

from live_trading.api.app import create_app
from live_trading.api.auth.roles import Role
from live_trading.api.auth.tokens import ALGORITHM
from live_trading.runtime import SystemClock
from tests.api.stack import NAMES, SECRET_KEY, Stack

NEEDED: dict[str, Role | None] = {
    "GET /health": None,
    "GET /metrics": None,
    "GET /api/health": None,
    "POST /api/login": None,
    "POST /api/refresh": None,
    "POST /api/logout": Role.VIEWER,
    "GET /api/profile": Role.VIEWER,
    "GET /api/operations": Role.VIEWER,
    "POST /api/operations": Role.TRADER,
    "GET /api/operations/{operation_id}": Role.VIEWER,
    "PUT /api/operations/{operation_id}": Role.TRADER,
    "DELETE /api/operations/{operation_id}": Role.TRADER,
    "POST /api/operations/{operation_id}/pause": Role.TRADER,
    "POST /api/operations/{operation_id}/resume": Role.TRADER,
    "POST /api/operations/{operation_id}/recover-preview": Role.VIEWER,
    "POST /api/operations/{operation_id}/protection": Role.TRADER,
    "POST /api/operations/{operation_id}/notes": Role.TRADER,
    "GET /api/operations/{operation_id}/notes": Role.VIEWER,
    "GET /api/operations/{operation_id}/positions": Role.VIEWER,
    "GET /api/operations/{operation_id}/transactions": Role.VIEWER,
    "GET /api/operations/{operation_id}/trades": Role.VIEWER,
    "GET /api/operations/{operation_id}/orders": Role.VIEWER,
    "GET /api/operations/{operation_id}/bars": Role.VIEWER,
    "GET /api/operations/{operation_id}/signals": Role.VIEWER,
    "GET /api/operations/{operation_id}/journal": Role.VIEWER,
    "GET /api/operations/{operation_id}/stats": Role.VIEWER,
    "GET /api/positions": Role.VIEWER,
    "GET /api/positions/{position_id}": Role.VIEWER,
    "POST /api/positions/{position_id}/close": Role.TRADER,
    "GET /api/orders": Role.VIEWER,
    "GET /api/orders/{order_id}": Role.VIEWER,
    "POST /api/orders/{order_id}/cancel": Role.TRADER,
    "POST /api/orders/{order_id}/resolve": Role.TRADER,
    "POST /api/discrepancies/resolve": Role.TRADER,
    "POST /api/manual-trade": Role.TRADER,
    "POST /api/live/start": Role.TRADER,
    "POST /api/live/stop": Role.TRADER,
    "POST /api/kill-switch": Role.TRADER,
    "DELETE /api/kill-switch": Role.TRADER,
    "GET /api/commands": Role.VIEWER,
    "GET /api/commands/{command_id}": Role.VIEWER,
    "GET /api/trades": Role.VIEWER,
    "GET /api/trades/export": Role.VIEWER,
    "GET /api/trades/{trade_id}/why": Role.VIEWER,
    "GET /api/stats/overall": Role.VIEWER,
    "GET /api/equity-curve": Role.VIEWER,
    "GET /api/journal": Role.VIEWER,
    "GET /api/journal/verify": Role.VIEWER,
    "GET /api/journal/{sequence_number}": Role.VIEWER,
    "GET /api/state": Role.VIEWER,
    "GET /api/historical-data": Role.VIEWER,
    "GET /api/config": Role.VIEWER,
    "GET /api/strategies": Role.VIEWER,
    "GET /api/instruments": Role.VIEWER,
    "GET /api/settings": Role.VIEWER,
    "PUT /api/settings": Role.ADMIN,
    "GET /api/brokers": Role.VIEWER,
    "GET /api/brokers/{name}": Role.VIEWER,
    "POST /api/brokers": Role.ADMIN,
    "PUT /api/brokers/{name}": Role.ADMIN,
    "DELETE /api/brokers/{name}": Role.ADMIN,
    "POST /api/brokers/{name}/test": Role.ADMIN,
    "GET /api/users": Role.ADMIN,
    "POST /api/users": Role.ADMIN,
    "GET /api/users/{name}": Role.ADMIN,
    "PUT /api/users/{name}": Role.ADMIN,
    "DELETE /api/users/{name}": Role.ADMIN,
}
"""Written down a second time on purpose: a route that is new, or lets in whom it did not, is seen here."""


NOBODY = "nobody-at-all"
VALUES = {"name": NOBODY, "sequence_number": "999999999", "order_id": "0" * 24, "command_id": "0" * 24}


class Asked(NamedTuple):
    method: str
    path: str

    @property
    def address(self) -> str:
        """The path with values of nothing that exists, so that no request does anything."""
        return re.sub(r"{(\w+)}", lambda found: VALUES.get(found[1], "0" * 24), self.path)


DOCUMENT = create_app().openapi()
ROUTES = sorted(Asked(method.upper(), path) for path, operations in DOCUMENT["paths"].items() for method in operations)


def test_every_route_is_in_the_table_and_every_line_of_the_table_is_a_route() -> None:
    assert {f"{asked.method} {asked.path}" for asked in ROUTES} == set(NEEDED)


def test_document_says_of_every_route_the_role_it_needs() -> None:
    for asked in ROUTES:
        operation = DOCUMENT["paths"][asked.path][asked.method.lower()]
        needed = NEEDED[f"{asked.method} {asked.path}"]
        assert operation["x-role"] == (needed.value if needed is not None else "public")
        assert operation.get("security") == (None if needed is None else [{"bearer": []}])


class Forge:
    """Tokens of every kind that must not do."""

    def __init__(self, stack: Stack) -> None:
        self.good = stack.log_in(NAMES[Role.ADMIN])
        ended = stack.log_in(NAMES[Role.ADMIN])
        httpx.post(
            f"{stack.url}/api/logout", headers={"Authorization": f"Bearer {ended['access_token']}"}, trust_env=False
        ).raise_for_status()
        claims = jwt.decode(self.good["access_token"], options={"verify_signature": False})
        past = int((SystemClock().now() - timedelta(hours=1)).timestamp())
        header, body, signature = self.good["access_token"].split(".")
        other_body = jwt.encode({**claims, "sub": "vera"}, SECRET_KEY, ALGORITHM).split(".")[1]
        self.kinds: dict[str, tuple[str | None, str]] = {
            "none": (None, "NOT_LOGGED_IN"),
            "empty": ("", "NOT_LOGGED_IN"),
            "expired": (self._sign({**claims, "exp": past}), "TOKEN_EXPIRED"),
            "tampered body": (f"{header}.{other_body}.{signature}", "TOKEN_INVALID"),
            "tampered signature": (f"{header}.{body}.{signature[::-1]}", "TOKEN_INVALID"),
            "revoked": (ended["access_token"], "TOKEN_REVOKED"),
            "algorithm none": (jwt.encode(claims, "", "none"), "TOKEN_INVALID"),
            "algorithm HS512": (jwt.encode(claims, SECRET_KEY, "HS512"), "TOKEN_INVALID"),
            "another key": (self._sign(claims, "another key of the same length, 0123456789"), "TOKEN_INVALID"),
            "another audience": (self._sign({**claims, "aud": "elsewhere"}), "TOKEN_INVALID"),
            "another issuer": (self._sign({**claims, "iss": "elsewhere"}), "TOKEN_INVALID"),
            "no expiry": (self._sign({k: v for k, v in claims.items() if k != "exp"}), "TOKEN_INVALID"),
            "of a user that is gone": (self._sign({**claims, "sub": NOBODY}), "TOKEN_REVOKED"),
            "of another user's log-in": (self._sign({**claims, "sub": "vera"}), "TOKEN_REVOKED"),
            "operator for a log-in": (self._sign({**claims, "sid": {"$gt": ""}}), "TOKEN_INVALID"),
            "the refresh token": (self.good["refresh_token"], "TOKEN_INVALID"),
            "nonsense": ("nonsense", "TOKEN_INVALID"),
            "far too long": ("x" * 6000, "TOKEN_INVALID"),
        }

    def _sign(self, claims: dict[str, Any], key: str = SECRET_KEY) -> str:
        return jwt.encode(claims, key, ALGORITHM)


@pytest.fixture(scope="module")
def forge(stack: Stack) -> Forge:
    return Forge(stack)


ON_EVERY_ROUTE = ("none", "expired", "tampered body", "revoked", "algorithm none", "algorithm HS512")
"""The check is one for all routes: these kinds show that none is without it, the others that it misses nothing."""
SAMPLES = ("GET /api/profile", "POST /api/manual-trade", "DELETE /api/users/{name}")


def test_no_route_lets_a_bad_token_in(stack: Stack, forge: Forge) -> None:
    guarded = [asked for asked in ROUTES if NEEDED[f"{asked.method} {asked.path}"] is not None]
    assert len(guarded) > 60
    with stack.client() as client:
        for asked in guarded:
            kinds = forge.kinds if f"{asked.method} {asked.path}" in SAMPLES else ON_EVERY_ROUTE
            for kind in kinds:
                token, code = forge.kinds[kind]
                headers = {} if token is None else {"Authorization": f"Bearer {token}".strip()}
                answer = client.request(asked.method, asked.address, headers=headers, content=b"{")
                said = f"{asked.method} {asked.path} with {kind}: {answer.status_code} {answer.text}"
                assert answer.status_code == 401, said
                assert answer.json()["code"] == code, said
                assert answer.headers["www-authenticate"].startswith("Bearer"), said


def test_every_route_lets_in_the_roles_of_the_table_and_no_other(stack: Stack) -> None:
    for role in Role:
        with stack.client(role) as client:
            for asked in ROUTES:
                if asked.path == "/api/logout":
                    continue  # it would end the log-in that all others use; it has a test of its own
                needed = NEEDED[f"{asked.method} {asked.path}"]
                answer = client.request(asked.method, asked.address, content=b"{" if asked.method != "GET" else None)
                said = f"{asked.method} {asked.path} as {role}: {answer.status_code} {answer.text[:200]}"
                if needed is not None and not role.allows(needed):
                    assert answer.status_code == 403, said
                    assert answer.json()["code"] == "ROLE_NEEDED", said
                else:
                    assert answer.status_code not in (401, 403), said
                    assert answer.status_code < 500, said


def test_scheme_other_than_bearer_is_not_taken(stack: Stack, forge: Forge) -> None:
    with stack.client() as client:
        for value in (f"Basic {forge.good['access_token']}", forge.good["access_token"], "Bearer"):
            assert client.get("/api/profile", headers={"Authorization": value}).status_code == 401
        assert client.get("/api/profile", params={"access_token": forge.good["access_token"]}).status_code == 401


# ---- sockets ---------------------------------------------------------------------------------------------------------

SOCKETS = ("/ws/overall", f"/ws/operations/{'0' * 24}")


def ending(stack: Stack, path: str, *protocols: str) -> tuple[int, str, list[str]]:
    """How a socket is closed: the code, the reason, and what was said before."""
    said: list[str] = []
    with open_socket(stack.url.replace("http", "ws") + path, subprotocols=list(protocols) or None) as socket:  # type: ignore[arg-type]
        try:
            while True:
                said.append(str(socket.recv(timeout=30)))
        except ConnectionClosed as closed:
            ended = closed.rcvd
    return (0, "", said) if ended is None else (ended.code, ended.reason, said)


@pytest.mark.parametrize("path", SOCKETS)
def test_no_socket_lets_a_bad_token_in(stack: Stack, forge: Forge, path: str) -> None:
    for kind, (token, code) in forge.kinds.items():
        if kind == "far too long":
            continue  # a header of that length is refused by the server itself
        offered = ["live-trading"] if not token else ["live-trading", f"bearer.{token}"]
        status, reason, said = ending(stack, path, *offered)
        assert (status, reason) == (4401, code), kind
        (bye,) = said
        assert '"type":"bye"' in bye


def test_token_in_the_address_of_a_socket_is_not_taken(stack: Stack, forge: Forge) -> None:
    token = forge.good["access_token"]
    for path in (f"/ws/overall?token={token}", f"/ws/overall?access_token={token}"):
        assert ending(stack, path, "live-trading")[0] == 4401


def test_socket_of_no_operation_and_after_no_entry_is_closed_with_the_reason(stack: Stack) -> None:
    bearer = f"bearer.{stack.token(Role.VIEWER)}"
    assert ending(stack, SOCKETS[1], "live-trading", bearer)[:2] == (4404, "NOT_FOUND")
    for path in (
        "/ws/operations/nonsense",
        "/ws/overall?after=-1",
        "/ws/overall?after=x",
        "/ws/overall?after=999999999",
    ):
        assert ending(stack, path, "live-trading", bearer)[:2] == (4422, "INVALID_INPUT"), path


@pytest.mark.parametrize("role", Role)
def test_every_role_may_listen(stack: Stack, role: Role) -> None:
    protocols = ["live-trading", f"bearer.{stack.token(role)}"]
    with open_socket(stack.url.replace("http", "ws") + "/ws/overall", subprotocols=protocols) as socket:  # type: ignore[arg-type]
        assert socket.subprotocol == "live-trading", "the token is not sent back"
        assert '"type":"hello"' in str(socket.recv(timeout=30))
