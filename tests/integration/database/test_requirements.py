"""A MongoDB that cannot keep a journal is refused with all that is missing; passwords are never shown."""

import asyncio
import os
import socket
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from pymongo.asynchronous.database import AsyncDatabase
from pymongo.errors import PyMongoError

from live_trading.database import DatabaseError, RequirementsNotMet, check_requirements, connect, redact
from live_trading.database.mongod import find_mongod
from live_trading.domain.errors import InvalidInput


@asynccontextmanager
async def mongod(directory: Path, *options: str) -> AsyncIterator[int]:
    """A mongod as somebody else may have set it up; gives its port."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    (directory / "db").mkdir()
    process = await asyncio.create_subprocess_exec(
        find_mongod(directory),
        *("--dbpath", str(directory / "db"), "--port", str(port), "--bind_ip", "127.0.0.1", "--nounixsocket"),
        *("--wiredTigerCacheSizeGB", "0.25", *options),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        async with asyncio.timeout(20):
            while True:
                try:
                    _, writer = await asyncio.open_connection("127.0.0.1", port)
                except OSError:
                    await asyncio.sleep(0.05)
                    continue
                writer.close()
                await writer.wait_closed()
                break
        yield port
    finally:
        process.kill()
        await process.wait()


async def test_our_own_mongod_meets_all_requirements(mongo_url: str, database: AsyncDatabase[dict[str, Any]]) -> None:
    await check_requirements(database.client, database.name)
    assert await database.list_collection_names() == []


async def test_a_standalone_server_is_refused_with_the_remedy(tmp_path: Path) -> None:
    async with mongod(tmp_path) as port:
        client = connect(f"mongodb://127.0.0.1:{port}/?directConnection=true")
        with pytest.raises(RequirementsNotMet, match=r"standalone server: start it with --replSet"):
            await check_requirements(client, "live_trading")
        await client.close()


async def test_a_user_without_the_rights_is_told_which_are_missing(tmp_path: Path) -> None:
    key = tmp_path / "key"
    key.write_text("secret" * 10)
    key.chmod(0o400)
    async with mongod(tmp_path, "--replSet", "rs0", "--auth", "--keyFile", os.fspath(key)) as port:
        address = f"127.0.0.1:{port}/?directConnection=true"
        client = connect(f"mongodb://{address}")
        await client.admin.command(
            "replSetInitiate", {"_id": "rs0", "members": [{"_id": 0, "host": f"127.0.0.1:{port}"}]}
        )
        async with asyncio.timeout(20):
            while not (await client.admin.command("hello"))["isWritablePrimary"]:  # noqa: ASYNC110
                await asyncio.sleep(0.05)
        await client.admin.command("createUser", "root", pwd="r", roles=["root"])
        await client.close()
        root = connect(f"mongodb://root:r@{address}")
        roles: list[Any] = [{"role": "readWrite", "db": "trading"}]
        await root.admin.command("createUser", "bob", pwd="p@ss", roles=roles)
        await check_requirements(root, "trading")
        bob = connect(f"mongodb://bob:p%40ss@{address}")
        with pytest.raises(
            RequirementsNotMet, match=r"'bob' lacks collMod on the database 'trading'; grant"
        ) as refused:
            await check_requirements(bob, "trading")
        assert "p@ss" not in str(refused.value)
        await root.admin.command("grantRolesToUser", "bob", roles=[{"role": "dbAdmin", "db": "trading"}])
        await check_requirements(bob, "trading")
        wrong = connect(f"mongodb://bob:wrong@{address}")
        with pytest.raises(DatabaseError, match="refused the log-in"):
            await check_requirements(wrong, "trading")
        for open_client in (root, bob, wrong):
            await open_client.close()


async def test_a_server_that_is_not_there_is_said_to_be_unreachable() -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        client = connect(
            f"mongodb://user:hunter2@127.0.0.1:{probe.getsockname()[1]}/?directConnection=true", timeout=0.2
        )
        with pytest.raises(DatabaseError, match="cannot be reached") as unreachable:
            await check_requirements(client, "live_trading")
        assert "hunter2" not in str(unreachable.value)
        await client.close()


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("mongodb://localhost:27017/?replicaSet=rs0", "mongodb://localhost:27017/?replicaSet=rs0"),
        ("mongodb://bob:hunter2@db.example:27017/x", "mongodb://***@db.example:27017/x"),
        ("mongodb+srv://bob:p@ss@db.example/x", "mongodb+srv://***@db.example/x"),
        ("mongodb://bob@db.example", "mongodb://***@db.example"),
    ],
)
def test_urls_are_shown_without_what_is_secret(url: str, shown: str) -> None:
    assert redact(url) == shown


@pytest.mark.parametrize(
    "url", ["mongodb://bob:hunter2@", "postgres://bob:hunter2@host", "mongodb://bob:hunter2/x@host:1"]
)
def test_a_url_that_cannot_be_used_is_refused_without_showing_its_password(url: str) -> None:
    with pytest.raises(InvalidInput, match="MONGODB_URL") as refused:
        connect(url)
    assert "hunter2" not in str(refused.value)


async def test_clients_give_aware_times_and_wait_for_a_majority(database: AsyncDatabase[dict[str, Any]]) -> None:
    from datetime import UTC, datetime

    at = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    await database["things"].insert_one({"_id": 1, "at": at})
    document = await database["things"].find_one({"_id": 1})
    assert document is not None
    assert document["at"].isoformat() == at.isoformat()
    assert database.write_concern.document == {"w": "majority", "j": True}
    with pytest.raises(PyMongoError):
        await database["things"].insert_one({"_id": 1})
