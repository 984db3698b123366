"""What every command shares: its settings, its way to speak, its errors and its end.

A command is a function of a :class:`Shell` and of its own arguments. It returns an :class:`Answer`, a number to exit
with, or nothing; a coroutine is run to its end. The options that all commands have are added to its own, so that they
may stand after any command.
"""

import asyncio
import functools
import inspect
import json
import os
import sys
import traceback
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Any, NamedTuple, TypeVar

import typer
from pydantic import SecretStr
from pymongo.errors import PyMongoError
from rich.console import Console

from live_trading import observability
from live_trading.assembly import said
from live_trading.cli.exits import CommandError, Exit
from live_trading.config import BrokerType, ConfigError, LogFormat, LoggingSettings, LogLevel, Settings
from live_trading.domain.errors import InvalidInput, LiveTradingError
from live_trading.journal import Fenced

T = TypeVar("T")

BrokerOption = Annotated[
    str | None,
    typer.Option("--broker", metavar="NAME", help="Trade at the paper exchange as at this broker: paper, ibkr, oanda"),
]
"""Without it the settings decide, and ``broker.type`` IBKR or OANDA means the real one."""

_WIDTH_OF_FILES = 240


class _Console(Console):
    """Leaves what becomes of a closed pipe to us: the library would end the process with code 1."""

    def on_broken_pipe(self) -> None:
        raise BrokenPipeError


class Answer(NamedTuple):
    """What a command has to say: ``data`` for machines, ``show`` for people; and how it ends."""

    data: Any
    show: Callable[[Console], None]
    code: Exit = Exit.OK


@dataclass
class Shell:
    """One call of the program."""

    config: Path | None = None
    data_dir: Path | None = None
    overrides: list[str] = field(default_factory=list)
    json: bool = False
    debug: bool = False
    remote: str | None = None
    """The address of a far away installation's HTTP interface, where it is that one that is asked."""

    def trade_at(self, broker: str | None) -> None:
        """Choose the broker, before the settings are looked at: the paper exchange, in that broker's own protocol."""
        if broker is not None:
            chosen = BrokerType.__members__.get(broker.upper())
            if chosen is None:
                known = ", ".join(name.lower() for name in BrokerType)
                raise InvalidInput("--broker", f'"{broker}" is not a broker', f"Use one of {known}")
            simulated = str(chosen is not BrokerType.PAPER).lower()
            self.overrides += [f"broker.type={chosen}", f"broker.simulated={simulated}"]

    @functools.cached_property
    def settings(self) -> Settings:
        """The configuration: file, environment, ``--set``, ``--data-dir``."""
        given = dict(_override(text) for text in self.overrides)
        if self.data_dir is not None:
            given["engine.data_dir"] = self.data_dir
        return Settings.load(self.config, os.environ, given)

    @functools.cached_property
    def console(self) -> Console:
        """Where people read. With ``--json`` nothing is ever written to it."""
        # Where nobody's screen limits it, nothing is cut.
        return _Console(highlight=False, width=None if sys.stdout.isatty() else _WIDTH_OF_FILES)

    @property
    def on_terminal(self) -> bool:
        """Whether a person sits before standard output."""
        return sys.stdout.isatty() and not self.json

    def log(self, *, service: bool = False) -> None:
        """Set logging up: as the settings say for a service, only what is wrong for a short command."""
        settings, secrets = self.settings, self.settings.secrets()
        if service:
            observability.configure(settings.logging, settings.engine.data_dir, secrets)
        else:
            _log_little(self.debug, secrets)

    def emit(self, data: Any) -> None:
        """Write one JSON document, on a line of its own unless a person reads it."""
        indent = 2 if sys.stdout.isatty() else None
        sys.stdout.write(json.dumps(data, indent=indent, default=str, ensure_ascii=False) + "\n")
        sys.stdout.flush()

    def answer(self, answer: Answer) -> Exit:
        """Say it, one way or the other."""
        if self.json:
            self.emit(answer.data)
        else:
            answer.show(self.console)
        sys.stdout.flush()
        return answer.code

    def note(self, text: str) -> None:
        """A remark beside the answer, on standard error."""
        sys.stderr.write(text + "\n")
        sys.stderr.flush()

    def fail(self, error: BaseException) -> Exit:
        """Tell an error: one line each, with what to do; the traceback only for ``--debug``."""
        if self.debug:
            traceback.print_exception(error, file=sys.stderr)
        code, lines, details = explained(error)
        if self.json:
            self.emit({"error": {"exit_code": int(code), "text": "\n".join(lines), **details}})
        for line in lines:
            self.note(f"error: {line}")
        return code


