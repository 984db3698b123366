"""The control endpoint for faults on purpose. It is there only where the exchange was started for it."""

from decimal import Decimal
from typing import Any, Literal

from fastapi import FastAPI, HTTPException
from pydantic import BaseModel, ConfigDict, Field

from live_trading.domain.market import QuoteTick, TradeTick
from live_trading.domain.values import Side
from live_trading.paper_exchange import core
from live_trading.paper_exchange.exchange import SimulatedExchange
from live_trading.paper_exchange.faults import Fault, FaultKind


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid")


class PlannedFault(_Body):
    """A fault of the plan (see ``faults.FaultKind``)."""

    kind: FaultKind
    count: int | None = Field(default=1, ge=1, description="how many times; null until removed")
    probability: float = Field(default=1.0, gt=0, le=1)
    match: str | None = Field(default=None, description="found in the client order id or the symbol")
    operation: Literal["place", "modify", "cancel"] | None = None
    seconds: float = Field(default=1.0, ge=0)


class DisconnectStreams(_Body):
    """Hang up on every stream, now."""

    kind: Literal["disconnect_streams"]
    reason: str = "disconnected by the exchange"


class CorrectExecution(_Body):
    """Other values now hold for an execution; quantity 0 busts it. Without an id: the account's last."""

    kind: Literal["correct_execution"]
    account: str = "PAPER-1"
    execution_id: str | None = None
    price: Decimal | None = None
    quantity: Decimal | None = Field(default=None, ge=0)


class ExternalFill(_Body):
    """A trade by hand in the same account (``external_fill``), or a position moved with no report at all."""

    kind: Literal["external_fill", "adjust_position"]
    account: str = "PAPER-1"
    symbol: str
    side: Side
    quantity: Decimal = Field(gt=0)
    price: Decimal = Field(gt=0)


class PutTick(_Body):
    """A quote (``bid``, ``ask``) or a trade (``price``) by hand, at the market's present time."""

    kind: Literal["quote", "trade"]
    symbol: str
    bid: Decimal = Field(default=Decimal(0), ge=0)
    ask: Decimal = Field(default=Decimal(0), ge=0)
    price: Decimal = Field(default=Decimal(0), ge=0)
    size: Decimal = Field(default=Decimal(0), ge=0)


Body = PlannedFault | DisconnectStreams | CorrectExecution | ExternalFill | PutTick


def add_fault_routes(app: FastAPI, exchange: SimulatedExchange) -> None:
    """``POST``, ``GET`` and ``DELETE /v1/faults``, ``DELETE /v1/faults/{fault_id}``."""

    async def post(body: Body) -> dict[str, Any]:
        match body:
            case PlannedFault():
                return {"fault_id": exchange.faults.add(Fault(**body.model_dump()))}
            case DisconnectStreams():
                exchange.disconnect_all(body.reason)
                return {}
            case CorrectExecution():
                return _correct(exchange, body)
            case ExternalFill():
                return _external(exchange, body)
            case PutTick():
                return _put_tick(exchange, body)

    async def get() -> list[dict[str, Any]]:
        return [
            {"fault_id": fault.fault_id, "kind": fault.kind, "count": fault.count, "applied": fault.applied}
            for fault in exchange.faults
        ]

    async def delete(fault_id: int | None = None) -> dict[str, int]:
        return {"removed": exchange.faults.remove(fault_id)}

    app.add_api_route("/v1/faults", post, methods=["POST"])
    app.add_api_route("/v1/faults", get, methods=["GET"])
    app.add_api_route("/v1/faults", delete, methods=["DELETE"])
    app.add_api_route("/v1/faults/{fault_id}", delete, methods=["DELETE"])


def _correct(exchange: SimulatedExchange, body: CorrectExecution) -> dict[str, Any]:
    rows, _ = exchange.executions_after(body.account, 0)
    execution_id = body.execution_id or (rows[-1].execution_id if rows else "")
    answer = exchange.correct_execution(body.account, execution_id, body.price, body.quantity)
    if isinstance(answer, core.Refused):
        raise HTTPException(422, answer.text)
    return {"execution_id": answer.execution_id, "revision": answer.revision}


def _put_tick(exchange: SimulatedExchange, body: PutTick) -> dict[str, Any]:
    if body.symbol not in exchange.catalogue:
        raise HTTPException(404, f"{body.symbol} is not traded here")
    if body.kind == "quote":
        exchange.on_tick(QuoteTick(body.symbol, exchange.now_ns, body.bid, body.ask, body.size, body.size))
    else:
        exchange.on_tick(TradeTick(body.symbol, exchange.now_ns, body.price, body.size))
    return {"sequence": exchange.sequence}


def _external(exchange: SimulatedExchange, body: ExternalFill) -> dict[str, Any]:
    if body.kind == "adjust_position":
        exchange.adjust_position(body.account, body.symbol, body.side, body.quantity, body.price)
        return {}
    answer = exchange.external_fill(body.account, body.symbol, body.side, body.quantity, body.price)
    if isinstance(answer, core.Refused):
        raise HTTPException(422, answer.text)
    return {"order_id": str(answer.order_id)}
