"""Ticks to bars: every bar size of one instrument at once.

How it works. Only the smallest bars are made of ticks; each larger size is made of the closed bars of the largest
asked-for size that fits into it a whole number of times, so a tick costs the same however many sizes there are. Where
the smallest asked-for size does not fit into all others (2 and 3 minutes), the sizes' greatest common divisor is
aggregated underneath and not shown. All arithmetic of time is in whole nanoseconds.

The rules, in full:

- A bar covers ``[start, end)`` and is labelled by its start. Bars are counted from the start of the trading day in the
  exchange's own time zone, and are cut short by the last close of that day. ``1 day`` is the whole session.
- Ticks outside the instrument's sessions make no bars; they are counted.
- A bar closes when the market's time reaches its end plus the grace, be it told by a tick or by :meth:`advance`. What
  closes together comes ordered by end, smaller sizes first.
- A late tick counts while its smallest bar is open: it moves the high and low, and the open or close only if it is
  truly the first or last by its own time. Later ones are counted and dropped, from all sizes alike.
- Quotes make mid bars that also carry bid and ask; trades make bars with volume.
- A silence is filled with flat bars marked ``filled`` when at most two minutes lie between the bars around it: 24 bars
  of 5 seconds, two of 1 minute, one of 2 minutes, none of a larger size. They are given out with the next real bar,
  right before it, for only then is it known how long the silence was. They are never part of a larger bar. Any longer
  silence is reported as a :class:`Gap` and not filled.
- Bars that began before the feed was listened to (``complete_from_ns``, :meth:`resume_from`) lack ticks. They are
  not given out; the time they cover is part of the next gap.
"""

from collections.abc import Callable, Collection, Iterator, Sequence
from decimal import Decimal
from math import gcd
from typing import NamedTuple

from live_trading.data.trading_days import TradingCalendar
from live_trading.domain.bar_size import BarSize
from live_trading.domain.errors import InvalidInput
from live_trading.domain.instrument import Instrument
from live_trading.domain.market import Bar, Ohlc, QuoteTick, Tick, TradeTick

MAX_FILLED_NS = 120_000_000_000
"""The longest silence that is filled with flat bars, unless told otherwise: two minutes."""

_ZERO = Decimal(0)
_NONE_CLOSED: tuple[Bar, ...] = ()
_NEVER = 1 << 63


class Gap(NamedTuple):
    """Bars of one size that are missing and were not filled: ``missing`` of them, from ``start_ns`` to ``end_ns``.

    Only time in which the market was open by its calendar counts.
    """

    symbol: str
    bar_size: BarSize
    start_ns: int
    end_ns: int
    missing: int


