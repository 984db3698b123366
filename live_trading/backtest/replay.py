"""Running an operation's strategy again over the bars it saw, and comparing its signals with the journal's.

The journal tells the parameters at each time (``OPERATION_CREATED``, ``OPERATION_UPDATED``) and the position; the bar
store and the archive keep the bars. A difference means that the strategy's code has changed, that it is not the
function of its context that it should be, or that bars are missing; and each is told with both sides.

**The position a strategy saw.** Where the journal has a signal of a bar, it is the position right before that entry. On
the other bars it follows from the fills' times, which are the broker's: a fill within five seconds of the bar's end may
have been heard of before or after the bar was closed. The strategy is then asked with each position it can have seen,
and only an answer that fits none of them is a difference.

**Floats** in a signal's inputs are compared to one part in 10⁹: an operation that was restarted read its indicators
anew, which leaves that much of a trace.
"""

import math
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, NamedTuple

from bson import ObjectId

from live_trading.data import StoredBar
from live_trading.domain.bar_size import BarSize
from live_trading.domain.entries import Entry, OperationCreated, SignalGenerated
from live_trading.domain.errors import InvalidInput
from live_trading.domain.instrument import Instrument
from live_trading.domain.market import Bar, ns_from_utc
from live_trading.domain.operation import OperationSettings
from live_trading.projections import Ledger, apply
from live_trading.runtime import SystemClock, utc_from_ns
from live_trading.strategies import (
    FLAT,
    LiveStrategyAdapter,
    Signal,
    StrategyFailed,
    StrategyPosition,
    in_order,
    load_strategy,
    parse_parameters,
)

_TOLERANCE = 1e-9
_PRICES = ("limit_price", "stop_price", "stop_loss", "take_profit")
_NEVER = float("inf")
_LATEST = 1 << 62
_ABOUT_NS = 5_000_000_000

Fields = dict[str, Any]
Bars = Mapping[BarSize, Sequence[StoredBar]]


class DifferenceKind(StrEnum):
    """What differs: the journal has a signal that the strategy does not give now, or the other way round; both have
    one, and they are not the same; or the bar of the journal's signal is not there any more."""

    NOT_GIVEN_NOW = "NOT_GIVEN_NOW"
    NOT_GIVEN_THEN = "NOT_GIVEN_THEN"
    DIFFERENT = "DIFFERENT"
    NO_BAR = "NO_BAR"


@dataclass(frozen=True, slots=True)
class Difference:
    """One bar at which the two part, with both sides; ``fields`` names what is not the same."""

    kind: DifferenceKind
    bar: Bar | None
    sequence_number: int | None
    then: Fields | None
    now: Fields | None
    position: StrategyPosition
    fields: tuple[str, ...] = ()
    values: Fields = field(default_factory=dict)
    """The indicators at the bar, as they are now."""


@dataclass(frozen=True, slots=True)
class ReplayReport:
    """What came of it. ``matched`` signals are the same; ``first`` and ``last`` are the ends of the bars asked about;
    ``failures`` are bars on which the strategy failed now, and why."""

    operation_id: ObjectId
    settings: OperationSettings
    bars: int
    first: datetime | None
    last: datetime | None
    signals_then: int
    signals_now: int
    matched: int
    differences: list[Difference]
    failures: list[str]

    @property
    def is_equal(self) -> bool:
        return not self.differences


class Holding(NamedTuple):
    """The position after a fill: heard of with entry ``number`` at ``heard``, executed at ``executed_ns``."""

    number: int
    executed_ns: int
    heard_ns: int
    position: StrategyPosition


class Change(NamedTuple):
    """The parameters from an entry on; ``since_ns`` is the latest market time that the journal knew of by then."""

    number: int
    since_ns: int
    parameters: Mapping[str, Any]


