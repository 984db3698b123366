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
        loop, exchange, market = run.loop, run.exchange, run.market
        recorder, ready = run.recorder, run.loop.ready
        count = last_ns = 0
        for tick in ticks:
            time_ns = tick.time_ns
            if not count:
                self._tell(time_ns - time_ns % _MINUTE_NS)
            self._pass(time_ns)
            loop.advance(time_ns)
            exchange.on_tick(tick)
            if ready:  # fills are heard of before the tick that brought them about
                run.settle()
            market.on_tick(tick)
            if ready:
                run.settle()
            if recorder.quantity:
                run.mind_losses(float(tick.price))
            count += 1
            last_ns = time_ns
        if count:
            self._pass(last_ns + RUN_ON)
            self._tell(last_ns + RUN_ON)
        return count

    def _pass(self, until_ns: int) -> None:
        """Let the market's time come to ``until_ns``, telling it on the way."""
        if until_ns - self._told_ns < OPEN_STEP:
            return
        exchange, symbol = self._run.exchange, self._run.instrument.symbol
        stride = OPEN_STEP if exchange.is_open(symbol) else CLOSED_STEP
        while self._told_ns + stride <= until_ns:
            self._tell(self._told_ns + stride)

    def _tell(self, time_ns: int) -> None:
        run = self._run
        self._told_ns = time_ns
        run.begin_day(time_ns)
        run.loop.advance(time_ns)
        run.exchange.on_time(time_ns)
        if run.loop.ready:
            run.settle()
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
        self._symbol = run.instrument.symbol
        self._maker = TickMaker(run.request.catalogue[self._symbol])
        self._told_ns: int | None = None
        self._opening: Tick | None = None
        self._reach = Reach()
        self._reach_of = -1
        run.broker.before_command = self._open_next

    def play(self, bars: Iterable[Bar]) -> int:
        """Play them all; how many they were."""
        count = 0
        for bar, following in _with_next(map(self._maker.with_sides, bars)):
            self._play_bar(bar, following)
            count += 1
        if self._told_ns is not None:
            self._pass(self._told_ns + RUN_ON)
        return count

    def _play_bar(self, bar: Bar, following: Bar | None) -> None:
        run, maker = self._run, self._maker
        self._pass(bar.start_ns)
        if self._is_reached(bar):
            self._walk(bar)
        else:
            run.exchange.move(maker.at(bar, 3, close_time_ns(bar)))
        end_ns = bar.end_ns
        self._told_ns = end_ns
        run.begin_day(end_ns)
        run.loop.advance(end_ns)
        run.exchange.on_time(end_ns)
        run.market.on_price(maker.at(bar, 3, close_time_ns(bar)))
        if following is not None and following.start_ns == end_ns:
            self._opening = maker.at(following, 0, end_ns)
        run.market.on_bar(bar)
        if run.loop.ready:
            run.settle()
        self._opening = None
        if run.recorder.quantity:
            run.mind_losses(float(bar.close))
        run.look_if_needed()

    def _is_reached(self, bar: Bar) -> bool:
        """Whether the bar may touch a working order."""
        exchange = self._run.exchange
        if not exchange.engine.markets[self._symbol].working:
            return False
        if self._reach_of != exchange.sequence:
            self._reach, self._reach_of = Reach.of(exchange.working(self._symbol)), exchange.sequence
        return self._reach.is_within(bar)

    def _walk(self, bar: Bar) -> None:
        """Go through the bar as orders see it."""
        run, maker = self._run, self._maker
        now = maker.at(bar, 0, bar.start_ns)
        self._trade(now)
        is_high_first = high_first(run.recorder.quantity, run.exchange.working(self._symbol))
        for towards in legs(maker, bar, is_high_first):
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
        tick, self._opening = self._opening, None
        if tick is not None:
            self._run.exchange.on_tick(tick)

    def _pass(self, until_ns: int) -> None:
        """Let the market's time come to ``until_ns``, telling it on the way: larger bars close in their time."""
        told = self._told_ns
        if told is None:
            self._told_ns = until_ns
            self._run.loop.advance(until_ns)
            self._run.exchange.on_time(until_ns)
            self._run.market.on_market_time(until_ns)
            return
        while told + self._step_ns <= until_ns:
            told += self._step_ns
            self._tell(told)
        self._told_ns = max(told, until_ns)

    def _tell(self, time_ns: int) -> None:
        run = self._run
        run.begin_day(time_ns)
        run.loop.advance(time_ns)
        run.exchange.on_time(time_ns)
        run.market.on_market_time(time_ns)
        if run.loop.ready:
            run.settle()
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
