"""Trading by hand, and the switches that stop all of it."""

from typing import Annotated, Any

from bson import ObjectId
from fastapi import Path, Query
from starlette.requests import Request
from starlette.responses import Response

from live_trading.api.answers import answer, document
from live_trading.api.auth.roles import Role
from live_trading.api.guard import TRADER, VIEWER, Asking, Service, router
from live_trading.api.problems import not_found
from live_trading.api.routes.commanding import ACCEPTED, Key, Wait, command, given, outcome
from live_trading.api.routes.parameters import OperationId, PositionId
from live_trading.api.schemas.base import Text
from live_trading.api.schemas.commands import (
    CommandOutcome,
    CommandRead,
    DiscrepancyResolution,
    KillSwitch,
    KillSwitchReset,
    ManualTradeRequest,
    OrderResolution,
    ProtectionMove,
    Reason,
)
from live_trading.api.schemas.ledger import OrderDetail
from live_trading.api.services import Services
from live_trading.models import commands
from live_trading.projections.documents import ORDERS, POSITIONS

api = router("trading")

OrderId = Annotated[
    str,
    Path(
        pattern=r"^([0-9a-f]{24}|[A-Z0-9]{20})$",
        description="the order's id, or its client_order_id",
        examples=["6f7264000000000000030000"],
    ),
]


async def _order(service: Services, order_id: str) -> dict[str, Any]:
    field, value = ("_id", ObjectId(order_id)) if len(order_id) == 24 else ("client_order_id", order_id)
    found = await service.database[ORDERS].find_one({field: value})
    if found is None:
        raise not_found(f"order {order_id}", "order_id")
    return found


@api.post("/positions/{position_id}/close", response_model=CommandOutcome, responses=ACCEPTED, openapi_extra=TRADER)
async def close_position(
    service: Service,
    caller: Asking,
    position_id: PositionId,
    body: Reason | None = None,
    key: Key = None,
    wait: Wait = None,
) -> Response:
    """Close a position at market. Its operation goes on."""
    found = await service.database[POSITIONS].find_one({"_id": ObjectId(position_id)}, {"operation_id": 1})
    if found is None:
        raise not_found(f"position {position_id}", "position_id")
    arguments: dict[str, Any] = {"operation_id": str(found["operation_id"]), "position_id": position_id}
    if body is not None and body.reason:
        arguments["reason"] = body.reason
    return await command(service, caller, "close_position", arguments, key, wait)


@api.get("/orders/{order_id}", response_model=OrderDetail, openapi_extra=VIEWER)
async def get_order(request: Request, service: Service, order_id: OrderId) -> Response:
    """One order, by its id or by its client_order_id."""
    seq = await service.seq()
    return answer(request, document(await _order(service, order_id)), seq)


@api.post("/orders/{order_id}/cancel", response_model=CommandOutcome, responses=ACCEPTED, openapi_extra=TRADER)
async def cancel_order(
    service: Service,
    caller: Asking,
    order_id: OrderId,
    body: Reason | None = None,
    key: Key = None,
    wait: Wait = None,
) -> Response:
    """Cancel a working order."""
    order = await _order(service, order_id)
    arguments = {"client_order_id": order["client_order_id"]}
    if body is not None and body.reason:
        arguments["reason"] = body.reason
    return await command(service, caller, "cancel_order", arguments, key, wait)


@api.post("/orders/{order_id}/resolve", response_model=CommandOutcome, responses=ACCEPTED, openapi_extra=TRADER)
async def resolve_order(
    service: Service,
    caller: Asking,
    order_id: OrderId,
    body: OrderResolution,
    key: Key = None,
    wait: Wait = None,
) -> Response:
    """Say what became of an order in doubt, having looked at the broker's own screen."""
    order = await _order(service, order_id)
    arguments = given(body, client_order_id=order["client_order_id"])
    return await command(service, caller, "resolve_order", arguments, key, wait)


@api.post(
    "/operations/{operation_id}/protection", response_model=CommandOutcome, responses=ACCEPTED, openapi_extra=TRADER
)
async def move_protection(
    service: Service,
    caller: Asking,
    operation_id: OperationId,
    body: ProtectionMove,
    key: Key = None,
    wait: Wait = None,
) -> Response:
    """Move the stop or the target of an open position."""
    arguments = given(body, operation_id=operation_id)
    return await command(service, caller, "move_protection", arguments, key, wait)


