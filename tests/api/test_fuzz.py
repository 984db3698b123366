"""Requests that nobody thought of (Schemathesis), as each role, judged by the OpenAPI document.

No answer is a 5xx, every answer is one the document knows, in the shape it says, and no role gets further than it may.
The run here is short; ``make api-nightly`` goes on for as long as LIVE_TRADING_API_MINUTES says.
"""

import os
import time
from collections.abc import Iterator
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.stateful import run_state_machine_as_test
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from live_trading.api.app import create_app
from live_trading.api.auth.roles import Role
from tests.api.stack import Stack

CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]
LEFT_OUT = {
    ("POST", "/api/logout"),  # it would end the log-in that is asked with
    ("POST", "/api/brokers/{name}/test"),  # it would reach out to whatever address was made up
}
DOCUMENT = create_app().openapi()
MINUTES = float(os.environ.get("LIVE_TRADING_API_MINUTES", "0"))


def document_for(stack: Stack) -> Any:
    schema = schemathesis.openapi.from_dict(DOCUMENT)
    schema.config.update(base_url=stack.url)
    return schema


def _settings(examples: int, **more: Any) -> settings:
    return settings(
        max_examples=examples,
        deadline=None,
        database=None,
        derandomize=not MINUTES,
        phases=[Phase.explicit, Phase.generate],
        suppress_health_check=list(HealthCheck),
        print_blob=False,
        **more,
    )


def operations(schema: Any) -> Iterator[Any]:
    for found in schema.get_all_operations():
        operation = found.ok()
        if (operation.method.upper(), operation.path) not in LEFT_OUT:
            yield operation


def ask_everything(stack: Stack, role: Role, examples: int) -> int:
    """Fuzz every route; how many requests that were."""
    headers = {"Authorization": f"Bearer {stack.token(role)}"}
    asked = 0
    for operation in operations(document_for(stack)):
        needed = DOCUMENT["paths"][operation.path][operation.method.lower()]["x-role"]
        forbidden = needed != "public" and not role.allows(Role(needed))

        @given(case=operation.as_strategy())
        @_settings(1 if forbidden else examples)
        def check(case: Any, *, forbidden: bool) -> None:
            nonlocal asked
            asked += 1
            if "Idempotency-Key" in (case.headers or {}):
                case.headers.pop("Idempotency-Key")  # a key of another request would only ever be told so
            response = case.call(headers=headers)
            if forbidden:
                assert response.status_code == 403, f"{role} got further than it may: {case.as_curl_command()}"
            case.validate_response(response, checks=CHECKS)

        check(forbidden=forbidden)
    return asked


@pytest.mark.parametrize("role", Role)
def test_no_request_is_answered_with_a_fault_or_out_of_the_document(stack: Stack, role: Role, operation: str) -> None:
    assert ask_everything(stack, role, 3 if role is Role.TRADER else 2) > 60


def test_requests_that_follow_from_answers_are_answered_by_the_document(stack: Stack) -> None:
    """Along the document's links: an operation that was started is read, paused, closed."""
    headers = {"Authorization": f"Bearer {stack.token(Role.TRADER)}"}

    base: Any = document_for(stack).as_state_machine()

    class Machine(base):  # type: ignore[misc]
        def get_call_kwargs(self, case: Any) -> dict[str, Any]:
            return {"headers": headers}

        def validate_response(self, response: Any, case: Any, **options: Any) -> None:
            case.validate_response(response, checks=CHECKS)

    run_state_machine_as_test(Machine, settings=_settings(2, stateful_step_count=6))


@pytest.mark.crash_full
@pytest.mark.timeout(0)
@pytest.mark.skipif(not MINUTES, reason="make api-nightly sets LIVE_TRADING_API_MINUTES")
def test_for_as_long_as_asked(stack: Stack, operation: str) -> None:
    until, asked = time.monotonic() + 60 * MINUTES, 0
    while time.monotonic() < until:
        for role in Role:
            asked += ask_everything(stack, role, 25)
    print(f"{asked:,} requests, none answered with a fault or out of the document")
