"""``config``, ``strategies`` and ``instruments``: what can be set, and what can be traded how."""

from typing import Annotated, Any

import typer
from pydantic import SecretStr
from rich.console import Console

from live_trading.assembly import exchange_options
from live_trading.cli.shell import Answer, Shell, command
from live_trading.cli.tables import Column, show_table, table
from live_trading.config import Settings
from live_trading.config.fields import leaves
from live_trading.config.settings import value_of
from live_trading.models.queries import plain
from live_trading.paper_exchange import Listing, default_catalogue, read_catalogue
from live_trading.strategies import known_strategies, load_strategy

config = typer.Typer(help="The configuration.", no_args_is_help=True)
strategies = typer.Typer(help="Strategies that operations can run.", no_args_is_help=True)
instruments = typer.Typer(help="What the paper exchange trades.", no_args_is_help=True)

HIDDEN = "(hidden)"


@command(config, "show")
def show_config(
    shell: Shell,
    changed: Annotated[bool, typer.Option("--changed", help="Only what is not the default")] = False,
) -> Answer:
    """Show every setting, its value and where it came from. Secrets are hidden."""
    settings = shell.settings
    defaults = Settings()
    rows = [
        {"key": key, "value": shown(settings, key), "origin": settings.origin(key), "unit": leaf.unit}
        for key, leaf in leaves(Settings)
        if not changed or value_of(settings, key) != value_of(defaults, key)
    ]
    columns = (Column("key", "key"), Column("value", "value"), Column("unit", "unit"), Column("from", "origin"))
    data = {"settings": {row["key"]: {"value": row["value"], "origin": row["origin"]} for row in rows}}
    return Answer(data, show_table(rows, columns, "Everything is as it is by default."))


def shown(settings: Settings, key: str) -> Any:
    """A setting's value as it may be shown."""
    value = value_of(settings, key)
    return HIDDEN if isinstance(value, SecretStr) else plain(value)


@command(config, "check")
def check_config(shell: Shell) -> Answer:
    """Check the configuration; every problem is a line that says where, what, and what would be right."""
    settings = shell.settings
    defaults = Settings()
    changed = sum(value_of(settings, key) != value_of(defaults, key) for key, _ in leaves(Settings))
    data = {"valid": True, "changed_settings": changed}

    def show(console: Console) -> None:
        console.print(f"[green]The configuration is valid[/]; {changed} settings are not the default.")

    return Answer(data, show)


@command(strategies, "list")
def list_strategies(shell: Shell) -> Answer:
    """List the registered strategies."""
    rows = [{"name": name, "where": point.value, "about": _about(name)} for name, point in known_strategies().items()]
    columns = (Column("name", "name"), Column("about", "about"), Column("where", "where"))
    return Answer({"strategies": rows}, show_table(rows, columns, "No strategy is registered: reinstall the package."))


def _about(name: str) -> str:
    lines = (load_strategy(name).__doc__ or "").strip().splitlines()
    return lines[0] if lines else ""


@command(strategies, "show")
def show_strategy(
    shell: Shell, name: Annotated[str, typer.Argument(help="Its name, or path/to/file.py:Class")]
) -> Answer:
    """Show a strategy's parameters: meaning, default and bounds."""
    strategy = load_strategy(name)
    schema = strategy.Parameters.model_json_schema()
    about = " ".join((strategy.__doc__ or "").split())
    rows = [
        {
            "name": parameter,
            "type": described.get("type", "-"),
            "default": described.get("default"),
            "from": described.get("minimum", described.get("exclusiveMinimum")),
            "to": described.get("maximum", described.get("exclusiveMaximum")),
            "description": described.get("description", ""),
        }
        for parameter, described in schema.get("properties", {}).items()
    ]
    columns = tuple(Column(heading, heading) for heading in ("name", "type", "default", "from", "to", "description"))

    def show(console: Console) -> None:
        console.print(f"[bold]{strategy.name}[/] {about}\n")
        console.print(table(rows, columns))

    return Answer({"name": strategy.name, "about": about, "parameters": rows}, show)


@command(instruments, "list")
def list_instruments(shell: Shell) -> Answer:
    """List what the paper exchange trades, as the configuration sets it up."""
    catalogue = exchange_options(shell.settings).catalogue
    listings = default_catalogue() if catalogue is None else read_catalogue(catalogue)
    rows = [_listing_row(listing) for listing in listings]
    columns = (
        Column("symbol", "symbol"),
        Column("class", "asset_class"),
        Column("currency", "currency"),
        Column("tick", "tick_size", number=True),
        Column("step", "quantity_step", number=True),
        Column("multiplier", "multiplier", number=True),
        Column("quotes", "quote_kind"),
        Column("reference", "reference_price", number=True),
        Column("margin", "margin_rate", number=True),
    )
    return Answer({"instruments": rows}, show_table(rows, columns, "Nothing is listed."))


def _listing_row(listing: Listing) -> dict[str, Any]:
    instrument = listing.instrument
    fields = plain(instrument)
    return {**fields, "reference_price": plain(listing.reference_price), "margin_rate": plain(listing.margin_rate)}