class _Span:
    """A bar in the making. For quotes ``open`` … ``close`` hold bid + ask, halved when the bar is made."""

    __slots__ = (
        "ask_close", "ask_high", "ask_low", "ask_open", "bid_close", "bid_high", "bid_low", "bid_open",
        "close", "end_ns", "first_ns", "high", "last_ns", "low", "open", "start_ns", "tick_count", "volume",
    )  # fmt: skip

    def __init__(self, start_ns: int, end_ns: int, time_ns: int, price: Decimal, bid: Decimal, ask: Decimal) -> None:
        self.start_ns = start_ns
        self.end_ns = end_ns
        self.first_ns = self.last_ns = time_ns
        self.open = self.high = self.low = self.close = price
        self.bid_open = self.bid_high = self.bid_low = self.bid_close = bid
        self.ask_open = self.ask_high = self.ask_low = self.ask_close = ask
        self.tick_count = 0
        self.volume = _ZERO

    @classmethod
    def of(cls, bar: Bar, start_ns: int, end_ns: int) -> "_Span":
        """A span that holds a whole bar."""
        if bar.bid is None or bar.ask is None:
            span = cls(start_ns, end_ns, bar.start_ns, bar.open, bar.open, bar.open)
            span.high, span.low, span.close = bar.high, bar.low, bar.close
        else:
            bid, ask = bar.bid, bar.ask
            span = cls(start_ns, end_ns, bar.start_ns, bar.open * 2, bid.open, ask.open)
            span.high, span.low, span.close = bar.high * 2, bar.low * 2, bar.close * 2
            _, span.bid_high, span.bid_low, span.bid_close = bid
            _, span.ask_high, span.ask_low, span.ask_close = ask
        span.last_ns = min(bar.end_ns, end_ns) - 1
        span.tick_count, span.volume = bar.tick_count, bar.volume
        return span

    def include(self, time_ns: int, price: Decimal, bid: Decimal, ask: Decimal, size: Decimal) -> None:
        """Take a tick in, wherever its time lies in the span."""
        self.tick_count += 1
        self.volume += size
        self.high, self.low = max(self.high, price), min(self.low, price)
        self.bid_high, self.bid_low = max(self.bid_high, bid), min(self.bid_low, bid)
        self.ask_high, self.ask_low = max(self.ask_high, ask), min(self.ask_low, ask)
        if time_ns >= self.last_ns:
            self.last_ns, self.close, self.bid_close, self.ask_close = time_ns, price, bid, ask
        elif time_ns < self.first_ns:
            self.first_ns, self.open, self.bid_open, self.ask_open = time_ns, price, bid, ask

    def widened(self, start_ns: int, end_ns: int) -> "_Span":
        """The first part of a larger span."""
        span = _Span(start_ns, end_ns, self.first_ns, self.open, self.bid_open, self.ask_open)
        span.append(self)
        return span

    def append(self, later: "_Span") -> None:
        """Take in a smaller span that comes after everything in this one."""
        self.last_ns = later.last_ns
        self.high, self.low = max(self.high, later.high), min(self.low, later.low)
        self.bid_high, self.bid_low = max(self.bid_high, later.bid_high), min(self.bid_low, later.bid_low)
        self.ask_high, self.ask_low = max(self.ask_high, later.ask_high), min(self.ask_low, later.ask_low)
        self.close, self.bid_close, self.ask_close = later.close, later.bid_close, later.ask_close
        self.tick_count += later.tick_count
        self.volume += later.volume


class _Level:
    """One bar size: its bar in the making, the larger sizes made of it, and where its last bar ended."""

    __slots__ = ("bar_size", "deaf", "last", "last_end_ns", "length_ns", "parents", "span")

    def __init__(self, length_ns: int, bar_size: BarSize | None) -> None:
        self.length_ns = length_ns
        self.bar_size = bar_size  # None: aggregated underneath, not shown
        self.parents: list[_Level] = []
        self.span: _Span | None = None
        self.last: Bar | None = None
        self.last_end_ns = -_NEVER
        self.deaf = False  # the feed was not listened to since ``last``: what is missing must not be filled


def _levels(sizes: Collection[BarSize]) -> list[_Level]:
    """The levels ascending, linked: the first one is fed with ticks."""
    shown = {size.nanoseconds: size for size in sizes}
    lengths = sorted({*shown, gcd(*shown)})
    levels = [_Level(length, shown.get(length)) for length in lengths]
    for index, level in enumerate(levels[1:], start=1):
        source = next(lower for lower in reversed(levels[:index]) if level.length_ns % lower.length_ns == 0)
        source.parents.append(level)
    return levels


