"""What belongs to operations: positions, orders, transactions, trades, bars, signals, notes."""

from datetime import datetime
from typing import Annotated, Any, Final

from bson import ObjectId
from fastapi import Query
from starlette.requests import Request
from starlette.responses import Response

from live_trading.api import reading
from live_trading.api.answers import answer, document
from live_trading.api.guard import VIEWER, Service, router
from live_trading.api.journal_pages import Wanted, entries_page, matching
from live_trading.api.paging import MAX_LIMIT, page
from live_trading.api.problems import invalid, not_found
from live_trading.api.routes.parameters import (
    Cursor,
    Limit,
    OfOperation,
    OperationId,
    PositionId,
    Since,
    TradeId,
    Until,
)
from live_trading.api.schemas.base import Rows
from live_trading.api.schemas.journal import Entries
from live_trading.api.schemas.ledger import (
    Bars,
    Note,
    Order,
    Position,
    PositionDetail,
    Signal,
    Trade,
    TradeWhy,
    Transaction,
)
from live_trading.api.services import Services
from live_trading.domain.bar_size import BarSize
from live_trading.domain.ids import sequence_of
from live_trading.domain.values import OrderPurpose, OrderStatus, PositionType, Side, TransactionRole
from live_trading.models.queries import entry_fields
from live_trading.projections.documents import OPERATIONS, ORDERS, POSITIONS, TRADES, TRANSACTIONS

api = router("ledger")

POSITION_SORTS: Final = ("opened_at", "quantity", "entry_price", "realized_pnl")
ORDER_SORTS: Final = ("requested_at", "quantity", "status")
TRANSACTION_SORTS: Final = ("executed_at", "price", "quantity", "profit")
TRADE_SORTS: Final = ("exit_time", "entry_time", "pnl", "net_pnl", "quantity", "duration_seconds")


def _sorts(sorts: tuple[str, ...]) -> Any:
    return Query(description=f"one of {', '.join(sorts)}; with - before it from above")


def _between(criteria: dict[str, Any], field: str, since: datetime | None, until: datetime | None) -> None:
    limits = {"$gte": since, "$lt": until}
    chosen = {operator: limit for operator, limit in limits.items() if limit is not None}
    for limit in chosen.values():
        if limit.tzinfo is None:
            raise invalid("since" if limit is since else "until", "must have a time zone, like 2026-03-02T14:30:00Z")
    if chosen:
        criteria[field] = chosen


async def _of(service: Services, operation_id: str | None) -> dict[str, Any]:
    if operation_id is None:
        return {}
    return {"operation_id": await reading.must_exist(service.database, operation_id)}


# ---- positions -------------------------------------------------------------------------------------------------------


async def _positions(
    request: Request, service: Services, operation_id: str | None, status: str | None, rest: dict[str, Any]
) -> Response:
    seq = await service.seq()
    criteria = await _of(service, operation_id)
    if status is not None:
        criteria["status"] = status
    found = await page(service.database, POSITIONS, criteria, allowed=POSITION_SORTS, **rest)
    await reading.marked(service.database, found.items)
    return answer(request, found.content(), seq)


PositionStatus = Annotated[str | None, Query(pattern="^(open|closed)$", description="open or closed; both if left out")]


@api.get("/positions", response_model=Rows[Position], openapi_extra=VIEWER)
async def list_positions(
    request: Request,
    service: Service,
    status: PositionStatus = "open",
    sort: Annotated[str, _sorts(POSITION_SORTS)] = "-opened_at",
    limit: Limit = 100,
    cursor: Cursor = None,
) -> Response:
    """Positions of all operations, with what they are worth."""
    return await _positions(request, service, None, status, {"sort": sort, "limit": limit, "cursor": cursor})


@api.get("/operations/{operation_id}/positions", response_model=Rows[Position], openapi_extra=VIEWER)
async def list_positions_of_operation(
    request: Request,
    service: Service,
    operation_id: OperationId,
    status: PositionStatus = None,
    sort: Annotated[str, _sorts(POSITION_SORTS)] = "-opened_at",
    limit: Limit = 100,
    cursor: Cursor = None,
) -> Response:
    """Positions of one operation, from flat to flat each."""
    rest = {"sort": sort, "limit": limit, "cursor": cursor}
    return await _positions(request, service, operation_id, status, rest)


@api.get("/positions/{position_id}", response_model=PositionDetail, openapi_extra=VIEWER)
async def get_position(request: Request, service: Service, position_id: PositionId) -> Response:
    """One position."""
    seq = await service.seq()
    found = await reading.positions(service.database, {"_id": ObjectId(position_id)})
    if not found:
        raise not_found(f"position {position_id}", "position_id")
    return answer(request, found[0], seq)


# ---- orders ----------------------------------------------------------------------------------------------------------


async def _orders(
    request: Request,
    service: Services,
    operation_id: str | None,
    filters: dict[str, Any],
    rest: dict[str, Any],
) -> Response:
    seq = await service.seq()
    criteria = {**await _of(service, operation_id), **filters}
    found = await page(service.database, ORDERS, criteria, allowed=ORDER_SORTS, **rest)
    return answer(request, found.content(), seq)


