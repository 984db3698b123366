"""The HTTP interface: how long an entry takes to all who listen, and what a read costs beside the bytes alone.

Sockets: entries are appended to a journal, one after another; each of many clients, in a process of its own, notes when
it hears of it. Beside it, in the same run: the least that a server can do, which is to send a frame that was made
beforehand to each client in one loop.

Reads: the interface's list, detail and journal page, each beside a bare FastAPI endpoint that returns the same bytes.
"""

import asyncio
import json
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from fastapi import FastAPI, Response, WebSocket
from pydantic import SecretStr

from benchmarks.measuring import Result, percentile
from benchmarks.place import Place
from live_trading.api.auth.accounts import Accounts
from live_trading.api.auth.roles import Role
from live_trading.api.server import Server, address_of, beside, listen, server_config
from live_trading.config import Settings
from live_trading.domain.entries import Draft, NoteAdded, OperationCreated
from live_trading.domain.ids import Kind, derived_id
from live_trading.domain.instrument import Instrument
from live_trading.domain.operation import OperationSettings
from live_trading.domain.values import AssetClass
from live_trading.journal import MongoJournal, MongoJournalReader, MongoSnapshots, Opener
from live_trading.models import prepare_models
from live_trading.projections.projector import Projector

_PASSWORD = "a passphrase of the benchmark"
_PAUSE = 0.05
"""Between two entries: what is measured is one entry's way, not a queue's."""


async def run(place: Place) -> list[Result]:
    """All of it."""
    results: list[Result] = []
    with TemporaryDirectory() as directory:
        async with _house(place, Path(directory)) as (url, token, append, operation):
            for clients in (100,) if place.is_quick else (500, 1000):
                results += await _sockets(url, token, append, clients, 40)
            results += await _reads(url, token, operation, 0.5 if place.is_quick else 2.0)
    return results


@asynccontextmanager
async def _house(place: Place, directory: Path) -> AsyncIterator[tuple[str, str, Callable[[str], Awaitable[Any]], str]]:
    """An api over a journal that the benchmark writes itself."""
    database = place.client["interface"]
    key = SecretStr("a key of the benchmark alone, 0123456789")
    most = {"api.requests_per_minute": 10_000_000, "api.logins_per_minute": 10_000, "api.port": 0}
    settings = Settings.load(None, {}, {"engine.data_dir": directory, "api.secret_key": key.get_secret_value(), **most})
    opener = Opener(engine_id="default", instance="benchmark", version="0", host="", process_id=0)
    journal = await MongoJournal.open_writer(database, opener, place.runtime, lease_ttl=60.0)
    await prepare_models(database)
    instrument = Instrument(
        symbol="EUR-USD",
        asset_class=AssetClass.FX,
        currency="USD",
        tick_size="0.00001",
        quantity_step=1,
    )
    chosen = OperationSettings(
        asset="EUR-USD", bar_sizes=("1 min",), primary_bar_size="1 min", strategy_name="MomentumStrategy",
        quantity=1000, initial_capital=10_000,
    )  # fmt: skip
    created = OperationCreated(settings=chosen, instrument=instrument)
    drafts = [Draft(created, lambda number: derived_id(Kind.OPERATION, number)) for _ in range(50)]
    entries = await journal.append(*drafts)
    reader = MongoJournalReader(database)
    projector = Projector(database, reader, MongoSnapshots(database), place.runtime)
    projecting = place.runtime.tasks.start(projector.run(), "projector")
    await projector.wait_for(journal.head.sequence_number, 30)
    accounts = Accounts(database, settings.api, None, place.runtime)
    await accounts.prepare()
    await accounts.add("bench", Role.VIEWER, _PASSWORD, "user:bench")

    async def append(text: str) -> None:
        await journal.append(Draft(NoteAdded(text=text), entries[0].operation_id))

    async with beside(settings, database, place.runtime) as url:
        body = json.dumps({"name": "bench", "password": _PASSWORD}).encode()
        _, answer = await _ask(url, "POST /api/login HTTP/1.1\r\nContent-Type: application/json\r\n", body)
        yield url, json.loads(answer)["access_token"], append, str(entries[0].operation_id)
    projecting.cancel()
    await journal.close()


# ---- sockets ---------------------------------------------------------------------------------------------------------


async def _sockets(
    url: str, token: str, append: Callable[[str], Awaitable[Any]], clients: int, messages: int
) -> list[Result]:
    async def tell(number: int) -> None:
        await append(f"sent={time.monotonic_ns()};")

    ours = await _heard(url + "/ws/overall", token, clients, messages, tell)
    async with _floor() as (floor_url, send):
        floor = await _heard(floor_url, token, clients, messages, send)
    p99, least = percentile(ours, 0.99), percentile(floor, 0.99)
    name = f"interface: an entry to {clients:,} sockets"
    return [
        Result(f"{name}, p50", percentile(ours, 0.5), "ms"),
        Result(f"{name}, p99", p99, "ms", 100.0, detail="from before the append to each client's hearing of it"),
        Result(f"{name}, a frame made beforehand in one loop, p99", least, "ms"),
        Result(f"{name}, p99 beside that", p99 / least, "×", 2.0),
    ]


