"""The program ``live-trading``: its commands, and what becomes of a line that is none."""

import sys
from collections.abc import Sequence
from importlib.metadata import version
from typing import Annotated, Any

import typer

from live_trading.cli import api, archive, brokers, doctor, inspection, operations, records, services, settings, trading
from live_trading.cli.backtest import backtest
from live_trading.cli.exits import Exit
from live_trading.cli.replayed import replay_operation
from live_trading.cli.run import run as run_everything
from live_trading.cli.shell import command
from live_trading.cli.simulate import simulate

app = typer.Typer(
    name="live-trading",
    help="A trading engine whose only memory is its journal.",
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    add_completion=False,
)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"live-trading {version('live-trading')}")
        raise typer.Exit


@app.callback()
def _options(
    show_version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version and exit")
    ] = False,
) -> None:
    pass


command(app, "run")(run_everything)
command(app, "engine")(services.engine)
command(app, "api")(api.api)
command(app, "paper-exchange")(services.paper_exchange)
command(app, "recover")(inspection.recover)
command(app, "reconcile")(inspection.reconcile)
command(app, "doctor")(doctor.doctor)
command(app, "state")(records.state)
command(app, "rebuild")(records.rebuild)
command(app, "backup")(archive.backup)
command(app, "restore")(archive.restore)
command(app, "backtest")(backtest)
command(app, "replay")(replay_operation)
command(app, "simulate")(simulate)
app.add_typer(operations.app, name="operations")
app.add_typer(brokers.app, name="brokers")
app.add_typer(trading.positions, name="positions")
app.add_typer(trading.orders, name="orders")
app.add_typer(trading.discrepancies, name="discrepancies")
app.add_typer(trading.kill_switch, name="kill-switch")
app.add_typer(api.users, name="users")
app.add_typer(settings.config, name="config")
app.add_typer(settings.strategies, name="strategies")
app.add_typer(settings.instruments, name="instruments")
app.add_typer(records.journal, name="journal")
app.add_typer(records.snapshots, name="snapshots")

# Typer carries its own copy of Click and exports one of its errors; the others are that one's bases.
_ClickException: Any = next(kind for kind in typer.BadParameter.__mro__ if kind.__name__ == "ClickException")


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the program with these arguments, or those of its process, and end the process."""
    sys.exit(int(run(sys.argv[1:] if arguments is None else arguments)))


def run(arguments: Sequence[str]) -> int:
    """Run the program; the exit code."""
    try:
        code = app(list(arguments), prog_name="live-trading", standalone_mode=False)
    except _ClickException as error:
        return _unusable(error)
    except typer.Abort:
        return int(Exit.INTERRUPTED)
    return code if isinstance(code, int) else int(Exit.OK)


def _unusable(error: Any) -> int:
    """One line for a line that cannot be understood; an incomplete one that asks for help gets the help."""
    if type(error).__name__ == "NoArgsIsHelpError":
        sys.stdout.write(error.format_message() + "\n")
        return int(Exit.USAGE)
    context = getattr(error, "ctx", None)
    path = context.command_path if context is not None else "live-trading"
    text = " ".join(error.format_message().split()).rstrip(".?")
    sys.stderr.write(f"error: {text}. See {path} --help\n")
    return int(Exit.USAGE)
