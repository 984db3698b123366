"""What routes that ask the engine for something have in common."""

from collections.abc import Mapping
from typing import Annotated, Any, Final

from fastapi import Header, Query
from starlette.responses import Response

from live_trading.api.answers import JSON, encode
from live_trading.api.asking import MAX_KEY
from live_trading.api.auth.accounts import Caller
from live_trading.api.problems import refused
from live_trading.api.schemas.commands import CommandOutcome
from live_trading.api.services import Services
from live_trading.models.commands import CommandRecord, CommandStatus

Key = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key",
        min_length=1,
        max_length=MAX_KEY,
        pattern=r"^[!-~]+$",
        description="your own name for this request: sent again under it, it is done once and answered the same",
    ),
]
Wait = Annotated[
    float | None,
    Query(ge=0, le=60, description="seconds to wait for the engine before 202; by the settings if left out"),
]

ACCEPTED: Final[dict[int | str, dict[str, Any]]] = {
    202: {
        "model": CommandOutcome,
        "description": "Kept; the engine is away or slow. Look at the address in Location",
        "headers": {"Location": {"schema": {"type": "string"}, "description": "where its outcome will be"}},
        "links": {
            "outcome": {
                "operationId": "get_command",
                "parameters": {"command_id": "$response.body#/command_id"},
                "description": "What came of it",
            }
        },
    }
}
"""The answer that every command may get."""


def outcome(command: CommandRecord) -> dict[str, Any]:
    """A command as it is told."""
    result = command.result or {}
    return {
        "command_id": command.id,
        "kind": command.kind,
        "status": command.status.value,
        "actor": command.actor,
        "created_at": command.created_at,
        "handled_at": command.handled_at,
        "sequence_number": command.sequence_number,
        "operation_id": result.get("operation_id"),
        "result": command.result,
        "error": command.error,
    }


async def command(
    service: Services,
    caller: Caller,
    kind: str,
    arguments: Mapping[str, Any],
    key: str | None,
    wait: float | None,
    *,
    created: str | None = None,
) -> Response:
    """Ask, and answer: 200 (201 with ``created``, the address of what was made), 202, or the refusal as a problem."""
    done = await service.asker.ask(kind, arguments, caller.actor, key, wait)
    return answered(done, created)


def answered(done: CommandRecord, created: str | None = None) -> Response:
    """The response for a command as it is."""
    headers = {"Cache-Control": "no-store"}
    if done.status is CommandStatus.REFUSED:
        raise refused(done.error or {}, command_id=done.id)
    if done.sequence_number is not None:
        headers["X-Sequence-Number"] = str(done.sequence_number)
    fields = outcome(done)
    status = 200
    if not done.is_final:
        status, headers["Location"] = 202, f"/api/commands/{done.id}"
        headers["Retry-After"] = "1"
    elif created is not None:
        status, headers["Location"] = 201, created.format(**fields)
    return Response(encode(fields), status, headers, JSON)


def given(body: Any, **more: Any) -> dict[str, Any]:
    """A body's fields that were given, as a command's arguments: numbers as text, as the journal has them."""
    return {**body.model_dump(mode="json", exclude_unset=True), **more}
