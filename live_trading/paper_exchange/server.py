"""The paper exchange as a process of its own: store, feed, fronts, and a clean end."""

import asyncio
import os
import signal
import sqlite3
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn

import msgspec
import uvloop

from live_trading.domain.errors import InvalidInput, LiveTradingError
from live_trading.domain.market import Bar
from live_trading.paper_exchange.candles import Candles
from live_trading.paper_exchange.catalogue import default_catalogue, read_catalogue
from live_trading.paper_exchange.core import AccountSettings, Catalogue, Effect, Listing
from live_trading.paper_exchange.exchange import Note, SimulatedExchange
from live_trading.paper_exchange.feeds import Pacer, QuietFeed, RecordedFeed, RecordedFile, SyntheticFeed
from live_trading.paper_exchange.options import READY_FILE, STORE_FILE, PaperExchangeOptions
from live_trading.paper_exchange.protocols.front import Front, FrontPlace
from live_trading.paper_exchange.protocols.fronts import make_front
from live_trading.paper_exchange.protocols.native import NativeFront
from live_trading.paper_exchange.store import ExchangeStore, StoreError
from live_trading.runtime import Runtime
from live_trading.runtime.clock import Clock

_SECOND = 1_000_000_000
_SAVE_SECONDS = 2.0
_HISTORY_STEP = 15.0


class PaperExchangeServer:
    """One exchange over the store in ``options.data_dir``, rebuilt from it at ``start``."""

    def __init__(self, options: PaperExchangeOptions, runtime: Runtime) -> None:
        self.options = options
        self._runtime = runtime
        self._store = ExchangeStore(options.data_dir / STORE_FILE)
        try:
            self._feed = _feed(options, runtime.clock)
            self.exchange = self._rebuild()
        except BaseException:
            self._store.close()
            raise
        self._told: dict[str, Mapping[str, object]] = {}
        native = NativeFront(
            self.exchange,
            host=options.host,
            port=options.port,
            recorded=self._feed.recorded,
            lockstep=options.lockstep,
            enable_faults=options.enable_faults,
            fronts=self._told,
        )
        self._fronts: list[Front] = [native]
        for front in options.fronts:
            name, _, port = front.partition("=")
            place = FrontPlace(options.host, int(port or 0), options.data_dir, self._feed.recorded)
            self._fronts.append(make_front(name, self.exchange, place))
        self.url = ""

    @property
    def fronts(self) -> Mapping[str, Mapping[str, object]]:
        """How each protocol's clients connect, once started."""
        return self._told

    def _rebuild(self) -> SimulatedExchange:
        options, store = self.options, self._store
        wanted = (
            AccountSettings(account=name, currency=options.currency, cash=options.initial_balance)
            for name in options.accounts
        )
        accounts = store.open_accounts(wanted)
        listings = store.open_listings(_listings(options))
        for symbol in self._feed.symbols:
            if symbol not in {listing.symbol for listing in listings}:
                raise InvalidInput("ticks", f"{symbol} is not listed", "List it in a catalogue file")
        exchange = SimulatedExchange(
            Catalogue(listings),
            clock=self._runtime.clock,
            accounts=accounts,
            market_time="feed" if self._feed.recorded else "clock",
            commission_delay=options.commission_delay,
            store=_FailStop(store),
            seed=options.seed,
        )
        minutes = store.minutes()
        exchange.restore(store.load(), minutes)
        store.check(position for name in exchange.engine.accounts for position in exchange.positions(name))
        self._restore_feed(exchange, minutes)
        if isinstance(self._feed, RecordedFeed):
            for symbol in self._feed.symbols:  # asked once now: a calendar of holidays takes a second to load
                exchange.engine.markets[symbol].sessions.is_open(self._feed.start_ns)
        store.feed_state = self._feed.state
        return exchange

    def _restore_feed(self, exchange: SimulatedExchange, minutes: list[Bar]) -> None:
        state = self._store.feed()
        if state:
            self._feed.restore(state)
        elif isinstance(self._feed, SyntheticFeed) and not minutes:
            _make_history(self._feed, exchange.candles, self._runtime.clock.now_ns())

    async def start(self) -> None:
        """Serve; the ready file tells how to connect."""
        for front in reversed(self._fronts):  # the native one last: who sees it answer sees all of them
            self._told[front.name] = await front.start(self._runtime.tasks)
        self.url = str(self._told["native"]["url"])
        self._runtime.tasks.start(self._pacer().run(), "feed")
        self._runtime.tasks.start(self._save_now_and_then(), "saving of progress")
        ready = {
            "url": self.url,
            "pid": os.getpid(),
            "account": next(iter(self.exchange.engine.accounts)),
            "fronts": self._told,
        }
        _write_atomically(self.options.data_dir / READY_FILE, msgspec.json.encode(ready))

    async def close(self) -> None:
        """Stop the feed, the fronts, and put everything on disk. Orders stay."""
        for front in self._fronts:
            await front.close()
        await self._runtime.tasks.close()
        await self.exchange.tasks.close()
        try:
            self._save()
        finally:
            self._store.close()
            (self.options.data_dir / READY_FILE).unlink(missing_ok=True)

    def _pacer(self) -> Pacer:
        wanted = self.options.wait_for_subscribers
        return Pacer(
            self.exchange,
            self._feed,
            self._runtime.clock,
            speed=self.options.speed or float("inf"),
            started=lambda: len({s for front in self._fronts for s in front.subscriptions()}) >= wanted,
            ready=lambda: all(front.ready() for front in self._fronts),
        )

    async def _save_now_and_then(self) -> None:
        while True:
            await self._runtime.clock.sleep(_SAVE_SECONDS)
            self._save()

    def _save(self) -> None:
        try:
            self._store.save_progress(self.exchange.engine.now_ns, self.exchange.candles.take_closed())
        except sqlite3.Error as error:
            raise StoreError(f"the store cannot be written: {error}. Look for room on its disk") from error


