"""The sockets: ``/ws/overall`` and ``/ws/operations/{id}``.

The access token comes in the subprotocol header, never in the address: offer ``live-trading`` and ``bearer.<token>``.
A socket that is refused is accepted first and closed at once, because a browser tells its page nothing of a refusal
before that. It lives as long as the log-in does: that it was not revoked is looked at with every heartbeat.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from typing import Any, Final

import structlog
from bson import ObjectId
from bson.errors import InvalidId
from fastapi import APIRouter, WebSocket
from pymongo.errors import PyMongoError
from starlette.websockets import WebSocketDisconnect, WebSocketState

from live_trading.api.answers import encode
from live_trading.api.auth.accounts import Caller
from live_trading.api.auth.roles import Role
from live_trading.api.auth.tokens import unauthorized
from live_trading.api.guard import address_of, check_role, whose
from live_trading.api.problems import Problem, invalid, not_found, problem_of
from live_trading.api.services import Services, services
from live_trading.api.websocket.hub import Listener
from live_trading.api.websocket.pulse import with_seq
from live_trading.projections.documents import OPERATIONS

PROTOCOL: Final = "live-trading"
BEARER: Final = "bearer."
NEEDED: Final = Role.VIEWER
TOO_SLOW, TOO_MANY = 4408, 1013

_HEARTBEAT_SECONDS: Final = 10.0
_SEND_SECONDS: Final = 10.0
_SENT_BETWEEN_LOOKS: Final = 100

_log = structlog.get_logger(__name__)

router = APIRouter(prefix="/ws", tags=["websocket"])


@router.websocket("/overall")
async def overall(websocket: WebSocket) -> None:
    """Everything: all entries, all prices."""
    await _serve(websocket, None)


@router.websocket("/operations/{operation_id}")
async def operation(websocket: WebSocket, operation_id: str) -> None:
    """One operation: its entries, prices, marks and bars."""
    await _serve(websocket, operation_id)


async def _serve(websocket: WebSocket, operation: str | None) -> None:
    offered = websocket.scope.get("subprotocols", [])
    await websocket.accept(PROTOCOL if PROTOCOL in offered else None)
    try:
        service = services(websocket)
        caller = await _admitted(service, websocket, offered)
        after = _after(websocket)
        operation_id, feed = await _about(service, operation)
        async with _joined(service, operation_id, feed, after) as listener:
            if after is not None and after > service.hub.head:
                raise invalid("after", f"there is no entry {after} yet; the last is {service.hub.head}")
            await _Socket(websocket, service, caller, listener).run()
    except WebSocketDisconnect:
        return
    except Exception as error:
        await _end(websocket, problem_of(error))


async def _admitted(service: Services, websocket: WebSocket, offered: list[str]) -> Caller:
    address = address_of(websocket)
    tokens = [text.removeprefix(BEARER) for text in offered if text.startswith(BEARER)]
    if len(tokens) != 1:
        await service.rates.request(f"address {address}", "GET")
        raise unauthorized("NOT_LOGGED_IN", f"offer the subprotocols {PROTOCOL} and {BEARER}<access token>")
    caller = await whose(service, tokens[0], address)
    await service.rates.request(f"user {caller.name}", "GET")
    check_role(caller, NEEDED)
    return caller


def _after(websocket: WebSocket) -> int | None:
    text = websocket.query_params.get("after")
    if text is None:
        return None
    if not text.isascii() or not text.isdigit() or len(text) > 18:
        raise invalid("after", "must be the number of a journal entry, 0 or more")
    return int(text)


async def _about(service: Services, operation: str | None) -> tuple[ObjectId | None, str | None]:
    """The operation's id, and the feed of its prices."""
    if operation is None:
        return None, None
    try:
        operation_id = ObjectId(operation)
    except InvalidId:
        raise invalid("id", "is not an operation's id: give its 24 hexadecimal digits") from None
    found = await service.database[OPERATIONS].find_one({"_id": operation_id}, {"broker": 1, "symbol": 1})
    if found is None:
        raise not_found(f"operation {operation_id}", "id")
    return operation_id, f"{found['broker']}|{found['symbol']}"


@asynccontextmanager
async def _joined(
    service: Services, operation_id: ObjectId | None, feed: str | None, after: int | None
) -> AsyncIterator[Listener]:
    hub, most = service.hub, service.settings.api.max_sockets
    if len(hub.listeners) >= most:
        raise Problem(503, "TOO_MANY_SOCKETS", f"{most} sockets are open: close some, or start another api")
    listener = await hub.join(operation_id, feed, after)
    service.metrics.sockets.set(len(hub.listeners))
    try:
        yield listener
    finally:
        hub.leave(listener)
        service.metrics.sockets.set(len(hub.listeners))


