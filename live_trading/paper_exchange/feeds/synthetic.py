"""A seeded synthetic market: trends that come and go, volatility in clusters, and now and then a gap.

The model, for each instrument, at every tick:

- variance follows GARCH(1, 1) (Bollerslev 1986) around the listing's yearly volatility, so that wild and calm hours
  follow one another;
- a hidden regime (up, down, sideways) of some minutes' length adds a drift worth a fraction of the volatility;
- once in some thousand ticks the price jumps by several standard deviations;
- a weak pull towards the reference price keeps a market that runs for months near where it began.

Every random number is a function of seed, symbol and tick number. So the whole state is a handful of numbers, the same
seed gives the same prices, and a restarted market goes on as if nothing had happened.
"""

import heapq
import math
import random
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from decimal import Decimal
from typing import Any

from live_trading.domain.market import QuoteTick, Tick, TradeTick
from live_trading.paper_exchange.core.models import Listing

_SECOND = 1_000_000_000
_YEAR_SECONDS = 365 * 86_400.0

_ALPHA, _BETA = 0.06, 0.93
"""How much of the next variance comes from the last return and from the last variance."""
_DRIFT = 0.12
"""A trend's drift, in standard deviations a tick."""
_REGIME_TICKS = 900
_GAP_EVERY = 6_000
_GAP_SIZE = 12.0
_PULL = 2e-6


@dataclass(slots=True)
class _State:
    """One instrument's market. ``heat`` is the variance over its long-run value."""

    number: int
    time_ns: int
    log_price: float
    heat: float
    regime: int
    last: float


class SyntheticFeed:
    """Ticks of all ``listings`` from ``start_ns`` on, ``ticks_per_second`` for each on average."""

    recorded = False

    def __init__(self, listings: Iterable[Listing], *, seed: int, start_ns: int, ticks_per_second: float = 4.0) -> None:
        self._listings = {listing.symbol: listing for listing in listings}
        self.symbols = tuple(self._listings)
        self._seed = seed
        self._step = 1.0 / ticks_per_second
        self._states = {
            symbol: _State(0, start_ns, math.log(float(listing.reference_price)), 1.0, 0, 0.0)
            for symbol, listing in self._listings.items()
        }
        self._due = [(start_ns, symbol) for symbol in self.symbols]
        heapq.heapify(self._due)

    def state(self) -> Any:
        return {symbol: asdict(state) for symbol, state in self._states.items()}

    def restore(self, state: Any) -> None:
        for symbol, values in state.items():
            if symbol in self._states:
                self._states[symbol] = _State(**values)
        self._due = [(state.time_ns, symbol) for symbol, state in self._states.items()]
        heapq.heapify(self._due)

    def go_on_at(self, time_ns: int) -> None:
        """Every instrument ticks next at ``time_ns``, from where its price was; no tick given may be later."""
        for state in self._states.values():
            state.time_ns = time_ns
        self._due = [(state.time_ns, symbol) for symbol, state in self._states.items()]
        heapq.heapify(self._due)

    def next(self, step: float | None = None) -> Tick:
        """The next tick of any instrument. ``step`` in place of the usual seconds between two ticks of one."""
        time_ns, symbol = heapq.heappop(self._due)
        listing, state = self._listings[symbol], self._states[symbol]
        source = random.Random(f"{self._seed}/{symbol}/{state.number}")  # noqa: S311 - reproducible on purpose
        seconds = self._step if step is None else step
        tick = _tick(listing, state, source, time_ns, seconds)
        state.number += 1
        state.time_ns = time_ns + max(1, int(seconds * source.uniform(0.2, 1.8) * _SECOND))
        heapq.heappush(self._due, (state.time_ns, symbol))
        return tick


def _tick(listing: Listing, state: _State, source: random.Random, time_ns: int, seconds: float) -> Tick:
    """Move one market by one tick."""
    deviation = listing.volatility * math.sqrt(seconds / _YEAR_SECONDS)
    if source.random() < 1 / _REGIME_TICKS:
        state.regime = source.choice((-1, 0, 0, 1))
    shock = source.gauss(0, 1)
    if source.random() < 1 / _GAP_EVERY:
        shock += source.choice((-1, 1)) * _GAP_SIZE
    state.heat = (1 - _ALPHA - _BETA) + (_ALPHA * min(state.last**2, 25.0) + _BETA) * state.heat
    state.heat = min(max(state.heat, 0.05), 20.0)
    state.last = shock
    pull = _PULL * (math.log(float(listing.reference_price)) - state.log_price)
    move = math.sqrt(state.heat) * shock + _DRIFT * state.regime
    state.log_price += deviation * move + pull
    return _quoted(listing, math.exp(state.log_price), source, time_ns)


def _quoted(listing: Listing, price: float, source: random.Random, time_ns: int) -> Tick:
    """The price as the instrument's market tells it: a trade, or a quote around it, on the grid."""
    instrument = listing.instrument
    middle = max(instrument.round_price(Decimal(repr(price))), instrument.tick_size * (listing.spread_ticks + 1))
    size = Decimal(source.randint(1, 50))
    if instrument.quote_kind == "TRADE":
        return TradeTick(listing.symbol, time_ns, middle, size * instrument.quantity_step)
    below = listing.spread_ticks // 2
    bid = middle - below * instrument.tick_size
    ask = bid + max(listing.spread_ticks, 1) * instrument.tick_size
    return QuoteTick(listing.symbol, time_ns, bid, ask, size * 100_000, Decimal(source.randint(1, 50)) * 100_000)
