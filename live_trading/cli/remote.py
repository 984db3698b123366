"""Commands on a far away installation, through its HTTP interface: ``--remote URL``.

The log-in is an access token in ``LIVE_TRADING_TOKEN``, or a name in ``LIVE_TRADING_USER`` and the password in
``LIVE_TRADING_PASSWORD`` (else it is asked for). What is shown is the same as of an installation that is near.
"""

import os
import sys
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any, Final

import typer
from rich.console import Console

from live_trading.cli.exits import EngineAway, NotFound, WasRefused
from live_trading.cli.shell import Answer, Function, Shell
from live_trading.cli.tables import (
    OPERATION_COLUMNS,
    ORDER_COLUMNS,
    POSITION_COLUMNS,
    Column,
    show_fields,
    show_table,
)
from live_trading.client import Client, Outcome, Refused
from live_trading.domain.errors import InvalidInput

TOKEN, USER, PASSWORD = "LIVE_TRADING_TOKEN", "LIVE_TRADING_USER", "LIVE_TRADING_PASSWORD"

_ENTRY_COLUMNS: Final = (
    Column("entry", "sequence_number", number=True),
    Column("time", "timestamp"),
    Column("what", "action_type"),
    Column("by", "actor"),
)


@asynccontextmanager
async def _connected(shell: Shell) -> AsyncIterator[Client]:
    assert shell.remote is not None
    if not shell.remote.startswith(("http://", "https://")):
        raise InvalidInput(
            "--remote", f'"{shell.remote}" is not an address', "Give it like https://trading.example.org"
        )
    async with Client(shell.remote, token=os.environ.get(TOKEN)) as client:
        try:
            if not os.environ.get(TOKEN):
                await client.log_in(_name(), _password())
            yield client
        except Refused as refused:
            if refused.status == 404:
                raise NotFound(str(refused)) from None
            raise WasRefused(str(refused), refused.code, status=refused.status) from None


def _name() -> str:
    name = os.environ.get(USER)
    if name:
        return name
    if not sys.stdin.isatty():
        raise InvalidInput("--remote", "nobody is logged in", f"Set {TOKEN}, or {USER} and {PASSWORD}")
    return str(typer.prompt("User"))


def _password() -> str:
    return os.environ.get(PASSWORD) or str(typer.prompt("Password", hide_input=True))


def _done(outcome: Outcome) -> Answer:
    """As :func:`live_trading.cli.access.ask` has it."""
    if not outcome.is_final:
        raise EngineAway(
            f"no engine answered in time. The command is kept: command {outcome.command_id}",
            command_id=outcome.command_id,
            status="pending",
        )
    fields = {"command_id": outcome.command_id, "status": outcome.status, "sequence_number": outcome.sequence_number}
    fields.update(outcome.result or {})
    return Answer(fields, show_fields(fields, "Done"))


async def _list(shell: Shell, name: str, path: str, columns: tuple[Column, ...], **filters: Any) -> Answer:
    async with _connected(shell) as client:
        limit = filters.get("limit", 100)
        page = await client.get(path, **{**filters, "limit": min(limit, 1000)})
    found = page["items"]
    return Answer({name: found, "seq": page["seq"]}, show_table(found, columns, f"There are no {name}."))


async def _show(shell: Shell, path: str, **parameters: Any) -> Answer:
    async with _connected(shell) as client:
        found = await client.get(path, **parameters)

    def show(console: Console) -> None:
        flat = {name: value for name, value in found.items() if not isinstance(value, list | dict)}
        show_fields(flat)(console)

    return Answer(found, show)


async def _ask(
    shell: Shell, method: str, path: str, body: Mapping[str, Any] | None, given: Mapping[str, Any], **more: Any
) -> Answer:
    async with _connected(shell) as client:
        return _done(await client.command(method, path, body, key=given.get("key"), wait=given.get("wait"), **more))


# ---- the commands ----------------------------------------------------------------------------------------------------


