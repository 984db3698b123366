"""Commands are stored once, answered once, and handed out oldest first."""

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from live_trading.domain.errors import InvalidInput
from live_trading.models import CommandRecord, CommandStatus, commands
from live_trading.runtime import Runtime
from tests.projections.histories import Database
from tests.stories import START


def command(identifier: str, **changes: Any) -> CommandRecord:
    plain: dict[str, Any] = {
        "id": identifier,
        "kind": "pause_operation",
        "arguments": {"operation_id": "1", "size": Decimal("1.10"), "deep": {"list": [1, None, "x"]}},
        "actor": "user:anna",
        "created_at": START,
    }
    return CommandRecord.model_validate({**plain, **changes})


@pytest.fixture
async def prepared(database: Database) -> Database:
    await commands.prepare(database)
    return database


async def test_command_is_stored_as_it_was_asked(prepared: Database) -> None:
    stored = await commands.submit(prepared, command("a"))
    assert stored == command("a")
    assert await commands.get(prepared, "a") == stored
    assert await commands.get(prepared, "b") is None


async def test_same_key_and_content_give_the_first_command_back(prepared: Database) -> None:
    await commands.submit(prepared, command("a", idempotency_key="k"))
    await commands.mark_done(prepared, "a", at=START, sequence_number=7, result={"ok": True})
    again = await commands.submit(prepared, command("b", idempotency_key="k", created_at=START + timedelta(hours=1)))
    assert (again.id, again.status, again.sequence_number) == ("a", CommandStatus.DONE, 7)
    assert await commands.get(prepared, "b") is None


@pytest.mark.parametrize(
    "other", [{"kind": "resume_operation"}, {"arguments": {"operation_id": "2"}}, {"actor": "user:bob"}]
)
async def test_same_key_for_something_else_is_refused(prepared: Database, other: dict[str, Any]) -> None:
    await commands.submit(prepared, command("a", idempotency_key="k"))
    with pytest.raises(InvalidInput, match="idempotency_key: was used before") as refused:
        await commands.submit(prepared, command("b", idempotency_key="k", **other))
    assert refused.value.field == "idempotency_key"


async def test_same_id_is_one_command(prepared: Database) -> None:
    await commands.submit(prepared, command("a"))
    assert (await commands.submit(prepared, command("a"))).id == "a"
    with pytest.raises(InvalidInput, match="id: was used before"):
        await commands.submit(prepared, command("a", kind="close_operation"))


async def test_commands_without_a_key_do_not_clash(prepared: Database) -> None:
    for identifier in "abc":
        await commands.submit(prepared, command(identifier))
    assert len(await commands.pending(prepared)) == 3


async def test_pending_are_the_oldest_first_and_no_more_than_asked(prepared: Database) -> None:
    for index, identifier in enumerate("cab"):
        await commands.submit(prepared, command(identifier, created_at=START + timedelta(seconds=index)))
    await commands.mark_refused(prepared, "a", at=START, sequence_number=3, error={"code": "NO"})
    assert [pending.id for pending in await commands.pending(prepared)] == ["c", "b"]
    assert [pending.id for pending in await commands.pending(prepared, limit=1)] == ["c"]


async def test_only_the_first_answer_counts(prepared: Database, runtime: Runtime) -> None:
    await commands.submit(prepared, command("a"))
    assert (await commands.answered(prepared, "a", runtime.clock, 0)) == command("a")
    await commands.mark_done(prepared, "a", at=START, sequence_number=7, result={"id": "x"})
    await commands.mark_refused(prepared, "a", at=START, sequence_number=8, error={"code": "NO"})
    answer = await commands.answered(prepared, "a", runtime.clock, 10)
    assert answer is not None
    assert (answer.status, answer.sequence_number, answer.result, answer.error) == ("done", 7, {"id": "x"}, None)


async def test_arguments_that_cannot_be_kept_are_refused(prepared: Database) -> None:
    for arguments in ({"x": object()}, {"x": "a" * 100_000}, {"x": 2**70}):
        with pytest.raises(InvalidInput, match="arguments"):
            await commands.submit(prepared, command("a", arguments=arguments))
    assert await commands.pending(prepared) == []
