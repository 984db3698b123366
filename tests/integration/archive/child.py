"""A process of its own, to be killed at a failpoint: ``child.py WHAT URL DATABASE PATH [BEFORE]``.

WHAT is ``archive`` (entries up to BEFORE, into PATH), ``backup`` (to PATH), ``import`` or ``restore`` (from PATH).
"""

import asyncio
import sys
from pathlib import Path

from live_trading.database import connect
from live_trading.runtime import Runtime
from tests.integration.archive.worlds import World


async def main(what: str, url: str, name: str, path: str, before: str = "0") -> None:
    world = World(connect(url)[name], Path(path), Runtime())
    if what == "archive":
        await world.archive(int(before))
    elif what == "backup":
        await world.backup(Path(path))
    else:
        await world.take_in(what, Path(path))


asyncio.run(main(*sys.argv[1:]))
