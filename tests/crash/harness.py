"""One journal, one paper exchange, and engines that are killed: all of it real processes, judged from outside.

What an engine told anybody (the entries it acknowledged, the commands it answered) is compared with the journal; the
journal with the exchange's own store, read from its file; the read models with the journal.
"""

import asyncio
import json
import shutil
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from signal import SIGKILL, SIGTERM, SIGUSR1
from typing import Any

from pymongo.asynchronous.database import AsyncDatabase
from pymongo.errors import PyMongoError

from live_trading.domain.entries import Entry
from live_trading.domain.ids import Kind, derived_id
from live_trading.domain.values import OperationStatus, OrderPurpose
from live_trading.journal import JournalUnavailable, MongoJournalReader, verify
from live_trading.models import commands
from live_trading.models.commands import CommandRecord
from live_trading.paper_exchange.options import READY_FILE, STORE_FILE, PaperExchangeOptions
from live_trading.projections import Ledger, apply, verify_read_models
from live_trading.projections.state import Operation
from live_trading.runtime import Clock, SystemClock
from live_trading.runtime.failpoints import FAILPOINT_LOG_VARIABLE, FAILPOINTS_VARIABLE
from live_trading.simulation.invariants import BrokerRecord, broken
from live_trading.simulation.world import is_at_rest
from tests.crash.decisions import decisions_unlike_their_mode
from tests.crash.exchange_store import read_record
from tests.crash.nursery import ROOT, Nursery, Process
from tests.crash.tape import SYMBOL

BROKER = "paper"
STRATEGIES = Path(__file__).resolve().relative_to(ROOT).with_name("strategies.py")
LEASE = 1.5
_POLL = 0.03
_PATIENCE = 60.0
_STOP_SECONDS = 20.0
_STOPS = 3
_CALM = {
    "risk_management.max_order_burst": "1000",
    "risk_management.max_orders_per_second": "1000",
    "risk_management.max_daily_loss": "null",
    "risk_management.max_loss_pct": "null",
    "risk_management.circuit_breaker_failures": "1000",
    "engine.reconcile_interval_seconds": "2",
    "engine.in_doubt_interval_seconds": "0.1",
    "engine.reconnect_backoff_min_seconds": "0.1",
    "engine.price_patience_seconds": "3",
    "database.mongodb.min_pool_size": "0",
    "logging.level": "INFO",
    "logging.format": "json",
}
"""Settings under which an engine is busy: limits that would calm the scenario down are off, intervals are short."""


class Ended(Exception):  # noqa: N818 - it tells what happened
    """The engine ended while something was waited for; ``code`` is its exit code."""

    def __init__(self, code: int) -> None:
        super().__init__(f"the engine ended with code {code}")
        self.code = code


class NeverCame(Exception):  # noqa: N818 - it tells what happened
    """What was waited for did not come about in time."""


@dataclass(slots=True)
class Engine:
    """One engine process and what it wrote."""

    number: int
    process: Process
    log: Path
    passed: Path

    def acknowledged(self) -> list[dict[str, Any]]:
        """The entries it told on its standard output, each after it was acknowledged. A torn last line is no line."""
        text = self.log.with_suffix(".out").read_text(encoding="utf-8")
        return [json.loads(line) for line in text.split("\n")[:-1] if line.startswith('{"sequence_number"')]

    def failpoints(self) -> list[str]:
        """The names of the failpoints it passed, in order."""
        return self.passed.read_text(encoding="utf-8").split("\n")[:-1] if self.passed.exists() else []

    def lost_its_journal(self) -> bool:
        """Whether it ever lost the lease, or the database, and stood by again."""
        return "the journal was lost; starting over" in self.log.with_suffix(".err").read_text(encoding="utf-8")

    def last_words(self) -> str:
        return self.log.with_suffix(".err").read_text(encoding="utf-8")[-6000:]


@dataclass(slots=True)
class Verdict:
    """What was found wrong; nothing is what every test wants."""

    problems: list[str] = field(default_factory=list)
    entries: int = 0
    orders: int = 0


