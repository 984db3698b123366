"""One installation for all tests of a file."""

from collections.abc import Iterator
from itertools import count

import pytest

from live_trading.api.auth.roles import Role
from tests.api.stack import OPERATION, Stack

_numbers = count(1)


@pytest.fixture(scope="module")
def stack(mongo_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """Engine, paper exchange, api, and a user of every role."""
    stack = Stack(mongo_url, f"api_{next(_numbers)}", tmp_path_factory.mktemp("api"))
    yield stack
    stack.close()


@pytest.fixture(scope="module")
def operation(stack: Stack) -> str:
    """The id of an operation that trades."""
    with stack.client(Role.TRADER) as client:
        answer = client.post("/api/operations", json=OPERATION)
        assert answer.status_code == 201, answer.text
        return str(answer.json()["operation_id"])
