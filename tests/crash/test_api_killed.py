"""A thousand commands at once, while the api, the engine and mongod are killed: each acts once or not at all.

Every caller has a key of its own. Half of them ask again under it until they know; the other half ask once, and only
look up afterwards what became of it. Both can find out, and what they find out is what the journal says.
"""

import asyncio
import json
import os
import re
import signal
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from live_trading.cli.app import run
from tests.cli.conftest import PATIENCE, Program

COMMANDS = 1_000
AT_ONCE = 100
PASSWORD = "a passphrase for this test"
FAST = ("--set", "api.commands_per_minute=10000000", "--set", "api.requests_per_minute=10000000")


class House:
    """An engine and an api on one data directory, each of which can be killed and started again."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.url = ""
        self.kills: list[str] = []
        self.engine = self._engine()
        self.api = self._api()

    def _engine(self) -> Program:
        engine = Program("engine", "--tail", "--data-dir", str(self.directory), "--set", "engine.lease_ttl_seconds=2")
        engine.until("RECOVERY_COMPLETED")
        return engine

    def _api(self) -> Program:
        api = Program("api", "--port", "0", "--data-dir", str(self.directory), *FAST)
        line = api.until("api listens")
        found = re.search(r"http://127\.0\.0\.1:\d+", line)
        assert found is not None, line
        self.url = found[0]
        return api

    async def kill(self, victim: str) -> None:
        """Kill one as a power cut would, and start it again (mongod is started again by the engine)."""
        self.kills.append(victim)
        if victim == "mongod":
            told = json.loads((self.directory / "mongodb" / "mongod.json").read_text(encoding="utf-8"))
            os.kill(int(told["pid"]), signal.SIGKILL)
            return
        program: Program = getattr(self, victim)
        await asyncio.to_thread(program.kill)
        setattr(self, victim, await asyncio.to_thread(getattr(self, f"_{victim}")))

    def close(self) -> None:
        for program in (self.api, self.engine):
            if program.process.poll() is None:
                program.stop()


@pytest.fixture
def house(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[House]:
    house = House(tmp_path)
    monkeypatch.setenv("LIVE_TRADING_PASSWORD", PASSWORD)
    assert run(["users", "add", "tom", "--role", "trader", "--data-dir", str(tmp_path)]) == 0
    yield house
    house.close()


class Callers:
    """A thousand of them."""

    def __init__(self, house: House, client: httpx.AsyncClient, operation: str) -> None:
        self._house, self._client, self._operation = house, client, operation
        self._turn = asyncio.Semaphore(AT_ONCE)
        self._moved = asyncio.Event()
        self.answered = 0
        self.lost: Counter[str] = Counter()
        self.found: dict[int, int | None] = {}
        """By caller: the number of the entry that came of it; None when it never was taken."""

    async def ask(self, number: int) -> None:
        """Ask, and keep at it until it is known what became of it."""
        async with self._turn:
            answer = await self._once(number)
            while answer is None and number % 2 == 0:
                await asyncio.sleep(0.1)
                answer = await self._once(number)
            if answer is not None:
                self.found[number] = answer
            self.answered += 1
            self._moved.set()

    async def have_answered(self, count: float) -> None:
        """Wait until so many of them are through."""
        while self.answered < count:
            self._moved.clear()
            await self._moved.wait()

    async def _once(self, number: int) -> int | None:
        try:
            answer = await self._client.post(
                f"{self._house.url}/api/operations/{self._operation}/notes",
                json={"text": f"caller {number}"},
                headers={"Idempotency-Key": f"caller-{number}"},
            )
        except httpx.TransportError as error:
            self.lost[type(error).__name__] += 1
            return None
        if answer.status_code == 200:
            return int(answer.json()["sequence_number"])
        self.lost[str(answer.status_code)] += 1
        assert answer.status_code in (202, 503), answer.text
        return None

    async def look_up(self, number: int) -> int | None:
        """What became of it: the entry's number, or None where the command was never taken."""
        answer = await self._client.get(f"{self._house.url}/api/commands", params={"key": f"caller-{number}"})
        if answer.status_code == 404:
            return None
        assert answer.status_code == 200, answer.text
        assert answer.json()["status"] == "done", answer.text
        return int(answer.json()["sequence_number"])


@pytest.mark.crash
@pytest.mark.timeout(900)
async def test_thousand_commands_while_api_engine_and_mongod_are_killed_act_once_or_not_at_all(house: House) -> None:
    async with httpx.AsyncClient(timeout=PATIENCE, trust_env=False) as client:
        body = {"name": "tom", "password": PASSWORD}
        token = (await client.post(f"{house.url}/api/login", json=body)).json()["access_token"]
        client.headers["Authorization"] = f"Bearer {token}"
        settings: dict[str, Any] = {"asset": "EUR-USD", "bar_sizes": ["1 min"], "strategy_name": "MomentumStrategy"}
        settings |= {"quantity": "1000", "initial_capital": "10000"}
        operation = (await client.post(f"{house.url}/api/operations", json=settings)).json()["operation_id"]
        callers = Callers(house, client, operation)
        asking = [asyncio.ensure_future(callers.ask(number)) for number in range(COMMANDS)]
        for share, victim in ((0.2, "api"), (0.45, "engine"), (0.7, "mongod")):
            await callers.have_answered(share * COMMANDS)
            await house.kill(victim)
        await asyncio.gather(*asking)
        assert house.kills == ["api", "engine", "mongod"]
        assert callers.lost, "the kills were felt"
        # A last command: when it is answered, every one before it has been.
        last = await client.post(f"{house.url}/api/operations/{operation}/notes", json={"text": "the last"})
        while last.status_code in (202, 503):
            last = await client.post(f"{house.url}/api/operations/{operation}/notes", json={"text": "the last"})
        assert last.status_code == 200, last.text
        looked_up = {number: await callers.look_up(number) for number in range(COMMANDS)}
        entries: list[dict[str, Any]] = []
        cursor = None
        while True:
            more: dict[str, str] = {"cursor": cursor} if cursor else {}
            page = await client.get(f"{house.url}/api/journal", params={"type": "NOTE_ADDED", "limit": 1000, **more})
            entries += page.json()["items"]
            cursor = page.json()["next_cursor"]
            if cursor is None:
                break
    done = Counter(entry["action_data"]["text"] for entry in entries)
    number_of = {entry["action_data"]["text"]: entry["sequence_number"] for entry in entries}
    for number in range(COMMANDS):
        text = f"caller {number}"
        assert done[text] <= 1, f"{text} acted twice"
        assert looked_up[number] == number_of.get(text), "what is looked up is what the journal says"
        if number in callers.found:
            assert callers.found[number] == number_of[text], "an answer is kept"
        if number % 2 == 0:
            assert done[text] == 1, "who kept asking was served"
    print(f"{sum(done.values())} acted, answers lost: {dict(callers.lost)}, kills: {house.kills}")