class CrashWorld:
    """What outlives an engine, and the engines. Made by :func:`crash_world`."""

    def __init__(self, nursery: Nursery, database: AsyncDatabase[dict[str, Any]], url: str, directory: Path) -> None:
        """``url`` is the database's, for engines."""
        directory.mkdir(parents=True)
        self.database = database
        self.directory = directory
        self.clock: Clock = SystemClock()
        self.reader = MongoJournalReader(database, self.clock)
        self.ledger = Ledger()
        self.entries: list[Entry] = []
        self.engines: list[Engine] = []
        self.exchange_url = ""
        self.commands: dict[str, CommandRecord] = {}
        self.watched: frozenset[OrderPurpose] = frozenset()
        """The protections that the engine may watch, because the broker cannot hold them."""
        self._exchange: Process | None = None
        self._options: PaperExchangeOptions | None = None
        self._nursery = nursery
        self._mongo_url = url
        self._numbers = count(1)
        self._engine_numbers = count(1)
        self._looking = asyncio.Lock()

    # ---- processes --------------------------------------------------------------------------------------------------

    async def start_exchange(self, options: PaperExchangeOptions) -> None:
        """Start the paper exchange of this world and wait until it can be connected to."""
        log = self.directory / "exchange"
        ready = options.data_dir / READY_FILE
        ready.unlink(missing_ok=True)
        self._options = options
        self._exchange = await self._nursery.start("exchange", options.arguments(), {}, log)

        def is_ready() -> bool:
            assert self._exchange is not None
            if self._exchange.code is not None:
                raise AssertionError(f"the exchange ended: {log.with_suffix('.err').read_text()[-2000:]}")
            return ready.exists()

        await self.until(is_ready, "the exchange to be ready", watch=None)
        self.exchange_url = json.loads(ready.read_text())["url"]

    @property
    def exchange(self) -> Process:
        """The exchange's process."""
        assert self._exchange is not None
        return self._exchange

    async def restart_exchange(self) -> None:
        """Start the exchange that has died again, over its store."""
        assert self._options is not None
        await self.start_exchange(self._options)

    async def start_engine(
        self,
        *,
        failpoints: str = "",
        learn: bool = False,
        lease: float = LEASE,
        standby: bool = False,
        mongo_url: str | None = None,
        **settings: str,
    ) -> Engine:
        """Start an engine. ``failpoints`` arms them (``name=kill@N``), ``learn`` logs which it passes; ``mongo_url`` is
        another way to the database."""
        number = next(self._engine_numbers)
        log, passed = self.directory / f"engine-{number}", self.directory / f"engine-{number}.failpoints"
        chosen = {
            "broker.paper.url": self.exchange_url,
            "engine.lease_ttl_seconds": str(lease),
            **_CALM,
            **{name.replace("__", "."): value for name, value in settings.items()},
        }
        arguments = ["engine", "--tail", "--json", "--data-dir", str(self.directory / f"data-{number}")]
        arguments += ["--standby"] if standby else []
        for name, value in chosen.items():
            arguments += ["--set", f"{name}={value}"]
        environment = {
            "MONGODB_URL": mongo_url or self._mongo_url,
            "MONGODB_DB_NAME": self.database.name,
            FAILPOINTS_VARIABLE: failpoints,
        }
        if learn:
            environment[FAILPOINT_LOG_VARIABLE] = str(passed)
        process = await self._nursery.start("engine", arguments, environment, log)
        engine = Engine(number, process, log, passed)
        self.engines.append(engine)
        return engine

    @property
    def engine(self) -> Engine:
        """The engine started last."""
        return self.engines[-1]

    async def kill(self, engine: Engine | None = None) -> None:
        """End an engine as a power cut would."""
        process = (engine or self.engine).process
        process.send(SIGKILL)
        await process.wait(_PATIENCE)

    async def close(self) -> None:
        """End what runs."""
        for process in [*(engine.process for engine in self.engines), self._exchange]:
            if process is not None:
                process.send(SIGKILL)
                await process.wait(_PATIENCE)

    async def stop(self) -> int:
        """Stop the engine in order; its exit code. One that does not end tells what it is at."""
        process = self.engine.process
        process.send(SIGTERM)
        try:
            return await process.wait(_STOP_SECONDS)
        except TimeoutError:
            process.send(SIGUSR1)
            await self.clock.sleep(0.5)
            said = self.engine.last_words()
            raise NeverCame(f"the end of the engine, {_STOP_SECONDS:g} s after SIGTERM: {said}") from None

    # ---- looking on -------------------------------------------------------------------------------------------------

    async def look(self) -> None:
        """Read what is new in the journal."""
        async with self._looking:
            async for entry in self.reader.read(self.ledger.sequence_number):
                apply(self.ledger, entry)
                self.ledger.forget_changes()
                self.entries.append(entry)

    async def looked(self) -> bool:
        """Read what is new; False when mongod is away."""
        try:
            await self.look()
        except (JournalUnavailable, PyMongoError):
            return False
        return True

    async def until(
        self,
        condition: Callable[[], bool],
        what: str,
        *,
        within: float = _PATIENCE,
        watch: Engine | str | None = "last",
    ) -> None:
        """Wait until something holds in the journal. Raises :class:`Ended` when the engine to watch ends before."""
        engine = self.engine if watch == "last" and self.engines else watch
        deadline = self.clock.monotonic() + within
        while True:
            code = engine.process.code if isinstance(engine, Engine) else None
            if await self.looked() and condition():
                return
            if code is not None:
                raise Ended(code)
            if self.clock.monotonic() > deadline:
                raise NeverCame(f"{what}, within {within:g} s")
            await self.clock.sleep(_POLL)

    @property
    def operations(self) -> list[Operation]:
        return list(self.ledger.state.operations.values())

    def since(self, number: int, action_type: str) -> list[Entry]:
        """The entries of a type after an entry."""
        return [entry for entry in self.entries[number:] if entry.action_type == action_type]

    # ---- commands ---------------------------------------------------------------------------------------------------

    async def submit(self, kind: str, /, **arguments: Any) -> CommandRecord:
        """Ask for something, durably."""
        command = CommandRecord(
            id=f"command-{next(self._numbers)}",
            kind=kind,
            arguments=arguments,
            actor="user:crash-test",
            created_at=self.clock.now(),
        )
        while True:
            try:
                stored = await commands.submit(self.database, command)
            except PyMongoError:
                await self.clock.sleep(_POLL)  # asked again under the same id: it is one command
            else:
                self.commands[stored.id] = stored
                return stored

    async def ask(self, kind: str, /, **arguments: Any) -> CommandRecord:
        """Ask, and wait for the answer of whichever engine is there."""
        return await self.answer(await self.submit(kind, **arguments))

    async def answer(self, command: CommandRecord, within: float = _PATIENCE) -> CommandRecord:
        """Wait until a command is answered. Raises :class:`Ended` when the engine ends before."""
        deadline = self.clock.monotonic() + within
        while True:
            code = self.engine.process.code
            try:
                found = await commands.get(self.database, command.id)
            except PyMongoError:
                found = None
            if found is not None and found.is_final:
                self.commands[found.id] = found
                return found
            if code is not None:
                raise Ended(code)
            if self.clock.monotonic() > deadline:
                raise NeverCame(f"an answer to {command.kind}, within {within:g} s")
            await self.clock.sleep(_POLL)

    async def create_operation(self, strategy: str = "TapeStrategy", **settings: Any) -> CommandRecord:
        """Ask for an operation with a bracket, three fills to each entry."""
        arguments = {
            "asset": SYMBOL,
            "bar_sizes": ["5 secs"],
            "strategy_name": f"{STRATEGIES}:{strategy}",
            "quantity": "3000",
            "initial_capital": "1000000",
            "stop_loss_type": "PERCENTAGE",
            "stop_loss_value": "0.0009",
            "take_profit_type": "RISK_REWARD",
            "take_profit_value": "2",
            **settings,
        }
        return await self.submit("create_operation", **arguments)

    def started(self, engine: Engine) -> Entry | None:
        """The last ``ENGINE_STARTED`` of an engine."""
        own = [e for e in self.since(0, "ENGINE_STARTED") if e.data.process_id == engine.process.pid]
        return own[-1] if own else None

    async def recovered(self, engine: Engine | None = None) -> Entry:
        """Wait until an engine (the one started last) has recovered and trades; its ``ENGINE_STARTED``."""
        engine = engine or self.engine

        def trades() -> bool:
            start = self.started(engine)
            return start is not None and bool(self.since(start.sequence_number, "RECOVERY_COMPLETED"))

        await self.until(trades, "the end of recovery", watch=engine)
        start = self.started(engine)
        assert start is not None
        return start

    # ---- rest and judgement -----------------------------------------------------------------------------------------

    async def come_to_rest(self) -> None:
        """Have all commands answered, every operation paused, and wait until nothing is on its way."""
        await self.recovered()
        for command in list(self.commands.values()):
            if not command.is_final:
                await self.answer(command)
        await self.look()
        for operation in self.operations:
            if operation.status is OperationStatus.ACTIVE:
                await self.ask("pause_operation", operation_id=operation_id(operation))
        await self.until(lambda: is_at_rest(self.ledger), "rest")

    async def wake_up(self) -> None:
        """Let every operation that is held trade again, as a person would."""
        for operation in self.operations:
            if operation.status in (OperationStatus.PAUSED, OperationStatus.ERROR):
                await self.ask("resume_operation", operation_id=operation_id(operation))

    async def judge(self, within: float = 20.0) -> Verdict:
        """The invariants, at rest. The market goes on meanwhile, and a stop may just be hit: what is wrong counts when
        it is still wrong after ``within`` seconds."""
        deadline = self.clock.monotonic() + within
        while True:
            await self.look()
            record = self.broker_record()
            await self.look()
            problems = broken(self.entries, BROKER, record, watched=self.watched)
            problems += [] if is_at_rest(self.ledger) else ["the world is not at rest"]
            if not problems or self.clock.monotonic() > deadline:
                problems += [
                    *await self._unkept(),
                    *decisions_unlike_their_mode(self.entries),
                    *await self._unanswered(),
                ]
                return Verdict(problems, len(self.entries), len(record.orders))
            await self.clock.sleep(0.1)

    async def end(self) -> list[str]:
        """Stop the engine in order; then what is wrong with the journal and the read models."""
        code = await self._stop_with_a_last_word()
        problems = [f"the engine ended with code {code}: {self.engine.last_words()}"] if code else []
        if self.entries[-1].action_type != "ENGINE_STOPPED":
            said = self.engine.last_words()
            problems.append(f"the last entry is {self.entries[-1].action_type}, not ENGINE_STOPPED: {said}")
        report = await verify(self.reader)
        if not report.is_sound:
            problems.append(f"the journal is not sound: {report.broken}")
        models = await verify_read_models(self.database, self.reader)
        if models.sequence_number != report.last:
            problems.append(f"the read models are of entry {models.sequence_number} of {report.last}")
        if not models.is_equal:
            problems.append(f"the read models differ: {models.first_difference}")
        return problems + await self._unkept()

    async def _stop_with_a_last_word(self) -> int:
        """Stop the engine. One whose lease ran out in that moment (the machine was busy) ended in order too, but
        could write nothing any more: then another is started and stopped."""
        for _ in range(_STOPS):
            code = await self.stop()
            await self.look()
            if code or self.entries[-1].action_type == "ENGINE_STOPPED" or not self.engine.lost_its_journal():
                break
            await self.start_engine()
            await self.recovered()
        return code

    async def _unkept(self) -> list[str]:
        """Entries that an engine acknowledged and the journal does not have just so."""
        acknowledged = [(engine.number, told) for engine in self.engines for told in engine.acknowledged()]
        await self.look()
        hashes = {entry.sequence_number: entry.hash.hex() for entry in self.entries}
        return [
            f"engine {number} acknowledged entry {told['sequence_number']} ({told['action_type']}), and it is lost"
            for number, told in acknowledged
            if hashes.get(told["sequence_number"]) != told["hash"]
        ]

    async def _unanswered(self) -> list[str]:
        """Commands that were not answered by exactly one entry of their own."""
        problems = []
        for identifier in self.commands:
            command = await commands.get(self.database, identifier)
            assert command is not None
            of_it = {e.sequence_number for e in self.entries if getattr(e.data, "command_id", None) == identifier}
            if not command.is_final:
                problems.append(f"{identifier} ({command.kind}) has no answer")
            elif of_it != {command.sequence_number}:
                problems.append(f"{identifier} ({command.kind}) was answered {command.sequence_number}, has {of_it}")
        return problems

    def broker_record(self) -> BrokerRecord:
        """What the exchange has in its store, read as of one moment."""
        return read_record(self.directory / "exchange" / STORE_FILE)


def operation_id(operation: Operation) -> str:
    """The id by which commands name an operation."""
    return str(derived_id(Kind.OPERATION, operation.number))


@asynccontextmanager
async def crash_world(
    nursery: Nursery,
    database: AsyncDatabase[dict[str, Any]],
    url: str,
    directory: Path,
    options: Callable[[Path], PaperExchangeOptions],
) -> AsyncIterator[CrashWorld]:
    """A world in ``directory``, its exchange running; everything ends with the block, and without an exception its
    files and database are removed."""
    world = CrashWorld(nursery, database, url, directory)
    try:
        await world.start_exchange(options(directory / "exchange"))
        yield world
    finally:
        await world.close()
    await database.client.drop_database(database.name)
    shutil.rmtree(directory)
