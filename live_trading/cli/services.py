"""``engine`` and ``paper-exchange``: the long-running processes."""

import asyncio
import json
import os
import signal
from collections.abc import Callable, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Annotated

import structlog
import typer

from live_trading.assembly import (
    EngineService,
    broker_factory,
    broker_kind,
    engine_config,
    exchange_options,
    open_exchange,
    open_storage,
)
from live_trading.assembly.configured_brokers import configured_connections, with_configured
from live_trading.cli.entries import entry_line
from live_trading.cli.exits import Exit
from live_trading.cli.shell import BrokerOption, Shell
from live_trading.cli.stream import LineWriter
from live_trading.domain.entries import Entry
from live_trading.models.queries import entry_fields
from live_trading.paper_exchange.options import PaperExchangeOptions
from live_trading.runtime import Runtime

_log = structlog.get_logger(__name__)


def on_signals(stop: Callable[[str], None]) -> None:
    """End in order at SIGTERM and at the first SIGINT; at the second SIGINT at once, as a crash would."""
    loop = asyncio.get_running_loop()
    interrupts = 0

    def interrupted() -> None:
        nonlocal interrupts
        interrupts += 1
        if interrupts > 1:
            os._exit(int(Exit.INTERRUPTED))
        stop("interrupted (SIGINT)")

    loop.add_signal_handler(signal.SIGTERM, stop, "terminated (SIGTERM)")
    loop.add_signal_handler(signal.SIGINT, interrupted)


def printer(writer: LineWriter, as_json: bool) -> Callable[[Sequence[Entry]], None]:
    """Prints entries as they become durable."""

    def on_entries(entries: Sequence[Entry]) -> None:
        for entry in entries:
            writer.line(json.dumps(entry_fields(entry), ensure_ascii=False) if as_json else entry_line(entry))

    return on_entries


async def engine(
    shell: Shell,
    tail: Annotated[bool, typer.Option("--tail", help="Print the journal's entries as they come")] = False,
    standby: Annotated[
        bool, typer.Option("--standby", help="While another engine trades, follow its journal to take over quickly")
    ] = False,
    broker: BrokerOption = None,
) -> Exit:
    """Run the trading engine alone: stand by for the journal, recover, trade, until SIGTERM or Ctrl-C.

    The bundled database and paper exchange are started with it unless MONGODB_URL or broker.paper.url is set. Where
    another engine holds the journal it waits, with --standby ready to trade at once.
    """
    shell.trade_at(broker)
    settings = shell.settings
    broker_kind(settings)
    shell.log(service=True)
    runtime = Runtime()
    stop = asyncio.Event()
    reasons: list[str] = []

    def ask_to_stop(reason: str) -> None:
        reasons.append(reason)
        stop.set()

    on_signals(ask_to_stop)
    with LineWriter() as writer:
        try:
            async with open_storage(settings, runtime) as storage, open_exchange(settings, runtime) as exchange:
                _log.info(
                    "engine starting",
                    database=storage.where,
                    broker=settings.broker.type,
                    exchange=exchange and exchange.url,
                )
                others = await configured_connections(settings, storage, runtime)
                service = EngineService(
                    settings,
                    storage,
                    with_configured(broker_factory(settings, exchange), others, settings),
                    engine_config(settings, others, lossless_ticks=settings.broker.paper.ticks is not None),
                    on_entries=printer(writer, shell.json) if tail else None,
                    standby=standby,
                )
                runtime.tasks.start(_pass_on(stop, reasons, service), "stop")
                await service.run()
                _log.info("engine stopped")
        finally:
            await runtime.tasks.close()
    return Exit.OK


async def _pass_on(stop: asyncio.Event, reasons: list[str], service: EngineService) -> None:
    await stop.wait()
    service.request_stop(reasons[0])


def paper_exchange(
    shell: Shell,
    host: Annotated[str, typer.Option(help="Address to listen on")] = "127.0.0.1",
    port: Annotated[int | None, typer.Option(min=0, max=65_535, help="Port; 0 takes any free one")] = None,
    account: Annotated[list[str] | None, typer.Option("--account", help="An account's id; may be repeated")] = None,
    ticks: Annotated[list[Path] | None, typer.Option("--ticks", help="A file of recorded ticks")] = None,
    symbol: Annotated[str | None, typer.Option(help="Whose ticks they are, where the file does not tell")] = None,
    speed: Annotated[float | None, typer.Option(min=0, help="Market seconds a second; 0: as fast as can be")] = None,
    wait_for_subscribers: Annotated[int, typer.Option(min=0, help="Start the feed at so many subscriptions")] = 0,
    seed: Annotated[int | None, typer.Option(min=0, help="Seed of the synthetic market")] = None,
    ticks_per_second: Annotated[float, typer.Option(min=0.01, help="Of each synthetic instrument")] = 4.0,
    instrument: Annotated[list[str] | None, typer.Option(help="A symbol of the synthetic market")] = None,
    slippage_ticks: Annotated[int | None, typer.Option(min=0, help="Slippage of market orders")] = None,
    partial_fills: Annotated[float | None, typer.Option(min=0, max=1, help="How often a fill is partial")] = None,
    commission_delay: Annotated[float, typer.Option(min=0, help="Seconds from a fill to its commission")] = 0.0,
    front: Annotated[list[str] | None, typer.Option(help="A further protocol to serve, as NAME or NAME=PORT")] = None,
    enable_faults: Annotated[bool, typer.Option(help="Open the endpoint for faults on purpose")] = False,
) -> Exit:
    """Run the paper exchange alone, over the store in the data directory."""
    from live_trading.paper_exchange.server import run_paper_exchange  # a server's libraries, for a server only

    base = exchange_options(shell.settings)
    options = PaperExchangeOptions(
        data_dir=base.data_dir,
        host=host,
        port=base.port if port is None else port,
        accounts=tuple(account) if account else base.accounts,
        currency=base.currency,
        initial_balance=Decimal(base.initial_balance),
        ticks=tuple(ticks) if ticks else base.ticks,
        symbol=symbol,
        speed=base.speed if speed is None else speed,
        wait_for_subscribers=wait_for_subscribers,
        seed=base.seed if seed is None else seed,
        ticks_per_second=ticks_per_second,
        instruments=tuple(instrument or ()),
        catalogue=base.catalogue,
        fronts=tuple(front) if front else base.fronts,
        slippage_ticks=slippage_ticks,
        partial_fills=partial_fills,
        commission_delay=commission_delay,
        enable_faults=enable_faults,
    )
    options.data_dir.mkdir(parents=True, exist_ok=True)
    return Exit(run_paper_exchange(options))
