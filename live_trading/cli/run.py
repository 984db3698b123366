"""``run``: everything in one process tree, on a synthetic market or a recorded day, shown as it happens."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import structlog
import typer

from live_trading import observability
from live_trading.assembly import (
    EngineService,
    Exchange,
    Phase,
    Storage,
    broker_factory,
    broker_kind,
    engine_config,
    exchange_health,
    exchange_options,
    open_exchange,
    open_storage,
)
from live_trading.assembly.configured_brokers import configured_connections, with_configured
from live_trading.cli.access import Access, access_to, ask
from live_trading.cli.exits import Exit, WasRefused
from live_trading.cli.operations import demo_operations, replay_operation
from live_trading.cli.picture import Tail, take_picture
from live_trading.cli.replay import Recording, is_continued, parse_speed, place_for, read_through
from live_trading.cli.screen import LogLines, show_live
from live_trading.cli.services import on_signals, printer
from live_trading.cli.shell import BrokerOption, Shell
from live_trading.cli.stream import LineWriter
from live_trading.cli.summary import Summary, show_summary, summarise
from live_trading.config import LogFormat, Settings
from live_trading.domain.entries import Entry
from live_trading.paper_exchange.options import PaperExchangeOptions
from live_trading.runtime import Runtime, Tasks

_log = structlog.get_logger(__name__)

_LOOK_SECONDS = 0.1
_SETTLE_SECONDS = 20.0
"""How long orders may take to settle after a recorded day's end."""
_QUIET_LOOKS = 3
_COMMAND_SECONDS = 60.0


async def run(
    shell: Shell,
    ticks: Annotated[Path | None, typer.Option("--ticks", help="Trade a recorded day: a file of ticks")] = None,
    symbol: Annotated[str | None, typer.Option("--symbol", help="Whose ticks, where the file does not tell")] = None,
    speed: Annotated[str | None, typer.Option("--speed", metavar="N|max", help="How fast recorded ticks come")] = None,
    seed: Annotated[int | None, typer.Option("--seed", min=0, help="Seed of the synthetic market")] = None,
    duration: Annotated[float | None, typer.Option("--duration", min=0, help="Stop after so many seconds")] = None,
    demo: Annotated[bool, typer.Option("--demo/--no-demo", help="Three operations on a fresh installation")] = True,
    broker: BrokerOption = None,
) -> Exit:
    """Run everything: database, paper exchange and engine. Shows operations, positions and the journal as it grows.

    With --ticks one operation trades a recorded day in a fresh place of its own, and the run ends with the day.
    """
    shell.trade_at(broker)
    settings, recording = shell.settings, None
    broker_kind(settings)
    pace = parse_speed(speed) if speed is not None else None
    if ticks is not None:
        recording = read_through(ticks, symbol)
        settings = place_for(settings, recording, Runtime().clock, chosen=shell.data_dir is not None)
        continued = is_continued(settings)
        _tell_place(shell, settings, recording, continued)
    options = _exchange_options(settings, recording, symbol, pace, seed)
    everything = _Everything(shell, settings, recording, duration, demo)
    return await everything.run(options)


def _exchange_options(
    settings: Settings, recording: Recording | None, symbol: str | None, speed: float | None, seed: int | None
) -> PaperExchangeOptions:
    options = exchange_options(settings)
    if recording is not None:
        options = replace(options, symbol=symbol, wait_for_subscribers=1, speed=speed if speed is not None else 1.0)
    elif speed is not None:
        options = replace(options, speed=speed)
    return options if seed is None else replace(options, seed=seed)


def _tell_place(shell: Shell, settings: Settings, recording: Recording, continued: bool) -> None:
    place = settings.engine.data_dir
    shell.note(
        f"{recording.path.name}: {recording.ticks:,} ticks of {recording.symbol}, "
        f"{recording.first:%Y-%m-%d %H:%M:%S} to {recording.last:%Y-%m-%d %H:%M:%S} UTC"
    )
    mongodb = settings.database.mongodb
    name = "" if mongodb.url is None else f" --set database.mongodb.db_name={mongodb.db_name}"
    verb = "goes on" if continued else "is kept"
    shell.note(f"This replay {verb} in {place}; look at it with: live-trading … --data-dir {place}{name}")


