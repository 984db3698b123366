"""Chaos of real processes: two engines, their exchange and mongod, each killed, frozen or cut off at random under load.

Two *seats* each hold an engine that stands by or trades, and is started again whenever it has ended. Each reaches the
exchange and mongod by links of its own, so that one engine can be cut off and the other not. Chance is seeded; the
processes' own timing is not, so a seed tells what was done to whom, not what came of it.
"""

import asyncio
import os
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from signal import SIGCONT, SIGKILL, SIGSTOP, SIGTERM
from urllib.parse import urlsplit

from live_trading.database import EmbeddedMongo, connect
from live_trading.models.standbys import standbys
from live_trading.runtime import IdSource, Runtime, Tasks
from tests.crash.harness import CrashWorld, Engine, NeverCame, crash_world
from tests.crash.link import Address, Link
from tests.crash.load import create_operations, meddle, synthetic
from tests.crash.nursery import Nursery
from tests.crash.tally import KILLED, Tally

FENCED = 75
"""The exit code of an engine that another one has replaced (docs/cli.md)."""

_NOT_STARTED = 1
"""That of an engine that found no database or no exchange when it started."""

_BUSY = {
    "engine.order_timeout_seconds": "2",
    "engine.reconnect_backoff_max_seconds": "1",
}
_AGAIN_SECONDS = 0.2
_SHORT, _LONG = 0.3, 4.0
"""How long a freeze or a fault of a link lasts: from nothing that matters to more than twice the lease."""
_PROGRESS_SECONDS = 40.0


@dataclass(slots=True)
class Toll:
    """What was done, to whom, and how long it took until orders were sent again."""

    done: Counter[str] = field(default_factory=Counter)
    epochs: int = 0
    acknowledged: int = 0
    longest: float = 0.0
    """Seconds from the end of a round's faults to the next order."""

    @property
    def kills(self) -> int:
        return sum(count for what, count in self.done.items() if what.endswith("killed"))

    def add(self, other: "Toll") -> None:
        """Count another's as ours."""
        self.done += other.done
        self.epochs += other.epochs
        self.acknowledged += other.acknowledged
        self.longest = max(self.longest, other.longest)

    def told(self) -> str:
        """Two lines for people, of worlds that were judged good."""
        done = ", ".join(f"{what} {count}" for what, count in sorted(self.done.items()))
        return (
            f"  {done}\n  {self.acknowledged} entries known to be acknowledged, none lost; no order doubled or lost, "
            f"no position unprotected; {self.epochs} epochs; orders again after {self.longest:.1f} s at most"
        )


class Seat:
    """A place for one engine. ``keep`` starts it again whenever it has ended."""

    def __init__(self, name: str, world: CrashWorld, to_mongo: Link, to_exchange: Link) -> None:
        self.name = name
        self.to_mongo = to_mongo
        self.to_exchange = to_exchange
        self.engine: Engine | None = None
        self.problems: list[str] = []
        self._world = world
        self._is_kept = True

    async def keep(self) -> None:
        """Until :meth:`leave`."""
        while self._is_kept:
            engine = self.engine = await self._world.start_engine(
                standby=True,
                mongo_url=f"mongodb://127.0.0.1:{self.to_mongo.port}/?directConnection=true",
                **{"broker.paper.url": f"http://127.0.0.1:{self.to_exchange.port}", **_BUSY},  # type: ignore[arg-type]
            )
            code = await asyncio.shield(engine.process.ended)
            if code not in (KILLED, FENCED, _NOT_STARTED) and self._is_kept:
                self.problems.append(f"engine {engine.number} ended with {code}: {engine.last_words()}")
            await self._world.clock.sleep(_AGAIN_SECONDS)

    def leave(self) -> Engine:
        """Do not start it again; the one that runs."""
        self._is_kept = False
        assert self.engine is not None
        return self.engine