def _order_filters(
    status: list[OrderStatus] | None, purpose: OrderPurpose | None, working: bool | None
) -> dict[str, Any]:
    filters: dict[str, Any] = {}
    if status:
        filters["status"] = {"$in": [each.value for each in status]}
    if purpose is not None:
        filters["purpose"] = purpose.value
    if working is not None:
        filters["is_working"] = working
    return filters


OfStatus = Annotated[list[OrderStatus] | None, Query(description="only those; may be repeated")]
OfPurpose = Annotated[OrderPurpose | None, Query(description="only those")]
Working = Annotated[bool | None, Query(description="true: only those that may still be filled")]


@api.get("/orders", response_model=Rows[Order], openapi_extra=VIEWER)
async def list_orders(
    request: Request,
    service: Service,
    status: OfStatus = None,
    purpose: OfPurpose = None,
    working: Working = None,
    sort: Annotated[str, _sorts(ORDER_SORTS)] = "-requested_at",
    limit: Limit = 100,
    cursor: Cursor = None,
) -> Response:
    """Orders of all operations."""
    filters = _order_filters(status, purpose, working)
    return await _orders(request, service, None, filters, {"sort": sort, "limit": limit, "cursor": cursor})


@api.get("/operations/{operation_id}/orders", response_model=Rows[Order], openapi_extra=VIEWER)
async def list_orders_of_operation(
    request: Request,
    service: Service,
    operation_id: OperationId,
    status: OfStatus = None,
    purpose: OfPurpose = None,
    working: Working = None,
    sort: Annotated[str, _sorts(ORDER_SORTS)] = "-requested_at",
    limit: Limit = 100,
    cursor: Cursor = None,
) -> Response:
    """Orders of one operation."""
    filters = _order_filters(status, purpose, working)
    return await _orders(request, service, operation_id, filters, {"sort": sort, "limit": limit, "cursor": cursor})


# ---- transactions and trades -----------------------------------------------------------------------------------------


@api.get("/operations/{operation_id}/transactions", response_model=Rows[Transaction], openapi_extra=VIEWER)
async def list_transactions(
    request: Request,
    service: Service,
    operation_id: OperationId,
    transaction_type: Annotated[Side | None, Query(description="BUY or SELL")] = None,
    transaction_role: Annotated[TransactionRole | None, Query(description="ENTRY or EXIT")] = None,
    position_type: Annotated[PositionType | None, Query(description="LONG or SHORT")] = None,
    since: Since = None,
    until: Until = None,
    sort: Annotated[str, _sorts(TRANSACTION_SORTS)] = "-executed_at",
    limit: Limit = 100,
    cursor: Cursor = None,
) -> Response:
    """Every buy and sell of one operation."""
    seq = await service.seq()
    criteria = await _of(service, operation_id)
    for field, wanted in (
        ("transaction_type", transaction_type),
        ("transaction_role", transaction_role),
        ("position_type", position_type),
    ):
        if wanted is not None:
            criteria[field] = wanted.value
    _between(criteria, "executed_at", since, until)
    found = await page(
        service.database, TRANSACTIONS, criteria, sort=sort, allowed=TRANSACTION_SORTS, limit=limit, cursor=cursor
    )
    return answer(request, found.content(), seq)


async def _trades(
    request: Request, service: Services, operation_id: str | None, filters: dict[str, Any], rest: dict[str, Any]
) -> Response:
    seq = await service.seq()
    criteria = {**await _of(service, operation_id), **filters}
    found = await page(service.database, TRADES, criteria, allowed=TRADE_SORTS, **rest)
    return answer(request, found.content(), seq)


def _trade_filters(
    position_type: PositionType | None, since: datetime | None, until: datetime | None
) -> dict[str, Any]:
    filters: dict[str, Any] = {}
    if position_type is not None:
        filters["position_type"] = position_type.value
    _between(filters, "exit_time", since, until)
    return filters


@api.get("/trades", response_model=Rows[Trade], openapi_extra=VIEWER)
async def list_trades(
    request: Request,
    service: Service,
    operation: OfOperation = None,
    position_type: Annotated[PositionType | None, Query(description="LONG or SHORT")] = None,
    since: Since = None,
    until: Until = None,
    sort: Annotated[str, _sorts(TRADE_SORTS)] = "-exit_time",
    limit: Limit = 100,
    cursor: Cursor = None,
) -> Response:
    """Completed trades of all operations."""
    filters = _trade_filters(position_type, since, until)
    return await _trades(request, service, operation, filters, {"sort": sort, "limit": limit, "cursor": cursor})


@api.get("/operations/{operation_id}/trades", response_model=Rows[Trade], openapi_extra=VIEWER)
async def list_trades_of_operation(
    request: Request,
    service: Service,
    operation_id: OperationId,
    position_type: Annotated[PositionType | None, Query(description="LONG or SHORT")] = None,
    since: Since = None,
    until: Until = None,
    sort: Annotated[str, _sorts(TRADE_SORTS)] = "-exit_time",
    limit: Limit = 100,
    cursor: Cursor = None,
) -> Response:
    """Completed trades of one operation: an entry and its exit each."""
    filters = _trade_filters(position_type, since, until)
    return await _trades(request, service, operation_id, filters, {"sort": sort, "limit": limit, "cursor": cursor})


