"""``operations``: list, create, show, pause, resume, close, update, note."""

import json
from typing import Annotated, Any

import typer
from rich.console import Console

from live_trading.cli.access import ask, opened
from live_trading.cli.exits import NotFound
from live_trading.cli.shell import Answer, Shell, command
from live_trading.cli.tables import (
    OPERATION_COLUMNS,
    ORDER_COLUMNS,
    POSITION_COLUMNS,
    show_fields,
    show_table,
    signed,
    table,
)
from live_trading.config import BrokerType, Settings
from live_trading.domain.bar_size import BarSize
from live_trading.domain.errors import InvalidInput
from live_trading.domain.operation import UPDATABLE, OperationSettings
from live_trading.domain.values import CrashRecoveryMode, StopLossType, TakeProfitType
from live_trading.models import queries
from live_trading.strategies import load_strategy, parse_parameters

app = typer.Typer(help="Operations: one strategy trading one asset each.", no_args_is_help=True)

OperationId = Annotated[str, typer.Argument(metavar="OPERATION", help="The operation's id")]
Wait = Annotated[float | None, typer.Option("--wait", min=0, help="Seconds to wait for the engine's answer")]
Key = Annotated[str | None, typer.Option("--key", help="Idempotency key: asked twice under it is asked once")]
Reason = Annotated[str, typer.Option("--reason", help="Why; it is kept in the journal")]
Parameter = Annotated[
    list[str] | None, typer.Option("--parameter", "-p", metavar="NAME=VALUE", help="A parameter of the strategy")
]


@command(app, "list")
async def list_(
    shell: Shell,
    status: Annotated[str | None, typer.Option("--status", help="active, paused, closing, closed or error")] = None,
    limit: Annotated[int, typer.Option("--limit", help="Most rows")] = 100,
) -> Answer:
    """List the operations, newest first."""
    async with opened(shell) as access:
        found = await queries.operations(access.database, status=status, limit=limit)
        totals = await queries.totals(access.database)
        fresh = await queries.freshness(access.database, access.reader)

    def show(console: Console) -> None:
        show_table(found, OPERATION_COLUMNS, "There are no operations. Create one: live-trading operations create")(
            console
        )
        for currency, sums in totals.items():
            line = signed(sums["total_pnl"])
            console.print(f"\n{currency}: realised", line, " unrealised", signed(sums["unrealized_pnl"]))
        warn_if_behind(console, fresh)

    return Answer({"operations": found, "totals": totals, "freshness": fresh}, show)


def warn_if_behind(console: Console, fresh: dict[str, Any]) -> None:
    """Say so when what was shown is not up to the journal's end."""
    if fresh["lag"]:
        why = f" ({fresh['state']}: {fresh['reason']})" if fresh["reason"] else ""
        console.print(f"[yellow]As of entry {fresh['read_models']}; the journal is {fresh['lag']} further{why}.[/]")


@command(app, "create")
async def create(
    shell: Shell,
    asset: Annotated[str, typer.Argument(help='What to trade, such as "EUR-USD"')],
    bars: Annotated[list[str], typer.Option("--bars", help='A bar size, such as "1 min"; the first triggers')],
    quantity: Annotated[str, typer.Option("--quantity", help="Units bought or sold at each entry")],
    capital: Annotated[str, typer.Option("--capital", help="Initial capital, in the asset's currency")] = "10000",
    strategy: Annotated[str, typer.Option("--strategy", help="The strategy's name, or file.py:Class")] = (
        "MomentumStrategy"
    ),
    parameter: Parameter = None,
    stop_loss: Annotated[str | None, typer.Option(metavar="TYPE=VALUE", help="Such as ATR=1.5; none for none")] = None,
    take_profit: Annotated[
        str | None, typer.Option(metavar="TYPE=VALUE", help="Such as RISK_REWARD=2; none for none")
    ] = None,
    recovery: Annotated[str | None, typer.Option(help="CLOSE_ALL, RESUME or EMERGENCY_EXIT")] = None,
    emergency_stop: Annotated[str | None, typer.Option(help="Unrealised loss that closes in recovery: 0.05")] = None,
    retention: Annotated[int | None, typer.Option(help="Bars kept of each size")] = None,
    broker: Annotated[str | None, typer.Option(help="The broker's name; the engine's own where not given")] = None,
    wait: Wait = None,
    key: Key = None,
) -> Answer:
    """Create an operation. What is not given comes from risk_management in the configuration."""
    arguments: dict[str, Any] = {
        "asset": asset,
        "bar_sizes": [BarSize.parse(size, "--bars").value for size in bars],
        "strategy_name": strategy,
        "strategy_config": parameter_values(strategy, parameter or []),
        "quantity": quantity,
        "initial_capital": capital,
        **({} if broker is None else {"broker": broker}),
        **distance("stop_loss", stop_loss, StopLossType),
        **distance("take_profit", take_profit, TakeProfitType),
    }
    if recovery is not None:
        arguments["crash_recovery_mode"] = _choice("--recovery", recovery, CrashRecoveryMode)
    if emergency_stop is not None:
        arguments["emergency_stop_loss_pct"] = emergency_stop
    if retention is not None:
        arguments["data_retention_bars"] = retention
    check_settings(shell.settings, arguments)
    async with opened(shell, create=True) as access:
        outcome = await ask(access, "create_operation", arguments, key=key, wait=wait)
    return Answer(outcome, show_fields(outcome, "Created"))


