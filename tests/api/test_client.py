"""The Python client and ``--remote``: the same as near by, over HTTP."""

import json
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from live_trading.api.auth.roles import Role
from live_trading.cli.app import run
from live_trading.client import Client, InterfaceAway, NotAllowed, Refused
from tests.api.stack import NAMES, OPERATION, PASSWORD, Stack


@pytest.fixture
async def client(stack: Stack) -> AsyncIterator[Client]:
    async with Client(stack.url) as client:
        await client.log_in(NAMES[Role.TRADER], PASSWORD)
        yield client


async def test_operation_is_started_and_followed_from_its_first_entry(client: Client) -> None:
    started = await client.create_operation(OPERATION)
    assert started.status == "done"
    assert started.operation_id is not None
    assert started.sequence_number is not None
    await client.pause(started.operation_id, "lunch")
    kinds = []
    async for message in client.follow(started.operation_id, after=started.sequence_number - 1):
        if message.type == "entry":
            kinds.append(message.fields["entry"]["action_type"])
        if "OPERATION_PAUSED" in kinds:
            break
    assert kinds == ["OPERATION_CREATED", "OPERATION_PAUSED"]
    assert (await client.operation(started.operation_id))["status"] == "paused"
    assert started.operation_id in [row["id"] for row in await client.operations(limit=1)], "page by page"
    assert [entry["sequence_number"] async for entry in client.journal(first=1, last=3)] == [1, 2, 3]


async def test_command_whose_answer_was_lost_is_sent_again_and_done_once(stack: Stack) -> None:
    lost: list[str] = []

    class LosesAnswers(httpx.AsyncHTTPTransport):
        async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
            answer = await super().handle_async_request(request)
            key = request.headers.get("idempotency-key")
            if key is not None and len(lost) < 2:
                await answer.aread()
                await answer.aclose()
                lost.append(key)
                raise httpx.ReadError("the answer was lost")
            return answer

    async with Client(stack.url, transport=LosesAnswers()) as client:
        await client.log_in(NAMES[Role.TRADER], PASSWORD)
        started = await client.create_operation(OPERATION)
        assert len(set(lost)) == 1
        assert len(lost) == 2
        found = await client.outcome_of(lost[0])
        assert found is not None
        assert found.sequence_number == started.sequence_number
        assert await client.outcome_of("never") is None


async def test_expired_token_is_renewed_once_for_all_that_wait(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    import asyncio

    refreshed: list[str] = []

    class Counts(httpx.AsyncHTTPTransport):
        async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
            if request.url.path == "/api/refresh":
                refreshed.append("once")
            elif request.headers.get("authorization") and not refreshed:
                problem = {"code": "TOKEN_EXPIRED", "detail": "expired"}
                return httpx.Response(401, json=problem, request=request)
            return await super().handle_async_request(request)

    async with Client(stack.url, transport=Counts()) as client:
        await client.log_in(NAMES[Role.VIEWER], PASSWORD)
        await asyncio.gather(*(client.get("/api/profile") for _ in range(5)))
    assert refreshed == ["once"]


async def test_refusals_have_their_code_and_field_and_nobody_is_waited_for_in_vain(
    stack: Stack, client: Client
) -> None:
    with pytest.raises(Refused) as refused:
        await client.create_operation({**OPERATION, "quantity": "-1"})
    assert (refused.value.code, refused.value.field) == ("INVALID_INPUT", "quantity")
    async with Client(stack.url) as stranger:
        with pytest.raises(NotAllowed):
            await stranger.get("/api/profile")
    async with Client("http://127.0.0.1:9", timeout=1) as away:
        with pytest.raises(InterfaceAway):
            await away.get("/api/profile")


def test_command_line_asks_far_away_what_it_asks_near_by(
    stack: Stack, operation: str, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    def call(*words: str) -> tuple[int, Any]:
        capfd.readouterr()
        code = run([*words, "--json", "--remote", stack.url])
        return code, json.loads(capfd.readouterr().out)

    monkeypatch.setenv("LIVE_TRADING_USER", NAMES[Role.TRADER])
    monkeypatch.setenv("LIVE_TRADING_PASSWORD", PASSWORD)
    code, listed = call("operations", "list")
    assert code == 0
    assert operation in [row["id"] for row in listed["operations"]]
    assert call("operations", "pause", operation, "--reason", "far away")[0] == 0
    assert call("operations", "show", operation)[1]["status"] == "paused"
    assert call("operations", "pause", operation)[1]["error"]["exit_code"] == 1
    assert call("operations", "resume", operation)[0] == 0
    assert call("operations", "show", "0" * 24)[0] == 3
    assert call("state", "--at", "1")[1]["sequence_number"] == 1
    assert call("journal", "tail", "--count", "1")[1]["entries"][0]["sequence_number"] > 1
    assert call("rebuild")[0] == 2
    monkeypatch.setenv("LIVE_TRADING_TOKEN", "nonsense")
    assert call("operations", "list")[0] == 1


def test_users_are_managed_from_the_command_line(
    stack: Stack, tmp_path: Any, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("MONGODB_URL", stack.mongo_url)
    monkeypatch.setenv("LIVE_TRADING_PASSWORD", PASSWORD)

    def call(*words: str) -> tuple[int, Any]:
        capfd.readouterr()
        place = ("--set", f"database.mongodb.db_name={stack.name}", "--data-dir", str(tmp_path))
        code = run(["users", *words, "--json", *place])
        return code, json.loads(capfd.readouterr().out)

    assert call("add", "cleo", "--role", "trader")[0] == 0
    assert call("add", "cleo")[0] == 2
    assert call("add", "dora", "--role", "queen")[0] == 2
    with stack.client() as client:
        headers = {"Authorization": f"Bearer {stack.log_in('cleo')['access_token']}"}
        assert client.get("/api/profile", headers=headers).json()["role"] == "trader"
        assert call("revoke", "cleo")[0] == 0
        monkeypatch.setenv("LIVE_TRADING_PASSWORD", "another fine passphrase")
        assert call("passwd", "cleo")[0] == 0
        stack.log_in("cleo", "another fine passphrase")
    names = [user["name"] for user in call("list")[1]["users"]]
    assert names == sorted(names)
    assert {"ada", "tom", "vera", "cleo"} <= set(names)
    assert call("revoke", "cleo", "--remove")[0] == 0
    assert call("revoke", "cleo")[0] == 3
