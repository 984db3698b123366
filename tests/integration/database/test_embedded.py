"""The mongod of our own: started, found again, joined, restarted, stopped, and clear about what is wrong."""

import asyncio
import os
import signal
import stat
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from live_trading.database import DatabaseError, EmbeddedMongo, MongodFailed, connect
from live_trading.database.mongod import find_mongod
from live_trading.runtime import Runtime


async def insert(url: str, name: str) -> None:
    client = connect(url)
    await client["test"]["things"].insert_one({"_id": name})
    await client.close()


async def names(url: str) -> list[str]:
    client = connect(url)
    found = [str(document["_id"]) async for document in client["test"]["things"].find(sort=[("_id", 1)])]
    await client.close()
    return found


async def until_dead(process_id: int) -> None:
    async with asyncio.timeout(10):
        while psutil.pid_exists(process_id) and psutil.Process(process_id).status() != psutil.STATUS_ZOMBIE:  # noqa: ASYNC110
            await asyncio.sleep(0.02)


async def test_a_restart_keeps_the_data_and_the_address_in_a_long_directory_with_spaces(
    tmp_path: Path, runtime: Runtime
) -> None:
    directory = tmp_path / ("a long name with spaces " * 4) / ("déjà vu " * 10)
    mongo = EmbeddedMongo(directory, runtime)
    url = await mongo.start()
    await insert(url, "kept")
    process_id = mongo.process_id
    assert process_id is not None
    assert os.getpgid(process_id) != os.getpgid(0)  # Ctrl-C at the terminal does not reach it
    await mongo.stop()
    assert not psutil.pid_exists(process_id)
    again = EmbeddedMongo(directory, runtime)
    assert await again.start() == url
    assert await names(url) == ["kept"]
    await again.stop()


async def test_it_may_open_as_many_files_as_the_system_allows(tmp_path: Path, runtime: Runtime) -> None:
    mine = psutil.Process()
    soft, most = mine.rlimit(psutil.RLIMIT_NOFILE)
    mine.rlimit(psutil.RLIMIT_NOFILE, (min(1024, most), most))  # what a login begins with
    mongo = EmbeddedMongo(tmp_path, runtime)
    try:
        await mongo.start()
        assert psutil.Process(mongo.process_id).rlimit(psutil.RLIMIT_NOFILE) == (most, most)
    finally:
        mine.rlimit(psutil.RLIMIT_NOFILE, (soft, most))
        await mongo.stop()


async def test_a_port_that_was_taken_meanwhile_is_replaced(tmp_path: Path, runtime: Runtime) -> None:
    mongo = EmbeddedMongo(tmp_path, runtime)
    url = await mongo.start()
    await insert(url, "kept")
    await mongo.stop()
    port = int(url.split(":")[2].split("/")[0])
    async with await asyncio.start_server(lambda _, writer: writer.close(), "127.0.0.1", port):
        again = EmbeddedMongo(tmp_path, runtime)
        other = await again.start()
        assert other != url
        assert await names(other) == ["kept"]
        await again.stop()


ORPHAN = """
import asyncio, sys
from pathlib import Path
from live_trading.database import EmbeddedMongo
from live_trading.runtime import Runtime

async def main():
    mongo = EmbeddedMongo(Path(sys.argv[1]), Runtime())
    await mongo.start()
    print(mongo.process_id, mongo.url, flush=True)
    await asyncio.Event().wait()

asyncio.run(main())
"""


@pytest.mark.crash
async def test_a_mongod_whose_parent_was_killed_is_found_again_and_looked_after(
    tmp_path: Path, runtime: Runtime
) -> None:
    parent = await asyncio.create_subprocess_exec(
        sys.executable, "-c", ORPHAN, str(tmp_path), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    )
    assert parent.stdout is not None
    lines = [line.decode() async for line in _until_address(parent.stdout)]
    process_id, url = lines[-1].split()
    parent.kill()
    await parent.wait()
    mongo = EmbeddedMongo(tmp_path, runtime)
    assert await mongo.start() == url
    assert mongo.process_id == int(process_id)
    assert mongo.is_owner
    await insert(url, "written to the orphan")
    os.kill(int(process_id), signal.SIGKILL)
    await until_dead(int(process_id))
    assert await names(url) == ["written to the orphan"]
    assert mongo.process_id != int(process_id)
    await mongo.stop()