def check_settings(settings: Settings, arguments: dict[str, Any]) -> None:
    """Refuse here what the engine would refuse, so that nonsense never waits for an engine that is away."""
    defaults = settings.risk_management.operation_defaults(settings.broker.account_type)
    for kind in ("stop_loss", "take_profit"):
        if f"{kind}_type" in arguments:
            defaults = {name: value for name, value in defaults.items() if not name.startswith(kind)}
    whole = {**defaults, "primary_bar_size": arguments["bar_sizes"][0], **arguments}
    try:
        OperationSettings.model_validate(whole)
    except ValueError as error:
        raise first_problem(error) from None


def first_problem(error: ValueError) -> InvalidInput:
    """The first thing that pydantic found wrong, as one of ours."""
    details = getattr(error, "errors", None)
    if details is None:
        return InvalidInput("operation", str(error))
    first = details(include_url=False)[0]
    field = ".".join(str(part) for part in first["loc"]) or "operation"
    message = first["msg"].removeprefix("Value error, ")
    given = f" (given: {str(first['input'])[:60]!r})" if first["loc"] else ""
    described = OperationSettings.model_fields.get(str(first["loc"][0])) if first["loc"] else None
    remedy = f"It is: {described.description}" if described is not None and described.description else ""
    return InvalidInput(field, message + given, remedy)


def parameter_values(strategy: str, texts: list[str], *, is_whole: bool = True) -> dict[str, Any]:
    """``NAME=VALUE`` texts as a strategy's parameters, checked against it if they are all there will be."""
    values: dict[str, Any] = {}
    for text in texts:
        name, separator, value = text.partition("=")
        if not separator or not name:
            raise InvalidInput("--parameter", f'"{text}" is not of the form name=value', "Such as -p fast_period=8")
        values[name] = json_or_text(value)
    found = load_strategy(strategy)
    if is_whole:
        parse_parameters(found, values)
    return values


def json_or_text(text: str) -> Any:
    """A value as JSON has it; what is no JSON is text."""
    try:
        return json.loads(text)
    except ValueError:
        return text


def distance(
    kind: str, text: str | None, types: type[StopLossType] | type[TakeProfitType], option: str | None = None
) -> dict[str, Any]:
    """``TYPE=VALUE`` or ``none`` as an operation's settings; nothing where nothing is given."""
    if text is None:
        return {}
    if text.lower() == "none":
        return {f"{kind}_type": None, f"{kind}_value": None}
    option = option or "--" + kind.replace("_", "-")
    name, separator, value = text.partition("=")
    if not separator:
        raise InvalidInput(option, f'"{text}" is not of the form TYPE=VALUE', "Such as ATR=1.5, or none")
    return {f"{kind}_type": _choice(option, name, types), f"{kind}_value": value}


def _choice(option: str, text: str, kinds: Any) -> str:
    known = [kind.value for kind in kinds]
    if text.upper() not in known:
        raise InvalidInput(option, f'"{text}" is not known', f"Use one of {', '.join(known)}")
    return text.upper()


@command(app, "show")
async def show(shell: Shell, operation: OperationId) -> Answer:
    """Show one operation: its settings, position, orders and last trades."""
    async with opened(shell) as access:
        found = await queries.operation(access.database, operation)
    if found is None:
        raise NotFound(f"operation_id: there is no operation {operation}. live-trading operations list shows them")
    nested = ("positions", "working_orders", "last_trades")

    def show_it(console: Console) -> None:
        show_fields({name: value for name, value in found.items() if name not in nested})(console)
        if found["positions"]:
            console.print(table(found["positions"], POSITION_COLUMNS, "\nopen position"))
        if found["working_orders"]:
            console.print(table(found["working_orders"], ORDER_COLUMNS, "\nworking orders"))

    return Answer(found, show_it)


