"""Opening range breakout: the 9:30 breakout of the Nasdaq future, for any market that opens with a bang."""

from collections.abc import Mapping, Sequence
from datetime import datetime, time
from decimal import Decimal
from typing import NamedTuple, Self

from pydantic import Field, model_validator

from live_trading.domain.bar_size import BarSize
from live_trading.domain.errors import InvalidInput
from live_trading.domain.market import Bar, ns_from_utc
from live_trading.domain.values import SignalType
from live_trading.strategies.base import BarContext, Signal, Strategy, StrategyParameters
from live_trading.strategies.exchange_time import TimeOfDay, ZoneName, closes_at, local_start, moment_ns

_MINUTE_NS = 60_000_000_000


class OpeningRangeBreakoutParameters(StrategyParameters):
    """Times are those of the exchange's clock."""

    opening: TimeOfDay = Field(default=time(9, 30), description="when the range begins, exchange time")
    timezone: ZoneName = Field(default="America/New_York", description="the exchange's time zone")
    range_minutes: int = Field(default=15, ge=1, le=240, description="minutes from the opening that make the range")
    entry_until: TimeOfDay = Field(default=time(11, 30), description="no entry by a bar that ends later")
    flat_at: TimeOfDay = Field(default=time(15, 55), description="when a position is left, exchange time")
    flat_before_close_minutes: int = Field(
        default=5, ge=0, le=240, description="minutes before an early close at which a position is left"
    )
    calendar: str | None = Field(
        default="XNYS",
        pattern=r"^[A-Za-z0-9_./-]{1,32}$",
        description="exchange whose holidays and half days count; null for none",
    )
    buffer: Decimal = Field(
        default=Decimal(0), ge=0, le=10**9, description="how far beyond the range a bar must close, in price"
    )
    target_multiple: Decimal | None = Field(
        default=Decimal(2), gt=0, le=100, description="target in multiples of the risk; null takes the operation's own"
    )
    both_ways: bool = Field(default=False, description="after a breakout, whether one the other way is traded too")
    allow_short: bool = Field(default=True, description="whether a breakout downwards is sold short")

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        range_end = _seconds(self.opening) + 60 * self.range_minutes
        if not range_end < _seconds(self.entry_until) <= _seconds(self.flat_at):
            raise ValueError("the range's end, entry_until and flat_at must follow each other within one day")
        return self


class _Day(NamedTuple):
    """One session's moments, in nanoseconds."""

    opening: int
    range_end: int
    entry_until: int
    flat_at: int


class OpeningRangeBreakoutStrategy(Strategy[OpeningRangeBreakoutParameters]):
    """Trades the first break out of the first minutes' range.

    The range is the high and low of the bars from ``opening`` for ``range_minutes``; if one of them is missing, the day
    is not traded. The first bar that closes beyond the range (and ``buffer``) afterwards, until ``entry_until``, is
    entered in its direction, once a day (``both_ways``: once in each direction). The stop is the range's other side,
    the target ``target_multiple`` times that risk. At ``flat_at``, or before an early close, the position is left.
    Everything is computed from the day's bars, so a restart in the middle of a day enters nothing a second time.
    """

    name = "OpeningRangeBreakoutStrategy"
    Parameters = OpeningRangeBreakoutParameters

    def warmup(self, parameters: OpeningRangeBreakoutParameters, primary: BarSize) -> Mapping[BarSize, int]:
        if parameters.range_minutes * 60 % primary.seconds:
            raise InvalidInput(
                "strategy_config.range_minutes",
                f"{parameters.range_minutes} minutes are not a whole number of bars of {primary.value}",
                "Choose a smaller primary_bar_size, or another range",
            )
        return {primary: 2}

    def window(self, parameters: OpeningRangeBreakoutParameters, primary: BarSize) -> Mapping[BarSize, int]:
        # Only bars until entry_until are looked at; the rest of the day is told by the clock.
        seconds = _seconds(parameters.entry_until) - _seconds(parameters.opening)
        return {primary: seconds // primary.seconds + 2}

    def on_bar(self, context: BarContext[OpeningRangeBreakoutParameters]) -> Signal | None:
        parameters = context.parameters
        local = local_start(context.bar, parameters.timezone)
        day = _day(parameters, local)
        end_ns = context.bar.end_ns
        if not context.position.is_flat:
            if day is None or not day.opening <= context.bar.start_ns or end_ns >= day.flat_at:
                return Signal(SignalType.EXIT, "the session's time is up", {"at": local.isoformat()})
            return None
        if day is None or not (day.range_end < end_ns <= day.entry_until) or end_ns >= day.flat_at:
            return None
        found = _opening_range(context.bars[context.primary], day, context.primary)
        if found is None:
            return None
        return self._break(context, day, *found)

    def _break(
        self, context: BarContext[OpeningRangeBreakoutParameters], day: _Day, high: Decimal, low: Decimal
    ) -> Signal | None:
        parameters, bar = context.parameters, context.bar
        way = _beyond(bar, high, low, parameters.buffer)
        earlier = [
            _beyond(each, high, low, parameters.buffer)
            for each in context.bars[context.primary][:-1]
            if each.start_ns >= day.range_end and not each.filled
        ]
        if way == 0 or (way < 0 and not parameters.allow_short) or (way in earlier):
            return None
        if not parameters.both_ways and any(earlier):
            return None
        risk = bar.close - low if way > 0 else high - bar.close
        target = None if parameters.target_multiple is None else bar.close + way * risk * parameters.target_multiple
        inputs = {"range_high": float(high), "range_low": float(low), "close": float(bar.close), "risk": float(risk)}
        reason = f"the first close {'above' if way > 0 else 'below'} the opening range"
        kind = SignalType.ENTER_LONG if way > 0 else SignalType.ENTER_SHORT
        return Signal(kind, reason, inputs, stop_loss=low if way > 0 else high, take_profit=target)


def _seconds(at: time) -> int:
    return at.hour * 3600 + at.minute * 60 + at.second


def _day(parameters: OpeningRangeBreakoutParameters, local: datetime) -> _Day | None:
    """The moments of the day that ``local`` belongs to; None on a holiday."""
    zone, day = parameters.timezone, local.date()
    opening = moment_ns(day, parameters.opening, zone)
    flat_at = moment_ns(day, parameters.flat_at, zone)
    if parameters.calendar is not None:
        closing = closes_at(parameters.calendar, day, parameters.opening, zone)
        if closing is None:
            return None
        flat_at = min(flat_at, ns_from_utc(closing) - parameters.flat_before_close_minutes * _MINUTE_NS)
    range_end = opening + parameters.range_minutes * _MINUTE_NS
    return _Day(opening, range_end, moment_ns(day, parameters.entry_until, zone), flat_at)


def _opening_range(bars: Sequence[Bar], day: _Day, size: BarSize) -> tuple[Decimal, Decimal] | None:
    """High and low of the opening's bars; None unless they cover it from its first to its last moment."""
    first = [bar for bar in bars if day.opening <= bar.start_ns and bar.end_ns <= day.range_end]
    wanted = -(-(day.range_end - day.opening) // size.nanoseconds)
    if len(first) != wanted or first[0].start_ns != day.opening or first[-1].end_ns != day.range_end:
        return None
    return max(bar.high for bar in first), min(bar.low for bar in first)


def _beyond(bar: Bar, high: Decimal, low: Decimal, buffer: Decimal) -> int:
    """1 for a close above the range, -1 for one below, 0 for one within."""
    if bar.close > high + buffer:
        return 1
    return -1 if bar.close < low - buffer else 0
