"""``recover --plan`` and ``reconcile``: the journal beside the broker, nothing changed."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Annotated, Any

import typer
from rich.console import Console

from live_trading.assembly import open_exchange
from live_trading.assembly.configured_brokers import broker_configurations
from live_trading.assembly.inspection import broker_to_look_at, compare_with_broker, plan_recovery
from live_trading.brokers.base import BrokerAdapter
from live_trading.brokers.configured import configured_to_look_at
from live_trading.cli.access import Access, opened
from live_trading.cli.exits import Exit
from live_trading.cli.shell import Answer, BrokerOption, Shell
from live_trading.cli.tables import money
from live_trading.domain.errors import InvalidInput
from live_trading.models.presence import engine_presence
from live_trading.recovery.comparison import Comparison
from live_trading.recovery.plan import RecoveryPlan, plan_fields

Configured = Annotated[
    str | None, typer.Option("--configured", metavar="NAME", help="At this configured broker instead")
]


async def recover(
    shell: Shell,
    plan: Annotated[bool, typer.Option("--plan", help="Print what would be done, and do nothing")] = False,
    broker: BrokerOption = None,
    configured: Configured = None,
) -> Answer:
    """Show what recovery would do if the engine started now. It writes nothing and sends nothing.

    Recovery itself is part of every start of the engine.
    """
    if not plan:
        raise InvalidInput(
            "--plan", "is missing", "Recovery is done by the engine's start; --plan shows what it would do"
        )
    shell.trade_at(broker)
    async with opened(shell) as access:
        presence = await engine_presence(access.database, access.settings.engine.id, access.runtime.clock)
        async with looked_at(access, configured) as connection:
            made = await plan_recovery(
                access.reader,
                access.snapshots,
                connection,
                access.runtime.clock,
                access.settings.engine.price_patience_seconds,
            )
    data = {"engine": presence.text, "engine_alive": presence.alive, **plan_fields(made)}

    def show(console: Console) -> None:
        console.print(f"Engine: {presence.text}.", soft_wrap=True)
        _show_plan(console, made, data)

    return Answer(data, show)


def _show_plan(console: Console, plan: RecoveryPlan, data: dict[str, Any]) -> None:
    ended = "did not end in order: policies apply" if plan.after_crash else "ended in order: no policy applies"
    console.print(f"As of entry {plan.sequence_number}; the last engine {ended}.")
    if plan.broker_error is not None:
        console.print(f"[red]The broker cannot be asked:[/] {plan.broker_error}", soft_wrap=True)
    for doubt in plan.doubts:
        text = f"{doubt.order.client_order_id} ({doubt.order.side} {doubt.order.quantity:f} {doubt.order.symbol})"
        console.print(f"Would ask about {text}: {doubt.answer}", soft_wrap=True)
    for heading, name in (
        ("Would take in the fill", "missing_fills"),
        ("Would ask what became of", "orders_no_longer_working"),
        ("Would note the external order", "external_orders"),
    ):
        for text in data[name]:
            console.print(f"{heading} {text}", soft_wrap=True)
    for each in data["position_differences"]:
        console.print(
            f"[yellow]Position of {each['symbol']}:[/] {each['journal']} in the journal, {each['broker']} at the broker"
            " (after the fills above it may agree; else its operations are held and a person decides)",
            soft_wrap=True,
        )
    for each in data["intents_carried_on"]:
        console.print(
            f"Would go on closing {each['symbol']} of {each['operation_id']}: {each['reason']}", soft_wrap=True
        )
    for each in data["decisions"]:
        at_price = f" at {each['price']}" if each["price"] is not None else ""
        pnl = f", unrealised {money(each['unrealized_pnl'])}" if each["unrealized_pnl"] is not None else ""
        console.print(
            f"[bold]{each['decision']}[/] {each['quantity']} {each['symbol']}{at_price}{pnl} "
            f"(operation {each['operation_id']}, {each['mode']}): {each['reason']}",
            soft_wrap=True,
        )
    if plan.is_quiet and plan.broker_error is None:
        console.print("[green]Nothing to do:[/] it would connect, find everything equal, and go on.")


async def reconcile(shell: Shell, broker: BrokerOption = None, configured: Configured = None) -> Answer:
    """Compare the journal with the exchange: every fill, working order and position. Exit code 1: not equal."""
    shell.trade_at(broker)
    async with opened(shell) as access:
        result = await compared(access, configured)
    data = comparison_fields(result)
    return Answer(data, lambda console: show_comparison(console, result), Exit.OK if result.is_equal else Exit.FAILED)


@asynccontextmanager
async def looked_at(access: Access, configured: str | None) -> AsyncIterator[BrokerAdapter]:
    """A connection that only looks: to the settings' broker, or to the configured one of that name."""
    settings, runtime = access.settings, access.runtime
    async with AsyncExitStack() as stack:
        if configured is not None:
            found = await broker_configurations(settings, access.database, runtime).connection(configured)
            connection = configured_to_look_at(found, settings, runtime)
        else:
            exchange = await stack.enter_async_context(open_exchange(settings, runtime, still=True))
            connection = broker_to_look_at(settings, exchange, runtime)
        try:
            yield connection
        finally:
            await connection.close()


async def compared(access: Access, configured: str | None = None) -> Comparison:
    """The comparison with the exchange of the data directory, or with a configured broker."""
    async with looked_at(access, configured) as connection:
        return await compare_with_broker(access.reader, connection, access.runtime.clock)


def comparison_fields(result: Comparison) -> dict[str, Any]:
    """A comparison as plain values."""
    return {
        "equal": result.is_equal,
        "sequence_number": result.sequence_number,
        "fills": result.fills,
        "working_orders": result.orders,
        "positions": result.positions,
        "differences": [dict(each._asdict()) for each in result.mismatches],
    }


def show_comparison(console: Console, result: Comparison) -> None:
    """The comparison for people: equal, or every difference."""
    counts = f"{result.fills:,} fills, {result.orders:,} working orders, {result.positions:,} positions"
    if result.is_equal:
        console.print(f"[green]Journal and exchange are equal[/] as of entry {result.sequence_number}: {counts}.")
        return
    console.print(f"[bold red]Journal and exchange differ[/] in {len(result.mismatches):,} of {counts}:")
    for each in result.mismatches:
        console.print(f"  {each}", soft_wrap=True, markup=False)
