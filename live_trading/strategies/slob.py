"""The 5/1 SLOB: sells the second sweep of liquidity above a consolidation, buys the one below."""

from bisect import bisect_left
from collections.abc import Mapping, Sequence
from datetime import date, time
from decimal import Decimal
from typing import Literal, NamedTuple, Self

from pydantic import Field, model_validator

from live_trading.domain.bar_size import BarSize
from live_trading.domain.errors import InvalidInput
from live_trading.domain.market import Bar
from live_trading.domain.values import SignalType
from live_trading.runtime import utc_from_ns
from live_trading.strategies.base import BarContext, Signal, Strategy, StrategyParameters
from live_trading.strategies.exchange_time import TimeOfDay, ZoneName, local_start, moment_ns
from live_trading.strategies.slob_setups import Setup, SlobDay, SlobRules, SlobState


class SlobParameters(StrategyParameters):
    """Ranges, bodies and buffers are fractions of the price (0.001 is 0.1 %); times of day are the exchanges' own."""

    reference_opening: TimeOfDay = Field(default=time(8, 0), description="when the reference session begins")
    reference_timezone: ZoneName = Field(default="Europe/London", description="the reference session's time zone")
    opening: TimeOfDay = Field(default=time(9, 30), description="when it ends and the hunt begins")
    timezone: ZoneName = Field(default="America/New_York", description="the traded session's time zone")
    entry_until: TimeOfDay = Field(default=time(15, 0), description="no entry by a bar that ends later")
    flat_at: TimeOfDay = Field(default=time(15, 55), description="when a position is left")
    min_range: Decimal = Field(default=Decimal("0.001"), gt=0, lt=1, description="least range of a consolidation")
    max_range: Decimal = Field(default=Decimal("0.003"), gt=0, lt=1, description="greatest range of a consolidation")
    high_confirmation_minutes: int = Field(default=5, ge=1, le=120, description="minutes its far end must hold")
    low_confirmation_minutes: int = Field(default=3, ge=1, le=120, description="minutes its near end must hold")
    min_consolidation_minutes: int = Field(
        default=15, ge=1, le=600, description="minutes without a break before LIQ #2 may come"
    )
    max_consolidation_minutes: int = Field(default=120, ge=5, le=600, description="minutes a consolidation may last")
    max_wick: Decimal = Field(default=Decimal("0.2"), ge=0, le=1, description="a no-wick candle's wick, of its body")
    min_body: Decimal = Field(default=Decimal("0.0002"), ge=0, lt=1, description="a no-wick candle's least body")
    max_sweep: Decimal = Field(default=Decimal("0.003"), gt=0, lt=1, description="how far LIQ #2 may go")
    max_entry_wait_minutes: int = Field(default=20, ge=1, le=240, description="minutes from LIQ #2 to the entry")
    stop_buffer: Decimal = Field(default=Decimal("0.0001"), ge=0, lt=1, description="stop beyond LIQ #2's extreme")
    target: Literal["reference", "risk_multiple"] = Field(
        default="reference", description="target: the reference session's other end, or a multiple of the risk"
    )
    target_multiple: Decimal = Field(default=Decimal(3), gt=0, le=100, description="for risk_multiple")
    min_quality: float = Field(default=0.0, ge=0, le=1, description="least quality of a consolidation, 0 to 1")
    max_setups: int = Field(default=5, ge=1, le=50, description="setups followed at once in each direction")

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if not self.opening < self.entry_until <= self.flat_at:
            raise ValueError("opening, entry_until and flat_at must follow each other within one day")
        if self.min_range >= self.max_range:
            raise ValueError("min_range must be below max_range")
        if self.min_consolidation_minutes >= self.max_consolidation_minutes:
            raise ValueError("min_consolidation_minutes must be below max_consolidation_minutes")
        return self

    def rules(self) -> SlobRules:
        """What the setups are judged by."""
        return SlobRules(
            min_range=self.min_range,
            max_range=self.max_range,
            high_confirmation=self.high_confirmation_minutes,
            low_confirmation=self.low_confirmation_minutes,
            min_consolidation=self.min_consolidation_minutes,
            max_consolidation=self.max_consolidation_minutes,
            max_wick=self.max_wick,
            min_body=self.min_body,
            max_sweep=self.max_sweep,
            max_entry_wait=self.max_entry_wait_minutes,
            stop_buffer=self.stop_buffer,
            min_quality=self.min_quality,
            max_setups=self.max_setups,
        )


class _Times(NamedTuple):
    """A day's moments, in nanoseconds."""

    reference: int
    opening: int
    entry_until: int
    flat_at: int

    @classmethod
    def of(cls, parameters: SlobParameters, day: date) -> "_Times":
        here = parameters.timezone
        return cls(
            moment_ns(day, parameters.reference_opening, parameters.reference_timezone),
            moment_ns(day, parameters.opening, here),
            moment_ns(day, parameters.entry_until, here),
            moment_ns(day, parameters.flat_at, here),
        )


