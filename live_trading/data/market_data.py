"""Market data of one broker: shared subscriptions, last prices, bars, and the watch over silent feeds.

Several operations on one symbol share one subscription at the broker; the last one to leave ends it. Operations that
ask for the same bar sizes share one aggregator, so an operation's bars never depend on what others ask for.

Bars are only given out complete. After subscribing, or resubscribing after a lost connection, the feed counts as
listened to from the time of the first tick or market time that comes; bars that began earlier are withheld and are part
of the next gap. A recorded feed that is to give its very first bar tells its starting time first.
"""

import asyncio
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import NamedTuple, Protocol, TypeVar

from live_trading.data.bar_aggregator import MAX_FILLED_NS, BarAggregator, Gap
from live_trading.data.tick_recorder import TickRecorder
from live_trading.domain.bar_size import BarSize
from live_trading.domain.instrument import Instrument
from live_trading.domain.market import Bar, Tick
from live_trading.runtime import Clock, utc_from_ns

DEFAULT_STALE_AFTER = 5.0
"""Seconds without a tick, in an open session, after which a symbol's data is stale."""

_SECOND_NS = 1_000_000_000

T = TypeVar("T")


class Feed(Protocol):
    """The part of a broker that starts and stops ticks."""

    async def subscribe(self, instrument: Instrument) -> None: ...

    async def unsubscribe(self, instrument: Instrument) -> None: ...


class Quote(NamedTuple):
    """The last price of a symbol. ``age`` is in seconds since it was received, on the steady clock."""

    symbol: str
    price: Decimal
    bid: Decimal
    ask: Decimal
    market_ns: int
    age: float


class Subscription:
    """One operation's share in a symbol's data. Close it when the operation ends."""

    def __init__(
        self,
        market_data: "MarketData",
        instrument: Instrument,
        bar_sizes: frozenset[BarSize],
        on_bars: Callable[[list[Bar]], None],
        on_gap: Callable[[Gap], None] | None,
    ) -> None:
        self.instrument = instrument
        self.bar_sizes = bar_sizes
        self.on_bars = on_bars
        self.on_gap = on_gap
        self._market_data = market_data

    async def close(self) -> None:
        """Get no more bars; the symbol's last subscription ends its ticks at the broker. Twice is once."""
        await self._market_data.unsubscribe(self)


@dataclass(slots=True)
class _Shared:
    """One aggregator and those who get its bars."""

    aggregator: BarAggregator
    subscriptions: list[Subscription] = field(default_factory=list)
    hearers: tuple[Callable[[list[Bar]], None], ...] = ()
    """What the subscriptions want called: looked up once and not with every bar."""

    def subscriptions_changed(self) -> None:
        """Call it after every change of ``subscriptions``."""
        self.hearers = tuple(each.on_bars for each in self.subscriptions)

    def tell_bars(self, bars: Sequence[Bar]) -> None:
        """Give closed bars out."""
        _tell(self.hearers, bars if type(bars) is list else list(bars))


@dataclass(slots=True)
class _SymbolFeed:
    """All that is known of one symbol."""

    instrument: Instrument
    since: float  # steady time of the last tick, or of subscribing
    subscribed: bool = False  # the broker was asked, and the connection was not lost since
    listening: bool = False  # something came after that
    stale: bool = False
    last: Tick | None = None
    shared: dict[frozenset[BarSize], _Shared] = field(default_factory=dict)
    takers: tuple[tuple[Callable[[Tick], Sequence[Bar]], Callable[[Sequence[Bar]], None]], ...] = ()
    """What takes a tick, and what its bars are told to: of each aggregator, looked up once and not with every tick."""
    followers: tuple[Callable[[Tick], None], ...] = ()
    """Those who look at every tick."""

    def shares_changed(self) -> None:
        """Call it after every change of ``shared``."""
        self.takers = tuple((each.aggregator.add, each.tell_bars) for each in self.shared.values())