async def _operations(shell: Shell, status: str | None, limit: int) -> Answer:
    return await _list(shell, "operations", "/api/operations", OPERATION_COLUMNS, status=status, limit=limit)


async def _operation(shell: Shell, operation: str) -> Answer:
    return await _show(shell, f"/api/operations/{operation}")


async def _pause(shell: Shell, operation: str, reason: str, **given: Any) -> Answer:
    return await _ask(shell, "POST", f"/api/operations/{operation}/pause", {"reason": reason}, given)


async def _resume(shell: Shell, operation: str, reason: str, **given: Any) -> Answer:
    return await _ask(shell, "POST", f"/api/operations/{operation}/resume", {"reason": reason}, given)


async def _close(shell: Shell, operation: str, reason: str, **given: Any) -> Answer:
    return await _ask(shell, "DELETE", f"/api/operations/{operation}", None, given, reason=reason)


async def _note(shell: Shell, operation: str, text: str, **given: Any) -> Answer:
    return await _ask(shell, "POST", f"/api/operations/{operation}/notes", {"text": text}, given)


async def _positions(shell: Shell, every: bool, operation: str | None, limit: int) -> Answer:
    path = "/api/positions" if operation is None else f"/api/operations/{operation}/positions"
    status = None if every else "open"
    return await _list(shell, "positions", path, POSITION_COLUMNS, status=status, limit=limit)


async def _orders(shell: Shell, working: bool, status: str | None, operation: str | None, limit: int) -> Answer:
    path = "/api/orders" if operation is None else f"/api/operations/{operation}/orders"
    filters = {"working": True if working else None, "status": status, "limit": limit}
    return await _list(shell, "orders", path, ORDER_COLUMNS, **filters)


async def _order(shell: Shell, order: str) -> Answer:
    return await _show(shell, f"/api/orders/{order}")


async def _cancel(shell: Shell, order: str, reason: str, **given: Any) -> Answer:
    return await _ask(shell, "POST", f"/api/orders/{order}/cancel", {"reason": reason}, given)


async def _tail(shell: Shell, follow: bool, count: int, operation: str | None) -> Answer:
    if follow:
        raise InvalidInput("--follow", "is for an installation that is near", "Leave it out with --remote")
    path = "/api/journal" if operation is None else f"/api/operations/{operation}/journal"
    order = {"order": "desc"} if operation is None else {}
    async with _connected(shell) as client:
        page = await client.get(path, limit=min(count, 1000), **order)
    found = page["items"][::-1]
    return Answer({"entries": found}, show_table(found, _ENTRY_COLUMNS, "There are no entries."))


async def _entry(shell: Shell, number: int) -> Answer:
    return await _show(shell, f"/api/journal/{number}")


async def _state(shell: Shell, moment: str | None) -> Answer:
    return await _show(shell, "/api/state", at=moment)


REMOTE: Final[dict[str, Callable[..., Any]]] = {
    "operations.list_": _operations,
    "operations.show": _operation,
    "operations.pause": _pause,
    "operations.resume": _resume,
    "operations.close": _close,
    "operations.note": _note,
    "trading.list_positions": _positions,
    "trading.list_orders": _orders,
    "trading.show_order": _order,
    "trading.cancel_order": _cancel,
    "records.tail": _tail,
    "records.show": _entry,
    "records.state": _state,
}
"""By the function that does the same near by."""


def remote_of(function: Function) -> Callable[..., Any]:
    """What does a command's work far away; :class:`InvalidInput` for one that is only for near by."""
    name = f"{function.__module__.rpartition('.')[2]}.{function.__name__}"
    if name not in REMOTE:
        raise InvalidInput(
            "--remote",
            "this command is for the machine the data is on",
            "With --remote go: operations list, show, pause, resume, close, note; positions list; "
            "orders list, show, cancel; journal tail, show; state",
        )
    return REMOTE[name]
