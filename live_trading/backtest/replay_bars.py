"""The bars that an operation's strategy was shown, from the store and the archive."""

from datetime import date, datetime, timedelta

from bson import ObjectId

from live_trading.backtest.replay import History
from live_trading.data import BarStore, StoredBar
from live_trading.domain.bar_size import BarSize
from live_trading.domain.ids import sequence_of
from live_trading.engine.bar_supply import followed_series_id
from live_trading.runtime import SystemClock
from live_trading.strategies import LiveStrategyAdapter, load_strategy, parse_parameters

_ALL = 10_000_000
_REACH = 4
"""Warming up reaches back over four times the nominal time: markets close for nights and weekends."""


async def stored_bars(store: BarStore, history: History) -> dict[BarSize, list[StoredBar]]:
    """All bars of the operation's sizes that are kept, oldest first."""
    settings = history.settings
    strategy = load_strategy(settings.strategy_name)
    parameters = parse_parameters(strategy, history.changes[0].parameters)
    symbol = strategy.follows(parameters, history.instrument)
    series = history.operation_id
    if symbol != history.instrument.symbol:
        series = followed_series_id(sequence_of(history.operation_id))
    adapter = LiveStrategyAdapter(
        strategy,
        parameters,
        symbol,
        settings.bar_sizes,
        settings.primary_bar_size,
        SystemClock(),
        instrument=history.instrument,
    )
    found: dict[BarSize, list[StoredBar]] = {}
    for size in settings.bar_sizes:
        kept = await store.last(series, size, _ALL)
        until = kept[0].bar.start if kept else None
        reach = timedelta(seconds=size.seconds * adapter.history.get(size, 0) * _REACH, days=1)
        archived = await _archived(store, series, symbol, size, history.created_at - reach, until)
        bars = {stored.bar.start_ns: stored for stored in [*archived, *kept]}
        found[size] = [bars[start] for start in sorted(bars)]
    return found


async def _archived(
    store: BarStore, series: ObjectId, symbol: str, size: BarSize, since: datetime, until: datetime | None
) -> list[StoredBar]:
    end = (until or SystemClock().now()).date()
    found: list[StoredBar] = []
    day: date = since.date()
    while day <= end:
        archived = await store.archived(symbol, size, day)
        found += [each.stored for each in archived if each.operation_id == series]
        day += timedelta(days=1)
    return found