class MarketData:
    """The market data of one broker connection.

    ``feed`` is the broker's adapter; ``recorder`` follows what is subscribed to. ``on_stale(symbol, age)`` and
    ``on_resumed(symbol, gap)`` are called with seconds; staleness is looked at by :meth:`check`, which :meth:`watch`
    does once a second. All callbacks are synchronous and should only put what they get into a bounded queue of their
    own: a slow one would hold up everybody's ticks.
    """

    def __init__(
        self,
        feed: Feed,
        clock: Clock,
        *,
        stale_after: float = DEFAULT_STALE_AFTER,
        grace_ns: int = 0,
        max_filled_ns: int = MAX_FILLED_NS,
        recorder: TickRecorder | None = None,
        on_stale: Callable[[str, float], None] | None = None,
        on_resumed: Callable[[str, float], None] | None = None,
    ) -> None:
        self.unknown_ticks = 0
        """Ticks of symbols nobody subscribed to."""
        self.closings = 0
        """How many times bars were told."""
        self.received = 0.0
        """When what is being told was received, on the steady clock; set by whoever tells it."""
        self._feed = feed
        self._clock = clock
        self._monotonic = clock.monotonic
        self._stale_after = stale_after
        self._grace_ns = grace_ns
        self._max_filled_ns = max_filled_ns
        self._recorder = recorder
        self._on_stale = on_stale
        self._on_resumed = on_resumed
        self._symbols: dict[str, _SymbolFeed] = {}
        self._market_ns: int | None = None
        self._market_told = 0.0
        self._changing = asyncio.Lock()
        self._is_interrupted = False

    # -- subscriptions

    async def subscribe(
        self,
        instrument: Instrument,
        bar_sizes: Collection[BarSize],
        on_bars: Callable[[list[Bar]], None],
        *,
        on_gap: Callable[[Gap], None] | None = None,
    ) -> Subscription:
        """Get the closed bars of a symbol: ``on_bars`` with all that closed at one moment, ordered by their ends,
        smaller sizes first; ``on_gap`` with bars that are missing. Raises what the broker raises."""
        sizes = frozenset(bar_sizes)
        subscription = Subscription(self, instrument, sizes, on_bars, on_gap)
        async with self._changing:
            symbol = self._symbols.get(instrument.symbol)
            if symbol is None:
                symbol = _SymbolFeed(instrument, self._monotonic())
                self._symbols[instrument.symbol] = symbol
                try:
                    await self._feed.subscribe(instrument)
                except BaseException:
                    del self._symbols[instrument.symbol]
                    raise
                # While the connection is lost, the answer is the old one's last word, whenever it is heard here.
                symbol.subscribed, symbol.since = not self._is_interrupted, self._monotonic()
                if self._recorder is not None:
                    self._recorder.follow(instrument)
            shared = symbol.shared.get(sizes)
            if shared is None:
                shared = symbol.shared[sizes] = self._new_shared(symbol, sizes)
                symbol.shares_changed()
            shared.subscriptions.append(subscription)
            shared.subscriptions_changed()
        return subscription

    def _new_shared(self, symbol: _SymbolFeed, sizes: frozenset[BarSize]) -> _Shared:
        # Bars in the making now are not complete for this aggregator, though the feed was listened to before.
        from_ns = None
        if symbol.listening:
            told = self._market_ns or 0
            from_ns = max(told, symbol.last.time_ns if symbol.last is not None else 0)
        subscriptions: list[Subscription] = []

        def tell_gap(gap: Gap) -> None:
            _tell([each.on_gap for each in subscriptions if each.on_gap is not None], gap)

        aggregator = BarAggregator(
            symbol.instrument,
            sizes,
            grace_ns=self._grace_ns,
            complete_from_ns=from_ns,
            max_filled_ns=self._max_filled_ns,
            on_gap=tell_gap,
        )
        return _Shared(aggregator, subscriptions)

    def follow(self, symbol: str, on_tick: Callable[[Tick], None]) -> None:
        """Have every tick of a subscribed symbol looked at, until :meth:`unfollow` or the symbol's last subscription
        ends. It is called for each of them, so it must be quick."""
        feed = self._symbols.get(symbol)
        if feed is not None and on_tick not in feed.followers:
            feed.followers = (*feed.followers, on_tick)

    def unfollow(self, symbol: str, on_tick: Callable[[Tick], None]) -> None:
        """End what :meth:`follow` began. Twice is once."""
        feed = self._symbols.get(symbol)
        if feed is not None:
            feed.followers = tuple(each for each in feed.followers if each != on_tick)

    async def unsubscribe(self, subscription: Subscription) -> None:
        """What :meth:`Subscription.close` does."""
        async with self._changing:
            symbol = self._symbols.get(subscription.instrument.symbol)
            shared = None if symbol is None else symbol.shared.get(subscription.bar_sizes)
            if symbol is None or shared is None or subscription not in shared.subscriptions:
                return
            shared.subscriptions.remove(subscription)
            shared.subscriptions_changed()
            if not shared.subscriptions:
                del symbol.shared[subscription.bar_sizes]
                symbol.shares_changed()
            if not symbol.shared:
                del self._symbols[subscription.instrument.symbol]
                if symbol.subscribed:
                    await self._feed.unsubscribe(symbol.instrument)

    def interrupted(self) -> None:
        """The connection is lost: bars in the making lack ticks from here on, and time alone closes none of them."""
        self._is_interrupted = True
        for symbol in self._symbols.values():
            symbol.subscribed = symbol.listening = False

    async def resubscribe(self) -> None:
        """The connection is back: subscribe to everything again. Raises what the broker raises; call it again then."""
        async with self._changing:
            self._is_interrupted = False
            for symbol in self._symbols.values():
                if not symbol.subscribed:
                    await self._feed.subscribe(symbol.instrument)
                    symbol.subscribed = not self._is_interrupted

    # -- what the broker tells

    def on_tick(self, tick: Tick) -> None:
        """Take a tick of the broker's stream."""
        symbol = self._symbols.get(tick.symbol)
        if symbol is None:
            self.unknown_ticks += 1
            return
        if symbol.stale:
            symbol.stale = False
            if self._on_resumed is not None:
                self._on_resumed(tick.symbol, self._monotonic() - symbol.since)
        symbol.last, symbol.since = tick, self._monotonic()
        for follower in symbol.followers:
            follower(tick)
        if not symbol.subscribed:  # still on its way when the connection was lost: the ticks after it will be missing
            return
        if not symbol.listening:
            self._listen(symbol, tick.time_ns)
        for add, tell_bars in symbol.takers:
            bars = add(tick)
            if bars:
                self.closings += 1
                tell_bars(bars)

    def on_price(self, tick: Tick) -> None:
        """Take a price that makes no bars: one from within a recorded bar that is still to be told."""
        symbol = self._symbols.get(tick.symbol)
        if symbol is not None:
            symbol.last, symbol.since = tick, self._monotonic()

    def on_bar(self, bar: Bar, last: Tick) -> None:
        """Take a recorded bar in place of its ticks, at its end, and ``last``, the tick that it ended with.

        Its size must fit into those asked for.
        """
        symbol = self._symbols.get(bar.symbol)
        if symbol is None or not symbol.subscribed:
            self.unknown_ticks += 1
            return
        symbol.last, symbol.since = last, self._monotonic()
        if not symbol.listening:
            self._listen(symbol, bar.start_ns)
        for shared in symbol.shared.values():
            bars = shared.aggregator.add_bar(bar)
            if bars:
                shared.tell_bars(bars)

    def on_market_time(self, time_ns: int) -> None:
        """Take the market's time: bars that are over are closed, also of symbols that are quiet."""
        self._market_ns = time_ns if self._market_ns is None else max(self._market_ns, time_ns)
        self._market_told = self._monotonic()
        for symbol in list(self._symbols.values()):
            if not symbol.subscribed:
                continue
            if not symbol.listening:
                self._listen(symbol, time_ns)
            for shared in list(symbol.shared.values()):
                bars = shared.aggregator.advance(time_ns)
                if bars:
                    self.closings += 1
                    shared.tell_bars(bars)

    def _listen(self, symbol: _SymbolFeed, time_ns: int) -> None:
        symbol.listening = True
        for shared in symbol.shared.values():
            shared.aggregator.resume_from(time_ns)

    # -- what is asked

    def last_price(self, symbol: str) -> Quote | None:
        """The last price of a subscribed symbol, with its age; None before its first tick."""
        feed = self._symbols.get(symbol)
        if feed is None or feed.last is None:
            return None
        tick = feed.last
        age = self._monotonic() - feed.since
        return Quote(symbol, tick.price, tick.bid, tick.ask, tick.time_ns, age)

    def is_stale(self, symbol: str) -> bool:
        """Whether entries must be refused because nothing was heard of the symbol for too long, or ever."""
        feed = self._symbols.get(symbol)
        return feed is None or feed.last is None or feed.stale

    @property
    def symbols(self) -> tuple[str, ...]:
        """The symbols subscribed to."""
        return tuple(self._symbols)

    @property
    def late_ticks(self) -> int:
        """Ticks that came after their bar was closed, over all aggregators now running."""
        return sum(shared.aggregator.late_ticks for feed in self._symbols.values() for shared in feed.shared.values())

    # -- the watch

    def check(self) -> None:
        """Look for symbols without a tick for too long while their market is open, and tell about each once."""
        now = self._monotonic()
        for name, symbol in self._symbols.items():
            age = now - symbol.since
            if symbol.stale or age <= self._stale_after or not self._is_open(symbol, age):
                continue
            symbol.stale = True
            if self._on_stale is not None:
                self._on_stale(name, age)

    async def watch(self, interval: float = 1.0) -> None:
        """Check for ever, once every ``interval`` seconds."""
        while True:
            await self._clock.sleep(interval)
            self.check()

    def _is_open(self, symbol: _SymbolFeed, age: float) -> bool:
        """Whether the market is open now, and was when the symbol was last heard.

        A dead connection tells no time any more, so the market's time goes on from where it was last told.
        """
        hours = symbol.instrument.hours
        if symbol.last is not None and not hours.is_open(utc_from_ns(symbol.last.time_ns)):
            return False
        if self._market_ns is not None:
            since_told = self._monotonic() - self._market_told
            return hours.is_open(utc_from_ns(self._market_ns + int(since_told * _SECOND_NS)))
        if symbol.last is not None:
            return hours.is_open(utc_from_ns(symbol.last.time_ns + int(age * _SECOND_NS)))
        return hours.is_open(self._clock.now())


def _tell(callbacks: Sequence[Callable[[T], None]], what: T) -> None:
    """Call each; one that raises keeps nobody else from hearing, and is raised at the end."""
    errors: list[Exception] | None = None
    for callback in callbacks:
        try:
            callback(what)
        except Exception as error:
            errors = [*(errors or ()), error]
    if errors is not None:
        raise ExceptionGroup("subscribers to market data failed", errors)
