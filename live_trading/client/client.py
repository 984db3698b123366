"""The client. ``async with Client(url) as client: await client.log_in(name, password)``.

Reads are tried again where nothing answered. Commands are sent under a key, made where none is given, so they too can
be sent again: the interface does them once. Money, prices and quantities are exact text, for ``Decimal`` to read.
"""

import asyncio
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from types import TracebackType
from typing import Any, Final, Literal, Self

import httpx
from pydantic import BaseModel, ConfigDict, SecretStr

from live_trading.client.errors import InterfaceAway, NotAllowed, Refused
from live_trading.client.feed import Message, follow
from live_trading.runtime import IdSource, SystemIds

Fields = dict[str, Any]

_TRIES: Final = 4
_PAUSE_SECONDS: Final = 0.25
_AGAIN: Final = (502, 503, 504)


class Outcome(BaseModel):
    """What came of a command. ``pending``: kept, and done when an engine takes it."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    command_id: str
    kind: str
    status: Literal["pending", "done", "refused"]
    actor: str
    created_at: datetime
    handled_at: datetime | None = None
    sequence_number: int | None = None
    operation_id: str | None = None
    result: Fields | None = None
    error: Fields | None = None

    @property
    def is_final(self) -> bool:
        return self.status != "pending"


@dataclass(slots=True)
class _Tokens:
    access: SecretStr | None = None
    refresh: SecretStr | None = None


class Client:
    """One log-in at one interface."""

    def __init__(
        self,
        url: str,
        *,
        token: SecretStr | str | None = None,
        timeout: float = 30.0,
        ids: IdSource | None = None,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        """``token``: an access token that somebody else got; else call :meth:`log_in`."""
        self.url = url.rstrip("/")
        given = SecretStr(token) if isinstance(token, str) else token
        self._tokens = _Tokens(given)
        self._ids = ids or SystemIds()
        self._renewing = asyncio.Lock()
        self._http = httpx.AsyncClient(base_url=self.url, timeout=timeout, trust_env=False, transport=transport)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Let go of the connections. The log-in lives on; :meth:`log_out` ends it."""
        await self._http.aclose()

    # ---- logging in --------------------------------------------------------------------------------------------------

    async def log_in(self, name: str, password: SecretStr | str) -> Fields:
        """Log in; who that is. Raises :class:`NotAllowed`, :class:`Refused` (locked out), :class:`InterfaceAway`."""
        secret = password.get_secret_value() if isinstance(password, SecretStr) else password
        found = await self._send("POST", "/api/login", {"name": name, "password": secret}, renew=False)
        self._keep(found)
        return {"name": found["name"], "role": found["role"]}

    async def log_out(self) -> None:
        """End the log-in."""
        await self._send("POST", "/api/logout")
        self._tokens = _Tokens()

    def _keep(self, found: Fields) -> None:
        self._tokens = _Tokens(SecretStr(found["access_token"]), SecretStr(found["refresh_token"]))

    async def _renew(self, used: SecretStr | None) -> bool:
        """Fresh tokens, once for all who wait: a refresh token that is used twice ends the log-in."""
        async with self._renewing:
            if self._tokens.access is not used:
                return True
            if self._tokens.refresh is None:
                return False
            secret = self._tokens.refresh.get_secret_value()
            self._tokens.refresh = None
            self._keep(await self._send("POST", "/api/refresh", {"refresh_token": secret}, renew=False, tries=1))
            return True

    # ---- reading -----------------------------------------------------------------------------------------------------

    async def get(self, path: str, **parameters: Any) -> Fields:
        """Any read, by its path. Parameters that are None are left out."""
        found: Fields = await self._send("GET", path, parameters=parameters)
        return found

    async def rows(self, path: str, **parameters: Any) -> AsyncIterator[Fields]:
        """All rows of a list, page by page."""
        cursor: str | None = None
        while True:
            page = await self.get(path, **{**parameters, **({"cursor": cursor} if cursor is not None else {})})
            for row in page["items"]:
                yield row
            cursor = page["next_cursor"]
            if cursor is None:
                return

    async def operations(self, **filters: Any) -> list[Fields]:
        """Operations; filters as the interface has them: status, asset, strategy, sort."""
        return [row async for row in self.rows("/api/operations", **filters)]

    async def operation(self, operation_id: str) -> Fields:
        """One operation with what is open in it."""
        return await self.get(f"/api/operations/{operation_id}")

    async def journal(self, *, first: int = 1, last: int | None = None, **filters: Any) -> AsyncIterator[Fields]:
        """The journal's entries, oldest first."""
        async for entry in self.rows("/api/journal", **{"from": first, "to": last, **filters}):
            yield entry

    async def state(self, at: int | str | None = None) -> Fields:
        """The whole state as of an entry or a time."""
        return await self.get("/api/state", at=at)

    async def follow(self, operation_id: str | None = None, after: int | None = None) -> AsyncIterator[Message]:
        """Live updates, over lost connections: every entry once, in order, from ``after`` on."""

        async def token() -> str:
            await self.get("/api/profile")  # renews the access token where it has expired
            assert self._tokens.access is not None
            return self._tokens.access.get_secret_value()

        async for message in follow(self.url, token, operation_id, after):
            yield message

    # ---- asking ------------------------------------------------------------------------------------------------------

    async def command(
        self, method: str, path: str, body: Mapping[str, Any] | None = None, *, key: str | None = None,
        wait: float | None = None, **parameters: Any,
    ) -> Outcome:  # fmt: skip
        """Any command, by its path. Sent again under the same key where nothing answered; done once.

        The outcome may be ``pending``: then no engine answered in time. Raises :class:`Refused`.
        """
        found = await self._send(
            method, path, body, parameters={"wait": wait, **parameters}, key=key or self._ids.token(32)
        )
        return Outcome.model_validate(found)

    async def create_operation(self, settings: Mapping[str, Any], *, key: str | None = None) -> Outcome:
        """Start an operation."""
        return await self.command("POST", "/api/operations", settings, key=key)

    async def pause(self, operation_id: str, reason: str = "", *, key: str | None = None) -> Outcome:
        """Pause an operation."""
        return await self.command("POST", f"/api/operations/{operation_id}/pause", {"reason": reason}, key=key)

    async def resume(self, operation_id: str, reason: str = "", *, key: str | None = None) -> Outcome:
        """Resume an operation."""
        return await self.command("POST", f"/api/operations/{operation_id}/resume", {"reason": reason}, key=key)

    async def close_operation(self, operation_id: str, reason: str = "", *, key: str | None = None) -> Outcome:
        """End an operation."""
        return await self.command("DELETE", f"/api/operations/{operation_id}", key=key, reason=reason)

    async def manual_trade(self, trade: Mapping[str, Any], *, key: str | None = None) -> Outcome:
        """Trade by hand: instrument, direction (Long, Short), quantity, stopLoss, targetPrice."""
        return await self.command("POST", "/api/manual-trade", trade, key=key)

    async def outcome(self, command_id: str, wait: float = 0) -> Outcome:
        """What came of a command."""
        return Outcome.model_validate(await self.get(f"/api/commands/{command_id}", wait=wait))

    async def outcome_of(self, key: str) -> Outcome | None:
        """What came of the command sent under a key; None when it was never taken."""
        try:
            return Outcome.model_validate(await self.get("/api/commands", key=key))
        except Refused as refused:
            if refused.status == 404:
                return None
            raise

    # ---- the wire ----------------------------------------------------------------------------------------------------

    async def _send(
        self,
        method: str,
        path: str,
        body: Mapping[str, Any] | None = None,
        *,
        parameters: Mapping[str, Any] | None = None,
        key: str | None = None,
        renew: bool = True,
        tries: int = _TRIES,
    ) -> Any:
        repeatable = method == "GET" or key is not None
        chosen = {name: value for name, value in (parameters or {}).items() if value is not None}
        for attempt in range(tries if repeatable else 1):
            if attempt:
                await asyncio.sleep(_PAUSE_SECONDS * 2**attempt)
            used = self._tokens.access
            headers = {} if used is None else {"Authorization": f"Bearer {used.get_secret_value()}"}
            if key is not None:
                headers["Idempotency-Key"] = key
            try:
                answer = await self._http.request(method, path, params=chosen, json=body, headers=headers)
            except httpx.TransportError as error:
                away = InterfaceAway(f"nothing answers at {self.url} ({type(error).__name__}): check that it runs")
                continue
            if answer.status_code in _AGAIN and repeatable:
                away = InterfaceAway(f"the interface at {self.url} cannot answer just now ({answer.status_code})")
                continue
            problem = _problem(answer)
            if problem is None:
                return answer.json() if answer.content else None
            if renew and problem.code == "TOKEN_EXPIRED" and await self._renew(used):
                return await self._send(method, path, body, parameters=parameters, key=key, renew=False)
            raise problem
        raise away


def _problem(answer: httpx.Response) -> Refused | None:
    if answer.is_success:
        return None
    try:
        body = answer.json()
    except ValueError:
        body = {}
    kind = NotAllowed if answer.status_code in (401, 403) else Refused
    return kind(answer.status_code, body if isinstance(body, dict) else {})