@api.post("/discrepancies/resolve", response_model=CommandOutcome, responses=ACCEPTED, openapi_extra=TRADER)
async def resolve_discrepancy(
    service: Service, caller: Asking, body: DiscrepancyResolution, key: Key = None, wait: Wait = None
) -> Response:
    """Decide what a position that differs at the broker is."""
    return await command(service, caller, "resolve_discrepancy", given(body), key, wait)


@api.post("/manual-trade", response_model=CommandOutcome, responses=ACCEPTED, openapi_extra=TRADER)
async def trade_by_hand(
    service: Service, caller: Asking, body: ManualTradeRequest, key: Key = None, wait: Wait = None
) -> Response:
    """Place a manual trade. It passes the same Gatekeeper as a strategy's, and has a stop and a target like one.

    In result are the order's ids; what becomes of the order is told by it.
    """
    return await command(service, caller, "manual_trade", given(body), key, wait)


@api.post("/live/start", response_model=CommandOutcome, responses=ACCEPTED, openapi_extra=TRADER)
async def start_live_trading(
    service: Service, caller: Asking, body: Reason | None = None, key: Key = None, wait: Wait = None
) -> Response:
    """Resume every paused operation. Those held in error stay held: each needs its own decision."""
    arguments = {"reason": body.reason if body is not None else ""}
    return await command(service, caller, "start_trading", arguments, key, wait)


@api.post("/live/stop", response_model=CommandOutcome, responses=ACCEPTED, openapi_extra=TRADER)
async def stop_live_trading(
    service: Service, caller: Asking, body: Reason | None = None, key: Key = None, wait: Wait = None
) -> Response:
    """Pause every active operation: no new entries; positions, protections and exits stay."""
    arguments = {"reason": body.reason if body is not None else ""}
    return await command(service, caller, "stop_trading", arguments, key, wait)


@api.post("/kill-switch", response_model=CommandOutcome, responses=ACCEPTED, openapi_extra=TRADER)
async def press_kill_switch(
    service: Service, caller: Asking, body: KillSwitch | None = None, key: Key = None, wait: Wait = None
) -> Response:
    """No new risk from here on, in any operation, over restarts too, until it is reset."""
    arguments = {"reason": body.reason} if body is not None and body.reason else {}
    return await command(service, caller, "trip_kill_switch", arguments, key, wait)


@api.delete("/kill-switch", response_model=CommandOutcome, responses=ACCEPTED, openapi_extra=TRADER)
async def reset_kill_switch(
    service: Service, caller: Asking, body: KillSwitchReset | None = None, key: Key = None, wait: Wait = None
) -> Response:
    """Allow entries again, and acknowledge the day's losses so far."""
    arguments = {"note": body.note if body is not None else ""}
    return await command(service, caller, "reset_kill_switch", arguments, key, wait)


@api.get("/commands/{command_id}", response_model=CommandRead, openapi_extra=VIEWER)
async def get_command(
    request: Request,
    service: Service,
    caller: Asking,
    command_id: Annotated[Text, Path(pattern=r"^[0-9a-f]{8,64}$", description="from the answer to the request")],
    wait: Wait = 0,
) -> Response:
    """What came of a command. One's own; an admin sees everybody's."""
    found = await commands.get(service.database, command_id)
    if found is None or (found.actor != caller.actor and not caller.role.allows(Role.ADMIN)):
        raise not_found(f"command {command_id}", "command_id")
    found = await service.asker.answer(found, wait or 0)
    return answer(request, outcome(found), found.sequence_number)


@api.get("/commands", response_model=CommandRead, openapi_extra=VIEWER)
async def find_command(
    request: Request,
    service: Service,
    caller: Asking,
    key: Annotated[Text, Query(min_length=1, max_length=80, description="the Idempotency-Key it was sent under")],
) -> Response:
    """What came of the request that was sent under a key: for whoever lost the answer and must not ask again."""
    found = await commands.of_key(service.database, f"{caller.actor}/{key}")
    if found is None:
        raise not_found("command of that key: it was not taken", "key")
    return answer(request, outcome(found), found.sequence_number)
