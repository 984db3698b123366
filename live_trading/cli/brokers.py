"""``brokers``: the accounts that operations can name, besides the configuration file's own."""

from dataclasses import asdict
from typing import Annotated, Any

import typer
from pydantic import SecretStr, ValidationError
from rich.console import Console

from live_trading.assembly.configured_brokers import broker_configurations
from live_trading.brokers.configured import try_broker
from live_trading.cli.access import Access, actor, opened
from live_trading.cli.exits import Exit
from live_trading.cli.shell import Answer, Shell, command
from live_trading.cli.tables import Column, show_fields, show_table
from live_trading.domain.errors import InvalidInput
from live_trading.models.broker_configurations import (
    BrokerChange,
    BrokerConfigurations,
    BrokerView,
    NewBroker,
    first_problem,
)
from live_trading.models.queries import plain

app = typer.Typer(help="Brokers: the accounts that operations trade on.", no_args_is_help=True)

TOKEN_VARIABLE = "BROKER_API_KEY"  # noqa: S105 - the name of a variable
_TAKES_UP = "A running engine takes it up at its next start."

COLUMNS = (
    Column("name", "name"),
    Column("broker", "broker_name"),
    Column("account type", "account_type"),
    Column("account", "account_id"),
    Column("key", lambda row: "set" if row["has_api_key"] else None),
    Column("active", lambda row: "yes" if row["is_active"] else "no"),
    Column("changed by", "changed_by"),
)

Name = Annotated[str, typer.Argument(metavar="NAME", help="What operations call it")]
Account = Annotated[str | None, typer.Option("--account", help="The account's number at the broker")]
Host = Annotated[str | None, typer.Option(help="Where TWS or IB Gateway listens")]
Port = Annotated[int | None, typer.Option(help="Its port")]
ClientId = Annotated[int | None, typer.Option("--client-id", help="Our client number there")]
Option = Annotated[
    list[str] | None,
    typer.Option("--option", "-o", metavar="NAME=VALUE", help="url (PAPER); rest_url, stream_url, always_open (OANDA)"),
]
Key = Annotated[
    str | None,
    typer.Option("--api-key", envvar=TOKEN_VARIABLE, show_envvar=True, help="The token; rather by the variable"),
]
ConfirmLive = Annotated[
    str | None, typer.Option("--confirm-live", help="A LIVE account's number, typed again: it is real money")
]


async def _store(access: Access) -> BrokerConfigurations:
    store = broker_configurations(access.settings, access.database, access.runtime)
    await store.prepare()
    return store


def _fields(view: BrokerView) -> dict[str, Any]:
    fields: dict[str, Any] = plain(view.model_dump(mode="json"))
    return fields


def _options(texts: list[str] | None) -> dict[str, str] | None:
    if texts is None:
        return None
    values = {}
    for text in texts:
        name, separator, value = text.partition("=")
        if not separator or not name:
            raise InvalidInput("--option", f'"{name}" is not of the form name=value', "Such as -o url=http://…")
        values[name] = value
    return values


@command(app, "list")
async def list_brokers(shell: Shell) -> Answer:
    """List the configured brokers. Their secrets are shown nowhere."""
    async with opened(shell, create=True) as access:
        found = [_fields(view) for view in await (await _store(access)).all()]
    return Answer({"brokers": found}, show_table(found, COLUMNS, "There are none: live-trading brokers add"))


@command(app, "add")
async def add(
    shell: Shell,
    name: Name,
    kind: Annotated[str, typer.Option("--type", help="PAPER, IBKR or OANDA")],
    account: Account = None,
    live: Annotated[bool, typer.Option("--live", help="It holds real money")] = False,
    confirm_live: ConfirmLive = None,
    host: Host = None,
    port: Port = None,
    client_id: ClientId = None,
    option: Option = None,
    api_key: Key = None,
    inactive: Annotated[bool, typer.Option("--inactive", help="Keep it, and do not connect to it yet")] = False,
) -> Answer:
    """Add a broker. Its secret is encrypted with the key in BROKER_SECRETS_KEY."""
    given = {
        "name": name,
        "broker_name": kind.upper(),
        "account_type": "LIVE" if live else "PAPER",
        "account_id": account,
        "host": host,
        "port": port,
        "client_id": client_id,
        "config": _options(option),
        "api_key": None if api_key is None else SecretStr(api_key),
        "confirm_live": confirm_live,
        "is_active": not inactive,
    }
    try:
        new = NewBroker.model_validate({key: value for key, value in given.items() if value is not None})
    except ValidationError as error:
        raise first_problem(error) from None
    async with opened(shell, create=True) as access:
        view = await (await _store(access)).add(new, actor())
    return Answer(_fields(view), show_fields(_fields(view), f"Added. {_TAKES_UP}"))


@command(app, "change")
async def change(
    shell: Shell,
    name: Name,
    account: Account = None,
    confirm_live: ConfirmLive = None,
    host: Host = None,
    port: Port = None,
    client_id: ClientId = None,
    option: Option = None,
    api_key: Key = None,
    active: Annotated[bool | None, typer.Option("--active/--inactive", help="Whether the engine connects")] = None,
) -> Answer:
    """Change a broker; what is not given stays."""
    given = {
        "account_id": account,
        "host": host,
        "port": port,
        "client_id": client_id,
        "config": _options(option),
        "api_key": None if api_key is None else SecretStr(api_key),
        "confirm_live": confirm_live,
        "is_active": active,
    }
    changes = BrokerChange(**{key: value for key, value in given.items() if value is not None})
    async with opened(shell) as access:
        view = await (await _store(access)).change(name, changes, actor())
    return Answer(_fields(view), show_fields(_fields(view), f"Changed. {_TAKES_UP}"))


@command(app, "test")
async def test(shell: Shell, name: Name) -> Answer:
    """Connect to a broker, read its account, and hang up. Exit code 1 when that fails."""
    async with opened(shell) as access:
        connection = await (await _store(access)).connection(name)
        trial = await try_broker(connection, access.settings, access.runtime)
    data = plain({"broker": name, **asdict(trial)})
    shown = {key: value for key, value in data.items() if value not in (None, "", {})}
    heading = "Connected" if trial.is_good else "It cannot be used"

    def show(console: Console) -> None:
        show_fields(shown, heading)(console)

    return Answer(data, show, Exit.OK if trial.is_good else Exit.FAILED)


@command(app, "remove")
async def remove(shell: Shell, name: Name) -> Answer:
    """Forget a broker that no open operation trades on, and its secret."""
    async with opened(shell) as access:
        await (await _store(access)).remove(name, actor())
    data = {"broker": name, "removed": True}
    return Answer(data, show_fields(data, f"Removed. {_TAKES_UP}"))
