"""A process of its own, to be killed at a failpoint: ``child.py project|rebuild URL DATABASE``."""

import asyncio
import sys

from live_trading.database import connect
from live_trading.journal import MongoJournalReader
from live_trading.journal.snapshots import MongoSnapshots
from live_trading.projections import Projector, rebuild
from live_trading.runtime import Runtime


async def main(what: str, url: str, name: str) -> None:
    runtime, database = Runtime(), connect(url)[name]
    reader = MongoJournalReader(database)
    if what == "rebuild":
        await rebuild(database, reader, runtime, grace=0.1)
        return
    projector = Projector(database, reader, MongoSnapshots(database), runtime)
    runtime.tasks.start(projector.run(), "projector")
    head = await reader.head()
    assert await projector.wait_for(head.sequence_number, 60)


asyncio.run(main(*sys.argv[1:]))
