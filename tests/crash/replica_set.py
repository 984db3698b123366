"""A replica set of three on loopback, of the ``mongod`` that the package brings, whose primaries fail."""

import asyncio
from pathlib import Path
from signal import SIGCONT, SIGKILL, SIGSTOP
from typing import Any, Self

import psutil
from pymongo import AsyncMongoClient
from pymongo.errors import PyMongoError

from live_trading.database.mongod import find_mongod
from live_trading.database.process import HOST, REPLICA_SET, MongodProcess
from live_trading.runtime import Clock

NODES = 3
_CACHE_GIGABYTES = 0.25  # the least that it takes
_POLL = 0.05
_START_SECONDS = 60.0
_SETTINGS = {"electionTimeoutMillis": 1000, "heartbeatIntervalMillis": 250, "catchUpTimeoutMillis": 1000}

_PARAMETERS = ("oplogNetworkTimeoutBufferSeconds=1", "oplogFetcherSteadyStateMaxFetcherRestarts=0")
"""With MongoDB's own (5 s, and once more with up to 7 s) a secondary that fetches from a primary which freezes gives up
on it only after some 12 s, and no majority has anything new until then: longer than the default lease."""


class _Node(MongodProcess):
    def _command(self, log: Path) -> list[str]:
        command = super()._command(log)
        for parameter in _PARAMETERS:
            command += ["--setParameter", parameter]
        return command


class ReplicaSet:
    """``async with ReplicaSet(directory, clock) as replicas``: three nodes with a primary among them."""

    def __init__(self, directory: Path, clock: Clock) -> None:
        program = find_mongod(directory)
        self._clock = clock
        self._nodes: list[MongodProcess] = []
        for number in range(NODES):
            place = directory / f"node-{number}"
            place.mkdir(parents=True)
            self._nodes.append(_Node(place, program, clock, _CACHE_GIGABYTES))

    @property
    def url(self) -> str:
        hosts = ",".join(f"{HOST}:{node.port}" for node in self._nodes)
        return f"mongodb://{hosts}/?replicaSet={REPLICA_SET}"

    async def __aenter__(self) -> Self:
        for node in self._nodes:
            node.spawn()
        members = [{"_id": number, "host": f"{HOST}:{node.port}"} for number, node in enumerate(self._nodes)]
        configuration = {"_id": REPLICA_SET, "members": members, "settings": _SETTINGS}
        first = self._nodes[0]
        async with asyncio.timeout(_START_SECONDS):
            while await self._command(first, {"replSetInitiate": configuration}) is None:
                assert first.is_running(), first.failure()
                await self._clock.sleep(_POLL)
        await self.primary()
        return self

    async def __aexit__(self, *_: object) -> None:
        for node in self._nodes:
            if node.is_running():
                _send(node, SIGKILL)
        await self._gone(self._nodes)

    async def primary(self) -> MongodProcess:
        """The node that takes writes, once there is one."""
        async with asyncio.timeout(_START_SECONDS):
            while True:
                for node in self._nodes:
                    hello = await self._command(node, {"hello": 1}) if node.is_running() else None
                    if hello is not None and hello.get("isWritablePrimary"):
                        return node
                await self._clock.sleep(_POLL)

    async def kill_primary(self) -> MongodProcess:
        """SIGKILL; it stays away until :meth:`bring_back`."""
        node = await self.primary()
        _send(node, SIGKILL)
        await self._gone([node])
        return node

    async def bring_back(self, node: MongodProcess) -> None:
        """Start a node again, or thaw it, and wait until it is a member in good standing."""
        if node.is_running():
            _send(node, SIGCONT)
        else:
            node.spawn()
        async with asyncio.timeout(_START_SECONDS):
            while True:
                hello = await self._command(node, {"hello": 1})
                if hello is not None and (hello.get("secondary") or hello.get("isWritablePrimary")):
                    return
                await self._clock.sleep(_POLL)

    async def freeze_primary(self) -> MongodProcess:
        """SIGSTOP: its connections stay, and nobody answers. Until :meth:`bring_back`."""
        node = await self.primary()
        _send(node, SIGSTOP)
        return node

    async def step_primary_down(self) -> MongodProcess:
        """It hands over in order."""
        node = await self.primary()
        await self._command(node, {"replSetStepDown": 10, "secondaryCatchUpPeriodSecs": 2, "force": True})
        return node

    async def _command(self, node: MongodProcess, command: dict[str, Any]) -> dict[str, Any] | None:
        """A node's own answer; None where it gives none."""
        client: AsyncMongoClient[dict[str, Any]] = AsyncMongoClient(
            HOST, node.port, directConnection=True, serverSelectionTimeoutMS=500, connectTimeoutMS=500
        )
        try:
            async with asyncio.timeout(5):
                return dict(await client.admin.command(command))
        except (PyMongoError, TimeoutError):
            return None
        finally:
            await client.close()

    async def _gone(self, nodes: list[MongodProcess]) -> None:
        async with asyncio.timeout(_START_SECONDS):
            while any(node.is_running() for node in nodes):
                await self._clock.sleep(_POLL)


def _send(node: MongodProcess, number: int) -> None:
    assert node.process_id is not None
    psutil.Process(node.process_id).send_signal(number)
