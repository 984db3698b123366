"""Indicators whose first values depend on how they are seeded, seeded as TA-Lib seeds them.

talipp begins these otherwise: its ATR counts the first bar's own range, its ADX smooths from a mean instead of a sum,
its MACD begins the fast average as soon as it can; and in a market that never moved its RSI and stochastic say 100.
After some hundred bars the two agree; before that they differ in the third digit, which is enough for another signal.
What a strategy was tested with elsewhere is nearly always TA-Lib, so its seeds are ours (``ta_ATR.c``, ``ta_ADX.c``,
``ta_PLUS_DI.c``, ``ta_MACD.c``, ``ta_RSI.c``, ``ta_STOCHF.c`` of TA-Lib, and J. Welles Wilder, "New Concepts in
Technical Trading Systems", 1978). Each takes one bar or value at a time and keeps a few numbers.
"""

from collections import deque
from typing import NamedTuple


class Prices(NamedTuple):
    """A bar's figures as floats, under the names that talipp's indicators ask for."""

    open: float
    high: float
    low: float
    close: float
    volume: float


class Ema:
    """An exponential average that begins as the mean of its first values."""

    def __init__(self, period: int) -> None:
        self._period = period
        self._weight = 2.0 / (period + 1)
        self._seed: list[float] = []
        self.value: float | None = None

    def add(self, price: float) -> float | None:
        """Take the next price."""
        if self.value is None:
            self._seed.append(price)
            if len(self._seed) == self._period:
                self.value = sum(self._seed) / self._period
        else:
            self.value += (price - self.value) * self._weight
        return self.value


def _true_range(bar: Prices, before: Prices) -> float:
    """How far the price went, the way from the last close included."""
    return max(bar.high, before.close) - min(bar.low, before.close)


class Atr:
    """Wilder's average true range; the first bar has none, for it has no close before it."""

    def __init__(self, period: int) -> None:
        self._period = period
        self._before: float | None = None  # the last close
        self._seed: list[float] = []
        self.value: float | None = None

    def add(self, bar: Prices) -> float | None:
        """Take the next bar."""
        return self.take(bar.high, bar.low, bar.close)

    def take(self, high: float, low: float, close: float) -> float | None:
        """Take the next bar by its figures. Every operation does so with every bar: hence no calls in here."""
        before, self._before = self._before, close
        if before is None:
            return None
        true_range = (before if before > high else high) - (before if before < low else low)
        if self.value is not None:
            self.value = (self.value * (self._period - 1) + true_range) / self._period
        else:
            self._seed.append(true_range)
            if len(self._seed) == self._period:
                self.value = sum(self._seed) / self._period
        return self.value


class AdxValue(NamedTuple):
    """The average directional index, None until it has one, and the two directional indicators."""

    adx: float | None
    plus_di: float
    minus_di: float


class Adx:
    """Wilder's directional movement."""

    def __init__(self, period: int) -> None:
        self._period = period
        self._before: Prices | None = None
        self._count = 0  # bars that had one before them
        self._plus = self._minus = self._range = 0.0  # smoothed sums
        self._indices = 0
        self._index_sum = 0.0
        self._adx: float | None = None

    def add(self, bar: Prices) -> AdxValue | None:
        """Take the next bar."""
        before, self._before = self._before, bar
        if before is None:
            return None
        self._count += 1
        up, down = float(bar.high - before.high), float(before.low - bar.low)
        share = 1.0 / self._period if self._count >= self._period else 0.0  # a plain sum until there are enough
        self._plus += (up if up > 0 and up > down else 0.0) - self._plus * share
        self._minus += (down if down > 0 and down > up else 0.0) - self._minus * share
        self._range += _true_range(bar, before) - self._range * share
        return self._indicators() if self._count >= self._period else None

    def _indicators(self) -> AdxValue:
        if not self._range:
            plus = minus = 0.0
        else:
            plus, minus = 100.0 * (self._plus / self._range), 100.0 * (self._minus / self._range)
        total = plus + minus
        index = 100.0 * (abs(minus - plus) / total) if total else None
        if self._adx is None:
            self._indices += 1
            self._index_sum += index or 0.0
            if self._indices == self._period:
                self._adx = self._index_sum / self._period
        elif index is not None:
            self._adx = (self._adx * (self._period - 1) + index) / self._period
        return AdxValue(self._adx, plus, minus)


class MacdValue(NamedTuple):
    """The difference of the two averages, and from when there is one, its own average and the distance from it."""

    macd: float
    signal: float | None
    histogram: float | None


class Macd:
    """Moving average convergence and divergence. Both averages begin at the slow one's first value."""

    def __init__(self, fast: int, slow: int, signal: int) -> None:
        self._fast, self._slow, self._signal = Ema(fast), Ema(slow), Ema(signal)
        self._first: deque[float] = deque(maxlen=fast)

    def add(self, price: float) -> MacdValue | None:
        """Take the next price."""
        slow = self._slow.add(price)
        if self._fast.value is None:
            self._first.append(price)
            if slow is None:
                return None
            for earlier in self._first:
                self._fast.add(earlier)
        else:
            self._fast.add(price)
        assert self._fast.value is not None
        assert slow is not None
        macd = self._fast.value - slow
        signal = self._signal.add(macd)
        return MacdValue(macd, signal, None if signal is None else macd - signal)


class Rsi:
    """Wilder's relative strength index; 0 where the price never moved, as TA-Lib has it (talipp: 100)."""

    def __init__(self, period: int) -> None:
        self._period = period
        self._before: float | None = None
        self._changes = 0
        self._gain = self._loss = 0.0

    def add(self, price: float) -> float | None:
        """Take the next price."""
        before, self._before = self._before, price
        if before is None:
            return None
        change = price - before
        self._changes += 1
        if self._changes <= self._period:
            self._gain += max(change, 0.0)
            self._loss += max(-change, 0.0)
            if self._changes < self._period:
                return None
            self._gain /= self._period
            self._loss /= self._period
        else:
            self._gain = (self._gain * (self._period - 1) + max(change, 0.0)) / self._period
            self._loss = (self._loss * (self._period - 1) + max(-change, 0.0)) / self._period
        total = self._gain + self._loss
        return 100.0 * (self._gain / total) if total else 0.0


class StochasticValue(NamedTuple):
    """Where the close is between the lowest low and the highest high, in percent, and the mean of the last of these."""

    k: float
    d: float | None


class Stochastic:
    """The fast stochastic; 0 where the price did not move, as TA-Lib has it (talipp: 100)."""

    def __init__(self, period: int, smoothing: int) -> None:
        self._bars: deque[Prices] = deque(maxlen=period)
        self._last: deque[float] = deque(maxlen=smoothing)

    def add(self, bar: Prices) -> StochasticValue | None:
        """Take the next bar."""
        self._bars.append(bar)
        if len(self._bars) < (self._bars.maxlen or 0):
            return None
        low = min(each.low for each in self._bars)
        span = max(each.high for each in self._bars) - low
        k = 100.0 * (bar.close - low) / span if span else 0.0
        self._last.append(k)
        full = len(self._last) == self._last.maxlen
        return StochasticValue(k, sum(self._last) / len(self._last) if full else None)
