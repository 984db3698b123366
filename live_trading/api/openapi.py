"""The OpenAPI document: what FastAPI makes of the routes, and what it does not know of.

Added are the log-in (security), the problems any route may answer with, and the WebSockets with their messages, so that
the web pages' types come from this one document. ``python -m live_trading.api.openapi`` writes it.
"""

import json
import sys
from typing import Any, Final

from fastapi import FastAPI
from pydantic import TypeAdapter
from pydantic.json_schema import models_json_schema

from live_trading.api.guard import PUBLIC, ROLE
from live_trading.api.problems import CONTENT_TYPE
from live_trading.api.schemas.base import ProblemBody
from live_trading.api.schemas.ledger import TradeLogEntry
from live_trading.api.schemas.messages import MESSAGES, SocketMessage

_REF: Final = "#/components/schemas/{model}"
_PROBLEMS: Final = {
    "401": "not logged in, or the token is expired, altered or revoked",
    "403": "the role does not allow it",
    "404": "there is no such thing",
    "409": "not as things are now",
    "413": "the request is too large",
    "422": "something given is wrong; field says which",
    "429": "too often; Retry-After says how long to wait",
    "500": "a fault of the program",
    "503": "the database, the broker or the engine does not answer",
}
_SOCKETS: Final = {
    "/ws/overall": "Everything: all entries, all prices.",
    "/ws/operations/{id}": "One operation: its entries, prices, marks and bars.",
}


def document(app: FastAPI) -> dict[str, Any]:
    """The document, made once."""
    if app.openapi_schema is None:
        from fastapi.openapi.utils import get_openapi

        made = get_openapi(
            title=app.title, version=app.version, summary=app.summary, description=app.description, routes=app.routes
        )
        _add_shapes(made)
        for operations in made["paths"].values():
            for operation in operations.values():
                _complete(operation)
        app.openapi_schema = made
    return app.openapi_schema


def _add_shapes(made: dict[str, Any]) -> None:
    components = made.setdefault("components", {})
    schemas = components.setdefault("schemas", {})
    for name in ("HTTPValidationError", "ValidationError"):
        schemas.pop(name, None)
    _, shapes = models_json_schema(
        [(model, "serialization") for model in (*MESSAGES.values(), ProblemBody, TradeLogEntry)], ref_template=_REF
    )
    for name, shape in shapes["$defs"].items():
        schemas.setdefault(name, shape)
    union = TypeAdapter(SocketMessage).json_schema(ref_template=_REF, mode="serialization")
    schemas["SocketMessage"] = {
        "description": "Every message of a WebSocket.",
        "oneOf": union["oneOf"],
        "discriminator": union["discriminator"],
    }
    components["securitySchemes"] = {
        "bearer": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT", "description": "from POST /api/login"}
    }
    made["x-websockets"] = {
        path: {
            "description": text,
            ROLE: "viewer",
            "subprotocols": ["live-trading", "bearer.<access token>"],
            "parameters": [
                {
                    "name": "after",
                    "in": "query",
                    "required": False,
                    "description": "the seq of the last message that was heard: what came after it is told first",
                    "schema": {"type": "integer", "minimum": 0},
                }
            ],
            "message": {"$ref": "#/components/schemas/SocketMessage"},
        }
        for path, text in _SOCKETS.items()
    }


def _complete(operation: dict[str, Any]) -> None:
    responses = operation.setdefault("responses", {})
    body = {CONTENT_TYPE: {"schema": {"$ref": "#/components/schemas/ProblemBody"}}}
    public = operation.get(ROLE) == PUBLIC
    for status, text in _PROBLEMS.items():
        if status == "422" or status not in responses:
            responses[status] = {"description": text, "content": body}
    if not public:
        operation["security"] = [{"bearer": []}]
        operation["description"] = f"{operation.get('description', '')}\n\nRole: {operation[ROLE]}.".strip()


def install(app: FastAPI) -> None:
    """Have the app tell this document."""
    app.openapi = lambda: document(app)  # type: ignore[method-assign]


def main() -> None:
    """Write the document to standard output."""
    from live_trading.api.app import create_app

    sys.stdout.write(json.dumps(document(create_app()), indent=2, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main()
