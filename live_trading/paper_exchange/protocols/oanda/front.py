"""The front itself: v20's paths, who may ask, and what faults make of the answers."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final

from fastapi import Depends, FastAPI, HTTPException, Request, Response
from starlette.exceptions import HTTPException as StarletteHTTPException
from starlette.responses import StreamingResponse

from live_trading.domain.market import QuoteTick, TradeTick
from live_trading.paper_exchange import core
from live_trading.paper_exchange.exchange import MarketHeartbeat, Notice, SimulatedExchange
from live_trading.paper_exchange.faults import ON_COMMAND, Fault, FaultKind
from live_trading.paper_exchange.protocols.front import FrontPlace
from live_trading.paper_exchange.protocols.http_server import HttpServer
from live_trading.paper_exchange.protocols.oanda.answers import Answers
from live_trading.paper_exchange.protocols.oanda.chronicle import Chronicle
from live_trading.paper_exchange.protocols.oanda.commands import Commands
from live_trading.paper_exchange.protocols.oanda.limits import RateLimits
from live_trading.paper_exchange.protocols.oanda.streams import Stream, Streams
from live_trading.paper_exchange.protocols.oanda.words import (
    Json,
    Names,
    V20Problem,
    in_unix_times,
    parse_time,
    public,
)
from live_trading.runtime.tasks import Tasks

HEARTBEAT_SECONDS: Final = 5.0
_BODY_LIMIT = 262_144
_FAULTS = (*ON_COMMAND, FaultKind.UNEXPECTED_2XX)

Question = Callable[[Answers, Request], Json]
Command = Callable[[Commands, Request, Json], Json]


class OandaFront:
    """Serves v20 for one exchange, REST and streams on one address. ``heartbeat``: seconds between a quiet stream's."""

    name = "oanda"

    def __init__(
        self,
        exchange: SimulatedExchange,
        place: FrontPlace,
        *,
        heartbeat: float = HEARTBEAT_SECONDS,
        connections_per_second: int | None = None,
    ) -> None:
        self._exchange = exchange
        self._place = place
        self._names = Names(exchange.catalogue)
        self._chronicle = Chronicle(exchange, self._names)
        self._chronicle.start()
        self._streams = Streams(exchange, exchange.clock, heartbeat)
        self._limits = RateLimits(exchange.clock, connections=connections_per_second)
        accounts = self._chronicle.books
        self._answers = {account: Answers(exchange, self._chronicle, account) for account in accounts}
        self._commands = {account: Commands(exchange, self._chronicle, account, self._publish) for account in accounts}
        self._server: HttpServer | None = None
        exchange.listen(self)

    async def start(self, tasks: Tasks) -> Mapping[str, object]:
        self._server = HttpServer(self._application(), self._place.host, self._place.port)
        await self._server.start(tasks)
        address = f"http://{self._place.host}:{self._server.port}"
        return {"url": address, "port": self._server.port}

    async def close(self) -> None:
        self._streams.end()
        if self._server is not None:
            await self._server.close()

    def ready(self) -> bool:
        return True  # v20 has no way to hold a market

    def subscriptions(self) -> set[str]:
        return {self._names.listings[name].symbol for name in self._streams.subscriptions()}

    # ---- what the exchange tells -------------------------------------------------------------------------------------

    def deliver(self, notice: Notice) -> None:
        match notice:
            case QuoteTick() | TradeTick():
                name = self._names.name(notice.symbol)
                if name is not None:
                    self._streams.price(name, lambda account: self._answers[account].price_json(name) or {})
            case core.OrderChanged():
                self._tell(("order", str(notice.order.order_id)))
            case core.Executed():
                self._tell_fill(notice.execution)
            case MarketHeartbeat():
                self._expire(notice.time_ns)
            case _:
                pass

    def disconnect(self, reason: str) -> None:
        self._streams.end()

    def _tell(self, key: tuple[str, str]) -> None:
        for account, transaction in self._chronicle.take_told(key):
            self._publish(account, transaction)

    def _tell_fill(self, row: core.Execution) -> None:
        key = ("fill", f"{row.execution_id}/{row.revision}")
        if self._exchange.faults.take(FaultKind.LOSE_FILLS, (row.client_order_id, row.symbol)) is not None:
            self._chronicle.take_told(key)
            return
        self._tell(key)

    def _publish(self, account: str, transaction: Json) -> None:
        self._streams.transaction(account, public(transaction))

    def _expire(self, now_ns: int) -> None:
        for account, book in self._chronicle.books.items():
            for order in book.pending():
                until = order.body.get("gtdTime")
                if until is not None and parse_time(str(until)) <= now_ns:
                    self._commands[account].expire(order)

    # ---- paths -------------------------------------------------------------------------------------------------------

    def _application(self) -> FastAPI:
        app = FastAPI(title="OANDA v20", docs_url=None, redoc_url=None, openapi_url=None)
        app.exception_handler(StarletteHTTPException)(self._problem)
        may_ask = [Depends(self._authorised), Depends(self._answering)]

        def add(method: str, path: str, endpoint: Callable[..., Awaitable[Response]]) -> None:
            app.add_api_route(f"/v3{path}", endpoint, methods=[method], dependencies=may_ask, response_model=None)

        add("GET", "/accounts", self._accounts)
        add("GET", "/instruments/{instrument}/candles", self._candles)
        of = "/accounts/{account_id}"
        add("GET", f"{of}/pricing/stream", self._price_stream)
        add("GET", f"{of}/transactions/stream", self._transaction_stream)
        for path, question in _QUESTIONS.items():
            add("GET", f"{of}{path}", self._asking(question))
        for (method, path), (operation, command) in _COMMANDS.items():
            add(method, f"{of}{path}", self._commanding(operation, command))
        return app

    def _asking(self, question: Question) -> Callable[[Request], Awaitable[Response]]:
        async def ask(request: Request) -> Response:
            if self._exchange.faults.take(FaultKind.FAIL_QUERIES, (request.url.path,)) is not None:
                raise V20Problem(503, "The service is unavailable")
            return self._json(request, question(self._of(self._answers, request), request))

        return ask

    def _commanding(self, operation: str, command: Command) -> Callable[[Request], Awaitable[Response]]:
        async def act(request: Request) -> Response:
            commands = self._of(self._commands, request)
            body = await _body(request)
            return await self._carry_out(request, operation, body, lambda: command(commands, request, body))

        return act

    async def _carry_out(self, request: Request, operation: str, body: Json, act: Callable[[], Json]) -> Response:
        """Carry a command out and answer, or what a fault makes of that."""
        fault = self._fault(request, operation, body)
        if fault is not None and fault.kind is FaultKind.DROP_BEFORE_ACCEPT:
            await self._cut(request)
            return Response(status_code=503)
        status = 201 if operation in ("place", "modify") and _creates(request) else 200
        try:
            answer = act()
        except V20Problem as problem:
            if fault is None or fault.kind is FaultKind.SLOW:
                raise
            answer = problem.body
        if fault is not None and fault.kind is FaultKind.DROP_AFTER_ACCEPT:
            await self._cut(request)
        elif fault is not None and fault.kind is FaultKind.ACCEPTED_504:
            return Response("<html><body><h1>504 Gateway Time-out</h1></body></html>", 504, media_type="text/html")
        elif fault is not None and fault.kind is FaultKind.UNEXPECTED_2XX:
            status = 202
        elif fault is not None:
            await asyncio.sleep(fault.seconds)
        return self._json(request, answer, status)

    def _fault(self, request: Request, operation: str, body: Json) -> Fault | None:
        named = (body.get("order") or {}).get("clientExtensions") if isinstance(body.get("order"), dict) else None
        specifier = request.path_params.get("spec", "")
        about = ((named or {}).get("id"), specifier.removeprefix("@") or None)
        faults = self._exchange.faults
        return next((fault for kind in _FAULTS if (fault := faults.take(kind, about, operation))), None)

    async def _accounts(self, request: Request) -> Response:
        return self._json(request, {"accounts": [{"id": account, "tags": []} for account in self._answers]})

    async def _candles(self, request: Request) -> Response:
        answers = next(iter(self._answers.values()))
        return self._json(request, answers.candles(request.path_params["instrument"], request.query_params))

    async def _price_stream(self, request: Request) -> Response:
        answers = self._of(self._answers, request)
        names = answers.wanted(request.query_params.get("instruments"))
        stream = Stream(request.path_params["account_id"], names, self._streams.price_beat)
        wants_snapshot = request.query_params.get("snapshot", "True").lower() != "false"
        first = [price for name in sorted(names) if wants_snapshot and (price := answers.price_json(name)) is not None]
        return self._streamed(stream, first)

    async def _transaction_stream(self, request: Request) -> Response:
        answers = self._of(self._answers, request)
        return self._streamed(Stream(request.path_params["account_id"], None, answers.beat), [])

    def _streamed(self, stream: Stream, first: list[Json]) -> Response:
        return StreamingResponse(self._streams.serve(stream, first), media_type="application/octet-stream")

    # ---- what stands before an answer --------------------------------------------------------------------------------

    async def _authorised(self, request: Request) -> None:
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        faults = self._exchange.faults
        if scheme != "Bearer" or not token.strip() or faults.take(FaultKind.UNAUTHORISED) is not None:
            raise V20Problem(401, "Insufficient authorization to perform request.")
        peer = request.client
        connection = None if peer is None else (peer.host, peer.port)
        if self._limits.exceeded(token, connection) or faults.take(FaultKind.RATE_LIMITED) is not None:
            raise V20Problem(429, "The request rate limit has been exceeded.")

    async def _answering(self, request: Request) -> None:
        """A silent peer reads a request, does nothing, says nothing, and in the end cuts the connection."""
        if not self._exchange.silent:
            return
        await self._exchange.until_answering()
        await self._cut(request)
        raise HTTPException(503)

    async def _cut(self, request: Request) -> None:
        assert self._server is not None
        await self._server.cut(request.client)

    def _of(self, accounts: Mapping[str, Any], request: Request) -> Any:
        found = accounts.get(request.path_params["account_id"])
        if found is None:
            raise V20Problem(403, "The provided request was forbidden.")
        return found

    # ---- answers -----------------------------------------------------------------------------------------------------

    def _json(self, request: Request, value: Json, status: int = 200) -> Response:
        if request.headers.get("accept-datetime-format", "").upper() == "UNIX":
            value = in_unix_times(value)
        headers = {"RequestID": f"{self._exchange.sequence:020d}"}
        return Response(json.dumps(value), status, headers, media_type="application/json")

    async def _problem(self, request: Request, error: Exception) -> Response:
        assert isinstance(error, StarletteHTTPException)
        body = error.body if isinstance(error, V20Problem) else {"errorMessage": str(error.detail)}
        return self._json(request, body, error.status_code)