async def _heard(
    url: str, token: str, clients: int, messages: int, tell: Callable[[int], Awaitable[None]]
) -> list[float]:
    """Milliseconds of every message to every client, clients being another process."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "benchmarks.interface_clients", url.replace("http", "ws"), token, str(clients),
        str(messages), stdout=asyncio.subprocess.PIPE, limit=2**26,
    )  # fmt: skip
    assert process.stdout is not None
    assert (await process.stdout.readline()).strip() == b"ready"
    for number in range(messages):
        await tell(number)
        await asyncio.sleep(_PAUSE)
    found: list[float] = json.loads(await process.stdout.readline())
    await process.wait()
    return found


@asynccontextmanager
async def _floor() -> AsyncIterator[tuple[str, Callable[[int], Awaitable[None]]]]:
    """A server that does nothing but send frames made beforehand."""
    app, sockets = FastAPI(), []

    @app.websocket("/")
    async def join(websocket: WebSocket) -> None:
        await websocket.accept("live-trading")
        sockets.append(websocket)
        await websocket.receive()

    async def send(number: int) -> None:
        frame = f'{{"type":"entry","text":"sent={time.monotonic_ns()};"{" " * 500}}}'
        for websocket in sockets:
            await websocket.send_text(frame)

    async with _served(app) as url:
        yield f"{url}/", send


@asynccontextmanager
async def _served(app: FastAPI) -> AsyncIterator[str]:
    sock = listen("127.0.0.1", 0)
    server = Server(server_config(app, "", 0))
    async with asyncio.TaskGroup() as group:
        serving = group.create_task(server.serve(sockets=[sock]))
        while not server.started:  # noqa: ASYNC110 - it has no event to wait for
            await asyncio.sleep(0.01)
        yield address_of(sock)
        server.should_exit = True
        await serving
    sock.close()


# ---- reads -----------------------------------------------------------------------------------------------------------


async def _reads(url: str, token: str, operation: str, seconds: float) -> list[Result]:
    results = []
    for name, path in (
        ("a list of 50 operations", "/api/operations"),
        ("an operation", f"/api/operations/{operation}"),
        ("a page of the journal", "/api/journal?limit=50"),
    ):
        head = f"GET {path} HTTP/1.1\r\nAuthorization: Bearer {token}\r\n"
        _, body = await _ask(url, head)
        app = FastAPI()

        @app.get("/")
        async def bare(body: bytes = body) -> Response:
            return Response(body, media_type="application/json")

        app.router.routes[-1].dependant.query_params.clear()  # type: ignore[attr-defined]
        async with _served(app) as floor_url:
            rates = [0.0, 0.0]
            for _ in range(3):
                rates[0] = max(rates[0], await _rate(url, head, seconds))
                rates[1] = max(rates[1], await _rate(floor_url, "GET / HTTP/1.1\r\n", seconds))
        results += [
            Result(f"interface: {name}", rates[0], "answers/s", better="higher", detail=f"{len(body):,} bytes"),
            Result(f"interface: {name}, beside the bytes alone", rates[0] / rates[1], "×", 0.5, better="higher"),
        ]
    return results


async def _ask(url: str, head: str, body: bytes = b"") -> tuple[bytes, bytes]:
    host = url.removeprefix("http://")
    reader, writer = await asyncio.open_connection(*host.split(":"))
    try:
        return await _exchange(reader, writer, host, head, body)
    finally:
        writer.close()


async def _exchange(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, host: str, head: str, body: bytes = b""
) -> tuple[bytes, bytes]:
    writer.write(f"{head}Host: {host}\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body)
    told = await reader.readuntil(b"\r\n\r\n")
    assert told.startswith(b"HTTP/1.1 200"), told
    length = int(told.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
    return told, await reader.readexactly(length)


async def _rate(url: str, head: str, seconds: float, connections: int = 4) -> float:
    """Answers a second over a few connections."""
    host, until, counts = url.removeprefix("http://"), time.monotonic() + seconds, [0] * connections

    async def ask(index: int) -> None:
        reader, writer = await asyncio.open_connection(*host.split(":"))
        while time.monotonic() < until:
            await _exchange(reader, writer, host, head)
            counts[index] += 1
        writer.close()

    await asyncio.gather(*(ask(index) for index in range(connections)))
    return sum(counts) / seconds


__all__: Sequence[str] = ("run",)