@dataclass(slots=True)
class History:
    """What the journal tells of one operation, as far as its strategy could see or say it."""

    operation_id: ObjectId
    created_at: datetime
    """By the market's time where an entry tells one that is earlier: a recorded market's is long past."""
    settings: OperationSettings
    instrument: Instrument
    changes: list[Change]
    holdings: list[Holding] = field(default_factory=list)
    signals: list[Entry] = field(default_factory=list)
    recoveries: list[tuple[int, int]] = field(default_factory=list)
    """When the engine was recovering, by its clock: strategies were asked, and not acted on."""


def history_of(entries: Iterable[Entry], operation_id: ObjectId) -> History:
    """Read a whole journal for one operation. Raises :class:`InvalidInput` when it has no such operation."""
    ledger = Ledger()
    found: History | None = None
    market_ns = 0
    for entry in entries:
        apply(ledger, entry)
        ledger.forget_changes()
        if found is not None:
            _note_recovery(found, entry)
        if entry.operation_id != operation_id:
            continue
        if isinstance(entry.data, OperationCreated):
            settings = entry.data.settings
            changes = [Change(entry.sequence_number, 0, settings.strategy_config)]
            found = History(operation_id, entry.timestamp, settings, entry.data.instrument, changes)
        if found is None:
            continue
        operation = ledger.operation(operation_id)
        assert operation is not None
        if entry.action_type == "SIGNAL_GENERATED" and not entry.actor.startswith("user:"):
            found.signals.append(entry)
            market_ns = max(market_ns, ns_from_utc(entry.data.bar_start) + entry.data.bar_size.nanoseconds)
        elif entry.action_type == "OPERATION_UPDATED" and "strategy_config" in entry.data.changes:
            found.changes.append(Change(entry.sequence_number, market_ns, entry.data.changes["strategy_config"]))
        elif entry.action_type in ("ORDER_FILLED", "FILL_CORRECTED"):
            at = getattr(entry.data, "executed_at", None)
            market_ns = max(market_ns, ns_from_utc(at) if at is not None else 0)
            held = operation.position
            position = FLAT if held is None else StrategyPosition(held.quantity, held.entry_price)
            found.holdings.append(Holding(entry.sequence_number, market_ns, ns_from_utc(entry.timestamp), position))
        found.created_at = min(found.created_at, utc_from_ns(market_ns)) if market_ns else found.created_at
    if found is None:
        raise InvalidInput("--operation", f"the journal has no operation {operation_id}", "The list shows them")
    return found


def _note_recovery(history: History, entry: Entry) -> None:
    if entry.action_type == "RECOVERY_STARTED":
        history.recoveries.append((ns_from_utc(entry.timestamp), _LATEST))
    elif entry.action_type == "RECOVERY_COMPLETED" and history.recoveries:
        history.recoveries[-1] = (history.recoveries[-1][0], ns_from_utc(entry.timestamp))


def replay(
    history: History, bars: Bars, *, parameters: Mapping[str, Any] | None = None, from_sequence: int = 0
) -> ReplayReport:
    """Run the strategy over the bars and compare. ``parameters`` take precedence over those in the journal, which shows
    what they would have changed; ``from_sequence`` leaves out signals with a lower number, and bars before the first
    of the others."""
    return _Replay(history, bars, parameters or {}, from_sequence).run()


