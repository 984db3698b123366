"""The clients of the sockets' benchmark, in a process of their own: ``URL TOKEN CLIENTS MESSAGES``.

Says ``ready`` when all are connected, and at the end the milliseconds of every message at every client as JSON.
"""

import asyncio
import json
import re
import sys
import time

import uvloop
from websockets.asyncio.client import connect
from websockets.typing import Subprotocol

_SENT = re.compile(r"sent=(\d+);")


async def _listen(url: str, token: str, messages: int, ready: asyncio.Semaphore, found: list[float]) -> None:
    protocols = [Subprotocol("live-trading"), Subprotocol(f"bearer.{token}")]
    async with connect(url, subprotocols=protocols, proxy=None, ping_interval=None, open_timeout=120) as socket:
        ready.release()
        heard = 0
        while heard < messages:
            text = await socket.recv()
            now = time.monotonic_ns()
            sent = _SENT.search(str(text))
            if sent is not None:
                found.append((now - int(sent[1])) / 1e6)
                heard += 1


async def main() -> None:
    """Connect all, listen, tell."""
    url, token, clients, messages = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
    ready, found = asyncio.Semaphore(0), list[float]()
    async with asyncio.TaskGroup() as group:
        for begun in range(clients):
            group.create_task(_listen(url, token, messages, ready, found))
            if begun % 50 == 49:
                await asyncio.sleep(0.05)
        for _ in range(clients):
            await ready.acquire()
        await asyncio.sleep(1)
        sys.stdout.write("ready\n")
        sys.stdout.flush()
    sys.stdout.write(json.dumps(found) + "\n")


if __name__ == "__main__":
    uvloop.run(main())