class _Everything:
    """One ``run``, from its start to its end."""

    def __init__(
        self, shell: Shell, settings: Settings, recording: Recording | None, duration: float | None, demo: bool
    ) -> None:
        self._shell = shell
        self._settings = settings
        self._recording = recording
        self._duration = duration
        self._demo = demo
        self._runtime = Runtime()
        self._side = Tasks()
        self._tail = Tail()
        self._log = LogLines()
        self._stop = asyncio.Event()
        self._reason = "asked to stop"
        self._error: Exception | None = None

    async def run(self, options: PaperExchangeOptions) -> Exit:
        settings, runtime = self._settings, self._runtime
        self._set_up_logs()
        on_signals(self._ask_to_stop)
        try:
            async with (
                open_storage(settings, runtime) as storage,
                open_exchange(settings, runtime, options) as exchange,
            ):
                async with self._interface(storage):
                    await self._serve(storage, exchange)
                if self._error is not None:
                    raise self._error
                access = self._access(storage)
                summary = await summarise(access, exchange, check=self._recording is not None)
            return self._end(summary)
        finally:
            await self._side.close()
            await runtime.tasks.close()

    @asynccontextmanager
    async def _interface(self, storage: Storage) -> AsyncIterator[None]:
        """The HTTP interface on the same event loop, unless the settings leave it out or a recorded day is played."""
        if not self._settings.api.in_run or self._recording is not None:
            yield
            return
        from live_trading.api.server import beside  # a web server's libraries, for this command only

        async with beside(self._settings, storage.database, self._runtime) as address:
            self._shell.note(f"The interface is at {address}")
            yield

    def _set_up_logs(self) -> None:
        """On a terminal, logs go to the screen's last lines and to the file."""
        if not self._shell.on_terminal:
            self._shell.log(service=True)
            return
        logging = self._settings.logging.model_copy(update={"format": LogFormat.CONSOLE, "file": True})
        observability.configure(logging, self._settings.engine.data_dir, self._settings.secrets(), self._log)

    def _ask_to_stop(self, reason: str) -> None:
        if not self._stop.is_set():
            self._reason = reason
            self._stop.set()

    def _access(self, storage: Storage) -> Access:
        return access_to(self._settings, storage, self._runtime)

    async def _serve(self, storage: Storage, exchange: Exchange | None) -> None:
        with LineWriter() as writer:
            lossless = self._settings.broker.paper.ticks is not None
            printing = None if self._shell.on_terminal else printer(writer, self._shell.json)

            def on_entries(entries: Sequence[Entry]) -> None:
                self._tail.take(entries)
                if printing is not None:
                    printing(entries)

            others = await configured_connections(self._settings, storage, self._runtime)
            service = EngineService(
                self._settings,
                storage,
                with_configured(broker_factory(self._settings, exchange), others, self._settings),
                engine_config(self._settings, others, lossless_ticks=lossless),
                on_entries=on_entries,
            )
            self._side.start(self._pass_on_stop(service), "stop")
            self._side.start(self._conduct(service, self._access(storage), exchange), "conduct")
            async with self._shown(service, storage):
                await service.run()

    @asynccontextmanager
    async def _shown(self, service: EngineService, storage: Storage) -> AsyncIterator[None]:
        """The live view, on a terminal, for as long as the block lasts."""
        if not self._shell.on_terminal:
            yield
            return

        def take() -> Any:
            return take_picture(service.status, self._tail, tuple(self._log.lines), storage.where)

        drawing = self._side.start(show_live(self._shell.console, take, self._runtime.clock), "screen")
        try:
            yield
        finally:
            drawing.cancel()
            await asyncio.wait([drawing])

    async def _pass_on_stop(self, service: EngineService) -> None:
        await self._stop.wait()
        service.request_stop(self._reason)

    # ---- what happens in a run --------------------------------------------------------------------------------------

    async def _conduct(self, service: EngineService, access: Access, exchange: Exchange | None) -> None:
        """Create operations where there are none, and end the run when its time has come."""
        try:
            await service.status.reach(Phase.TRADING)
            if self._duration is not None:
                self._side.start(self._stop_after(self._duration), "duration")
            engine = service.status.engine
            if engine is not None and not engine.live.ledger.state.operations:
                await self._create_operations(access)
            if self._recording is not None and exchange is not None:
                await self._until_day_is_over(service, exchange)
                self._ask_to_stop("the recorded day is over")
        except Exception as error:
            self._error = error
            self._ask_to_stop(f"failed: {error}"[:200])

    async def _stop_after(self, seconds: float) -> None:
        await self._runtime.clock.sleep(seconds)
        self._ask_to_stop(f"ran for {seconds:g} s")

    async def _create_operations(self, access: Access) -> None:
        """Through the same durable commands as everybody."""
        if self._recording is not None:
            arguments = replay_operation(self._recording.symbol)
            await ask(access, "create_operation", arguments, key="replay", wait=_COMMAND_SECONDS)
        elif self._demo:
            for arguments in demo_operations(self._settings.broker.type):
                try:
                    key = f"demo {arguments['asset']}"
                    await ask(access, "create_operation", arguments, key=key, wait=_COMMAND_SECONDS)
                except WasRefused as error:
                    _log.warning("a demonstration operation was refused", asset=arguments["asset"], reason=str(error))

    async def _until_day_is_over(self, service: EngineService, exchange: Exchange) -> None:
        """Until the recorded ticks have ended, all of them have been handled, and no order's fate is open."""
        clock = self._runtime.clock
        while not await exchange.feed_ended():
            await clock.sleep(_LOOK_SECONDS)
        deadline = clock.monotonic() + _SETTLE_SECONDS
        quiet = 0
        while quiet < _QUIET_LOOKS:
            if clock.monotonic() > deadline:
                _log.warning("not everything came to rest after the recorded day", patience=_SETTLE_SECONDS)
                return
            quiet = quiet + 1 if await self._is_settled(service, exchange) else 0
            await clock.sleep(_LOOK_SECONDS)

    async def _is_settled(self, service: EngineService, exchange: Exchange) -> bool:
        engine = service.status.engine
        if engine is None or service.status.phase is not Phase.TRADING or not engine.is_quiet:
            return False
        told = max((s.broker.market_time_ns() or 0 for s in engine.context.sessions.values()), default=0)
        if told < (await exchange_health(exchange.url))["market_time_ns"]:
            return False
        orders = engine.live.ledger.orders.values()
        return not any(order.status.is_uncertain or order.doubt is not None for order in orders)

    def _end(self, summary: Summary) -> Exit:
        if self._shell.json:
            self._shell.emit({"summary": summary.fields})
        else:
            show_summary(self._shell.console, summary)
        return Exit.OK if summary.is_good else Exit.FAILED
