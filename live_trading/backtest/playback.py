"""Playing recorded data to an engine, tick by tick or bar by bar, in the order in which a live engine would hear it.

Of ticks: the market's time is told every five seconds while it is open, as the paper exchange tells it; a tick trades
first, then what came of it is told, then the tick. Everything that follows is done before the next tick comes.

Of bars: see :mod:`live_trading.backtest.bar_path` for what happens within one. When it is over the engine is told of
it, and its orders are carried out at the open of the next bar, if one follows at once, else at the last quote. So
nothing is ever decided with knowledge of what comes after, and no order trades at the price that brought it about.
"""

from collections.abc import Iterable, Iterator

from live_trading.backtest.bar_path import Reach, TickMaker, close_time_ns, high_first, legs, next_reached
from live_trading.backtest.engine_run import EngineRun
from live_trading.domain.bar_size import BarSize
from live_trading.domain.market import Bar, Tick
from live_trading.paper_exchange.feeds.pacing import CLOSED_STEP, OPEN_STEP, RUN_ON

_MINUTE_NS = 60_000_000_000


class TickPlayback:
    """Plays ticks."""

    def __init__(self, run: EngineRun) -> None:
        self._run = run
        self._told_ns = 0

    def play(self, ticks: Iterable[Tick]) -> int:
        """Play them all; how many they were."""
        run = self._run
        loop, recorder = run.loop, run.recorder
        ready, advance, settle = loop.ready, loop.advance, run.settle
        trade, tell = run.exchange.on_tick, run.market.on_tick
        count = last_ns = 0
        for tick in ticks:
            time_ns = tick.time_ns
            if not count:
                self._tell(time_ns - time_ns % _MINUTE_NS)
                self._told_ns = time_ns // OPEN_STEP * OPEN_STEP
            if time_ns - self._told_ns >= OPEN_STEP:
                self._pass(time_ns)
            advance(time_ns)
            trade(tick)
            if ready:  # fills are heard of before the tick that brought them about
                settle()
            tell(tick)
            if ready:
                settle()
            if recorder.quantity:
                run.mind_losses(tick.price)
            count += 1
            last_ns = time_ns
        if count:
            self._pass(last_ns + RUN_ON)
            self._tell(last_ns + RUN_ON)
        return count

    def _pass(self, until_ns: int) -> None:
        """Let the market's time come to ``until_ns``, telling it on the way."""
        stride = OPEN_STEP if self._run.exchange.is_open(self._run.symbol) else CLOSED_STEP
        while self._told_ns + stride <= until_ns:
            self._tell(self._told_ns + stride)

    def _tell(self, time_ns: int) -> None:
        run = self._run
        self._told_ns = time_ns
        run.pass_time(time_ns)
        run.market.on_market_time(time_ns)
        run.market.check()
        if run.loop.ready:
            run.settle()
        run.look_if_needed()


class BarPlayback:
    """Plays bars of one size."""

    def __init__(self, run: EngineRun, bar_size: BarSize) -> None:
        self._run = run
        self._step_ns = bar_size.nanoseconds
        self._symbol = run.symbol
        self._market = run.exchange.engine.markets[self._symbol]
        self._maker = TickMaker(run.request.catalogue[self._symbol])
        self._told_ns = -1
        self._following: Bar | None = None
        self._reach = Reach()
        self._reach_of = -1
        run.broker.before_command = self._open_next

    def play(self, bars: Iterable[Bar]) -> int:
        """Play them all; how many they were."""
        count = 0
        play_bar = self._play_bar
        for bar, following in _with_next(map(self._maker.with_sides, bars)):
            play_bar(bar, following)
            count += 1
        if count:
            self._pass(self._told_ns + RUN_ON)
        return count

    def _play_bar(self, bar: Bar, following: Bar | None) -> None:
        run, market = self._run, self._market
        start_ns, end_ns = bar.start_ns, bar.end_ns
        if start_ns > self._told_ns:
            self._pass(start_ns)
        last = self._maker.at(bar, 3, close_time_ns(bar, end_ns))
        if market.working and self._is_reached(bar):
            self._walk(bar, last)
        else:
            market.take(last)  # nobody's order is touched
        self._told_ns = end_ns
        run.pass_time(end_ns)
        if following is not None and following.start_ns == end_ns:
            self._following = following
        run.market.on_bar(bar, last)
        if run.loop.ready:
            run.settle()
        self._following = None
        if run.recorder.quantity:
            run.mind_losses(bar.close)
        if run.may_wait:
            run.look_if_needed()

    def _is_reached(self, bar: Bar) -> bool:
        """Whether the bar may touch a working order."""
        exchange = self._run.exchange
        if self._reach_of != exchange.sequence:
            self._reach, self._reach_of = Reach.of(exchange.working(self._symbol)), exchange.sequence
        return self._reach.is_within(bar)

    def _walk(self, bar: Bar, last: Tick) -> None:
        """Go through the bar as orders see it."""
        run, maker = self._run, self._maker
        now = maker.at(bar, 0, bar.start_ns)
        self._trade(now)
        is_high_first = high_first(run.recorder.quantity, run.exchange.working(self._symbol))
        for towards in legs(maker, bar, last, is_high_first):
            passed: set[int] = set()
            while (
                reached := next_reached(maker, run.exchange.working(self._symbol), now, towards, passed)
            ) is not None:
                order, now = reached
                passed.add(order.order_id)
                self._trade(now)
            now = towards
            self._trade(now)

    def _trade(self, tick: Tick) -> None:
        run = self._run
        run.loop.advance(tick.time_ns)
        run.exchange.on_tick(tick)
        if run.loop.ready:
            run.settle()
        run.market.on_price(tick)

    def _open_next(self) -> None:
        """A command is about to reach the exchange: the next bar's open, if it follows at once, comes before it."""
        following, self._following = self._following, None
        if following is not None:
            self._run.exchange.on_tick(self._maker.at(following, 0, following.start_ns))

    def _pass(self, until_ns: int) -> None:
        """Let the market's time come to ``until_ns``, telling it on the way: larger bars close in their time."""
        told = self._told_ns
        if told < 0:
            self._tell(until_ns)
        else:
            while told + self._step_ns <= until_ns:
                told += self._step_ns
                self._tell(told)
        self._told_ns = max(told, until_ns)

    def _tell(self, time_ns: int) -> None:
        run = self._run
        run.pass_time(time_ns)
        run.market.on_market_time(time_ns)
        if run.loop.ready:
            run.settle()
        if run.may_wait:
            run.look_if_needed()


def _with_next(bars: Iterable[Bar]) -> Iterator[tuple[Bar, Bar | None]]:
    """Each bar with the one after it."""
    last = None
    for bar in bars:
        if last is not None:
            yield last, bar
        last = bar
    if last is not None:
        yield last, None