class _Replay:
    """One replay."""

    def __init__(self, history: History, bars: Bars, given: Mapping[str, Any], from_sequence: int) -> None:
        self._history = history
        self._given = given
        self._from = from_sequence
        self._primary = history.settings.primary_bar_size
        self._stored = _ordered(bars, self._primary)
        self._signals = {ns_from_utc(entry.data.bar_start): entry for entry in history.signals}
        self._numbers = [holding.number for holding in history.holdings]
        self._executed = [holding.executed_ns for holding in history.holdings]
        self._is_live = _is_live(history)
        self._changes = list(history.changes)
        self._seen: dict[BarSize, list[Bar]] = {size: [] for size in history.settings.bar_sizes}
        self._adapter = self._begin(self._changes.pop(0))
        self._differences: list[Difference] = []
        self._asked: list[Bar] = []
        self._failures: list[str] = []
        self._now = self._matched = 0

    def run(self) -> ReplayReport:
        compared = [entry for entry in self._history.signals if entry.sequence_number >= self._from]
        begins_ns = ns_from_utc(compared[0].data.bar_start) if compared and self._from else 0
        for stored in self._stored:
            bar = stored.bar
            self._take_changes(bar)
            self._seen[bar.bar_size].append(bar)
            then = self._signals.get(bar.start_ns) if bar.bar_size is self._primary else None
            is_asked = not stored.from_history or then is not None
            if bar.bar_size is not self._primary or not is_asked or bar.start_ns < begins_ns:
                self._ask(bar, FLAT)
                continue
            self._asked.append(bar)
            self._compare(bar, then)
        self._note_missing_bars(compared)
        return ReplayReport(
            operation_id=self._history.operation_id,
            settings=self._history.settings,
            bars=len(self._asked),
            first=self._asked[0].start if self._asked else None,
            last=self._asked[-1].end if self._asked else None,
            signals_then=len(compared),
            signals_now=self._now,
            matched=self._matched,
            differences=self._differences,
            failures=self._failures,
        )

    # ---- parameters -------------------------------------------------------------------------------------------------

    def _begin(self, change: Change) -> LiveStrategyAdapter:
        """The strategy with the parameters of a change, having read the bars so far, as a running engine has it do."""
        history = self._history
        strategy = load_strategy(history.settings.strategy_name)
        parameters = parse_parameters(strategy, {**change.parameters, **self._given})
        adapter = LiveStrategyAdapter(
            strategy,
            parameters,
            strategy.follows(parameters, history.instrument),
            history.settings.bar_sizes,
            self._primary,
            SystemClock(),
            time_budget=_NEVER,
            instrument=history.instrument,
        )
        adapter.warm_up(self._seen)
        return adapter

    def _take_changes(self, bar: Bar) -> None:
        """A change holds from the first bar after it: by the numbers of the signals about it, else by its time."""
        while self._changes:
            change = self._changes[0]
            then = self._signals.get(bar.start_ns)
            is_due = change.number < then.sequence_number if then is not None else change.since_ns < bar.end_ns
            if not is_due:
                return
            self._adapter = self._begin(self._changes.pop(0))

    # ---- positions --------------------------------------------------------------------------------------------------

    def _positions(self, bar: Bar, then: Entry | None) -> list[StrategyPosition]:
        """The positions that the strategy can have seen at the bar, the likeliest first."""
        holdings = self._history.holdings
        if then is not None:
            counts = [bisect_left(self._numbers, then.sequence_number)]
        else:
            end_ns = bar.end_ns
            likely = bisect_right(self._executed, end_ns)
            first = bisect_left(self._executed, end_ns - _ABOUT_NS)
            counts = [likely, *range(first, bisect_right(self._executed, end_ns + _ABOUT_NS) + 1)]
        positions = [holdings[count - 1].position if count else FLAT for count in counts]
        return list(dict.fromkeys(positions))

    # ---- comparing --------------------------------------------------------------------------------------------------

    def _compare(self, bar: Bar, then: Entry | None) -> None:
        positions = self._positions(bar, then)
        position = positions[0]
        signal = self._ask(bar, position)
        if then is None and signal is not None and self._may_be_silent(bar, positions[1:]):
            return
        self._now += signal is not None
        mine = None if signal is None else _fields(signal, self._history.instrument)
        theirs = None if then is None else _fields_of(then.data)
        names = _different(theirs, mine)
        if not names:
            self._matched += signal is not None
        elif then is None or then.sequence_number >= self._from:
            kind = DifferenceKind.DIFFERENT
            if mine is None or theirs is None:
                kind = DifferenceKind.NOT_GIVEN_NOW if mine is None else DifferenceKind.NOT_GIVEN_THEN
            number = None if then is None else then.sequence_number
            values = dict(self._adapter.indicators.get(self._primary, {}))
            self._differences.append(Difference(kind, bar, number, theirs, mine, position, names, values))

    def _ask(self, bar: Bar, position: StrategyPosition) -> Signal | None:
        try:
            return self._adapter.on_bar(bar, position)
        except StrategyFailed as error:
            self._failures.append(str(error))
            return None

    def _may_be_silent(self, bar: Bar, others: Sequence[StrategyPosition]) -> bool:
        """Whether it is no difference that the journal has no signal of the bar."""
        return self._was_recovering(bar) or any(self._is_silent(bar, other) for other in others)

    def _is_silent(self, bar: Bar, position: StrategyPosition) -> bool:
        """Whether the strategy has no answer to the bar with another position than the likeliest."""
        try:
            return self._adapter.asked_again(bar, position) is None
        except StrategyFailed as error:
            self._failures.append(str(error))
            return False

    def _was_recovering(self, bar: Bar) -> bool:
        end_ns = bar.end_ns
        return self._is_live and any(begin <= end_ns <= end for begin, end in self._history.recoveries)

    def _note_missing_bars(self, compared: Sequence[Entry]) -> None:
        """Signals of bars that are not kept any more cannot be given again."""
        asked = {bar.start_ns for bar in self._asked}
        for entry in compared:
            if ns_from_utc(entry.data.bar_start) not in asked:
                count = bisect_left(self._numbers, entry.sequence_number)
                position = self._history.holdings[count - 1].position if count else FLAT
                self._differences.append(
                    Difference(
                        DifferenceKind.NO_BAR, None, entry.sequence_number, _fields_of(entry.data), None, position
                    )
                )
        self._differences.sort(key=_time_of)


