"""The 5/1 SLOB's setups: a state machine for each, fed one bar at a time, several at once.

::

    WATCHING_LIQ1 ──▶ WATCHING_CONSOL ◀──▶ WATCHING_LIQ2 ──▶ WAITING_ENTRY ──▶ SETUP_COMPLETE
                            └──────────────────┴─────────────────┴────────────▶ INVALIDATED

A setup is seen from the side of the liquidity it hunts. ``way`` is 1 when that lies above (the setup sells) and -1 when
it lies below; prices are turned round for the latter, so that there is one set of rules, written for selling. Nothing
here looks at a bar that has not ended, and every state is a function of the bars so far.
"""

from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum
from typing import NamedTuple

from live_trading.domain.market import Bar

_MINUTE_NS = 60_000_000_000


class SlobState(StrEnum):
    """Where a setup is."""

    WATCHING_LIQ1 = "WATCHING_LIQ1"
    WATCHING_CONSOL = "WATCHING_CONSOL"
    WATCHING_LIQ2 = "WATCHING_LIQ2"
    WAITING_ENTRY = "WAITING_ENTRY"
    SETUP_COMPLETE = "SETUP_COMPLETE"
    INVALIDATED = "INVALIDATED"

    @property
    def is_over(self) -> bool:
        return self in (SlobState.SETUP_COMPLETE, SlobState.INVALIDATED)


@dataclass(frozen=True, slots=True)
class SlobRules:
    """The numbers of the rules. Ranges, bodies and buffers are fractions of the price, times are in minutes."""

    min_range: Decimal
    max_range: Decimal
    high_confirmation: int
    low_confirmation: int
    min_consolidation: int
    max_consolidation: int
    max_wick: Decimal
    min_body: Decimal
    max_sweep: Decimal
    max_entry_wait: int
    stop_buffer: Decimal
    min_quality: float
    max_setups: int


class _Seen(NamedTuple):
    """A bar as a setup sees it: with the hunted side up."""

    open: Decimal
    top: Decimal
    bottom: Decimal
    close: Decimal
    end_ns: int

    @classmethod
    def of(cls, bar: Bar, way: int) -> "_Seen":
        if way > 0:
            return cls(bar.open, bar.high, bar.low, bar.close, bar.end_ns)
        return cls(-bar.open, -bar.low, -bar.high, -bar.close, bar.end_ns)


@dataclass(slots=True)
class Consolidation:
    """A pause below a high, found out bar by bar.

    Its HIGH is the highest price since the sweep, confirmed when it held for some minutes; its LOW the lowest since
    the HIGH, confirmed in the same way once the range is wide enough. A new HIGH drops the LOW; a new LOW is confirmed
    anew.
    """

    rules: SlobRules
    high: Decimal
    high_ns: int
    low: Decimal | None = None
    low_ns: int = 0
    high_confirmed: bool = False
    low_confirmed: bool = False
    # Of the closes since the HIGH, for the quality: nothing is kept but sums.
    _count: int = 0
    _sum: Decimal = Decimal(0)
    _first: Decimal = Decimal(0)
    _last: Decimal = Decimal(0)

    def add(self, seen: _Seen) -> str | None:
        """Take a bar that did not complete anything yet; why the consolidation failed, if it did."""
        if seen.top > self.high:
            self._begin_anew(seen)
            return None
        if self.low is None or seen.bottom < self.low:
            self.low, self.low_ns, self.low_confirmed = seen.bottom, seen.end_ns, False
        self._first = self._first if self._count else seen.close
        self._count += 1
        self._sum += seen.close
        self._last = seen.close
        if self.range > self.rules.max_range:
            return "the range is too wide for a consolidation"
        if _minutes(self.high_ns, seen.end_ns) > self.rules.max_consolidation:
            return "the consolidation took too long"
        if _minutes(self.high_ns, seen.end_ns) >= self.rules.high_confirmation:
            self.high_confirmed = True
        held = _minutes(self.low_ns, seen.end_ns) >= self.rules.low_confirmation
        if self.high_confirmed and held and self.range >= self.rules.min_range:
            self.low_confirmed = True
        return None

    def _begin_anew(self, seen: _Seen) -> None:
        self.high, self.high_ns, self.high_confirmed = seen.top, seen.end_ns, False
        self.low, self.low_ns, self.low_confirmed = None, 0, False
        self._count, self._sum = 0, Decimal(0)

    def is_complete(self, at_ns: int) -> bool:
        """Whether both ends are confirmed, and the HIGH held long enough since the LOW for its break to be a sweep."""
        return self.low_confirmed and _minutes(self.low_ns, at_ns) >= self.rules.min_consolidation

    @property
    def range(self) -> Decimal:
        """HIGH to LOW as a fraction of the price."""
        return Decimal(0) if self.low is None else (self.high - self.low) / abs(self.high)

    @property
    def quality(self) -> float:
        """0 to 1, the mean of three: how tight the range is between its limits, how central the closes are in it, and
        how little the price went from its first close to its last. The source asks for none of them; a filter."""
        if self.low is None or not self._count or self.high == self.low:
            return 0.0
        rules, height = self.rules, self.high - self.low
        spread = rules.max_range - rules.min_range
        tight = (rules.max_range - self.range) / spread if spread else Decimal(1)
        central = 1 - abs(2 * (self._sum / self._count - self.low) / height - 1)
        flat = 1 - abs(self._last - self._first) / height
        return float(sum((min(max(part, Decimal(0)), Decimal(1)) for part in (tight, central, flat)), Decimal(0)) / 3)