class BarAggregator:
    """The bars of one instrument. Pure: no clock, no I/O; the same ticks give the same bars.

    ``grace_ns`` is how long after its end a bar waits for late ticks; 0 is right for a feed in order.
    ``complete_from_ns`` is when the feed began to be listened to, where it began in the middle of a bar.
    ``max_filled_ns`` is the longest silence that is filled with flat bars. ``on_gap`` is called with every gap, before
    the bar after it is given out.
    """

    def __init__(
        self,
        instrument: Instrument,
        bar_sizes: Collection[BarSize],
        *,
        grace_ns: int = 0,
        complete_from_ns: int | None = None,
        max_filled_ns: int = MAX_FILLED_NS,
        on_gap: Callable[[Gap], None] | None = None,
    ) -> None:
        if not bar_sizes:
            raise InvalidInput("bar_sizes", "no bar size is given", 'Give at least one, e.g. "1 min"')
        if grace_ns < 0:
            raise InvalidInput("grace_ns", f"{grace_ns} is negative", "Use 0 or more nanoseconds")
        self.symbol = instrument.symbol
        self.bar_sizes = tuple(sorted(set(bar_sizes), key=lambda size: size.nanoseconds))
        self.late_ticks = 0
        """Ticks dropped because their bar was closed."""
        self.outside_ticks = 0
        """Ticks outside the instrument's sessions."""
        self.other_ticks = 0
        """Trades of an instrument that is followed by quotes, or quotes of one followed by trades."""
        self._calendar = TradingCalendar(instrument.hours)
        self._quotes = instrument.quote_kind == "QUOTE"
        self._kind: type[Tick] = QuoteTick if self._quotes else TradeTick
        self._grace_ns = grace_ns
        self._complete_from_ns = -_NEVER if complete_from_ns is None else complete_from_ns
        self._max_filled_ns = max_filled_ns
        self._on_gap = on_gap
        self._levels = _levels(bar_sizes)
        self._base = self._levels[0]
        self._open: list[_Span] = []  # of the base, ascending; more than one only within the grace
        self._told_ns = -_NEVER
        # What makes a tick cheap: while its time is in [current.last_ns, limit) it only moves ``current``.
        self._limit_ns = -_NEVER
        self._due_ns = _NEVER  # when the next bar of any size closes
        # What makes a whole bar cheap: the open time around the last one, and the one size where there is but one.
        self._whole_from_ns = self._whole_until_ns = 0
        self._only_size = self._base.bar_size if len(self._levels) == 1 else None
        self._current = _Span(0, 0, _NEVER, _ZERO, _ZERO, _ZERO)

    @property
    def market_ns(self) -> int:
        """The latest time told by a tick or :meth:`advance`."""
        return max(self._told_ns, self._open[-1].last_ns) if self._open else self._told_ns

    def add(self, tick: Tick) -> Sequence[Bar]:
        """Take a tick; return the bars that its time closed."""
        span = self._current
        time_ns = tick.time_ns
        if not span.last_ns <= time_ns < self._limit_ns or type(tick) is not self._kind:
            return self._add_anywhere(tick)
        span.last_ns = time_ns
        span.tick_count += 1
        if type(tick) is TradeTick:
            price = span.close = tick.price
            span.volume += tick.size
            if price > span.high:
                span.high = price
            elif price < span.low:
                span.low = price
            return _NONE_CLOSED
        bid = span.bid_close = tick.bid
        ask = span.ask_close = tick.ask
        price = span.close = bid + ask
        if price > span.high:
            span.high = price
        elif price < span.low:
            span.low = price
        if bid > span.bid_high:
            span.bid_high = bid
        elif bid < span.bid_low:
            span.bid_low = bid
        if ask > span.ask_high:
            span.ask_high = ask
        elif ask < span.ask_low:
            span.ask_low = ask
        return _NONE_CLOSED

    def add_bar(self, bar: Bar) -> Sequence[Bar]:
        """Take a recorded bar in place of its ticks; return the bars that its end closed.

        Bars come in order, of one size, which must fit into the smallest one asked for; of quotes they have bid and
        ask. Do not mix them with ticks. Raises :class:`InvalidInput` for a size that does not fit.
        """
        base, bar_size = self._base, bar.bar_size
        if bar_size is not self._only_size and base.length_ns % bar_size.nanoseconds:
            names = ", ".join(f'"{size.value}"' for size in self.bar_sizes)
            problem = f'{names} cannot be made of bars of "{bar_size.value}"'
            raise InvalidInput("bar_sizes", problem, "Use multiples of the recorded size")
        start_ns, end_ns = bar.start_ns, bar.end_ns
        is_whole = bar_size is self._only_size and end_ns == start_ns + base.length_ns
        if is_whole and start_ns >= self._whole_from_ns and end_ns <= self._whole_until_ns and not self._open:
            # What nearly every bar is: the one asked for, whole, in the session of the one before it.
            if base.last_end_ns == start_ns >= self._complete_from_ns:  # and follows it at once: nothing is missing
                self._told_ns = base.last_end_ns = end_ns
                base.last, base.deaf = bar, False
                return [bar]
            return self._give_out_whole(bar, end_ns, [])
        closed = list(self.advance(start_ns))
        if not self._whole_from_ns <= start_ns < end_ns <= self._whole_until_ns:
            day = self._calendar.day_of(start_ns)
            around = [span for span in day.open_spans if span[0] <= start_ns < span[1]]
            if not around:
                self.outside_ticks += 1
                return closed
            self._whole_from_ns, self._whole_until_ns = around[0][0], min(around[0][1], day.close_ns)
            end_ns = min(end_ns, day.close_ns)
        if bar_size is self._only_size and end_ns == start_ns + base.length_ns:
            return self._give_out_whole(bar, end_ns, closed)
        if self._open:
            self._open[0].append(_Span.of(bar, start_ns, end_ns))
        else:
            bounds = self._calendar.day_of(start_ns).bar_bounds(start_ns, self._base.length_ns)
            self._open.append(_Span.of(bar, *bounds))
        self._refresh()
        closed += self.advance(end_ns)
        return closed

    def _give_out_whole(self, bar: Bar, end_ns: int, closed: list[Bar]) -> list[Bar]:
        """Give out a recorded bar that is the one asked for, whole; nothing larger is made of it."""
        self._told_ns = end_ns
        self._give_out(self._base, bar, end_ns, closed)
        return closed

    def advance(self, time_ns: int) -> Sequence[Bar]:
        """Tell the market's time; return the bars that are over. A time in the past changes nothing."""
        told_ns = self._told_ns
        if self._open and self._open[-1].last_ns > told_ns:
            told_ns = self._open[-1].last_ns
        if time_ns > told_ns:
            told_ns = time_ns
        self._told_ns = told_ns
        if told_ns < self._due_ns:
            return _NONE_CLOSED
        closed: list[Bar] = []
        self._close_until(self._told_ns - self._grace_ns, closed)
        self._refresh()
        return closed

    def resume_from(self, time_ns: int) -> None:
        """The feed was interrupted and is listened to again from ``time_ns`` on: bars that began before it lack
        ticks and will not be given out, nor will their time be filled."""
        self._complete_from_ns = max(self._complete_from_ns, time_ns)
        for level in self._levels:
            level.deaf = True

    # -- placing ticks that are not simply the next one of the current bar

    def _add_anywhere(self, tick: Tick) -> Sequence[Bar]:
        if type(tick) is not self._kind:
            self.other_ticks += 1
            return _NONE_CLOSED
        closed = self.advance(tick.time_ns)
        span = self._span_at(tick)
        if span is not None:
            size = _ZERO if isinstance(tick, QuoteTick) else tick.size
            price = tick.bid + tick.ask if self._quotes else tick.price
            span.include(tick.time_ns, price, tick.bid, tick.ask, size)
            self._refresh()
        return closed

    def _span_at(self, tick: Tick) -> _Span | None:
        """The open smallest bar of a tick, begun if need be; None if it is over or the market is shut."""
        time_ns = tick.time_ns
        for span in self._open:
            if span.start_ns <= time_ns < span.end_ns:
                return span
        day = self._calendar.day_of(time_ns)
        if not day.is_open(time_ns):
            self.outside_ticks += 1
            return None
        start_ns, end_ns = day.bar_bounds(time_ns, self._base.length_ns)
        if end_ns + self._grace_ns <= self._told_ns:
            self.late_ticks += 1
            return None
        price = tick.bid + tick.ask if self._quotes else tick.price
        span = _Span(start_ns, end_ns, time_ns, price, tick.bid, tick.ask)
        self._open.append(span)
        self._open.sort(key=lambda each: each.start_ns)
        return span

    def _deadline_ns(self) -> int:
        """When the next bar of any size closes."""
        ends = [level.span.end_ns for level in self._levels if level.span is not None]
        if self._open:
            ends.append(self._open[0].end_ns)
        return min(ends) + self._grace_ns if ends else _NEVER

    def _refresh(self) -> None:
        """Set what the fast paths look at."""
        self._due_ns = self._deadline_ns()
        if self._open:
            self._current = self._open[-1]
            self._limit_ns = min(self._current.end_ns, self._due_ns)
        else:
            self._limit_ns = -_NEVER

    # -- closing

    def _close_until(self, limit_ns: int, closed: list[Bar]) -> None:
        """Close all bars that ended by ``limit_ns``, in the order of their ends, smaller sizes first."""
        while self._open and self._open[0].end_ns <= limit_ns:
            span = self._open.pop(0)
            self._close_larger(span.start_ns, closed)
            self._finish(self._base, span, closed)
        self._close_larger(limit_ns, closed)

    def _close_larger(self, limit_ns: int, closed: list[Bar]) -> None:
        """Close the bars of larger sizes that ended by ``limit_ns``, in the order of their ends."""
        while True:
            due = None
            for level in self._levels[1:]:
                span = level.span
                if span is not None and span.end_ns <= limit_ns and (due is None or span.end_ns < due[1].end_ns):
                    due = level, span
            if due is None:
                return
            due[0].span = None
            self._finish(*due, closed)

    def _finish(self, level: _Level, span: _Span, closed: list[Bar]) -> None:
        for parent in level.parents:
            if parent.span is None:
                day = self._calendar.day_of(span.start_ns)
                parent.span = span.widened(*day.bar_bounds(span.start_ns, parent.length_ns))
            else:
                parent.span.append(span)
        if level.bar_size is None:
            return
        self._give_out(level, self._bar(level.bar_size, span), span.end_ns, closed)

    def _give_out(self, level: _Level, bar: Bar, end_ns: int, closed: list[Bar]) -> None:
        start_ns = bar.start_ns
        if start_ns < self._complete_from_ns:
            level.deaf = True
            return
        if level.last_end_ns < start_ns and level.last is not None:
            self._bridge(level, level.last, bar, closed)
        closed.append(bar)
        level.last, level.last_end_ns = bar, end_ns
        level.deaf = False

    def _bar(self, bar_size: BarSize, span: _Span) -> Bar:
        nominal = span.end_ns - span.start_ns == bar_size.nanoseconds
        prices = (span.open, span.high, span.low, span.close)
        bid = ask = None
        if self._quotes:
            prices = (span.open / 2, span.high / 2, span.low / 2, span.close / 2)
            bid = Ohlc(span.bid_open, span.bid_high, span.bid_low, span.bid_close)
            ask = Ohlc(span.ask_open, span.ask_high, span.ask_low, span.ask_close)
        return Bar(
            self.symbol, bar_size, span.start_ns, *prices, volume=span.volume, tick_count=span.tick_count,
            bid=bid, ask=ask, ended_ns=None if nominal else span.end_ns,
        )  # fmt: skip

    def _bridge(self, level: _Level, last: Bar, bar: Bar, closed: list[Bar]) -> None:
        """Fill or report what is missing between two bars of one size."""
        runs = list(self._calendar.bar_runs(level.length_ns, last.end_ns, bar.start_ns))
        if not runs:
            return
        if not level.deaf and bar.start_ns - last.end_ns <= self._max_filled_ns:
            for start_ns, end_ns, _ in runs:
                closed.extend(_flat_bars(last, start_ns, end_ns))
        elif self._on_gap is not None:
            missing = sum(count for _, _, count in runs)
            self._on_gap(Gap(self.symbol, bar.bar_size, runs[0][0], runs[-1][1], missing))


def _flat_bars(last: Bar, start_ns: int, end_ns: int) -> Iterator[Bar]:
    """Flat bars at the last close from ``start_ns`` to ``end_ns``; the last one may be cut short by the close."""
    bid = None if last.bid is None else Ohlc(*(last.bid.close,) * 4)
    ask = None if last.ask is None else Ohlc(*(last.ask.close,) * 4)
    length_ns = last.bar_size.nanoseconds
    for bar_ns in range(start_ns, end_ns, length_ns):
        yield Bar(
            last.symbol,
            last.bar_size,
            bar_ns,
            *(last.close,) * 4,
            bid=bid,
            ask=ask,
            filled=True,
            ended_ns=None if bar_ns + length_ns <= end_ns else end_ns,
        )