async def _until_address(stream: asyncio.StreamReader):  # type: ignore[no-untyped-def]
    async for line in stream:
        yield line
        if b"mongodb://" in line:
            return


async def test_a_second_process_joins_and_takes_over_when_the_first_has_gone(tmp_path: Path, runtime: Runtime) -> None:
    first, second = EmbeddedMongo(tmp_path, runtime), EmbeddedMongo(tmp_path, runtime)
    url = await first.start()
    assert await second.start() == url
    assert (first.is_owner, second.is_owner) == (True, False)
    assert first.process_id == second.process_id
    await insert(url, "kept")
    await first.stop()
    async with asyncio.timeout(20):
        while second.deaths == 0 or second.process_id == first.process_id or not second.is_owner:  # noqa: ASYNC110
            await asyncio.sleep(0.02)
    assert await names(url) == ["kept"]
    await second.stop()


async def test_one_that_dies_again_while_it_comes_up_is_counted_and_started_once_more(
    tmp_path: Path, runtime: Runtime
) -> None:
    mongo = EmbeddedMongo(tmp_path, runtime)
    url = await mongo.start()
    await insert(url, "kept")
    for deaths in (1, 2, 3):  # each but the first hits one that accepts no writes yet
        killed = mongo.process_id
        assert killed is not None
        os.kill(killed, signal.SIGKILL)
        async with asyncio.timeout(20):
            while mongo.deaths < deaths or mongo.process_id == killed:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
    assert await names(url) == ["kept"]
    assert mongo.deaths == 3
    await mongo.stop()


async def test_one_that_joined_leaves_it_running_when_it_goes(tmp_path: Path, runtime: Runtime) -> None:
    first, second = EmbeddedMongo(tmp_path, runtime), EmbeddedMongo(tmp_path, runtime)
    url = await first.start()
    await second.start()
    await second.stop()
    assert first.process_id is not None
    assert psutil.pid_exists(first.process_id)
    await insert(url, "still here")
    await first.stop()


async def test_a_data_directory_that_cannot_be_made_says_what_to_set(runtime: Runtime) -> None:
    with pytest.raises(DatabaseError, match=r"/proc/nowhere/mongodb cannot be written: .* Set DATA_DIR"):
        await EmbeddedMongo(Path("/proc/nowhere"), runtime).start()


@pytest.mark.parametrize(
    ("last_words", "reason"),
    [
        ("exception in initAndListen: No space left on device", "the disk is full"),
        ("DBPathInUse: Unable to lock the lock file: mongod.lock", "another mongod already uses this directory"),
        ("something unheard of", r"exit code 1; the last lines of mongod\.log"),
    ],
)
async def test_a_mongod_that_does_not_start_is_explained_in_one_line(
    tmp_path: Path, runtime: Runtime, last_words: str, reason: str
) -> None:
    program = tmp_path / "mongod"
    program.write_text(f"#!/bin/sh\necho '{last_words}'\nexit 1\n")
    program.chmod(0o755)
    with pytest.raises(MongodFailed, match=reason) as failed:
        await EmbeddedMongo(tmp_path / "data", runtime, program=program).start()
    assert "\n" not in str(failed.value)


async def test_a_directory_another_mongod_uses_is_refused(tmp_path: Path, runtime: Runtime) -> None:
    first = EmbeddedMongo(tmp_path, runtime)
    await first.start()
    # As on a network disk that another host uses too: neither the note nor the lock tells.
    (tmp_path / "mongodb" / "mongod.json").unlink()
    (tmp_path / "mongodb" / "owner.lock").unlink()
    with pytest.raises(MongodFailed, match="another mongod already uses this directory"):
        await EmbeddedMongo(tmp_path, runtime).start()
    await first.stop()


async def test_the_mongod_on_the_path_comes_first(tmp_path: Path) -> None:
    program = tmp_path / "mongod"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    assert find_mongod(tmp_path / "data", path=str(tmp_path)) == program
    packaged = find_mongod(tmp_path / "data", path="")
    assert packaged.stat().st_mode & stat.S_IXUSR
