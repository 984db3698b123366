"""Processes that are killed at a failpoint."""

import asyncio
import os
import signal
import sys
from pathlib import Path

from tests.integration.archive.worlds import Database

ROOT = Path(__file__).parents[3]


async def run_child(what: str, url: str, database: Database, path: Path, *rest: str, failpoint: str) -> None:
    """Run the child until it is killed at a failpoint."""
    child = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.integration.archive.child", what, url, database.name, str(path), *rest,
        cwd=ROOT,
        env={**os.environ, "LIVE_TRADING_FAILPOINTS": failpoint},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    async with asyncio.timeout(60):
        out, _ = await child.communicate()
    assert child.returncode == -signal.SIGKILL, out.decode()
