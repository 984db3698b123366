"""Bars from IB's history: how they are asked for, and how often they may be.

Limits (ibkrcampus, "Historical data limitations"): no identical request within 15 s, fewer than six of one contract
within 2 s, at most 60 within ten minutes; and each bar size has a longest span that one request may cover.
"""

from collections import deque
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import NamedTuple

from ib_async.objects import BarData

from live_trading.brokers.errors import RateLimited
from live_trading.brokers.ibkr.contracts import number
from live_trading.domain.bar_size import BarSize
from live_trading.domain.instrument import Instrument
from live_trading.domain.market import Bar, Ohlc, ns_from_utc
from live_trading.runtime import Clock

_DAY = 86_400
_LONGEST = {5: 3600, 10: 14_400, 15: 14_400, 30: 28_800, 60: _DAY, 120: 2 * _DAY, 180: 7 * _DAY}
_LONGEST_OTHERS = ((1800, 7 * _DAY), (14_400, 30 * _DAY), (28_800, 30 * _DAY), (_DAY, 365 * _DAY))
IDENTICAL_SECONDS, BURST_SECONDS, WINDOW_SECONDS = 15.0, 2.0, 600.0
MOST_IN_BURST, MOST_IN_WINDOW = 5, 60


def longest_span(size: BarSize) -> int:
    """Seconds that one request for bars of this size may cover."""
    known = _LONGEST.get(size.seconds)
    return known if known is not None else next(span for upto, span in _LONGEST_OTHERS if size.seconds <= upto)


def requests_for(size: BarSize, start: datetime, end: datetime) -> Iterator[tuple[str, str]]:
    """End and duration of each request that covers [start, end), oldest first, as TWS wants them."""
    longest = timedelta(seconds=longest_span(size))
    last = end.astimezone(UTC).replace(microsecond=0) + timedelta(seconds=1)
    begin = start.astimezone(UTC).replace(microsecond=0)
    while begin < last:
        upto = min(begin + longest, last)
        seconds = int((upto - begin).total_seconds())
        duration = f"{max(seconds, 30)} S" if seconds <= _DAY else f"{-(-seconds // _DAY)} D"
        yield f"{upto:%Y%m%d-%H:%M:%S}", duration
        begin = upto


def wanted(instrument: Instrument) -> tuple[str, ...]:
    """What to ask for: trades, or mids with both sides."""
    return ("TRADES",) if instrument.quote_kind == "TRADE" else ("MIDPOINT", "BID", "ASK")


def start_ns(bar: BarData, size: BarSize, instrument: Instrument) -> int:
    """When a bar starts. IB names a day's bar by the day its session ends on."""
    text = str(bar.date)
    if size is not BarSize.DAY_1:
        return int(text) * 1_000_000_000
    noon = datetime.strptime(text[:8] + "12+0000", "%Y%m%d%H%z")
    return ns_from_utc(instrument.hours.trading_day_start(noon))


def merge(
    found: dict[str, list[BarData]], size: BarSize, instrument: Instrument, start: datetime, end: datetime, now_ns: int
) -> list[Bar]:
    """The closed bars that start in [start, end), oldest first, of what was answered by kind."""
    by_kind = {kind: {start_ns(bar, size, instrument): bar for bar in bars} for kind, bars in found.items()}
    main = by_kind.get("TRADES") or by_kind.get("MIDPOINT") or {}
    bids, asks = by_kind.get("BID", {}), by_kind.get("ASK", {})
    merged = []
    for at in sorted(main):
        if not ns_from_utc(start) <= at < ns_from_utc(end) or at + size.nanoseconds > now_ns:
            continue
        bar = main[at]
        both = at in bids and at in asks
        merged.append(
            Bar(
                instrument.symbol,
                size,
                at,
                *_ohlc(bar),
                volume=number(bar.volume) if bar.volume > 0 else Decimal(0),
                tick_count=max(bar.barCount, 1),
                bid=_ohlc(bids[at]) if both else None,
                ask=_ohlc(asks[at]) if both else None,
            )
        )
    return merged


def _ohlc(bar: BarData) -> Ohlc:
    return Ohlc(number(bar.open), number(bar.high), number(bar.low), number(bar.close))


class HistoryRequest(NamedTuple):
    """One request, as the limits tell it from others."""

    symbol: str
    until: str
    duration: str
    bar_size: BarSize
    kind: str


class HistoryPace:
    """Keeps to the limits by waiting; :class:`RateLimited` where that would be longer than ``patience`` seconds."""

    def __init__(self, clock: Clock, patience: float = 30.0) -> None:
        self._clock = clock
        self._patience = patience
        self._asked: deque[tuple[float, HistoryRequest]] = deque()
        self._answers: dict[HistoryRequest, tuple[float, list[BarData]]] = {}

    def answered(self, request: HistoryRequest) -> list[BarData] | None:
        """What the very same request was answered within the last 15 s; None where it was not asked."""
        now = self._clock.monotonic()
        self._answers = {key: kept for key, kept in self._answers.items() if now - kept[0] < IDENTICAL_SECONDS}
        kept = self._answers.get(request)
        return None if kept is None else kept[1]

    def keep(self, request: HistoryRequest, bars: list[BarData]) -> None:
        self._answers[request] = (self._clock.monotonic(), bars)

    async def take(self, request: HistoryRequest) -> None:
        """Wait until this request may be sent; it counts as sent then."""
        wait = self._wait(request)
        if wait > self._patience:
            raise RateLimited(wait, "IB's limits for historical data")
        while wait > 0:
            await self._clock.sleep(wait)
            wait = self._wait(request)
        self._asked.append((self._clock.monotonic(), request))

    def _wait(self, request: HistoryRequest) -> float:
        now = self._clock.monotonic()
        while self._asked and now - self._asked[0][0] >= WINDOW_SECONDS:
            self._asked.popleft()
        waits = [0.0]
        waits += [at + IDENTICAL_SECONDS - now for at, known in self._asked if known == request]
        recent = [at for at, known in self._asked if known.symbol == request.symbol and now - at < BURST_SECONDS]
        if len(recent) >= MOST_IN_BURST:
            waits.append(recent[-MOST_IN_BURST] + BURST_SECONDS - now + 0.05)
        if len(self._asked) >= MOST_IN_WINDOW:
            waits.append(self._asked[-MOST_IN_WINDOW][0] + WINDOW_SECONDS - now)
        return max(waits)
