"""Puts the last prices where the api finds them: four times a second, only those that moved."""

from typing import Any, Final

import structlog
from pymongo.asynchronous.database import AsyncDatabase
from pymongo.errors import PyMongoError

from live_trading.engine.context import EngineContext
from live_trading.models.quotes import LastQuote, write_quotes
from live_trading.runtime import utc_from_ns

_EVERY_SECONDS: Final = 0.25
_TROUBLE_SECONDS: Final = 2.0

_log = structlog.get_logger(__name__)


async def publish_quotes(context: EngineContext, database: AsyncDatabase[dict[str, Any]]) -> None:
    """Until cancelled. Nothing depends on it: what cannot be written is left out."""
    clock = context.runtime.clock
    known: dict[tuple[str, str], LastQuote] = {}
    trouble: str | None = None
    while True:
        pause = _EVERY_SECONDS
        moved = {quote[:2]: quote for quote in _quotes(context) if known.get(quote[:2]) != quote}
        if moved:
            try:
                await write_quotes(database, list(moved.values()))
                known.update(moved)
                trouble = None
            except PyMongoError as error:
                pause, reason = _TROUBLE_SECONDS, type(error).__name__
                if reason != trouble:
                    _log.warning("prices cannot be published just now; trading goes on", reason=reason)
                trouble = reason
        await clock.sleep(pause)


def _quotes(context: EngineContext) -> list[LastQuote]:
    found = []
    for name, session in context.sessions.items():
        market = session.market
        for symbol in market.symbols:
            quote = market.last_price(symbol)
            if quote is not None:
                at = utc_from_ns(quote.market_ns)
                found.append(LastQuote(name, symbol, quote.price, quote.bid, quote.ask, at, market.is_stale(symbol)))
    return found