def _creates(request: Request) -> bool:
    """Whether v20 answers 201: for a new order, and for one in place of another."""
    return request.method == "POST" or request.url.path.rstrip("/").rpartition("/")[2] == request.path_params.get(
        "spec"
    )


async def _body(request: Request) -> Json:
    if int(request.headers.get("content-length") or 0) > _BODY_LIMIT:
        raise V20Problem(413, f"The request is over {_BODY_LIMIT} bytes")
    raw = await request.body()
    try:
        body = json.loads(raw) if raw else {}
    except ValueError:
        raise V20Problem(400, "The request body is no JSON") from None
    if not isinstance(body, dict):
        raise V20Problem(400, "The request body is no JSON object")
    return body


def _order(body: Json) -> Json:
    order = body.get("order")
    if not isinstance(order, dict):
        raise V20Problem(400, "Invalid value specified for 'order'")
    return order


def _base(request: Request) -> str:
    return str(request.url.replace(query="")).rstrip("/")


_QUESTIONS: Final[Mapping[str, Question]] = {
    "": lambda answers, request: answers.details(),
    "/summary": lambda answers, request: answers.summary(),
    "/instruments": lambda answers, request: answers.instruments(request.query_params.get("instruments")),
    "/instruments/{instrument}/candles": lambda answers, request: answers.candles(
        request.path_params["instrument"], request.query_params
    ),
    "/pricing": lambda answers, request: answers.prices(request.query_params.get("instruments")),
    "/orders": lambda answers, request: answers.orders(request.query_params),
    "/pendingOrders": lambda answers, request: answers.pending_orders(),
    "/orders/{spec}": lambda answers, request: answers.order(request.path_params["spec"]),
    "/trades": lambda answers, request: answers.trades(request.query_params),
    "/openTrades": lambda answers, request: answers.trades({}, "OPEN"),
    "/trades/{spec}": lambda answers, request: answers.trade(request.path_params["spec"]),
    "/positions": lambda answers, request: answers.positions(only_open=False),
    "/openPositions": lambda answers, request: answers.positions(only_open=True),
    "/positions/{instrument}": lambda answers, request: answers.position(request.path_params["instrument"]),
    "/transactions": lambda answers, request: answers.pages(request.query_params, _base(request)),
    "/transactions/idrange": lambda answers, request: answers.id_range(request.query_params),
    "/transactions/sinceid": lambda answers, request: answers.since(request.query_params),
    "/transactions/{transaction}": lambda answers, request: answers.transaction(request.path_params["transaction"]),
}

