"""The native protocol: REST and a stream over loopback (``native_messages`` tells both)."""

import asyncio
import os
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import msgspec
from fastapi import Depends, FastAPI, HTTPException, Request, Response, WebSocket
from starlette.exceptions import HTTPException as StarletteHTTPException

from live_trading.domain.bar_size import BarSize
from live_trading.domain.errors import InvalidInput
from live_trading.paper_exchange import core
from live_trading.paper_exchange.exchange import SimulatedExchange
from live_trading.paper_exchange.faults import ON_COMMAND, FaultKind
from live_trading.paper_exchange.protocols import native_messages as wire
from live_trading.paper_exchange.protocols.http_server import HttpServer
from live_trading.paper_exchange.protocols.native_faults import add_fault_routes
from live_trading.paper_exchange.protocols.native_stream import Streams
from live_trading.runtime.tasks import Tasks

_BODY_LIMIT = 262_144
_STATUS = {core.Refusal.ORDER_NOT_FOUND: 404, core.Refusal.DUPLICATE_CLIENT_ORDER_ID: 409}

_T = TypeVar("_T")


class NativeFront:
    """Serves the native protocol for one exchange. ``recorded``: no client that acknowledges misses a tick;
    ``lockstep``: nor does the market go on before it has acknowledged everything."""

    name = "native"

    def __init__(
        self,
        exchange: SimulatedExchange,
        *,
        host: str,
        port: int,
        recorded: bool,
        enable_faults: bool,
        lockstep: bool = False,
        fronts: Mapping[str, Mapping[str, object]] | None = None,
    ) -> None:
        self._exchange = exchange
        self._fronts = fronts if fronts is not None else {}
        self._recorded = recorded
        self._lockstep = lockstep
        self._host = host
        self._port = port
        self._streams: Streams | None = None
        self._server: HttpServer | None = None
        self._enable_faults = enable_faults

    async def start(self, tasks: Tasks) -> Mapping[str, object]:
        self._streams = Streams(self._exchange, tasks, self._recorded, lockstep=self._lockstep)
        self._server = HttpServer(self._application(), self._host, self._port)
        await self._server.start(tasks)
        return {"url": f"http://{self._host}:{self._server.port}"}

    async def close(self) -> None:
        if self._streams is not None:
            self._streams.disconnect("the exchange is shutting down")
        if self._server is not None:
            await self._server.close()

    def ready(self) -> bool:
        return self._streams is None or self._streams.ready()

    def subscriptions(self) -> set[str]:
        return set() if self._streams is None else self._streams.subscriptions()

    def _application(self) -> FastAPI:
        app = FastAPI(title="Paper exchange", docs_url=None, redoc_url=None)
        app.exception_handler(StarletteHTTPException)(_plain_error)
        question = [Depends(self._answering), Depends(self._question)]
        reads: tuple[tuple[str, Callable[..., Any]], ...] = (
            ("/v1/snapshot", self.snapshot),
            ("/v1/orders", self.orders),
            ("/v1/orders/{client_order_id}", self.order),
            ("/v1/executions", self.executions),
            ("/v1/positions", self.positions),
            ("/v1/account", self.account),
            ("/v1/instruments", self.instruments),
            ("/v1/instruments/{symbol}", self.instrument),
            ("/v1/candles", self.candles),
        )
        for path, endpoint in reads:
            app.add_api_route(path, endpoint, methods=["GET"], dependencies=question, response_model=None)
        command = [Depends(self._answering)]
        app.add_api_route("/v1/orders", self.place, methods=["POST"], dependencies=command, response_model=None)
        for method, change in (("PATCH", self.modify), ("DELETE", self.cancel)):
            app.add_api_route(
                "/v1/orders/{client_order_id}", change, methods=[method], dependencies=command, response_model=None
            )
        app.add_api_route("/v1/health", self.health, methods=["GET"], dependencies=command, response_model=None)
        app.add_api_websocket_route("/v1/stream", self.stream)
        if self._enable_faults:
            add_fault_routes(app, self._exchange)
        return app

    # What stands before an answer

    async def _answering(self, request: Request) -> None:
        """A silent peer reads a request, does nothing, says nothing, and in the end cuts the connection."""
        if not self._exchange.silent:
            return
        await self._exchange.until_answering()
        await self._cut(request)
        raise HTTPException(503)

    async def _question(self, request: Request) -> None:
        if self._exchange.faults.take(FaultKind.FAIL_QUERIES, (request.url.path,)) is not None:
            raise HTTPException(503)

    async def _cut(self, request: Request) -> None:
        assert self._server is not None
        await self._server.cut(request.client)

    def _account(self, request: Request) -> str:
        accounts = self._exchange.engine.accounts
        account = request.query_params.get("account") or next(iter(accounts))
        if account not in accounts:
            raise _refusal(404, core.Refusal.UNKNOWN_ACCOUNT, f"there is no account {account}")
        return account

    # Commands

    async def place(self, request: Request) -> Response:
        account = self._account(request)
        message = await _body(request, wire.NewOrderMessage)

        def act() -> core.Accepted | core.Refused:
            parent_id = None
            if message.parent_client_order_id is not None:
                parent = self._exchange.find(account, message.parent_client_order_id)
                if parent is None:
                    return core.Refused(core.Refusal.PARENT_NOT_FOUND, f"no order {message.parent_client_order_id}")
                parent_id = parent.order_id
            return self._exchange.place(account, message.order(parent_id))

        return await self._command(request, "place", (message.client_order_id, message.symbol), act)

    async def modify(self, request: Request, client_order_id: str) -> Response:
        account = self._account(request)
        message = await _body(request, wire.ChangeMessage)
        change = core.Change(message.quantity, message.limit_price, message.stop_price)
        return await self._on_order(
            request, "modify", client_order_id, lambda order: self._exchange.modify(account, order.order_id, change)
        )

    async def cancel(self, request: Request, client_order_id: str) -> Response:
        account = self._account(request)
        return await self._on_order(
            request, "cancel", client_order_id, lambda order: self._exchange.cancel(account, order.order_id)
        )

    async def _on_order(
        self,
        request: Request,
        operation: str,
        client_order_id: str,
        do: Callable[[core.Order], core.Accepted | core.Refused],
    ) -> Response:
        account = self._account(request)

        def act() -> core.Accepted | core.Refused:
            order = self._exchange.find(account, client_order_id)
            if order is None:
                return core.Refused(core.Refusal.ORDER_NOT_FOUND, f"account {account} has no order {client_order_id}")
            return do(order)

        return await self._command(request, operation, (client_order_id, None), act)

    async def _command(
        self,
        request: Request,
        operation: str,
        about: tuple[str | None, ...],
        act: Callable[[], core.Accepted | core.Refused],
    ) -> Response:
        """Carry a command out and answer, or what a fault makes of that."""
        faults = self._exchange.faults
        fault = next((f for kind in ON_COMMAND if (f := faults.take(kind, about, operation))), None)
        if fault is not None and fault.kind is FaultKind.DROP_BEFORE_ACCEPT:
            await self._cut(request)
            return Response(status_code=503)
        answer = act() if self._in_time(request) else None
        if answer is None:
            raise _refusal(422, "TOO_LATE", "it came after the time it was to be carried out by (or clocks differ)")
        if fault is not None and fault.kind is FaultKind.DROP_AFTER_ACCEPT:
            await self._cut(request)
        elif fault is not None and fault.kind is FaultKind.ACCEPTED_504:
            return Response("gateway time-out", 504)
        elif fault is not None:
            await asyncio.sleep(fault.seconds)
        if isinstance(answer, core.Refused):
            return _json(wire.ErrorMessage(answer.code, answer.text), _STATUS.get(answer.code, 422))
        attached = {child.client_order_id or "": str(child.order_id) for child in answer.attached}
        return _json(wire.PlacedMessage(str(answer.order.order_id), attached), 201 if operation == "place" else 200)

    def _in_time(self, request: Request) -> bool:
        """Whether a command still counts: one that lay in a frozen process's socket for long must not come to life."""
        send_by = request.headers.get(wire.SEND_BY_HEADER, "")
        return not send_by.isdigit() or self._exchange.clock.now_ns() <= int(send_by)

    # Questions

    async def health(self) -> Response:
        exchange = self._exchange
        accounts = list(exchange.engine.accounts)
        return _json(
            wire.Health(
                status="ok",
                pid=os.getpid(),
                accounts=accounts,
                market_time_ns=exchange.now_ns,
                sequence=exchange.sequence,
                recorded=self._recorded,
                feed_ended=exchange.ended,
                fronts=dict(self._fronts),
            )
        )

    async def snapshot(self, request: Request) -> Response:
        account = self._account(request)
        state = self._exchange.state_of(account, self._after(request, account))
        return _json(
            wire.Snapshot(
                orders=[wire.order_message(order) for order in state.orders],
                positions=[wire.position_message(position) for position in state.positions],
                executions=[wire.execution_message(row) for row in state.executions],
                account=wire.account_message(state.view),
                cursor=state.cursor,
                sequence=self._exchange.sequence,
            )
        )

    async def orders(self, request: Request) -> Response:
        account = self._account(request)
        working = request.query_params.get("status") == "working"
        orders = self._exchange.open_orders(account) if working else self._exchange.orders(account)
        return _json([wire.order_message(order) for order in orders])

    async def order(self, request: Request, client_order_id: str) -> Response:
        account = self._account(request)
        order = self._exchange.find(account, client_order_id)
        if order is None:
            raise _refusal(404, core.Refusal.ORDER_NOT_FOUND, f"account {account} has no order {client_order_id}")
        return _json(wire.order_message(order))

    async def executions(self, request: Request) -> Response:
        account = self._account(request)
        rows, cursor = self._exchange.executions_after(account, self._after(request, account))
        return _json(wire.Executions([wire.execution_message(row) for row in rows], cursor))

    async def positions(self, request: Request) -> Response:
        positions = self._exchange.positions(self._account(request))
        return _json([wire.position_message(position) for position in positions])

    async def account(self, request: Request) -> Response:
        return _json(wire.account_message(self._exchange.account(self._account(request))))

    async def instruments(self) -> Response:
        return _json([listing.instrument.model_dump(mode="json") for listing in self._exchange.catalogue])

    async def instrument(self, symbol: str) -> Response:
        listing = self._exchange.catalogue.get(symbol)
        if listing is None:
            known = ", ".join(listing.symbol for listing in self._exchange.catalogue)
            raise _refusal(404, core.Refusal.UNKNOWN_INSTRUMENT, f"{symbol} is not traded here; there are {known}")
        return _json(listing.instrument.model_dump(mode="json"))

    async def candles(self, symbol: str, bar_size: str, start_ns: int, end_ns: int) -> Response:
        if symbol not in self._exchange.catalogue:
            raise _refusal(404, core.Refusal.UNKNOWN_INSTRUMENT, f"{symbol} is not traded here")
        try:
            size = BarSize.parse(bar_size)
        except InvalidInput as error:
            raise _refusal(400, "INVALID_REQUEST", str(error)) from error
        bars = self._exchange.candles.history(symbol, size, start_ns, end_ns, self._exchange.now_ns)
        return _json([wire.candle_message(bar) for bar in bars])

    async def stream(self, websocket: WebSocket) -> None:
        assert self._streams is not None
        account = websocket.query_params.get("account") or next(iter(self._exchange.engine.accounts))
        await self._exchange.until_answering()
        if account not in self._exchange.engine.accounts:
            await websocket.close(1008, f"there is no account {account}")
            return
        await self._streams.serve(websocket, account, websocket.query_params.get("acknowledge") == "true")

    def _after(self, request: Request, account: str) -> int:
        """The cursor asked from; one from beyond the log is of another exchange's store."""
        text = request.query_params.get("after") or "0"
        last = self._exchange.engine.accounts[account].last_number
        if not text.isdigit() or int(text) > last:
            raise _refusal(409, "UNKNOWN_CURSOR", f"cursor {text!r} is not of this store, whose last is {last}")
        return int(text)


class _Refused(HTTPException):
    """An answer with a code: nothing was changed."""

    def __init__(self, status: int, code: str, text: str) -> None:
        super().__init__(status, text)
        self.code = code


def _refusal(status: int, code: str, text: str) -> _Refused:
    return _Refused(status, code, text)


async def _plain_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, StarletteHTTPException)
    if isinstance(error, _Refused):
        return _json(wire.ErrorMessage(error.code, error.detail), error.status_code)
    return Response(str(error.detail), error.status_code)


async def _body(request: Request, shape: type[_T]) -> _T:
    """The request's body in its shape; refused with what is wrong with it."""
    if int(request.headers.get("content-length") or 0) > _BODY_LIMIT:
        raise _refusal(413, "INVALID_REQUEST", f"more than {_BODY_LIMIT} bytes")
    try:
        return msgspec.json.decode(await request.body(), type=shape)
    except msgspec.DecodeError as error:
        raise _refusal(400, "INVALID_REQUEST", str(error)) from error


def _json(value: Any, status: int = 200) -> Response:
    return Response(msgspec.json.encode(value), status, media_type="application/json")
