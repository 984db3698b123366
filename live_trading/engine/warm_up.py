"""The bars a strategy sees before it trades: what is stored, completed from the broker's history."""

from collections.abc import Mapping, Sequence
from datetime import timedelta

import structlog
from bson import ObjectId
from pymongo.errors import PyMongoError

from live_trading.brokers.errors import BrokerError
from live_trading.data import StoredBar
from live_trading.domain.bar_size import BarSize
from live_trading.domain.instrument import Instrument
from live_trading.domain.market import Bar
from live_trading.engine.context import EngineContext
from live_trading.projections.state import Operation
from live_trading.runtime import utc_from_ns

_log = structlog.get_logger(__name__)

_REACH = 4
"""History is asked for over four times the nominal time: markets close for nights and weekends."""


async def warm_up_bars(
    context: EngineContext,
    operation: Operation,
    instrument: Instrument,
    operation_id: ObjectId,
    needed: Mapping[BarSize, int],
) -> dict[BarSize, list[Bar]]:
    """The last ``needed`` closed bars of each size, as many as can be had, oldest first.

    Stored bars come first; what is missing since the last of them, or before the first, is asked of the broker and
    stored. A broker that gives no history is no obstacle: the strategy then warms up on live bars.
    """
    result: dict[BarSize, list[Bar]] = {}
    for size, count in needed.items():
        bars = {stored.bar.start_ns: stored.bar for stored in await _stored(context, operation_id, size, count)}
        missing = await _history(context, operation, instrument, size, count, bars)
        if missing:
            bars.update((bar.start_ns, bar) for bar in missing)
            await _store(context, operation_id, missing)
        ordered = [bars[start] for start in sorted(bars)]
        result[size] = ordered[-count:] if count else []
    return result


async def _store(context: EngineContext, operation_id: ObjectId, bars: Sequence[Bar]) -> None:
    try:
        await context.bars.write(operation_id, [StoredBar(bar, from_history=True) for bar in bars])
    except (PyMongoError, OSError) as error:
        # They can be had again; the strategy warms up on them all the same.
        _log.warning("bars were not stored", operation_id=str(operation_id), reason=str(error))


async def _stored(context: EngineContext, operation_id: ObjectId, size: BarSize, count: int) -> list[StoredBar]:
    try:
        return await context.bars.last(operation_id, size, count) if count else []
    except PyMongoError as error:
        _log.warning("stored bars could not be read", operation_id=str(operation_id), reason=str(error))
        return []


async def _history(
    context: EngineContext,
    operation: Operation,
    instrument: Instrument,
    size: BarSize,
    count: int,
    known: Mapping[int, Bar],
) -> list[Bar]:
    broker = context.session(operation).broker
    if not broker.capabilities.history or not count:
        return []
    market_ns = broker.market_time_ns()
    now = context.runtime.clock.now() if market_ns is None else utc_from_ns(market_ns)
    if len(known) >= count:
        start = utc_from_ns(max(known)) + timedelta(seconds=size.seconds)
    else:
        start = now - timedelta(seconds=size.seconds * count * _REACH)
    if start >= now:
        return []
    try:
        bars = await broker.history(instrument, size, start, now)
    except (BrokerError, OSError, TimeoutError) as error:
        _log.warning("no history to warm up with", symbol=instrument.symbol, bar_size=size.value, reason=str(error))
        return []
    return [bar for bar in bars if bar.start_ns not in known and bar.end <= now]
