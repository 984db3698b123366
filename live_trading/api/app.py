"""The app: routes, errors, headers, and the web pages' files where they were built."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Final

from fastapi import FastAPI

from live_trading.api import openapi, problems, static
from live_trading.api.edge import Edge
from live_trading.api.routes import access, brokers, journal, ledger, operations, statistics, system, trading
from live_trading.api.services import Services
from live_trading.api.websocket import sockets

PAGES: Final = Path(__file__).parents[2] / "frontend" / "dist"

Opening = Callable[[], AbstractAsyncContextManager[Services]]


def create_app(opening: Opening | None = None, *, pages: Path | None = PAGES) -> FastAPI:
    """The app. ``opening`` gives its services for as long as it runs; None: only to look at."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        if opening is None:
            yield
            return
        async with opening() as services:
            app.state.services = services
            try:
                yield
            finally:
                app.state.services = None

    app = FastAPI(
        title="live-trading",
        version=version("live-trading"),
        summary="A trading engine whose only memory is its journal.",
        description=(
            "Log in with `POST /api/login`. Commands are durable: send them with an `Idempotency-Key`, and sent twice "
            "they are done once. Every read carries `seq`; open a WebSocket with `?after=<seq>` and miss nothing."
        ),
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
        openapi_url="/openapi.json",
        redirect_slashes=False,
        generate_unique_id_function=lambda route: route.name,
    )
    app.state.services = None
    problems.install(app)
    openapi.install(app)
    for module in (operations, statistics, ledger, trading, journal, access, brokers, system):
        app.include_router(module.api)
    app.include_router(system.root)
    app.include_router(sockets.router)
    static.install(app, pages)
    app.add_middleware(Edge)
    return app
