"""``api`` and ``users``: the HTTP interface as a process of its own, and who may use it.

What they need of web libraries is imported when they run: other commands do not wait for it.
"""

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated, Any

import typer

from live_trading.cli.access import actor, opened
from live_trading.cli.exits import NotFound
from live_trading.cli.services import on_signals
from live_trading.cli.shell import Answer, Shell, command
from live_trading.cli.tables import Column, show_fields, show_table
from live_trading.domain.errors import InvalidInput
from live_trading.runtime import Runtime

users = typer.Typer(help="Users of the HTTP interface.", no_args_is_help=True)

PASSWORD_VARIABLE = "LIVE_TRADING_PASSWORD"  # noqa: S105 - a variable's name

_Name = Annotated[str, typer.Argument(metavar="USER", help="The user's name")]


async def api(
    shell: Shell,
    host: Annotated[str | None, typer.Option(help="Address to listen on; api.host")] = None,
    port: Annotated[int | None, typer.Option(min=0, max=65_535, help="Port; 0 takes any free one; api.port")] = None,
) -> None:
    """Serve the HTTP interface alone, until SIGTERM or Ctrl-C. The engine may run elsewhere, or not at all."""
    from live_trading.api.server import serve

    changes = {"api.host": host, "api.port": port}
    given = {key: value for key, value in changes.items() if value is not None}
    settings = shell.settings.changed(given, "the command line") if given else shell.settings
    shell.log(service=True)
    runtime = Runtime()
    stop = asyncio.Event()
    on_signals(lambda _: stop.set())
    try:
        await serve(settings, stop.wait, runtime)
    finally:
        await runtime.tasks.close()


@asynccontextmanager
async def _accounts(shell: Shell) -> AsyncIterator[Any]:
    from live_trading.api.auth.accounts import Accounts

    async with opened(shell, create=True) as access:
        accounts = Accounts(access.database, shell.settings.api, None, access.runtime)
        await accounts.prepare()
        yield accounts


def _password() -> str:
    """From the environment, or asked for; never an argument, which every process of the machine can read."""
    found = os.environ.get(PASSWORD_VARIABLE)
    if found:
        return found
    if not sys.stdin.isatty():
        raise InvalidInput("password", "is not given", f"Set {PASSWORD_VARIABLE}, or run this on a terminal")
    return str(typer.prompt("Password", hide_input=True, confirmation_prompt=True))


_COLUMNS = (
    Column("name", "name"),
    Column("role", "role"),
    Column("disabled", "disabled"),
    Column("added", "created_at"),
    Column("changed", "updated_at"),
)


def _told(user: dict[str, Any]) -> dict[str, Any]:
    from live_trading.models.queries import plain

    result: dict[str, Any] = plain(user)
    return result


@command(users, "list")
async def list_users(shell: Shell) -> Answer:
    """List the users."""
    async with _accounts(shell) as accounts:
        found = [_told(user) for user in await accounts.users()]
    return Answer({"users": found}, show_table(found, _COLUMNS, "There are no users: the api makes the first one."))


@command(users, "add")
async def add_user(
    shell: Shell,
    name: _Name,
    role: Annotated[str, typer.Option("--role", help="viewer, trader or admin")] = "viewer",
) -> Answer:
    """Add a user. The password is asked for, or taken from LIVE_TRADING_PASSWORD."""
    from live_trading.api.auth.roles import Role

    if role not in set(Role):
        raise InvalidInput("--role", f'"{role}" is not a role', f"Use one of {', '.join(Role)}")
    async with _accounts(shell) as accounts:
        added = _told(await _managing(accounts.add(name, Role(role), _password(), actor())))
    return Answer(added, show_fields(added, "Added"))


@command(users, "passwd")
async def change_password(shell: Shell, name: _Name) -> Answer:
    """Give a user another password, and end the user's log-ins."""
    async with _accounts(shell) as accounts:
        changed = _told(await _managing(accounts.change(name, actor(), password=_password())))
    return Answer(changed, show_fields(changed, "Changed"))


@command(users, "revoke")
async def revoke(
    shell: Shell,
    name: _Name,
    disable: Annotated[bool, typer.Option("--disable", help="And refuse to let the user log in again")] = False,
    remove: Annotated[bool, typer.Option("--remove", help="And remove the user")] = False,
) -> Answer:
    """End every log-in of a user."""
    async with _accounts(shell) as accounts:
        if remove:
            done = accounts.remove(name, actor())
        else:
            done = accounts.change(name, actor(), disabled=True) if disable else accounts.revoke(name, actor())
        changed = _told(await _managing(done))
    return Answer(changed, show_fields(changed, "Revoked"))


async def _managing(work: Any) -> Any:
    """The problem that the interface would answer with, as the command line says it."""
    from live_trading.api.problems import Problem

    try:
        return await work
    except Problem as problem:
        if problem.status == 404:
            raise NotFound(f"{problem.field or 'user'}: {problem.detail}. live-trading users list shows them") from None
        raise InvalidInput(problem.field or "user", problem.detail) from None