async def _end(websocket: WebSocket, problem: Problem) -> None:
    """Say why, and close. The closing code is 4000 and the status, 4401 for a 401; 1013 where it may try again."""
    status = TOO_MANY if problem.status == 503 else 4000 + problem.status % 1000
    bye = {"type": "bye", "seq": problem.more.get("seq", 0), "status": status}
    bye |= {"code": problem.code, "detail": problem.detail}
    try:
        async with asyncio.timeout(_SEND_SECONDS):
            if websocket.application_state is WebSocketState.CONNECTED and not problem.more.get("unheard"):
                await websocket.send_text(encode(bye).decode())
            await websocket.close(status, problem.code)
    except (RuntimeError, WebSocketDisconnect, TimeoutError, OSError):
        return  # it is gone already


class _Socket:
    """One socket that was let in."""

    def __init__(self, websocket: WebSocket, service: Services, caller: Caller, listener: Listener) -> None:
        self._websocket = websocket
        self._service = service
        self._caller = caller
        self._listener = listener
        self._clock = service.runtime.clock
        self._most_behind = service.settings.api.socket_backlog
        self._is_level = False

    async def run(self) -> None:
        """Until the other side leaves, or has to be left."""
        hello = {
            "type": "hello",
            "seq": self._listener.position,
            "head": self._service.hub.head,
            "heartbeat_seconds": _HEARTBEAT_SECONDS,
        }
        await self._send(encode(hello).decode())
        tasks = self._service.runtime.tasks
        working = [
            tasks.start(self._caught(work), f"socket: {name}")
            for name, work in (("listening", self._listen()), ("heart", self._beat()), ("telling", self._tell()))
        ]
        try:
            done, _ = await asyncio.wait(working, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                error = task.result()
                if error is not None:
                    raise error
        finally:
            for task in working:
                task.cancel()

    async def _caught(self, work: Any) -> Exception | None:
        """What ended it, as a value: an error of one socket is no failure of the process."""
        try:
            await work
        except Exception as error:
            return error
        return None

    async def _listen(self) -> None:
        """The other side has nothing to say; that it leaves is heard here."""
        while True:
            message = await self._websocket.receive()
            if message["type"] == "websocket.disconnect":
                return

    async def _beat(self) -> None:
        while True:
            await self._clock.sleep(_HEARTBEAT_SECONDS)
            await self._check_still_allowed()
            told = {"type": "heartbeat", "seq": 0, "time": self._clock.now(), "head": self._service.hub.head}
            self._listener.tell("heartbeat", encode(told).decode())

    async def _check_still_allowed(self) -> None:
        from live_trading.api.auth.tokens import Claims

        claims = Claims(self._caller.name, self._caller.session, 0)
        try:
            caller = await self._service.accounts.identify(claims, self._caller.address)
        except PyMongoError:
            return  # looked at again with the next heartbeat
        check_role(caller, NEEDED)

    async def _tell(self) -> None:
        hub, listener = self._service.hub, self._listener
        while True:
            if listener.position < hub.head:
                self._check_not_too_far_behind()
                await self._catch_up()
                continue
            self._is_level = True
            if listener.live:
                live, listener.live = listener.live, {}
                for message in live.values():
                    await self._send(with_seq(message, listener.position))
                continue
            await listener.bell.taken()

    def _check_not_too_far_behind(self) -> None:
        """One that was up to date once must not fall back again: whoever follows it is told stale news as fresh."""
        behind = self._service.hub.head - self._listener.position
        if self._is_level and behind > self._most_behind:
            raise self._too_slow(f"{behind} messages behind")

    def _too_slow(self, how: str) -> Problem:
        self._service.metrics.dropped.inc()
        detail = f"too slow: {how}. Connect again with ?after={self._listener.position}"
        return Problem(408, "TOO_SLOW", detail, seq=self._listener.position, unheard=True)

    async def _catch_up(self) -> None:
        hub, listener, count = self._service.hub, self._listener, 0
        for number, message in hub.ready(listener):
            if message is not None:
                await self._send(message)
            listener.position = number
            count += 1
            if count % _SENT_BETWEEN_LOOKS == 0:
                self._check_not_too_far_behind()
        if count:
            return
        async with aclosing(hub.missed(listener)) as missed:
            async for number, message in missed:
                if message is not None:
                    await self._send(message)
                listener.position = number

    async def _send(self, message: str) -> None:
        self._service.metrics.sent.inc()
        try:
            async with asyncio.timeout(_SEND_SECONDS):
                await self._websocket.send({"type": "websocket.send", "text": message})
        except TimeoutError:
            raise self._too_slow(f"it took no message for {_SEND_SECONDS:g} s") from None
