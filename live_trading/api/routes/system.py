"""Health, configuration, strategies, instruments, history, settings."""

import asyncio
from importlib.metadata import version
from typing import Annotated, Any

from fastapi import Query
from prometheus_client import CONTENT_TYPE_LATEST
from pydantic import SecretStr
from pymongo.errors import PyMongoError
from starlette.requests import Request
from starlette.responses import Response

from live_trading.api import catalogue, reading
from live_trading.api.answers import JSON, answer, encode
from live_trading.api.auth.roles import Role
from live_trading.api.guard import ADMIN, ANYBODY, VIEWER, Asking, Service, admit, router
from live_trading.api.paging import MAX_LIMIT
from live_trading.api.problems import not_found
from live_trading.api.routes.commanding import ACCEPTED, Key, Wait, command
from live_trading.api.schemas.base import Text
from live_trading.api.schemas.commands import CommandOutcome
from live_trading.api.schemas.system import (
    Candles,
    Config,
    Health,
    Instruments,
    Live,
    Settings,
    SettingsChange,
    Strategies,
)
from live_trading.api.services import Services
from live_trading.config.fields import leaves
from live_trading.config.settings import Settings as Configuration
from live_trading.config.settings import value_of
from live_trading.domain.bar_size import BarSize
from live_trading.journal import JournalUnavailable
from live_trading.models.presence import engine_presence
from live_trading.models.queries import freshness, plain
from live_trading.projections.documents import OPERATIONS, POSITIONS

api = router("system")
root = router("system", prefix="")

_HEALTH_SECONDS = 3.0
_TOLERATED_LAG = 1000
_VERSION = version("live-trading")
HIDDEN = "(hidden)"


@root.get("/health", response_model=Live, openapi_extra=ANYBODY)
async def live() -> Response:
    """Whether the process answers. Says nothing of what it stands on."""
    return Response(b'{"status":"ok"}', 200, {"Cache-Control": "no-store"}, JSON)


@api.get(
    "/health", response_model=Health, responses={503: {"model": Health, "description": "not ready"}},
    openapi_extra=ANYBODY,
)  # fmt: skip
async def health(service: Service) -> Response:
    """Live, ready, and each dependency. 503 when the database does not answer."""
    found: list[dict[str, Any]] = []
    trading = False
    try:
        async with asyncio.timeout(_HEALTH_SECONDS):
            await service.database.client.admin.command("ping")
            found.append({"name": "database", "ok": True, "detail": "answers"})
            presence = await engine_presence(service.database, service.settings.engine.id, service.runtime.clock)
            trading = presence.holder is not None and presence.may_answer
            said = "holds the journal" if trading else "no engine holds the journal"
            found.append({"name": "engine", "ok": trading, "detail": said})
            fresh = await freshness(service.database, service.reader)
            found.append({"name": "journal", "ok": True, "detail": f"{fresh['journal']} entries"})
            found.append(
                {
                    "name": "read models",
                    "ok": fresh["state"] != "halted" and fresh["lag"] <= _TOLERATED_LAG,
                    "detail": f"{fresh['lag']} entries behind, {fresh['state']}",
                }
            )
    except (PyMongoError, JournalUnavailable, TimeoutError):
        found.append({"name": "database", "ok": False, "detail": "does not answer"})
    ready = all(each["ok"] for each in found if each["name"] == "database")
    content = {
        "live": True,
        "ready": ready,
        "trading": trading,
        "version": _VERSION,
        "time": service.runtime.clock.now(),
        "dependencies": found,
    }
    return Response(encode(content), 200 if ready else 503, {"Cache-Control": "no-store"}, JSON)


@root.get(
    "/metrics",
    response_class=Response,
    responses={200: {"description": "Prometheus text", "content": {"text/plain": {"schema": {"type": "string"}}}}},
    openapi_extra=ANYBODY,
)
async def metrics(request: Request, service: Service) -> Response:
    """For Prometheus. Without a log-in only from this machine, and not through a proxy."""
    local = request.client is not None and request.client.host in ("127.0.0.1", "::1")
    proxied = any(name in request.headers for name in ("x-forwarded-for", "x-forwarded-proto", "forwarded", "via"))
    if not local or proxied:
        await admit(service, request, Role.VIEWER)
    await _measure(service)
    return Response(service.metrics.render(), 200, {"Cache-Control": "no-store"}, CONTENT_TYPE_LATEST)


