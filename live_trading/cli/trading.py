"""``positions``, ``orders``, ``discrepancies`` and ``kill-switch``."""

from enum import StrEnum
from typing import Annotated, Any

import typer

from live_trading.cli.access import Access, ask, opened
from live_trading.cli.exits import NotFound
from live_trading.cli.operations import Key, Reason, Wait
from live_trading.cli.shell import Answer, Shell, command
from live_trading.cli.tables import (
    DISCREPANCY_COLUMNS,
    ORDER_COLUMNS,
    POSITION_COLUMNS,
    show_fields,
    show_table,
)
from live_trading.domain.errors import InvalidInput
from live_trading.domain.values import OrderStatus
from live_trading.models import queries
from live_trading.projections.time_travel import describe, ledger_at

positions = typer.Typer(help="Positions: what is held.", no_args_is_help=True)
orders = typer.Typer(help="Orders: what was asked of the broker.", no_args_is_help=True)
discrepancies = typer.Typer(help="Where the broker's positions are not the journal's.", no_args_is_help=True)
kill_switch = typer.Typer(help="The kill switch: no new risk while it is on.", no_args_is_help=True)

OfOperation = Annotated[str | None, typer.Option("--operation", help="Only those of this operation")]
Limit = Annotated[int, typer.Option("--limit", help="Most rows")]
OrderId = Annotated[str, typer.Argument(metavar="ORDER", help="The client order id")]


async def _ask(shell: Shell, kind: str, arguments: dict[str, Any], wait: float | None, key: str | None) -> Answer:
    async with opened(shell) as access:
        outcome = await ask(access, kind, arguments, key=key, wait=wait)
    return Answer(outcome, show_fields(outcome, "Done"))


# ---- positions -------------------------------------------------------------------------------------------------------


@command(positions, "list")
async def list_positions(
    shell: Shell,
    every: Annotated[bool, typer.Option("--all", help="Closed ones too")] = False,
    operation: OfOperation = None,
    limit: Limit = 100,
) -> Answer:
    """List the positions, newest first."""
    async with opened(shell) as access:
        status = None if every else "open"
        found = await queries.positions(access.database, status=status, operation_id=operation, limit=limit)
        totals = await queries.totals(access.database)
    return Answer(
        {"positions": found, "totals": totals},
        show_table(found, POSITION_COLUMNS, "There are no positions." if every else "There are no open positions."),
    )


@command(positions, "close")
async def close_position(
    shell: Shell,
    operation: Annotated[str, typer.Argument(metavar="OPERATION", help="The operation whose position it is")],
    reason: Reason = "",
    wait: Wait = None,
    key: Key = None,
) -> Answer:
    """Close an operation's position at market; the operation goes on."""
    queries.object_id(operation, "operation_id")
    return await _ask(shell, "close_position", {"operation_id": operation, "reason": reason}, wait, key)


# ---- orders ----------------------------------------------------------------------------------------------------------


@command(orders, "list")
async def list_orders(
    shell: Shell,
    working: Annotated[bool, typer.Option("--working", help="Only those that may still be filled")] = False,
    status: Annotated[str | None, typer.Option("--status", help="Only those of this status")] = None,
    operation: OfOperation = None,
    limit: Limit = 100,
) -> Answer:
    """List the orders, newest first."""
    if status is not None and status not in set(OrderStatus):
        raise InvalidInput("--status", f'"{status}" is not known', f"Use one of {', '.join(OrderStatus)}")
    async with opened(shell) as access:
        found = await queries.orders(
            access.database, working=True if working else None, status=status, operation_id=operation, limit=limit
        )
    return Answer({"orders": found}, show_table(found, ORDER_COLUMNS, "There are no such orders."))


@command(orders, "show")
async def show_order(shell: Shell, order: OrderId) -> Answer:
    """Show one order."""
    async with opened(shell) as access:
        found = await queries.order(access.database, order)
    if found is None:
        raise NotFound(f"client_order_id: there is no order {order}. live-trading orders list shows them")
    return Answer(found, show_fields(found))


@command(orders, "cancel")
async def cancel_order(
    shell: Shell, order: OrderId, reason: Reason = "by hand", wait: Wait = None, key: Key = None
) -> Answer:
    """Cancel a working order."""
    return await _ask(shell, "cancel_order", {"client_order_id": order, "reason": reason}, wait, key)