def _ordered(bars: Bars, primary: BarSize) -> list[StoredBar]:
    """All bars in the order in which the strategy was shown them."""
    stored = {(each.bar.bar_size, each.bar.start_ns): each for several in bars.values() for each in several}
    ordered = in_order([each.bar for each in stored.values()], primary)
    return [stored[bar.bar_size, bar.start_ns] for bar in ordered]


def _is_live(history: History) -> bool:
    """Whether the market's time was the clock's, and not that of a recording."""
    apart = [abs(holding.heard_ns - holding.executed_ns) for holding in history.holdings]
    return bool(apart) and min(apart) < 3_600_000_000_000


def _time_of(difference: Difference) -> int:
    if difference.bar is not None:
        return difference.bar.start_ns
    assert difference.then is not None
    return ns_from_utc(difference.then["bar_start"])


def _fields(signal: Signal, instrument: Instrument) -> Fields:
    """A signal as the journal would have it."""
    prices = {name: getattr(signal, name) for name in _PRICES}
    on_grid = {name: None if price is None else instrument.round_price(price) for name, price in prices.items()}
    return {"signal": signal.type.value, "reason": signal.reason, "inputs": dict(signal.inputs), **on_grid}


def _fields_of(data: SignalGenerated) -> Fields:
    prices = {name: getattr(data, name) for name in _PRICES}
    return {
        "signal": data.signal.value,
        "reason": data.reason,
        "inputs": dict(data.inputs),
        **prices,
        "bar_start": data.bar_start,
    }


def _different(then: Fields | None, now: Fields | None) -> tuple[str, ...]:
    """The names of what is not the same; inputs one by one."""
    if then is None or now is None:
        return () if then is now else ("signal",)
    names = [name for name in ("signal", "reason", *_PRICES) if then[name] != now[name]]
    inputs, others = then["inputs"], now["inputs"]
    names += [f"inputs.{name}" for name in {**inputs, **others} if not _alike(inputs.get(name), others.get(name))]
    return tuple(names)


def _alike(one: Any, other: Any) -> bool:
    if isinstance(one, float) and isinstance(other, int | float) and not isinstance(other, bool):
        return math.isclose(one, other, rel_tol=_TOLERANCE, abs_tol=_TOLERANCE)
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        return one.keys() == other.keys() and all(_alike(one[key], other[key]) for key in one)
    if isinstance(one, list | tuple) and isinstance(other, list | tuple):
        return len(one) == len(other) and all(map(_alike, one, other))
    return bool(one == other)