@dataclass(slots=True)
class Setup:
    """One setup from its sweep on."""

    number: int
    way: int
    state: SlobState
    rules: SlobRules
    liq1_ns: int
    consolidation: Consolidation
    reason: str = ""
    """Why it was invalidated."""
    no_wick: Decimal | None = None
    """The low of the last candle without a lower wick: closing below it is the entry."""
    liq2_ns: int = 0
    extreme: Decimal = Decimal(0)
    """The highest price since LIQ #2."""

    def add(self, bar: Bar) -> None:
        """Take the next bar."""
        seen = _Seen.of(bar, self.way)
        match self.state:
            case SlobState.WATCHING_CONSOL | SlobState.WATCHING_LIQ2:
                self._consolidate(seen)
            case SlobState.WAITING_ENTRY:
                self._wait_for_entry(seen)
            case _:
                return

    def _consolidate(self, seen: _Seen) -> None:
        consolidation = self.consolidation
        if consolidation.high_confirmed:
            self._look_for_no_wick(seen)
        if consolidation.is_complete(seen.end_ns):
            self.state = SlobState.WATCHING_LIQ2
            if seen.top > consolidation.high:
                self._swept(seen)
                return
        failure = consolidation.add(seen)
        if failure is not None:
            self._invalidate(failure)
            return
        if not consolidation.high_confirmed:
            self.no_wick = None
        complete = consolidation.is_complete(seen.end_ns)
        self.state = SlobState.WATCHING_LIQ2 if complete else SlobState.WATCHING_CONSOL

    def _look_for_no_wick(self, seen: _Seen) -> None:
        body = seen.close - seen.open
        is_long = body > 0 and body >= self.rules.min_body * abs(seen.close)
        if is_long and seen.open - seen.bottom <= self.rules.max_wick * body:
            self.no_wick = seen.bottom

    def _swept(self, seen: _Seen) -> None:
        self.liq2_ns, self.extreme = seen.end_ns, seen.top
        if self.no_wick is None:
            self._invalidate("no candle without a wick before LIQ #2")
        elif self.consolidation.quality < self.rules.min_quality:
            self._invalidate("the consolidation's quality is too low")
        elif self._is_breakout():
            self._invalidate("LIQ #2 went too far for a sweep")
        else:
            self.state = SlobState.WAITING_ENTRY

    def _wait_for_entry(self, seen: _Seen) -> None:
        assert self.no_wick is not None
        self.extreme = max(self.extreme, seen.top)
        if self._is_breakout():
            self._invalidate("LIQ #2 went too far for a sweep")
        elif _minutes(self.liq2_ns, seen.end_ns) > self.rules.max_entry_wait:
            self._invalidate("no entry came in time after LIQ #2")
        elif seen.close < self.no_wick:
            self.state = SlobState.SETUP_COMPLETE

    def _is_breakout(self) -> bool:
        high = self.consolidation.high
        return (self.extreme - high) / abs(high) > self.rules.max_sweep

    def _invalidate(self, reason: str) -> None:
        self.state, self.reason = SlobState.INVALIDATED, reason

    @property
    def stop(self) -> Decimal:
        """Beyond the highest price since LIQ #2, as a price of the market."""
        return self.way * (self.extreme + self.rules.stop_buffer * abs(self.extreme))


@dataclass(slots=True)
class SlobDay:
    """One day: its reference session's high and low, and the setups since the opening."""

    rules: SlobRules
    reference_high: Decimal | None = None
    reference_low: Decimal | None = None
    setups: list[Setup] = field(default_factory=list)
    """The setups that are under way, and those that ended with the last bar."""
    begun: int = 0
    _close: Decimal | None = None

    def add_reference(self, bar: Bar) -> None:
        """Take a bar of the reference session."""
        self.reference_high = bar.high if self.reference_high is None else max(self.reference_high, bar.high)
        self.reference_low = bar.low if self.reference_low is None else min(self.reference_low, bar.low)
        self._close = bar.close

    def add(self, bar: Bar) -> None:
        """Take a bar since the opening."""
        self.setups = [setup for setup in self.setups if not setup.state.is_over]
        for setup in self.setups:
            setup.add(bar)
        for way, level in ((1, self.reference_high), (-1, self.reference_low)):
            if level is not None and self._close is not None and self._is_liq1(bar, way, level, self._close):
                self._begin(bar, way)
        self._close = bar.close

    def _is_liq1(self, bar: Bar, way: int, level: Decimal, before: Decimal) -> bool:
        """Whether the bar goes through the reference session's end from within."""
        return _Seen.of(bar, way).top > way * level >= way * before

    def _begin(self, bar: Bar, way: int) -> None:
        """LIQ #1: the setup that watched for it now watches for a consolidation."""
        if sum(setup.way == way and not setup.state.is_over for setup in self.setups) >= self.rules.max_setups:
            return
        self.begun += 1
        consolidation = Consolidation(self.rules, _Seen.of(bar, way).top, bar.end_ns)
        self.setups.append(Setup(self.begun, way, SlobState.WATCHING_CONSOL, self.rules, bar.end_ns, consolidation))

    @property
    def state(self) -> SlobState:
        """How far the furthest setup is that is not invalidated; WATCHING_LIQ1 where there is none."""
        order = list(SlobState)
        states = [setup.state for setup in self.setups if setup.state is not SlobState.INVALIDATED]
        return max(states, key=order.index, default=SlobState.WATCHING_LIQ1)


def _minutes(from_ns: int, to_ns: int) -> float:
    return (to_ns - from_ns) / _MINUTE_NS
