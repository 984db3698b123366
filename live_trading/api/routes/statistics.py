"""Results: of one operation, of all of them, over time, and as files."""

from typing import Annotated

from bson import ObjectId
from fastapi import Query
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from live_trading.api import exports, figures
from live_trading.api.answers import answer
from live_trading.api.exports import Format
from live_trading.api.guard import VIEWER, Service, router
from live_trading.api.problems import not_found
from live_trading.api.routes.parameters import OfOperation, OperationId
from live_trading.api.schemas.system import EquityCurve, OperationStatistics, Overall
from live_trading.projections.documents import OPERATIONS, ORDERS, POSITIONS

api = router("statistics")

_EXPORTED = [
    {"type": "array", "items": {"$ref": f"#/components/schemas/{name}"}} for name in ("Trade", "TradeLogEntry")
]


@api.get("/operations/{operation_id}/stats", response_model=OperationStatistics, openapi_extra=VIEWER)
async def get_statistics(request: Request, service: Service, operation_id: OperationId) -> Response:
    """Results of one operation's completed trades."""
    seq = await service.seq()
    found = await figures.of_operation(service.database, ObjectId(operation_id), service.runtime.clock.now())
    if found is None:
        raise not_found(f"operation {operation_id}", "operation_id")
    return answer(request, found, seq)


@api.get("/stats/overall", response_model=Overall, openapi_extra=VIEWER)
async def get_overall_statistics(request: Request, service: Service) -> Response:
    """Results of all operations, by currency."""
    seq = await service.seq()
    database = service.database
    counts = await (await database[OPERATIONS].aggregate([{"$group": {"_id": "$status", "n": {"$sum": 1}}}])).to_list()
    content = {
        "by_currency": await figures.overall(database, service.runtime.clock.now()),
        "operations": {count["_id"]: count["n"] for count in sorted(counts, key=lambda each: str(each["_id"]))},
        "open_positions": await database[POSITIONS].count_documents({"status": "open"}),
        "orders_waiting_for_operator": await database[ORDERS].count_documents({"status": "NEEDS_OPERATOR"}),
    }
    return answer(request, content, seq)


@api.get("/equity-curve", response_model=EquityCurve, openapi_extra=VIEWER)
async def get_equity_curve(
    request: Request,
    service: Service,
    operation: OfOperation = None,
    points: Annotated[int, Query(ge=2, le=5000, description="most points of each currency")] = 500,
) -> Response:
    """Equity after each completed trade, by currency."""
    seq = await service.seq()
    key = ObjectId(operation) if operation is not None else None
    return answer(request, {"by_currency": await figures.equity_curve(service.database, key, points)}, seq)


@api.get(
    "/trades/export",
    response_class=StreamingResponse,
    responses={
        200: {
            "description": "The file",
            "content": {
                "text/csv": {"schema": {"type": "string"}},
                "application/vnd.apache.parquet": {"schema": {"type": "string", "format": "binary"}},
                "application/json": {"schema": {"anyOf": _EXPORTED}},
            },
        }
    },
    openapi_extra=VIEWER,
)
async def export_trades(
    service: Service,
    format: Annotated[Format, Query(description="csv, json, parquet, or tradelog for tradelog.json")] = Format.CSV,  # noqa: A002
    operation: OfOperation = None,
) -> Response:
    """All completed trades, oldest first, as a file."""
    key = ObjectId(operation) if operation is not None else None
    headers = {"Content-Disposition": f'attachment; filename="{format.file_name}"', "Cache-Control": "no-store"}
    if format is Format.PARQUET:
        return Response(await exports.parquet(service.database, key), 200, headers, format.media_type)
    return StreamingResponse(exports.lines(service.database, key, format), 200, headers, format.media_type)