@command(orders, "resolve")
async def resolve_order(
    shell: Shell,
    order: OrderId,
    note: Annotated[str, typer.Option("--note", help="What shows that the broker does not have it")],
    wait: Wait = None,
    key: Key = None,
) -> Answer:
    """Say that an order that waits for a person is not at the broker, after looking at its own screen."""
    arguments = {"client_order_id": order, "resolution": "not_placed", "note": note}
    return await _ask(shell, "resolve_order", arguments, wait, key)


@command(orders, "move")
async def move_protection(
    shell: Shell,
    operation: Annotated[str, typer.Argument(metavar="OPERATION", help="The operation whose protection it is")],
    price: Annotated[str, typer.Argument(help="The new price")],
    kind: Annotated[str, typer.Option("--kind", help="STOP_LOSS or TAKE_PROFIT")] = "STOP_LOSS",
    wait: Wait = None,
    key: Key = None,
) -> Answer:
    """Move the stop loss or the take profit of an operation."""
    queries.object_id(operation, "operation_id")
    arguments = {"operation_id": operation, "kind": kind.upper().replace("-", "_"), "price": price}
    return await _ask(shell, "move_protection", arguments, wait, key)


# ---- discrepancies and the kill switch -------------------------------------------------------------------------------


async def _state(access: Access) -> dict[str, Any]:
    return describe(await ledger_at(access.reader, access.snapshots))


class Resolution(StrEnum):
    """What a person says of a difference."""

    IGNORE = "ignore"
    ADOPT = "adopt"
    FLATTEN = "flatten"


@command(discrepancies, "list")
async def list_discrepancies(shell: Shell) -> Answer:
    """List positions that differ at the broker and wait for a decision."""
    async with opened(shell) as access:
        found = (await _state(access))["discrepancies"]
    return Answer({"discrepancies": found}, show_table(found, DISCREPANCY_COLUMNS, "There are no discrepancies."))


@command(discrepancies, "resolve")
async def resolve_discrepancy(
    shell: Shell,
    symbol: Annotated[str, typer.Argument(help="Whose position differs")],
    resolution: Annotated[
        Resolution,
        typer.Option("--as", help="ignore: it is somebody else's; adopt: an operation's; flatten: adopt it and close"),
    ],
    note: Annotated[str, typer.Option("--note", help="Why")] = "",
    broker: Annotated[str | None, typer.Option(help="At which broker; that of the settings if not given")] = None,
    operation: Annotated[str | None, typer.Option(help="Whose it is, where several operations trade it")] = None,
    price: Annotated[
        str | None, typer.Option(help="What it is booked at; the market's last price if not given")
    ] = None,
    wait: Wait = None,
    key: Key = None,
) -> Answer:
    """Say what a difference is, so that the operations held for it can go on."""
    given = {"operation_id": operation, "price": price}
    arguments = {
        "broker": broker or shell.settings.broker.name,
        "symbol": symbol,
        "resolution": resolution.value,
        "note": note,
    }
    arguments |= {name: value for name, value in given.items() if value is not None}
    return await _ask(shell, "resolve_discrepancy", arguments, wait, key)


@command(kill_switch, "on")
async def kill_switch_on(shell: Shell, reason: Reason = "by hand", wait: Wait = None, key: Key = None) -> Answer:
    """Stop all new risk now. Protections and exits go on."""
    return await _ask(shell, "trip_kill_switch", {"reason": reason}, wait, key)


@command(kill_switch, "off")
async def kill_switch_off(
    shell: Shell,
    note: Annotated[str, typer.Option("--note", help="Why it is safe again")] = "",
    wait: Wait = None,
    key: Key = None,
) -> Answer:
    """Allow entries again."""
    return await _ask(shell, "reset_kill_switch", {"note": note}, wait, key)


@command(kill_switch, "status")
async def kill_switch_status(shell: Shell) -> Answer:
    """Tell whether it is on, since when and why."""
    async with opened(shell) as access:
        state = await _state(access)
    switch = state["kill_switch"]
    data = {
        "on": switch is not None,
        **(switch or {}),
        "circuit_breaker_open_until": state["circuit_breaker_open_until"],
    }
    return Answer(data, show_fields(data))