@api.get("/trades/{trade_id}/why", response_model=TradeWhy, openapi_extra=VIEWER)
async def explain_trade(request: Request, service: Service, trade_id: TradeId) -> Response:
    """Why a trade came about: the signal and its inputs, the orders, the fills, the exit, as they were journaled."""
    seq = await service.seq()
    trade = await service.database[TRADES].find_one({"_id": ObjectId(trade_id)})
    if trade is None:
        raise not_found(f"trade {trade_id}", "trade_id")
    chains = set()
    for transaction in ("entry_transaction_id", "exit_transaction_id"):
        fill = await service.reader.entry(sequence_of(trade[transaction]))
        if fill is not None:
            chains.add(fill.correlation_id)
    first, last = min(chains, default=0), sequence_of(trade["exit_transaction_id"])
    wanted = Wanted(operation_id=trade["operation_id"], correlations=frozenset(chains))
    found = [entry_fields(entry) async for entry in matching(service, wanted, first - 1, last)]
    return answer(request, {"trade": document(trade), "entries": found}, seq)


# ---- bars ------------------------------------------------------------------------------------------------------------


@api.get("/operations/{operation_id}/bars", response_model=Bars, openapi_extra=VIEWER)
async def list_bars(
    request: Request,
    service: Service,
    operation_id: OperationId,
    bar_size: Annotated[BarSize | None, Query(description="the primary bar size if left out")] = None,
    before: Annotated[datetime | None, Query(description="only bars that began before this time")] = None,
    limit: Annotated[int, Query(ge=1, le=5 * MAX_LIMIT, description="most bars")] = 500,
) -> Response:
    """The last bars of one operation with its indicators, oldest first."""
    if before is not None and before.tzinfo is None:
        raise invalid("before", "must have a time zone, like 2026-03-02T14:30:00Z")
    seq = await service.seq()
    key = ObjectId(operation_id)
    operation = await service.database[OPERATIONS].find_one({"_id": key}, {"primary_bar_size": 1})
    if operation is None:
        raise not_found(f"operation {operation_id}", "operation_id")
    size = bar_size or BarSize(operation["primary_bar_size"])
    found = await reading.bars(service.database, {"operation_id": key}, size, before, limit)
    next_cursor = found[0]["timestamp"] if len(found) == limit else None
    return answer(request, {"items": found, "next_cursor": next_cursor}, seq)


# ---- from the journal ------------------------------------------------------------------------------------------------


@api.get("/operations/{operation_id}/signals", response_model=Rows[Signal], openapi_extra=VIEWER)
async def list_signals(
    request: Request, service: Service, operation_id: OperationId, limit: Limit = 100, cursor: Cursor = None
) -> Response:
    """Signals of one operation, newest first, each with what the Gatekeeper said."""
    seq = await service.seq()
    key = await reading.must_exist(service.database, operation_id)
    signals = Wanted(operation_id=key, types=frozenset({"SIGNAL_GENERATED"}))
    found = await entries_page(service, signals, limit=limit, cursor=cursor, newest_first=True)
    numbers = frozenset(entry.sequence_number for entry in found.entries)
    refusals = {}
    if numbers:
        refused = Wanted(operation_id=key, types=frozenset({"SIGNAL_REFUSED"}), causes=numbers)
        async for entry in matching(service, refused, min(numbers), None):
            refusals[entry.causation_id] = entry
    items = [reading.signal_fields(entry, refusals.get(entry.sequence_number)) for entry in found.entries]
    return answer(request, {"items": items, "next_cursor": found.next_cursor}, seq)


@api.get("/operations/{operation_id}/notes", response_model=Rows[Note], openapi_extra=VIEWER)
async def list_notes(
    request: Request, service: Service, operation_id: OperationId, limit: Limit = 100, cursor: Cursor = None
) -> Response:
    """Notes on one operation, newest first."""
    seq = await service.seq()
    key = await reading.must_exist(service.database, operation_id)
    wanted = Wanted(operation_id=key, types=frozenset({"NOTE_ADDED"}))
    found = await entries_page(service, wanted, limit=limit, cursor=cursor, newest_first=True)
    items = [
        {
            "sequence_number": entry.sequence_number,
            "timestamp": entry.timestamp,
            "actor": entry.actor,
            "text": entry.data.text,
        }
        for entry in found.entries
    ]
    return answer(request, {"items": items, "next_cursor": found.next_cursor}, seq)


@api.get("/operations/{operation_id}/journal", response_model=Entries, openapi_extra=VIEWER)
async def list_entries_of_operation(
    request: Request, service: Service, operation_id: OperationId, limit: Limit = 100, cursor: Cursor = None
) -> Response:
    """The journal's entries of one operation, newest first."""
    seq = await service.seq()
    key = await reading.must_exist(service.database, operation_id)
    found = await entries_page(service, Wanted(operation_id=key), limit=limit, cursor=cursor, newest_first=True)
    return answer(request, found.content(), seq)