class Chaos:
    """One world under attack. Made by :func:`chaos_world`."""

    def __init__(self, world: CrashWorld, mongo: EmbeddedMongo, seats: tuple[Seat, Seat], chance: IdSource) -> None:
        self.world = world
        self.toll = Toll()
        self._mongo = mongo
        self._seats = seats
        self._chance = chance
        self._tasks = Tasks()
        self._killing_mongod = asyncio.Lock()
        self._exchange_is_kept = True
        self._seen = self._process_id = 0
        self._is_recovered = False

    async def begin(self) -> None:
        """Two engines, operations, and a person who meddles."""
        self._tasks.start(self._keep_exchange(), "exchange")
        for seat in self._seats:
            self._tasks.start(seat.keep(), f"seat {seat.name}")
        await self._until_trading()
        await create_operations(self.world, of_each=3)

    async def close(self) -> None:
        await self._tasks.close()

    async def rage(self, kills: int, orders: int) -> None:
        """Round after round: one to three things at once, then all is mended and so many orders must be sent again."""
        meddling = Tasks()
        meddling.start(meddle(self.world, self._chance), "a person who meddles")
        while self.toll.kills < kills:
            await self.world.clock.sleep(self._chance.uniform(0.2, 1.0))
            faults = [self._pick()() for _ in range(1 + int(self._chance.uniform(0, 2.999)))]
            await asyncio.gather(*faults)
            await self._until_orders(orders)
        assert meddling.failure is None, meddling.failure
        await meddling.close()

    async def settle(self, tally: Tally) -> None:
        """One engine trades, the other stands by and says so; that one leaves, and the world is judged."""
        leader = await self._until_trading()
        (other,) = (seat for seat in self._seats if seat.engine is not leader.engine)
        await self._until_stands_by(other)
        left = other.leave()
        left.process.send(SIGTERM)
        assert await left.process.wait(20) == 0, left.last_words()
        self._exchange_is_kept = False
        engine = leader.leave()
        self.world.engines.remove(engine)
        self.world.engines.append(engine)  # whom the harness asks and stops
        self.toll.epochs = self.world.ledger.state.epoch
        self.toll.acknowledged = sum(len(each.acknowledged()) for each in self.world.engines)
        tally.kills += self.toll.kills
        await tally.judge(self.world)
        held = list(self.world.ledger.state.discrepancies)
        assert not held, f"positions differ: {held}"
        problems = [problem for seat in self._seats for problem in seat.problems] + self._refused_while_holding()
        assert not problems, "; ".join(problems)

    def _refused_while_holding(self) -> list[str]:
        """Engines that gave up as though they had never started, and had."""
        return [
            f"engine {engine.number} ended with {_NOT_STARTED} though it had started: {engine.last_words()}"
            for engine in self.world.engines
            if engine.process.code == _NOT_STARTED and self.world.started(engine) is not None
        ]

    # ---- waiting ----------------------------------------------------------------------------------------------------

    def _trading(self) -> Seat | None:
        """The seat whose engine holds the newest epoch, has recovered, and runs."""
        for entry in self.world.entries[self._seen :]:
            if entry.action_type == "ENGINE_STARTED":
                self._process_id, self._is_recovered = entry.data.process_id, False
            elif entry.action_type == "RECOVERY_COMPLETED":
                self._is_recovered = True
        self._seen = len(self.world.entries)
        if not self._is_recovered:
            return None
        for seat in self._seats:
            process = None if seat.engine is None else seat.engine.process
            if process is not None and process.code is None and process.pid == self._process_id:
                return seat
        return None

    async def _until_trading(self) -> Seat:
        await self._until(lambda: self._trading() is not None, "an engine that trades")
        seat = self._trading()
        assert seat is not None
        return seat

    async def _until(self, condition: Callable[[], bool], what: str) -> None:
        def holds() -> bool:
            failure = self._tasks.failure
            if failure is not None:
                raise failure
            return condition()

        try:
            await self.world.until(holds, what, within=_PROGRESS_SECONDS, watch=None)
        except NeverCame as error:
            said = [seat.engine.last_words()[-1500:] for seat in self._seats if seat.engine is not None]
            raise NeverCame(f"{error}; the engines say: {said}") from None

    async def _until_orders(self, orders: int) -> None:
        began, seen = self.world.clock.monotonic(), len(self.world.entries)
        await self._until(lambda: bool(self.world.since(seen, "ORDER_REQUESTED")), "an order")
        self.toll.longest = max(self.toll.longest, self.world.clock.monotonic() - began)
        await self._until(lambda: len(self.world.since(seen, "ORDER_REQUESTED")) >= orders, f"{orders} orders")

    async def _until_stands_by(self, seat: Seat) -> None:
        clock = self.world.clock
        deadline = clock.monotonic() + _PROGRESS_SECONDS
        while clock.monotonic() < deadline:
            found = await standbys(self.world.database, "default")
            pid = None if seat.engine is None else seat.engine.process.pid
            if [each for each in found if each.is_there and each.said.process_id == pid and each.said.sequence_number]:
                return
            await clock.sleep(0.1)
        raise NeverCame(f"a standby in seat {seat.name}")

    async def _keep_exchange(self) -> None:
        while True:
            await asyncio.shield(self.world.exchange.ended)
            if not self._exchange_is_kept:
                return
            await self.world.restart_exchange()

    # ---- what is done -----------------------------------------------------------------------------------------------

    def _pick(self) -> Callable[[], Awaitable[None]]:
        what: tuple[tuple[float, Callable[[], Awaitable[None]]], ...] = (
            (4, self._kill_leader),
            (2, self._kill_standby),
            (2, self._kill_exchange),
            (2, self._kill_mongod),
            (2, self._freeze_leader),
            (1, self._freeze_standby),
            (1, self._freeze_exchange),
            (1, self._freeze_mongod),
            (3, self._fail_a_link),
        )
        at = self._chance.uniform(0, sum(weight for weight, _ in what))
        for weight, act in what:
            at -= weight
            if at < 0:
                return act
        return what[-1][1]

    def _leader(self) -> Seat:
        return self._trading() or self._seats[0]

    def _other(self) -> Seat:
        leader = self._leader()
        return next(seat for seat in self._seats if seat is not leader)

    async def _kill_leader(self) -> None:
        self._kill_engine(self._leader(), "leader")

    async def _kill_standby(self) -> None:
        self._kill_engine(self._other(), "standby")

    def _kill_engine(self, seat: Seat, name: str) -> None:
        if seat.engine is not None and seat.engine.process.code is None:
            seat.engine.process.send(SIGKILL)
            self.toll.done[f"{name} killed"] += 1

    async def _kill_exchange(self) -> None:
        if self.world.exchange.code is None:
            self.world.exchange.send(SIGKILL)
            self.toll.done["exchange killed"] += 1

    async def _kill_mongod(self) -> None:
        async with self._killing_mongod:
            deaths = self._mongo.deaths
            assert self._mongo.process_id is not None
            os.kill(self._mongo.process_id, SIGKILL)
            self.toll.done["mongod killed"] += 1
            async with asyncio.timeout(_PROGRESS_SECONDS):
                while self._mongo.deaths == deaths:  # its process id is not given away before it is known to be dead
                    await self.world.clock.sleep(0.05)

    async def _freeze_leader(self) -> None:
        await self._freeze_engine(self._leader(), "leader")

    async def _freeze_standby(self) -> None:
        await self._freeze_engine(self._other(), "standby")

    async def _freeze_engine(self, seat: Seat, name: str) -> None:
        engine = seat.engine
        if engine is not None:
            await self._freeze(name, engine.process.send)

    async def _freeze_exchange(self) -> None:
        await self._freeze("exchange", self.world.exchange.send)

    async def _freeze_mongod(self) -> None:
        pid, deaths = self._mongo.process_id, self._mongo.deaths
        assert pid is not None

        def send(number: int) -> None:
            if self._mongo.deaths == deaths and self._mongo.process_id == pid:
                os.kill(pid, number)

        await self._freeze("mongod", send)

    async def _freeze(self, name: str, send: Callable[..., None]) -> None:
        self.toll.done[f"{name} frozen"] += 1
        send(SIGSTOP)
        await self.world.clock.sleep(self._chance.uniform(_SHORT, _LONG))
        send(SIGCONT)

    async def _fail_a_link(self) -> None:
        seat = self._leader() if self._chance.uniform(0, 1) < 0.7 else self._other()
        to_mongo = self._chance.uniform(0, 1) < 0.5
        link = seat.to_mongo if to_mongo else seat.to_exchange
        way = int(self._chance.uniform(0, 2.999))
        (link.cut, link.silence, lambda: link.slow(self._chance.uniform(0.05, 0.5)))[way]()
        self.toll.done[f"link to {'mongod' if to_mongo else 'exchange'} {('cut', 'silent', 'slow')[way]}"] += 1
        await self.world.clock.sleep(self._chance.uniform(_SHORT, _LONG))
        link.mend()


