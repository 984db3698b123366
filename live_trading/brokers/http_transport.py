"""HTTP to a broker, with one failure told as what it is."""

import httpx


class BrokerTransport(httpx.AsyncHTTPTransport):
    """The client's own transport. A connection that is reset the moment it is made is a ``ConnectError``.

    That happens behind every forwarder whose target is away: it accepts, and resets. uvloop's transport has then
    forgotten its socket when the client looks at it (anyio's ``SocketStream.extra_attributes`` asks for ``getpeername``
    of None), which surfaces as an ``AttributeError``. Nothing has been sent at that point.
    """

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        try:
            return await super().handle_async_request(request)
        except AttributeError as error:
            if error.name != "getpeername":
                raise
            raise httpx.ConnectError("the connection was reset as it was made", request=request) from error
