"""Retention on a schedule: now and then, while an engine trades, its journal's old entries go into the archive.

Trading does not depend on it. It reads and folds a few hundred entries at a time, files are written in a thread, and
whatever goes wrong is told in the log and tried again the next time: until then the entries stay where they are.
"""

from datetime import timedelta
from typing import Any, Final

import structlog
from pymongo.asynchronous.database import AsyncDatabase
from pymongo.errors import PyMongoError

from live_trading.archive import ArchiveBusy, NotProved, Retention
from live_trading.config import Settings
from live_trading.domain.entries import Draft, JournalArchived
from live_trading.domain.errors import LiveTradingError
from live_trading.journal import JournalError
from live_trading.journal.errors import Damaged
from live_trading.projections.live import LiveLedger
from live_trading.runtime import Clock
from live_trading.storage import archive_directory

SETTLE_SECONDS: Final = 60.0
"""Between the beginning of trading and the first look."""

_HOUR_SECONDS: Final = 3600.0

_log = structlog.get_logger(__name__)


async def archive_old_entries(
    database: AsyncDatabase[dict[str, Any]], settings: Settings, clock: Clock, live: LiveLedger
) -> None:
    """Archive what is older than ``logging.journal_retention_days``, again and again, until cancelled."""

    async def record(facts: JournalArchived) -> None:
        await live.append(Draft(facts))

    logging = settings.logging
    retention = Retention(
        database, archive_directory(settings), clock, record, segment_entries=logging.journal_segment_entries
    )
    await clock.sleep(SETTLE_SECONDS)
    while True:
        await _once(retention, clock, timedelta(days=logging.journal_retention_days))
        await clock.sleep(logging.journal_archive_interval_hours * _HOUR_SECONDS)


async def _once(retention: Retention, clock: Clock, age: timedelta) -> None:
    try:
        await retention.run(clock.now() - age)
    except ArchiveBusy as error:
        _log.info("another process archives the journal", reason=str(error))
    except (Damaged, NotProved) as error:
        _log.error("journal entries were not archived and stay in the database: look at this", reason=str(error))
    except (JournalError, LiveTradingError, PyMongoError, OSError) as error:
        _log.warning("journal entries are not archived just now; tried again later", reason=str(error))