@asynccontextmanager
async def chaos_world(nursery: Nursery, directory: Path, runtime: Runtime, chance: IdSource) -> AsyncIterator[Chaos]:
    """A mongod, an exchange and two engines in ``directory``; everything ends with the block. A failure's exception
    says where its files are."""
    mongo = EmbeddedMongo(directory, runtime)
    client = connect(await mongo.start())
    try:
        async with AsyncExitStack() as stack:
            options = synthetic(int(chance.uniform(0, 1_000_000)))
            world = await stack.enter_async_context(
                crash_world(nursery, client["crash"], mongo.url, directory / "world", options)
            )

            def mongod() -> Address:
                return _address(mongo.url)

            def exchange() -> Address:
                return _address(world.exchange_url)

            seats = []
            for name in ("A", "B"):
                to_mongo = await stack.enter_async_context(Link(runtime.clock, mongod))
                to_exchange = await stack.enter_async_context(Link(runtime.clock, exchange))
                seats.append(Seat(name, world, to_mongo, to_exchange))
            chaos = Chaos(world, mongo, (seats[0], seats[1]), chance)
            stack.push_async_callback(chaos.close)
            await chaos.begin()
            yield chaos
    except Exception as error:
        error.add_note(f"[{directory}]")
        raise
    finally:
        await client.close()
        await mongo.stop()


def _address(url: str) -> Address:
    parts = urlsplit(url)
    assert parts.hostname is not None
    assert parts.port is not None
    return parts.hostname, parts.port
