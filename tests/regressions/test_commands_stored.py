"""Commands as they are stored: one that is none held up all others, the kill switch included."""

from typing import Any

from pymongo.asynchronous.database import AsyncDatabase

from live_trading.models import commands
from tests.stories import START


async def test_what_is_no_command_is_refused_and_holds_up_none(database: AsyncDatabase[dict[str, Any]]) -> None:
    await commands.prepare(database)
    stored = database[commands.COMMANDS]
    await stored.insert_one({"_id": 7, "status": "pending"})
    await stored.insert_one({"_id": "by hand", "status": "pending", "kind": "pause", "actor": "", "created_at": START})
    switch = commands.CommandRecord(id="switch", kind="trip_kill_switch", actor="user:anna", created_at=START)
    await commands.submit(database, switch)
    assert [command.id for command in await commands.pending(database)] == ["switch"]
    by_hand = await stored.find_one({"_id": "by hand"})
    assert by_hand is not None
    assert (by_hand["status"], by_hand["error"]["field"]) == ("refused", "actor")