async def _measure(service: Services) -> None:
    figures = service.metrics
    fresh = await freshness(service.database, service.reader)
    figures.journal.set(fresh["journal"])
    figures.lag.set(fresh["lag"])
    figures.positions.set(await service.database[POSITIONS].count_documents({"status": "open"}))
    counts: dict[str, int] = {}
    sums: dict[str, float] = {}
    wanted = {"status": 1, "currency": 1, "total_pnl": 1}
    async for operation in service.database[OPERATIONS].find({}, wanted):
        counts[operation["status"]] = counts.get(operation["status"], 0) + 1
        result = float(operation["total_pnl"].to_decimal())
        sums[operation["currency"]] = sums.get(operation["currency"], 0.0) + result
    for status, count in counts.items():
        figures.operations.labels(status).set(count)
    for currency, total in sums.items():
        figures.pnl.labels(currency).set(total)


@api.get("/config", response_model=Config, openapi_extra=VIEWER)
async def get_config(request: Request, service: Service) -> Response:
    """What can be traded and how."""
    settings = service.settings
    content = {
        "instruments": [each["symbol"] for each in await catalogue.instruments(service, "")],
        "timeframes": [size.value for size in BarSize],
        "strategies": catalogue.strategy_names(),
        "broker": settings.broker.type.value,
        "account_type": settings.broker.account_type.value,
        "version": _VERSION,
        "defaults": plain(settings.risk_management.operation_defaults(settings.broker.account_type)),
    }
    return answer(request, content, None)


@api.get("/strategies", response_model=Strategies, openapi_extra=VIEWER)
async def list_strategies(request: Request) -> Response:
    """Every strategy, with the JSON Schema of its parameters."""
    return answer(request, {"items": await asyncio.to_thread(catalogue.strategies)}, None)


@api.get("/instruments", response_model=Instruments, openapi_extra=VIEWER)
async def find_instruments(
    request: Request,
    service: Service,
    query: Annotated[Text, Query(max_length=64, description="a part of the symbol, the class or the currency")] = "",
) -> Response:
    """Instruments that can be traded: the paper exchange's, and whatever has been traded here."""
    return answer(request, {"items": await catalogue.instruments(service, query)}, None)


@api.get("/historical-data", response_model=Candles, openapi_extra=VIEWER)
async def get_historical_data(
    request: Request,
    service: Service,
    instrument: Annotated[Text, Query(min_length=1, max_length=32, description="the symbol")],
    timeframe: Annotated[BarSize, Query(description="the bar size")],
    limit: Annotated[int, Query(ge=1, le=5 * MAX_LIMIT, description="most bars")] = 500,
) -> Response:
    """The last bars of an instrument that this installation has seen."""
    seq = await service.seq()
    operation_id = await reading.first_bar_of(service.database, instrument, timeframe)
    if operation_id is None:
        known = {each["symbol"] for each in await catalogue.instruments(service, "")}
        if instrument not in known:
            raise not_found(f"instrument {instrument}", "instrument")
    criteria = {"operation_id": operation_id}
    items = [] if operation_id is None else await reading.bars(service.database, criteria, timeframe, None, limit)
    return answer(request, {"instrument": instrument, "timeframe": timeframe.value, "items": items}, seq)


@api.get("/settings", response_model=Settings, openapi_extra=VIEWER)
async def get_settings(request: Request, service: Service) -> Response:
    """Every setting, its value, where it comes from, and whether it can be changed here."""
    settings, seq = await catalogue.effective_settings(service)
    told = {}
    for key, leaf in leaves(Configuration):
        value = value_of(settings, key)
        told[key] = {
            "value": HIDDEN if isinstance(value, SecretStr) else plain(value),
            "origin": settings.origin(key),
            "description": leaf.description,
            "unit": leaf.unit,
            "expected": leaf.expected,
            "changeable": key.startswith("risk_management."),
        }
    return answer(request, {"settings": told}, seq)


@api.put("/settings", response_model=CommandOutcome, responses=ACCEPTED, openapi_extra=ADMIN)
async def change_settings(
    service: Service, caller: Asking, body: SettingsChange, key: Key = None, wait: Wait = None
) -> Response:
    """Change risk settings: for the running engine at once, and for good. Journaled with what they were before."""
    changes = catalogue.checked_changes(service.settings, body.risk_management)
    arguments = {"section": "risk_management", "changes": changes}
    return await command(service, caller, "change_settings", arguments, key, wait)
