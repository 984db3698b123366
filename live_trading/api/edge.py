"""The edge: what is true of every request, whatever route it is for.

Security headers on every answer, no body beyond a bound, TLS where it was promised, one line of log and one count each.
Pure ASGI, so that it costs little and WebSockets pass through untouched.
"""

from collections.abc import MutableMapping
from typing import Any, Final

import structlog
from fastapi import FastAPI
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from live_trading.api.problems import Problem, problem_of
from live_trading.runtime import Clock, SystemClock

MAX_BODY: Final = 256 * 1024
_OPEN_PATHS: Final = ("/health", "/api/health", "/metrics")

POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; "
    "font-src 'self'; connect-src 'self'; manifest-src 'self'; worker-src 'self'; base-uri 'none'; "
    "form-action 'self'; frame-ancestors 'none'"
)
HEADERS: Final = {
    "content-security-policy": POLICY,
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
}
_TLS: Final = "max-age=31536000; includeSubDomains"

_log = structlog.get_logger(__name__)


class Edge:
    """Around the whole app."""

    def __init__(self, app: ASGIApp, clock: Clock | None = None) -> None:
        self._app = app
        self._clock = clock or SystemClock()
        self._headers = [(name.encode(), value.encode()) for name, value in HEADERS.items()]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began, status = self._clock.monotonic(), 0

        async def answer(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                present = {name.lower() for name, _ in message["headers"]}
                more = [pair for pair in self._all_headers(scope) if pair[0] not in present]
                message = {**message, "headers": [*message["headers"], *more]}
            await send(message)

        try:
            await self._guarded(scope, receive, answer)
        except Exception as error:
            if status:
                raise
            await problem_of(error).response()(scope, receive, answer)
        finally:
            self._note(scope, status, self._clock.monotonic() - began)

    def _all_headers(self, scope: Scope) -> list[tuple[bytes, bytes]]:
        if scope.get("scheme") == "https":
            return [*self._headers, (b"strict-transport-security", _TLS.encode())]
        return self._headers

    async def _guarded(self, scope: Scope, receive: Receive, send: Send) -> None:
        services = _services(scope)
        promised = services is not None and services.settings.api.tls_in_front
        if promised and scope.get("scheme") != "https" and scope["path"] not in _OPEN_PATHS:
            raise Problem(403, "TLS_REQUIRED", "this interface is reached through its TLS address only")
        for name, value in scope["headers"]:
            if name == b"content-length" and (not value.isdigit() or int(value) > MAX_BODY):
                raise Problem(413, "TOO_LARGE", f"a request has at most {MAX_BODY:,} bytes")
        taken = 0

        async def bounded() -> Message:
            nonlocal taken
            message = await receive()
            if message["type"] == "http.request":
                taken += len(message.get("body", b""))
                if taken > MAX_BODY:
                    raise Problem(413, "TOO_LARGE", f"a request has at most {MAX_BODY:,} bytes")
            return message

        await self._app(scope, bounded, send)

    def _note(self, scope: Scope, status: int, seconds: float) -> None:
        """The path's pattern, never the address: an address may hold what was meant for a body."""
        route: Any = scope.get("route")
        path = getattr(route, "path", "(none)")
        method = scope["method"] if scope["method"] in ("GET", "POST", "PUT", "DELETE", "HEAD", "OPTIONS") else "other"
        services = _services(scope)
        if services is not None:
            services.metrics.requests.labels(method, path, status or 499).inc()
            services.metrics.seconds.labels(method, path).observe(seconds)
        caller = getattr(scope.get("state"), "caller", None)
        if isinstance(scope.get("state"), MutableMapping):
            caller = scope["state"].get("caller")
        _log.debug(
            "request",
            method=method,
            route=path,
            status=status or 499,
            seconds=round(seconds, 4),
            user=caller.name if caller is not None else None,
        )


def _services(scope: Scope) -> Any:
    app = scope.get("app")
    return getattr(app.state, "services", None) if isinstance(app, FastAPI) else None
