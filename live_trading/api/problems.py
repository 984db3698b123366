"""What goes wrong, as ``application/problem+json`` (RFC 9457) with a stable ``code``.

``title`` and ``detail`` are for people and may change; ``code`` does not. ``field`` names what was wrong.
"""

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any, Final

import msgspec
import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from pymongo.errors import PyMongoError
from starlette.exceptions import HTTPException
from starlette.responses import Response

from live_trading.archive.errors import ArchiveMissing
from live_trading.domain.errors import InvalidInput, LiveTradingError
from live_trading.journal import JournalUnavailable

_log = structlog.get_logger(__name__)

CONTENT_TYPE: Final = "application/problem+json"
_MAX_ERRORS: Final = 20

REFUSALS: Final[Mapping[str, int]] = {
    "INVALID_INPUT": 422,
    "NOT_FOUND": 404,
    "UNKNOWN_COMMAND": 400,
    "BROKER_UNAVAILABLE": 503,
}
"""The engine's refusals by status; every other one is a conflict with how things are: 409."""


class Problem(Exception):  # noqa: N818 - the RFC's own word
    """A request that cannot be answered as asked."""

    def __init__(
        self,
        status: int,
        code: str,
        detail: str,
        *,
        field: str | None = None,
        headers: Mapping[str, str] | None = None,
        **more: Any,
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.code = code
        self.detail = detail
        self.field = field
        self.headers = dict(headers or {})
        self.more = more

    def response(self) -> Response:
        """The problem as it is sent."""
        body: dict[str, Any] = {
            "type": f"/docs/problems#{self.code}",
            "title": HTTPStatus(self.status).phrase,
            "status": self.status,
            "code": self.code,
            "detail": self.detail,
        }
        if self.field is not None:
            body["field"] = self.field
        body.update(self.more)
        headers = {"Cache-Control": "no-store", **self.headers}
        return Response(msgspec.json.encode(body), self.status, headers, CONTENT_TYPE)


def not_found(what: str, field: str) -> Problem:
    return Problem(404, "NOT_FOUND", f"there is no {what}", field=field)


def invalid(field: str, detail: str) -> Problem:
    return Problem(422, "INVALID_INPUT", f"{field}: {detail}", field=field)


def unavailable(detail: str) -> Problem:
    return Problem(503, "DATABASE_UNAVAILABLE", detail, headers={"Retry-After": "1"})


def refused(error: Mapping[str, Any], **more: Any) -> Problem:
    """What the engine said no to."""
    code = str(error.get("code", "REFUSED"))
    return Problem(
        REFUSALS.get(code, 409), code, str(error.get("detail", "refused")), field=error.get("field") or None, **more
    )


def problem_of(error: Exception) -> Problem:
    """Any error as a problem. What is nobody's fault but ours says no more than that."""
    if isinstance(error, Problem):
        return error
    if isinstance(error, RequestValidationError):
        return _of_validation(error.errors())
    if isinstance(error, HTTPException):
        return _of_http(error)
    if isinstance(error, InvalidInput):
        return Problem(422, "INVALID_INPUT", str(error), field=error.field)
    if isinstance(error, PyMongoError | JournalUnavailable):
        _log.warning("the database does not answer", reason=f"{type(error).__name__}: {error}"[:300])
        return unavailable("the database does not answer just now: try again")
    if isinstance(error, ArchiveMissing):
        return Problem(410, "ARCHIVED", "entries that old are in an archive that is not here")
    if isinstance(error, LiveTradingError):
        _log.error("a request failed", reason=str(error)[:500])
        return Problem(500, "INTERNAL", "the journal could not be read: see the log")
    _log.error("a request failed", exc_info=error)
    return Problem(500, "INTERNAL", "a fault of the program: see the log")


def _of_http(error: HTTPException) -> Problem:
    codes = {404: "NOT_FOUND", 405: "METHOD_NOT_ALLOWED", 400: "BAD_REQUEST", 413: "TOO_LARGE"}
    code = codes.get(error.status_code, "HTTP_ERROR")
    return Problem(error.status_code, code, str(error.detail), headers=error.headers or {})


def _of_validation(errors: Sequence[Any]) -> Problem:
    """The first thing wrong, named; all of them in ``errors``. What was given is never repeated: it may be secret."""
    found = [
        {"field": _field(error["loc"]), "detail": str(error["msg"]).removeprefix("Value error, ")}
        for error in errors[:_MAX_ERRORS]
    ]
    first = found[0]
    detail = f"{first['field']}: {first['detail']}" if first["field"] else first["detail"]
    return Problem(422, "INVALID_INPUT", detail, field=first["field"] or None, errors=found)


def _field(location: Sequence[int | str]) -> str:
    places = ("body", "query", "path", "header", "cookie")
    return ".".join(str(part) for part in location if part not in places)


def install(app: FastAPI) -> None:
    """Have every error of the app answered so."""

    async def answer(_: Request, error: Exception) -> Response:
        return problem_of(error).response()

    for kind in (Problem, RequestValidationError, HTTPException, LiveTradingError, PyMongoError, Exception):
        app.add_exception_handler(kind, answer)