class _Followed(NamedTuple):
    """A day followed up to a bar: what need not be computed again for the next one."""

    parameters: SlobParameters
    first: Bar
    last: Bar
    day: SlobDay


class SlobStrategy(Strategy[SlobParameters]):
    """Waits for a sweep, a consolidation, a second sweep and the turn (``docs/strategies/slob.md``).

    A day's setups are a function of the day's bars in the window: after a restart they are computed anew. Between two
    bars they are kept, which changes nothing but the time it takes.
    """

    name = "SlobStrategy"
    Parameters = SlobParameters

    def __init__(self) -> None:
        self._followed: _Followed | None = None

    def warmup(self, parameters: SlobParameters, primary: BarSize) -> Mapping[BarSize, int]:
        if primary.seconds > 300:
            raise InvalidInput(
                "primary_bar_size", f"{primary.value} is too long to see a sweep in", 'Use "1 min", at most "5 mins"'
            )
        return {primary: 2}

    def window(self, parameters: SlobParameters, primary: BarSize) -> Mapping[BarSize, int]:
        # The two zones change their clocks weeks apart: the longest of all days counts.
        days = [_Times.of(parameters, date(2024, month, 20)) for month in (1, 3, 7, 10)]
        longest = max(each.entry_until - each.reference for each in days)
        return {primary: longest // primary.nanoseconds + 2}

    def on_bar(self, context: BarContext[SlobParameters]) -> Signal | None:
        parameters, bar = context.parameters, context.bar
        times = _Times.of(parameters, local_start(bar, parameters.timezone).date())
        if not context.position.is_flat and (bar.end_ns >= times.flat_at or bar.start_ns < times.opening):
            return Signal(SignalType.EXIT, "the session's time is up", {"at": bar.end.isoformat()})
        if not times.opening <= bar.start_ns < times.entry_until:
            return None
        day = self._follow(context, times)
        if day is None or not context.position.is_flat or bar.end_ns > times.entry_until:
            return None
        done = [setup for setup in day.setups if setup.state is SlobState.SETUP_COMPLETE]
        if not done:
            return None
        best = max(done, key=lambda setup: (setup.consolidation.quality, -setup.number))
        return _signal(parameters, day, best, bar)

    def _follow(self, context: BarContext[SlobParameters], times: _Times) -> SlobDay | None:
        """The day up to the bar that triggered; None where the bars do not reach back to its beginning."""
        bars: Sequence[Bar] = context.bars[context.primary]
        begin = bisect_left(bars, times.reference, key=lambda each: each.start_ns)
        if begin == 0 and bars[0].start_ns > times.reference:
            return None
        known = self._followed
        if known is not None and known.parameters == context.parameters and known.first == bars[begin]:
            at = bisect_left(bars, known.last.start_ns, key=lambda each: each.start_ns)
            fresh = bars[at + 1 :] if at < len(bars) and bars[at] == known.last else None
        else:
            fresh = None
        day = SlobDay(context.parameters.rules()) if known is None or fresh is None else known.day
        for bar in bars[begin:] if fresh is None else fresh:
            if bar.start_ns < times.opening:
                day.add_reference(bar)
            else:
                day.add(bar)
        self._followed = _Followed(context.parameters, bars[begin], bars[-1], day)
        return day


def _signal(parameters: SlobParameters, day: SlobDay, setup: Setup, bar: Bar) -> Signal:
    stop, way, found = setup.stop, setup.way, setup.consolidation
    target = day.reference_low if way > 0 else day.reference_high
    if parameters.target == "risk_multiple":
        target = bar.close - (stop - bar.close) * parameters.target_multiple
    assert setup.no_wick is not None
    assert found.low is not None
    inputs = {
        "setup": setup.number,
        "setups_under_way": sum(not each.state.is_over for each in day.setups),
        "liq1_at": utc_from_ns(setup.liq1_ns).isoformat(),
        "liq2_at": utc_from_ns(setup.liq2_ns).isoformat(),
        "consolidation_far_end": float(way * found.high),
        "consolidation_near_end": float(way * found.low),
        "consolidation_range": float(found.range),
        "quality": round(found.quality, 6),
        "no_wick": float(way * setup.no_wick),
        "extreme": float(way * setup.extreme),
    }
    above, closed = ("above", "below") if way > 0 else ("below", "above")
    reason = f"swept {above} the consolidation and closed {closed} the candle without a wick"
    kind = SignalType.ENTER_SHORT if way > 0 else SignalType.ENTER_LONG
    return Signal(kind, reason, inputs, stop_loss=stop, take_profit=target)