def _override(text: str) -> tuple[str, Any]:
    key, separator, value = text.partition("=")
    if not separator or not key.strip():
        raise InvalidInput("--set", f'"{text}" is not of the form key=value', "Such as --set engine.id=second")
    return key.strip(), None if value.strip() in ("null", "") else value.strip()


def _log_little(debug: bool, secrets: tuple[SecretStr, ...] = ()) -> None:
    level = LogLevel.DEBUG if debug else LogLevel.WARNING
    observability.configure(LoggingSettings(level=level, format=LogFormat.CONSOLE), Path(), secrets)


def explained(error: BaseException) -> tuple[Exit, list[str], dict[str, Any]]:
    """An error as an exit code, lines for people and fields for machines."""
    if isinstance(error, CommandError):
        return error.code, [said(error)], dict(error.details)
    if isinstance(error, ConfigError):
        return Exit.USAGE, [str(problem) for problem in error.problems], {}
    if isinstance(error, InvalidInput):
        return Exit.USAGE, [said(error)], {"field": error.field}
    if isinstance(error, Fenced):
        return Exit.FENCED, [f"{said(error)}. This one has ended; nothing was written or sent since"], {}
    if isinstance(error, LiveTradingError):
        return Exit.FAILED, [said(error)], {}
    if isinstance(error, PyMongoError):
        text = f"database: MongoDB does not answer: {said(error)[:300]}"
        return Exit.FAILED, [f"{text}. Run live-trading doctor"], {}
    if isinstance(error, OSError) and error.filename is not None:
        return Exit.FAILED, [f"{error.filename}: {error.strerror}. Check that it is there and may be used"], {}
    text = f"{type(error).__name__}: {said(error)}"
    return Exit.INTERNAL, [f"internal: {text}. This is a fault of the program; --debug shows where"], {}


def run_loop(main: Coroutine[Any, Any, T]) -> T:
    """Run to the end, on uvloop where it is there."""
    factory = None
    if find_spec("uvloop") is not None:
        import uvloop

        factory = uvloop.new_event_loop
    with asyncio.Runner(loop_factory=factory) as runner:
        return runner.run(main)


_COMMON: dict[str, Any] = {
    "config": Annotated[Path | None, typer.Option("--config", help="Configuration file; ./config.yaml if it is there")],
    "data_dir": Annotated[Path | None, typer.Option("--data-dir", help="Where everything is kept; ./var")],
    "overrides": Annotated[list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Set a setting")],
    "json": Annotated[bool, typer.Option("--json", help="Answer in JSON")],
    "remote": Annotated[
        str | None, typer.Option("--remote", metavar="URL", help="Ask the installation whose HTTP interface is there")
    ],
    "debug": Annotated[bool, typer.Option("--debug", help="Tell more; show the traceback of an error")],
}
_DEFAULTS: dict[str, Any] = {
    "config": None,
    "data_dir": None,
    "overrides": None,
    "json": False,
    "remote": None,
    "debug": False,
}

Function = Callable[..., Any]


def command(app: typer.Typer, name: str) -> Callable[[Function], Function]:
    """Register a command. Its function's docstring is its help; its first parameter is the shell."""

    def register(function: Function) -> Function:
        own = list(inspect.signature(function).parameters.values())[1:]
        kind = inspect.Parameter.KEYWORD_ONLY
        parameters = [parameter.replace(kind=kind) for parameter in own]
        parameters += [
            inspect.Parameter(each, kind, default=_DEFAULTS[each], annotation=annotation)
            for each, annotation in _COMMON.items()
        ]

        def run(**values: Any) -> None:
            common = {each: values.pop(each) for each in _COMMON}
            shell = Shell(**{**common, "overrides": list(common["overrides"] or [])})
            raise typer.Exit(int(carry_out(shell, lambda: _near_or_far(shell, function)(shell, **values))))

        run.__doc__ = inspect.getdoc(function)
        run.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
        run.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
        app.command(name)(run)
        return function

    return register


def _near_or_far(shell: Shell, function: Function) -> Function:
    """The command's work, here or through the interface that ``--remote`` names."""
    if shell.remote is None:
        return function
    from live_trading.cli.remote import remote_of  # a client's libraries, for who asks far away only

    return remote_of(function)


def carry_out(shell: Shell, work: Callable[[], Any]) -> Exit:
    """Do a command's work, say what came of it, and return how to exit."""
    try:
        _log_little(shell.debug)
        result = work()
        if inspect.iscoroutine(result):
            result = run_loop(result)
        if isinstance(result, Answer):
            return shell.answer(result)
        return Exit.OK if result is None else Exit(result)
    except KeyboardInterrupt:
        return Exit.INTERRUPTED
    except BrokenPipeError:
        # Whoever read our output has left. Python would complain at its end about what is still to be flushed.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return Exit.OK
    except Exception as error:
        return shell.fail(error)
