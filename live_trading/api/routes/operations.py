"""Operations: listing, starting, changing, pausing, resuming, closing."""

from typing import Annotated, Any, Final

from fastapi import Query
from starlette.requests import Request
from starlette.responses import Response

from live_trading.api import reading
from live_trading.api.answers import answer
from live_trading.api.guard import TRADER, VIEWER, Asking, Service, router
from live_trading.api.paging import MAX_LIMIT, page
from live_trading.api.problems import not_found
from live_trading.api.routes.commanding import ACCEPTED, Key, Wait, command, given
from live_trading.api.routes.parameters import Cursor, OperationId
from live_trading.api.schemas.base import Rows, Text
from live_trading.api.schemas.commands import CommandOutcome, NewNote, NewOperation, OperationChange, Reason
from live_trading.api.schemas.ledger import Operation, OperationDetail, RecoverPreview
from live_trading.domain.values import AccountType, OperationStatus
from live_trading.models.queries import unrealized_by_position
from live_trading.projections.documents import OPERATIONS

api = router("operations")

SORTS: Final = ("created_at", "updated_at", "asset", "status", "strategy_name", "total_pnl", "trade_count")


@api.get("/operations", response_model=Rows[Operation], openapi_extra=VIEWER)
async def list_operations(
    request: Request,
    service: Service,
    status: Annotated[list[OperationStatus] | None, Query(description="only those; may be repeated")] = None,
    asset: Annotated[Text | None, Query(max_length=32, description="only of this asset")] = None,
    strategy: Annotated[Text | None, Query(max_length=500, description="only with this strategy")] = None,
    broker: Annotated[Text | None, Query(max_length=32, description="only at this broker")] = None,
    account_type: Annotated[AccountType | None, Query(description="only PAPER, or only LIVE")] = None,
    sort: Annotated[str, Query(description=f"one of {', '.join(SORTS)}; with - before it from above")] = "-created_at",
    limit: Annotated[int, Query(ge=1, le=MAX_LIMIT, description="most rows")] = 100,
    cursor: Cursor = None,
) -> Response:
    """List operations, newest first unless asked otherwise."""
    criteria: dict[str, Any] = {}
    if status:
        criteria["status"] = {"$in": [each.value for each in status]}
    for field, wanted in (("asset", asset), ("strategy_name", strategy), ("broker", broker)):
        if wanted is not None:
            criteria[field] = {"$eq": wanted}
    if account_type is not None:
        criteria["account_type"] = account_type.value
    seq = await service.seq()
    found = await page(service.database, OPERATIONS, criteria, sort=sort, allowed=SORTS, limit=limit, cursor=cursor)
    marks = await unrealized_by_position(service.database)
    for operation in found.items:
        operation["unrealized_pnl"] = marks.get(operation["position_id"])
    return answer(request, found.content(), seq)


@api.post(
    "/operations",
    response_model=CommandOutcome,
    status_code=201,
    responses={
        **ACCEPTED,
        201: {
            "description": "Started",
            "links": {
                name: {
                    "operationId": name,
                    "parameters": {"operation_id": "$response.body#/operation_id"},
                    "description": text,
                }
                for name, text in (
                    ("get_operation", "The operation"),
                    ("pause_operation", "Pause it"),
                    ("close_operation", "Close it"),
                )
            },
        },
    },
    openapi_extra=TRADER,
)
async def create_operation(
    service: Service,
    caller: Asking,
    body: NewOperation,
    key: Key = None,
    wait: Wait = None,
) -> Response:
    """Start an operation."""
    reading.check_new_operation(service.settings, arguments := given(body))
    return await command(
        service, caller, "create_operation", arguments, key, wait, created="/api/operations/{operation_id}"
    )


@api.get("/operations/{operation_id}", response_model=OperationDetail, openapi_extra=VIEWER)
async def get_operation(request: Request, service: Service, operation_id: OperationId) -> Response:
    """One operation, with its open position, working orders and last trades."""
    seq = await service.seq()
    found = await reading.operation(service.database, operation_id)
    if found is None:
        raise not_found(f"operation {operation_id}", "operation_id")
    return answer(request, found, seq)


@api.put("/operations/{operation_id}", response_model=CommandOutcome, responses=ACCEPTED, openapi_extra=TRADER)
async def update_operation(
    service: Service,
    caller: Asking,
    operation_id: OperationId,
    body: OperationChange,
    key: Key = None,
    wait: Wait = None,
) -> Response:
    """Change settings of an operation. What is not given stays."""
    arguments = given(body, operation_id=operation_id)
    return await command(service, caller, "update_operation", arguments, key, wait)


@api.delete("/operations/{operation_id}", response_model=CommandOutcome, responses=ACCEPTED, openapi_extra=TRADER)
async def close_operation(
    service: Service,
    caller: Asking,
    operation_id: OperationId,
    reason: Annotated[Text, Query(max_length=500, description="why; it is kept in the journal")] = "",
    key: Key = None,
    wait: Wait = None,
) -> Response:
    """End an operation: its orders are cancelled, its position is closed at market, then its status is closed."""
    return await command(
        service, caller, "close_operation", {"operation_id": operation_id, "reason": reason}, key, wait
    )


@api.post("/operations/{operation_id}/pause", response_model=CommandOutcome, responses=ACCEPTED, openapi_extra=TRADER)
async def pause_operation(
    service: Service,
    caller: Asking,
    operation_id: OperationId,
    body: Reason | None = None,
    key: Key = None,
    wait: Wait = None,
) -> Response:
    """Pause: no new entries; protections and exits stay."""
    arguments = {"operation_id": operation_id, "reason": body.reason if body is not None else ""}
    return await command(service, caller, "pause_operation", arguments, key, wait)


@api.post("/operations/{operation_id}/resume", response_model=CommandOutcome, responses=ACCEPTED, openapi_extra=TRADER)
async def resume_operation(
    service: Service,
    caller: Asking,
    operation_id: OperationId,
    body: Reason | None = None,
    key: Key = None,
    wait: Wait = None,
) -> Response:
    """Go on after a pause or an error."""
    arguments = {"operation_id": operation_id, "reason": body.reason if body is not None else ""}
    return await command(service, caller, "resume_operation", arguments, key, wait)


@api.post("/operations/{operation_id}/recover-preview", response_model=RecoverPreview, openapi_extra=VIEWER)
async def preview_recovery(request: Request, service: Service, operation_id: OperationId) -> Response:
    """What the next start would do with the open position if the engine crashed right now. Nothing is done."""
    found, seq = await reading.recover_preview(service, operation_id)
    return answer(request, found, seq)


@api.post("/operations/{operation_id}/notes", response_model=CommandOutcome, responses=ACCEPTED, openapi_extra=TRADER)
async def add_note(
    service: Service,
    caller: Asking,
    operation_id: OperationId,
    body: NewNote,
    key: Key = None,
    wait: Wait = None,
) -> Response:
    """Write something down in an operation's journal."""
    arguments = {"operation_id": operation_id, "text": body.text}
    return await command(service, caller, "add_note", arguments, key, wait)