_COMMANDS: Final[Mapping[tuple[str, str], tuple[str, Command]]] = {
    ("POST", "/orders"): ("place", lambda commands, request, body: commands.create(_order(body))),
    ("PUT", "/orders/{spec}"): (
        "modify",
        lambda commands, request, body: commands.replace(request.path_params["spec"], _order(body)),
    ),
    ("PUT", "/orders/{spec}/cancel"): (
        "cancel",
        lambda commands, request, body: commands.cancel(request.path_params["spec"]),
    ),
    ("PUT", "/orders/{spec}/clientExtensions"): (
        "modify",
        lambda commands, request, body: commands.rename(request.path_params["spec"], body),
    ),
    ("PUT", "/trades/{spec}/close"): (
        "place",
        lambda commands, request, body: commands.close_trade(request.path_params["spec"], body),
    ),
    ("PUT", "/trades/{spec}/orders"): (
        "modify",
        lambda commands, request, body: commands.protect(request.path_params["spec"], body),
    ),
    ("PUT", "/trades/{spec}/clientExtensions"): (
        "modify",
        lambda commands, request, body: commands.rename_trade(request.path_params["spec"], body),
    ),
    ("PUT", "/positions/{instrument}/close"): (
        "place",
        lambda commands, request, body: commands.close_position(request.path_params["instrument"], body),
    ),
}