async def _simple(shell: Shell, kind: str, arguments: dict[str, Any], wait: float | None, key: str | None) -> Answer:
    queries.object_id(arguments["operation_id"], "operation_id")
    async with opened(shell) as access:
        outcome = await ask(access, kind, arguments, key=key, wait=wait)
    return Answer(outcome, show_fields(outcome, "Done"))


@command(app, "pause")
async def pause(
    shell: Shell, operation: OperationId, reason: Reason = "", wait: Wait = None, key: Key = None
) -> Answer:
    """Pause: no new entries; protections and exits stay."""
    return await _simple(shell, "pause_operation", {"operation_id": operation, "reason": reason}, wait, key)


@command(app, "resume")
async def resume(
    shell: Shell, operation: OperationId, reason: Reason = "", wait: Wait = None, key: Key = None
) -> Answer:
    """Resume after a pause or an error."""
    return await _simple(shell, "resume_operation", {"operation_id": operation, "reason": reason}, wait, key)


@command(app, "close")
async def close(
    shell: Shell, operation: OperationId, reason: Reason = "", wait: Wait = None, key: Key = None
) -> Answer:
    """End an operation: cancel its orders, close its position at market."""
    return await _simple(shell, "close_operation", {"operation_id": operation, "reason": reason}, wait, key)


@command(app, "update")
async def update(
    shell: Shell,
    operation: OperationId,
    settings: Annotated[list[str], typer.Option("--change", metavar="NAME=VALUE", help="A setting and its new value")],
    wait: Wait = None,
    key: Key = None,
) -> Answer:
    """Change settings of an operation."""
    changes: dict[str, Any] = {}
    for text in settings:
        name, separator, value = text.partition("=")
        if not separator or name not in UPDATABLE:
            raise InvalidInput("--change", f'"{text}" cannot be changed so', f"Give NAME=VALUE, of {_updatable()}")
        changes[name] = json_or_text(value) if name in ("strategy_config", "data_retention_bars") else value
        if value == "null":
            changes[name] = None
    return await _simple(shell, "update_operation", {"operation_id": operation, **changes}, wait, key)


def _updatable() -> str:
    return ", ".join(sorted(UPDATABLE))


@command(app, "note")
async def note(
    shell: Shell,
    operation: OperationId,
    text: Annotated[str, typer.Argument(help="What to write down")],
    wait: Wait = None,
    key: Key = None,
) -> Answer:
    """Write a note into an operation's journal."""
    return await _simple(shell, "add_note", {"operation_id": operation, "text": text}, wait, key)


_DEMO = (("EUR-USD", ["5 secs", "1 min"], "10000"), ("ES", ["5 secs"], "1"), ("SPY", ["15 secs", "5 secs"], "50"))
_DEMO_FX = (
    ("EUR-USD", ["5 secs", "1 min"], "10000"),
    ("GBP-USD", ["5 secs"], "10000"),
    ("USD-JPY", ["15 secs", "5 secs"], "10000"),
)


def demo_operations(broker: BrokerType = BrokerType.PAPER) -> tuple[dict[str, Any], ...]:
    """Three small operations to look at on a fresh installation, of what that broker trades."""
    quick = {"fast_period": 3, "slow_period": 8, "momentum_period": 3, "rsi_period": 7, "overbought": 90}
    return tuple(
        {
            "asset": asset,
            "bar_sizes": bars,
            "strategy_name": "MomentumStrategy",
            "strategy_config": quick,
            "quantity": quantity,
            "initial_capital": "100000",
        }
        for asset, bars, quantity in (_DEMO_FX if broker is BrokerType.OANDA else _DEMO)
    )


def replay_operation(asset: str) -> dict[str, Any]:
    """The operation of a replay: 5-minute bars, 1-minute bars beside them, none archived before the day is over.

    A move of one minute earns less than the least commission of an order; moves of five minutes can.
    """
    return {
        "asset": asset,
        "bar_sizes": ["5 mins", "1 min"],
        "strategy_name": "MomentumStrategy",
        "quantity": "10000" if "-" in asset else "10",
        "initial_capital": "100000",
        "data_retention_bars": 1_000_000,
    }