class _FailStop:
    """The store, or the end of the process: after a failed write memory is ahead of the disk, and only a restart is
    honest."""

    def __init__(self, store: ExchangeStore) -> None:
        self._store = store

    def notes(self, front: str) -> list[Note]:
        return self._store.notes(front)

    def commit(self, effects: Sequence[Effect], now_ns: int, notes: Sequence[Note] = ()) -> None:
        try:
            self._store.commit(effects, now_ns, notes)
        except sqlite3.Error as error:
            _die(f"paper exchange: the store cannot be written ({error}); ending, so that nothing untrue is told")


def _die(text: str) -> NoReturn:
    print(text, file=sys.stderr, flush=True)
    os._exit(74)


def _feed(options: PaperExchangeOptions, clock: Clock) -> RecordedFeed | SyntheticFeed | QuietFeed:
    if options.quiet:
        return QuietFeed()
    if options.ticks:
        return RecordedFeed([RecordedFile(path, options.symbol) for path in options.ticks])
    listings = [listing for listing in _listings(options) if listing.symbol in options.instruments]
    if unknown := set(options.instruments) - {listing.symbol for listing in listings}:
        raise InvalidInput("instruments", f"{', '.join(sorted(unknown))}: not listed", "List them in a catalogue file")
    start_ns = clock.now_ns() - int(options.history_hours * 3600 * _SECOND)
    return SyntheticFeed(
        listings or _listings(options),
        seed=options.seed,
        start_ns=start_ns,
        ticks_per_second=options.ticks_per_second,
    )


def _listings(options: PaperExchangeOptions) -> list[Listing]:
    """The catalogue's listings with what the options say of all of them. A synthetic market never closes."""
    always_open = not options.ticks
    if options.catalogue is None:
        catalogue = default_catalogue(always_open=always_open)
    else:
        catalogue = read_catalogue(options.catalogue, always_open=always_open)
    return [_adapted(listing, options) for listing in catalogue]


def _adapted(listing: Listing, options: PaperExchangeOptions) -> Listing:
    commission: dict[str, Any] = {}
    if options.commission_rate is not None:
        commission = {"percentage": options.commission_rate, "per_unit": 0, "minimum": 0}
    if options.commission_minimum is not None:
        commission["minimum"] = options.commission_minimum
    liquidity = {"max_fill": options.max_fill, "partial_probability": options.partial_fills}
    liquidity = {name: value for name, value in liquidity.items() if value is not None}
    changes: dict[str, Any] = {
        "commission": listing.commission.model_copy(update=commission),
        "liquidity": listing.liquidity.model_copy(update=liquidity),
    }
    if options.slippage_ticks is not None:
        changes["slippage"] = listing.slippage.model_copy(update={"ticks": options.slippage_ticks})
    return listing.model_copy(update=changes)


def _make_history(feed: SyntheticFeed, candles: Candles, now_ns: int) -> None:
    """Let a new synthetic market have a past, so that strategies have bars to warm up on."""
    while True:
        tick = feed.next(_HISTORY_STEP)
        if tick.time_ns >= now_ns:
            feed.go_on_at(now_ns)
            return
        candles.add(tick)


def _write_atomically(path: Path, data: bytes) -> None:
    temporary = path.with_suffix(".tmp")
    temporary.write_bytes(data)
    temporary.replace(path)


async def serve(options: PaperExchangeOptions) -> None:
    """Run a paper exchange until SIGTERM or SIGINT; a failed part of it ends it with that failure."""
    runtime = Runtime()
    server = PaperExchangeServer(options, runtime)
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    try:
        await server.start()
        print(f"paper exchange ready on {server.url}", flush=True)
        waiting = [runtime.tasks.start(stop.wait(), "signal"), runtime.tasks.start(runtime.tasks.failed(), "failure")]
        await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
    finally:
        await server.close()
    if (failure := runtime.tasks.failure) is not None:
        raise failure.__cause__ if isinstance(failure.__cause__, LiveTradingError) else failure


def run_paper_exchange(options: PaperExchangeOptions) -> int:
    """Run the process to its end; the exit code."""
    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(serve(options))
    except LiveTradingError as error:
        print(f"paper exchange: {error}", file=sys.stderr)
        return 1
    return 0
