"""Live updates as an endless list: a lost connection is made again, from the last entry that was heard."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, Final, NamedTuple

from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake
from websockets.typing import Subprotocol

from live_trading.client.errors import NotAllowed, Refused

_PROTOCOL: Final = Subprotocol("live-trading")
_PAUSE_FIRST, _PAUSE_MOST = 0.25, 10.0
_LOST: Final = (OSError, ConnectionClosed, InvalidHandshake, TimeoutError)
_FINAL: Final = {4400, 4403, 4404, 4410, 4422}


class Message(NamedTuple):
    """One message. ``seq`` is the last journal entry told; ``fields`` are its own."""

    type: str
    seq: int
    fields: dict[str, Any]


async def follow(
    url: str, token: Callable[[], Awaitable[str]], operation_id: str | None, after: int | None
) -> AsyncIterator[Message]:
    """Messages, over lost connections. Raises :class:`NotAllowed` or :class:`Refused` when asking again is no use."""
    path = "/ws/overall" if operation_id is None else f"/ws/operations/{operation_id}"
    pause = _PAUSE_FIRST
    refused_tokens = 0
    while True:
        address = url.replace("http", "ws", 1) + path + ("" if after is None else f"?after={after}")
        try:
            async with connect(
                address, subprotocols=[_PROTOCOL, Subprotocol(f"bearer.{await token()}")], proxy=None
            ) as socket:
                async for text in socket:
                    fields = json.loads(text)
                    message = Message(fields.pop("type"), fields.pop("seq"), fields)
                    if message.type == "bye":
                        continue
                    after, pause, refused_tokens = message.seq, _PAUSE_FIRST, 0
                    yield message
                status, reason = socket.close_code, socket.close_reason
        except _LOST as error:
            closed = error.rcvd if isinstance(error, ConnectionClosed) else None
            status, reason = (None, "") if closed is None else (closed.code, closed.reason)
        if status in _FINAL:
            raise Refused(status - 4000, {"code": reason, "detail": f"the socket was refused: {reason}"})
        if status == 4401:
            refused_tokens += 1
            if refused_tokens > 1:
                raise NotAllowed(401, {"code": reason, "detail": "log in again"})
        await asyncio.sleep(pause)
        pause = min(pause * 2, _PAUSE_MOST)
